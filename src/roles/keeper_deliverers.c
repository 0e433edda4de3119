/* SPDX-License-Identifier: ISC */
/* keeper_deliverers.c: joins the scheduler, the handover and the deliverers.
 *
 * A session lives here from the scheduler's open_session() until the scheduler has
 * been told of its end. That is told only when every answer of the session is
 * settled: an entry counts as not tried when the session ends before its answer,
 * and an answer that is still on its way to the disk must not look like none.
 *
 * After a restart of the keeper the deliverers first say which messages they still
 * have on their hands; until all have said so (or ten seconds have passed) no
 * session is opened, and a message that is on somebody's hands is parked instead
 * of being handed out a second time.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "roles/keeper.h"

enum { GREETINGS_MS_MAX = 10 * SECOND_MS };

struct keeper_session {
    struct link opening; /* in keeper->openings while it waits to be opened */
    uint64_t number;
    uint32_t source; /* of the deliverer's channel; 0: not opened yet */
    struct buf domain;
    struct buf host;
    struct endpoint endpoint;
    bool is_probe;
    int64_t connect_timeout_ms;
    unsigned reports; /* answers that are being settled */
    bool has_ended;
    enum session_end how;
    struct verdict verdict;
};

/* What must be told to the scheduler, but not from inside its own call. */
struct errand {
    struct link link;
    uint64_t session;
    enum session_end how;
    struct verdict verdict;
};

/* On the hands of a deliverer since before the keeper's restart. A message may be there once for
 * each of its domains. */
struct unfinished {
    uint32_t source;
    struct message_id id;
    struct buf key;
    uint64_t parked_session; /* 0: nobody waits for it */
    struct entry entry;      /* what was to be handed out; its domain lives with the store */
};

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

static void add_unfinished_key(struct buf *out, struct message_id id, struct str domain)
{
    buf_add_bytes(out, id.bytes, sizeof id.bytes);
    buf_add(out, domain);
}

static struct unfinished *find_unfinished(const struct keeper *keeper, struct message_id id,
                                          struct str domain)
{
    struct buf key = { 0 };

    add_unfinished_key(&key, id, domain);
    struct unfinished *unfinished = map_find(&keeper->unfinished, buf_str(&key));
    buf_fini(&key);
    return unfinished;
}

static void unfinished_free(struct unfinished *unfinished)
{
    if (unfinished == NULL)
        return;
    buf_fini(&unfinished->key);
    memory_free(unfinished);
}

static struct keeper_session *find_session(const struct keeper *keeper, uint64_t number)
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

static struct channel *channel_of_session(const struct keeper *keeper, uint64_t number)
{
    const struct keeper_session *session = find_session(keeper, number);
    return session != NULL && session->source != 0 ? channel_of(keeper, session->source) : NULL;
}

static void session_free(struct keeper *keeper, struct keeper_session *session)
{
    (void)map_remove(&keeper->sessions, number_key(&session->number));
    list_remove(&session->opening);
    buf_fini(&session->domain);
    buf_fini(&session->host);
    memory_free(session);
}

/* ---- what the scheduler asks for ---- */

static void on_resolve(void *context, struct str domain)
{
    keeper_route_ask(context, domain);
}

static void on_open_session(void *context, const struct session_plan *plan)
{
    struct keeper *keeper = context;
    struct keeper_session *session = memory_new(sizeof *session);

    session->number = plan->number;
    session->endpoint = plan->endpoint;
    session->is_probe = plan->is_probe;
    session->connect_timeout_ms = plan->connect_timeout_ms;
    buf_add(&session->domain, plan->domain);
    buf_add(&session->host, plan->host);
    list_append(&keeper->openings, &session->opening);
    check(map_put(&keeper->sessions, number_key(&session->number), session) == NULL);
}

static void add_errand(struct keeper *keeper, uint64_t session, enum session_end how,
                       const struct verdict *verdict)
{
    struct errand *errand = memory_new(sizeof *errand);
    *errand = (struct errand){ .session = session, .how = how, .verdict = *verdict };
    list_append(&keeper->errands, &errand->link);
}

static void on_end_session(void *context, session_number number)
{
    struct keeper *keeper = context;
    struct keeper_session *session = find_session(keeper, number);
    struct verdict verdict = verdict_accept();

    if (session == NULL || session->has_ended)
        return;
    struct channel *channel = channel_of_session(keeper, number);
    if (channel != NULL) {
        channel_send(channel, session_end, .session = number);
        return;
    }
    list_remove(&session->opening); /* never opened */
    add_errand(keeper, number, SESSION_END_QUIT, &verdict);
}

static void on_dispatch(void *context, session_number number, const struct entry *entry)
{
    struct keeper *keeper = context;
    struct unfinished *unfinished = find_unfinished(keeper, entry->id, entry->domain);

    if (unfinished != NULL) {
        unfinished->parked_session = number;
        unfinished->entry = *entry;
        return;
    }
    handover_dispatch(keeper->handover, number, entry);
}

struct list_ticket {
    struct keeper *keeper;
    uint64_t ticket;
};

static void on_store_listed(void *context, int error, const struct store_listing *listing)
{
    struct list_ticket *asked = context;
    static const struct store_listing nothing = { 0 };
    struct keeper *keeper = asked->keeper;

    if (error != -ECANCELED)
        schedule_listed(keeper->schedule, asked->ticket, error,
                        listing != NULL ? listing : &nothing, keeper_now(keeper));
    memory_free(asked);
}

static void on_list(void *context, const struct store_query *query, uint64_t ticket)
{
    struct keeper *keeper = context;
    struct list_ticket *asked = memory_new(sizeof *asked);

    *asked = (struct list_ticket){ .keeper = keeper, .ticket = ticket };
    store_list(keeper->store, query, on_store_listed, asked);
}

struct expiry {
    struct keeper *keeper;
    struct message_id id;
    struct buf domain;
    enum entry_state state;
};

static void on_expired(void *context, int error)
{
    struct expiry *expiry = context;
    struct keeper *keeper = expiry->keeper;

    if (error == 0)
        log_info(expiry->state == ENTRY_HELD ? "expired" : "rescue_ended", LOG_ID(expiry->id),
                 LOG_STR("domain", buf_str(&expiry->domain)));
    if (error != -ECANCELED)
        schedule_settled(keeper->schedule, buf_str(&expiry->domain), expiry->id,
                         keeper_now(keeper));
    buf_fini(&expiry->domain);
    memory_free(expiry);
}

static void on_expire(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;
    struct expiry *expiry = memory_new(sizeof *expiry);
    struct settlement settlement = {
        .id = entry->id,
        .domain = entry->domain,
        .outcome = entry->state == ENTRY_HELD ? OUTCOME_RESCUED : OUTCOME_DISCARDED,
        .at_ms = keeper_now(keeper).wall_ms,
        .reason =
            verdict_make(554, 4, 7, STR("Holding time is over: the primary could not be reached")),
    };

    *expiry = (struct expiry){ .keeper = keeper, .id = entry->id, .state = entry->state };
    buf_add(&expiry->domain, entry->domain);
    store_settle(keeper->store, &settlement, on_expired, expiry);
}

static void on_state_changed(void *context, struct str domain, enum route_state from,
                             enum route_state to, const struct verdict *reason)
{
    (void)context;
    log_event(to == ROUTE_STATE_DOWN ? LOG_WARN : LOG_INFO, "route_state",
              LOG_STR("domain", domain), LOG_TEXT("from", route_state_name(from)),
              LOG_TEXT("to", route_state_name(to)), LOG_STR("reason", verdict_text(reason)));
}

static void on_drained(void *context, struct str domain, uint64_t delivered, int64_t took_ms)
{
    (void)context;
    log_info("drained", LOG_STR("domain", domain), LOG_INT("delivered", delivered),
             LOG_INT("took_ms", took_ms));
}

const struct schedule_host keeper_schedule_host = {
    .resolve = on_resolve,
    .open_session = on_open_session,
    .end_session = on_end_session,
    .dispatch = on_dispatch,
    .list = on_list,
    .expire = on_expire,
    .state_changed = on_state_changed,
    .drained = on_drained,
};

/* ---- what the handover says ---- */

static void on_deliver(void *context, uint64_t session, const struct handover_message *message)
{
    struct keeper *keeper = context;
    struct channel *channel = channel_of_session(keeper, session);
    struct buf envelope = { 0 };
    struct buf recipients = { 0 };

    if (channel == NULL)
        return; /* it has ended; the scheduler knows or will know */
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
    struct channel *channel = channel_of_session(context, session);
    if (channel != NULL)
        channel_send(channel, deliver_content, .session = session, .id = id, .bytes = bytes);
}

static void on_content_failed(void *context, uint64_t session, struct message_id id)
{
    struct channel *channel = channel_of_session(context, session);
    if (channel != NULL)
        channel_send(channel, deliver_failed, .session = session, .id = id);
}

static void tell_session_ended(struct keeper *keeper, struct keeper_session *session)
{
    uint64_t number = session->number;
    enum session_end how = session->how;
    struct verdict verdict = session->verdict;

    session_free(keeper, session);
    handover_session_gone(keeper->handover, number, NULL, NULL);
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

/* The entry that a session waits for was on a deliverer's hands: what came of it is what comes of
 * the session's entry. Otherwise what is left waits in the store as any other. */
static void finish_unfinished(struct keeper *keeper, struct unfinished *unfinished,
                              const struct handover_result *result)
{
    uint64_t session = unfinished->parked_session;

    (void)map_remove(&keeper->unfinished, buf_str(&unfinished->key));
    if (session != 0 && find_session(keeper, session) != NULL)
        schedule_delivered(keeper->schedule, session, result->id, result->left, result->deferred,
                           &result->verdict, keeper_now(keeper));
    unfinished_free(unfinished);
}

static void on_settled(void *context, const struct handover_result *result)
{
    struct keeper *keeper = context;
    struct keeper_session *session = find_session(keeper, result->session);

    if (result->was_answered)
        note(keeper, result->session, result->id);
    if (session == NULL) { /* the answer of an earlier keeper's session */
        struct unfinished *unfinished = find_unfinished(keeper, result->id, result->domain);
        if (unfinished != NULL)
            finish_unfinished(keeper, unfinished, result);
        return;
    }
    schedule_delivered(keeper->schedule, result->session, result->id, result->left,
                       result->deferred, &result->verdict, keeper_now(keeper));
    if (result->was_answered)
        session->reports--;
    if (session->has_ended && session->reports == 0)
        tell_session_ended(keeper, session);
}

const struct handover_host keeper_handover_host = {
    .deliver = on_deliver,
    .content = on_content,
    .content_failed = on_content_failed,
    .settled = on_settled,
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
    unfinished_free(map_put(&keeper->unfinished, buf_str(&unfinished->key), unfinished));
    log_info("delivery_unfinished", LOG_ID(message.id), LOG_STR("domain", message.domain));
    return true;
}

static bool take_ready(struct keeper *keeper, struct cursor payload)
{
    struct message_session_ready message;

    if (!message_get_session_ready(payload, &message) || message.window > DELIVER_WINDOW_MESSAGES)
        return false;
    const struct keeper_session *session = find_session(keeper, message.session);
    if (session != NULL && !session->has_ended)
        schedule_session_ready(keeper->schedule, message.session, (unsigned)message.window,
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
                 LOG_STR("reply", buf_str(&reply)));
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

    for (uint32_t i = 0; i < count; i++) {
        recipient[i] = cursor_u32(&indices);
        verdict[i] = verdict_decode(&verdicts);
    }
    return cursor_done(&indices) && cursor_done(&verdicts);
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

static bool take_delivered(struct keeper *keeper, struct cursor payload)
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
        struct keeper_session *session = find_session(keeper, message.session);
        log_answer(session, &message, verdict, count);
        if (is_broken_off(session, verdict, count)) {
            note(keeper, message.session, message.id);
            memory_free(verdict);
            return true;
        }
        if (session != NULL)
            session->reports++;
        handover_answer(keeper->handover, message.session, message.id, message.domain, recipient,
                        verdict, count, keeper_now(keeper));
    }
    memory_free(verdict);
    return good;
}

static void session_ended(struct keeper *keeper, struct keeper_session *session,
                          enum session_end how, const struct verdict *verdict)
{
    session->has_ended = true;
    session->how = how;
    session->verdict = *verdict;
    if (session->reports == 0)
        tell_session_ended(keeper, session);
}

static bool take_ended(struct keeper *keeper, struct cursor payload)
{
    struct message_session_ended message;

    if (!message_get_session_ended(payload, &message) || message.how > SESSION_END_INTERNAL)
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    if (!cursor_done(&cursor))
        return false;
    struct keeper_session *session = find_session(keeper, message.session);
    if (session != NULL && !session->has_ended)
        session_ended(keeper, session, (enum session_end)message.how, &verdict);
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
        return take_ready(keeper, payload);
    case MESSAGE_want_content:
        return take_want(keeper, payload);
    case MESSAGE_delivered:
        return take_delivered(keeper, payload);
    case MESSAGE_session_ended:
        return take_ended(keeper, payload);
    default:
        return false;
    }
}

/* ---- a deliverer dies ---- */

static void log_in_doubt(void *context, struct message_id id)
{
    (void)context;
    log_warn("delivery_in_doubt", LOG_ID(id), LOG_TEXT("why", "the deliverer is gone"));
}

static void drop_unfinished(struct keeper *keeper, uint32_t source)
{
    struct unfinished *unfinished;
    size_t cursor = 0;

    while ((unfinished = map_next(&keeper->unfinished, &cursor, NULL)) != NULL) {
        if (unfinished->source != source)
            continue;
        log_in_doubt(NULL, unfinished->id);
        (void)map_remove(&keeper->unfinished, buf_str(&unfinished->key));
        if (unfinished->parked_session != 0 &&
            find_session(keeper, unfinished->parked_session) != NULL)
            handover_dispatch(keeper->handover, unfinished->parked_session, &unfinished->entry);
        unfinished_free(unfinished);
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
        handover_session_gone(keeper->handover, session->number, log_in_doubt, NULL);
        session_ended(keeper, session, SESSION_END_INTERNAL, &verdict);
        cursor = 0;
    }
    drop_unfinished(keeper, peer->source);
}

/* ---- turns ---- */

static bool all_greeted(const struct keeper *keeper)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        const struct keeper_peer *peer = &keeper->peer[i];
        if (peer->channel == NULL || channel_peer(peer->channel) != ROLE_DELIVERER)
            continue;
        if (!peer->has_greeted || peer->unfinished > 0)
            return false;
        count++;
    }
    return count >= keeper->process->config->deliverers;
}

static void open_session(struct keeper_session *session, const struct keeper_peer *peer)
{
    struct buf endpoint = { 0 };

    list_remove(&session->opening);
    session->source = peer->source;
    endpoint_encode(&endpoint, session->endpoint);
    channel_send(peer->channel, session_open, .session = session->number,
                 .domain = buf_str(&session->domain), .host = buf_str(&session->host),
                 .endpoint = buf_str(&endpoint), .is_probe = session->is_probe,
                 .connect_timeout_ms = (uint64_t)session->connect_timeout_ms);
    buf_fini(&endpoint);
}

static void run_errands(struct keeper *keeper)
{
    struct link *link;

    while ((link = list_first(&keeper->errands)) != NULL) {
        struct errand *errand = container_of(link, struct errand, link);
        struct keeper_session *session = find_session(keeper, errand->session);
        list_remove(link);
        if (session != NULL && !session->has_ended)
            session_ended(keeper, session, errand->how, &errand->verdict);
        memory_free(errand);
    }
}

void keeper_deliverers_turn(struct keeper *keeper, struct now now)
{
    const struct keeper_peer *peer;

    if (!keeper->may_deliver)
        keeper->may_deliver =
            all_greeted(keeper) || now.mono_ms >= keeper->started_ms + GREETINGS_MS_MAX;
    run_errands(keeper);
    while (keeper->may_deliver && !list_is_empty(&keeper->openings) &&
           (peer = keeper_some_deliverer(keeper)) != NULL)
        open_session(container_of(list_first(&keeper->openings), struct keeper_session, opening),
                     peer);
}

int64_t keeper_deliverers_deadline(const struct keeper *keeper)
{
    return keeper->may_deliver ? NEVER_MS : keeper->started_ms + GREETINGS_MS_MAX;
}

void keeper_deliverers_fini(struct keeper *keeper)
{
    void *value;
    size_t cursor = 0;

    while ((value = map_next(&keeper->sessions, &cursor, NULL)) != NULL) {
        session_free(keeper, value);
        cursor = 0;
    }
    cursor = 0;
    while ((value = map_next(&keeper->unfinished, &cursor, NULL)) != NULL)
        unfinished_free(value);
    list_each_safe (link, &keeper->errands)
        memory_free(container_of(link, struct errand, link));
}
