/* SPDX-License-Identifier: ISC */
/* receiver_names.c: asks the resolver for the clients' reverse names.
 *
 * The session goes on without the name if it does not come in time; see
 * verify/client_name.h for when a name is believed. What was found is known for a minute, so that a
 * client who comes for each message anew wakes the resolver once.
 */
#include "base/memory.h"
#include "base/log.h"
#include "roles/receiver.h"
#include "verify/client_name.h"

static void tell(struct connection *connection, struct str name)
{
    receive_client_name(connection->session, name, loop_now(connection->receiver->process->loop));
    receiver_touch(connection);
}

/* ---- known ones ---- */

enum {
    NAMES_MAX = 4096, /* one more, and it begins anew */
    NAME_KNOWN_MS = MINUTE_MS,
    NONE_KNOWN_MS = 10 * SECOND_MS, /* perhaps the DNS did not answer */
};

struct known_name {
    int64_t until_ms;
    struct buf name;
};

static struct str key_of(const struct connection *connection, struct buf *room)
{
    struct endpoint address = connection->client;

    address.port = 0;
    endpoint_encode(room, address);
    return buf_str(room);
}

static void known_free(struct known_name *known)
{
    if (known != NULL)
        buf_fini(&known->name);
    memory_free(known);
}

void receiver_names_forget(struct receiver *receiver)
{
    struct known_name *known;
    size_t cursor = 0;

    while ((known = map_next(&receiver->names, &cursor, NULL)) != NULL)
        known_free(known);
    map_fini(&receiver->names);
    map_init(&receiver->names);
}

static void keep(struct connection *connection, struct str name)
{
    struct receiver *receiver = connection->receiver;
    struct known_name *known = memory_new(sizeof *known);
    struct buf room = { 0 };

    known->until_ms =
        loop_now(receiver->process->loop).mono_ms + (name.len > 0 ? NAME_KNOWN_MS : NONE_KNOWN_MS);
    buf_add(&known->name, name);
    if (receiver->names.count >= NAMES_MAX)
        receiver_names_forget(receiver);
    known_free(map_put(&receiver->names, key_of(connection, &room), known));
    buf_fini(&room);
}

static bool tell_known(struct connection *connection)
{
    struct receiver *receiver = connection->receiver;
    struct buf room = { 0 };
    const struct known_name *known = map_find(&receiver->names, key_of(connection, &room));

    buf_fini(&room);
    if (known == NULL || known->until_ms <= loop_now(receiver->process->loop).mono_ms)
        return false;
    tell(connection, buf_str(&known->name));
    return true;
}

/* ---- asking ---- */

static void ask(struct connection *connection)
{
    struct receiver *receiver = connection->receiver;

    connection->lookup_ticket = receiver_ticket(receiver);
    (void)map_put(&receiver->lookups, receiver_ticket_key(&connection->lookup_ticket), connection);
    channel_send(receiver->resolver, dns_ask, .ticket = connection->lookup_ticket,
                 .name = connection->name_question.name, .type = connection->name_question.type);
}

static void go_on(struct connection *connection)
{
    struct str name;

    if (client_name_decide(connection->client, &connection->names, &connection->name_room, &name,
                           &connection->name_question)) {
        keep(connection, name);
        tell(connection, name);
    } else if (connection->receiver->resolver == NULL) {
        tell(connection, STR_NONE);
    } else {
        ask(connection);
    }
}

void receiver_name_ask(struct connection *connection)
{
    if (!tell_known(connection))
        go_on(connection);
}

void receiver_name_forget(struct connection *connection)
{
    if (connection->lookup_ticket != 0)
        (void)map_remove(&connection->receiver->lookups,
                         receiver_ticket_key(&connection->lookup_ticket));
    connection->lookup_ticket = 0;
    dns_answers_fini(&connection->names);
    buf_fini(&connection->name_room);
}

static bool take_answer(struct receiver *receiver, struct cursor payload)
{
    struct message_dns_answer message;
    struct dns_answer answer;
    struct arena arena = { 0 };

    if (!message_get_dns_answer(payload, &message))
        return false;
    struct connection *connection =
        map_remove(&receiver->lookups, receiver_ticket_key(&message.ticket));
    struct cursor cursor = cursor_over(message.answer);
    bool decoded = dns_answer_decode(&cursor, &arena, &answer);
    if (decoded && connection != NULL) {
        connection->lookup_ticket = 0;
        dns_answers_add(&connection->names, connection->name_question, &answer);
        if (!connection->is_over)
            go_on(connection);
    }
    arena_fini(&arena);
    return decoded;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    (void)channel;
    return type == MESSAGE_dns_answer && take_answer(context, payload);
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct receiver *receiver = context;

    log_warn("resolver_lost", LOG_TEXT("why", why));
    receiver->resolver = NULL;
    receiver_bury_channel(receiver, channel);
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        if (connection->lookup_ticket == 0)
            continue;
        (void)map_remove(&receiver->lookups, receiver_ticket_key(&connection->lookup_ticket));
        connection->lookup_ticket = 0;
        if (!connection->is_over)
            tell(connection, STR_NONE);
    }
}

static const struct channel_host resolver_hooks_here = { .message = on_message,
                                                         .broken = on_broken };

void receiver_resolver_came(struct receiver *receiver, unsigned index, int fd)
{
    if (receiver->resolver != NULL)
        channel_cut(receiver->resolver, "a new one came");
    receiver->resolver =
        channel_new(ROLE_RECEIVER, ROLE_RESOLVER, index, &resolver_hooks_here, receiver);
    channel_attach(receiver->resolver, receiver->process->loop, fd);
}
