/* SPDX-License-Identifier: ISC */
/* connection.c: joins a client's stream to its SMTP session.
 *
 *     open ─▶ the session speaks ─▶ over: its last words may still go out ─▶ closed, and freed
 *                     └─▶ turned round: octets pass through (lines.c) ─────────▲
 *
 * 1. Limits: sessions of all receivers together, and per client network with each of them (the
 *    kernel deals a client's connections out unevenly); above them a client gets 421 and is let go.
 * 2. Every session has a deadline at every moment, kept in a heap.
 * 3. A stream cannot go while it calls us, and calls into a session never nest: whatever happens
 *    touches the connection, and at the turn's end it is looked after.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "roles/receiver/receiver.h"

enum { OUTPUT_PENDING_MAX = 64 * 1024 }; /* replies to a peer who does not read them */

void receiver_touch(struct connection *connection)
{
    if (!link_is_listed(&connection->touched))
        list_append(&connection->receiver->touched, &connection->touched);
}

/* ---- its stream ---- */

static void on_input(void *context, struct str bytes)
{
    struct connection *connection = context;
    if (connection->is_over)
        return;
    if (connection->line.is_up) {
        receiver_line_input(connection, bytes);
        receiver_touch(connection);
        return;
    }
    receive_feed(connection->session, bytes, loop_now(connection->receiver->process->loop));
    receiver_touch(connection);
}

static void log_tls_failure(const struct connection *connection)
{
    struct buf client = { 0 };

    endpoint_add_ip(&client, connection->client);
    log_info("tls_failed", LOG_STR("client", buf_str(&client)),
             LOG_STR("why", tls_why(stream_tls(connection->stream))));
    buf_fini(&client);
}

static void on_end(void *context, int error)
{
    struct connection *connection = context;
    if (error == -EPROTO)
        log_tls_failure(connection);
    if (connection->line.is_up && !connection->is_over)
        receiver_line_end(connection, error);
    else if (error != 0)
        connection->is_over = connection->is_closed = true;
    else
        connection->has_ended = true;
    receiver_touch(connection);
}

static void on_secured(void *context)
{
    struct connection *connection = context;
    struct tls_facts facts = tls_facts(stream_tls(connection->stream));
    struct security_pin key;
    struct security_pin certificate;
    bool has_certificate = tls_peer_pins(stream_tls(connection->stream), &key, &certificate);
    struct buf how = { 0 };

    if (connection->is_over)
        return;
    buf_add_format(&how, "%.*s with cipher %.*s (%u bits)", STR_FMT(facts.version),
                   STR_FMT(facts.cipher), facts.bits);
    receive_secured(connection->session, buf_str(&how), has_certificate,
                    loop_now(connection->receiver->process->loop));
    buf_fini(&how);
    receiver_touch(connection);
}

static bool on_drained(void *context)
{
    struct connection *connection = context;
    bool is_waited_for = connection->waits_for_room || connection->line.is_up;
    if (is_waited_for)
        receiver_touch(connection);
    return is_waited_for;
}

static void on_closed(void *context)
{
    struct connection *connection = context;
    connection->stream = NULL;
    connection->is_closed = true;
    receiver_touch(connection);
}

static const struct stream_host stream_hooks = { .input = on_input,
                                                 .end = on_end,
                                                 .secured = on_secured,
                                                 .drained = on_drained,
                                                 .closed = on_closed };

/* ---- beginning and end ---- */

/* Has the client spoken before it was greeted? Then it does not speak SMTP (RFC 5321 4.3.1). */
static bool has_spoken(int fd)
{
    char byte;
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Both ways, so that the others know. */
static void count_sessions(struct receiver *receiver, int change)
{
    receiver->session_count = (uint32_t)((int)receiver->session_count + change);
    board_set(receiver->board, receiver->session_count);
}

static struct verdict welcome(const struct receiver *receiver, const struct network *network,
                              const struct listener *listener, int fd)
{
    const struct config *config = receiver->process->config;

    if (receiver->process->is_stopping)
        return verdict_make(421, 3, 2, STR("Going down, please come back later"));
    if (board_sum(receiver->board) > config->smtp_sessions)
        return verdict_make(421, 4, 5, STR("Too many sessions here, please come back later"));
    if (network->sessions > config->smtp_sessions_per_client)
        return verdict_make(421, 7, 0, STR("Too many sessions from your network"));
    if (config->smtp_connections_per_minute > 0 &&
        network->connections > config->smtp_connections_per_minute)
        return verdict_make(421, 7, 0,
                            STR("Too many connections from your network within a minute"));
    if (!listener->is_secure && has_spoken(fd))
        return verdict_make(554, 5, 0, STR("Wait for the greeting before you speak"));
    return verdict_accept();
}

static void log_connection(const char *event, const struct connection *connection)
{
    struct buf client = { 0 };
    endpoint_add_text(&client, connection->client);
    log_debug(event, LOG_STR("client", buf_str(&client)));
    buf_fini(&client);
}

void receiver_connection_open(struct receiver *receiver, const struct listener *listener, int fd,
                              struct endpoint client)
{
    if (listener->is_secure && receiver->tls == NULL) {
        (void)close(fd);
        return;
    }
    struct connection *connection = memory_new(sizeof *connection);
    connection->receiver = receiver;
    connection->client = client;
    connection->network = receiver_network_enter(receiver, client);
    count_sessions(receiver, 1);
    list_init(&connection->asks);
    list_append(&receiver->connections, &connection->link);
    connection->stream = stream_new(receiver->process->loop, &receiver->process->streams, fd,
                                    &stream_hooks, connection);
    if (listener->is_secure)
        stream_secure(connection->stream, tls_accept(receiver->tls, receiver->has_client_pins));
    struct verdict refusal = welcome(receiver, connection->network, listener, fd);
    struct now now = loop_now(receiver->process->loop);
    connection->session = receive_new(
        listener->is_for_turns ? &receiver->turn_settings : &receiver->settings,
        &receiver_session_host, connection, client, &receiver->process->random, now, &refusal);
    if (receiver->refusal.fate != FATE_ACCEPT && !connection->is_over)
        receive_set_refusal(connection->session, &receiver->refusal, now);
    log_connection("connected", connection);
    receiver_look_for_life(receiver, client);
    if (!connection->is_over)
        receiver_name_ask(connection);
    receiver_touch(connection);
}

static void connection_free(struct connection *connection)
{
    struct receiver *receiver = connection->receiver;

    log_connection("disconnected", connection);
    receive_free(connection->session); /* may abort content: the tickets are still known */
    receiver_forget_tickets(connection);
    receiver_name_forget(connection);
    stream_free(connection->stream);
    heap_remove(&receiver->deadlines, &connection->deadline);
    list_remove(&connection->touched);
    list_remove(&connection->link);
    receiver_network_leave(receiver, connection->network);
    count_sessions(receiver, -1);
    memory_free(connection);
}

/* ---- turns ---- */

/* At the turn's end: what could not be told inside the session's own calls, then its wishes. */
static void look_after(struct connection *connection, struct now now)
{
    if (!connection->is_over)
        receiver_tell_session(connection, now);
    if (connection->has_ended && !connection->is_over) {
        connection->has_ended = false;
        receive_end(connection->session, now);
    }
    if (connection->is_closed) {
        connection_free(connection);
        return;
    }
    if (connection->is_over)
        return; /* its deadline stands already */
    if (connection->line.is_up) {
        receiver_line_balance(connection);
        heap_remove(&connection->receiver->deadlines, &connection->deadline);
        return;
    }
    connection->waits_for_room = stream_pending(connection->stream) >= OUTPUT_PENDING_MAX;
    stream_want_input(connection->stream,
                      receive_wants_input(connection->session) && !connection->waits_for_room);
    heap_put(&connection->receiver->deadlines, &connection->deadline,
             receive_deadline(connection->session));
}

void receiver_connections_turn(struct receiver *receiver, struct now now)
{
    while (!list_is_empty(&receiver->touched)) {
        struct link *link = list_first(&receiver->touched);
        list_remove(link);
        look_after(container_of(link, struct connection, touched), now);
    }
}

void receiver_connections_expire(struct receiver *receiver, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&receiver->deadlines, now.mono_ms)) != NULL) {
        struct connection *connection = container_of(node, struct connection, deadline);
        if (connection->is_over)
            connection->is_closed = true; /* it has not read our last words in time */
        else
            receive_tick(connection->session, now);
        receiver_touch(connection);
    }
}

void receiver_connections_stop(struct receiver *receiver)
{
    struct now now = loop_now(receiver->process->loop);

    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        if (!connection->is_over)
            receive_shutdown(connection->session, now);
        receiver_line_stop(connection);
        receiver_touch(connection);
    }
}

void receiver_connections_fini(struct receiver *receiver)
{
    list_each_safe (link, &receiver->connections)
        connection_free(container_of(link, struct connection, link));
    heap_fini(&receiver->deadlines);
}
