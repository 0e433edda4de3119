/* SPDX-License-Identifier: ISC */
/* handover.c: see handover.h.
 *
 * A parcel is one message given to one session: opening -> out -> gone. A report
 * is one set of answers on its way to the store: it settles one fate, counts what is
 * left, then tells the scheduler. The first report on a message settles what was
 * accepted and leaves what was refused as a trial, one per entry; if the trial is
 * believed, it becomes a report itself. What our own side refused, for the peer does not offer what
 * the message needs, is no word of the peer's that could be doubted: it is settled at once. Before
 * anything is settled the host may want to tell somebody (notices to senders).
 *
 * An entry that is out with a session, or answered and not settled yet, is claimed; a parcel of the
 * same entry for another session is held back until it is not. The scheduler does not ask for that
 * by itself, but a route that was taken away and put back knows nothing of what was before.
 */
#include "spool/handover.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

enum { SETTLE_AGAIN_MS = 1000 };

struct handover {
    struct store *store;
    const struct handover_host *host;
    void *context;
    struct map parcels; /* by session and id */
    struct map trials;  /* by id and domain */
    struct map claims;  /* by id and domain: struct claim */
    struct link all;    /* struct parcel.link */
    struct link failed; /* struct report.link: to be settled again */
    struct link told;   /* struct report.link: the host tells somebody */
    unsigned held_back; /* parcels that wait for a claim to end */
    struct now now;
    uint32_t turns; /* moves on where a message has more recipients than one session takes */
};

struct parcel {
    struct link link;
    struct handover *handover; /* NULL once the session is gone: free it when the store answers */
    uint64_t session;
    struct message_id id;
    struct buf domain;
    struct store_reader *reader;
    struct arena arena;
    struct envelope envelope;
    uint32_t *recipient;
    uint64_t size;
    unsigned reading; /* store calls that have not answered */
    uint32_t pass_over;
    bool is_held_back;
};

struct report {
    struct link link; /* in `failed` while it waits to be repeated, in `told` before */
    struct handover *handover;
    struct handover_result result;
    struct buf domain;
    uint32_t count;
    uint32_t *recipient;
    struct verdict *verdict;
    enum outcome outcome; /* what is settled next: delivered, then rescued; 0: nothing more */
    bool is_trial;
    bool may_miss_some; /* others may wait whom this try has passed over */
    bool has_claim;
    int64_t again_ms;
    bool has_failed; /* which was logged; while the disk fails it is tried once a second */
};

struct parcel_key {
    char bytes[8 + MESSAGE_ID_SIZE];
};

static struct str key_of(uint64_t session, struct message_id id, struct parcel_key *room)
{
    memcpy(room->bytes, &session, 8);
    memcpy(room->bytes + 8, id.bytes, MESSAGE_ID_SIZE);
    return str_of(room->bytes, sizeof room->bytes);
}

static struct parcel *find(const struct handover *handover, uint64_t session, struct message_id id)
{
    struct parcel_key room;
    return map_find(&handover->parcels, key_of(session, id, &room));
}

struct handover *handover_new(struct store *store, const struct handover_host *host, void *context)
{
    struct handover *handover = memory_new(sizeof *handover);
    handover->store = store;
    handover->host = host;
    handover->context = context;
    map_init(&handover->parcels);
    map_init(&handover->trials);
    map_init(&handover->claims);
    list_init(&handover->all);
    list_init(&handover->failed);
    list_init(&handover->told);
    return handover;
}

static struct buf entry_key(struct message_id id, struct str domain)
{
    struct buf key = { 0 };

    buf_add_bytes(&key, id.bytes, sizeof id.bytes);
    buf_add(&key, domain);
    return key;
}

/* ---- claims ---- */

struct claim {
    unsigned count; /* of a parcel, or of the report that takes its place, or more of these */
};

static bool is_claimed(const struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = entry_key(id, domain);
    bool is_found = map_find(&handover->claims, buf_str(&key)) != NULL;

    buf_fini(&key);
    return is_found;
}

static void add_claim(struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = entry_key(id, domain);
    struct claim *claim = map_find(&handover->claims, buf_str(&key));

    if (claim == NULL) {
        claim = memory_new(sizeof *claim);
        (void)map_put(&handover->claims, buf_str(&key), claim);
    }
    claim->count++;
    buf_fini(&key);
}

/* release() follows where others may wait for it. */
static void end_claim(struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = entry_key(id, domain);
    struct claim *claim = map_find(&handover->claims, buf_str(&key));

    if (--claim->count == 0)
        memory_free(map_remove(&handover->claims, buf_str(&key)));
    buf_fini(&key);
}

/* ---- trials ---- */

struct trial {
    uint32_t count;
    uint32_t *recipient;
    struct verdict *verdict;
    struct buf remote, sender; /* for whom it is told of */
    uint8_t flags;             /* of the envelope */
    bool has_envelope;
    int64_t at_ms;
};

static void trial_free(struct trial *trial)
{
    if (trial == NULL)
        return;
    memory_free(trial->recipient);
    memory_free(trial->verdict);
    buf_fini(&trial->remote);
    buf_fini(&trial->sender);
    memory_free(trial);
}

static struct trial *trial_take(struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = entry_key(id, domain);
    struct trial *trial = map_remove(&handover->trials, buf_str(&key));

    buf_fini(&key);
    return trial;
}

void handover_doubt(struct handover *handover, struct message_id id, struct str domain)
{
    trial_free(trial_take(handover, id, domain));
}

static bool is_doubtful(const struct verdict *verdict)
{
    return verdict->fate == FATE_REJECT && verdict->stage != STAGE_OURS;
}

static void put_on_trial(struct handover *handover, const struct handover_result *result,
                         const struct handover_answers *answers)
{
    const uint32_t *recipient = answers->recipient;
    const struct verdict *verdict = answers->verdict;
    uint32_t count = answers->count;
    struct trial *trial = memory_new(sizeof *trial);
    struct buf key = entry_key(result->id, result->domain);

    trial->recipient = memory_new(result->refused * sizeof *trial->recipient);
    trial->verdict = memory_new(result->refused * sizeof *trial->verdict);
    for (uint32_t i = 0; i < count; i++) {
        if (!is_doubtful(&verdict[i]))
            continue;
        trial->recipient[trial->count] = recipient[i];
        trial->verdict[trial->count++] = verdict[i];
    }
    trial->at_ms = answers->at_ms;
    buf_add(&trial->remote, answers->remote);
    trial->has_envelope = answers->envelope != NULL;
    if (trial->has_envelope) {
        trial->flags = answers->envelope->flags;
        buf_add(&trial->sender, answers->envelope->sender);
    }
    trial_free(map_put(&handover->trials, buf_str(&key), trial));
    buf_fini(&key);
}

/* ---- parcels ---- */

static void parcel_free(struct parcel *parcel)
{
    if (parcel->reader != NULL)
        store_reader_close(parcel->reader);
    buf_fini(&parcel->domain);
    arena_fini(&parcel->arena);
    memory_free(parcel);
}

/* Out of sight at once; the memory goes when the store owes no more answers. */
static void parcel_drop(struct parcel *parcel)
{
    struct parcel_key room;
    if (parcel->is_held_back)
        parcel->handover->held_back--;
    else
        end_claim(parcel->handover, parcel->id, buf_str(&parcel->domain));
    (void)map_remove(&parcel->handover->parcels, key_of(parcel->session, parcel->id, &room));
    list_remove(&parcel->link);
    parcel->handover = NULL;
    if (parcel->reading == 0)
        parcel_free(parcel);
}

static void release(struct handover *handover);

static void tell_nothing_left(struct parcel *parcel)
{
    struct handover *handover = parcel->handover;
    struct handover_result result = { .session = parcel->session, .id = parcel->id };
    struct buf domain = { 0 };

    buf_add(&domain, buf_str(&parcel->domain));
    parcel_drop(parcel);
    result.domain = buf_str(&domain);
    handover->host->settled(handover->context, &result);
    buf_fini(&domain);
    release(handover);
}

static struct verdict why_unreadable(int error)
{
    if (error == -ENOKEY)
        return verdict_make(451, 3, 5,
                            STR("The key that the message is encrypted with is missing"));
    return verdict_make(451, 3, 0, STR("The stored message cannot be read"));
}

/* Could not be read: it waits, and the others go on. A missing key was told of by the store, once
 * for all the mail that wants it. (-ECANCELED: the store closes, nobody wants to know.) */
static void tell_unreadable(struct parcel *parcel, int error)
{
    struct handover *handover = parcel->handover;

    if (error == -ECANCELED) {
        parcel_drop(parcel);
        return;
    }
    struct handover_result result = {
        .session = parcel->session,
        .id = parcel->id,
        .left = 1,
        .is_unreadable = true,
        .verdict = why_unreadable(error),
    };
    struct buf domain = { 0 };

    if (error != -ENOKEY)
        log_error("message_unreadable", LOG_ID(parcel->id), LOG_TEXT("error", strerror(-error)));
    buf_add(&domain, buf_str(&parcel->domain));
    parcel_drop(parcel);
    result.domain = buf_str(&domain);
    handover->host->settled(handover->context, &result);
    buf_fini(&domain);
    release(handover);
}

static void on_first_read(void *context, int error, struct str bytes)
{
    struct parcel *parcel = context;

    parcel->reading--;
    if (parcel->handover == NULL) {
        if (parcel->reading == 0)
            parcel_free(parcel);
        return;
    }
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

    parcel->reading--;
    if (error == 0)
        parcel->reader = reader;
    if (parcel->handover == NULL) {
        parcel_free(parcel);
        return;
    }
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
    add_claim(handover, parcel->id, buf_str(&parcel->domain));
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
    parcel->is_held_back = is_claimed(handover, entry->id, entry->domain);
    if (parcel->is_held_back)
        handover->held_back++;
    else
        open_parcel(handover, parcel);
}

/* What was held back finds in the store who is left. */
static void release(struct handover *handover)
{
    if (handover->held_back == 0)
        return;
    list_each_safe (link, &handover->all) {
        struct parcel *parcel = container_of(link, struct parcel, link);
        if (!parcel->is_held_back || is_claimed(handover, parcel->id, buf_str(&parcel->domain)))
            continue;
        parcel->is_held_back = false;
        handover->held_back--;
        open_parcel(handover, parcel);
    }
}

static void on_piece(void *context, int error, struct str bytes)
{
    struct parcel *parcel = context;

    parcel->reading--;
    if (parcel->handover == NULL) {
        if (parcel->reading == 0)
            parcel_free(parcel);
        return;
    }
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

bool handover_is_out(const struct handover *handover, uint64_t session, struct message_id id,
                     struct str domain)
{
    const struct parcel *parcel = find(handover, session, id);
    return parcel != NULL && str_equals(buf_str(&parcel->domain), domain);
}

struct str handover_recipient(const struct handover *handover, uint64_t session,
                              struct message_id id, uint32_t index)
{
    const struct parcel *parcel = find(handover, session, id);

    for (uint32_t i = 0; parcel != NULL && i < parcel->envelope.recipient_count; i++)
        if (parcel->recipient[i] == index)
            return parcel->envelope.recipient[i].address;
    return STR_NONE;
}

bool handover_want(struct handover *handover, uint64_t session, struct message_id id,
                   uint64_t offset, size_t octets)
{
    struct parcel *parcel = find(handover, session, id);

    if (parcel == NULL || parcel->reader == NULL || parcel->reading > 0 || offset > parcel->size)
        return false;
    if (octets > HANDOVER_PIECE_MAX)
        octets = HANDOVER_PIECE_MAX;
    parcel->reading++;
    store_read(parcel->reader, offset, octets, on_piece, parcel);
    return true;
}

/* ---- answers ---- */

static void report_end_claim(struct report *report)
{
    if (report->has_claim)
        end_claim(report->handover, report->result.id, report->result.domain);
    report->has_claim = false;
}

static void report_free(struct report *report)
{
    list_remove(&report->link);
    report_end_claim(report);
    buf_fini(&report->domain);
    memory_free(report->recipient);
    memory_free(report->verdict);
    memory_free(report);
}

static void report_step(struct report *report);

static void on_settled(void *context, int error)
{
    struct report *report = context;

    if (error == -ECANCELED) {
        report_free(report);
        return;
    }
    if (error != 0 && error != -ENOENT) { /* -ENOENT: gone and forgotten; nothing to settle */
        if (!report->has_failed)
            log_error("settle_failed", LOG_ID(report->result.id),
                      LOG_TEXT("error", strerror(-error)));
        report->has_failed = true;
        report->again_ms = report->handover->now.mono_ms + SETTLE_AGAIN_MS;
        list_append(&report->handover->failed, &report->link);
        return;
    }
    report->outcome = report->outcome == OUTCOME_DELIVERED ? OUTCOME_RESCUED : 0;
    report_step(report);
}

static uint32_t count_fate(const struct report *report, enum fate fate)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < report->count; i++)
        count += report->verdict[i].fate == fate;
    return count;
}

/* Cannot be counted: those who were not taken wait at least, and the next try will tell. */
static uint32_t count_unread(const struct report *report)
{
    uint32_t count = count_fate(report, FATE_DEFER);

    if (!report->is_trial)
        count += count_fate(report, FATE_REJECT);
    return count > 0 ? count : 1;
}

static void tell(struct report *report)
{
    struct handover *handover = report->handover;

    report_end_claim(report); /* the scheduler may give it out again at once */
    if (report->is_trial)
        handover->host->believed(handover->context, &report->result);
    else
        handover->host->settled(handover->context, &report->result);
    report_free(report);
    release(handover);
}

static void on_counted(void *context, int error, struct store_reader *reader,
                       const struct stored_message *message)
{
    struct report *report = context;

    if (error == -ECANCELED) {
        report_free(report);
        return;
    }
    for (uint32_t i = 0; error == 0 && i < message->envelope.recipient_count; i++)
        if (message->recipient_state[i] == RECIPIENT_PENDING &&
            str_equals(recipient_domain(&message->envelope.recipient[i]), report->result.domain))
            report->result.left++;
    if (error == 0)
        store_reader_close(reader);
    else if (error != -ENOENT)
        report->result.left = count_unread(report);
    tell(report);
}

/* All went well and all that there was went out: no need to look what is left. */
static bool is_simple(const struct report *report)
{
    return count_fate(report, FATE_ACCEPT) == report->count &&
           report->count < HANDOVER_RECIPIENTS_MAX && !report->may_miss_some;
}

static bool is_settled_as(const struct report *report, uint32_t i, enum fate fate)
{
    const struct verdict *verdict = &report->verdict[i];
    return verdict->fate == fate && (report->is_trial || !is_doubtful(verdict));
}

/* Settles the recipients that met `fate`; false if there are none. */
static bool settle_fate(struct report *report, enum fate fate)
{
    uint32_t *chosen = memory_new(report->count * sizeof *chosen);
    struct settlement settlement = {
        .id = report->result.id,
        .domain = report->result.domain,
        .outcome = report->outcome,
        .at_ms = report->handover->now.wall_ms,
        .recipient = chosen,
    };

    for (uint32_t i = 0; i < report->count; i++) {
        if (!is_settled_as(report, i, fate))
            continue;
        if (settlement.count == 0)
            settlement.reason = report->verdict[i];
        chosen[settlement.count++] = report->recipient[i];
    }
    if (settlement.count > 0)
        store_settle(report->handover->store, &settlement, on_settled, report);
    memory_free(chosen);
    return settlement.count > 0;
}

static void report_step(struct report *report)
{
    if (report->outcome == OUTCOME_DELIVERED && settle_fate(report, FATE_ACCEPT))
        return;
    if (report->outcome == OUTCOME_DELIVERED)
        report->outcome = OUTCOME_RESCUED;
    if (report->outcome == OUTCOME_RESCUED && settle_fate(report, FATE_REJECT))
        return;
    report->outcome = 0;
    if (is_simple(report)) {
        tell(report);
        return;
    }
    store_open(report->handover->store, report->result.id, report->result.domain, on_counted,
               report);
}

static struct report *report_new(struct handover *handover, struct message_id id, struct str domain,
                                 const uint32_t *recipient, const struct verdict *verdict,
                                 uint32_t count)
{
    struct report *report = memory_new(sizeof *report);

    report->handover = handover;
    buf_add(&report->domain, domain);
    report->result.id = id;
    report->result.domain = buf_str(&report->domain);
    report->has_claim = true;
    add_claim(handover, id, report->result.domain);
    report->count = count;
    report->recipient = memory_copy(recipient, count * sizeof *recipient);
    report->verdict = memory_copy(verdict, count * sizeof *verdict);
    return report;
}

/* Whoever was refused with the whole message may well exist. */
static bool is_known(const struct handover *handover, const struct parcel *parcel,
                     uint32_t recipient, const struct verdict *verdict)
{
    struct str address = STR_NONE;

    if (verdict->stage != STAGE_RECIPIENT)
        return verdict->stage == STAGE_CONTENT;
    for (uint32_t i = 0; parcel != NULL && i < parcel->envelope.recipient_count; i++)
        if (parcel->recipient[i] == recipient)
            address = parcel->envelope.recipient[i].address;
    return handover->host->is_known(handover->context, address, verdict);
}

static void count_refusal(struct report *report, const struct parcel *parcel, uint32_t i)
{
    struct handover_result *result = &report->result;

    if (result->refused++ == 0)
        result->refusal = report->verdict[i];
    result->refused_known +=
        is_known(report->handover, parcel, report->recipient[i], &report->verdict[i]);
}

static void count_deferral(struct report *report, const struct verdict *verdict)
{
    if (verdict_is_not_tried(verdict) || verdict_is_broken_off(verdict))
        return;
    if (report->result.deferred++ == 0)
        report->result.verdict = *verdict;
}

static void count_answers(struct report *report, const struct parcel *parcel)
{
    uint32_t unsent = 0;

    for (uint32_t i = 0; i < report->count; i++) {
        const struct verdict *verdict = &report->verdict[i];
        bool is_taken = verdict->fate == FATE_ACCEPT;
        report->result.taken += is_taken;
        report->result.untried += verdict_is_not_tried(verdict);
        unsent += verdict_is_not_tried(verdict) && verdict->stage == STAGE_OURS;
        report->result.accepted += is_taken || verdict->stage == STAGE_CONTENT;
        if (is_doubtful(verdict))
            count_refusal(report, parcel, i);
        else if (verdict->fate == FATE_DEFER)
            count_deferral(report, verdict);
    }
    report->result.is_unsent = unsent > 0 && unsent == report->count;
}

/* True: somebody is told first, and handover_told() goes on. */
static bool tell_first(struct report *report, const struct handover_answers *answers)
{
    struct handover *handover = report->handover;

    if (handover->host->tell == NULL ||
        !handover->host->tell(handover->context, answers, (struct handover_telling *)report))
        return false;
    list_append(&handover->told, &report->link);
    return true;
}

static struct handover_answers answers_of(const struct report *report)
{
    return (struct handover_answers){
        .session = report->result.session,
        .id = report->result.id,
        .domain = report->result.domain,
        .recipient = report->recipient,
        .verdict = report->verdict,
        .count = report->count,
    };
}

void handover_told(struct handover *handover, struct handover_telling *telling)
{
    struct report *report = (struct report *)telling;

    check(report->handover == handover);
    list_remove(&report->link);
    report_step(report);
}

void handover_answer(struct handover *handover, uint64_t session, struct message_id id,
                     struct str domain, struct str remote, const uint32_t *recipient,
                     const struct verdict *verdict, uint32_t count, struct now now)
{
    struct parcel *parcel = find(handover, session, id);
    struct report *report = report_new(handover, id, domain, recipient, verdict, count);

    handover->now = now;
    report->outcome = OUTCOME_DELIVERED;
    report->may_miss_some = parcel == NULL || parcel->pass_over > 0;
    report->result.session = session;
    report->result.was_answered = true;
    count_answers(report, parcel);
    struct handover_answers answers = answers_of(report);
    answers.remote = remote;
    answers.at_ms = now.wall_ms;
    answers.envelope = parcel != NULL ? &parcel->envelope : NULL;
    if (report->result.refused > 0)
        put_on_trial(handover, &report->result, &answers);
    bool is_telling = tell_first(report, &answers);
    if (parcel != NULL)
        parcel_drop(parcel);
    if (!is_telling)
        report_step(report);
}

void handover_believe(struct handover *handover, struct message_id id, struct str domain,
                      struct now now)
{
    struct trial *trial = trial_take(handover, id, domain);

    check(trial != NULL);
    struct report *report =
        report_new(handover, id, domain, trial->recipient, trial->verdict, trial->count);
    const struct envelope envelope = { .id = id,
                                       .flags = trial->flags,
                                       .sender = buf_str(&trial->sender) };
    handover->now = now;
    report->outcome = OUTCOME_RESCUED;
    report->is_trial = true;
    report->result.refused = trial->count;
    struct handover_answers answers = answers_of(report);
    answers.remote = buf_str(&trial->remote);
    answers.at_ms = trial->at_ms;
    answers.is_believed = true;
    answers.envelope = trial->has_envelope ? &envelope : NULL;
    bool is_telling = tell_first(report, &answers);
    trial_free(trial);
    if (!is_telling)
        report_step(report);
}

void handover_session_gone(struct handover *handover, uint64_t session,
                           void (*each)(void *context, struct message_id id), void *context)
{
    list_each_safe (link, &handover->all) {
        struct parcel *parcel = container_of(link, struct parcel, link);
        if (parcel->session != session)
            continue;
        if (each != NULL && !parcel->is_held_back) /* what is under way then is the answer */
            each(context, parcel->id);
        parcel_drop(parcel);
    }
    release(handover);
}

void handover_turn(struct handover *handover, struct now now)
{
    handover->now = now;
    list_each_safe (link, &handover->failed) {
        struct report *report = container_of(link, struct report, link);
        if (report->again_ms > now.mono_ms)
            continue;
        list_remove(link);
        report_step(report);
    }
}

int64_t handover_deadline(const struct handover *handover)
{
    const struct link *first = list_first(&handover->failed);
    return first == NULL ? NEVER_MS : container_of(first, struct report, link)->again_ms;
}

void handover_let_go(struct handover *handover)
{
    list_each_safe (link, &handover->all)
        parcel_drop(container_of(link, struct parcel, link));
}

void handover_free(struct handover *handover)
{
    if (handover == NULL)
        return;
    handover_let_go(handover);
    list_each_safe (link, &handover->failed)
        report_free(container_of(link, struct report, link));
    struct trial *trial;
    for (size_t cursor = 0; (trial = map_next(&handover->trials, &cursor, NULL)) != NULL;)
        trial_free(trial);
    map_fini(&handover->trials);
    list_each_safe (link, &handover->told)
        report_free(container_of(link, struct report, link));
    map_fini(&handover->parcels);
    struct claim *claim;
    for (size_t cursor = 0; (claim = map_next(&handover->claims, &cursor, NULL)) != NULL;)
        memory_free(claim);
    map_fini(&handover->claims);
    memory_free(handover);
}
