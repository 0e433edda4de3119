/* SPDX-License-Identifier: ISC */
/* one_filter.c: shows a message to one filter.
 *
 *     waits for its turn ─▶ asks for a connection ─▶ speaks (filter/milter.h) ─▶ all is said
 *             └──────────────────┴─── its time is over, it is gone ─┴─────────────▶ given up
 *
 * The message lies with the keeper, who is asked for the body's octets again; the header is here. A
 * new body goes to the keeper as far as he gives credit; meanwhile nothing is read from the filter.
 * A filter's connection comes from the supervisor, for a receiver may open none; it is for one
 * message.
 *
 * A filter has filter.timeout for a message, from when its connection is asked for; at once a
 * receiver speaks with AT_ONCE_MAX of them, and messages wait for their turn.
 *
 * What comes of it is not looked at from here: when all is said, or the filter is given up, the
 * client's connection is woken, and at the turn's end filters.c takes the result and leaves.
 */
#include <errno.h>
#include <unistd.h>

#include "roles/receiver/filters.h"

enum {
    AT_ONCE_MAX = 50,
    AHEAD_MAX = 64 * 1024, /* octets of a new body that the keeper has not taken */
    PIECE_MAX = 32 * 1024,
    ASK_AGAIN_MS = 100,
    LAST_CALL_MS = 20,
    GOOD_BYE_MAX = 4096, /* octets that surely fit into the socket */
};

/* ---- what passes between filter, keeper and us ---- */

static void wake(struct filtering *filtering)
{
    filtering->connection->checks.is_due = true;
    receiver_touch(filtering->connection);
}

static void on_send(void *context, struct str bytes)
{
    const struct filtering *filtering = context;
    stream_output(filtering->stream, bytes);
}

static void ask_for_body(struct filtering *filtering)
{
    const struct connection *connection = filtering->connection;

    if (!filtering->wants_body || stream_pending(filtering->stream) > 0)
        return;
    filtering->wants_body = false;
    filtering->want = receiver_ticket(connection->receiver);
    channel_send(connection->receiver->keeper, content_want, .ticket = connection->content_ticket,
                 .want = filtering->want, .offset = 2 + filtering->wanted_at,
                 .octets = filtering->wanted_size);
}

/* Once the filter has taken what it was told. */
static void on_want_body(void *context, uint64_t offset, size_t size)
{
    struct filtering *filtering = context;

    filtering->wants_body = true;
    filtering->wanted_at = offset;
    filtering->wanted_size = size;
    ask_for_body(filtering);
}

/* As far as the keeper lets us. */
static void send_new_body(struct filtering *filtering)
{
    struct connection *connection = filtering->connection;
    size_t sent = 0;

    while (sent < filtering->new_body.len && connection->owed_octets < AHEAD_MAX) {
        struct str piece = str_first(str_skip(buf_str(&filtering->new_body), sent), PIECE_MAX);
        channel_send(connection->receiver->keeper, content_data,
                     .ticket = connection->content_ticket, .bytes = piece);
        connection->owed_octets += piece.len;
        sent += piece.len;
    }
    buf_consume(&filtering->new_body, sent);
    if (filtering->stream != NULL)
        stream_want_input(filtering->stream, filtering->new_body.len == 0);
}

static void on_replace_body(void *context, struct str bytes)
{
    struct filtering *filtering = context;
    struct connection *connection = filtering->connection;
    struct checks *checks = &connection->checks;

    if (!filtering->has_new_body) {
        channel_send(connection->receiver->keeper, content_restart,
                     .ticket = connection->content_ticket);
        authentication_body_anew(checks->authentication);
        buf_add(&filtering->new_body, STR("\r\n"));
        checks->body_octets = 2;
        filtering->has_new_body = true;
    }
    authentication_body(checks->authentication, bytes);
    buf_add(&filtering->new_body, bytes);
    checks->body_octets += bytes.len;
    send_new_body(filtering);
}

static const struct milter_host milter_hooks = { .send = on_send,
                                                 .want_body = on_want_body,
                                                 .replace_body = on_replace_body };

bool receiver_filter_has_spoken(const struct filtering *filtering)
{
    if (filtering->gone != NULL)
        return true;
    return filtering->milter != NULL && milter_result(filtering->milter)->outcome != MILTER_OPEN &&
           filtering->new_body.len == 0;
}

static void on_input(void *context, struct str bytes)
{
    struct filtering *filtering = context;

    milter_feed(filtering->milter, bytes);
    if (receiver_filter_has_spoken(filtering))
        wake(filtering);
}

static void on_end(void *context, int error)
{
    struct filtering *filtering = context;

    if (milter_result(filtering->milter)->outcome != MILTER_OPEN)
        return; /* all is said */
    milter_break(filtering->milter,
                 error == -ECONNREFUSED ? "it cannot be reached" : "it closed the connection");
    buf_reset(&filtering->new_body);
    wake(filtering);
}

static bool on_drained(void *context)
{
    ask_for_body(context);
    return false;
}

static const struct stream_host filter_stream_hooks = { .input = on_input,
                                                        .end = on_end,
                                                        .drained = on_drained };

/* ---- turns ---- */

/* To those who have waited longest. */
static void pass_turns_on(struct receiver *receiver)
{
    while (receiver->filter_turns < AT_ONCE_MAX && !list_is_empty(&receiver->filter_queue)) {
        struct filtering *next =
            container_of(list_first(&receiver->filter_queue), struct filtering, queue);
        list_remove(&next->queue);
        next->has_turn = true;
        receiver->filter_turns++;
        wake(next);
    }
}

static void set_deadline(struct filtering *filtering, int64_t at_ms)
{
    heap_put(&filtering->connection->receiver->filter_deadlines, &filtering->deadline,
             at_ms < filtering->until_ms ? at_ms : filtering->until_ms);
}

/* False: it waits for its turn. */
static bool take_turn(struct filtering *filtering)
{
    struct receiver *receiver = filtering->connection->receiver;

    if (filtering->has_turn)
        return true;
    if (link_is_listed(&filtering->queue))
        return false;
    if (receiver->filter_turns >= AT_ONCE_MAX || !list_is_empty(&receiver->filter_queue)) {
        list_append(&receiver->filter_queue, &filtering->queue);
        set_deadline(filtering, filtering->until_ms);
        return false;
    }
    receiver->filter_turns++;
    filtering->has_turn = true;
    return true;
}

/* ---- its connection ---- */

static void ask_for_connection(struct filtering *filtering)
{
    struct receiver *receiver = filtering->connection->receiver;
    int64_t now_ms = loop_now(receiver->process->loop).mono_ms;

    if (!filtering->is_asked)
        filtering->end_ms = now_ms + receiver->process->config->filter_timeout;
    filtering->is_asked = true;
    filtering->is_to_ask_again = false;
    filtering->ticket = receiver_ticket(receiver);
    (void)map_put(&receiver->filter_asks, receiver_ticket_key(&filtering->ticket), filtering);
    set_deadline(filtering, filtering->end_ms);
    if (leash_send(&receiver->process->leash, -1, filter_ask, .ticket = filtering->ticket,
                   .name = filtering->name[filtering->next]) != 0)
        filtering->gone = "its connection could not be asked for";
}

/* For whom it is: those whose domain names it. */
static void choose_recipients(struct filtering *filtering)
{
    const struct checks *checks = &filtering->connection->checks;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        filtering->is_shown[i] =
            filter_policy_has(&checks->policy[i]->filters, filtering->name[filtering->next]);
}

static void speak(struct filtering *filtering, int fd)
{
    struct connection *connection = filtering->connection;
    struct receiver *receiver = connection->receiver;
    uint64_t octets = connection->checks.body_octets;

    choose_recipients(filtering);
    filtering->mail = (struct milter_mail){
        .hostname = connection->checks.authentication->request.authserv_id, /* outlives a reload */
        .envelope = &connection->checks.envelope,
        .is_shown = filtering->is_shown,
        .header = &filtering->filtered.header,
        .body_start = buf_str(&filtering->body_start),
        .body_size = octets > 2 ? octets - 2 : 0,
        .body_max = receiver->settings.message_size_max,
    };
    filtering->stream = stream_new(receiver->process->loop, &receiver->process->streams, fd,
                                   &filter_stream_hooks, filtering);
    filtering->milter = milter_new(&filtering->mail, &milter_hooks, filtering);
}

void receiver_filter_came(struct receiver *receiver, uint64_t ticket, int error, int fd)
{
    struct filtering *filtering = map_remove(&receiver->filter_asks, receiver_ticket_key(&ticket));

    if (filtering == NULL || filtering->gone != NULL) {
        if (fd >= 0)
            (void)close(fd);
        return;
    }
    filtering->ticket = 0;
    if (fd >= 0) {
        speak(filtering, fd);
        return;
    }
    int64_t now_ms = loop_now(receiver->process->loop).mono_ms;
    if (error == -EAGAIN && now_ms < filtering->end_ms) {
        filtering->is_to_ask_again = true; /* more wait there than its socket holds */
        set_deadline(filtering, now_ms + ASK_AGAIN_MS);
        return;
    }
    filtering->gone = error == -ESRCH ? "there is no such filter" : "it cannot be reached";
    wake(filtering);
}

/* One that was asked for by the filter before this one comes too late. */
void receiver_filter_body(struct connection *connection, uint64_t want, struct str bytes)
{
    struct filtering *filtering = connection->checks.filtering;

    if (filtering == NULL || filtering->milter == NULL || filtering->want != want)
        return;
    filtering->want = 0;
    milter_body(filtering->milter, bytes);
    if (receiver_filter_has_spoken(filtering))
        wake(filtering);
}

void receiver_filter_credit(struct connection *connection)
{
    struct filtering *filtering = connection->checks.filtering;

    if (filtering == NULL || filtering->new_body.len == 0)
        return;
    send_new_body(filtering);
    if (receiver_filter_has_spoken(filtering))
        wake(filtering);
}

/* ---- time ---- */

void receiver_filters_expire(struct receiver *receiver, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&receiver->filter_deadlines, now.mono_ms)) != NULL) {
        struct filtering *filtering = container_of(node, struct filtering, deadline);
        if (filtering->is_to_ask_again) {
            ask_for_connection(filtering);
            continue;
        }
        if (receiver_filter_has_spoken(filtering)) { /* in this very turn */
            wake(filtering);
            continue;
        }
        if (!filtering->is_last_call) { /* we may be late ourselves: what it said lies there */
            filtering->is_last_call = true;
            heap_put(&receiver->filter_deadlines, node, now.mono_ms + LAST_CALL_MS);
            continue;
        }
        if (filtering->milter == NULL)
            filtering->gone = filtering->is_asked ? "it could not be reached in time"
                                                  : "its turn did not come in time";
        else if (milter_result(filtering->milter)->outcome == MILTER_OPEN)
            milter_break(filtering->milter, "it took too long");
        else
            filtering->gone = "the store did not take in time what it made";
        buf_reset(&filtering->new_body);
        wake(filtering);
    }
}

/* ---- beginning and end ---- */

bool receiver_filter_begin(struct filtering *filtering)
{
    if (!take_turn(filtering))
        return false;
    ask_for_connection(filtering);
    return true;
}

struct milter_result receiver_filter_result(const struct filtering *filtering)
{
    if (filtering->milter != NULL && filtering->gone == NULL)
        return *milter_result(filtering->milter);
    return (struct milter_result){ .outcome = MILTER_BROKEN, .why = filtering->gone };
}

void receiver_filter_leave(struct filtering *filtering, bool is_clean)
{
    struct receiver *receiver = filtering->connection->receiver;

    if (filtering->ticket != 0)
        (void)map_remove(&receiver->filter_asks, receiver_ticket_key(&filtering->ticket));
    filtering->ticket = 0;
    heap_remove(&receiver->filter_deadlines, &filtering->deadline);
    list_remove(&filtering->queue);
    milter_free(filtering->milter);
    filtering->milter = NULL;
    if (is_clean && stream_pending(filtering->stream) < GOOD_BYE_MAX)
        stream_close_after_flush(filtering->stream);
    else
        stream_free(filtering->stream);
    filtering->stream = NULL;
    filtering->gone = NULL;
    filtering->want = 0;
    filtering->is_asked = filtering->is_to_ask_again = filtering->is_last_call = false;
    filtering->wants_body = filtering->has_new_body = false;
    buf_reset(&filtering->new_body);
    if (filtering->has_turn)
        receiver->filter_turns--;
    filtering->has_turn = false;
    pass_turns_on(receiver);
}
