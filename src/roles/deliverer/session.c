/* SPDX-License-Identifier: ISC */
/* session.c: one session: its connection, its client, its messages.
 *
 * Calls into the client never nest: what it asks for inside a call (content) waits
 * in `wants` until the call is over.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "net/socket.h"
#include "roles/deliverer/deliverer.h"

enum { PIECE_MAX = 64 * 1024 };

struct str session_key(const uint64_t *number)
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

struct item *session_find_item(struct session *session, struct message_id id)
{
    list_each (link, &session->items) {
        struct item *item = container_of(link, struct item, link);
        if (message_id_equals(item->id, id))
            return item;
    }
    return NULL;
}

void result_free(struct result *result)
{
    list_remove(&result->link);
    buf_fini(&result->domain);
    buf_fini(&result->recipients);
    buf_fini(&result->verdicts);
    buf_fini(&result->stages);
    memory_free(result);
}

void result_send(struct deliverer *deliverer, const struct result *result)
{
    if (deliverer->keeper == NULL)
        return;
    channel_send(deliverer->keeper, delivered, .session = result->session, .id = result->id,
                 .domain = buf_str(&result->domain), .in_doubt = result->in_doubt,
                 .recipients = buf_str(&result->recipients), .verdicts = buf_str(&result->verdicts),
                 .stages = buf_str(&result->stages));
}

/* ---- what the client asks for ---- */

static void on_send(void *context, struct str bytes)
{
    struct session *session = context;
    stream_output(session->stream, bytes);
}

void session_tell_ready(const struct session *session)
{
    const struct deliverer *deliverer = session->deliverer;
    struct security_pin shown;
    struct str key = session_key_shown(session, &shown);
    struct buf tls = { 0 };

    if (deliverer->keeper == NULL || session->is_orphan)
        return;
    if (session->is_secure)
        tls_add_name(&tls, stream_tls(session->stream));
    channel_send(deliverer->keeper, session_ready, .session = session->number,
                 .window = session->window, .extensions = session->extensions,
                 .size_max = session->size_max, .name = buf_str(&session->name), .key = key,
                 .tls = buf_str(&tls));
    buf_fini(&tls);
}

static void on_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    struct session *session = context;

    session->is_ready = true;
    session->window = window;
    session->extensions = greeting->extensions;
    session->size_max = greeting->size_max;
    buf_add(&session->name, str_first(greeting->name, 255));
    if (!session->is_secure && session_tls(session) != DELIVER_TLS_NO)
        session_tls_missing(session);
    session_tell_ready(session);
}

static void answer_callout(const struct session *session, struct item *item,
                           const struct verdict *verdict)
{
    const struct deliverer *deliverer = session->deliverer;
    struct buf bytes = { 0 };

    verdict_encode(&bytes, verdict);
    if (deliverer->keeper != NULL && !session->is_orphan)
        channel_send(deliverer->keeper, callout_answer, .session = session->number,
                     .inquiry = item->inquiry, .stage = verdict->stage, .verdict = buf_str(&bytes));
    buf_fini(&bytes);
    item_free(item);
}

static void on_result(void *context, struct message_id id, const struct verdict *verdict,
                      uint32_t count, bool in_doubt)
{
    struct session *session = context;
    struct item *item = session_find_item(session, id);

    check(item != NULL);
    if (item->inquiry != 0) {
        answer_callout(session, item, &verdict[0]);
        return;
    }
    struct result *result = memory_new(sizeof *result);
    check(count == item->recipients.len / sizeof(uint32_t));
    result->session = session->number;
    result->id = id;
    result->in_doubt = in_doubt;
    result->domain = item->domain;
    result->recipients = item->recipients;
    item->domain = (struct buf){ 0 };
    item->recipients = (struct buf){ 0 };
    for (uint32_t i = 0; i < count; i++) {
        verdict_encode(&result->verdicts, &verdict[i]);
        buf_add_u8(&result->stages, verdict[i].stage);
    }
    item_free(item);
    list_append(&session->deliverer->results, &result->link);
    result_send(session->deliverer, result);
}

static void on_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct session *session = context;
    struct item *item = session_find_item(session, id);

    check(item != NULL && !link_is_listed(&item->want_link));
    item->want_offset = offset;
    item->want_size = size;
    list_append(&session->wants, &item->want_link);
}

/* GREETING is what the server said; one that says nothing, or no SMTP, is lost. */
static enum session_end end_of(const struct session *session, enum deliver_close how)
{
    switch (how) {
    case DELIVER_CLOSED_QUIT:
        return SESSION_END_QUIT;
    case DELIVER_CLOSED_REFUSED:
        return SESSION_END_GREETING;
    case DELIVER_CLOSED_INTERNAL:
        return SESSION_END_INTERNAL;
    case DELIVER_CLOSED_TIMEOUT:
        return session->is_ready ? SESSION_END_LOST : SESSION_END_SLOW;
    case DELIVER_CLOSED_INSECURE:
    case DELIVER_CLOSED_LOST:
    case DELIVER_CLOSED_PROTOCOL:
        break;
    }
    return SESSION_END_LOST;
}

/* Of a line that is parked nobody waits for the end. */
void session_tell_ended(const struct session *session, enum session_end how,
                        const struct verdict *verdict)
{
    const struct deliverer *deliverer = session->deliverer;
    struct buf bytes = { 0 };

    if (deliverer->keeper == NULL || session->is_orphan || session->number == 0)
        return;
    verdict_encode(&bytes, verdict);
    channel_send(deliverer->keeper, session_ended, .session = session->number, .how = how,
                 .parked = session->parks, .verdict = buf_str(&bytes));
    buf_fini(&bytes);
}

/* Tells the keeper, once; the memory goes at the turn's end. */
static void session_over(struct session *session, enum session_end how,
                         const struct verdict *verdict)
{
    if (session->is_over)
        return;
    session->is_over = true;
    session_tls_over(session, how, verdict_text(verdict));
    list_append(&session->deliverer->over, &session->over_link);
    session->parks = false;
    session_tell_ended(session, how, verdict);
}

static void on_closed_by_client(void *context, enum deliver_close how,
                                const struct verdict *verdict)
{
    struct session *session = context;

    if (how == DELIVER_CLOSED_INSECURE)
        session_tls_missing(session);
    session_over(session,
                 how == DELIVER_CLOSED_INSECURE ? session_end_insecure(session)
                                                : end_of(session, how),
                 verdict);
}

static void on_start_tls(void *context)
{
    session_secure(context);
}

static const struct deliver_host client_host = {
    .send = on_send,
    .ready = on_ready,
    .result = on_result,
    .want_content = on_want_content,
    .closed = on_closed_by_client,
    .start_tls = on_start_tls,
};

/* Gives the client octets it asked for, which may make it ask for more. */
void session_feed(struct session *session, struct item *item, struct str bytes)
{
    struct message_id id = item->id;
    uint64_t offset = item->want_offset;

    bytes = str_first(bytes, item->want_size);
    item->want_offset += bytes.len;
    item->want_size -= bytes.len;
    if (item->want_size > 0)
        list_append(&session->wants, &item->want_link);
    deliver_content(session->client, id, offset, bytes, deliverer_now(session->deliverer));
}

static void serve_want(struct session *session, struct item *item)
{
    struct deliverer *deliverer = session->deliverer;

    if (item->want_offset < item->content.len) {
        session_feed(session, item, str_skip(buf_str(&item->content), (size_t)item->want_offset));
    } else if (deliverer->keeper == NULL || session->is_orphan) {
        deliver_content_failed(session->client, item->id, deliverer_now(deliverer));
    } else {
        size_t size = item->want_size < PIECE_MAX ? item->want_size : PIECE_MAX;
        channel_send(deliverer->keeper, want_content, .session = session->number, .id = item->id,
                     .offset = item->want_offset, .octets = size);
    }
}

/* After each call into the client: feed what is here, ask for what is not. */
void session_serve(struct session *session)
{
    while (!session->is_over && !list_is_empty(&session->wants)) {
        struct item *item = container_of(list_first(&session->wants), struct item, want_link);
        list_remove(&item->want_link);
        serve_want(session, item);
    }
    session_park_when_idle(session);
    if (!session->is_over)
        heap_put(&session->deliverer->deadlines, &session->deadline,
                 deliver_deadline(session->client));
}

/* ---- the connection ---- */

static void on_input(void *context, struct str bytes)
{
    struct session *session = context;
    if (session->is_over || session->client == NULL)
        return;
    deliver_feed(session->client, bytes, deliverer_now(session->deliverer));
    session_serve(session);
}

static const struct deliver_settings *settings_of(const struct session *session)
{
    const struct deliverer *deliverer = session->deliverer;

    if (session->line != 0)
        return &deliverer->line_settings;
    if (session->is_callout)
        return &deliverer->callout_settings;
    return session->is_probe ? &session->probe_settings : &deliverer->settings;
}

/* It may have mail that wants TLS all the way. Where no TLSA record could be used, nothing was
 * proved. */
static void trust_if_proved(const struct session *session)
{
    if (session->is_secure && tls_peer_has_proved(stream_tls(session->stream)))
        deliver_trust(session->client);
}

static void begin(struct session *session, enum deliver_tls tls)
{
    struct deliverer *deliverer = session->deliverer;

    session->client =
        deliver_new(settings_of(session), &client_host, session, tls, deliverer_now(deliverer));
    if (session->xclient)
        deliver_use_origins(session->client);
    trust_if_proved(session);
    session_serve(session);
}

static void on_secured(void *context)
{
    struct session *session = context;

    if (session->is_over)
        return;
    session->is_secure = true;
    session_tls_open(session);
    if (session->client == NULL) {
        begin(session, DELIVER_TLS_ON);
        return;
    }
    trust_if_proved(session);
    deliver_secured(session->client, deliverer_now(session->deliverer));
    session_serve(session);
}

/* The handshake came to nothing: it is somebody else, or does not speak TLS as we do. */
static void tls_failed(struct session *session)
{
    const struct tls *tls = stream_tls(session->stream);
    bool is_stranger = tls_fault(tls) != TLS_FAULT_HANDSHAKE;
    struct verdict verdict =
        verdict_format(451, 7, is_stranger ? 8 : 10, "TLS: %.*s", STR_FMT(tls_why(tls)));

    session_tls_failed(session);
    session_over(session, is_stranger ? SESSION_END_STRANGER : SESSION_END_CONNECT, &verdict);
}

static void on_end(void *context, int error)
{
    struct session *session = context;
    if (session->is_over)
        return;
    if (error == -EPROTO && !session->is_secure) {
        tls_failed(session);
        return;
    }
    if (session->client == NULL) {
        session_connect_failed(session, error != 0 ? error : -ECONNRESET);
        return;
    }
    deliver_end(session->client, deliverer_now(session->deliverer));
    session_serve(session);
}

static bool on_drained(void *context)
{
    struct session *session = context;
    if (session->is_over || session->client == NULL)
        return false;
    deliver_drained(session->client, deliverer_now(session->deliverer));
    session_serve(session);
    return true; /* the keeper may have been asked for content */
}

static const struct stream_host stream_hooks = {
    .input = on_input, .end = on_end, .secured = on_secured, .drained = on_drained
};

void session_connect_failed(struct session *session, int error)
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
        session_connect_failed(session, error);
        return;
    }
    if (session_counts_tls(session))
        session->from = socket_own_address(session->fd);
    session->stream = stream_new(deliverer->process->loop, &deliverer->process->streams,
                                 session->fd, &stream_hooks, session);
    session->fd = -1;
    if (session_begins_secure(session)) /* until then the time to connect goes on */
        session_secure(session);
    else
        begin(session, session_tls(session));
}

struct session *session_new(struct deliverer *deliverer)
{
    struct session *session = memory_new(sizeof *session);

    session->deliverer = deliverer;
    session->fd = -1;
    list_init(&session->items);
    list_init(&session->wants);
    list_append(&deliverer->all, &session->link);
    return session;
}

void session_use_line(struct session *session, int fd)
{
    struct role_process *process = session->deliverer->process;

    session->stream = stream_new(process->loop, &process->streams, fd, &stream_hooks, session);
    stream_want_input(session->stream, false); /* its first words wait for who listens */
}

/* Its server was called by nobody but by who had logged in here, over TLS. */
void session_begin_line(struct session *session)
{
    stream_want_input(session->stream, true);
    begin(session, DELIVER_TLS_NO);
}

void session_connect(struct session *session, int64_t timeout_ms)
{
    int fd = socket_connect(session->endpoint);

    if (fd < 0) {
        session_connect_failed(session, fd);
        return;
    }
    if (session->is_probe) /* it may wait long, and for a host that has died meanwhile */
        socket_keep_alive(fd);
    session->fd = fd;
    session->connecting = watch_new(session->deliverer->process->loop, fd, on_connected, session);
    watch_set(session->connecting, WATCH_WRITE);
    heap_put(&session->deliverer->deadlines, &session->deadline,
             deliverer_now(session->deliverer).mono_ms + timeout_ms);
}

void session_free(struct session *session)
{
    list_each_safe (link, &session->items)
        item_free(container_of(link, struct item, link));
    if (session->client != NULL)
        deliver_free(session->client);
    watch_free(session->connecting);
    stream_free(session->stream);
    buf_fini(&session->host);
    buf_fini(&session->security);
    buf_fini(&session->name);
    if (session->fd >= 0)
        (void)close(session->fd);
    heap_remove(&session->deliverer->deadlines, &session->deadline);
    (void)map_remove(&session->deliverer->sessions, session_key(&session->number));
    list_remove(&session->over_link);
    list_remove(&session->link);
    memory_free(session);
}

void session_quit(struct session *session)
{
    struct verdict verdict = verdict_accept();

    if (session->client == NULL) {
        session_over(session, SESSION_END_QUIT, &verdict);
        return;
    }
    deliver_quit(session->client, deliverer_now(session->deliverer));
    session_serve(session);
}
