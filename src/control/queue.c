/* SPDX-License-Identifier: ISC */
/* queue.c: looking at held and rescued mail. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "control/request.h"
#include "mail/domain.h"

enum { LIST_DEFAULT = 100 };

static const struct {
    const char *name;
    unsigned states;
} states[] = {
    { "held", 1u << ENTRY_HELD },
    { "rescued", 1u << ENTRY_RESCUED },
    { "all", 0 },
};
static const char *const recipient_states[] = {
    [RECIPIENT_PENDING] = "held",
    [RECIPIENT_GONE] = "gone",
    [RECIPIENT_RESCUED] = "rescued",
};

/* ---- list ---- */

static void put_attempts(struct request *request, json_t *json, struct str domain,
                         struct message_id id)
{
    const struct control_setup *setup = &request->control->setup;
    int64_t next_ms = 0;
    uint32_t attempts = 0;
    struct verdict last = { 0 };

    (void)setup->host->entry_status(setup->context, domain, id, request->now, &next_ms, &attempts,
                                    &last);
    json_put(json, "attempts", json_integer(attempts));
    json_put(json, "next_try", json_time(next_ms));
    json_put(json, "last_answer", json_verdict(&last));
}

static json_t *json_entry(struct request *request, const struct entry *entry)
{
    json_t *json = json_object();

    json_put(json, "id", json_id(entry->id));
    json_put(json, "domain", json_text(entry->domain));
    json_put(json, "state", json_string(entry->state == ENTRY_HELD ? "held" : "rescued"));
    json_put(json, "since", json_time(entry->since_ms));
    json_put(json, "size", json_number(entry->size));
    json_put(json, "pending", json_integer(entry->pending));
    json_put(json, "rescued", json_integer(entry->rescued));
    if (entry->state == ENTRY_HELD)
        put_attempts(request, json, entry->domain, entry->id);
    return json;
}

/* "after" of the next page; opaque to whoever passes it back. */
static json_t *json_position(const struct store_position *position)
{
    struct buf text = { 0 };

    buf_add_format(&text, "%" PRId64 ".%" PRIu64, position->since_ms, position->order);
    json_t *json = json_text(buf_str(&text));
    buf_fini(&text);
    return json;
}

static bool parse_position(struct str text, struct store_position *out_position)
{
    struct str since = STR_NONE;
    uint64_t since_ms;
    uint64_t order;

    if (!str_cut(&text, '.', &since) || !str_to_u64(since, INT64_MAX, &since_ms) ||
        !str_to_u64(text, UINT64_MAX, &order))
        return false;
    *out_position = (struct store_position){ (int64_t)since_ms, order };
    return true;
}

static void listed(void *context, int error, const struct store_listing *listing)
{
    struct request *request = context;
    json_t *body;
    json_t *entries;

    if (!request_is_wanted(request)) {
        request_free(request);
        return;
    }
    if (error < 0) {
        request_fail_errno(request, error);
        return;
    }
    body = json_object();
    entries = json_array();
    for (uint32_t i = 0; i < listing->count; i++)
        (void)json_array_append_new(entries, json_entry(request, &listing->entry[i]));
    json_put(body, "messages", entries);
    json_put(body, "after",
             listing->more && listing->count > 0
                 ? json_position(&listing->position[listing->count - 1])
                 : json_null());
    request_answer(request, body);
}

static bool take_state(struct request *request, struct store_query *query)
{
    struct str wanted = argument_text(request, "state");

    if (wanted.ptr == NULL)
        return true;
    for (size_t i = 0; i < sizeof states / sizeof *states; i++) {
        if (str_equals(wanted, str_from(states[i].name))) {
            query->states = states[i].states;
            return true;
        }
    }
    request_fail(request, "bad-argument", "state must be held, rescued or all");
    return false;
}

/* The address with its domain in normal form, as envelopes have it. */
static bool take_recipient(struct request *request, struct buf *address)
{
    struct str text = argument_text(request, "recipient");
    ptrdiff_t at = str_find_last(text, '@');
    struct buf domain = { 0 };

    if (text.ptr == NULL)
        return true;
    bool ok = at > 0 && domain_normalise(str_skip(text, (size_t)at + 1), &domain);
    if (ok) {
        buf_add(address, str_first(text, (size_t)at + 1));
        buf_add(address, buf_str(&domain));
    } else {
        request_fail(request, "bad-argument",
                     "recipient must be a whole address such as anna@example.org");
    }
    buf_fini(&domain);
    return ok;
}

void operation_queue_list(struct request *request)
{
    struct store_query query = { .newest_first = argument_flag(request, "newest") };
    struct str after = argument_text(request, "after");
    int64_t limit = argument_number(request, "limit", LIST_DEFAULT);
    struct buf recipient = { 0 };

    if (after.ptr != NULL && !parse_position(after, &query.after)) {
        request_fail(request, "bad-argument", "after must be what the page before ended with");
        return;
    }
    if (!take_state(request, &query) || !take_recipient(request, &recipient))
        return;
    query.limit = (uint32_t)(limit < STORE_LIST_MAX ? limit : STORE_LIST_MAX);
    query.domain = buf_str(&request->domain);
    query.recipient = buf_str(&recipient);
    store_list(request->control->setup.store, &query, listed, request);
    buf_fini(&recipient);
}

/* ---- show ---- */

static json_t *json_recipient(const struct stored_message *message, uint32_t index)
{
    const struct recipient *recipient = &message->envelope.recipient[index];
    json_t *json = json_object();

    json_put(json, "address", json_text(recipient->address));
    json_put(json, "state", json_string(recipient_states[message->recipient_state[index]]));
    return json;
}

static json_t *json_envelope(const struct stored_message *message)
{
    const struct envelope *envelope = &message->envelope;
    struct buf client = { 0 };
    json_t *json = json_object();
    json_t *recipients = json_array();

    endpoint_add_text(&client, envelope->client);
    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        (void)json_array_append_new(recipients, json_recipient(message, i));
    json_put(json, "id", json_id(envelope->id));
    json_put(json, "received", json_time(envelope->received_ms));
    json_put(json, "size", json_number(message->size));
    json_put(json, "sender", json_text(envelope->sender));
    json_put(json, "client", json_text(buf_str(&client)));
    json_put(json, "client_name", json_text(envelope->client_name));
    json_put(json, "helo", json_text(envelope->helo));
    json_put(json, "protocol", json_text(envelope->protocol));
    json_put(json, "smtputf8", json_boolean(envelope->flags & ENVELOPE_SMTPUTF8));
    json_put(json, "requiretls", json_boolean(envelope->flags & ENVELOPE_REQUIRETLS));
    json_put(json, "recipients", recipients);
    buf_fini(&client);
    return json;
}

static bool is_first_of_domain(const struct envelope *envelope, uint32_t index)
{
    struct str domain = recipient_domain(&envelope->recipient[index]);

    for (uint32_t i = 0; i < index; i++)
        if (str_equals(recipient_domain(&envelope->recipient[i]), domain))
            return false;
    return true;
}

/* Its ways: one per protected domain among the recipients. */
static json_t *json_ways(struct request *request, const struct envelope *envelope)
{
    const struct control_setup *setup = &request->control->setup;
    struct route_status status;
    json_t *json = json_array();

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        if (!is_first_of_domain(envelope, i))
            continue;
        struct str domain = recipient_domain(&envelope->recipient[i]);
        json_t *way = json_object();
        json_put(way, "domain", json_text(domain));
        if (setup->host->route_status(setup->context, domain, request->now, &status)) {
            json_put(way, "state", json_state(status.state));
            json_put(way, "reason", json_verdict(&status.reason));
            json_put(way, "next_probe", json_time(status.next_probe_ms));
        } else {
            json_put(way, "state", json_string("unknown"));
        }
        put_attempts(request, way, domain, envelope->id);
        (void)json_array_append_new(json, way);
    }
    return json;
}

static void shown(void *context, int error, struct store_reader *reader,
                  const struct stored_message *message)
{
    struct request *request = context;
    json_t *body;

    if (error < 0) {
        if (request_is_wanted(request))
            request_fail_errno(request, error);
        else
            request_free(request);
        return;
    }
    if (!request_is_wanted(request)) {
        store_reader_close(reader);
        request_free(request);
        return;
    }
    body = json_object();
    json_t *json = json_envelope(message);
    json_put(json, "rescue_reason", json_verdict(&message->reason));
    json_put(json, "routes", json_ways(request, &message->envelope));
    json_put(body, "message", json);
    store_reader_close(reader);
    request_answer(request, body);
}

void operation_queue_show(struct request *request)
{
    store_open(request->control->setup.store, request->id, STR_NONE, shown, request);
}

/* ---- flush ---- */

void operation_queue_flush(struct request *request)
{
    const struct control_setup *setup = &request->control->setup;
    struct str domain = buf_str(&request->domain);

    if (domain.len > 0 && directory_find_domain(setup->directory, domain) == NULL) {
        request_fail(request, "no-such-domain",
                     "%.*s is not protected here; `holdfast domain list` shows what is",
                     STR_FMT(domain));
        return;
    }
    setup->host->wake(setup->context, domain);
    struct store_totals totals;
    store_totals(setup->store, domain, &totals);
    json_t *body = json_object();
    json_put(body, "held", json_number(totals.held_count));
    request_answer(request, body);
}
