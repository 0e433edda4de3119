/* SPDX-License-Identifier: ISC */
/* notice_writing.c: from an event and the message that it is about to the words of a notice; see
 * notice_job.h. */
#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "roles/keeper/notice_job.h"

/* ---- what is known about it ---- */

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

void keeper_notice_note_last_words(struct notice_job *job)
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
    return job->message->since_ms + keeper_value(job->keeper, buf_str(&job->domain), SETTING_HOLD);
}

static void add_from(const struct config *config, struct buf *out)
{
    if (config->postmaster.len > 0)
        buf_add(out, config->postmaster);
    else
        buf_add_format(out, "mailer-daemon@%.*s", STR_FMT(config->hostname));
}

_Static_assert(LANGUAGE_EN == 0 && LANGUAGE_DE == 1, "as the setting's words");

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
        .contact = keeper_text(keeper, domain, SETTING_CONTACT),
        .own = &texts,
        .fallback = (enum language)keeper_value(keeper, domain, SETTING_LANGUAGE),
        .node = keeper->process->config->hostname,
        .from = buf_str(&from),
        .from_name = STR("Mail Delivery System"),
        .message_id = buf_str(&message_id),
        .now_ms = keeper_mail_now(keeper).wall_ms,
        .until_ms = job->kind == NOTICE_DELAYED ? until(job) : 0,
        .returned_max = NOTICE_CONTENT_MAX,
    };
    enum may_notify may = notice_add(&job->mail, &notice, &job->made);
    buf_fini(&from);
    buf_fini(&message_id);
    return may;
}

bool keeper_notice_write(struct notice_job *job, struct str content, struct str *out_why)
{
    struct notice_outcome *outcome =
        memory_new((1 + job->message->envelope.recipient_count) * sizeof *outcome);
    uint32_t count = pick_outcomes(job, outcome);
    enum may_notify may = count > 0 ? write_notice(job, outcome, count, content) : MAY_NOT_UNASKED;

    memory_free(outcome);
    *out_why = count > 0 ? str_from(may_notify_name(may)) : STR("gone");
    return may == MAY_NOTIFY;
}
