/* SPDX-License-Identifier: ISC */
/* turns.c: what a client asks for himself (AUTH, ETRN), which the keeper answers; and
 * connections that the keeper waits for, as signs that a primary lives. */
#include "base/memory.h"
#include "roles/receiver/receiver.h"

/* ---- questions ---- */

static void give_up(struct connection *connection)
{
    connection->question_failed = true;
    receiver_touch(connection);
}

/* The session is told at the turn's end, for it must not be called from within its own call. */
struct channel *receiver_question_begin(struct connection *connection, uint64_t session_ticket,
                                        struct buf *out_client)
{
    struct receiver *receiver = connection->receiver;

    receiver_question_forget(connection); /* the one before was not waited for any longer */
    connection->session_question = session_ticket;
    connection->question = receiver_ticket(receiver);
    (void)map_put(&receiver->questions, receiver_ticket_key(&connection->question), connection);
    endpoint_encode(out_client, connection->client);
    if (receiver->keeper == NULL)
        give_up(connection);
    return receiver->keeper;
}

void receiver_ask_login(void *context, uint64_t session_ticket, struct str user, struct str secret,
                        struct str challenge)
{
    struct connection *connection = context;
    struct buf client = { 0 };
    struct channel *keeper = receiver_question_begin(connection, session_ticket, &client);

    if (keeper != NULL)
        channel_send(keeper, login_ask, .ticket = connection->question, .client = buf_str(&client),
                     .user = user, .secret = secret, .challenge = challenge);
    buf_fini(&client);
}

/* Of his certificate; nothing, if he has shown none. */
static void add_shown(const struct connection *connection, struct buf *out)
{
    const struct tls *tls = connection->stream != NULL ? stream_tls(connection->stream) : NULL;
    struct security_pin key;
    struct security_pin certificate;

    if (tls == NULL || !tls_peer_pins(tls, &key, &certificate))
        return;
    buf_add_bytes(out, key.digest, sizeof key.digest);
    buf_add_bytes(out, certificate.digest, sizeof certificate.digest);
}

void receiver_ask_certificate(void *context, uint64_t session_ticket, struct str domain)
{
    struct connection *connection = context;
    struct buf client = { 0 };
    struct buf shown = { 0 };
    struct channel *keeper = receiver_question_begin(connection, session_ticket, &client);

    add_shown(connection, &shown);
    if (keeper != NULL)
        channel_send(keeper, login_ask, .ticket = connection->question, .client = buf_str(&client),
                     .user = domain, .shown = buf_str(&shown));
    buf_fini(&client);
    buf_fini(&shown);
}

void receiver_ask_turn(void *context, uint64_t session_ticket, struct str user, struct str node)
{
    struct connection *connection = context;
    struct buf client = { 0 };
    struct buf shown = { 0 };
    struct channel *keeper = receiver_question_begin(connection, session_ticket, &client);

    add_shown(connection, &shown);
    if (keeper != NULL)
        channel_send(keeper, turn_ask, .ticket = connection->question, .client = buf_str(&client),
                     .user = user, .node = node, .shown = buf_str(&shown));
    buf_fini(&client);
    buf_fini(&shown);
}

void receiver_question_forget(struct connection *connection)
{
    if (connection->question == 0)
        return;
    (void)map_remove(&connection->receiver->questions, receiver_ticket_key(&connection->question));
    connection->question = 0;
    connection->question_failed = false;
}

bool receiver_take_question_answer(struct receiver *receiver, struct cursor payload)
{
    struct message_question_answer message;

    if (!message_get_question_answer(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    struct connection *connection =
        map_find(&receiver->questions, receiver_ticket_key(&message.ticket));
    if (!cursor_done(&cursor))
        return false;
    if (connection == NULL || connection->is_over)
        return true;
    if (verdict.fate != FATE_ACCEPT)
        receiver_line_drop(connection); /* if that is what it was about */
    receiver_question_forget(connection);
    receive_question_answer(connection->session, connection->session_question, &verdict,
                            message.user, loop_now(receiver->process->loop));
    receiver_touch(connection);
    return true;
}

void receiver_questions_lost(struct receiver *receiver)
{
    struct connection *connection;
    size_t cursor = 0;

    while ((connection = map_next(&receiver->questions, &cursor, NULL)) != NULL)
        give_up(connection);
}

void receiver_turns_turn(struct connection *connection)
{
    if (!connection->question_failed)
        return;
    receiver_question_forget(connection);
    receiver_line_drop(connection);
    receive_question_unanswered(connection->session, connection->session_question,
                                loop_now(connection->receiver->process->loop));
}

bool receiver_take_logins_void(struct receiver *receiver, struct cursor payload)
{
    struct message_logins_void message;

    if (!message_get_logins_void(payload, &message))
        return false;
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        if (connection->is_over || !str_equals(receive_user(connection->session), message.domain))
            continue;
        receive_log_out(connection->session, loop_now(receiver->process->loop));
        receiver_touch(connection);
    }
    return true;
}

/* ---- signs of life ---- */

bool receiver_take_awaited(struct receiver *receiver, struct cursor payload)
{
    struct message_awaited message;
    uint32_t count = 0;

    if (!message_get_awaited(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.networks);
    memory_free(receiver->awaited);
    receiver->awaited =
        memory_new((message.networks.len / NETWORK_CODE_SIZE + 1) * sizeof *receiver->awaited);
    while (cursor_ok(&cursor) && cursor.left.len >= NETWORK_CODE_SIZE)
        receiver->awaited[count++] = network_decode(&cursor);
    receiver->awaited_count = cursor_done(&cursor) ? count : 0;
    return cursor_done(&cursor);
}

void receiver_look_for_life(const struct receiver *receiver, struct endpoint client)
{
    struct buf bytes = { 0 };
    bool is_awaited = false;

    for (uint32_t i = 0; i < receiver->awaited_count && !is_awaited; i++)
        is_awaited = network_has(receiver->awaited[i], client);
    if (!is_awaited || receiver->keeper == NULL)
        return;
    endpoint_encode(&bytes, client);
    channel_send(receiver->keeper, sign_of_life, .client = buf_str(&bytes));
    buf_fini(&bytes);
}
