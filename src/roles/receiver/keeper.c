/* SPDX-License-Identifier: ISC */
/* keeper.c: what the receiver says to the keeper, and hears from it. */
#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/receiver/receiver.h"

enum {
    CONTENT_PIECE_MAX = 64 * 1024,
    LAST_WORDS_MS = 30 * SECOND_MS, /* for a peer that does not read */
};

static struct verdict lost_verdict(void)
{
    return verdict_make(451, 3, 0, STR("Interrupted before it was stored, please send it again"));
}

/* ---- what the session asks for ---- */

static void on_send(void *context, struct str bytes)
{
    struct connection *connection = context;
    stream_output(connection->stream, bytes);
}

static void send_ask(const struct ask *ask)
{
    struct channel *keeper = ask->connection->receiver->keeper;
    struct buf client = { 0 };

    if (keeper == NULL)
        return; /* the next one will be asked */
    endpoint_encode(&client, ask->connection->client);
    channel_send(keeper, recipient_ask, .ticket = ask->ticket, .client = buf_str(&client),
                 .sender = buf_str(&ask->sender), .recipient = buf_str(&ask->recipient));
    buf_fini(&client);
}

void receiver_ask_keeper(struct ask *ask)
{
    struct receiver *receiver = ask->connection->receiver;

    ask->ticket = receiver_ticket(receiver);
    (void)map_put(&receiver->asks, receiver_ticket_key(&ask->ticket), ask);
    send_ask(ask);
}

static void on_ask_recipient(void *context, uint64_t session_ticket, struct str helo,
                             struct str sender, const struct recipient *recipient)
{
    struct connection *connection = context;
    struct ask *ask = memory_new(sizeof *ask);

    ask->connection = connection;
    ask->session_ticket = session_ticket;
    receiver_count_recipient(connection);
    buf_add(&ask->helo, helo);
    buf_add(&ask->sender, sender);
    buf_add(&ask->recipient, recipient->address);
    list_append(&connection->asks, &ask->link);
    receiver_touch(connection);
}

void receiver_ask_free(struct ask *ask)
{
    (void)map_remove(&ask->connection->receiver->asks, receiver_ticket_key(&ask->ticket));
    list_remove(&ask->link);
    buf_fini(&ask->helo);
    buf_fini(&ask->sender);
    buf_fini(&ask->recipient);
    memory_free(ask);
}

static void forget_content(struct connection *connection)
{
    (void)map_remove(&connection->receiver->contents,
                     receiver_ticket_key(&connection->content_ticket));
    connection->content = CONTENT_NONE;
    connection->content_ticket = 0;
}

/* The keeper need not keep any longer what it has of it. */
static void drop_content(struct connection *connection)
{
    if (connection->content == CONTENT_OPEN || connection->content == CONTENT_JUDGED)
        channel_send(connection->receiver->keeper, content_abort,
                     .ticket = connection->content_ticket);
    receiver_checks_forget(connection);
    forget_content(connection);
}

static void on_content_open(void *context, struct message_id id)
{
    struct connection *connection = context;

    if (connection->content == CONTENT_COMMITTED || connection->content == CONTENT_JUDGED)
        drop_content(connection); /* not answered in time: the session has gone on */
    check(connection->content == CONTENT_NONE);
    connection->content = CONTENT_NAMED;
    connection->content_id = id;
    connection->owed_octets = 0;
    connection->lost_octets = 0;
}

/* The first octets are there. */
static void tell_name(struct connection *connection)
{
    struct receiver *receiver = connection->receiver;

    if (receiver->keeper == NULL) {
        connection->content = CONTENT_LOST;
        return;
    }
    connection->content = CONTENT_OPEN;
    connection->content_ticket = receiver_ticket(receiver);
    (void)map_put(&receiver->contents, receiver_ticket_key(&connection->content_ticket),
                  connection);
    channel_send(receiver->keeper, content_open, .ticket = connection->content_ticket,
                 .id = connection->content_id);
}

static void on_content_header(void *context, const struct envelope *envelope, struct str received,
                              struct str header)
{
    receiver_checks_header(context, envelope, received, header);
}

static void on_content_write(void *context, struct str bytes)
{
    struct connection *connection = context;

    receiver_checks_body(connection, bytes);
    if (connection->content == CONTENT_NAMED)
        tell_name(connection);
    connection->owed_octets += bytes.len;
    if (connection->content == CONTENT_LOST) {
        connection->lost_octets = connection->owed_octets;
        receiver_touch(connection);
        return;
    }
    while (bytes.len > 0) {
        struct str piece = str_first(bytes, CONTENT_PIECE_MAX);
        channel_send(connection->receiver->keeper, content_data,
                     .ticket = connection->content_ticket, .bytes = piece);
        bytes = str_skip(bytes, piece.len);
    }
}

static void on_content_commit(void *context, const struct envelope *envelope)
{
    struct connection *connection = context;

    if (connection->content == CONTENT_NAMED)
        tell_name(connection);
    if (connection->content == CONTENT_LOST) {
        connection->lost_verdict = true;
        receiver_touch(connection);
        return;
    }
    connection->content = CONTENT_JUDGED;
    receiver_checks_end(connection, envelope);
}

void receiver_content_pass(struct connection *connection, const struct envelope *envelope,
                           struct str front)
{
    struct buf bytes = { 0 };
    struct buf tls = { 0 };

    connection->content = CONTENT_COMMITTED;
    envelope_encode(&bytes, envelope);
    if (connection->stream != NULL)
        tls_add_name(&tls, stream_tls(connection->stream));
    channel_send(connection->receiver->keeper, content_commit, .ticket = connection->content_ticket,
                 .envelope = buf_str(&bytes), .front = front, .tls = buf_str(&tls));
    buf_fini(&bytes);
    buf_fini(&tls);
}

void receiver_content_refuse(struct connection *connection, const struct verdict *verdict)
{
    drop_content(connection);
    receive_content_answer(connection->session, connection->content_id, verdict,
                           loop_now(connection->receiver->process->loop));
}

static void on_content_abort(void *context)
{
    drop_content(context);
}

static void on_start_tls(void *context)
{
    struct connection *connection = context;

    check(connection->receiver->tls != NULL); /* it does not go away again */
    stream_secure(connection->stream,
                  tls_accept(connection->receiver->tls, connection->receiver->has_client_pins));
}

static void on_close(void *context)
{
    struct connection *connection = context;

    if (connection->is_over)
        return;
    connection->is_over = true;
    stream_close_after_flush(connection->stream);
    heap_put(&connection->receiver->deadlines, &connection->deadline,
             loop_now(connection->receiver->process->loop).mono_ms + LAST_WORDS_MS);
}

const struct receive_host receiver_session_host = {
    .send = on_send,
    .ask_recipient = on_ask_recipient,
    .content_open = on_content_open,
    .content_header = on_content_header,
    .content_write = on_content_write,
    .content_commit = on_content_commit,
    .content_abort = on_content_abort,
    .ask_login = receiver_ask_login,
    .ask_certificate = receiver_ask_certificate,
    .ask_turn = receiver_ask_turn,
    .offer_line = receiver_offer_line,
    .turn_round = receiver_turn_round,
    .start_tls = on_start_tls,
    .close = on_close,
};

static void give_credit(struct connection *connection, uint64_t octets, struct now now)
{
    connection->owed_octets -= octets;
    receive_content_taken(connection->session, connection->content_id, octets, now);
}

void receiver_tell_session(struct connection *connection, struct now now)
{
    receiver_door_turn(connection, now);
    if (!connection->is_over)
        receiver_turns_turn(connection);
    if (connection->is_over)
        return;
    receiver_checks_turn(connection);
    if (connection->lost_octets > 0) {
        uint64_t octets = connection->lost_octets;
        connection->lost_octets = 0;
        give_credit(connection, octets, now);
    }
    if (connection->lost_verdict) {
        struct verdict verdict = lost_verdict();
        connection->lost_verdict = false;
        drop_content(connection);
        receive_content_answer(connection->session, connection->content_id, &verdict, now);
    }
}

void receiver_forget_tickets(struct connection *connection)
{
    list_each_safe (link, &connection->asks)
        receiver_ask_free(container_of(link, struct ask, link));
    receiver_door_forget(connection);
    receiver_question_forget(connection);
    receiver_line_drop(connection);
    drop_content(connection);
}

/* ---- what the keeper says ---- */

static bool take_recipient_answer(struct receiver *receiver, struct cursor payload)
{
    struct message_recipient_answer message;

    if (!message_get_recipient_answer(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct recipient_answer answer = {
        .verdict = verdict_decode(&cursor),
        .terms = { .size_max = message.size_max,
                   .needs_proof = message.needs_proof != 0,
                   .lacks = (uint8_t)message.lacks },
    };
    struct ask *ask = map_find(&receiver->asks, receiver_ticket_key(&message.ticket));
    if (!cursor_done(&cursor))
        return false;
    if (message.holds_for.len > 0)
        receiver_answer_keep(receiver, message.holds_for, message.company, &answer,
                             loop_now(receiver->process->loop).mono_ms);
    if (ask == NULL || ask->has_verdict)
        return true; /* the client is gone; or it was asked again */
    ask->answer = answer;
    ask->has_verdict = true;
    receiver_touch(ask->connection);
    return true;
}

static bool take_content_taken(struct receiver *receiver, struct cursor payload, struct now now)
{
    struct message_content_taken message;

    if (!message_get_content_taken(payload, &message))
        return false;
    struct connection *connection =
        map_find(&receiver->contents, receiver_ticket_key(&message.ticket));
    if (connection == NULL || connection->is_over ||
        (connection->content != CONTENT_OPEN && connection->content != CONTENT_JUDGED))
        return true;
    if (message.octets > connection->owed_octets)
        return false;
    give_credit(connection, message.octets, now);
    receiver_filter_credit(connection);
    receiver_touch(connection);
    return true;
}

static bool take_content_piece(struct receiver *receiver, struct cursor payload)
{
    struct message_content_piece message;

    if (!message_get_content_piece(payload, &message))
        return false;
    struct connection *connection =
        map_find(&receiver->contents, receiver_ticket_key(&message.ticket));
    if (connection != NULL && !connection->is_over)
        receiver_filter_body(connection, message.want, message.bytes);
    return true;
}

static bool take_content_answer(struct receiver *receiver, struct cursor payload, struct now now)
{
    struct message_content_answer message;

    if (!message_get_content_answer(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    if (!cursor_done(&cursor))
        return false;
    struct connection *connection =
        map_find(&receiver->contents, receiver_ticket_key(&message.ticket));
    if (connection == NULL)
        return true;
    if (connection->content != CONTENT_COMMITTED)
        return false; /* of what it has not got whole */
    forget_content(connection);
    if (connection->is_over)
        return true;
    receive_content_answer(connection->session, connection->content_id, &verdict, now);
    receiver_touch(connection);
    return true;
}

static bool take_health(struct receiver *receiver, struct cursor payload, struct now now)
{
    struct message_health message;

    if (!message_get_health(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    receiver->refusal = verdict_decode(&cursor);
    if (!cursor_done(&cursor))
        return false;
    receiver->size_max = message.size_max;
    receiver->has_logins = message.has_logins != 0;
    receiver->has_cram = message.has_cram != 0;
    receiver->has_client_pins = message.has_client_pins != 0;
    receiver_configure_sessions(receiver);
    receiver_answers_forget(receiver);
    receiver_policies_forget(receiver);
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        if (!connection->is_over)
            receive_set_refusal(connection->session, &receiver->refusal, now);
        receiver_touch(connection);
    }
    return true;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    struct receiver *receiver = context;
    struct now now = loop_now(receiver->process->loop);

    (void)channel;
    switch (type) {
    case MESSAGE_recipient_answer:
        return take_recipient_answer(receiver, payload);
    case MESSAGE_content_taken:
        return take_content_taken(receiver, payload, now);
    case MESSAGE_content_piece:
        return take_content_piece(receiver, payload);
    case MESSAGE_content_answer:
        return take_content_answer(receiver, payload, now);
    case MESSAGE_question_answer:
        return receiver_take_question_answer(receiver, payload);
    case MESSAGE_logins_void:
        return receiver_take_logins_void(receiver, payload);
    case MESSAGE_line_wanted:
        return receiver_take_line_wanted(receiver, payload);
    case MESSAGE_awaited:
        return receiver_take_awaited(receiver, payload);
    case MESSAGE_policy_answer:
        return receiver_policy_take(receiver, payload);
    case MESSAGE_health:
        return take_health(receiver, payload, now);
    default:
        return false;
    }
}

/* ---- it goes, and comes again ---- */

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct receiver *receiver = context;

    log_warn("keeper_lost", LOG_TEXT("why", why));
    receiver->keeper = NULL;
    receiver_answers_forget(receiver);
    receiver_policies_forget(receiver);
    receiver_bury_channel(receiver, channel);
    receiver_questions_lost(receiver);
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        receiver_policy_drop(receiver, &connection->door.question);
        if (connection->content != CONTENT_OPEN && connection->content != CONTENT_JUDGED)
            continue;
        connection->lost_verdict = connection->content == CONTENT_JUDGED;
        if (connection->lost_verdict)
            receiver_checks_forget(connection);
        forget_content(connection);
        connection->content = CONTENT_LOST;
        /* Whatever credit the session waits for, it may have: nothing is kept any more. */
        connection->lost_octets = connection->owed_octets;
        receiver_touch(connection);
    }
}

static const struct channel_host keeper_hooks_here = { .message = on_message, .broken = on_broken };

static void ask_again(struct receiver *receiver)
{
    list_each (link, &receiver->connections) {
        struct connection *connection = container_of(link, struct connection, link);
        list_each (link_of_ask, &connection->asks) {
            struct ask *ask = container_of(link_of_ask, struct ask, link);
            if (ask->ticket != 0 && !ask->has_verdict)
                send_ask(ask);
        }
        if (!list_is_empty(&connection->asks))
            receiver_touch(connection);
        if (connection->content == CONTENT_COMMITTED)
            channel_send(receiver->keeper, doubt_ask, .ticket = connection->content_ticket,
                         .id = connection->content_id);
    }
}

void receiver_keeper_came(struct receiver *receiver, unsigned index, int fd)
{
    if (receiver->keeper != NULL) /* the old one's end was not noticed yet */
        channel_cut(receiver->keeper, "a new one came");
    receiver->keeper = channel_new(ROLE_RECEIVER, ROLE_KEEPER, index, &keeper_hooks_here, receiver);
    channel_attach(receiver->keeper, receiver->process->loop, fd);
    ask_again(receiver);
}
