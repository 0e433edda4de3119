/* SPDX-License-Identifier: ISC */
/* handover.c: carries out what the handover (spool/handover.h) wants: messages go to the deliverers
 * of their sessions, and what came of them to the scheduler. */
#include "base/log.h"
#include "roles/keeper/session.h"
#include "verify/verifier.h"

static void on_deliver(void *context, uint64_t session, const struct handover_message *message)
{
    struct keeper *keeper = context;
    struct channel *channel = keeper_session_channel(keeper, session);
    struct buf envelope = { 0 };
    struct buf recipients = { 0 };

    if (channel == NULL)
        return; /* it has ended; the scheduler knows or will know */
    under_way_add(keeper->under_way, message->envelope->id);
    envelope_encode(&envelope, message->envelope);
    for (uint32_t i = 0; i < message->envelope->recipient_count; i++)
        buf_add_u32(&recipients, message->recipient[i]);
    channel_send(channel, deliver, .session = session, .domain = message->domain,
                 .envelope = buf_str(&envelope), .recipients = buf_str(&recipients),
                 .size = message->size, .content = message->content);
    buf_fini(&envelope);
    buf_fini(&recipients);
}

static void on_content(void *context, uint64_t session, struct message_id id, struct str bytes)
{
    struct channel *channel = keeper_session_channel(context, session);
    if (channel != NULL)
        channel_send(channel, deliver_content, .session = session, .id = id, .bytes = bytes);
}

static void on_content_failed(void *context, uint64_t session, struct message_id id)
{
    struct channel *channel = keeper_session_channel(context, session);
    if (channel != NULL)
        channel_send(channel, deliver_failed, .session = session, .id = id);
}

/* Session 0: nobody waits for it. What was refused is not on trial then, for who should judge? */
static void tell_answer(struct keeper *keeper, uint64_t session,
                        const struct handover_result *result)
{
    const struct schedule_answer answer = {
        .left = result->left,
        .deferred = result->deferred,
        .untried = result->untried,
        .taken = result->taken,
        .accepted = result->accepted,
        .refused = result->refused,
        .refused_known = result->refused_known,
        .verdict = result->verdict,
        .refusal = result->refusal,
        .is_unreadable = result->is_unreadable,
        .is_unsent = result->is_unsent,
    };

    if (session == 0 ||
        !schedule_delivered(keeper->schedule, session, result->id, &answer, keeper_now(keeper)))
        handover_doubt(keeper->handover, result->id, result->domain);
}

/* The entry that a session waits for was on a deliverer's hands: what came of it is what comes of
 * the session's entry. Otherwise what is left waits in the store as any other. */
static void finish_unfinished(struct keeper *keeper, struct unfinished *unfinished,
                              const struct handover_result *result)
{
    uint64_t session = unfinished->parked_session;

    (void)map_remove(&keeper->unfinished, buf_str(&unfinished->key));
    tell_answer(keeper, session != 0 && keeper_session_find(keeper, session) != NULL ? session : 0,
                result);
    keeper_unfinished_free(unfinished);
}

static void on_settled(void *context, const struct handover_result *result)
{
    struct keeper *keeper = context;
    struct keeper_session *session = keeper_session_find(keeper, result->session);

    if (result->was_answered) {
        keeper_note_delivered(keeper, result->session, result->id);
        under_way_remove(keeper->under_way, result->id);
    }
    if (session == NULL) { /* the answer of an earlier keeper's session */
        struct unfinished *unfinished = keeper_unfinished_find(keeper, result->id, result->domain);
        if (unfinished != NULL)
            finish_unfinished(keeper, unfinished, result);
        else
            tell_answer(keeper, 0, result);
        return;
    }
    tell_answer(keeper, result->session, result);
    if (result->was_answered)
        keeper_session_settled(keeper, session);
}

static void on_believed(void *context, const struct handover_result *result)
{
    struct keeper *keeper = context;

    log_info("refusal_believed", LOG_ID(result->id), LOG_STR("domain", result->domain),
             LOG_INT("recipients", result->refused), LOG_INT("left", result->left));
    keeper_alert_refusal(keeper, result->domain);
    schedule_believed(keeper->schedule, result->domain, result->id, result->left,
                      keeper_now(keeper));
}

/* As far as is remembered; or by its words: 5.1.x says that there is no such address, another code
 * that there is one. Without a code it may say either. */
static bool on_is_known(void *context, struct str recipient, const struct verdict *verdict)
{
    const struct keeper *keeper = context;
    bool says_there_is = verdict->enhanced[0] != 0 && verdict->enhanced[1] != 1;

    return says_there_is || verifier_is_valid(keeper->verifier, recipient, keeper_mail_now(keeper));
}

static bool on_tell(void *context, const struct handover_answers *answers,
                    struct handover_telling *telling)
{
    return keeper_notices_tell(context, answers, telling);
}

const struct handover_host keeper_handover_host = {
    .deliver = on_deliver,
    .content = on_content,
    .content_failed = on_content_failed,
    .tell = on_tell,
    .settled = on_settled,
    .believed = on_believed,
    .is_known = on_is_known,
};
