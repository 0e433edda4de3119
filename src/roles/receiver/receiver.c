/* SPDX-License-Identifier: ISC */
/* receiver.c: the role: what it is handed, the settings of its sessions, and its turns.
 *
 * Clients come in through listeners.c, and each is a connection (connection.c). A turn is the same
 * for all of them: what is due has its say, then every connection that something has happened to is
 * looked after, and then what is for other roles leaves, all together.
 */
#include "roles/receiver/receiver.h"

#include <errno.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "roles/certificates.h"

uint64_t receiver_ticket(struct receiver *receiver)
{
    return ++receiver->last_ticket;
}

struct str receiver_ticket_key(const uint64_t *ticket)
{
    return str_of(ticket, sizeof *ticket);
}

void receiver_bury_channel(struct receiver *receiver, struct channel *channel)
{
    check(receiver->dead_count < sizeof receiver->dead_channel / sizeof receiver->dead_channel[0]);
    receiver->dead_channel[receiver->dead_count++] = channel;
}

/* ---- settings ---- */

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

/* ---- beginning and end ---- */

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

    receiver_connections_fini(receiver);
    receiver_listeners_fini(receiver);
    receiver_networks_fini(receiver);
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
    receiver_answers_forget(receiver);
    map_fini(&receiver->answers);
    receiver_policies_fini(receiver);
    map_fini(&receiver->policy_asks);
    map_fini(&receiver->filter_asks);
    heap_fini(&receiver->filter_deadlines);
    receiver_dns_fini(receiver);
    board_close(receiver->board);
    own_key_fini(&receiver->sign);
    heap_fini(&receiver->check_deadlines);
    heap_fini(&receiver->door_deadlines);
    memory_free(receiver);
}

/* ---- what it is handed ---- */

static void take_listener(void *state, unsigned kind, int fd)
{
    receiver_listener_take(state, kind, fd);
}

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

static void take_filter(void *state, uint64_t ticket, int error, int fd)
{
    receiver_filter_came(state, ticket, error, fd);
}

static void take_line(void *state, uint64_t number, int error, int fd)
{
    receiver_line_came(state, number, error, fd);
}

/* ---- its life ---- */

static int prepare(void *state)
{
    struct receiver *receiver = state;

    role_want_descriptors();
    own_key_read(&receiver->sign, receiver->process->config);
    return 0;
}

static int start(void *state)
{
    struct receiver *receiver = state;

    if (receiver->board == NULL)
        return -EPROTO; /* the supervisor hands it over before `run` */
    receiver_listeners_start(receiver);
    return 0;
}

/* The sessions keep pointing at the settings, whose hostname lives in the new configuration. */
static void reload(void *state)
{
    receiver_configure_sessions(state);
}

static void stop(void *state)
{
    receiver_listeners_stop(state);
    receiver_connections_stop(state);
}

/* ---- turns ---- */

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
    const int64_t deadlines[] = {
        first_deadline(&receiver->deadlines),      first_deadline(&receiver->check_deadlines),
        first_deadline(&receiver->door_deadlines), first_deadline(&receiver->filter_deadlines),
        receiver_listeners_deadline(receiver),
    };
    int64_t first = NEVER_MS;

    for (size_t i = 0; i < sizeof deadlines / sizeof *deadlines; i++)
        if (deadlines[i] < first)
            first = deadlines[i];
    return first;
}

static int64_t turn(void *state, struct now now)
{
    struct receiver *receiver = state;

    receiver_connections_expire(receiver, now);
    receiver_checks_expire(receiver, now);
    receiver_door_expire(receiver, now);
    receiver_filters_expire(receiver, now);
    receiver_networks_turn(receiver, now);
    receiver_listeners_turn(receiver, now);
    receiver_connections_turn(receiver, now);
    flush_channel(receiver->keeper);
    role_has_keeper(receiver->process, receiver->keeper != NULL);
    flush_channel(receiver->resolver);
    free_dead_channels(receiver);
    if (receiver->process->is_stopping && list_is_empty(&receiver->connections))
        role_finished(receiver->process);
    return next_deadline(receiver);
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
