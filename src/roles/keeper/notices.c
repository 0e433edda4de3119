/* SPDX-License-Identifier: ISC */
/* notices.c: what senders are told of their mail (SPEC N1, N4, N8; RFC 3461 5.2.2).
 *
 *     queued ─▶ the message is opened and its content read ─▶ the notice is written (notify/)
 *            ─▶ stored as mail of our own ─▶ whoever waits for it goes on: settles, tells the next
 *
 * What a notice is about is an event: answers of a primary, the end of the holding time, an age.
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
 *
 * Events that somebody waits for go first. Delays come in crowds, an outage's mail all at once: one
 * after the other, and no more than DELAYS_PER_MINUTE.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "notify/notice.h"
#include "roles/keeper/session.h"
#include "wire/smtp_greeting.h"

enum {
    RUNNING_MAX = 4,
    CONTENT_MAX = 256 * 1024, /* that is read of a message, and that comes back with a notice */
    DELAYS_PER_MINUTE = 1200,
    LOOK_GAP_MS = 2, /* between two senders of whom one was not to be told */
    TRIES_MAX = 3,
    AGAIN_MS = SECOND_MS,            /* the store took none: then others need not be tried either */
    AGAIN_LATER_MS = 10 * SECOND_MS, /* for what can wait */
};

struct notice_job {
    struct link link; /* in a queue */
    struct keeper *keeper;
    enum notice_kind kind;
    struct message_id id;
    struct buf domain;
    uint32_t *recipient; /* indices in the envelope */
    struct verdict *verdict;
    uint32_t count; /* of both; 0: all who wait, and `verdict` is NULL or one for all */
    bool is_reply, is_expired, is_by_hand;
    struct buf remote;
    int64_t last_attempt_ms;
    int64_t age_ms; /* NOTICE_DELAYED */
    unsigned tries;

    struct store_reader *reader; /* while it is worked on */
    const struct stored_message *message;
    struct buf mail;
    struct message_id notice_id;
    struct notice_made made;

    void (*ended)(struct notice_job *job, enum notice_end end, struct str why);
    struct told_answers *answers; /* of a primary */
    uint64_t ticket;              /* of the scheduler */
    notice_done *done;            /* whoever else */
    void *context;
};

struct told_answers { /* may lead to several notices */
    struct handover_telling *telling;
    unsigned open;
};

struct keeper_notices {
    struct link urgent;  /* struct notice_job.link: somebody waits */
    struct link patient; /* delays */
    unsigned running;
    bool patient_runs;
    int64_t urgent_at_ms, patient_at_ms; /* monotonic: not before */
};

/* ---- jobs ---- */

static struct notice_job *job_new(struct keeper *keeper, enum notice_kind kind,
                                  struct message_id id, struct str domain)
{
    struct notice_job *job = memory_new(sizeof *job);

    job->keeper = keeper;
    job->kind = kind;
    job->id = id;
    buf_add(&job->domain, domain);
    return job;
}

static void job_free(struct notice_job *job)
{
    list_remove(&job->link);
    if (job->reader != NULL)
        store_reader_close(job->reader);
    buf_fini(&job->domain);
    buf_fini(&job->remote);
    buf_fini(&job->mail);
    memory_free(job->recipient);
    memory_free(job->verdict);
    memory_free(job);
}

static void leave(struct notice_job *job)
{
    struct keeper_notices *notices = job->keeper->notices;

    notices->running--;
    if (job->kind == NOTICE_DELAYED)
        notices->patient_runs = false;
    if (job->reader != NULL)
        store_reader_close(job->reader);
    job->reader = NULL;
    job->message = NULL;
}

/* Mail is in the rescue store, and its sender will not hear of it: somebody else should. */
static void tell_owner(struct keeper *keeper, struct str domain, const struct verdict *reason)
{
    const struct alert_facts facts = { .failures = 1,
                                       .reason = reason != NULL ? verdict_text(reason) : STR_NONE };
    keeper_alert(keeper, domain, ALERT_REFUSED, &facts);
}

static void finish(struct notice_job *job, enum notice_end end, struct str why)
{
    struct keeper_notices *notices = job->keeper->notices;
    int64_t gap_ms = end == NOTICE_SENT ? MINUTE_MS / DELAYS_PER_MINUTE : LOOK_GAP_MS;

    leave(job);
    if (job->kind == NOTICE_DELAYED)
        notices->patient_at_ms = keeper_now(job->keeper).mono_ms + gap_ms;
    if (end == NOTICE_WITHHELD && job->kind == NOTICE_FAILED)
        tell_owner(job->keeper, buf_str(&job->domain), job->count > 0 ? job->verdict : NULL);
    if (end == NOTICE_WITHHELD)
        log_info("notice_withheld", LOG_ID(job->id), LOG_STR("domain", buf_str(&job->domain)),
                 LOG_TEXT("kind", notice_kind_name(job->kind)), LOG_STR("why", why));
    job->ended(job, end, why);
    job_free(job);
}

/* Mail that is refused lies in the rescue store, told or not: the operator can see to it. */
static void try_again(struct notice_job *job)
{
    struct keeper_notices *notices = job->keeper->notices;
    int64_t now_ms = keeper_now(job->keeper).mono_ms;

    if (++job->tries >= TRIES_MAX && job->kind != NOTICE_DELAYED) {
        log_error("notice_lost", LOG_ID(job->id), LOG_STR("domain", buf_str(&job->domain)),
                  LOG_TEXT("kind", notice_kind_name(job->kind)));
        finish(job, NOTICE_WITHHELD, STR("not_stored"));
        return;
    }
    leave(job);
    if (job->kind == NOTICE_DELAYED) {
        notices->patient_at_ms = now_ms + AGAIN_LATER_MS;
        list_prepend(&notices->patient, &job->link);
    } else {
        notices->urgent_at_ms = now_ms + AGAIN_MS;
        list_prepend(&notices->urgent, &job->link);
    }
}

/* ---- what is known about it ---- */

static const struct domain_settings *settings_of(const struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    return record != NULL ? &record->settings : NULL;
}

static int64_t value_of(const struct keeper *keeper, struct str domain, enum setting setting)
{
    return setting_value(settings_of(keeper, domain), &keeper->process->config->defaults, setting);
}

static struct str text_of(const struct keeper *keeper, struct str domain, enum setting setting)
{
    return setting_text(settings_of(keeper, domain), &keeper->process->config->defaults, setting);
}

static void note_target(struct notice_job *job, const struct route_status *status)
{
    const struct route_target_status *last = NULL;

    for (uint32_t i = 0; i < status->target_count; i++)
        if (last == NULL || status->target[i].last_tried_ms > last->last_tried_ms)
            last = &status->target[i];
    if (last == NULL)
        return;
    job->last_attempt_ms = last->last_tried_ms;
    buf_add(&job->remote, last->host);
}

/* Why it waits: what was said of it the last time, else what is wrong with its way. */
static void note_last_words(struct notice_job *job)
{
    const struct keeper *keeper = job->keeper;
    struct str domain = buf_str(&job->domain);
    struct now now = keeper_now(keeper);
    struct route_status status;
    struct verdict last = { 0 };
    int64_t next_ms;
    uint32_t attempts;

    if (job->verdict != NULL || !schedule_status(keeper->schedule, domain, now, &status))
        return;
    note_target(job, &status);
    job->is_reply =
        schedule_entry_status(keeper->schedule, domain, job->id, now, &next_ms, &attempts, &last) &&
        last.code != 0;
    job->verdict = memory_copy(job->is_reply ? &last : &status.reason, sizeof last);
}

/* ---- who is told of what ---- */

static bool is_concerned(const struct notice_job *job, uint32_t i)
{
    const struct stored_message *message = job->message;
    enum recipient_state state = message->recipient_state[i];

    if (!str_equals(recipient_domain(&message->envelope.recipient[i]), buf_str(&job->domain)))
        return false;
    return state == RECIPIENT_PENDING || (job->is_by_hand && state == RECIPIENT_RESCUED);
}

/* The operator gives up what waits, for the last answer, or what was given up before, for that
 * reason. */
static struct notice_outcome outcome_by_hand(const struct notice_job *job, uint32_t i)
{
    static const uint8_t expired[] = { 4, 7 };
    const struct verdict *reason = &job->message->reason;
    bool is_over = memcmp(&reason->enhanced[1], expired, sizeof expired) == 0;

    if (job->message->recipient_state[i] != RECIPIENT_RESCUED || reason->code == 0)
        return (struct notice_outcome){ .verdict = job->verdict, .is_reply = job->is_reply };
    return (
        struct notice_outcome){ .verdict = reason, .is_reply = !is_over, .is_expired = is_over };
}

static void add_outcome(const struct notice_job *job, struct notice_outcome *outcome,
                        uint32_t *count, uint32_t i, const struct verdict *verdict)
{
    struct notice_outcome *next = &outcome[*count];

    if (i >= job->message->envelope.recipient_count || !is_concerned(job, i))
        return;
    *next = job->is_by_hand ? outcome_by_hand(job, i)
                            : (struct notice_outcome){ .verdict = verdict,
                                                       .is_reply = job->is_reply,
                                                       .is_expired = job->is_expired };
    next->recipient = i;
    next->remote = buf_str(&job->remote);
    next->last_attempt_ms = job->last_attempt_ms;
    ++*count;
}

static uint32_t pick_outcomes(const struct notice_job *job, struct notice_outcome *outcome)
{
    uint32_t count = 0;

    for (uint32_t k = 0; k < job->count; k++)
        add_outcome(job, outcome, &count, job->recipient[k],
                    job->is_by_hand ? NULL : &job->verdict[k]);
    for (uint32_t i = 0; job->count == 0 && i < job->message->envelope.recipient_count; i++)
        add_outcome(job, outcome, &count, i, job->verdict);
    return count;
}

/* 48 bits of time, as in any id, and 80 that only this event has. */
static struct message_id notice_id(const struct notice_job *job,
                                   const struct notice_outcome *outcome, uint32_t count)
{
    struct message_id id = job->id;
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf event = { 0 };

    buf_add_bytes(&event, job->id.bytes, sizeof job->id.bytes);
    buf_add_counted(&event, buf_str(&job->domain));
    buf_add_u8(&event, (uint8_t)job->kind);
    buf_add_u64(&event, (uint64_t)job->message->since_ms);
    buf_add_u64(&event, (uint64_t)job->age_ms);
    for (uint32_t i = 0; job->age_ms == 0 && i < count; i++)
        buf_add_u32(&event, outcome[i].recipient);
    check(EVP_Digest(event.ptr, event.len, digest, &size, EVP_sha256(), NULL) == 1);
    memcpy(id.bytes + 6, digest, sizeof id.bytes - 6);
    buf_fini(&event);
    return id;
}

static int64_t until(const struct notice_job *job)
{
    return job->message->since_ms + value_of(job->keeper, buf_str(&job->domain), SETTING_HOLD);
}

static void add_from(const struct config *config, struct buf *out)
{
    if (config->postmaster.len > 0)
        buf_add(out, config->postmaster);
    else
        buf_add_format(out, "mailer-daemon@%.*s", STR_FMT(config->hostname));
}

_Static_assert(LANGUAGE_EN == 0 && LANGUAGE_DE == 1, "as the setting's words");

/* The notice into job->mail, or why there is none. */
static enum may_notify write_notice(struct notice_job *job, const struct notice_outcome *outcome,
                                    uint32_t count, struct str content)
{
    const struct keeper *keeper = job->keeper;
    struct str domain = buf_str(&job->domain);
    struct buf from = { 0 };
    struct buf message_id = { 0 };

    job->notice_id =
        job->is_by_hand ? keeper_own_new_id(job->keeper) : notice_id(job, outcome, count);
    add_from(keeper->process->config, &from);
    buf_add_format(&message_id, "<%s@%.*s>", message_id_to_text(job->notice_id).text,
                   STR_FMT(keeper->process->config->hostname));
    struct notice_texts texts;
    keeper_templates_of(keeper, domain, &texts);
    const struct notice notice = {
        .kind = job->kind,
        .envelope = &job->message->envelope,
        .content = content,
        .outcome = outcome,
        .outcome_count = count,
        .domain = domain,
        .contact = text_of(keeper, domain, SETTING_CONTACT),
        .own = &texts,
        .fallback = (enum language)value_of(keeper, domain, SETTING_LANGUAGE),
        .node = keeper->process->config->hostname,
        .from = buf_str(&from),
        .from_name = STR("Mail Delivery System"),
        .message_id = buf_str(&message_id),
        .now_ms = keeper_mail_now(keeper).wall_ms,
        .until_ms = job->kind == NOTICE_DELAYED ? until(job) : 0,
        .returned_max = CONTENT_MAX,
    };
    enum may_notify may = notice_add(&job->mail, &notice, &job->made);
    buf_fini(&from);
    buf_fini(&message_id);
    return may;
}

/* ---- the way of a job ---- */

static void log_sent(const struct notice_job *job)
{
    struct str domain = buf_str(&job->domain);

    log_info("notice_sent", LOG_ID(job->id), LOG_STR("domain", domain),
             LOG_TEXT("kind", notice_kind_name(job->kind)),
             LOG_STR("to", job->message->envelope.sender),
             LOG_INT("recipients", job->made.recipients),
             LOG_TEXT("language", language_tag(job->made.language)),
             LOG_TEXT("notice", message_id_to_text(job->notice_id).text));
    if (job->made.own_is_bad)
        log_warn("notice_text_bad", LOG_STR("domain", domain),
                 LOG_TEXT("occasion", occasion_name(job->made.occasion)),
                 LOG_TEXT("hint", "the domain's own text has a mistake; ours was sent"));
}

static void on_stored(void *context, enum own_fate fate)
{
    struct notice_job *job = context;

    switch (fate) {
    case OWN_STORED:
        log_sent(job);
        finish(job, NOTICE_SENT, STR(""));
        return;
    case OWN_STORED_BEFORE: /* by us, in an earlier life */
        finish(job, NOTICE_WITHHELD, STR("told_before"));
        return;
    case OWN_NO_WAY:
        finish(job, NOTICE_WITHHELD, STR("no_way"));
        return;
    case OWN_BUSY:
        try_again(job);
        return;
    case OWN_CANCELLED:
        finish(job, NOTICE_CANCELLED, STR(""));
        return;
    }
}

static void send(struct notice_job *job)
{
    struct own_mail mail = {
        .recipient = job->message->envelope.sender,
        .content = buf_str(&job->mail),
        .body_type = job->made.form.body_type,
        .needs_utf8 = job->made.form.needs_utf8,
        .done = on_stored,
        .context = job,
    };
    enum own_fate fate = keeper_own_send(job->keeper, job->notice_id, &mail);

    buf_fini(&job->mail);
    if (fate != OWN_STORED)
        on_stored(job, fate);
}

static void on_read(void *context, int error, struct str bytes)
{
    struct notice_job *job = context;

    if (error != 0) {
        finish(job, error == -ECANCELED ? NOTICE_CANCELLED : NOTICE_WITHHELD, STR("unreadable"));
        return;
    }
    struct notice_outcome *outcome =
        memory_new((1 + job->message->envelope.recipient_count) * sizeof *outcome);
    uint32_t count = pick_outcomes(job, outcome);
    enum may_notify may = count > 0 ? write_notice(job, outcome, count, bytes) : MAY_NOT_UNASKED;
    memory_free(outcome);
    if (may == MAY_NOTIFY)
        send(job);
    else
        finish(job, NOTICE_WITHHELD, count > 0 ? str_from(may_notify_name(may)) : STR("gone"));
}

/* Of most mail the envelope is enough to say no. */
static enum may_notify may_notify_at_all(const struct notice_job *job,
                                         const struct envelope *envelope)
{
    static const struct header none = { 0 };
    return may_notify_sender(job->kind, envelope, &none);
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct notice_job *job = context;

    if (error != 0) {
        finish(job, error == -ECANCELED ? NOTICE_CANCELLED : NOTICE_WITHHELD,
               error == -ENOENT ? STR("gone") : STR("unreadable"));
        return;
    }
    job->reader = reader;
    job->message = message;
    enum may_notify may = may_notify_at_all(job, &message->envelope);
    if (may == MAY_NOTIFY)
        store_read(reader, 0, CONTENT_MAX + 1, on_read, job);
    else
        finish(job, NOTICE_WITHHELD, str_from(may_notify_name(may)));
}

static void run(struct notice_job *job)
{
    struct keeper_notices *notices = job->keeper->notices;

    list_remove(&job->link);
    notices->running++;
    if (job->kind == NOTICE_DELAYED)
        notices->patient_runs = true;
    if (job->kind == NOTICE_DELAYED || job->is_expired || job->is_by_hand)
        note_last_words(job);
    store_open(job->keeper->store, job->id, buf_str(&job->domain), on_opened, job);
}

static struct notice_job *next_job(const struct keeper_notices *notices, int64_t now_ms)
{
    struct link *urgent = list_first(&notices->urgent);
    struct link *patient = list_first(&notices->patient);

    if (notices->running >= RUNNING_MAX)
        return NULL;
    if (urgent != NULL && notices->urgent_at_ms <= now_ms)
        return container_of(urgent, struct notice_job, link);
    if (patient != NULL && !notices->patient_runs && notices->patient_at_ms <= now_ms)
        return container_of(patient, struct notice_job, link);
    return NULL;
}

void keeper_notices_turn(struct keeper *keeper, struct now now)
{
    struct notice_job *job;

    while (keeper->notices != NULL && (job = next_job(keeper->notices, now.mono_ms)) != NULL)
        run(job);
}

int64_t keeper_notices_deadline(const struct keeper *keeper)
{
    const struct keeper_notices *notices = keeper->notices;
    int64_t deadline_ms = NEVER_MS;

    if (notices == NULL || notices->running >= RUNNING_MAX)
        return NEVER_MS;
    if (!list_is_empty(&notices->urgent))
        deadline_ms = notices->urgent_at_ms;
    if (!list_is_empty(&notices->patient) && !notices->patient_runs &&
        notices->patient_at_ms < deadline_ms)
        deadline_ms = notices->patient_at_ms;
    return deadline_ms;
}

/* ---- events: answers of a primary ---- */

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
    struct notice_job *job = job_new(keeper, kind, from->id, from->domain);

    for (uint32_t i = 0; i < from->count; i++)
        if (is_final(from, i, fate))
            add_answer(job, from, i);
    if (job->count == 0) {
        job_free(job);
        return;
    }
    job->is_reply = job->verdict[0].stage != STAGE_OURS;
    job->last_attempt_ms = from->at_ms;
    buf_add(&job->remote, from->remote);
    job->ended = answers_ended;
    job->answers = answers;
    answers->open++;
    list_append(&keeper->notices->urgent, &job->link);
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
    if (value_of(keeper, answers->domain, SETTING_NOTIFY_FAILURE) == 0) {
        tell_owner(keeper, answers->domain, &answers->verdict[0]);
        return false;
    }
    if (answers->envelope != NULL)
        may = may_notify_sender(NOTICE_FAILED, answers->envelope, &none);
    if (may != MAY_NOTIFY)
        log_info("notice_withheld", LOG_ID(answers->id), LOG_STR("domain", answers->domain),
                 LOG_TEXT("kind", notice_kind_name(NOTICE_FAILED)),
                 LOG_TEXT("why", may_notify_name(may)));
    if (may != MAY_NOTIFY)
        tell_owner(keeper, answers->domain, &answers->verdict[0]);
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
    unsigned count = setting_durations(text_of(keeper, domain, SETTING_NOTIFY_DELAY), age_ms);

    for (unsigned i = 0; i < count; i++)
        if (keeper_told_until(keeper, domain, age_ms[i]) >= since_ms)
            return true;
    return false;
}

static bool may_tell_arrived(const struct keeper *keeper, const struct handover_answers *answers)
{
    return answers->envelope != NULL && has_fate(answers, FATE_ACCEPT) &&
           (answers->envelope->flags & ENVELOPE_PROVED) != 0 &&
           value_of(keeper, answers->domain, SETTING_NOTIFY_ARRIVED) != 0 &&
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

/* ---- events: the end of the holding time, an age, the operator ---- */

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
    if (keeper->notices == NULL || value_of(keeper, entry->domain, SETTING_NOTIFY_FAILURE) == 0) {
        if (keeper->notices != NULL)
            tell_owner(keeper, entry->domain, NULL);
        done(context, NOTICE_WITHHELD, STR("not_wanted"));
        return;
    }
    struct notice_job *job = job_new(keeper, NOTICE_FAILED, entry->id, entry->domain);
    job->is_expired = true;
    job->ended = asked_ended;
    job->done = done;
    job->context = context;
    list_append(&keeper->notices->urgent, &job->link);
}

void keeper_notices_delayed(struct keeper *keeper, const struct entry *entry, int64_t age_ms,
                            uint64_t ticket)
{
    if (keeper->notices == NULL)
        return;
    struct notice_job *job = job_new(keeper, NOTICE_DELAYED, entry->id, entry->domain);
    job->age_ms = age_ms;
    job->ticket = ticket;
    job->ended = delayed_ended;
    list_append(&keeper->notices->patient, &job->link);
}

void keeper_notices_bounce(struct keeper *keeper, const struct settlement *settlement,
                           notice_done *done, void *context)
{
    check(settlement->count > 0);
    if (keeper->notices == NULL) {
        done(context, NOTICE_WITHHELD, STR("not_wanted"));
        return;
    }
    struct notice_job *job = job_new(keeper, NOTICE_FAILED, settlement->id, settlement->domain);
    job->is_by_hand = true;
    job->recipient =
        memory_copy(settlement->recipient, settlement->count * sizeof *settlement->recipient);
    job->count = settlement->count;
    job->ended = asked_ended;
    job->done = done;
    job->context = context;
    list_append(&keeper->notices->urgent, &job->link);
}

/* ---- life ---- */

void keeper_notices_start(struct keeper *keeper)
{
    struct keeper_notices *notices = memory_new(sizeof *notices);

    list_init(&notices->urgent);
    list_init(&notices->patient);
    keeper->notices = notices;
}

static void drop_all(struct link *queue)
{
    list_each_safe (link, queue) {
        struct notice_job *job = container_of(link, struct notice_job, link);
        job->ended(job, NOTICE_CANCELLED, STR(""));
        job_free(job);
    }
}

void keeper_notices_free(struct keeper *keeper)
{
    if (keeper->notices == NULL)
        return;
    check(keeper->notices->running == 0); /* the store has answered everything */
    drop_all(&keeper->notices->urgent);
    drop_all(&keeper->notices->patient);
    memory_free(keeper->notices);
    keeper->notices = NULL;
}
