/* SPDX-License-Identifier: ISC */
/* networks.c: counts what comes from each client network.
 *
 * Sessions count as long as they last; connections and recipients within a minute, which begins
 * with the first of them. They are those of this receiver alone. What is too much is said where
 * there is an answer to be given: in connection.c, and of recipients in door.c.
 */
#include "base/memory.h"
#include "roles/receiver/receiver.h"

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

struct network *receiver_network_enter(struct receiver *receiver, struct endpoint client)
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

void receiver_network_leave(struct receiver *receiver, struct network *network)
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

void receiver_networks_turn(struct receiver *receiver, struct now now)
{
    if (now.mono_ms < receiver->sweep_ms) /* when somebody comes by, not by itself */
        return;
    receiver->sweep_ms = now.mono_ms + MINUTE_MS;
    sweep_networks(receiver, now);
}

void receiver_networks_fini(struct receiver *receiver)
{
    sweep_networks(receiver, (struct now){ .mono_ms = INT64_MAX / 2 });
    map_fini(&receiver->networks);
}
