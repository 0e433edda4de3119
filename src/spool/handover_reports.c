/* SPDX-License-Identifier: ISC */
/* handover_reports.c: a report is one set of answers on its way to the store.
 *
 *     notice ─▶ the accepted are settled ─▶ the refused are settled ─▶ the rest is counted ─▶ told
 *
 * Before anything is settled the host may want to write to a sender: then it says when that is
 * stored. While the disk fails, a settlement is tried once a second. The scheduler is told at the
 * end, not before; until then the entry is claimed.
 *
 * The first report on a message settles what was accepted and leaves what was refused as a trial
 * (handover_trials.c); if the trial is believed, it becomes a report itself.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "spool/handover_private.h"

enum { SETTLE_AGAIN_MS = 1000 };

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

static void report_end_claim(struct report *report)
{
    if (report->has_claim)
        handover_claim_end(report->handover, report->result.id, report->result.domain);
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
    handover_release(handover);
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
    return verdict->fate == fate && (report->is_trial || !handover_is_doubtful(verdict));
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
    handover_claim(handover, id, report->result.domain);
    report->count = count;
    report->recipient = memory_copy(recipient, count * sizeof *recipient);
    report->verdict = memory_copy(verdict, count * sizeof *verdict);
    return report;
}

/* Whoever was refused with the whole message may well exist. */
static bool is_known(const struct handover *handover, const struct parcel *parcel,
                     uint32_t recipient, const struct verdict *verdict)
{
    if (verdict->stage != STAGE_RECIPIENT)
        return verdict->stage == STAGE_CONTENT;
    return handover->host->is_known(handover->context, handover_parcel_recipient(parcel, recipient),
                                    verdict);
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
        if (handover_is_doubtful(verdict))
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
    struct parcel *parcel = handover_parcel_find(handover, session, id);
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
        handover_trial_begin(handover, &report->result, &answers);
    bool is_telling = tell_first(report, &answers);
    if (parcel != NULL)
        handover_parcel_drop(parcel);
    if (!is_telling)
        report_step(report);
}

void handover_believe(struct handover *handover, struct message_id id, struct str domain,
                      struct now now)
{
    struct trial *trial = handover_trial_take(handover, id, domain);

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
    handover_trial_free(trial);
    if (!is_telling)
        report_step(report);
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

void handover_reports_fini(struct handover *handover)
{
    list_each_safe (link, &handover->failed)
        report_free(container_of(link, struct report, link));
    list_each_safe (link, &handover->told)
        report_free(container_of(link, struct report, link));
}
