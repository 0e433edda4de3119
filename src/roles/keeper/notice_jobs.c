/* SPDX-License-Identifier: ISC */
/* notice_jobs.c: the queue of notices, and the way of each; see notice_job.h.
 *
 * Events that somebody waits for go first. Delays come in crowds, an outage's mail all at once: one
 * after the other, and no more than DELAYS_PER_MINUTE.
 */
#include <errno.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/notice_job.h"

enum {
    RUNNING_MAX = 4,
    DELAYS_PER_MINUTE = 1200,
    LOOK_GAP_MS = 2, /* between two senders of whom one was not to be told */
    TRIES_MAX = 3,
    AGAIN_MS = SECOND_MS,            /* the store took none: then others need not be tried either */
    AGAIN_LATER_MS = 10 * SECOND_MS, /* for what can wait */
};

struct keeper_notices {
    struct link urgent;  /* struct notice_job.link: somebody waits */
    struct link patient; /* delays */
    unsigned running;
    bool patient_runs;
    int64_t urgent_at_ms, patient_at_ms; /* monotonic: not before */
};

/* ---- jobs ---- */

struct notice_job *keeper_notice_new(struct keeper *keeper, enum notice_kind kind,
                                     struct message_id id, struct str domain)
{
    struct notice_job *job = memory_new(sizeof *job);

    job->keeper = keeper;
    job->kind = kind;
    job->id = id;
    buf_add(&job->domain, domain);
    return job;
}

void keeper_notice_drop(struct notice_job *job)
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

void keeper_notice_queue(struct notice_job *job)
{
    struct keeper_notices *notices = job->keeper->notices;

    list_append(job->kind == NOTICE_DELAYED ? &notices->patient : &notices->urgent, &job->link);
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

void keeper_notice_tell_owner(struct keeper *keeper, struct str domain,
                              const struct verdict *reason)
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
        keeper_notice_tell_owner(job->keeper, buf_str(&job->domain),
                                 job->count > 0 ? job->verdict : NULL);
    if (end == NOTICE_WITHHELD)
        log_info("notice_withheld", LOG_ID(job->id), LOG_STR("domain", buf_str(&job->domain)),
                 LOG_TEXT("kind", notice_kind_name(job->kind)), LOG_STR("why", why));
    job->ended(job, end, why);
    keeper_notice_drop(job);
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
    struct str why;
    if (keeper_notice_write(job, bytes, &why))
        send(job);
    else
        finish(job, NOTICE_WITHHELD, why);
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
        store_read(reader, 0, NOTICE_CONTENT_MAX + 1, on_read, job);
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
        keeper_notice_note_last_words(job);
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
        keeper_notice_drop(job);
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
