/* SPDX-License-Identifier: ISC */
/* domain.c: adding, changing, pausing and removing protected domains.
 *
 * A change is in effect at once (directory.h); the answer comes when it is
 * durable. Removing a domain never destroys mail: it is refused while mail is
 * held, and with "force" the mail stays in the store and in `queue list`.
 */
#include <inttypes.h>
#include <string.h>

#include "base/printable.h"
#include "base/suggest.h"
#include "control/request.h"
#include "mail/domain.h"
#include "mail/named_primary.h"

/* ---- the record from the arguments ---- */

struct edit {
    struct arena arena;
    struct domain_record record;
};

static void fail_primary(struct request *request, enum named_primary_fault fault, struct str text)
{
    struct buf shown = { 0 };
    const char *instead = fault == NAMED_PRIMARY_NO_SETTING
                              ? "behind the place of a primary come, after commas, "
                                "tls=may|no|must|name, tls-from-start=yes|no, tls-name=HOST or "
                                "tls-pin=key:SHA256, as in 192.0.2.1:465,tls-from-start=yes; all "
                                "else, tls=dane too, is "
                                "set for the domain"
                              : "give a host name, host:port or address:port such as "
                                "mail.example.org, 192.0.2.1:25 or [2001:db8::1]:25, or agent if "
                                "it calls for its mail";

    printable_add_quoted(&shown, text);
    request_fail(request, "bad-primary", "%.*s is no primary; %s", STR_FMT(buf_str(&shown)),
                 instead);
    buf_fini(&shown);
}

/* Of one that was named before; what was learned of it would be lost without a word. */
static void keep_pins(const struct domain_record *before, struct str given, struct buf *normal)
{
    struct named_primary primary;

    if (named_primary_parse(given, &primary) != NAMED_PRIMARY_FINE || primary.pin_count > 0 ||
        primary.has_no_pins)
        return;
    for (uint32_t i = 0; i < before->primary_count; i++)
        named_primary_keep_pins(normal, before->primary[i]);
}

static bool take_primary(struct request *request, const struct domain_record *before,
                         struct edit *edit, const json_t *value)
{
    struct buf normal = { 0 };
    struct str text = { json_string_value(value), json_string_length(value) };
    enum named_primary_fault fault =
        json_is_string(value) ? named_primary_normalise(text, &normal) : NAMED_PRIMARY_NO_HOST;

    if (fault == NAMED_PRIMARY_FINE) {
        keep_pins(before, text, &normal);
        edit->record.primary[edit->record.primary_count++] =
            arena_str(&edit->arena, buf_str(&normal));
    } else {
        fail_primary(request, fault, text);
    }
    buf_fini(&normal);
    return fault == NAMED_PRIMARY_FINE;
}

/* An empty list goes back to MX records. */
static bool take_primaries(struct request *request, struct edit *edit)
{
    const json_t *list = argument_value(request, "primary");

    if (list == NULL)
        return true;
    if (json_array_size(list) > DIRECTORY_PRIMARIES_MAX) {
        request_fail(request, "bad-primary", "a domain has at most %d primaries",
                     DIRECTORY_PRIMARIES_MAX);
        return false;
    }
    const struct domain_record before = edit->record;
    edit->record.primary_count = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!take_primary(request, &before, edit, json_array_get(list, i)))
            return false;
    for (uint32_t i = 0; i < edit->record.primary_count && edit->record.primary_count > 1; i++)
        if (str_equals(edit->record.primary[i], STR("agent"))) {
            request_fail(request, "bad-primary",
                         "a primary that calls (agent) is the only one; give no others");
            return false;
        }
    return true;
}

static void fail_setting(struct request *request, struct str name)
{
    struct suggestion meant = { .given = name };
    struct buf text = { 0 };

    for (int i = 0; i < SETTING_COUNT; i++)
        suggestion_offer(&meant, str_from(setting_rule((enum setting)i)->name));
    buf_add(&text, STR("there is no setting "));
    printable_add_quoted(&text, name);
    if (meant.best.len > 0)
        buf_add_format(&text, "; did you mean %.*s?", STR_FMT(meant.best));
    else
        buf_add(&text, STR("; `holdfast help domain` lists them"));
    request_fail(request, "no-such-setting", "%.*s", STR_FMT(buf_str(&text)));
    buf_fini(&text);
}

/* null and "default" take the domain's own value away. */
static bool is_reset(const json_t *value)
{
    return json_is_null(value) ||
           (json_is_string(value) && strcmp(json_string_value(value), "default") == 0);
}

/* A filter's name must have a socket behind it, else it would be one that is always gone. */
static bool knows_filters(struct request *request, const struct domain_settings *settings)
{
    const struct config *config = request->control->setup.config;
    struct str names = setting_text(settings, NULL, SETTING_FILTERS);
    struct str name = STR_NONE;

    while (str_cut(&names, ',', &name)) {
        if (name.len == 0 || config_find_milter(config, name) != NULL)
            continue;
        request_fail(request, "no-such-filter",
                     "there is no filter %.*s; the configuration's filter { milters } must have "
                     "it first",
                     STR_FMT(name));
        return false;
    }
    return true;
}

/* The same of an authority: it would have signed nothing. */
static bool knows_authority(struct request *request, const struct domain_settings *settings)
{
    struct str name = setting_text(settings, NULL, SETTING_TLS_CA);

    if (name.len == 0 || config_find_authority(request->control->setup.config, name) != NULL)
        return true;
    request_fail(request, "no-such-authority",
                 "there is no authority %.*s; the configuration's tls { authorities } must have it "
                 "first",
                 STR_FMT(name));
    return false;
}

static bool take_setting(struct request *request, struct domain_settings *settings,
                         enum setting setting, const json_t *value)
{
    struct buf text = { 0 };
    struct buf why = { 0 };

    settings->is_set[setting] = false;
    settings->value[setting] = 0;
    if (is_reset(value))
        return true;
    if (json_is_integer(value))
        buf_add_format(&text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_string(value))
        buf_add(&text, str_of(json_string_value(value), json_string_length(value)));
    bool ok = setting_parse(settings, setting, buf_str(&text), &why);
    buf_fini(&text);
    if (!ok)
        request_fail(request, "bad-setting", "%.*s", STR_FMT(buf_str(&why)));
    buf_fini(&why);
    return ok;
}

static bool take_settings(struct request *request, struct edit *edit)
{
    json_t *set = argument_value(request, "set");
    const char *name;
    json_t *value;
    enum setting setting;

    bool names_filters = false;
    bool names_authority = false;

    json_object_foreach(set, name, value)
    {
        if (!setting_from_name(str_from(name), &setting)) {
            fail_setting(request, str_from(name));
            return false;
        }
        if (!take_setting(request, &edit->record.settings, setting, value))
            return false;
        names_filters = names_filters || setting == SETTING_FILTERS;
        names_authority = names_authority || setting == SETTING_TLS_CA;
    }
    return (!names_filters || knows_filters(request, &edit->record.settings)) &&
           (!names_authority || knows_authority(request, &edit->record.settings));
}

/* ---- who reads it ---- */

static bool is_away(const struct request *request, struct str domain)
{
    const struct control_setup *setup = &request->control->setup;
    struct route_status status;

    return directory_find_domain(setup->directory, domain) != NULL &&
           setup->host->route_status(setup->context, domain, request->now, &status) &&
           status.state != ROUTE_STATE_UP;
}

/* An owner's address that is of no use just when it is needed is taken, with a warning. */
static void put_warnings(json_t *body, const struct request *request,
                         const struct domain_record *record)
{
    bool is_new = json_object_get(argument_value(request, "set"), "owner") != NULL;
    struct str owner = setting_text(&record->settings, NULL, SETTING_OWNER);
    struct str domain = str_skip(owner, (size_t)str_find_last(owner, '@') + 1);
    struct buf text = { 0 };
    json_t *warnings = json_array();

    if (is_new && str_equals(domain, record->name))
        buf_add_format(&text,
                       "%.*s is in the domain itself: while its primary is down, nobody will read "
                       "what is sent there",
                       STR_FMT(owner));
    else if (is_new && owner.len > 0 && is_away(request, domain))
        buf_add_format(&text,
                       "%.*s is in a domain that is protected here too, and whose primary does not "
                       "answer now: nobody will read what is sent there",
                       STR_FMT(owner));
    if (text.len > 0)
        (void)json_array_append_new(warnings, json_text(buf_str(&text)));
    json_put(body, "warnings", warnings);
    buf_fini(&text);
}

/* ---- from the record to the disk ---- */

static void answer_record(void *context, int error)
{
    struct request *request = context;
    json_t *body;

    if (request->control == NULL) {
        request_free(request);
        return;
    }
    if (error < 0) {
        request_fail(request, "not-durable",
                     "the change is in effect but could not be written (%s); it is lost at the "
                     "next start unless you repeat it",
                     strerror(-error));
        return;
    }
    body = json_object();
    const struct domain_record *record =
        directory_find_domain(request->control->setup.directory, buf_str(&request->domain));
    if (record != NULL) {
        json_put(body, "domain", json_domain(request, record));
        put_warnings(body, request, record);
    }
    request_answer(request, body);
}

/* host tells the scheduler: before the answer, which shows the new state. */
static void put_record(struct request *request, const struct domain_record *record)
{
    directory_put_domain(request->control->setup.directory, record, answer_record, request);
}

static void put_edit(struct request *request, struct edit *edit)
{
    const struct control_setup *setup = &request->control->setup;

    if (take_primaries(request, edit) && take_settings(request, edit)) {
        put_record(request, &edit->record);
        setup->host->domain_changed(setup->context, edit->record.name);
    }
    arena_fini(&edit->arena);
}

const struct domain_record *request_find_domain(struct request *request)
{
    struct str name = buf_str(&request->domain);
    const struct domain_record *record =
        directory_find_domain(request->control->setup.directory, name);

    if (record == NULL)
        request_fail(request, "no-such-domain",
                     "%.*s is not protected here; `holdfast domain list` shows what is, "
                     "`holdfast domain add %.*s` adds it",
                     STR_FMT(name), STR_FMT(name));
    return record;
}

/* ---- the operations ---- */

void operation_domain_add(struct request *request)
{
    struct str name = buf_str(&request->domain);
    struct edit edit = { .record = { .name = name, .added_ms = request->now.wall_ms } };

    if (directory_find_domain(request->control->setup.directory, name) != NULL) {
        request_fail(request, "domain-exists",
                     "%.*s is protected already; `holdfast domain set %.*s` changes it",
                     STR_FMT(name), STR_FMT(name));
        return;
    }
    put_edit(request, &edit);
}

void operation_domain_set(struct request *request)
{
    const struct domain_record *record = request_find_domain(request);

    if (record == NULL)
        return;
    if (argument_value(request, "primary") == NULL && argument_value(request, "set") == NULL) {
        request_fail(request, "nothing-to-do",
                     "say what to change: --primary HOST, --hold 5d or --set KEY=VALUE");
        return;
    }
    struct edit edit = { .record = *record };
    edit.record.name = buf_str(&request->domain); /* outlives the record it was found in */
    put_edit(request, &edit);
}

void operation_domain_remove(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct str name = buf_str(&request->domain);
    struct store_totals totals;

    if (request_find_domain(request) == NULL)
        return;
    store_totals(setup->store, name, &totals);
    if (totals.held_count > 0 && !argument_flag(request, "force")) {
        request_fail(request, "mail-held",
                     "%" PRIu64 " messages for %.*s wait for its primary; flush or export them "
                     "first, or use --force: they stay in the store but are not handed over",
                     totals.held_count, STR_FMT(name));
        return;
    }
    directory_remove_domain(setup->directory, name, answer_record, request);
    setup->host->domain_changed(setup->context, name);
}

static void set_pause(struct request *request, int64_t until_ms)
{
    const struct control_setup *setup = &request->control->setup;
    const struct domain_record *found = request_find_domain(request);

    if (found == NULL)
        return;
    struct domain_record record = *found;
    record.paused_until_ms = until_ms;
    record.name = buf_str(&request->domain); /* outlives the record it was found in */
    put_record(request, &record);
    setup->host->domain_paused(setup->context, record.name, until_ms);
}

void operation_domain_pause(struct request *request)
{
    struct str until = argument_text(request, "until");
    int64_t until_ms = NEVER_MS;

    if (until.ptr != NULL && !when_parse(until, request->now, &until_ms)) {
        request_fail(request, "bad-time",
                     "until when? give a duration such as 2h or a time such as "
                     "2026-11-22T06:00:00Z");
        return;
    }
    if (until_ms <= request->now.wall_ms) {
        request_fail(request, "bad-time", "that time has passed; give one that is to come");
        return;
    }
    set_pause(request, until_ms);
}

void operation_domain_resume(struct request *request)
{
    set_pause(request, 0);
}

void operation_domain_show(struct request *request)
{
    const struct domain_record *record = request_find_domain(request);
    json_t *body;

    if (record == NULL)
        return;
    body = json_object();
    json_put(body, "domain", json_domain(request, record));
    json_put(body, "warnings", json_key_warnings(request));
    request_answer(request, body);
}

/* What is wrong, if anything, in words; for people and scripts alike. */
static const char *route_advice(const struct request *request, const struct domain_record *record,
                                const struct route_status *status)
{
    const struct config *config = request->control->setup.config;

    if (record->primary_count == 1 && str_equals(record->primary[0], STR("agent")) &&
        config->listen_atrn.count + config->listen_atrns.count == 0)
        return "its primary cannot call: the configuration has neither listen atrn nor listen "
               "atrns";
    if (!status->plan_known)
        return "no host is known that takes this domain's mail; see the reason, then the "
               "domain's MX records or --primary";
    if (status->plan_is_old)
        return "DNS does not answer; the last known route is used";
    for (uint32_t i = 0; i < status->target_count; i++)
        if (status->target[i].answers)
            return NULL;
    return "no target has answered; see its last answer";
}

void operation_domain_check(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct route_status status;
    json_t *body;

    const struct domain_record *record = request_find_domain(request);
    if (record == NULL)
        return;
    if (!setup->host->route_status(setup->context, buf_str(&request->domain), request->now,
                                   &status)) {
        request_fail(request, "no-route",
                     "nothing is known of its route yet; ask again in a "
                     "moment");
        return;
    }
    const char *problem = route_advice(request, record, &status);
    body = json_object();
    json_put(body, "name", json_text(buf_str(&request->domain)));
    json_put(body, "problem", problem != NULL ? json_string(problem) : json_null());
    json_put(body, "route", json_route(&status));
    request_answer(request, body);
}
