/* SPDX-License-Identifier: ISC */
/* rig.c: see rig.h. */
#include "store/rig.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/memory.h"

enum { TURNS_MAX = 200000, PIECE = 20000 };

const struct str rig_domain[RIG_DOMAINS] = {
    { "one.example", 11 },
    { "two.example", 11 },
    { "three.example", 13 },
};

void rig_open(struct rig *rig)
{
    assert_int_equal(rig->driver.open(rig, &rig->store), 0);
}

void rig_close(struct rig *rig)
{
    store_close(rig->store);
    rig->store = NULL;
}

void rig_turn(struct rig *rig)
{
    store_turn(rig->store, rig->now);
    (void)worker_collect(rig->worker);
    if (rig->upkeep != NULL)
        (void)worker_collect(rig->upkeep);
}

static bool workers_are_idle(const struct rig *rig)
{
    return worker_is_idle(rig->worker) && (rig->upkeep == NULL || worker_is_idle(rig->upkeep));
}

void rig_pass(struct rig *rig, int64_t ms)
{
    rig->now.mono_ms += ms;
    rig->now.wall_ms += ms;
    rig_turn(rig);
}

static void wait_a_little(struct rig *rig)
{
    struct pollfd poll_for[] = {
        { .fd = worker_descriptor(rig->worker), .events = POLLIN },
        { .fd = rig->upkeep != NULL ? worker_descriptor(rig->upkeep) : -1, .events = POLLIN },
    };
    if (poll_for[0].fd >= 0 && !workers_are_idle(rig))
        (void)poll(poll_for, 2, 1000);
}

int rig_wait(struct rig *rig, const struct rig_answer *answer)
{
    for (int i = 0; i < TURNS_MAX && !answer->is_there; i++) {
        rig_turn(rig);
        if (!answer->is_there)
            wait_a_little(rig);
    }
    assert_true(answer->is_there);
    return answer->error;
}

void rig_idle(struct rig *rig)
{
    for (int i = 0; i < TURNS_MAX; i++) {
        rig_turn(rig);
        if (workers_are_idle(rig) && store_deadline(rig->store) > rig->now.mono_ms)
            return;
        wait_a_little(rig);
    }
    fail_msg("the store does not come to rest");
}

void rig_answered(void *context, int error)
{
    struct rig_answer *answer = context;
    assert_false(answer->is_there);
    *answer = (struct rig_answer){ .is_there = true, .error = error };
}

/* ---- messages ---- */

struct message_id rig_id(uint32_t number)
{
    struct message_id id = { { 0 } };
    struct random random;

    random_from_seed(&random, number);
    id = message_id_new(1700000000000, &random);
    for (int i = 0; i < 4; i++)
        id.bytes[i] = (uint8_t)(number >> (8 * (3 - i)));
    return id;
}

static uint32_t number_of(struct message_id id)
{
    return (uint32_t)id.bytes[0] << 24 | (uint32_t)id.bytes[1] << 16 | (uint32_t)id.bytes[2] << 8 |
           id.bytes[3];
}

static void make_envelope(struct arena *arena, const struct rig_message *message,
                          struct envelope *envelope)
{
    *envelope = (struct envelope){
        .id = rig_id(message->number),
        .received_ms = message->received_ms,
        .helo = STR("client.example"),
        .protocol = STR("ESMTPS"),
        .sender = STR("sender@elsewhere.example"),
        .recipient_count = message->recipient_count,
    };
    envelope->recipient = arena_new(arena, message->recipient_count * sizeof(struct recipient));
    for (uint32_t i = 0; i < message->recipient_count; i++) {
        char text[64];
        struct str domain = rig_domain[i % message->domains];
        (void)snprintf(text, sizeof text, "user%u.%u@%.*s", message->number % 10, i,
                       STR_FMT(domain));
        envelope->recipient[i].address = arena_str(arena, str_from(text));
    }
}

/* Octets that differ from message to message and place to place. */
static void make_content(const struct rig_message *message, uint64_t offset, char *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t at = offset + i;
        to[i] = (char)((at * 31 + message->number * 17 + (at >> 8) * 7) & 0xff);
    }
}

static void upload_content(struct rig *rig, const struct rig_message *message,
                           struct store_upload *upload)
{
    char piece[PIECE];

    for (uint64_t at = message->front; at < message->size;) {
        size_t size = (size_t)random_below(&rig->random, PIECE) + 1;
        size = size < message->size - at ? size : (size_t)(message->size - at);
        make_content(message, at, piece, size);
        store_upload_write(upload, str_of(piece, size));
        at += size;
    }
    assert_int_equal(store_upload_size(upload), message->size - message->front);
}

/* From places all over it, with the end among them. */
static void assert_reads(struct rig *rig, const struct rig_message *message,
                         struct store_upload *upload)
{
    uint64_t uploaded = message->size - message->front;
    char piece[PIECE];

    for (int i = 0; i < 20; i++) {
        struct buf read = { 0 };
        uint64_t at = random_below(&rig->random, (uint32_t)uploaded + 1);
        size_t expected = uploaded - at < PIECE ? (size_t)(uploaded - at) : PIECE;
        assert_int_equal(store_upload_read(upload, at, PIECE, &read), 0);
        make_content(message, message->front + at, piece, expected);
        assert_true(str_equals(buf_str(&read), str_of(piece, expected)));
        buf_fini(&read);
    }
}

/* Something else was there first, was looked at and given up. */
static void upload_in_vain(struct rig *rig, const struct rig_message *message,
                           struct store_upload *upload)
{
    struct rig_message other = *message;

    other.number = message->number + 1;
    other.size = message->front + random_below(&rig->random, (uint32_t)message->size * 2 + 1);
    upload_content(rig, &other, upload);
    assert_reads(rig, &other, upload);
    if (random_below(&rig->random, 4) == 0)
        store_upload_spill(upload);
    if (random_below(&rig->random, 2) == 0)
        rig_turn(rig);
    assert_reads(rig, &other, upload);
    store_upload_restart(upload);
}

void rig_append(struct rig *rig, const struct rig_message *message, struct rig_answer *answer)
{
    struct arena arena = { 0 };
    struct envelope envelope;
    char front[RIG_FRONT_MAX];
    struct store_upload *upload = store_upload_open(rig->store, rig_id(message->number));

    *answer = (struct rig_answer){ 0 };
    assert_true(message->front <= sizeof front && message->front <= message->size);
    make_content(message, 0, front, message->front);
    for (unsigned i = 0; i < rig->restarts; i++)
        upload_in_vain(rig, message, upload);
    upload_content(rig, message, upload);
    if (rig->restarts > 0)
        assert_reads(rig, message, upload);
    make_envelope(&arena, message, &envelope);
    store_append(rig->store, upload, &envelope, str_of(front, message->front), rig_answered,
                 answer);
    arena_fini(&arena);
}

int rig_append_now(struct rig *rig, const struct rig_message *message)
{
    struct rig_answer answer;
    rig_append(rig, message, &answer);
    assert_false(answer.is_there); /* promise 2 */
    return rig_wait(rig, &answer);
}

int rig_add(struct rig *rig, uint32_t number, uint64_t size)
{
    struct rig_message message = { number, size, 1, 1, RIG_RECEIVED_MS };
    return rig_append_now(rig, &message);
}

void rig_settle(struct rig *rig, uint32_t number, struct str domain, enum outcome outcome,
                const uint32_t *recipient, uint32_t count, struct rig_answer *answer)
{
    struct settlement settlement = {
        .id = rig_id(number),
        .domain = domain,
        .outcome = outcome,
        .at_ms = rig->now.wall_ms,
        .recipient = recipient,
        .count = count,
        .reason = verdict_make(550, 1, 1, STR("No such user")),
    };
    *answer = (struct rig_answer){ 0 };
    store_settle(rig->store, &settlement, rig_answered, answer);
    assert_false(answer->is_there); /* promise 2 */
}

int rig_settle_now(struct rig *rig, uint32_t number, struct str domain, enum outcome outcome)
{
    struct rig_answer answer;
    rig_settle(rig, number, domain, outcome, NULL, 0, &answer);
    return rig_wait(rig, &answer);
}

int rig_ask(struct rig *rig, uint32_t number)
{
    struct rig_answer answer = { 0 };
    store_ask(rig->store, rig_id(number), rig_answered, &answer);
    return rig_wait(rig, &answer);
}

/* ---- looking ---- */

struct look {
    struct rig_answer answer;
    struct rig_content *content;
    struct store_reader *reader;
    const struct rig_message *message;
    uint64_t offset;
};

static bool is_same_envelope(const struct rig_message *message, const struct envelope *got)
{
    struct arena arena = { 0 };
    struct envelope want;
    struct buf a = { 0 };
    struct buf b = { 0 };

    make_envelope(&arena, message, &want);
    envelope_encode(&a, &want);
    envelope_encode(&b, got);
    bool same = str_equals(buf_str(&a), buf_str(&b));
    buf_fini(&a);
    buf_fini(&b);
    arena_fini(&arena);
    return same;
}

static void look_opened(void *context, int error, struct store_reader *reader,
                        const struct stored_message *stored)
{
    struct look *look = context;

    look->reader = reader;
    look->content->error = error;
    if (error == 0) {
        look->content->recipient_count = stored->envelope.recipient_count;
        for (uint32_t i = 0; i < stored->envelope.recipient_count && i < RIG_RECIPIENTS_MAX; i++)
            look->content->state[i] = stored->recipient_state[i];
        look->content->reason = stored->reason;
        look->content->is_same = stored->size == look->message->size &&
                                 is_same_envelope(look->message, &stored->envelope);
    }
    rig_answered(&look->answer, error);
}

static void look_read(void *context, int error, struct str bytes)
{
    struct look *look = context;
    char want[PIECE];

    if (error == 0) {
        make_content(look->message, look->offset, want, bytes.len);
        if (!str_equals(bytes, str_of(want, bytes.len)))
            look->content->is_same = false;
        look->offset += bytes.len;
    }
    rig_answered(&look->answer, error);
}

void rig_look(struct rig *rig, const struct rig_message *message, struct str domain,
              struct rig_content *out_content)
{
    struct look look = { .content = out_content, .message = message };

    *out_content = (struct rig_content){ 0 };
    store_open(rig->store, rig_id(message->number), domain, look_opened, &look);
    assert_false(look.answer.is_there);
    if (rig_wait(rig, &look.answer) != 0)
        return;
    while (look.offset < message->size && out_content->read_error == 0) {
        look.answer = (struct rig_answer){ 0 };
        store_read(look.reader, look.offset, PIECE, look_read, &look);
        out_content->read_error = rig_wait(rig, &look.answer);
    }
    store_reader_close(look.reader);
}

static void listed(void *context, int error, const struct store_listing *listing)
{
    struct rig_list *list = context;

    for (uint32_t i = 0; error == 0 && i < listing->count; i++) {
        assert_true(list->count < RIG_LIST_MAX);
        list->entry[list->count] = listing->entry[i];
        list->position[list->count] = listing->position[i];
        list->number[list->count++] = number_of(listing->entry[i].id);
    }
    list->more = error == 0 && listing->more;
    rig_answered(&list->answer, error);
}

int rig_list_some(struct rig *rig, const struct store_query *query, struct rig_list *list)
{
    list->answer = (struct rig_answer){ 0 };
    store_list(rig->store, query, listed, list);
    assert_false(list->answer.is_there);
    return rig_wait(rig, &list->answer);
}

void rig_list_all(struct rig *rig, struct store_query query, uint32_t page, struct rig_list *list)
{
    list->count = 0;
    query.limit = page;
    do {
        uint32_t before = list->count;
        assert_int_equal(rig_list_some(rig, &query, list), 0);
        assert_true(!list->more || list->count - before == page);
        if (list->count > 0)
            query.after = list->position[list->count - 1];
    } while (list->more);
}
