/* SPDX-License-Identifier: ISC */
/* deliverer.c: opens the sessions that the keeper asks for and joins each to its
 * SMTP client.
 *
 * A session connects, talks, ends; the keeper decides about all three. A message
 * in a session is an item: its first octets came with it, the rest is asked of the
 * keeper piece by piece. A result stays here until the keeper says that it is on
 * stable storage.
 *
 * When the keeper goes away, what can be finished without it is finished: messages
 * whose content is here entirely. The next keeper is told first which messages
 * these are (it must not hand them out again), then each result as it comes.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "net/socket.h"
#include "roles/role.h"
#include "schedule/schedule.h"

enum {
    PROBE_GREETING_MS = 10 * SECOND_MS,
    GREETING_MS = 5 * MINUTE_MS, /* these: RFC 5321 4.5.3.2 */
    COMMAND_MS = 5 * MINUTE_MS,
    DATA_MS = 2 * MINUTE_MS,
    BLOCK_MS = 3 * MINUTE_MS,
    FINAL_MS = 10 * MINUTE_MS,
    PIECE_MAX = 64 * 1024,
};

struct deliverer {
    struct role_process *process;
    struct channel *keeper; /* NULL: none at the moment */
    struct channel *dead;   /* freed at the turn's end */
    struct deliver_settings settings;
    struct deliver_settings probe_settings;
    struct map sessions; /* by number: struct session */
    struct link all;     /* struct session.link */
    struct link over;    /* struct session.over_link: freed at the turn's end */
    struct link results; /* struct result.link: not yet noted */
    struct heap deadlines;
};

struct session {
    struct link link;
    struct link over_link;
    struct heap_node deadline;
    struct deliverer *deliverer;
    uint64_t number;
    struct endpoint endpoint;
    bool is_probe;
    bool is_orphan; /* of a keeper that is gone */
    int fd;         /* while connecting; else -1 */
    struct watch *connecting;
    struct stream *stream;
    struct deliver_client *client; /* NULL while connecting */
    bool is_ready;
    bool is_over;
    struct link items;
    struct link wants; /* struct item.want_link: content to be fed after the client's call */
};

struct item {
    struct link link;
    struct link want_link;
    struct message_id id;
    struct buf domain;
    struct buf recipients; /* indices, as they came */
    struct buf content;    /* the first octets */
    uint64_t size;
    uint64_t want_offset;
    size_t want_size;
    bool is_given_up; /* the keeper that had the rest of it is gone */
};

struct result {
    struct link link;
    uint64_t session;
    struct message_id id;
    struct buf domain;
    struct buf recipients;
    struct buf verdicts;
    bool in_doubt;
};

static struct now now_of(const struct deliverer *deliverer)
{
    return loop_now(deliverer->process->loop);
}

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- items and results ---- */

static void item_free(struct item *item)
{
    list_remove(&item->link);
    list_remove(&item->want_link);
    buf_fini(&item->domain);
    buf_fini(&item->recipients);
    buf_fini(&item->content);
    memory_free(item);
}

static struct item *find_item(struct session *session, struct message_id id)
{
    list_each (link, &session->items) {
        struct item *item = container_of(link, struct item, link);
        if (message_id_equals(item->id, id))
            return item;
    }
    return NULL;
}

static void result_free(struct result *result)
{
    list_remove(&result->link);
    buf_fini(&result->domain);
    buf_fini(&result->recipients);
    buf_fini(&result->verdicts);
    memory_free(result);
}

static void send_result(struct deliverer *deliverer, const struct result *result)
{
    if (deliverer->keeper == NULL)
        return;
    channel_send(deliverer->keeper, delivered, .session = result->session, .id = result->id,
                 .domain = buf_str(&result->domain), .in_doubt = result->in_doubt,
                 .recipients = buf_str(&result->recipients),
                 .verdicts = buf_str(&result->verdicts));
}

/* ---- what the client asks for ---- */

static void on_send(void *context, struct str bytes)
{
    struct session *session = context;
    stream_output(session->stream, bytes);
}

static void on_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    struct session *session = context;
    struct deliverer *deliverer = session->deliverer;

    session->is_ready = true;
    if (deliverer->keeper == NULL || session->is_orphan)
        return;
    channel_send(deliverer->keeper, session_ready, .session = session->number, .window = window,
                 .extensions = greeting->extensions, .size_max = greeting->size_max,
                 .name = str_first(greeting->name, 255));
}

static void on_result(void *context, struct message_id id, const struct verdict *verdict,
                      uint32_t count, bool in_doubt)
{
    struct session *session = context;
    struct item *item = find_item(session, id);
    struct result *result = memory_new(sizeof *result);

    check(item != NULL && count == item->recipients.len / sizeof(uint32_t));
    result->session = session->number;
    result->id = id;
    result->in_doubt = in_doubt;
    result->domain = item->domain;
    result->recipients = item->recipients;
    item->domain = (struct buf){ 0 };
    item->recipients = (struct buf){ 0 };
    for (uint32_t i = 0; i < count; i++)
        verdict_encode(&result->verdicts, &verdict[i]);
    item_free(item);
    list_append(&session->deliverer->results, &result->link);
    send_result(session->deliverer, result);
}

static void on_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct session *session = context;
    struct item *item = find_item(session, id);

    check(item != NULL && !link_is_listed(&item->want_link));
    item->want_offset = offset;
    item->want_size = size;
    list_append(&session->wants, &item->want_link);
}

static enum session_end end_of(enum deliver_close how, bool was_ready)
{
    switch (how) {
    case DELIVER_CLOSED_QUIT:
        return SESSION_END_QUIT;
    case DELIVER_CLOSED_REFUSED:
        return SESSION_END_GREETING;
    case DELIVER_CLOSED_INTERNAL:
        return SESSION_END_INTERNAL;
    case DELIVER_CLOSED_LOST:
    case DELIVER_CLOSED_TIMEOUT:
    case DELIVER_CLOSED_PROTOCOL:
        break;
    }
    return was_ready ? SESSION_END_LOST : SESSION_END_GREETING;
}

/* Tells the keeper, once; the memory goes at the turn's end. */
static void session_over(struct session *session, enum session_end how,
                         const struct verdict *verdict)
{
    struct deliverer *deliverer = session->deliverer;
    struct buf bytes = { 0 };

    if (session->is_over)
        return;
    session->is_over = true;
    list_append(&deliverer->over, &session->over_link);
    if (deliverer->keeper == NULL || session->is_orphan)
        return;
    verdict_encode(&bytes, verdict);
    channel_send(deliverer->keeper, session_ended, .session = session->number, .how = how,
                 .verdict = buf_str(&bytes));
    buf_fini(&bytes);
}

static void on_closed_by_client(void *context, enum deliver_close how,
                                const struct verdict *verdict)
{
    struct session *session = context;
    session_over(session, end_of(how, session->is_ready), verdict);
}

static const struct deliver_host client_host = {
    .send = on_send,
    .ready = on_ready,
    .result = on_result,
    .want_content = on_want_content,
    .closed = on_closed_by_client,
};

/* Gives the client octets it asked for, which may make it ask for more. */
static void feed_content(struct session *session, struct item *item, struct str bytes)
{
    struct message_id id = item->id;
    uint64_t offset = item->want_offset;

    bytes = str_first(bytes, item->want_size);
    item->want_offset += bytes.len;
    item->want_size -= bytes.len;
    if (item->want_size > 0)
        list_append(&session->wants, &item->want_link);
    deliver_content(session->client, id, offset, bytes, now_of(session->deliverer));
}

static void serve_want(struct session *session, struct item *item)
{
    struct deliverer *deliverer = session->deliverer;

    if (item->want_offset < item->content.len) {
        feed_content(session, item, str_skip(buf_str(&item->content), (size_t)item->want_offset));
    } else if (deliverer->keeper == NULL || session->is_orphan) {
        deliver_content_failed(session->client, item->id, now_of(deliverer));
    } else {
        size_t size = item->want_size < PIECE_MAX ? item->want_size : PIECE_MAX;
        channel_send(deliverer->keeper, want_content, .session = session->number, .id = item->id,
                     .offset = item->want_offset, .octets = size);
    }
}

/* After each call into the client: feed what is here, ask for what is not. */
static void serve_wants(struct session *session)
{
    while (!session->is_over && !list_is_empty(&session->wants)) {
        struct item *item = container_of(list_first(&session->wants), struct item, want_link);
        list_remove(&item->want_link);
        serve_want(session, item);
    }
    if (!session->is_over)
        heap_put(&session->deliverer->deadlines, &session->deadline,
                 deliver_deadline(session->client));
}

/* ---- the connection ---- */

static void on_input(void *context, struct str bytes)
{
    struct session *session = context;
    if (session->is_over)
        return;
    deliver_feed(session->client, bytes, now_of(session->deliverer));
    serve_wants(session);
}

static void on_end(void *context, int error)
{
    struct session *session = context;
    (void)error;
    if (session->is_over)
        return;
    deliver_end(session->client, now_of(session->deliverer));
    serve_wants(session);
}

static void on_drained(void *context)
{
    struct session *session = context;
    if (session->is_over)
        return;
    deliver_drained(session->client, now_of(session->deliverer));
    serve_wants(session);
}

static const struct stream_host stream_hooks = { .input = on_input,
                                                 .end = on_end,
                                                 .drained = on_drained };

static void connect_failed(struct session *session, int error)
{
    struct buf to = { 0 };
    endpoint_add_text(&to, session->endpoint);
    struct verdict verdict =
        verdict_format(451, 4, 1, "%.*s: %s", STR_FMT(buf_str(&to)), strerror(-error));
    buf_fini(&to);
    session_over(session, SESSION_END_CONNECT, &verdict);
}

static void on_connected(void *context, unsigned what)
{
    struct session *session = context;
    struct deliverer *deliverer = session->deliverer;

    (void)what;
    watch_free(session->connecting);
    session->connecting = NULL;
    int error = socket_error(session->fd);
    if (error != 0) {
        connect_failed(session, error);
        return;
    }
    session->stream = stream_new(deliverer->process->loop, &deliverer->process->streams,
                                 session->fd, &stream_hooks, session);
    session->fd = -1;
    session->client =
        deliver_new(session->is_probe ? &deliverer->probe_settings : &deliverer->settings,
                    &client_host, session, now_of(deliverer));
    serve_wants(session);
}

static void session_connect(struct session *session, int64_t timeout_ms)
{
    int fd = socket_connect(session->endpoint);

    if (fd < 0) {
        connect_failed(session, fd);
        return;
    }
    session->fd = fd;
    session->connecting = watch_new(session->deliverer->process->loop, fd, on_connected, session);
    watch_set(session->connecting, WATCH_WRITE);
    heap_put(&session->deliverer->deadlines, &session->deadline,
             now_of(session->deliverer).mono_ms + timeout_ms);
}

static void session_free(struct session *session)
{
    list_each_safe (link, &session->items)
        item_free(container_of(link, struct item, link));
    if (session->client != NULL)
        deliver_free(session->client);
    watch_free(session->connecting);
    stream_free(session->stream);
    if (session->fd >= 0)
        (void)close(session->fd);
    heap_remove(&session->deliverer->deadlines, &session->deadline);
    (void)map_remove(&session->deliverer->sessions, number_key(&session->number));
    list_remove(&session->over_link);
    list_remove(&session->link);
    memory_free(session);
}

/* ---- what the keeper says ---- */

static struct session *find_session(const struct deliverer *deliverer, uint64_t number)
{
    struct session *session = map_find(&deliverer->sessions, number_key(&number));
    return session != NULL && !session->is_over ? session : NULL;
}

static bool take_open(struct deliverer *deliverer, struct cursor payload)
{
    struct message_session_open message;

    if (!message_get_session_open(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.endpoint);
    struct endpoint endpoint = endpoint_decode(&cursor);
    if (!cursor_done(&cursor) || endpoint.family == ENDPOINT_NONE ||
        message.connect_timeout_ms > HOUR_MS ||
        map_find(&deliverer->sessions, number_key(&message.session)) != NULL)
        return false;
    if (deliverer->process->is_stopping)
        return true; /* the keeper is told to stop next */
    struct session *session = memory_new(sizeof *session);
    session->deliverer = deliverer;
    session->number = message.session;
    session->endpoint = endpoint;
    session->is_probe = message.is_probe != 0;
    session->fd = -1;
    list_init(&session->items);
    list_init(&session->wants);
    list_append(&deliverer->all, &session->link);
    (void)map_put(&deliverer->sessions, number_key(&session->number), session);
    session_connect(session, (int64_t)message.connect_timeout_ms);
    return true;
}

static void session_quit(struct session *session)
{
    struct verdict verdict = verdict_accept();

    if (session->client == NULL) {
        session_over(session, SESSION_END_QUIT, &verdict);
        return;
    }
    deliver_quit(session->client, now_of(session->deliverer));
    serve_wants(session);
}

static bool take_end(struct deliverer *deliverer, struct cursor payload)
{
    struct message_session_end message;

    if (!message_get_session_end(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    if (session != NULL)
        session_quit(session);
    return true;
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
    bool good = envelope_decode(&cursor, &arena, &envelope) && cursor_done(&cursor) &&
                envelope.recipient_count <= DELIVER_RECIPIENTS_MAX &&
                message.recipients.len == envelope.recipient_count * sizeof(uint32_t) &&
                message.content.len <= message.size;
    if (good && session != NULL && session->is_ready && !deliverer->process->is_stopping) {
        struct item *item = memory_new(sizeof *item);
        item->id = envelope.id;
        item->size = message.size;
        buf_add(&item->domain, message.domain);
        buf_add(&item->recipients, message.recipients);
        buf_add(&item->content, message.content);
        list_append(&session->items, &item->link);
        struct delivery delivery = {
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
        deliver_message(session->client, &delivery, now_of(deliverer));
        serve_wants(session);
    }
    arena_fini(&arena);
    return good;
}

static bool take_content(struct deliverer *deliverer, struct cursor payload)
{
    struct message_deliver_content message;

    if (!message_get_deliver_content(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    struct item *item = session != NULL ? find_item(session, message.id) : NULL;
    if (item != NULL) {
        feed_content(session, item, message.bytes);
        serve_wants(session);
    }
    return true;
}

static bool take_failed(struct deliverer *deliverer, struct cursor payload)
{
    struct message_deliver_failed message;

    if (!message_get_deliver_failed(payload, &message))
        return false;
    struct session *session = find_session(deliverer, message.session);
    if (session != NULL && find_item(session, message.id) != NULL) {
        deliver_content_failed(session->client, message.id, now_of(deliverer));
        serve_wants(session);
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
    case MESSAGE_deliver_content:
        return take_content(deliverer, payload);
    case MESSAGE_deliver_failed:
        return take_failed(deliverer, payload);
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
        deliver_content_failed(session->client, item->id, now_of(deliverer));
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

static void free_dead(struct deliverer *deliverer)
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
            count++;
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
            send_unfinished(deliverer, item->id, &item->domain);
        }
    }
    list_each (link, &deliverer->results) {
        const struct result *result = container_of(link, struct result, link);
        send_unfinished(deliverer, result->id, &result->domain);
    }
    list_each (link, &deliverer->results)
        send_result(deliverer, container_of(link, struct result, link));
}

static void take_peer(void *state, enum role role, unsigned index, int fd)
{
    struct deliverer *deliverer = state;

    check(role == ROLE_KEEPER);
    free_dead(deliverer); /* it may die more than once before we are given the time to notice */
    if (deliverer->keeper != NULL)
        on_broken(deliverer, deliverer->keeper, "a new one came");
    deliverer->keeper = channel_new(ROLE_DELIVERER, ROLE_KEEPER, index, &keeper_host, deliverer);
    channel_attach(deliverer->keeper, deliverer->process->loop, fd);
    tell_unfinished(deliverer);
}

/* ---- the role ---- */

static void set_settings(struct deliverer *deliverer)
{
    deliverer->settings = (struct deliver_settings){
        .hostname = deliverer->process->config->hostname,
        .greeting_timeout_ms = GREETING_MS,
        .command_timeout_ms = COMMAND_MS,
        .data_timeout_ms = DATA_MS,
        .block_timeout_ms = BLOCK_MS,
        .final_timeout_ms = FINAL_MS,
    };
    deliverer->probe_settings = deliverer->settings;
    deliverer->probe_settings.greeting_timeout_ms = PROBE_GREETING_MS;
}

static void *create(struct role_process *process)
{
    struct deliverer *deliverer = memory_new(sizeof *deliverer);
    deliverer->process = process;
    list_init(&deliverer->all);
    list_init(&deliverer->over);
    list_init(&deliverer->results);
    map_init(&deliverer->sessions);
    set_settings(deliverer);
    return deliverer;
}

static void free_over(struct deliverer *deliverer)
{
    while (!list_is_empty(&deliverer->over))
        session_free(container_of(list_first(&deliverer->over), struct session, over_link));
}

static void destroy(void *state)
{
    struct deliverer *deliverer = state;

    free_over(deliverer);
    list_each_safe (link, &deliverer->all)
        session_free(container_of(link, struct session, link));
    list_each_safe (link, &deliverer->results) {
        struct result *result = container_of(link, struct result, link);
        log_warn("delivery_in_doubt", LOG_ID(result->id),
                 LOG_STR("domain", buf_str(&result->domain)),
                 LOG_TEXT("why", "the deliverer ended before the answer was settled"));
        result_free(result);
    }
    free_dead(deliverer);
    channel_free(deliverer->keeper);
    map_fini(&deliverer->sessions);
    heap_fini(&deliverer->deadlines);
    memory_free(deliverer);
}

static void take_listener(void *state, enum listener_kind kind, int fd)
{
    (void)state;
    (void)kind;
    (void)fd;
    check(false); /* messages.def lets no listener come here */
}

static int start(void *state)
{
    (void)state;
    return 0;
}

static void reload(void *state)
{
    set_settings(state);
}

static void stop(void *state)
{
    struct deliverer *deliverer = state;

    list_each (link, &deliverer->all) {
        struct session *session = container_of(link, struct session, link);
        if (!session->is_over)
            session_quit(session);
    }
}

static void tick(struct deliverer *deliverer, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&deliverer->deadlines, now.mono_ms)) != NULL) {
        struct session *session = container_of(node, struct session, deadline);
        if (session->is_over)
            continue;
        if (session->client == NULL) {
            connect_failed(session, -ETIMEDOUT);
            continue;
        }
        deliver_tick(session->client, now);
        serve_wants(session);
    }
}

static int64_t turn(void *state, struct now now)
{
    struct deliverer *deliverer = state;

    tick(deliverer, now);
    free_over(deliverer);
    if (deliverer->keeper != NULL)
        channel_flush(deliverer->keeper);
    free_dead(deliverer);
    /* A keeper that died is started again for what we have to tell (supervisor.c). */
    if (deliverer->process->is_stopping && list_is_empty(&deliverer->all) &&
        list_is_empty(&deliverer->results))
        role_finished(deliverer->process);
    const struct heap_node *first = heap_first(&deliverer->deadlines);
    return first != NULL ? first->key : NEVER_MS;
}

const struct role_hooks deliverer_hooks = {
    .create = create,
    .destroy = destroy,
    .listener = take_listener,
    .peer = take_peer,
    .start = start,
    .reload = reload,
    .stop = stop,
    .turn = turn,
};
