/* SPDX-License-Identifier: ISC */
/* recipient.c: what is known of recipients, shown and settled. */
#include <stdlib.h>

#include "base/memory.h"
#include "control/request.h"
#include "mail/address.h"
#include "mail/domain.h"
#include "verify/verifier.h"

enum { LIST_DEFAULT = 100, LIST_MAX = 1000 };

/* ---- arguments ---- */

/* local@domain of a domain that is protected here; false after having answered. */
static bool take_address(struct request *request, struct buf *out)
{
    struct str text = argument_text(request, "address");
    struct address address;
    bool is_fine =
        address_parse(text, 0, &address) && domain_normalise(address.domain, &request->domain);

    if (!is_fine) {
        request_fail(request, "bad-argument", "an address is written like anna@example.org");
        return false;
    }
    buf_add(out, address.local);
    buf_add_byte(out, '@');
    buf_add(out, buf_str(&request->domain));
    if (directory_find_domain(request->control->setup.directory, buf_str(&request->domain)) != NULL)
        return true;
    request_fail(request, "no-such-domain",
                 "%.*s is not protected here; `holdfast domain list` shows what is",
                 STR_FMT(buf_str(&request->domain)));
    return false;
}

static const struct verifier *verifier_of(const struct request *request)
{
    return request->control->setup.verifier;
}

/* ---- JSON ---- */

static const char *state_of(const struct known_recipient *known)
{
    if (!known->is_valid)
        return "invalid";
    return known->doubt_ms != 0 ? "doubt" : "valid";
}

/* Times are of the domain's clock, which may stand still: ages are told, seconds. */
static json_t *json_known(const struct request *request, struct str domain,
                          const struct known_recipient *known)
{
    const struct verifier *verifier = verifier_of(request);
    json_t *json = json_object();

    json_put(json, "address", json_text(known->address));
    json_put(json, "state", json_string(state_of(known)));
    json_put(json, "full", json_boolean(known->is_full));
    json_put(json, "source", json_string(recipient_source_name(known->source)));
    json_put(
        json, "since_s",
        json_integer(verifier_age(verifier, domain, known->since_ms, request->now) / SECOND_MS));
    json_put(json, "confirmed_s",
             json_integer(verifier_age(verifier, domain, known->confirmed_ms, request->now) /
                          SECOND_MS));
    return json;
}

json_t *json_recipients(const struct request *request, struct str domain)
{
    struct verifier_status status;

    if (verifier_of(request) == NULL ||
        !verifier_status(verifier_of(request), domain, request->now, &status))
        return json_null();
    json_t *json = json_object();
    json_put(json, "valid", json_integer((json_int_t)status.valid));
    json_put(json, "invalid", json_integer((json_int_t)status.invalid));
    json_put(json, "takes_all", json_boolean(status.takes_all));
    json_put(json, "asked", json_boolean(status.is_up && !status.is_unwelcome));
    json_put(json, "users_gone", json_boolean(status.users_gone));
    json_put(json, "refuses_us", json_boolean(status.is_unwelcome));
    json_put(json, "suspects_this_hour", json_integer(status.suspects));
    json_put(json, "questions", json_number(status.asked));
    json_put(json, "questions_refused", json_number(status.refused));
    return json;
}

/* ---- list ---- */

/* The first so many by address, of those behind `after`; in order. */
struct page {
    const struct request *request;
    struct str domain, after, state, match;
    size_t limit;
    size_t count;
    const struct known_recipient **recipient;
    bool is_more;
};

static bool contains(struct str text, struct str part)
{
    for (; text.len >= part.len; text = str_skip(text, 1))
        if (str_starts_nocase(text, part))
            return true;
    return false;
}

static bool is_wanted(const struct page *page, const struct known_recipient *known)
{
    return str_compare(known->address, page->after) > 0 &&
           (page->state.len == 0 || str_equals(page->state, str_from(state_of(known)))) &&
           contains(known->address, page->match);
}

static void page_add(void *context, const struct known_recipient *known)
{
    struct page *page = context;
    size_t low = 0;
    size_t high = page->count;

    if (!is_wanted(page, known))
        return;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(page->recipient[middle]->address, known->address) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (page->count == page->limit)
        page->is_more = true;
    else
        page->count++;
    if (low == page->limit)
        return;
    for (size_t i = page->count - 1; i > low; i--)
        page->recipient[i] = page->recipient[i - 1];
    page->recipient[low] = known;
}

void operation_recipient_list(struct request *request)
{
    int64_t limit = argument_number(request, "limit", LIST_DEFAULT);
    struct page page = { .request = request,
                         .domain = buf_str(&request->domain),
                         .after = argument_text(request, "after"),
                         .state = argument_text(request, "state"),
                         .match = argument_text(request, "match"),
                         .limit = (size_t)(limit < LIST_MAX ? limit : LIST_MAX) };
    json_t *body = json_object();
    json_t *list = json_array();

    page.recipient = memory_new(page.limit * sizeof(struct known_recipient *));
    verifier_each(verifier_of(request), page.domain, page_add, &page);
    for (size_t i = 0; i < page.count; i++)
        (void)json_array_append_new(list, json_known(request, page.domain, page.recipient[i]));
    json_put(body, "recipients", list);
    json_put(body, "after",
             page.is_more ? json_text(page.recipient[page.count - 1]->address) : json_null());
    memory_free((void *)page.recipient);
    request_answer(request, body);
}

/* ---- one ---- */

static json_t *json_of_address(const struct request *request, struct str address)
{
    const struct known_recipient *known = verifier_find(verifier_of(request), address);
    return known != NULL ? json_known(request, buf_str(&request->domain), known) : json_null();
}

static json_t *json_of_known(const struct request *request, struct str address)
{
    json_t *body = json_object();

    json_put(body, "address", json_text(address));
    json_put(body, "recipient", json_of_address(request, address));
    return body;
}

void operation_recipient_show(struct request *request)
{
    struct buf address = { 0 };

    if (take_address(request, &address))
        request_answer(request, json_of_known(request, buf_str(&address)));
    buf_fini(&address);
}

void operation_recipient_pin(struct request *request)
{
    struct buf address = { 0 };

    if (take_address(request, &address)) {
        verifier_learn(request->control->setup.verifier, buf_str(&address),
                       argument_flag(request, "invalid") ? READING_INVALID : READING_VALID, PINNED,
                       request->now);
        request_answer_kept(request, json_of_known(request, buf_str(&address)));
    }
    buf_fini(&address);
}

void operation_recipient_forget(struct request *request)
{
    struct buf address = { 0 };

    if (take_address(request, &address)) {
        json_t *body = json_object();
        json_put(body, "address", json_text(buf_str(&address)));
        json_put(body, "was", json_of_address(request, buf_str(&address)));
        verifier_forget(request->control->setup.verifier, buf_str(&address));
        request_answer_kept(request, body);
    }
    buf_fini(&address);
}

/* ---- the primary is asked ---- */

static void on_verified(void *context, const struct verifier_answer *answer)
{
    struct request *request = context;
    bool was_asked = answer->said.code != 0;

    if (!request_is_wanted(request)) {
        request_free(request);
        return;
    }
    json_t *body = request->body;
    request->body = NULL;
    json_put(body, "verdict", json_verdict(&answer->verdict));
    json_put(body, "accepted", json_boolean(answer->verdict.fate == FATE_ACCEPT));
    json_put(body, "suspect", json_boolean(answer->is_suspect));
    json_put(body, "asked", json_boolean(was_asked));
    json_put(body, "said", was_asked ? json_verdict(&answer->said) : json_null());
    json_put(body, "reading", was_asked ? json_string(reading_name(answer->reading)) : json_null());
    request_answer(request, body);
}

void operation_recipient_verify(struct request *request)
{
    struct buf address = { 0 };
    const struct control_setup *setup = &request->control->setup;

    if (take_address(request, &address)) {
        request->body = json_object();
        json_put(request->body, "address", json_text(buf_str(&address)));
        json_put(request->body, "known", json_of_address(request, buf_str(&address)));
        setup->host->verify(setup->context, buf_str(&request->domain), buf_str(&address),
                            on_verified, request);
    }
    buf_fini(&address);
}
