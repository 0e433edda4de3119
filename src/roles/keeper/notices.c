/* SPDX-License-Identifier: ISC */
/* notices.c: what senders are told of their mail (SPEC N1, N4, N8; RFC 3461 5.2.2).
 *
 * What a notice is about is an event: answers of a primary, the end of the holding time, an age.
 * Which way it goes then says notice_job.h.
 *
 * Once for each event, whenever we are killed
 *   1  the notice is on stable storage before the event is: answers and expiries are settled behind
 *      it, ages are noted behind it (schedule/delays.c). So none is lost.
 *   2  its id is made of the event (notice_id()), and the store takes an id once. Whoever dies in
 *      between comes to the same event again, and its notice is there already.
 * What is left: the store forgets the ids of mail that was handed over after ten minutes, so a node
 * that died in between and stays away for longer says it again, if the notice had left before. And
 * a primary that refuses, and takes the mail when it is asked again after our death, was told of
 * both.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/notice_job.h"
#include "roles/keeper/session.h"
#include "wire/smtp_greeting.h"

struct told_answers { /* may lead to several notices */
    struct handover_telling *telling;
    unsigned open;
};

/* ---- answers of a primary ---- */

static void answers_ended(struct notice_job *job, enum notice_end end, struct str why)
{
    struct told_answers *answers = job->answers;

    (void)why;
    if (--answers->open > 0)
        return;
    if (end != NOTICE_CANCELLED)
        handover_told(job->keeper->handover, answers->telling);
    memory_free(answers);
}

static void add_answer(struct notice_job *job, const struct handover_answers *from, uint32_t i)
{
    if (job->recipient == NULL) {
        job->recipient = memory_new(from->count * sizeof *job->recipient);
        job->verdict = memory_new(from->count * sizeof *job->verdict);
    }
    job->recipient[job->count] = from->recipient[i];
    job->verdict[job->count++] = from->verdict[i];
}

/* A refusal that is still on trial is told of when it is believed; our own is none. */
static bool is_final(const struct handover_answers *from, uint32_t i, enum fate fate)
{
    const struct verdict *verdict = &from->verdict[i];

    if (verdict->fate != fate)
        return false;
    return fate != FATE_REJECT || from->is_believed || verdict->stage == STAGE_OURS;
}

/* Of those with this fate; nobody if there are none. */
static void tell_fate(struct keeper *keeper, struct told_answers *answers, enum notice_kind kind,
                      const struct handover_answers *from, enum fate fate)
{
    struct notice_job *job = keeper_notice_new(keeper, kind, from->id, from->domain);

    for (uint32_t i = 0; i < from->count; i++)
        if (is_final(from, i, fate))
            add_answer(job, from, i);
    if (job->count == 0) {
        keeper_notice_drop(job);
        return;
    }
    job->is_reply = job->verdict[0].stage != STAGE_OURS;
    job->last_attempt_ms = from->at_ms;
    buf_add(&job->remote, from->remote);
    job->ended = answers_ended;
    job->answers = answers;
    answers->open++;
    keeper_notice_queue(job);
}

static bool has_fate(const struct handover_answers *answers, enum fate fate)
{
    for (uint32_t i = 0; i < answers->count; i++)
        if (is_final(answers, i, fate))
            return true;
    return false;
}

/* Most that is refused came from nobody knows whom: no need to open it again. */
static bool may_tell_failure(struct keeper *keeper, const struct handover_answers *answers)
{
    static const struct header none = { 0 };
    enum may_notify may = MAY_NOTIFY;

    if (!has_fate(answers, FATE_REJECT))
        return false;
    if (keeper_value(keeper, answers->domain, SETTING_NOTIFY_FAILURE) == 0) {
        keeper_notice_tell_owner(keeper, answers->domain, &answers->verdict[0]);
        return false;
    }
    if (answers->envelope != NULL)
        may = may_notify_sender(NOTICE_FAILED, answers->envelope, &none);
    if (may != MAY_NOTIFY)
        log_info("notice_withheld", LOG_ID(answers->id), LOG_STR("domain", answers->domain),
                 LOG_TEXT("kind", notice_kind_name(NOTICE_FAILED)),
                 LOG_TEXT("why", may_notify_name(may)));
    if (may != MAY_NOTIFY)
        keeper_notice_tell_owner(keeper, answers->domain, &answers->verdict[0]);
    return may == MAY_NOTIFY;
}

static bool wants_success(const struct envelope *envelope)
{
    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        if ((envelope->recipient[i].notify & NOTIFY_SUCCESS) != 0)
            return true;
    return false;
}

/* Somebody wants to hear of success, and the primary did not offer to say it. */
static bool may_tell_relayed(const struct keeper *keeper, const struct handover_answers *answers)
{
    const struct keeper_session *session = keeper_session_find(keeper, answers->session);

    return answers->envelope != NULL && session != NULL && session->is_greeted &&
           (session->extensions & EXTENSION_DSN) == 0 && has_fate(answers, FATE_ACCEPT) &&
           (answers->envelope->flags & ENVELOPE_PROVED) != 0 && wants_success(answers->envelope);
}

/* How far a domain's senders have been told that their mail waits: of what is held, all that came
 * up to until_ms was looked at when it was age_ms old. A fact of the directory, so that a restart
 * tells nobody twice. */
#define TOLD_OF_DELAY STR("told-of-delay")

static struct buf age_name(int64_t age_ms)
{
    struct buf name = { 0 };

    buf_add_format(&name, "%lld", (long long)age_ms);
    return name;
}

void keeper_told_of_delay(struct keeper *keeper, struct str domain, int64_t age_ms,
                          int64_t until_ms)
{
    struct buf name = age_name(age_ms);
    struct buf value = age_name(until_ms);
    const struct domain_fact fact = { TOLD_OF_DELAY, domain, buf_str(&name), buf_str(&value) };

    if (directory_find_domain(keeper->directory, domain) != NULL)
        directory_put_fact(keeper->directory, &fact, NULL, NULL);
    buf_fini(&name);
    buf_fini(&value);
}

int64_t keeper_told_until(const struct keeper *keeper, struct str domain, int64_t age_ms)
{
    struct buf name = age_name(age_ms);
    uint64_t until_ms = 0;
    struct str value =
        directory_find_fact(keeper->directory, TOLD_OF_DELAY, domain, buf_str(&name));

    buf_fini(&name);
    return str_to_u64(value, ENVELOPE_TIME_MAX, &until_ms) ? (int64_t)until_ms : 0;
}

static bool was_told_of_delay(const struct keeper *keeper, struct str domain, int64_t since_ms)
{
    int64_t age_ms[SETTING_DURATIONS_MAX];
    unsigned count = setting_durations(keeper_text(keeper, domain, SETTING_NOTIFY_DELAY), age_ms);

    for (unsigned i = 0; i < count; i++)
        if (keeper_told_until(keeper, domain, age_ms[i]) >= since_ms)
            return true;
    return false;
}

static bool may_tell_arrived(const struct keeper *keeper, const struct handover_answers *answers)
{
    return answers->envelope != NULL && has_fate(answers, FATE_ACCEPT) &&
           (answers->envelope->flags & ENVELOPE_PROVED) != 0 &&
           keeper_value(keeper, answers->domain, SETTING_NOTIFY_ARRIVED) != 0 &&
           was_told_of_delay(keeper, answers->domain, answers->envelope->received_ms);
}

bool keeper_notices_tell(struct keeper *keeper, const struct handover_answers *answers,
                         struct handover_telling *telling)
{
    if (keeper->notices == NULL)
        return false;
    struct told_answers *told = memory_new(sizeof *told);
    told->telling = telling;
    if (may_tell_failure(keeper, answers))
        tell_fate(keeper, told, NOTICE_FAILED, answers, FATE_REJECT);
    if (may_tell_relayed(keeper, answers))
        tell_fate(keeper, told, NOTICE_RELAYED, answers, FATE_ACCEPT);
    else if (may_tell_arrived(keeper, answers))
        tell_fate(keeper, told, NOTICE_ARRIVED, answers, FATE_ACCEPT);
    if (told->open > 0)
        return true;
    memory_free(told);
    return false;
}

/* ---- the end of the holding time, an age, the operator ---- */

static void asked_ended(struct notice_job *job, enum notice_end end, struct str why)
{
    job->done(job->context, end, why);
}

static void delayed_ended(struct notice_job *job, enum notice_end end, struct str why)
{
    (void)why;
    if (end != NOTICE_CANCELLED)
        schedule_told(job->keeper->schedule, buf_str(&job->domain), job->ticket,
                      keeper_now(job->keeper));
}

void keeper_notices_expired(struct keeper *keeper, const struct entry *entry, notice_done *done,
                            void *context)
{
    if (keeper->notices == NULL ||
        keeper_value(keeper, entry->domain, SETTING_NOTIFY_FAILURE) == 0) {
        if (keeper->notices != NULL)
            keeper_notice_tell_owner(keeper, entry->domain, NULL);
        done(context, NOTICE_WITHHELD, STR("not_wanted"));
        return;
    }
    struct notice_job *job = keeper_notice_new(keeper, NOTICE_FAILED, entry->id, entry->domain);
    job->is_expired = true;
    job->ended = asked_ended;
    job->done = done;
    job->context = context;
    keeper_notice_queue(job);
}

void keeper_notices_delayed(struct keeper *keeper, const struct entry *entry, int64_t age_ms,
                            uint64_t ticket)
{
    if (keeper->notices == NULL)
        return;
    struct notice_job *job = keeper_notice_new(keeper, NOTICE_DELAYED, entry->id, entry->domain);
    job->age_ms = age_ms;
    job->ticket = ticket;
    job->ended = delayed_ended;
    keeper_notice_queue(job);
}

void keeper_notices_bounce(struct keeper *keeper, const struct settlement *settlement,
                           notice_done *done, void *context)
{
    check(settlement->count > 0);
    if (keeper->notices == NULL) {
        done(context, NOTICE_WITHHELD, STR("not_wanted"));
        return;
    }
    struct notice_job *job =
        keeper_notice_new(keeper, NOTICE_FAILED, settlement->id, settlement->domain);
    job->is_by_hand = true;
    job->recipient =
        memory_copy(settlement->recipient, settlement->count * sizeof *settlement->recipient);
    job->count = settlement->count;
    job->ended = asked_ended;
    job->done = done;
    job->context = context;
    keeper_notice_queue(job);
}
