/* SPDX-License-Identifier: ISC */
/* tell.c: how a domain's owner and its senders are told: texts of his own, and the secret with
 * which his webhook is signed. */
#include <string.h>

#include "base/printable.h"
#include "base/suggest.h"
#include "control/request.h"
#include "notify/template.h"
#include "notify/webhook.h"

/* ---- texts ---- */

static void fail_occasion(struct request *request, struct str name)
{
    struct suggestion meant = { .given = name };
    struct buf text = { 0 };

    buf_add(&text, STR("there is no text about "));
    printable_add_quoted(&text, name);
    for (int i = 0; i < OCCASION_COUNT; i++)
        suggestion_offer(&meant, str_from(occasion_name((enum occasion)i)));
    if (meant.best.len > 0)
        buf_add_format(&text, "; did you mean %.*s?", STR_FMT(meant.best));
    else
        buf_add(&text, STR("; there are"));
    for (int i = 0; i < OCCASION_COUNT && meant.best.len == 0; i++)
        buf_add_format(&text, "%s %s", i > 0 ? "," : "", occasion_name((enum occasion)i));
    request_fail(request, "no-such-text", "%.*s", STR_FMT(buf_str(&text)));
    buf_fini(&text);
}

/* As named, else that of the domain. */
static bool take_language(const struct request *request, const struct domain_record *record,
                          enum language *out)
{
    struct str named = argument_text(request, "language");
    const struct domain_settings *defaults = &request->control->setup.config->defaults;

    if (named.ptr == NULL) {
        *out = (enum language)setting_value(&record->settings, defaults, SETTING_LANGUAGE);
        return true;
    }
    for (int i = 0; i < LANGUAGE_COUNT; i++)
        if (str_equals(named, str_from(language_tag((enum language)i)))) {
            *out = (enum language)i;
            return true;
        }
    return false;
}

struct text_of {
    enum occasion occasion;
    enum language language;
};

/* False after having answered. */
static bool take_text_of(struct request *request, struct text_of *out)
{
    const struct domain_record *record = request_find_domain(request);

    if (record == NULL)
        return false;
    struct str name = argument_text(request, "occasion");
    if (!occasion_from_name(name, &out->occasion)) {
        fail_occasion(request, name);
        return false;
    }
    if (!take_language(request, record, &out->language)) {
        request_fail(request, "bad-argument", "the language must be en or de");
        return false;
    }
    return true;
}

static void answer_text(struct request *request, const struct text_of *of)
{
    struct buf name = { 0 };
    json_t *body = json_object();

    template_add_name(&name, of->occasion, of->language);
    struct str own = directory_find_fact(request->control->setup.directory, STR(TEMPLATE_FACT),
                                         buf_str(&request->domain), buf_str(&name));
    buf_fini(&name);
    json_put(body, "name", json_text(buf_str(&request->domain)));
    json_put(body, "occasion", json_string(occasion_name(of->occasion)));
    json_put(body, "language", json_string(language_tag(of->language)));
    json_put(body, "own", json_boolean(own.len > 0));
    json_put(body, "text",
             json_text(own.len > 0 ? own : template_builtin(of->occasion, of->language)));
    request_answer(request, body);
}

void operation_domain_template(struct request *request)
{
    struct text_of of;

    if (take_text_of(request, &of))
        answer_text(request, &of);
}

static void on_text_kept(void *context, int error)
{
    struct request *request = context;
    struct text_of of;

    if (request_was_kept(request, error) && take_text_of(request, &of))
        answer_text(request, &of);
}

void operation_domain_template_set(struct request *request)
{
    struct str text = argument_text(request, "text");
    struct text_of of;
    struct buf problems = { 0 };
    struct buf name = { 0 };

    if (!take_text_of(request, &of))
        return;
    if (text.len > 0 && template_check(text, of.occasion, &problems) > 0) {
        request_fail(request, "bad-template",
                     "the text is as it was, for this one has mistakes:\n%.*s",
                     STR_FMT(str_first(buf_str(&problems), problems.len - 1)));
        buf_fini(&problems);
        return;
    }
    template_add_name(&name, of.occasion, of.language);
    const struct domain_fact fact = { STR(TEMPLATE_FACT), buf_str(&request->domain), buf_str(&name),
                                      text };
    directory_put_fact(request->control->setup.directory, &fact, on_text_kept, request);
    buf_fini(&name);
}

/* ---- the secret ---- */

static void answer_secret(struct request *request)
{
    json_t *body = json_object();

    json_put(body, "name", json_text(buf_str(&request->domain)));
    json_put(
        body, "secret",
        json_text(directory_find_fact(request->control->setup.directory, STR(WEBHOOK_SECRET_FACT),
                                      buf_str(&request->domain), STR(""))));
    request_answer(request, body);
}

static void on_secret_kept(void *context, int error)
{
    struct request *request = context;

    if (request_was_kept(request, error))
        answer_secret(request);
}

void operation_domain_webhook_secret(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct str domain = buf_str(&request->domain);

    if (request_find_domain(request) == NULL)
        return;
    bool is_there =
        directory_find_fact(setup->directory, STR(WEBHOOK_SECRET_FACT), domain, STR("")).len > 0;
    if (is_there && !argument_flag(request, "new"))
        answer_secret(request);
    else
        setup->host->new_webhook_secret(setup->context, domain, on_secret_kept, request);
}
