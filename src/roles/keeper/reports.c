/* SPDX-License-Identifier: ISC */
/* reports.c: tells the owners of domains how mail in their name fared here: DMARC aggregate
 * reports (RFC 9990), if the configuration wants them.
 *
 *     gathering ── the period is over ──▶ closing, one domain after the other:
 *         who may be told? (DNS) ──▶ written and packed, on the upkeep's thread ──▶ sent ──▶ next
 *
 * A period ends where the clock, in UTC, is a multiple of the interval. What was gathered is kept
 * in a file from one life to the next; it is written every hour and at the end, so that a crash
 * costs an hour of counting; what was being told is told no further.
 */
#include <errno.h>
#include <string.h>

#include "authenticate/report_mail.h"
#include "authenticate/report_target.h"
#include "authenticate/report_xml.h"
#include "base/file.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/keeper.h"

enum {
    SAVE_MS = HOUR_MS,
    FILE_MAX = 64 << 20,
};

static const char file_name[] = "reports";
static const char new_name[] = "reports.new";

struct keeper_reports {
    struct keeper *keeper;
    struct tally *gathering;
    int64_t save_ms; /* monotonic; 0: nothing has come since the last time */

    struct tally *closing; /* NULL: none is */
    int64_t end_s;         /* of its period */

    /* Of the first domain in `closing`. */
    bool is_due; /* there is something to do */
    struct dns_answers known;
    struct arena arena;
    struct keeper_question question;
    unsigned asked;
    struct report_targets targets;

    struct worker_job job;
    bool is_busy;
    struct message_id id[REPORT_TARGETS_MAX];
    struct buf
        mail[REPORT_TARGETS_MAX]; /* empty: it is too large for this one, or not to be made */
    struct buf from;              /* the configuration may be replaced meanwhile */
};

/* ---- periods ---- */

static int64_t interval_s(const struct keeper *keeper)
{
    return keeper->process->config->report_interval / SECOND_MS;
}

static int64_t end_of_period(const struct keeper_reports *reports)
{
    int64_t interval = interval_s(reports->keeper);
    return (reports->gathering->begin_s / interval + 1) * interval;
}

static struct tally *report_new(const struct keeper *keeper, int64_t wall_s)
{
    int64_t interval = interval_s(keeper);
    struct tally *report = memory_new(sizeof *report);

    tally_init(report, report_limits_usual, wall_s / interval * interval);
    return report;
}

static void report_free(struct tally *report)
{
    if (report == NULL)
        return;
    tally_fini(report);
    memory_free(report);
}

static void save(struct keeper_reports *reports);

/* From now on the file knows nothing of it: after a crash nobody is told twice. */
static void close_period(struct keeper_reports *reports, int64_t wall_s)
{
    bool was_kept = tally_first(reports->gathering) != NULL;

    reports->end_s = end_of_period(reports);
    reports->closing = reports->gathering;
    reports->is_due = true;
    reports->gathering = report_new(reports->keeper, wall_s);
    if (was_kept)
        save(reports);
}

/* As long as the last one is being told, the next one goes on. */
static void look_at_the_clock(struct keeper_reports *reports, struct now now)
{
    int64_t wall_s = now.wall_ms / SECOND_MS;

    if (reports->closing == NULL && wall_s >= end_of_period(reports))
        close_period(reports, wall_s);
}

/* ---- one domain ---- */

static void forget_domain(struct keeper_reports *reports)
{
    dns_answers_fini(&reports->known);
    reports->known = (struct dns_answers){ 0 };
    arena_fini(&reports->arena);
    reports->targets = (struct report_targets){ 0 };
    reports->asked = 0;
    for (unsigned i = 0; i < REPORT_TARGETS_MAX; i++)
        buf_fini(&reports->mail[i]);
}

static void next_domain(struct keeper_reports *reports)
{
    tally_drop(reports->closing, tally_first(reports->closing));
    forget_domain(reports);
    reports->is_due = true;
}

static void end_closing(struct keeper_reports *reports)
{
    report_free(reports->closing);
    reports->closing = NULL;
    reports->is_due = false;
}

static struct str domain_of(struct str address)
{
    return str_skip(address, (size_t)str_find_last(address, '@') + 1);
}

static void write_mail(struct keeper_reports *reports, const struct tally_subject *domain,
                       unsigned i)
{
    struct str from = buf_str(&reports->from);
    struct message_id_text id = message_id_to_text(reports->id[i]);
    struct report_target *target = &reports->targets.target[i];
    struct buf xml = { 0 };
    struct buf plain = { 0 };
    struct buf message_id = { 0 };
    const struct report_about about = { .organisation = domain_of(from),
                                        .email = from,
                                        .contact = STR_NONE,
                                        .id = str_from(id.text),
                                        .end_s = reports->end_s };

    report_xml_add(&xml, reports->closing, domain, &about);
    buf_add_format(&message_id, "<%s@%.*s>", id.text, STR_FMT(domain_of(from)));
    const struct report_mail mail = { .from = from,
                                      .to = target->address,
                                      .message_id = buf_str(&message_id),
                                      .date_s = reports->end_s,
                                      .submitter = domain_of(from),
                                      .domain = buf_str(&domain->name),
                                      .id = about.id,
                                      .unique = about.id,
                                      .begin_s = reports->closing->begin_s,
                                      .end_s = reports->end_s,
                                      .xml = buf_str(&xml) };
    if (report_mail_add(&plain, &mail))
        keeper_own_sign(reports->keeper, buf_str(&plain), reports->end_s, &reports->mail[i]);
    if (reports->mail[i].len > target->size_max)
        buf_reset(&reports->mail[i]);
    buf_fini(&plain);
    buf_fini(&xml);
    buf_fini(&message_id);
}

/* On the helper's thread: `closing` rests meanwhile. */
static void run(struct worker_job *job)
{
    struct keeper_reports *reports = container_of(job, struct keeper_reports, job);
    const struct tally_subject *domain = tally_first(reports->closing);

    for (unsigned i = 0; i < reports->targets.count; i++)
        write_mail(reports, domain, i);
}

static void done(struct worker_job *job)
{
    struct keeper_reports *reports = container_of(job, struct keeper_reports, job);

    reports->is_busy = false;
    if (reports->keeper->reports == NULL)
        return; /* we are closing */
    for (unsigned i = 0; i < reports->targets.count; i++) {
        const struct own_mail mail = { .sender = buf_str(&reports->from),
                                       .recipient = reports->targets.target[i].address,
                                       .content = buf_str(&reports->mail[i]) };
        if (mail.content.len > 0)
            keeper_own_send(reports->keeper, reports->id[i], &mail);
        else
            log_info("report_not_sent", LOG_STR("to", mail.recipient),
                     LOG_TEXT("why", "it is larger than they take"));
    }
    next_domain(reports);
}

static void write_and_send(struct keeper_reports *reports)
{
    struct keeper *keeper = reports->keeper;

    if (reports->targets.count == 0) {
        next_domain(reports);
        return;
    }
    for (unsigned i = 0; i < reports->targets.count; i++)
        reports->id[i] = keeper_own_new_id(keeper);
    buf_reset(&reports->from);
    buf_add(&reports->from, keeper->process->config->report_from);
    reports->is_busy = true;
    reports->job.run = run;
    reports->job.done = done;
    worker_submit(keeper->upkeep.worker, &reports->job);
}

static void on_answer(struct keeper_question *question, const struct dns_answer *answer)
{
    struct keeper_reports *reports = container_of(question, struct keeper_reports, question);

    dns_answers_add(&reports->known, question->question, answer);
    reports->is_due = true;
}

static void work(struct keeper_reports *reports)
{
    const struct tally_subject *domain = tally_first(reports->closing);
    struct dns_question question;
    struct buf room = { 0 };

    reports->is_due = false;
    if (domain == NULL || !reports->keeper->process->config->report_dmarc) {
        end_closing(reports);
        return;
    }
    const struct report_policy policy = report_policy_of(domain);
    if (report_targets_decide(&policy, &reports->known, &reports->arena, &room, &reports->targets,
                              &question)) {
        write_and_send(reports);
    } else if (reports->asked++ >= REPORT_QUESTIONS_MAX) {
        next_domain(reports);
    } else {
        reports->question.answered = on_answer;
        keeper_dns_ask(reports->keeper, &reports->question, question);
    }
    buf_fini(&room);
}

/* ---- the file ---- */

static void save(struct keeper_reports *reports)
{
    struct buf bytes = { 0 };

    reports->save_ms = 0;
    tally_encode(&bytes, reports->gathering);
    int error = file_replace(file_name, new_name, buf_str(&bytes));
    if (error != 0)
        log_warn("reports_not_kept", LOG_TEXT("error", strerror(-error)));
    buf_fini(&bytes);
}

/* NULL: there is none, or it cannot be read; then counting begins anew. */
static struct tally *load(void)
{
    struct tally *report = memory_new(sizeof *report);
    struct buf bytes = { 0 };
    int error = file_read(file_name, FILE_MAX, &bytes);
    bool is_fine = error == 0 && report_decode(buf_str(&bytes), report_limits_usual, report);

    if (!is_fine && error != -ENOENT)
        log_warn("reports_unreadable", LOG_TEXT("hint", "counting begins anew"));
    buf_fini(&bytes);
    if (is_fine)
        return report;
    memory_free(report);
    return NULL;
}

/* ---- life ---- */

void keeper_reports_start(struct keeper *keeper)
{
    struct keeper_reports *reports = memory_new(sizeof *reports);

    reports->keeper = keeper;
    keeper->reports = reports;
    if (keeper->process->config->report_dmarc)
        reports->gathering = load();
    if (reports->gathering == NULL)
        reports->gathering = report_new(keeper, keeper_now(keeper).wall_ms / SECOND_MS);
}

bool keeper_reports_take(struct keeper *keeper, struct str bytes)
{
    struct keeper_reports *reports = keeper->reports;
    struct cursor cursor = cursor_over(bytes);
    struct report_row row;

    if (!report_row_decode(&cursor, &row) || !cursor_done(&cursor))
        return false;
    if (reports == NULL || !keeper->process->config->report_dmarc)
        return true;
    look_at_the_clock(reports, keeper_now(keeper));
    report_add(reports->gathering, &row);
    if (reports->save_ms == 0)
        reports->save_ms = keeper_now(keeper).mono_ms + SAVE_MS;
    return true;
}

void keeper_reports_turn(struct keeper *keeper, struct now now)
{
    struct keeper_reports *reports = keeper->reports;

    if (reports == NULL)
        return;
    if (tally_first(reports->gathering) != NULL)
        look_at_the_clock(reports, now);
    if (reports->closing != NULL && reports->is_due && !reports->is_busy)
        work(reports);
    if (reports->save_ms != 0 && now.mono_ms >= reports->save_ms)
        save(reports);
}

/* The wall clock may be set: nothing is waited for longer than a minute. */
int64_t keeper_reports_deadline(const struct keeper *keeper)
{
    const struct keeper_reports *reports = keeper->reports;
    struct now now = keeper_now(keeper);

    if (reports == NULL || (tally_first(reports->gathering) == NULL && reports->closing == NULL))
        return NEVER_MS;
    if (reports->is_due && !reports->is_busy)
        return now.mono_ms;
    int64_t left_ms = end_of_period(reports) * SECOND_MS - now.wall_ms;
    left_ms = left_ms < 0 ? 0 : left_ms;
    return reports->closing != NULL || left_ms > MINUTE_MS ? now.mono_ms + MINUTE_MS
                                                           : now.mono_ms + left_ms;
}

/* What was closing is not told any more. A job may still be under way. */
void keeper_reports_end(struct keeper *keeper)
{
    struct keeper_reports *reports = keeper->reports;

    if (reports == NULL)
        return;
    if (reports->save_ms != 0)
        save(reports);
    keeper_dns_forget(keeper, &reports->question);
    keeper->ending_reports = reports;
    keeper->reports = NULL;
}

void keeper_reports_free(struct keeper *keeper)
{
    struct keeper_reports *reports = keeper->ending_reports;

    if (reports == NULL)
        return;
    forget_domain(reports);
    report_free(reports->gathering);
    report_free(reports->closing);
    buf_fini(&reports->from);
    memory_free(reports);
}
