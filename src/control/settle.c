/* SPDX-License-Identifier: ISC */
/* settle.c: release, bounce and discard.
 *
 * A message may have an entry in several domains, and each is settled by itself:
 * the message is opened for its recipients, then one settlement per domain is
 * handed to the host, and the answer comes when all are durable.
 *
 *     run -> store_open -> opened: settlements to the host -> settled, the last: answer
 *
 * What is bounced goes to the rescue store, or stays there; each domain's notice is told of in the
 * answer, sent or why not.
 */
#include <errno.h>

#include "base/memory.h"
#include "control/request.h"

struct settling {
    enum outcome outcome;
    unsigned open;    /* settlements not yet answered, and one while they are being handed out */
    uint64_t settled; /* recipients */
    int error;        /* the first */
    json_t *notices;  /* of a bounce; else NULL */
};

void request_free_settling(struct request *request)
{
    if (request->settling != NULL)
        json_decref(request->settling->notices);
    memory_free(request->settling);
}

static bool may_apply(enum outcome outcome, enum recipient_state state)
{
    return state == RECIPIENT_RESCUED ||
           (state == RECIPIENT_PENDING && outcome != OUTCOME_RELEASED);
}

/* The local part as it came, the domain in whatever case. */
static bool is_chosen(const struct request *request, struct str address)
{
    struct str wanted = argument_text(request, "recipient");
    ptrdiff_t at = str_find_last(address, '@');

    if (wanted.ptr == NULL)
        return true;
    return wanted.len == address.len && at >= 0 &&
           str_equals(str_first(wanted, (size_t)at), str_first(address, (size_t)at)) &&
           str_equals_nocase(wanted, address);
}

static void finish(struct request *request)
{
    struct settling *settling = request->settling;

    if (!request_is_wanted(request)) {
        request_free(request);
    } else if (settling->error < 0) {
        request_fail_errno(request, settling->error);
    } else if (settling->settled == 0) {
        request_fail(
            request, "nothing-to-do",
            settling->outcome == OUTCOME_RELEASED
                ? "none of these recipients is in the rescue store; `holdfast queue flush` "
                  "tries what is held"
                : "none of these recipients is held or in the rescue store");
    } else {
        json_t *body = json_object();
        json_put(body, "recipients", json_number(settling->settled));
        if (settling->notices != NULL)
            json_put(body, "notices", json_incref(settling->notices));
        request_answer(request, body);
    }
}

static void settled(void *context, int error)
{
    struct request *request = context;
    struct settling *settling = request->settling;

    if (error < 0 && settling->error == 0)
        settling->error = error;
    if (--settling->open == 0)
        finish(request);
}

/* Notices of several domains end in any order; they are told by their reasons. */
static void bounced(void *context, int error, struct str why)
{
    struct request *request = context;
    json_t *notice = json_object();

    json_put(notice, "sent", json_boolean(error == 0 && why.len == 0));
    json_put(notice, "why", why.len > 0 ? json_text(why) : json_null());
    (void)json_array_append_new(request->settling->notices, notice);
    settled(request, error);
}

/* Counts the domain's recipients as they are, collects those the outcome is for. */
static uint32_t collect(const struct request *request, const struct stored_message *message,
                        struct str domain, uint32_t *out_index, struct entry *entry)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < message->envelope.recipient_count; i++) {
        const struct recipient *recipient = &message->envelope.recipient[i];
        enum recipient_state state = message->recipient_state[i];
        if (!str_equals(recipient_domain(recipient), domain))
            continue;
        entry->pending += state == RECIPIENT_PENDING;
        entry->rescued += state == RECIPIENT_RESCUED;
        if (!may_apply(request->settling->outcome, state) ||
            !is_chosen(request, recipient->address))
            continue;
        entry->pending -= state == RECIPIENT_PENDING;
        entry->rescued -= state == RECIPIENT_RESCUED;
        entry->pending += request->settling->outcome == OUTCOME_RELEASED;
        entry->rescued += request->settling->outcome == OUTCOME_RESCUED;
        out_index[count++] = i;
    }
    entry->state = entry->pending > 0 ? ENTRY_HELD : ENTRY_RESCUED;
    return count;
}

static void settle_domain(struct request *request, const struct stored_message *message,
                          struct str domain)
{
    const struct control_setup *setup = &request->control->setup;
    uint32_t index[ENVELOPE_RECIPIENTS_MAX];
    struct entry after = {
        .id = request->id, .domain = domain, .since_ms = request->now.wall_ms, .size = message->size
    };
    struct settlement settlement = { .id = request->id,
                                     .domain = domain,
                                     .outcome = request->settling->outcome,
                                     .at_ms = request->now.wall_ms,
                                     .recipient = index,
                                     .reason =
                                         verdict_make(554, 0, 0, STR("Given up by the operator")) };

    settlement.count = collect(request, message, domain, index, &after);
    if (settlement.count == 0) /* to the store, 0 would mean all */
        return;
    request->settling->settled += settlement.count;
    request->settling->open++;
    if (request->settling->notices != NULL)
        setup->host->bounce(setup->context, &settlement, &after, bounced, request);
    else
        setup->host->settle(setup->context, &settlement, &after, settled, request);
}

static bool was_settled_before(const struct envelope *envelope, uint32_t index)
{
    struct str domain = recipient_domain(&envelope->recipient[index]);

    for (uint32_t i = 0; i < index; i++)
        if (str_equals(recipient_domain(&envelope->recipient[i]), domain))
            return true;
    return false;
}

static void opened(void *context, int error, struct store_reader *reader,
                   const struct stored_message *message)
{
    struct request *request = context;
    struct str only = buf_str(&request->domain);

    if (error == 0 && request->control != NULL) {
        for (uint32_t i = 0; i < message->envelope.recipient_count; i++) {
            struct str domain = recipient_domain(&message->envelope.recipient[i]);
            if (!was_settled_before(&message->envelope, i) &&
                (only.len == 0 || str_equals(only, domain)))
                settle_domain(request, message, domain);
        }
    }
    if (error == 0)
        store_reader_close(reader);
    settled(request, error); /* the one that stood for the handing out */
}

static void settle_message(struct request *request, enum outcome outcome)
{
    request->settling = memory_new(sizeof *request->settling);
    request->settling->outcome = outcome;
    request->settling->open = 1;
    if (outcome == OUTCOME_RESCUED)
        request->settling->notices = json_array();
    store_open(request->control->setup.store, request->id, STR_NONE, opened, request);
}

void operation_queue_release(struct request *request)
{
    settle_message(request, OUTCOME_RELEASED);
}

void operation_queue_bounce(struct request *request)
{
    settle_message(request, OUTCOME_RESCUED);
}

void operation_queue_discard(struct request *request)
{
    settle_message(request, OUTCOME_DISCARDED);
}
