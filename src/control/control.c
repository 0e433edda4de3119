/* SPDX-License-Identifier: ISC */
/* control.c: the table of operations, and how a request finds its own. */
#include "control/control.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/printable.h"
#include "base/suggest.h"
#include "control/line.h"
#include "control/request.h"
#include "mail/domain.h"

enum argument_kind {
    ARGUMENT_TEXT,
    ARGUMENT_DOMAIN, /* a name; its normal form goes to request->domain */
    ARGUMENT_ID,     /* a message; goes to request->id */
    ARGUMENT_FLAG,
    ARGUMENT_NUMBER,
    ARGUMENT_LIST,
    ARGUMENT_OBJECT,
};

struct argument {
    const char *name; /* NULL ends the list */
    enum argument_kind kind;
    bool is_optional;
};

enum { ARGUMENTS_MAX = 7 };

struct operation {
    const char *name;
    void (*run)(struct request *request);
    bool changes; /* goes to the log */
    struct argument argument[ARGUMENTS_MAX];
    const char *help;
};

#define NAME                                                                                       \
    {                                                                                              \
        "name", ARGUMENT_DOMAIN, false                                                             \
    }
#define DOMAIN                                                                                     \
    {                                                                                              \
        "domain", ARGUMENT_DOMAIN, true                                                            \
    }
#define NEEDED_DOMAIN                                                                              \
    {                                                                                              \
        "domain", ARGUMENT_DOMAIN, false                                                           \
    }
#define ID                                                                                         \
    {                                                                                              \
        "id", ARGUMENT_ID, false                                                                   \
    }
#define TEXT(name)                                                                                 \
    {                                                                                              \
        (name), ARGUMENT_TEXT, true                                                                \
    }
#define NEEDED(name)                                                                               \
    {                                                                                              \
        (name), ARGUMENT_TEXT, false                                                               \
    }
#define FLAG(name)                                                                                 \
    {                                                                                              \
        (name), ARGUMENT_FLAG, true                                                                \
    }
#define COUNT(name)                                                                                \
    {                                                                                              \
        (name), ARGUMENT_NUMBER, true                                                              \
    }
#define PRIMARY                                                                                    \
    {                                                                                              \
        "primary", ARGUMENT_LIST, true                                                             \
    }
#define SET                                                                                        \
    {                                                                                              \
        "set", ARGUMENT_OBJECT, true                                                               \
    }

/* clang-format off */
static const struct operation operations[] = {
    { "version", operation_version, false, { { NULL } }, "which program this is" },
    { "status", operation_status, false, { COUNT("limit") }, "the node at a glance" },
    { "domain.add", operation_domain_add, true, { NAME, PRIMARY, SET }, "protect a domain" },
    { "domain.set", operation_domain_set, true, { NAME, PRIMARY, SET }, "change what was set" },
    { "domain.show", operation_domain_show, false, { NAME }, "all about one domain" },
    { "domain.list", operation_domain_list, false, { TEXT("after"), COUNT("limit") },
      "the protected domains" },
    { "domain.remove", operation_domain_remove, true, { NAME, FLAG("force") },
      "protect it no longer" },
    { "domain.pause", operation_domain_pause, true, { NAME, TEXT("until") },
      "stop probes and drain, go on accepting" },
    { "domain.resume", operation_domain_resume, true, { NAME }, "end the pause, drain at once" },
    { "domain.check", operation_domain_check, false, { NAME }, "where its mail would go" },
    { "domain.template", operation_domain_template, false,
      { NAME, NEEDED("occasion"), TEXT("language") }, "the text about an event" },
    { "domain.template-set", operation_domain_template_set, true,
      { NAME, NEEDED("occasion"), TEXT("language"), NEEDED("text") },
      "a text of one's own, or an empty one" },
    { "domain.webhook-secret", operation_domain_webhook_secret, true, { NAME, FLAG("new") },
      "what the posts of its webhook are signed with" },
    { "domain.secret", operation_domain_secret, true, { NAME, FLAG("cram_md5") },
      "a new one, by which the domain's holder logs in" },
    { "domain.address", operation_domain_address, false,
      { NAME, { "addresses", ARGUMENT_LIST, true }, FLAG("forget") },
      "where its primary is said to be now; tell of another place" },
    { "recipient.verify", operation_recipient_verify, false, { NEEDED("address") },
      "ask the primary whether it has a recipient" },
    { "recipient.list", operation_recipient_list, false,
      { NEEDED_DOMAIN, TEXT("state"), TEXT("match"), COUNT("limit"), TEXT("after") },
      "what is known of a domain's recipients" },
    { "recipient.show", operation_recipient_show, false, { NEEDED("address") },
      "what is known of one recipient" },
    { "recipient.pin", operation_recipient_pin, true, { NEEDED("address"), FLAG("invalid") },
      "say for good whether a recipient is there" },
    { "recipient.forget", operation_recipient_forget, true, { NEEDED("address") },
      "forget what is known of a recipient" },
    { "recipient.import-begin", operation_recipient_import_begin, true, { NEEDED_DOMAIN },
      "a list of a domain's recipients follows" },
    { "recipient.import-part", operation_recipient_import_part, false,
      { COUNT("number"), { "addresses", ARGUMENT_LIST, false } }, "some of them" },
    { "recipient.import-end", operation_recipient_import_end, true,
      { COUNT("number"), FLAG("dry_run"), FLAG("force") }, "that was all; take it, or only compare" },
    { "queue.list", operation_queue_list, false,
      { DOMAIN, TEXT("recipient"), TEXT("state"), COUNT("limit"), TEXT("after"), FLAG("newest") },
      "held and rescued messages" },
    { "queue.show", operation_queue_show, false, { ID }, "all about one message" },
    { "queue.flush", operation_queue_flush, true, { DOMAIN }, "probe and try now" },
    { "queue.release", operation_queue_release, true, { ID, DOMAIN, TEXT("recipient") },
      "try rescued mail again" },
    { "queue.bounce", operation_queue_bounce, true, { ID, DOMAIN, TEXT("recipient") },
      "give a message up, and tell its sender" },
    { "queue.discard", operation_queue_discard, true, { ID, DOMAIN, TEXT("recipient") },
      "delete a message for good" },
    { "backup.begin", operation_backup_begin, true, { { NULL } },
      "name the files that are the mail of this moment, and keep them" },
    { "backup.go-on", operation_backup_go_on, false, { COUNT("number") }, "they are still needed" },
    { "backup.end", operation_backup_end, true, { COUNT("number") }, "they are copied" },
    { "queue.export", operation_queue_export, false, { ID }, "the content of a message" },
};
/* clang-format on */

enum { OPERATIONS = sizeof operations / sizeof *operations };

bool control_next_operation(size_t *cursor, const char **out_name, const char **out_help)
{
    if (*cursor >= OPERATIONS)
        return false;
    *out_name = operations[*cursor].name;
    *out_help = operations[*cursor].help;
    ++*cursor;
    return true;
}

static const struct operation *find_operation(struct str name)
{
    for (size_t i = 0; i < OPERATIONS; i++)
        if (str_equals(name, str_from(operations[i].name)))
            return &operations[i];
    return NULL;
}

/* ---- arguments ---- */

static const struct argument *find_argument(const struct operation *operation, const char *name)
{
    for (int i = 0; i < ARGUMENTS_MAX && operation->argument[i].name != NULL; i++)
        if (strcmp(operation->argument[i].name, name) == 0)
            return &operation->argument[i];
    return NULL;
}

static bool take_domain(struct request *request, const json_t *value)
{
    struct str text = { json_string_value(value), json_string_length(value) };
    return domain_normalise(text, &request->domain) && str_find(buf_str(&request->domain), '.') > 0;
}

static bool take_id(struct request *request, const json_t *value)
{
    struct str text = { json_string_value(value), json_string_length(value) };
    return message_id_from_text(text, &request->id);
}

/* NULL if the value is good, else what it must be. */
static const char *check_value(struct request *request, enum argument_kind kind,
                               const json_t *value)
{
    switch (kind) {
    case ARGUMENT_TEXT:
        return json_is_string(value) ? NULL : "a string";
    case ARGUMENT_DOMAIN:
        return json_is_string(value) && take_domain(request, value)
                   ? NULL
                   : "a domain name such as example.org";
    case ARGUMENT_ID:
        return json_is_string(value) && take_id(request, value)
                   ? NULL
                   : "the 26 letters that `holdfast queue list` shows for a message";
    case ARGUMENT_FLAG:
        return json_is_boolean(value) ? NULL : "true or false";
    case ARGUMENT_NUMBER:
        return json_is_integer(value) && json_integer_value(value) > 0 ? NULL : "a number above 0";
    case ARGUMENT_LIST:
        return json_is_array(value) ? NULL : "a list";
    case ARGUMENT_OBJECT:
        return json_is_object(value) ? NULL : "an object";
    }
    return "something else";
}

/* Answers and returns false if a value is unknown or wrong. */
static bool check_given(struct request *request, const struct operation *operation)
{
    const char *name;
    json_t *value;

    json_object_foreach(request->arguments, name, value)
    {
        if (strcmp(name, "op") == 0)
            continue;
        const struct argument *argument = find_argument(operation, name);
        const char *wanted = argument == NULL ? NULL : check_value(request, argument->kind, value);
        if (argument == NULL) {
            request_fail(request, "unknown-argument", "%s has no argument \"%.40s\"",
                         operation->name, name);
            return false;
        }
        if (wanted != NULL) {
            request_fail(request, "bad-argument", "%s must be %s", name, wanted);
            return false;
        }
    }
    return true;
}

static bool check_missing(struct request *request, const struct operation *operation)
{
    for (int i = 0; i < ARGUMENTS_MAX && operation->argument[i].name != NULL; i++) {
        const struct argument *argument = &operation->argument[i];
        if (argument->is_optional || argument_value(request, argument->name) != NULL)
            continue;
        request_fail(request, "missing-argument", "%s needs \"%s\"", operation->name,
                     argument->name);
        return false;
    }
    return true;
}

/* ---- requests ---- */

static void fail_unknown(struct request *request, struct str name)
{
    struct suggestion meant = { .given = name };
    struct buf shown = { 0 };

    for (size_t i = 0; i < OPERATIONS; i++)
        suggestion_offer(&meant, str_from(operations[i].name));
    printable_add_quoted(&shown, name);
    if (meant.best.len > 0)
        request_fail(request, "unknown-operation", "there is no operation %.*s; did you mean %.*s?",
                     STR_FMT(buf_str(&shown)), STR_FMT(meant.best));
    else
        request_fail(request, "unknown-operation",
                     "there is no operation %.*s; `holdfast help` lists what there is",
                     STR_FMT(buf_str(&shown)));
    buf_fini(&shown);
}

static void log_operation(const struct request *request, const struct operation *operation)
{
    struct str id = argument_text(request, "id");
    log_info("operation", LOG_TEXT("name", operation->name),
             LOG_STR("domain", buf_str(&request->domain)), LOG_STR("id", id));
}

static struct request *new_request(struct control *control, uint64_t ticket, struct now now)
{
    struct request *request = memory_new(sizeof *request);

    request->control = control;
    request->ticket = ticket;
    request->now = now;
    list_append(&control->requests, &request->link);
    return request;
}

void control_request(struct control *control, uint64_t ticket, struct str line, struct now now)
{
    struct request *request = new_request(control, ticket, now);

    if (line.len <= CONTROL_REQUEST_MAX)
        request->arguments =
            json_loadb(line.len > 0 ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(request->arguments)) {
        request_fail(request, "bad-request", "a request is one JSON object on one line");
        return;
    }
    struct str name = argument_text(request, "op");
    const struct operation *operation = find_operation(name);
    if (operation == NULL) {
        fail_unknown(request, name);
        return;
    }
    if (!check_given(request, operation) || !check_missing(request, operation))
        return;
    if (operation->changes)
        log_operation(request, operation);
    operation->run(request);
}

static struct request *find_request(struct control *control, uint64_t ticket)
{
    list_each (link, &control->requests) {
        struct request *request = container_of(link, struct request, link);
        if (request->ticket == ticket && !request->is_cancelled)
            return request;
    }
    return NULL;
}

void control_continue(struct control *control, uint64_t ticket)
{
    struct request *request = find_request(control, ticket);

    if (request == NULL || request->go_on == NULL)
        return;
    void (*go_on)(struct request *) = request->go_on;
    request->go_on = NULL;
    go_on(request);
}

/* A request that waits for nothing but us ends here; the others when their callback comes. */
void control_cancel(struct control *control, uint64_t ticket)
{
    struct request *request = find_request(control, ticket);

    if (request == NULL)
        return;
    request->is_cancelled = true;
    if (request->go_on != NULL)
        request_free(request);
}

/* ---- life ---- */

struct control *control_new(const struct control_setup *setup)
{
    struct control *control = memory_new(sizeof *control);

    control->setup = *setup;
    list_init(&control->requests);
    list_init(&control->imports);
    return control;
}

void control_free(struct control *control)
{
    struct link *first;

    if (control == NULL)
        return;
    while ((first = list_first(&control->requests)) != NULL) {
        struct request *request = container_of(first, struct request, link);
        list_remove(&request->link);
        request->control = NULL;
        if (request->go_on != NULL)
            request_free(request);
    }
    control_free_imports(control);
    memory_free(control);
}

void control_set_config(struct control *control, const struct config *config)
{
    control->setup.config = config;
}
