/* SPDX-License-Identifier: ISC */
/* deliverers.c: what deliverers say: of their sessions, of mail that was answered, of what they
 * want. */

#include "base/log.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "roles/keeper/posts.h"
#include "roles/keeper/session.h"

void keeper_note_delivered(const struct keeper *keeper, uint64_t session, struct message_id id)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *channel = keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == ROLE_DELIVERER)
            channel_send(channel, delivered_noted, .session = session, .id = id);
    }
}

static bool take_hello(struct keeper_peer *peer, struct cursor payload)
{
    struct message_deliverer_hello message;

    if (!message_get_deliverer_hello(payload, &message) || peer->has_greeted)
        return false;
    peer->has_greeted = true;
    peer->unfinished = message.unfinished;
    return true;
}

static bool take_unfinished(struct keeper *keeper, struct keeper_peer *peer, struct cursor payload)
{
    struct message_unfinished message;

    if (!message_get_unfinished(payload, &message) || peer->unfinished == 0)
        return false;
    peer->unfinished--;
    keeper_unfinished_add(keeper, peer->source, message.id, message.domain);
    log_info("delivery_unfinished", LOG_ID(message.id), LOG_STR("domain", message.domain));
    return true;
}

static bool take_ready(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_session_ready message;

    if (!message_get_session_ready(payload, &message) || message.window > DELIVER_WINDOW_MESSAGES)
        return false;
    if (keeper_callout_is(message.session)) {
        keeper_callout_ready(keeper, peer, message.session, (unsigned)message.window);
        return true;
    }
    if (keeper_address_is(message.session)) {
        keeper_address_ready(keeper, peer, message.session);
        return true;
    }
    struct keeper_session *session = keeper_session_find(keeper, message.session);
    if (session != NULL && session->source != peer->source)
        return true; /* of somebody else's it has nothing to say */
    if (session != NULL) {
        session->is_greeted = true;
        session->extensions = (unsigned)message.extensions;
        buf_reset(&session->tls);
        buf_add(&session->tls, message.tls);
        keeper_greeted(keeper, buf_str(&session->domain), message.extensions, message.size_max);
        keeper_learn_key(keeper, buf_str(&session->domain), buf_str(&session->host),
                         session->endpoint, message.key);
    }
    if (session != NULL && !session->has_ended)
        schedule_session_ready(
            keeper->schedule, message.session,
            keeper_line_is_brief(keeper, session->line) ? 1 : (unsigned)message.window,
            keeper_now(keeper));
    return true;
}

static bool take_want(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_want_content message;

    if (!message_get_want_content(payload, &message) || message.octets > HANDOVER_PIECE_MAX)
        return false;
    const struct keeper_session *session = keeper_session_find(keeper, message.session);
    bool is_its_own = session != NULL && session->source == peer->source;
    if (!is_its_own || !handover_want(keeper->handover, message.session, message.id, message.offset,
                                      (size_t)message.octets))
        channel_send(peer->channel, deliver_failed, .session = message.session, .id = message.id);
    return true;
}

static void log_answer(const struct keeper_session *session,
                       const struct message_delivered *message, const struct verdict *verdict,
                       uint32_t count)
{
    static const char *const event[] = {
        [FATE_ACCEPT] = "delivered", [FATE_DEFER] = "deferred", [FATE_REJECT] = "refused"
    };
    struct buf via = { 0 };
    struct buf reply = { 0 };

    if (session != NULL)
        endpoint_add_text(&via, session->endpoint);
    /* One line for each run of equal verdicts: a thousand recipients rarely differ. */
    for (uint32_t i = 0, next; i < count; i = next) {
        buf_reset(&reply);
        verdict_add_line(&reply, &verdict[i]);
        for (next = i + 1; next < count && verdict[next].fate == verdict[i].fate &&
                           str_equals(verdict_text(&verdict[next]), verdict_text(&verdict[i]));
             next++)
            continue;
        if (verdict_is_not_tried(&verdict[i]))
            continue;
        log_info(event[verdict[i].fate], LOG_ID(message->id), LOG_STR("domain", message->domain),
                 LOG_INT("recipients", next - i), LOG_STR("via", buf_str(&via)),
                 LOG_STR("reply", buf_str(&reply)),
                 LOG_STR("tls", session != NULL ? buf_str(&session->tls) : STR_NONE));
    }
    if (message->in_doubt)
        log_warn("delivery_in_doubt", LOG_ID(message->id), LOG_STR("domain", message->domain),
                 LOG_STR("via", buf_str(&via)));
    buf_fini(&via);
    buf_fini(&reply);
}

static bool decode_results(const struct message_delivered *message, uint32_t *recipient,
                           struct verdict *verdict, uint32_t count)
{
    struct cursor indices = cursor_over(message->recipients);
    struct cursor verdicts = cursor_over(message->verdicts);
    struct cursor stages = cursor_over(message->stages);
    bool is_fine = true;

    for (uint32_t i = 0; i < count; i++) {
        recipient[i] = cursor_u32(&indices);
        verdict[i] = verdict_decode(&verdicts);
        verdict[i].stage = cursor_u8(&stages);
        is_fine = is_fine && verdict[i].stage < STAGES;
    }
    return is_fine && cursor_done(&indices) && cursor_done(&verdicts) && cursor_done(&stages);
}

/* What the primary has said of each. */
static void teach(struct keeper *keeper, const struct message_delivered *message,
                  const uint32_t *recipient, const struct verdict *verdict, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct str address =
            handover_recipient(keeper->handover, message->session, message->id, recipient[i]);
        if (address.len > 0)
            keeper_delivery_teaches(keeper, address, &verdict[i]);
    }
}

/* Nobody was answered, and the session that should have been is ending: the scheduler learns of it
 * from the session's end, and tries the message again soon. */
static bool is_broken_off(const struct keeper_session *session, const struct verdict *verdict,
                          uint32_t count)
{
    uint32_t broken_off = 0;
    for (uint32_t i = 0; i < count; i++)
        broken_off += verdict_is_broken_off(&verdict[i]);
    return session != NULL && broken_off == count;
}

/* It speaks of what it was given, or has named as unfinished: a deliverer that has been taken over
 * must not settle mail that it never had. */
static bool is_its_own(const struct keeper *keeper, const struct keeper_peer *peer,
                       const struct keeper_session *session,
                       const struct message_delivered *message)
{
    const struct unfinished *unfinished =
        keeper_unfinished_find(keeper, message->id, message->domain);

    if (unfinished != NULL && unfinished->source == peer->source)
        return true;
    return session != NULL && session->source == peer->source &&
           handover_is_out(keeper->handover, message->session, message->id, message->domain);
}

static bool take_delivered(struct keeper *keeper, const struct keeper_peer *peer,
                           struct cursor payload)
{
    struct message_delivered message;
    uint32_t recipient[HANDOVER_RECIPIENTS_MAX];

    if (!message_get_delivered(payload, &message))
        return false;
    uint32_t count = (uint32_t)(message.recipients.len / sizeof recipient[0]);
    if (count == 0 || count > HANDOVER_RECIPIENTS_MAX)
        return false;
    struct verdict *verdict = memory_new(count * sizeof *verdict);
    bool good = decode_results(&message, recipient, verdict, count);
    if (good) {
        struct keeper_session *session = keeper_session_find(keeper, message.session);
        if (!is_its_own(keeper, peer, session, &message)) {
            log_warn("answer_to_nothing", LOG_ID(message.id), LOG_STR("domain", message.domain));
            keeper_note_delivered(keeper, message.session, message.id);
            memory_free(verdict);
            return true;
        }
        log_answer(session, &message, verdict, count);
        if (is_broken_off(session, verdict, count)) {
            keeper_note_delivered(keeper, message.session, message.id);
            memory_free(verdict);
            return true;
        }
        teach(keeper, &message, recipient, verdict, count);
        if (session != NULL)
            session->reports++;
        handover_answer(keeper->handover, message.session, message.id, message.domain,
                        session != NULL ? buf_str(&session->host) : STR_NONE, recipient, verdict,
                        count, keeper_mail_now(keeper));
    }
    memory_free(verdict);
    return good;
}

static bool take_ended(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_session_ended message;

    if (!message_get_session_ended(payload, &message) || message.how > SESSION_END_INTERNAL)
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    if (!cursor_done(&cursor))
        return false;
    bool is_parked = message.parked != 0;
    if (keeper_callout_is(message.session)) {
        keeper_callout_ended(keeper, peer, message.session, (enum session_end)message.how, &verdict,
                             is_parked);
        return true;
    }
    if (keeper_address_is(message.session)) {
        keeper_address_ended(keeper, peer, message.session, (enum session_end)message.how,
                             &verdict);
        return true;
    }
    struct keeper_session *session = keeper_session_find(keeper, message.session);
    if (session != NULL && session->source != peer->source)
        return true; /* of somebody else's it has nothing to say */
    keeper_line_session_over(keeper, message.session, is_parked);
    if (session != NULL && !session->has_ended)
        keeper_session_ended(keeper, session, (enum session_end)message.how, &verdict);
    return true;
}

static bool take_web_answer(struct keeper *keeper, const struct keeper_peer *peer,
                            struct cursor payload)
{
    struct message_web_answer message;

    if (!message_get_web_answer(payload, &message) || message.status > 999)
        return false;
    if (!keeper_posts_answer(keeper->webhooks, peer->source, &message))
        (void)keeper_posts_answer(keeper->tls_posts, peer->source, &message);
    return true;
}

bool keeper_deliverer_message(struct keeper *keeper, struct keeper_peer *peer,
                              enum message_type type, struct cursor payload)
{
    if (type != MESSAGE_deliverer_hello && !peer->has_greeted)
        return false;
    switch (type) {
    case MESSAGE_deliverer_hello:
        return take_hello(peer, payload);
    case MESSAGE_unfinished:
        return take_unfinished(keeper, peer, payload);
    case MESSAGE_session_ready:
        return take_ready(keeper, peer, payload);
    case MESSAGE_want_content:
        return take_want(keeper, peer, payload);
    case MESSAGE_delivered:
        return take_delivered(keeper, peer, payload);
    case MESSAGE_session_ended:
        return take_ended(keeper, peer, payload);
    case MESSAGE_callout_answer:
        return keeper_callout_answer(keeper, peer, payload);
    case MESSAGE_web_answer:
        return take_web_answer(keeper, peer, payload);
    case MESSAGE_session_tls:
        return keeper_tls_counts_session(keeper, peer, payload);
    case MESSAGE_web_fetched:
        return keeper_policies_fetched(keeper, peer, payload);
    default:
        return false;
    }
}
