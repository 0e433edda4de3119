/* SPDX-License-Identifier: ISC */
/* keeper.c: what the keeper says to the deliverer, and hears from it; how
 * the deliverer goes on when the keeper is gone (deliverer.h).
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/deliverer/deliverer.h"

/* ---- what the keeper says ---- */

static struct session *find_session(const struct deliverer *deliverer, uint64_t number)
{
    struct session *session = map_find(&deliverer->sessions, session_key(&number));
    return session != NULL && !session->is_over ? session : NULL;
}

static bool take_open(struct deliverer *deliverer, struct cursor payload)
{
    struct message_session_open message;

    if (!message_get_session_open(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.endpoint);
    struct endpoint endpoint = endpoint_decode(&cursor);
    struct cursor security_cursor = cursor_over(message.security);
    struct security security;
    if (!security_decode(&security_cursor, &security) || !cursor_done(&security_cursor))
        return false;
    if (!cursor_done(&cursor) || endpoint.family == ENDPOINT_NONE ||
        message.connect_timeout_ms > HOUR_MS || message.greeting_timeout_ms > HOUR_MS ||
        map_find(&deliverer->sessions, session_key(&message.session)) != NULL)
        return false;
    if (deliverer->process->is_stopping)
        return true; /* the keeper is told to stop next */
    if (endpoint_line_number(endpoint) != 0)
        return deliverer_open_on_line(deliverer, &message, endpoint_line_number(endpoint));
    struct session *session = session_new(deliverer);
    session->number = message.session;
    session->endpoint = endpoint;
    buf_add(&session->host, message.host);
    buf_add(&session->security, message.security);
    session->is_probe = message.is_probe != 0;
    session->probe_settings = deliverer->settings;
    session->probe_settings.greeting_timeout_ms = (int64_t)message.greeting_timeout_ms;
    session->is_callout = message.is_callout != 0;
    session->xclient = message.xclient != 0;
    (void)map_put(&deliverer->sessions, session_key(&session->number), session);
    session_connect(session, (int64_t)message.connect_timeout_ms);
    return true;
}

static bool take_end(struct deliverer *deliverer, struct cursor payload)
{
    struct message_session_end message;

    if (!message_get_session_end(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    if (session != NULL)
        session_rest(session);
    return true;
}

/* The keeper knows the window, and what the session has; who hands out more, or the same twice, is
 * no keeper. */
static bool may_take(struct session *session, struct message_id id)
{
    unsigned count = 0;

    list_each (link, &session->items)
        count++;
    return !session->is_ready ||
           (count < session->window && session_find_item(session, id) == NULL);
}

static bool take_deliver(struct deliverer *deliverer, struct cursor payload)
{
    struct message_deliver message;
    struct envelope envelope;
    struct arena arena = { 0 };

    if (!message_get_deliver(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    struct cursor cursor = cursor_over(message.envelope);
    bool good =
        envelope_decode(&cursor, &arena, &envelope) && cursor_done(&cursor) &&
        envelope.recipient_count > 0 && envelope.recipient_count <= DELIVER_RECIPIENTS_MAX &&
        message.recipients.len == envelope.recipient_count * sizeof(uint32_t) &&
        message.content.len <= message.size && (session == NULL || may_take(session, envelope.id));
    if (good && session != NULL && session->is_ready && !deliverer->process->is_stopping) {
        struct item *item = memory_new(sizeof *item);
        item->id = envelope.id;
        item->size = message.size;
        buf_add(&item->domain, message.domain);
        buf_add(&item->recipients, message.recipients);
        buf_add(&item->content, message.content);
        list_append(&session->items, &item->link);
        const struct xclient origin = {
            .client = envelope.client,
            .name = envelope.client_name,
            .helo = envelope.helo,
            .is_extended = !str_starts(envelope.protocol, STR("SMTP")),
        };
        struct delivery delivery = {
            .origin = session->xclient && !(envelope.flags & ENVELOPE_OWN) ? &origin : NULL,
            .id = envelope.id,
            .sender = envelope.sender,
            .recipient = envelope.recipient,
            .recipient_count = envelope.recipient_count,
            .size = message.size,
            .body_type = envelope.body_type,
            .flags = envelope.flags,
            .envelope_id = envelope.envelope_id,
            .ret = envelope.ret,
        };
        deliver_message(session->client, &delivery, deliverer_now(deliverer));
        session_serve(session);
    }
    arena_fini(&arena);
    return good;
}

/* An identity that no message has: the inquiry's number, behind zeros. */
static struct message_id callout_id(uint64_t inquiry)
{
    struct message_id id = { 0 };

    for (size_t i = 0; i < sizeof inquiry; i++)
        id.bytes[MESSAGE_ID_SIZE - 1 - i] = (uint8_t)(inquiry >> (8 * i));
    return id;
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool take_callout(struct deliverer *deliverer, struct cursor payload)
{
    struct message_callout message;

    if (!message_get_callout(payload, &message) || message.inquiry == 0)
        return false;
    struct session *session = find_session(deliverer, message.session);
    struct message_id id = callout_id(message.inquiry);
    if (session == NULL || !session->is_ready)
        return true; /* the keeper is told of its end */
    if (!session->is_callout || !may_take(session, id))
        return false;
    struct item *item = memory_new(sizeof *item);
    item->id = id;
    item->inquiry = message.inquiry;
    list_append(&session->items, &item->link);
    const struct recipient recipient = { .address = message.recipient };
    const struct delivery delivery = { .id = id,
                                       .sender = message.sender,
                                       .recipient = &recipient,
                                       .recipient_count = 1,
                                       .flags = is_ascii(message.recipient) ? 0 : ENVELOPE_SMTPUTF8,
                                       .is_callout = true };
    deliver_message(session->client, &delivery, deliverer_now(deliverer));
    session_serve(session);
    return true;
}

static bool take_content(struct deliverer *deliverer, struct cursor payload)
{
    struct message_deliver_content message;

    if (!message_get_deliver_content(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    struct item *item = session != NULL ? session_find_item(session, message.id) : NULL;
    if (item != NULL) {
        session_feed(session, item, message.bytes);
        session_serve(session);
    }
    return true;
}

static bool take_failed(struct deliverer *deliverer, struct cursor payload)
{
    struct message_deliver_failed message;

    if (!message_get_deliver_failed(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    if (session != NULL && session_find_item(session, message.id) != NULL) {
        deliver_content_failed(session->client, message.id, deliverer_now(deliverer));
        session_serve(session);
    }
    return true;
}

static bool take_noted(struct deliverer *deliverer, struct cursor payload)
{
    struct message_delivered_noted message;

    if (!message_get_delivered_noted(payload, &message))
        return false;
    list_each_safe (link, &deliverer->results) {
        struct result *result = container_of(link, struct result, link);
        if (result->session == message.session && message_id_equals(result->id, message.id)) {
            result_free(result);
            break;
        }
    }
    return true;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    struct deliverer *deliverer = context;

    (void)channel;
    switch (type) {
    case MESSAGE_session_open:
        return take_open(deliverer, payload);
    case MESSAGE_session_end:
        return take_end(deliverer, payload);
    case MESSAGE_deliver:
        return take_deliver(deliverer, payload);
    case MESSAGE_callout:
        return take_callout(deliverer, payload);
    case MESSAGE_deliver_content:
        return take_content(deliverer, payload);
    case MESSAGE_deliver_failed:
        return take_failed(deliverer, payload);
    case MESSAGE_web_post:
        return deliverer_take_post(deliverer, payload);
    case MESSAGE_web_fetch:
        return deliverer_take_fetch(deliverer, payload);
    case MESSAGE_line_end:
        return deliverer_take_line_end(deliverer, payload);
    case MESSAGE_delivered_noted:
        return take_noted(deliverer, payload);
    default:
        return false;
    }
}

/* The first message whose content is not here entirely and that is not given up yet. To give one
 * up may end the session, and with it every other. */
static struct item *find_unfinishable(struct session *session)
{
    list_each (link, &session->items) {
        struct item *item = container_of(link, struct item, link);
        if (!item->is_given_up && item->content.len < item->size)
            return item;
    }
    return NULL;
}

static void orphan(struct deliverer *deliverer, struct session *session)
{
    struct item *item;

    session->is_orphan = true;
    while (!session->is_over && (item = find_unfinishable(session)) != NULL) {
        item->is_given_up = true;
        deliver_content_failed(session->client, item->id, deliverer_now(deliverer));
    }
    if (!session->is_over)
        session_quit(session);
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct deliverer *deliverer = context;

    log_warn("keeper_lost", LOG_TEXT("why", why));
    deliverer->keeper = NULL;
    check(deliverer->dead == NULL);
    deliverer->dead = channel;
    list_each (link, &deliverer->all)
        orphan(deliverer, container_of(link, struct session, link));
}

void deliverer_free_dead(struct deliverer *deliverer)
{
    channel_free(deliverer->dead);
    deliverer->dead = NULL;
}

static const struct channel_host keeper_host = { .message = on_message, .broken = on_broken };

static unsigned count_unfinished(const struct deliverer *deliverer)
{
    unsigned count = 0;
    list_each (link, &deliverer->all)
        list_each (item, &container_of(link, struct session, link)->items)
            count += container_of(item, struct item, link)->inquiry == 0;
    list_each (link, &deliverer->results)
        count++;
    return count;
}

static void send_unfinished(struct deliverer *deliverer, struct message_id id,
                            const struct buf *domain)
{
    channel_send(deliverer->keeper, unfinished, .id = id, .domain = buf_str(domain));
}

/* What is on its way or not settled yet first, so that nothing of it is handed out again. */
static void tell_unfinished(struct deliverer *deliverer)
{
    channel_send(deliverer->keeper, deliverer_hello, .unfinished = count_unfinished(deliverer));
    list_each (link, &deliverer->all) {
        list_each (at, &container_of(link, struct session, link)->items) {
            const struct item *item = container_of(at, struct item, link);
            if (item->inquiry == 0)
                send_unfinished(deliverer, item->id, &item->domain);
        }
    }
    list_each (link, &deliverer->results) {
        const struct result *result = container_of(link, struct result, link);
        send_unfinished(deliverer, result->id, &result->domain);
    }
    list_each (link, &deliverer->results)
        result_send(deliverer, container_of(link, struct result, link));
}

void deliverer_take_peer(void *state, enum role role, unsigned index, int fd)
{
    struct deliverer *deliverer = state;

    check(role == ROLE_KEEPER);
    /* They may die more than once before we are given the time to notice, the new one too. */
    deliverer_free_dead(deliverer);
    if (deliverer->keeper != NULL)
        channel_cut(deliverer->keeper, "a new one came");
    deliverer_free_dead(deliverer);
    deliverer->keeper = channel_new(ROLE_DELIVERER, ROLE_KEEPER, index, &keeper_host, deliverer);
    deliverer->keeper_count++;
    channel_attach(deliverer->keeper, deliverer->process->loop, fd);
    tell_unfinished(deliverer);
}
