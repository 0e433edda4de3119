/* SPDX-License-Identifier: ISC */
/* receiver.c: takes connections in and joins each to its SMTP session.
 *
 * Limits: sessions of all receivers together, and per client network with each of
 * them (the kernel deals a client's connections out unevenly); above them a client
 * gets 421 and is let go. Every session has a deadline at every moment, kept in a heap.
 */
#include "roles/receiver/receiver.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/socket.h"
#include "roles/certificates.h"

enum {
    ACCEPTS_PER_TURN_MAX = 64,      /* the sessions that are there come first */
    ACCEPT_AGAIN_MS = 100,          /* after descriptors ran out */
    NEIGHBOUR_MS = 2 * SECOND_MS,   /* how long a client waits for a receiver that does not run */
    OUTPUT_PENDING_MAX = 64 * 1024, /* replies to a peer who does not read them */
};

uint64_t receiver_ticket(struct receiver *receiver)
{
    return ++receiver->last_ticket;
}

struct str receiver_ticket_key(const uint64_t *ticket)
{
    return str_of(ticket, sizeof *ticket);
}

void receiver_touch(struct connection *connection)
{
    if (!link_is_listed(&connection->touched))
        list_append(&connection->receiver->touched, &connection->touched);
}

void receiver_bury_channel(struct receiver *receiver, struct channel *channel)
{
    check(receiver->dead_count < sizeof receiver->dead_channel / sizeof receiver->dead_channel[0]);
    receiver->dead_channel[receiver->dead_count++] = channel;
}

/* ---- one client ---- */

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

static struct str network_key(const struct endpoint *network, struct buf *room)
{
    buf_reset(room);
    endpoint_encode(room, *network);
    return buf_str(room);
}

static void begin_minute(const struct receiver *receiver, struct network *network)
{
    int64_t now_ms = loop_now(receiver->process->loop).mono_ms;

    if (network->minute_ms != 0 && now_ms - network->minute_ms < MINUTE_MS)
        return;
    network->minute_ms = now_ms;
    network->connections = 0;
    network->recipients = 0;
}

static struct network *enter_network(struct receiver *receiver, struct endpoint client)
{
    struct endpoint endpoint = endpoint_network(client);
    struct buf room = { 0 };
    struct str key = network_key(&endpoint, &room);
    struct network *network = map_find(&receiver->networks, key);

    if (network == NULL) {
        network = memory_new(sizeof *network);
        network->endpoint = endpoint;
        (void)map_put(&receiver->networks, key, network);
    }
    buf_fini(&room);
    network->sessions++;
    begin_minute(receiver, network);
    network->connections++;
    return network;
}

static void forget_network(struct receiver *receiver, struct network *network)
{
    struct buf room = { 0 };

    (void)map_remove(&receiver->networks, network_key(&network->endpoint, &room));
    buf_fini(&room);
    memory_free(network);
}

static bool has_limits_per_minute(const struct receiver *receiver)
{
    const struct config *config = receiver->process->config;
    return config->smtp_connections_per_minute > 0 || config->smtp_recipients_per_minute > 0;
}

static void leave_network(struct receiver *receiver, struct network *network)
{
    if (--network->sessions == 0 && !has_limits_per_minute(receiver))
        forget_network(receiver, network);
}

/* Those without a session and with nothing counted this minute. */
static void sweep_networks(struct receiver *receiver, struct now now)
{
    struct network **idle = memory_new((receiver->networks.count + 1) * sizeof(struct network *));
    struct network *network;
    size_t count = 0;
    size_t cursor = 0;

    while ((network = map_next(&receiver->networks, &cursor, NULL)) != NULL)
        if (network->sessions == 0 && now.mono_ms - network->minute_ms >= MINUTE_MS)
            idle[count++] = network;
    while (count > 0)
        forget_network(receiver, idle[--count]);
    memory_free(idle);
}

void receiver_count_recipient(struct connection *connection)
{
    begin_minute(connection->receiver, connection->network);
    connection->network->recipients++;
}

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

static void connection_open(struct receiver *receiver, const struct listener *listener, int fd,
                            struct endpoint client)
{
    if (listener->is_secure && receiver->tls == NULL) {
        (void)close(fd);
        return;
    }
    struct connection *connection = memory_new(sizeof *connection);
    connection->receiver = receiver;
    connection->client = client;
    connection->network = enter_network(receiver, client);
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
    leave_network(receiver, connection->network);
    count_sessions(receiver, -1);
    memory_free(connection);
}

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

/* ---- accepting ---- */

static void watch_listeners(struct receiver *receiver, bool on)
{
    for (unsigned i = 0; i < receiver->own_count; i++)
        watch_set(receiver->own[i].watch, on ? WATCH_READ : 0);
}

static void accept_later(struct receiver *receiver, int error)
{
    log_error("accept_failed", LOG_TEXT("error", strerror(-error)));
    receiver->accept_again_ms = loop_now(receiver->process->loop).mono_ms + ACCEPT_AGAIN_MS;
    watch_listeners(receiver, false);
}

static void accept_some(struct receiver *receiver, const struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
        struct endpoint client;
        int fd = socket_accept(listener->fd, &client);
        if (fd >= 0)
            connection_open(receiver, listener, fd, client);
        else if (fd == -EAGAIN)
            return;
        else if (fd != -ECONNABORTED && fd != -EINTR) { /* those: the client was gone already */
            accept_later(receiver, fd);
            return;
        }
    }
}

static void on_listener(void *context, unsigned what)
{
    struct receiver *receiver = context;
    (void)what;
    for (unsigned i = 0; i < receiver->own_count; i++)
        accept_some(receiver, &receiver->own[i]);
}

/* ---- the role ---- */

void receiver_configure_sessions(struct receiver *receiver)
{
    const struct config *config = receiver->process->config;
    uint64_t ours = (uint64_t)config->smtp_message_size;
    uint64_t theirs = receiver->size_max;

    receiver->settings = (struct receive_settings){
        .hostname = config->hostname,
        .postmaster = config->postmaster,
        .message_size_max = theirs > 0 && theirs < ours ? theirs : ours,
        .header_size_max = (size_t)config->smtp_header_size,
        .recipients_max = config->smtp_recipients,
        .errors_max = config->smtp_errors,
        .command_timeout_ms = config->smtp_command_timeout,
        .data_timeout_ms = config->smtp_data_timeout,
        .session_timeout_ms = config->smtp_session_timeout,
        .data_rate_min = (uint64_t)config->smtp_data_rate_min,
        .bare_newline_reject = config->smtp_bare_newline_reject,
        .chunking = config->smtp_chunking,
        .binarymime = config->smtp_binarymime,
        .has_tls = receiver->tls != NULL,
        .has_logins = receiver->has_logins,
        .has_cram = receiver->has_cram,
        .has_external = receiver->has_client_pins,
        .greet_delay_ms = config->smtp_greet_delay,
        .tarpit_ms = config->smtp_tarpit,
    };
    receiver->turn_settings = receiver->settings;
    receiver->turn_settings.is_for_turns = true;
}

static void *create(struct role_process *process)
{
    struct receiver *receiver = memory_new(sizeof *receiver);
    receiver->process = process;
    receiver->has_logins = true; /* until the keeper has said */
    receiver->refusal = verdict_accept();
    list_init(&receiver->connections);
    list_init(&receiver->touched);
    map_init(&receiver->asks);
    map_init(&receiver->questions);
    map_init(&receiver->lines);
    map_init(&receiver->contents);
    map_init(&receiver->lookups);
    map_init(&receiver->networks);
    map_init(&receiver->answers);
    map_init(&receiver->policies);
    map_init(&receiver->policy_asks);
    map_init(&receiver->dns_known);
    map_init(&receiver->filter_asks);
    list_init(&receiver->filter_queue);
    receiver_configure_sessions(receiver);
    return receiver;
}

static void free_dead_channels(struct receiver *receiver)
{
    while (receiver->dead_count > 0)
        channel_free(receiver->dead_channel[--receiver->dead_count]);
}

static void destroy(void *state)
{
    struct receiver *receiver = state;

    list_each_safe (link, &receiver->connections)
        connection_free(container_of(link, struct connection, link));
    for (unsigned i = 0; i < receiver->own_count; i++) {
        watch_free(receiver->own[i].watch);
        (void)close(receiver->own[i].fd);
    }
    for (unsigned i = 0; i < receiver->neighbour_count; i++)
        (void)close(receiver->neighbour[i].fd);
    tls_server_free(receiver->tls);
    free_dead_channels(receiver);
    channel_free(receiver->keeper);
    channel_free(receiver->resolver);
    map_fini(&receiver->asks);
    map_fini(&receiver->questions);
    map_fini(&receiver->lines);
    memory_free(receiver->awaited);
    map_fini(&receiver->contents);
    map_fini(&receiver->lookups);
    sweep_networks(receiver, (struct now){ .mono_ms = INT64_MAX / 2 });
    map_fini(&receiver->networks);
    receiver_answers_forget(receiver);
    map_fini(&receiver->answers);
    receiver_policies_fini(receiver);
    map_fini(&receiver->policy_asks);
    map_fini(&receiver->filter_asks);
    heap_fini(&receiver->filter_deadlines);
    receiver_dns_fini(receiver);
    board_close(receiver->board);
    own_key_fini(&receiver->sign);
    heap_fini(&receiver->deadlines);
    heap_fini(&receiver->check_deadlines);
    heap_fini(&receiver->door_deadlines);
    memory_free(receiver);
}

static void take_listener(void *state, unsigned kind, int fd)
{
    struct receiver *receiver = state;
    struct listener listener = { .fd = fd,
                                 .is_secure = (kind & LISTENER_SECURE) != 0,
                                 .is_for_turns = (kind & LISTENER_KIND) == LISTENER_ATRN };

    check((kind & LISTENER_KIND) == LISTENER_SMTP || listener.is_for_turns);
    if ((kind & LISTENER_NEIGHBOUR) != 0) {
        check(receiver->neighbour_count < RECEIVER_LISTENERS_MAX);
        receiver->neighbour[receiver->neighbour_count++] = listener;
        return;
    }
    check(receiver->own_count < RECEIVER_LISTENERS_MAX);
    listener.watch = watch_new(receiver->process->loop, fd, on_listener, receiver);
    receiver->own[receiver->own_count++] = listener;
}

/* ---- certificates ---- */

static bool take_certificates(void *state, struct cursor payload)
{
    struct receiver *receiver = state;

    if (!certificates_take(payload, &receiver->tls))
        return false;
    receiver->settings.has_tls = receiver->turn_settings.has_tls = receiver->tls != NULL;
    return true;
}

static void take_board(void *state, int fd)
{
    struct receiver *receiver = state;
    check(board_open(fd, receiver->process->index - 1, &receiver->board) == 0);
    (void)close(fd);
}

/* A role may die more than once before we are given the time to notice; nobody's message is being
 * taken here, so what was buried can go. */
static void take_peer(void *state, enum role role, unsigned index, int fd)
{
    struct receiver *receiver = state;

    free_dead_channels(receiver);
    if (role == ROLE_KEEPER)
        receiver_keeper_came(receiver, index, fd);
    else
        receiver_resolver_came(receiver, index, fd);
}

static int prepare(void *state)
{
    struct receiver *receiver = state;

    role_want_descriptors();
    own_key_read(&receiver->sign, receiver->process->config);
    return 0;
}

static int start(void *state)
{
    const struct receiver *receiver = state;

    if (receiver->board == NULL)
        return -EPROTO; /* the supervisor hands it over before `run` */
    watch_listeners(state, true);
    return 0;
}

static void take_filter(void *state, uint64_t ticket, int error, int fd)
{
    receiver_filter_came(state, ticket, error, fd);
}

static void take_line(void *state, uint64_t number, int error, int fd)
{
    receiver_line_came(state, number, error, fd);
}

/* The sessions keep pointing at the settings, whose hostname lives in the new configuration. */
static void reload(void *state)
{
    receiver_configure_sessions(state);
}

static void stop(void *state)
{
    struct receiver *receiver = state;
    struct now now = loop_now(receiver->process->loop);

    watch_listeners(receiver, false);
    receiver->accept_again_ms = 0;
    receiver->neighbour_ms = NEVER_MS;
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        if (!connection->is_over)
            receive_shutdown(connection->session, now);
        receiver_line_stop(connection);
        receiver_touch(connection);
    }
}

static void tick(struct receiver *receiver, struct now now)
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
    receiver_checks_expire(receiver, now);
    receiver_door_expire(receiver, now);
    receiver_filters_expire(receiver, now);
    if (now.mono_ms >= receiver->sweep_ms) { /* when somebody comes by, not by itself */
        receiver->sweep_ms = now.mono_ms + MINUTE_MS;
        sweep_networks(receiver, now);
    }
    if (receiver->accept_again_ms != 0 && now.mono_ms >= receiver->accept_again_ms) {
        receiver->accept_again_ms = 0;
        watch_listeners(receiver, true);
    }
    if (now.mono_ms >= receiver->neighbour_ms) {
        receiver->neighbour_ms = now.mono_ms + NEIGHBOUR_MS;
        for (unsigned i = 0; i < receiver->neighbour_count; i++)
            accept_some(receiver, &receiver->neighbour[i]);
    }
}

static void flush_channel(struct channel *channel)
{
    if (channel != NULL)
        channel_flush(channel);
}

static int64_t first_deadline(const struct heap *heap)
{
    const struct heap_node *first = heap_first(heap);
    return first != NULL ? first->key : NEVER_MS;
}

static int64_t next_deadline(const struct receiver *receiver)
{
    enum { HEAPS = 4 };
    const struct heap *const heaps[HEAPS] = { &receiver->deadlines, &receiver->check_deadlines,
                                              &receiver->door_deadlines,
                                              &receiver->filter_deadlines };
    int64_t deadline = NEVER_MS;

    for (int i = 0; i < HEAPS; i++)
        if (first_deadline(heaps[i]) < deadline)
            deadline = first_deadline(heaps[i]);
    return deadline;
}

static int64_t turn(void *state, struct now now)
{
    struct receiver *receiver = state;

    tick(receiver, now);
    while (!list_is_empty(&receiver->touched)) {
        struct link *link = list_first(&receiver->touched);
        list_remove(link);
        look_after(container_of(link, struct connection, touched), now);
    }
    flush_channel(receiver->keeper);
    role_has_keeper(receiver->process, receiver->keeper != NULL);
    flush_channel(receiver->resolver);
    free_dead_channels(receiver);
    if (receiver->process->is_stopping && list_is_empty(&receiver->connections))
        role_finished(receiver->process);
    int64_t deadline = next_deadline(receiver);
    if (receiver->accept_again_ms != 0 && receiver->accept_again_ms < deadline)
        deadline = receiver->accept_again_ms;
    if (receiver->neighbour_count > 0 && receiver->neighbour_ms < deadline)
        deadline = receiver->neighbour_ms;
    return deadline;
}

const struct role_hooks receiver_hooks = {
    .create = create,
    .destroy = destroy,
    .listener = take_listener,
    .board = take_board,
    .peer = take_peer,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .filter = take_filter,
    .line = take_line,
    .certificates = take_certificates,
    .turn = turn,
};
