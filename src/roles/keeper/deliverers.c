/* SPDX-License-Identifier: ISC */
/* deliverers.c: joins the handover and the deliverers; see session.h. */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "roles/keeper/posts.h"
#include "roles/keeper/session.h"
#include "verify/verifier.h"

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

static void add_unfinished_key(struct buf *out, struct message_id id, struct str domain)
{
    buf_add_bytes(out, id.bytes, sizeof id.bytes);
    buf_add(out, domain);
}

struct unfinished *keeper_unfinished_find(const struct keeper *keeper, struct message_id id,
                                          struct str domain)
{
    struct buf key = { 0 };

    add_unfinished_key(&key, id, domain);
    struct unfinished *unfinished = map_find(&keeper->unfinished, buf_str(&key));
    buf_fini(&key);
    return unfinished;
}

void keeper_unfinished_free(struct unfinished *unfinished)
{
    if (unfinished == NULL)
        return;
    buf_fini(&unfinished->key);
    memory_free(unfinished);
}

struct keeper_session *keeper_session_find(const struct keeper *keeper, uint64_t number)
{
    return map_find(&keeper->sessions, number_key(&number));
}

static struct channel *channel_of(const struct keeper *keeper, uint32_t source)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == source)
            return keeper->peer[i].channel;
    return NULL;
}

struct channel *keeper_session_channel(const struct keeper *keeper, uint64_t number)
{
    const struct keeper_session *session = keeper_session_find(keeper, number);
    return session != NULL && session->source != 0 ? channel_of(keeper, session->source) : NULL;
}

void keeper_session_free(struct keeper *keeper, struct keeper_session *session)
{
    (void)map_remove(&keeper->sessions, number_key(&session->number));
    list_remove(&session->opening);
    buf_fini(&session->domain);
    buf_fini(&session->host);
    buf_fini(&session->security);
    buf_fini(&session->tls);
    memory_free(session);
}

void keeper_session_add(struct keeper *keeper, struct keeper_session *session)
{
    check(map_put(&keeper->sessions, number_key(&session->number), session) == NULL);
}

/* ---- what the handover says ---- */

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

/* Given to a session that ended without sending it. */
static void on_not_sent(void *context, struct message_id id)
{
    struct keeper *keeper = context;
    under_way_remove(keeper->under_way, id);
}

static void tell_session_ended(struct keeper *keeper, struct keeper_session *session)
{
    uint64_t number = session->number;
    enum session_end how = session->how;
    struct verdict verdict = session->verdict;

    keeper_session_free(keeper, session);
    handover_session_gone(keeper->handover, number, on_not_sent, keeper);
    schedule_session_ended(keeper->schedule, number, how, &verdict, keeper_now(keeper));
}

static void note(const struct keeper *keeper, uint64_t session, struct message_id id)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *channel = keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == ROLE_DELIVERER)
            channel_send(channel, delivered_noted, .session = session, .id = id);
    }
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
        note(keeper, result->session, result->id);
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
        session->reports--;
    if (session->has_ended && session->reports == 0)
        tell_session_ended(keeper, session);
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

/* ---- what deliverers say ---- */

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
    struct unfinished *unfinished = memory_new(sizeof *unfinished);
    unfinished->source = peer->source;
    unfinished->id = message.id;
    add_unfinished_key(&unfinished->key, message.id, message.domain);
    keeper_unfinished_free(map_put(&keeper->unfinished, buf_str(&unfinished->key), unfinished));
    under_way_add(keeper->under_way, message.id);
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

static bool take_want(struct keeper *keeper, struct cursor payload)
{
    struct message_want_content message;

    if (!message_get_want_content(payload, &message) || message.octets > HANDOVER_PIECE_MAX)
        return false;
    if (!handover_want(keeper->handover, message.session, message.id, message.offset,
                       (size_t)message.octets))
        on_content_failed(keeper, message.session, message.id);
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
            note(keeper, message.session, message.id);
            memory_free(verdict);
            return true;
        }
        log_answer(session, &message, verdict, count);
        if (is_broken_off(session, verdict, count)) {
            note(keeper, message.session, message.id);
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

void keeper_session_ended(struct keeper *keeper, struct keeper_session *session,
                          enum session_end how, const struct verdict *verdict)
{
    keeper_line_session_over(keeper, session->number, false);
    session->has_ended = true;
    session->how = how;
    session->verdict = *verdict;
    if (session->reports == 0)
        tell_session_ended(keeper, session);
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
        return take_want(keeper, payload);
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

/* ---- a deliverer dies ---- */

static void log_in_doubt(void *context, struct message_id id)
{
    struct keeper *keeper = context;

    log_warn("delivery_in_doubt", LOG_ID(id), LOG_TEXT("why", "the deliverer is gone"));
    under_way_remove(keeper->under_way, id);
}

/* Each accounts for one: a message may be out for one domain with a deliverer that lives, and have
 * been for another with one that does not. */
static bool is_unfinished(const struct keeper *keeper, struct message_id id)
{
    struct unfinished *unfinished;
    size_t cursor = 0;

    while ((unfinished = map_next(&keeper->unfinished, &cursor, NULL)) != NULL) {
        if (unfinished->was_left || !message_id_equals(unfinished->id, id))
            continue;
        unfinished->was_left = true;
        return true;
    }
    return false;
}

void keeper_log_left(struct keeper *keeper)
{
    struct message_id id;

    if (under_way_was_cut_off(keeper->under_way))
        log_warn("ended_uncleanly", LOG_TEXT("hint", "what was under way then may arrive twice"));
    while (under_way_left(keeper->under_way, &id))
        if (!is_unfinished(keeper, id))
            log_warn("delivery_in_doubt", LOG_ID(id), LOG_TEXT("why", "the node had ended"));
}

static void drop_unfinished(struct keeper *keeper, uint32_t source)
{
    struct unfinished *unfinished;
    size_t cursor = 0;

    while ((unfinished = map_next(&keeper->unfinished, &cursor, NULL)) != NULL) {
        if (unfinished->source != source)
            continue;
        log_in_doubt(keeper, unfinished->id);
        (void)map_remove(&keeper->unfinished, buf_str(&unfinished->key));
        if (unfinished->parked_session != 0 &&
            keeper_session_find(keeper, unfinished->parked_session) != NULL)
            handover_dispatch(keeper->handover, unfinished->parked_session, &unfinished->entry, 0);
        keeper_unfinished_free(unfinished);
        cursor = 0;
    }
}

void keeper_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer)
{
    struct verdict verdict = verdict_make(451, 3, 0, STR("The deliverer was restarted"));
    struct keeper_session *session;
    size_t cursor = 0;

    while ((session = map_next(&keeper->sessions, &cursor, NULL)) != NULL) {
        if (session->source != peer->source || session->has_ended)
            continue;
        handover_session_gone(keeper->handover, session->number, log_in_doubt, keeper);
        keeper_session_ended(keeper, session, SESSION_END_INTERNAL, &verdict);
        cursor = 0;
    }
    keeper_callout_deliverer_gone(keeper, peer);
    keeper_addresses_deliverer_gone(keeper, peer);
    drop_unfinished(keeper, peer->source);
    keeper_posts_deliverer_gone(keeper->webhooks, peer->source);
    keeper_posts_deliverer_gone(keeper->tls_posts, peer->source);
    keeper_policies_deliverer_gone(keeper, peer->source);
}
