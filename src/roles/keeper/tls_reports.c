/* SPDX-License-Identifier: ISC */
/* tls_reports.c: tells the owners of domains what came of TLS on the way to them (RFC 8460),
 * if the configuration wants it and they do.
 *
 *     counting ── the period is over ──▶ closing ── some time later ──▶ one domain after the other:
 *         who wants it? (DNS) ──▶ written, packed and signed, on the upkeep's thread ──▶ sent ──▶
 * next
 *
 * The time between is chance, up to a sixth of the interval, so that not everybody reports at
 * midnight (4.1). Domains of which the DNS does not answer are asked once more, a while later,
 * before they are given up. By mail a report goes as mail of our own; by web it waits in
 * posts.c. Either is given up after a day (5.5).
 *
 * What was counted is kept in a file from one life to the next, and so is what is closing: after a
 * crash a domain may be told twice, with the same Report-ID, by which it sees that.
 */
#include <errno.h>
#include <string.h>

#include "authenticate/report_target.h"
#include "base/file.h"
#include "base/gzip.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/url.h"
#include "notify/post.h"
#include "notify/tls_counts.h"
#include "notify/tls_report.h"
#include "notify/tls_report_mail.h"
#include "roles/keeper/posts.h"
#include "wire/tls_rpt.h"

enum {
    SAVE_MS = HOUR_MS,
    SAVE_TELLING_MS = MINUTE_MS, /* while domains are being told */
    FILE_MAX = 64 << 20,
    ROUNDS_MAX = 3, /* in which the DNS is asked */
    ASK_MAX_MS = 10 * SECOND_MS,
    SPREAD = 6, /* this part of the interval at most passes before it begins */
    PAUSE = 24, /* and this one between two rounds */
};

static const char file_name[] = "tls-reports";
static const char new_name[] = "tls-reports.new";

struct copy { /* of a report */
    struct str uri;
    bool is_mail;
    struct report_target target; /* of a mail */
    struct message_id id;
    struct buf octets; /* empty: it is too large for this one, or not to be made */
};

enum telling { TELLING_DUE, TELLING_ASKS, TELLING_WRITES }; /* while a period is closing */

struct keeper_tls_reports {
    struct keeper *keeper;
    struct tls_counts counts;
    int64_t save_ms; /* monotonic; 0: nothing has come since the last time */

    enum telling telling;
    struct tally_subject *at; /* the domain that is told; NULL: the first of a round */
    unsigned round;
    uint32_t told_count;  /* reports of this period that were written */
    int64_t ask_until_ms; /* monotonic */
    struct keeper_question question;
    struct arena arena; /* of the record, until it is told */
    struct copy copy[TLS_RPT_TARGETS_MAX];
    uint32_t copy_count;
    struct buf id; /* of the report */
    struct worker_job job;
    struct buf from; /* the configuration may be replaced meanwhile */
};

static int64_t interval_s(const struct keeper *keeper)
{
    return keeper->process->config->report_interval / SECOND_MS;
}

static int64_t wall_ms(const struct keeper_tls_reports *reports)
{
    return keeper_now(reports->keeper).wall_ms;
}

static void save_within(struct keeper_tls_reports *reports, int64_t ms)
{
    int64_t by_ms = keeper_now(reports->keeper).mono_ms + ms;

    if (reports->save_ms == 0 || by_ms < reports->save_ms)
        reports->save_ms = by_ms;
}

/* ---- periods ---- */

/* For which there was no room. */
static void log_left_out(const struct tally *closing)
{
    uint64_t left_out = closing->left_out;

    for (const struct tally_subject *at = tally_first(closing); at != NULL;
         at = tally_next(closing, at))
        left_out += at->left_out;
    if (left_out > 0)
        log_warn("tls_reports_incomplete", LOG_INT("sessions", left_out));
}

static void look_at_the_clock(struct keeper_tls_reports *reports, struct now now)
{
    struct keeper *keeper = reports->keeper;
    int64_t spread_ms = interval_s(keeper) * SECOND_MS / SPREAD;

    if (!tls_counts_close(&reports->counts, now.wall_ms / SECOND_MS, interval_s(keeper)))
        return;
    log_left_out(reports->counts.closing);
    reports->counts.start_ms =
        now.wall_ms + (int64_t)random_below(&keeper->process->random, (uint64_t)spread_ms + 1);
    reports->round = 0;
    reports->told_count = 0;
    reports->at = NULL;
    reports->telling = TELLING_DUE;
    save_within(reports, SAVE_TELLING_MS);
}

static void end_closing(struct keeper_tls_reports *reports)
{
    reports->at = NULL;
    tls_counts_told(&reports->counts);
    save_within(reports, SAVE_TELLING_MS);
}

static void end_early(struct keeper_tls_reports *reports)
{
    log_warn("tls_reports_given_up", LOG_INT("domains", reports->counts.closing->subject_count),
             LOG_TEXT("why", "they are too old"));
    end_closing(reports);
}

/* ---- from one domain to the next ---- */

static void forget_copies(struct keeper_tls_reports *reports)
{
    for (uint32_t i = 0; i < reports->copy_count; i++)
        buf_fini(&reports->copy[i].octets);
    reports->copy_count = 0;
    arena_fini(&reports->arena);
    reports->arena = (struct arena){ 0 };
}

static void next_round(struct keeper_tls_reports *reports)
{
    reports->round++;
    reports->counts.start_ms = wall_ms(reports) + interval_s(reports->keeper) * SECOND_MS / PAUSE;
}

/* Behind this one, which is told, or is not to be. */
static void next_domain(struct keeper_tls_reports *reports)
{
    struct tally *closing = reports->counts.closing;
    struct tally_subject *told = reports->at;

    reports->at = tally_next(closing, told);
    tally_drop(closing, told);
    forget_copies(reports);
    reports->telling = TELLING_DUE;
    save_within(reports, SAVE_TELLING_MS);
    if (tally_first(closing) == NULL) {
        log_info("tls_reports_told", LOG_INT("reports", reports->told_count));
        end_closing(reports);
    } else if (reports->at == NULL) {
        next_round(reports);
    }
}

/* Behind this one, of which the DNS does not say who wants it. */
static void ask_later(struct keeper_tls_reports *reports)
{
    if (reports->round + 1 >= ROUNDS_MAX) {
        log_info("tls_report_not_sent", LOG_STR("domain", buf_str(&reports->at->name)),
                 LOG_TEXT("why", "the DNS does not say who wants it"));
        next_domain(reports);
        return;
    }
    reports->at = tally_next(reports->counts.closing, reports->at);
    reports->telling = TELLING_DUE;
    if (reports->at == NULL)
        next_round(reports);
}

/* ---- writing, on the helper's thread: `closing` rests meanwhile ---- */

static struct str domain_of(struct str address)
{
    return str_skip(address, (size_t)str_find_last(address, '@') + 1);
}

static void write_mail(const struct keeper_tls_reports *reports, struct copy *copy,
                       struct str packed)
{
    struct str from = buf_str(&reports->from);
    struct message_id_text id = message_id_to_text(copy->id);
    struct buf message_id = { 0 };
    struct buf plain = { 0 };

    buf_add_format(&message_id, "%s@%.*s", id.text, STR_FMT(domain_of(from)));
    const struct tls_report_mail mail = { .from = from,
                                          .to = copy->target.address,
                                          .domain = buf_str(&reports->at->name),
                                          .submitter = domain_of(from),
                                          .id = buf_str(&reports->id),
                                          .message_id = buf_str(&message_id),
                                          .date_s = reports->counts.end_s,
                                          .begin_s = reports->counts.closing->begin_s,
                                          .end_s = reports->counts.end_s - 1,
                                          .packed = packed };
    if (tls_report_mail_add(&plain, &mail))
        keeper_own_sign(reports->keeper, buf_str(&plain), mail.date_s, &copy->octets);
    if (copy->octets.len > copy->target.size_max)
        buf_reset(&copy->octets);
    buf_fini(&message_id);
    buf_fini(&plain);
}

/* What waits to be posted: counted URL, and the report. */
static void write_post(struct copy *copy, struct str packed)
{
    buf_add_counted(&copy->octets, copy->uri);
    buf_add(&copy->octets, packed);
}

static void run(struct worker_job *job)
{
    struct keeper_tls_reports *reports = container_of(job, struct keeper_tls_reports, job);
    struct buf json = { 0 };
    struct buf packed = { 0 };
    const struct tls_report report = { .organisation = domain_of(buf_str(&reports->from)),
                                       .contact = buf_str(&reports->from),
                                       .id = buf_str(&reports->id),
                                       .begin_s = reports->counts.closing->begin_s,
                                       .end_s = reports->counts.end_s };

    tls_report_add(&json, &report, reports->at);
    gzip_add(&packed, buf_str(&json));
    for (uint32_t i = 0; i < reports->copy_count; i++) {
        if (reports->copy[i].is_mail)
            write_mail(reports, &reports->copy[i], buf_str(&packed));
        else
            write_post(&reports->copy[i], buf_str(&packed));
    }
    buf_fini(&json);
    buf_fini(&packed);
}

/* ---- sending ---- */

static void send_copy(struct keeper_tls_reports *reports, const struct copy *copy)
{
    struct keeper *keeper = reports->keeper;
    struct str domain = buf_str(&reports->at->name);
    const struct own_mail mail = { .sender = buf_str(&reports->from),
                                   .recipient = copy->target.address,
                                   .content = buf_str(&copy->octets),
                                   .is_lax = true };

    if (copy->octets.len == 0) {
        log_info("tls_report_not_sent", LOG_STR("domain", domain), LOG_STR("to", copy->uri),
                 LOG_TEXT("why", "it is larger than they take"));
        return;
    }
    log_info("tls_report", LOG_ID(copy->id), LOG_STR("domain", domain), LOG_STR("to", copy->uri));
    if (copy->is_mail)
        (void)keeper_own_send(keeper, copy->id, &mail);
    else
        keeper_posts_add(keeper->tls_posts, domain, copy->id, buf_str(&copy->octets));
}

static void done(struct worker_job *job)
{
    struct keeper_tls_reports *reports = container_of(job, struct keeper_tls_reports, job);

    if (reports->keeper->tls_reports == NULL)
        return; /* we are closing */
    for (uint32_t i = 0; i < reports->copy_count; i++)
        send_copy(reports, &reports->copy[i]);
    next_domain(reports);
}

static void write_and_send(struct keeper_tls_reports *reports)
{
    struct keeper *keeper = reports->keeper;

    for (uint32_t i = 0; i < reports->copy_count; i++)
        reports->copy[i].id = keeper_own_new_id(keeper);
    buf_reset(&reports->from);
    buf_add(&reports->from, keeper->process->config->report_from);
    buf_reset(&reports->id);
    buf_add_format(&reports->id, "%lld_%.*s", (long long)reports->counts.closing->begin_s,
                   STR_FMT(buf_str(&reports->at->name)));
    reports->told_count += reports->copy_count;
    reports->telling = TELLING_WRITES;
    reports->job.run = run;
    reports->job.done = done;
    worker_submit(keeper->upkeep.worker, &reports->job);
}

/* ---- who wants it ---- */

/* Mail, or a web server with TLS; each once. */
static bool read_target(struct keeper_tls_reports *reports, struct str uri, struct copy *out_copy)
{
    struct url url;

    for (uint32_t i = 0; i < reports->copy_count; i++)
        if (str_equals(reports->copy[i].uri, uri))
            return false;
    *out_copy = (struct copy){ .uri = uri, .is_mail = tls_rpt_is_mail(uri) };
    if (out_copy->is_mail)
        return report_target_parse(uri, &reports->arena, &out_copy->target);
    return url_parse(uri, &url) && url.is_tls;
}

/* Exactly one record is one (RFC 8460 3). */
static bool find_record(struct keeper_tls_reports *reports, const struct dns_answer *answer,
                        struct tls_rpt_record *out_record)
{
    struct str text = STR_NONE;
    unsigned count = 0;

    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++) {
        if (!tls_rpt_record_is_meant(answer->record[i].data))
            continue;
        text = answer->record[i].data;
        count++;
    }
    return count == 1 && tls_rpt_record_parse(arena_str(&reports->arena, text), out_record);
}

static void on_answer(struct keeper_question *question, const struct dns_answer *answer)
{
    struct keeper_tls_reports *reports =
        container_of(question, struct keeper_tls_reports, question);
    struct tls_rpt_record record = { 0 };

    if (answer->status == DNS_FAILED) {
        ask_later(reports);
        return;
    }
    if (find_record(reports, answer, &record))
        for (uint32_t i = 0; i < record.target_count; i++)
            reports->copy_count +=
                read_target(reports, record.target[i], &reports->copy[reports->copy_count]);
    if (reports->copy_count > 0)
        write_and_send(reports);
    else
        next_domain(reports);
}

static void ask(struct keeper_tls_reports *reports)
{
    struct buf name = { 0 };

    if (reports->at == NULL)
        reports->at = tally_first(reports->counts.closing);
    buf_add_format(&name, "_smtp._tls.%.*s", STR_FMT(buf_str(&reports->at->name)));
    const struct dns_question question = { .name = buf_str(&name), .type = DNS_TXT };
    if (dns_name_is_valid(question.name)) {
        reports->telling = TELLING_ASKS;
        reports->ask_until_ms = keeper_now(reports->keeper).mono_ms + ASK_MAX_MS;
        reports->question.answered = on_answer;
        keeper_dns_ask(reports->keeper, &reports->question, question);
    } else {
        next_domain(reports);
    }
    buf_fini(&name);
}

/* Soon after a start it is not known yet where mail of our own may go. */
static void begin(struct keeper_tls_reports *reports)
{
    if (reports->keeper->own_looks > 0)
        reports->counts.start_ms = wall_ms(reports) + SECOND_MS;
    else
        ask(reports);
}

static void work(struct keeper_tls_reports *reports, struct now now)
{
    if (reports->telling == TELLING_WRITES)
        return;
    if (reports->telling == TELLING_ASKS && now.mono_ms >= reports->ask_until_ms) {
        keeper_dns_forget(reports->keeper, &reports->question);
        ask_later(reports);
    }
    if (reports->telling != TELLING_DUE || reports->counts.closing == NULL)
        return;
    if (!reports->keeper->process->config->report_tls)
        end_closing(reports);
    else if (now.wall_ms >= reports->counts.end_s * SECOND_MS + DAY_MS)
        end_early(reports);
    else if (now.wall_ms >= reports->counts.start_ms)
        begin(reports);
}

/* ---- posts ---- */

static struct str url_of(const struct keeper *keeper, const struct keeper_post *post)
{
    struct cursor cursor = cursor_over(buf_str(&post->octets));
    struct str url = cursor_counted(&cursor);

    (void)keeper;
    return cursor_ok(&cursor) ? url : STR_NONE;
}

static struct str body_of(const struct keeper_post *post)
{
    struct cursor cursor = cursor_over(buf_str(&post->octets));

    (void)cursor_counted(&cursor);
    return cursor.left;
}

static void add_fields(struct keeper *keeper, const struct keeper_post *post, struct buf *out)
{
    (void)keeper;
    (void)post;
    buf_add(out, STR("Content-Type: application/tlsrpt+gzip\n"));
}

/* A stranger says where to. */
static enum web_reach reach(const struct keeper *keeper, bool is_literal)
{
    (void)is_literal;
    return keeper->process->config->web_local ? WEB_REACH_HERE : WEB_REACH_PUBLIC;
}

static const struct keeper_posts_kind posts = {
    .fact = "tls-report",
    .posted = "tls_report_posted",
    .failed = "tls_report_failed",
    .ended = "tls_report_given_up",
    .waiting_max = 4 * TLS_RPT_TARGETS_MAX,
    .octets_max = 8 << 20,
    .under_way_max = 10,
    .url = url_of,
    .body = body_of,
    .add_fields = add_fields,
    .reach = reach,
};

/* ---- the file ---- */

static void save(struct keeper_tls_reports *reports)
{
    struct buf bytes = { 0 };

    reports->save_ms = 0;
    tls_counts_encode(&bytes, &reports->counts);
    int error = file_replace(file_name, new_name, buf_str(&bytes));
    if (error != 0)
        log_warn("tls_reports_not_kept", LOG_TEXT("error", strerror(-error)));
    buf_fini(&bytes);
}

/* False: there is none, or it cannot be read; then counting begins anew. */
static bool load(struct keeper_tls_reports *reports)
{
    struct buf bytes = { 0 };
    int error = file_read(file_name, FILE_MAX, &bytes);
    bool is_fine = error == 0 && tls_counts_decode(buf_str(&bytes), &reports->counts);

    if (!is_fine && error != -ENOENT)
        log_warn("tls_reports_unreadable", LOG_TEXT("hint", "counting begins anew"));
    buf_fini(&bytes);
    return is_fine;
}

/* ---- life ---- */

/* A clock that was set back must not make it wait. */
static void go_on_telling(struct keeper_tls_reports *reports)
{
    int64_t latest_ms = wall_ms(reports) + interval_s(reports->keeper) * SECOND_MS / SPREAD;

    if (reports->counts.start_ms > latest_ms)
        reports->counts.start_ms = latest_ms;
}

void keeper_tls_reports_start(struct keeper *keeper)
{
    struct keeper_tls_reports *reports = memory_new(sizeof *reports);

    reports->keeper = keeper;
    keeper->tls_reports = reports;
    keeper->tls_posts = keeper_posts_new(keeper, &posts);
    if (keeper->process->config->report_tls && load(reports))
        go_on_telling(reports);
    else
        tls_counts_init(&reports->counts, wall_ms(reports) / SECOND_MS, interval_s(keeper));
}

void keeper_tls_reports_add(struct keeper *keeper, struct str domain, const struct tls_row *row)
{
    struct keeper_tls_reports *reports = keeper->tls_reports;

    if (reports == NULL)
        return;
    look_at_the_clock(reports, keeper_now(keeper));
    tls_counts_add(&reports->counts, domain, row);
    save_within(reports, SAVE_MS);
}

void keeper_tls_reports_turn(struct keeper *keeper, struct now now)
{
    struct keeper_tls_reports *reports = keeper->tls_reports;

    if (reports == NULL)
        return;
    if (tls_counts_end(&reports->counts, interval_s(keeper)) <= now.wall_ms / SECOND_MS)
        look_at_the_clock(reports, now);
    if (reports->counts.closing != NULL)
        work(reports, now);
    if (reports->save_ms != 0 && now.mono_ms >= reports->save_ms)
        save(reports);
}

/* The wall clock may be set: nothing is waited for longer than a minute. */
static int64_t until(int64_t due_ms, struct now now)
{
    int64_t left_ms = due_ms - now.wall_ms;

    left_ms = left_ms < 0 ? 0 : left_ms;
    return now.mono_ms + (left_ms < MINUTE_MS ? left_ms : MINUTE_MS);
}

int64_t keeper_tls_reports_deadline(const struct keeper *keeper)
{
    const struct keeper_tls_reports *reports = keeper->tls_reports;
    struct now now = keeper_now(keeper);
    int64_t end_s = reports != NULL ? tls_counts_end(&reports->counts, interval_s(keeper)) : 0;

    if (reports == NULL)
        return NEVER_MS;
    int64_t save_ms = reports->save_ms != 0 ? reports->save_ms : NEVER_MS;
    int64_t next_ms = end_s != INT64_MAX ? until(end_s * SECOND_MS, now) : NEVER_MS;
    if (reports->counts.closing != NULL && reports->telling == TELLING_DUE)
        next_ms = until(reports->counts.start_ms, now);
    else if (reports->counts.closing != NULL && reports->telling == TELLING_ASKS)
        next_ms = reports->ask_until_ms;
    return save_ms < next_ms ? save_ms : next_ms;
}

/* A job may still be under way. */
void keeper_tls_reports_end(struct keeper *keeper)
{
    struct keeper_tls_reports *reports = keeper->tls_reports;

    keeper_posts_free(keeper->tls_posts);
    keeper->tls_posts = NULL;
    if (reports == NULL)
        return;
    if (reports->save_ms != 0)
        save(reports);
    keeper_dns_forget(keeper, &reports->question);
    keeper->ending_tls_reports = reports;
    keeper->tls_reports = NULL;
}

void keeper_tls_reports_free(struct keeper *keeper)
{
    struct keeper_tls_reports *reports = keeper->ending_tls_reports;

    if (reports == NULL)
        return;
    forget_copies(reports);
    tls_counts_fini(&reports->counts);
    buf_fini(&reports->from);
    buf_fini(&reports->id);
    memory_free(reports);
}
