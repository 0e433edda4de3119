/* SPDX-License-Identifier: ISC */
/* filters.c: shows a message to filters, before it may be stored.
 *
 * Those that its recipients' domains name, one after the other: each sees what the ones before it
 * have made of the message. It is complete then, and lies with the keeper, who is asked for the
 * body's octets again; the header is here. A filter's connection comes from the supervisor, for a
 * receiver may open none; it is for one message.
 *
 * A message for several domains is one: what the filter of one of them changes, all of them get.
 * What a filter says against it counts for the domains that named it.
 *
 * A filter has filter.timeout for a message, all of them together WAIT_MS; at once a receiver
 * speaks with AT_ONCE_MAX of them, and messages wait for their turn.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "roles/receiver/receiver.h"
#include "store/store.h"

enum {
    FILTERS_MAX = 16,
    AT_ONCE_MAX = 50,
    WAIT_MS =
        4 * MINUTE_MS,     /* clients wait for ten minutes (RFC 5321 4.5.3.2.6), the session five */
    AHEAD_MAX = 64 * 1024, /* octets of a new body that the keeper has not taken */
    PIECE_MAX = 32 * 1024,
    ASK_AGAIN_MS = 100,
    LAST_CALL_MS = 20,
    GOOD_BYE_MAX = 4096,                       /* octets that surely fit into the socket */
    HEADER_MAX = STORE_FRONT_MAX - 128 * 1024, /* ours comes on top */
};

struct filtering {
    struct connection *connection;
    struct link queue; /* receiver->filter_queue, while it waits for its turn */
    struct arena arena;
    struct str name[FILTERS_MAX];
    unsigned count;
    unsigned next; /* the one after that it speaks with */
    int64_t until_ms;
    struct heap_node deadline;
    struct filtered_header filtered;
    struct buf body_start; /* what is in the header and is no field, with the empty line */
    struct buf marks;

    /* With one filter. */
    bool has_turn;
    bool is_asked;
    bool is_to_ask_again;
    bool is_last_call;
    int64_t end_ms;   /* of its time */
    uint64_t ticket;  /* of its connection; 0: it is here, or will not come */
    const char *gone; /* why it did not come */
    struct stream *stream;
    struct milter *milter;
    struct milter_mail mail;
    bool *is_shown;
    bool wants_body;
    uint64_t want; /* names the piece that was asked for; 0: none was */
    uint64_t wanted_at;
    size_t wanted_size;
    bool has_new_body;
    struct buf new_body; /* what the keeper does not have yet */
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

static bool has_spoken(const struct filtering *filtering)
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
    if (has_spoken(filtering))
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

/* ---- one filter ---- */

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

static void leave(struct filtering *filtering)
{
    struct receiver *receiver = filtering->connection->receiver;

    if (filtering->ticket != 0)
        (void)map_remove(&receiver->filter_asks, receiver_ticket_key(&filtering->ticket));
    filtering->ticket = 0;
    heap_remove(&receiver->filter_deadlines, &filtering->deadline);
    list_remove(&filtering->queue);
    milter_free(filtering->milter);
    filtering->milter = NULL;
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

static void set_deadline(struct filtering *filtering, int64_t wait_ms)
{
    struct receiver *receiver = filtering->connection->receiver;
    int64_t at_ms = loop_now(receiver->process->loop).mono_ms + wait_ms;

    heap_put(&receiver->filter_deadlines, &filtering->deadline,
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
        set_deadline(filtering, WAIT_MS);
        return false;
    }
    receiver->filter_turns++;
    filtering->has_turn = true;
    return true;
}

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
    set_deadline(filtering, filtering->end_ms - now_ms);
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
    if (error == -EAGAIN && loop_now(receiver->process->loop).mono_ms < filtering->end_ms) {
        filtering->is_to_ask_again = true; /* more wait there than its socket holds */
        set_deadline(filtering, ASK_AGAIN_MS);
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
    if (has_spoken(filtering))
        wake(filtering);
}

void receiver_filter_credit(struct connection *connection)
{
    struct filtering *filtering = connection->checks.filtering;

    if (filtering == NULL || filtering->new_body.len == 0)
        return;
    send_new_body(filtering);
    if (has_spoken(filtering))
        wake(filtering);
}

void receiver_filters_expire(struct receiver *receiver, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&receiver->filter_deadlines, now.mono_ms)) != NULL) {
        struct filtering *filtering = container_of(node, struct filtering, deadline);
        if (filtering->is_to_ask_again) {
            ask_for_connection(filtering);
            continue;
        }
        if (has_spoken(filtering)) { /* in this very turn */
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

/* ---- what it said ---- */

static void log_result(const struct filtering *filtering, struct str name,
                       const struct milter_result *result)
{
    const struct checks *checks = &filtering->connection->checks;
    static const char *const said[] = {
        [MILTER_OPEN] = "",           [MILTER_PASSED] = "passed",
        [MILTER_REFUSED] = "refused", [MILTER_DEFERRED] = "deferred",
        [MILTER_TO_HOLD] = "hold",    [MILTER_BROKEN] = "gone",
    };

    if (result->outcome == MILTER_BROKEN)
        log_warn("filter_gone", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("why", result->why));
    else if (result->outcome == MILTER_PASSED)
        log_debug("filter_passed", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                  LOG_INT("changes", result->changes.count));
    else
        log_info("filter_spoke", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("said", said[result->outcome]), LOG_INT("code", result->verdict.code),
                 LOG_STR("text", verdict_text(&result->verdict)));
    if (result->overstepped > 0)
        log_warn("filter_overstepped", LOG_ID(checks->envelope.id), LOG_STR("filter", name),
                 LOG_TEXT("hint", "filters may not change sender or add recipients here"));
}

static size_t header_octets(const struct header *header)
{
    size_t octets = 0;

    for (uint32_t i = 0; i < header->count; i++)
        octets += header->field[i].raw.len;
    return octets;
}

static void apply(struct filtering *filtering, struct milter_result *result)
{
    struct filtered_header changed = filtering->filtered;

    changes_apply(&result->changes, &filtering->arena, &changed);
    if (header_octets(&changed.header) + filtering->body_start.len > HEADER_MAX) {
        result->outcome = MILTER_BROKEN;
        result->why = "it made the header too large";
        return;
    }
    filtering->filtered = changed;
    if (!result->replaces_body)
        return;
    buf_reset(&filtering->body_start);
    authentication_end(filtering->connection->checks.authentication);
}

/* The old body is gone, and the new one not what the filter stands by: nothing is left that could
 * be taken. */
static bool has_lost_body(const struct filtering *filtering, const struct milter_result *result)
{
    return filtering->has_new_body && result->outcome != MILTER_PASSED &&
           result->outcome != MILTER_TO_HOLD;
}

static void judge_lost_body(struct checks *checks)
{
    const struct verdict why =
        verdict_make(451, 3, 0, STR("The message was lost on its way; please send it again"));

    if (judgement_combine(checks->judgement, checks->envelope.recipient_count) != JUDGED_GOOD)
        return; /* it is not taken anyway */
    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++)
        judgement_add(&checks->judgement[i], JUDGED_UNSURE, &checks->reason, &why);
}

static void judge(struct filtering *filtering, struct str name, const struct milter_result *result)
{
    struct checks *checks = &filtering->connection->checks;
    bool is_marked = false;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++) {
        const struct filter_policy *policy = &checks->policy[i]->filters;
        struct verdict why;
        if (!filter_policy_has(policy, name))
            continue;
        enum judgement more = filter_judge(policy, name, result, i, &why, &is_marked);
        judgement_add(&checks->judgement[i], more, &checks->reason, &why);
    }
    if (has_lost_body(filtering, result))
        judge_lost_body(checks);
    if (is_marked)
        filter_add_mark(&filtering->marks, name, result);
}

static void take_result(struct filtering *filtering)
{
    struct str name = filtering->name[filtering->next++];
    struct milter_result result = { .outcome = MILTER_BROKEN, .why = filtering->gone };

    if (filtering->milter != NULL && filtering->gone == NULL)
        result = *milter_result(filtering->milter);
    if (result.outcome == MILTER_PASSED || result.outcome == MILTER_TO_HOLD)
        apply(filtering, &result);
    log_result(filtering, name, &result);
    judge(filtering, name, &result);
    if (result.outcome != MILTER_BROKEN && stream_pending(filtering->stream) < GOOD_BYE_MAX) {
        stream_close_after_flush(filtering->stream);
        filtering->stream = NULL;
    }
    leave(filtering);
}

/* ---- all of them ---- */

static bool knows(const struct filtering *filtering, struct str name)
{
    for (unsigned i = 0; i < filtering->count; i++)
        if (str_equals(filtering->name[i], name))
            return true;
    return false;
}

/* In the order of the first recipient's domain; then those that only others name. */
static void collect_names(struct filtering *filtering)
{
    const struct checks *checks = &filtering->connection->checks;

    for (uint32_t i = 0; i < checks->envelope.recipient_count; i++) {
        struct str names = filter_policy_names(&checks->policy[i]->filters);
        struct str name = STR_NONE;
        if (i > 0 && checks->policy[i] == checks->policy[i - 1])
            continue;
        while (str_cut(&names, ',', &name))
            if (name.len > 0 && filtering->count < FILTERS_MAX && !knows(filtering, name))
                filtering->name[filtering->count++] = arena_str(&filtering->arena, name);
    }
}

/* A message without a body may end within its header: what a filter adds begins a line. */
static void end_last_line(struct filtering *filtering)
{
    struct header *header = &filtering->filtered.header;
    struct buf whole = { 0 };

    if (filtering->body_start.len > 0) {
        if (!str_ends_nocase(buf_str(&filtering->body_start), STR("\r\n")))
            buf_add(&filtering->body_start, STR("\r\n"));
        return;
    }
    struct header_field *last = header->count > 0 ? &header->field[header->count - 1] : NULL;
    if (last == NULL || str_ends_nocase(last->raw, STR("\r\n")))
        return;
    buf_add(&whole, last->raw);
    buf_add(&whole, STR("\r\n"));
    size_t value_at = last->raw.len - last->value.len;
    size_t name_len = last->name.len;
    last->raw = arena_str(&filtering->arena, buf_str(&whole));
    last->name = str_first(last->raw, name_len);
    last->value = str_skip(last->raw, value_at);
    buf_fini(&whole);
}

/* Without what others say in our name. From the first line that is no field on, the primary will
 * take the rest for the body: so shall the filters. */
static void collect_header(struct filtering *filtering)
{
    const struct authentication *authentication = filtering->connection->checks.authentication;
    const struct header *all = &authentication->header;
    struct header *header = &filtering->filtered.header;
    uint32_t i = 0;

    header->field = arena_new(&filtering->arena, (all->count + 1) * sizeof *header->field);
    for (; i < all->count && all->field[i].name.len > 0; i++)
        if (!receiver_checks_drops(authentication, &all->field[i]))
            header->field[header->count++] = all->field[i];
    for (uint32_t k = i; k < all->count; k++)
        if (!receiver_checks_drops(authentication, &all->field[k]))
            buf_add(&filtering->body_start, all->field[k].raw);
    end_last_line(filtering);
    if (filtering->body_start.len > 0)
        buf_add(&filtering->body_start, STR("\r\n"));
}

/* False: nobody wants it filtered. */
static bool begin(struct connection *connection)
{
    struct checks *checks = &connection->checks;
    struct filtering *filtering = memory_new(sizeof *filtering);

    filtering->connection = connection;
    collect_names(filtering);
    if (filtering->count == 0) {
        arena_fini(&filtering->arena);
        memory_free(filtering);
        return false;
    }
    checks->filtering = filtering;
    collect_header(filtering);
    filtering->is_shown =
        arena_new(&filtering->arena, checks->envelope.recipient_count * sizeof(bool));
    filtering->until_ms = loop_now(connection->receiver->process->loop).mono_ms + WAIT_MS;
    channel_send(connection->receiver->keeper, content_whole, .ticket = connection->content_ticket);
    return true;
}

bool receiver_filters_run(struct connection *connection)
{
    struct checks *checks = &connection->checks;

    if (checks->filtering == NULL && !begin(connection))
        return true;
    struct filtering *filtering = checks->filtering;
    for (;;) {
        if (has_spoken(filtering))
            take_result(filtering);
        else if (filtering->is_asked)
            return false;
        if (filtering->next == filtering->count ||
            judgement_combine(checks->judgement, checks->envelope.recipient_count) != JUDGED_GOOD)
            return true;
        if (filtering->gone == NULL && !take_turn(filtering))
            return false;
        if (filtering->gone == NULL)
            ask_for_connection(filtering);
    }
}

void receiver_filters_add_top(const struct filtering *filtering, struct buf *front)
{
    buf_add(front, buf_str(&filtering->marks));
    for (uint32_t i = 0; i < filtering->filtered.above; i++)
        buf_add(front, filtering->filtered.header.field[i].raw);
}

void receiver_filters_add_rest(const struct filtering *filtering, struct buf *front)
{
    const struct header *header = &filtering->filtered.header;

    for (uint32_t i = filtering->filtered.above; i < header->count; i++)
        buf_add(front, header->field[i].raw);
    if (filtering->body_start.len > 2) /* the empty line is the body's */
        buf_add(front, str_first(buf_str(&filtering->body_start), filtering->body_start.len - 2));
}

void receiver_filters_forget(struct connection *connection)
{
    struct filtering *filtering = connection->checks.filtering;

    if (filtering == NULL)
        return;
    leave(filtering);
    connection->checks.filtering = NULL;
    buf_fini(&filtering->body_start);
    buf_fini(&filtering->marks);
    buf_fini(&filtering->new_body);
    arena_fini(&filtering->arena);
    memory_free(filtering);
}
