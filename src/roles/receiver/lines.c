/* SPDX-License-Identifier: ISC */
/* lines.c: connections that are turned round (ATRN, receive/turning.c).
 *
 *     offered to the keeper ── wanted ──▶ joined to a deliverer ── 250 ──▶ turned
 *
 * A line is a client's connection whose octets we pass on, both ways, from and to a deliverer, who
 * is the client from then on. The pair of sockets between us is the supervisor's doing. TLS stays
 * here. What each side has sent reaches the other before the line is closed; whoever reads nothing
 * is not read from.
 */
#include <errno.h>
#include <unistd.h>

#include "base/log.h"
#include "roles/receiver/receiver.h"

enum {
    LINE_PENDING_MAX = 64 * 1024, /* on its way through us, for each direction */
    LAST_OCTETS_MS = 10 * SECOND_MS,
};

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- offered, and taken ---- */

void receiver_offer_line(void *context, uint64_t session_ticket, struct str user,
                         struct str domains, struct str instance)
{
    struct connection *connection = context;
    struct buf client = { 0 };

    receiver_line_drop(connection); /* the one before came to nothing */
    struct channel *keeper = receiver_question_begin(connection, session_ticket, &client);

    connection->line.ticket = connection->question;
    if (instance.len > 0) /* it may be long, and he may be gone: then we want to know */
        stream_keep_alive(connection->stream);
    else
        stream_send_by_line(connection->stream);
    if (keeper != NULL)
        channel_send(keeper, line_offer, .ticket = connection->question, .client = buf_str(&client),
                     .user = user, .domains = domains, .instance = instance);
    buf_fini(&client);
}

static void tell_down(const struct receiver *receiver, uint64_t ticket)
{
    if (receiver->keeper != NULL)
        channel_send(receiver->keeper, line_down, .ticket = ticket);
}

static void answer(struct connection *connection, struct verdict verdict)
{
    receiver_question_forget(connection);
    receive_question_answer(connection->session, connection->session_question, &verdict, STR_NONE,
                            loop_now(connection->receiver->process->loop));
    receiver_touch(connection);
}

/* There is no way to a deliverer: he is to call again. */
static void fail(struct connection *connection, int error)
{
    log_warn("line_failed", LOG_INT("line", (int64_t)connection->line.number),
             LOG_INT("error", -error));
    receiver_line_drop(connection);
    answer(connection,
           verdict_make(451, 3, 0, STR("Unable to process ATRN request now; call again")));
}

bool receiver_take_line_wanted(struct receiver *receiver, struct cursor payload)
{
    struct message_line_wanted message;

    if (!message_get_line_wanted(payload, &message))
        return false;
    struct connection *connection =
        map_find(&receiver->questions, receiver_ticket_key(&message.ticket));
    if (connection == NULL || connection->is_over || connection->line.ticket != message.ticket) {
        tell_down(receiver, message.ticket);
        return true;
    }
    connection->line.number = message.line;
    (void)map_put(&receiver->lines, number_key(&connection->line.number), connection);
    int error = leash_send(&receiver->process->leash, -1, line_ask, .line = message.line,
                           .deliverer = message.deliverer);
    if (error != 0)
        fail(connection, error);
    return true;
}

/* ---- the deliverer's side ---- */

static void on_input(void *context, struct str bytes)
{
    struct connection *connection = context;

    if (connection->stream != NULL && !connection->is_over)
        stream_output(connection->stream, bytes);
    receiver_touch(connection);
}

/* It has said QUIT, or is gone: what it has said goes out. */
static void on_end(void *context, int error)
{
    struct connection *connection = context;

    (void)error;
    if (!connection->is_over)
        receiver_session_host.close(connection);
    receiver_touch(connection);
}

static bool on_drained(void *context)
{
    receiver_touch(context);
    return true;
}

static void on_closed(void *context)
{
    struct connection *connection = context;

    connection->line.stream = NULL;
    connection->is_closed = true;
    receiver_touch(connection);
}

static const struct stream_host line_hooks = {
    .input = on_input, .end = on_end, .drained = on_drained, .closed = on_closed
};

void receiver_line_came(struct receiver *receiver, uint64_t number, int error, int fd)
{
    struct connection *connection = map_find(&receiver->lines, number_key(&number));

    if (connection == NULL || connection->is_over || connection->line.stream != NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    if (fd < 0) {
        fail(connection, error);
        return;
    }
    connection->line.stream = stream_new(receiver->process->loop, &receiver->process->streams, fd,
                                         &line_hooks, connection);
    stream_want_input(connection->line.stream, false); /* until 250 is said */
    answer(connection, verdict_make(250, 0, 0, STR("OK now reversing the connection")));
    if (!connection->line.is_up) /* he was told otherwise meanwhile */
        receiver_line_drop(connection);
}

void receiver_turn_round(void *context)
{
    struct connection *connection = context;

    connection->line.is_up = true;
    if (connection->receiver->keeper != NULL)
        channel_send(connection->receiver->keeper, line_up, .ticket = connection->line.ticket);
    receiver_touch(connection);
}

/* ---- the client's side ---- */

void receiver_line_input(const struct connection *connection, struct str bytes)
{
    if (connection->line.stream != NULL)
        stream_output(connection->line.stream, bytes);
}

void receiver_line_end(struct connection *connection, int error)
{
    if (error != 0 || connection->line.stream == NULL) {
        connection->is_over = connection->is_closed = true;
        return;
    }
    connection->is_over = true; /* once the deliverer has what the client has said */
    stream_close_after_flush(connection->line.stream);
    heap_put(&connection->receiver->deadlines, &connection->deadline,
             loop_now(connection->receiver->process->loop).mono_ms + LAST_OCTETS_MS);
}

void receiver_line_balance(struct connection *connection)
{
    if (!connection->line.is_up || connection->is_over || connection->line.stream == NULL)
        return;
    stream_want_input(connection->stream,
                      stream_pending(connection->line.stream) < LINE_PENDING_MAX);
    stream_want_input(connection->line.stream,
                      stream_pending(connection->stream) < LINE_PENDING_MAX);
}

void receiver_line_stop(const struct connection *connection)
{
    if (connection->line.is_up)
        tell_down(connection->receiver, connection->line.ticket);
}

void receiver_line_drop(struct connection *connection)
{
    if (connection->line.ticket == 0)
        return;
    if (connection->line.number != 0)
        (void)map_remove(&connection->receiver->lines, number_key(&connection->line.number));
    stream_free(connection->line.stream);
    tell_down(connection->receiver, connection->line.ticket);
    connection->line = (struct line){ 0 };
}
