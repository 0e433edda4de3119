/* SPDX-License-Identifier: ISC */
/* handover_parcels.c: a parcel is one message that is given to one session.
 *
 *     held back ─▶ opening ─▶ out, its content is read piece by piece ─▶ gone
 *
 * It is held back while somebody else has a claim on its entry (handover.c), and finds in the store
 * then who is left. The store may owe answers when it goes: then it is out of sight, and freed with
 * the last of them.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "spool/handover_private.h"

struct parcel_key {
    char bytes[8 + MESSAGE_ID_SIZE];
};

static struct str key_of(uint64_t session, struct message_id id, struct parcel_key *room)
{
    memcpy(room->bytes, &session, 8);
    memcpy(room->bytes + 8, id.bytes, MESSAGE_ID_SIZE);
    return str_of(room->bytes, sizeof room->bytes);
}

struct parcel *handover_parcel_find(const struct handover *handover, uint64_t session,
                                    struct message_id id)
{
    struct parcel_key room;
    return map_find(&handover->parcels, key_of(session, id, &room));
}

static void parcel_free(struct parcel *parcel)
{
    if (parcel->reader != NULL)
        store_reader_close(parcel->reader);
    buf_fini(&parcel->domain);
    arena_fini(&parcel->arena);
    memory_free(parcel);
}

void handover_parcel_drop(struct parcel *parcel)
{
    struct parcel_key room;
    if (parcel->is_held_back)
        parcel->handover->held_back--;
    else
        handover_claim_end(parcel->handover, parcel->id, buf_str(&parcel->domain));
    (void)map_remove(&parcel->handover->parcels, key_of(parcel->session, parcel->id, &room));
    list_remove(&parcel->link);
    parcel->handover = NULL;
    if (parcel->reading == 0)
        parcel_free(parcel);
}

/* ---- opening ---- */

/* It does not go out: the scheduler is told why, and the others go on. */
static void tell(struct parcel *parcel, struct handover_result result)
{
    struct handover *handover = parcel->handover;
    struct buf domain = { 0 };

    result.session = parcel->session;
    result.id = parcel->id;
    buf_add(&domain, buf_str(&parcel->domain));
    handover_parcel_drop(parcel);
    result.domain = buf_str(&domain);
    handover->host->settled(handover->context, &result);
    buf_fini(&domain);
    handover_release(handover);
}

static void tell_nothing_left(struct parcel *parcel)
{
    tell(parcel, (struct handover_result){ .left = 0 });
}

static struct verdict why_unreadable(int error)
{
    if (error == -ENOKEY)
        return verdict_make(451, 3, 5,
                            STR("The key that the message is encrypted with is missing"));
    return verdict_make(451, 3, 0, STR("The stored message cannot be read"));
}

/* It waits. A missing key was told of by the store, once for all the mail that wants it.
 * (-ECANCELED: the store closes, nobody wants to know.) */
static void tell_unreadable(struct parcel *parcel, int error)
{
    if (error == -ECANCELED) {
        handover_parcel_drop(parcel);
        return;
    }
    if (error != -ENOKEY)
        log_error("message_unreadable", LOG_ID(parcel->id), LOG_TEXT("error", strerror(-error)));
    tell(parcel, (struct handover_result){
                     .left = 1, .is_unreadable = true, .verdict = why_unreadable(error) });
}

/* The store has answered. False: the session is gone, and the parcel with the last answer. */
static bool is_still_wanted(struct parcel *parcel)
{
    parcel->reading--;
    if (parcel->handover != NULL)
        return true;
    if (parcel->reading == 0)
        parcel_free(parcel);
    return false;
}

static void on_first_read(void *context, int error, struct str bytes)
{
    struct parcel *parcel = context;

    if (!is_still_wanted(parcel))
        return;
    if (error != 0) {
        tell_unreadable(parcel, error);
        return;
    }
    struct handover_message message = {
        .domain = buf_str(&parcel->domain),
        .envelope = &parcel->envelope,
        .recipient = parcel->recipient,
        .size = parcel->size,
        .content = bytes,
    };
    parcel->handover->host->deliver(parcel->handover->context, parcel->session, &message);
}

static bool waits(const struct parcel *parcel, const struct stored_message *message, uint32_t i)
{
    return message->recipient_state[i] == RECIPIENT_PENDING &&
           str_equals(recipient_domain(&message->envelope.recipient[i]), buf_str(&parcel->domain));
}

static uint32_t count_waiting(const struct parcel *parcel, const struct stored_message *message)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < message->envelope.recipient_count; i++)
        count += waits(parcel, message, i);
    return count;
}

/* How many of those that still wait are not chosen, for others come first. Where there are more
 * than are chosen, each turn begins further down, so that a hundred who are deferred do not keep
 * the rest from being tried. */
static uint32_t count_passed_over(struct parcel *parcel, uint32_t waiting)
{
    if (parcel->pass_over > 0)
        return parcel->pass_over < waiting ? parcel->pass_over : 0;
    if (waiting <= HANDOVER_RECIPIENTS_MAX)
        return 0;
    uint32_t begin = parcel->handover->turns++ * HANDOVER_RECIPIENTS_MAX % waiting;
    return begin + HANDOVER_RECIPIENTS_MAX > waiting ? waiting - HANDOVER_RECIPIENTS_MAX : begin;
}

/* The domain's recipients that still wait, at most HANDOVER_RECIPIENTS_MAX. */
static void choose_recipients(struct parcel *parcel, const struct stored_message *message)
{
    const struct envelope *stored = &message->envelope;
    struct envelope *chosen = &parcel->envelope;
    uint32_t pass_over = count_passed_over(parcel, count_waiting(parcel, message));
    uint32_t count = 0;

    *chosen = *stored;
    chosen->recipient =
        arena_new(&parcel->arena, HANDOVER_RECIPIENTS_MAX * sizeof *chosen->recipient);
    parcel->recipient =
        arena_new(&parcel->arena, HANDOVER_RECIPIENTS_MAX * sizeof *parcel->recipient);
    for (uint32_t i = 0; i < stored->recipient_count && count < HANDOVER_RECIPIENTS_MAX; i++) {
        if (!waits(parcel, message, i))
            continue;
        if (pass_over > 0) {
            pass_over--;
            continue;
        }
        chosen->recipient[count] = stored->recipient[i];
        parcel->recipient[count++] = i;
    }
    chosen->recipient_count = count;
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct parcel *parcel = context;

    if (error == 0)
        parcel->reader = reader;
    if (!is_still_wanted(parcel))
        return;
    if (error == 0)
        choose_recipients(parcel, message);
    if (error == -ENOENT || (error == 0 && parcel->envelope.recipient_count == 0)) {
        tell_nothing_left(parcel);
        return;
    }
    if (error != 0) {
        tell_unreadable(parcel, error);
        return;
    }
    parcel->size = message->size;
    parcel->reading++;
    size_t first = message->size < HANDOVER_FIRST_MAX ? (size_t)message->size : HANDOVER_FIRST_MAX;
    store_read(reader, 0, first, on_first_read, parcel);
}

static void open_parcel(struct handover *handover, struct parcel *parcel)
{
    handover_claim(handover, parcel->id, buf_str(&parcel->domain));
    parcel->reading++;
    store_open(handover->store, parcel->id, buf_str(&parcel->domain), on_opened, parcel);
}

void handover_dispatch(struct handover *handover, uint64_t session, const struct entry *entry,
                       uint32_t pass_over)
{
    struct parcel_key room;
    struct parcel *parcel = memory_new(sizeof *parcel);

    handover_doubt(handover, entry->id, entry->domain); /* it is tried again */
    parcel->handover = handover;
    parcel->session = session;
    parcel->id = entry->id;
    parcel->pass_over = pass_over;
    buf_add(&parcel->domain, entry->domain);
    list_append(&handover->all, &parcel->link);
    check(map_put(&handover->parcels, key_of(session, entry->id, &room), parcel) == NULL);
    parcel->is_held_back = handover_is_claimed(handover, entry->id, entry->domain);
    if (parcel->is_held_back)
        handover->held_back++;
    else
        open_parcel(handover, parcel);
}

/* What was held back finds in the store who is left. */
void handover_release(struct handover *handover)
{
    if (handover->held_back == 0)
        return;
    list_each_safe (link, &handover->all) {
        struct parcel *parcel = container_of(link, struct parcel, link);
        if (!parcel->is_held_back ||
            handover_is_claimed(handover, parcel->id, buf_str(&parcel->domain)))
            continue;
        parcel->is_held_back = false;
        handover->held_back--;
        open_parcel(handover, parcel);
    }
}

/* ---- out ---- */

static void on_piece(void *context, int error, struct str bytes)
{
    struct parcel *parcel = context;

    if (!is_still_wanted(parcel))
        return;
    struct handover *handover = parcel->handover;
    if (error == -ECANCELED)
        return;
    if (error != 0) {
        log_error("message_unreadable", LOG_ID(parcel->id), LOG_TEXT("error", strerror(-error)));
        handover->host->content_failed(handover->context, parcel->session, parcel->id);
        return;
    }
    handover->host->content(handover->context, parcel->session, parcel->id, bytes);
}

bool handover_want(struct handover *handover, uint64_t session, struct message_id id,
                   uint64_t offset, size_t octets)
{
    struct parcel *parcel = handover_parcel_find(handover, session, id);

    if (parcel == NULL || parcel->reader == NULL || parcel->reading > 0 || offset > parcel->size)
        return false;
    if (octets > HANDOVER_PIECE_MAX)
        octets = HANDOVER_PIECE_MAX;
    parcel->reading++;
    store_read(parcel->reader, offset, octets, on_piece, parcel);
    return true;
}

bool handover_is_out(const struct handover *handover, uint64_t session, struct message_id id,
                     struct str domain)
{
    const struct parcel *parcel = handover_parcel_find(handover, session, id);
    return parcel != NULL && str_equals(buf_str(&parcel->domain), domain);
}

struct str handover_parcel_recipient(const struct parcel *parcel, uint32_t index)
{
    for (uint32_t i = 0; parcel != NULL && i < parcel->envelope.recipient_count; i++)
        if (parcel->recipient[i] == index)
            return parcel->envelope.recipient[i].address;
    return STR_NONE;
}

struct str handover_recipient(const struct handover *handover, uint64_t session,
                              struct message_id id, uint32_t index)
{
    return handover_parcel_recipient(handover_parcel_find(handover, session, id), index);
}

/* ---- gone ---- */

void handover_session_gone(struct handover *handover, uint64_t session,
                           void (*each)(void *context, struct message_id id), void *context)
{
    list_each_safe (link, &handover->all) {
        struct parcel *parcel = container_of(link, struct parcel, link);
        if (parcel->session != session)
            continue;
        if (each != NULL && !parcel->is_held_back) /* what is under way then is the answer */
            each(context, parcel->id);
        handover_parcel_drop(parcel);
    }
    handover_release(handover);
}

void handover_let_go(struct handover *handover)
{
    list_each_safe (link, &handover->all)
        handover_parcel_drop(container_of(link, struct parcel, link));
}
