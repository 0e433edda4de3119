/* SPDX-License-Identifier: ISC */
/* contract.c: see contract.h. Nothing here knows a driver. */
#include "store/contract.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define ONE   rig_domain[0]
#define TWO   rig_domain[1]
#define THREE rig_domain[2]

struct fixture {
    const struct contract_factory *factory;
    struct rig *rig;
};

static struct rig_list list; /* large; one test at a time */

static int begin(void **state)
{
    struct fixture *fixture = *state;
    fixture->rig = fixture->factory->begin(fixture->factory->context);
    return 0;
}

static int end(void **state)
{
    struct fixture *fixture = *state;
    fixture->factory->end(fixture->rig);
    return 0;
}

static struct rig *rig_of(void **state)
{
    return ((struct fixture *)*state)->rig;
}

static void reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

static void assert_holds(struct rig *rig, const struct rig_message *message)
{
    struct rig_content content;

    rig_look(rig, message, STR_NONE, &content);
    assert_int_equal(content.error, 0);
    assert_int_equal(content.read_error, 0);
    assert_true(content.is_same);
}

static void keep_every_size(void **state)
{
    struct rig *rig = rig_of(state);
    uint64_t large = ((struct fixture *)*state)->factory->large;
    const uint64_t size[] = { 0,     1,     7,     8,         9,     4096,      8184,     8192,
                              65535, 65536, 70000, large - 1, large, large + 1, large * 3 };
    enum { SIZES = sizeof size / sizeof *size, FRONTS = 4 };
    struct rig_message message[SIZES * FRONTS];

    for (uint32_t i = 0; i < SIZES * FRONTS; i++) {
        const uint64_t front[FRONTS] = { 0, 1, 700, RIG_FRONT_MAX };
        uint64_t whole = size[i / FRONTS];
        uint64_t first = front[i % FRONTS] < whole ? front[i % FRONTS] : whole;
        message[i] =
            (struct rig_message){ i + 1,          whole, 1 + i % 4, 1 + i % 3, rig->now.wall_ms,
                                  (uint32_t)first };
        assert_int_equal(rig_append_now(rig, &message[i]), 0);
        assert_holds(rig, &message[i]);
    }
    assert_int_equal(store_memory(rig->store), 0);
    reopen(rig);
    for (uint32_t i = 0; i < SIZES * FRONTS; i++)
        assert_holds(rig, &message[i]);
}

static void keeps_messages_of_every_size(void **state)
{
    keep_every_size(state);
}

/* With other content that was uploaded before, was read again, and forgotten. */
static void keeps_what_was_uploaded_last(void **state)
{
    rig_of(state)->restarts = 2;
    keep_every_size(state);
}

static void forgets_an_aborted_upload(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_upload *upload = store_upload_open(rig->store, rig_id(1));

    store_upload_write(upload, STR("some"));
    assert_true(store_memory(rig->store) > 0);
    store_upload_abort(upload);
    assert_int_equal(store_memory(rig->store), 0);
    assert_int_equal(rig_ask(rig, 1), -ENOENT);
    /* An open one at closing is no harm. */
    upload = store_upload_open(rig->store, rig_id(2));
    store_upload_write(upload, STR("some"));
    reopen(rig);
    assert_int_equal(rig_ask(rig, 2), -ENOENT);
}

static void refuses_an_id_twice(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_message message = { 1, 10, 1, 1, rig->now.wall_ms };
    struct rig_answer first;
    struct rig_answer second;

    rig_append(rig, &message, &first);
    rig_append(rig, &message, &second);
    assert_int_equal(rig_wait(rig, &first), 0);
    assert_int_equal(rig_wait(rig, &second), -EEXIST);
    assert_int_equal(rig_append_now(rig, &message), -EEXIST);
    assert_holds(rig, &message);
}

static void lists_in_order_of_arrival(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_query query = { .domain = ONE };

    for (uint32_t i = 1; i <= 300; i++) {
        /* The clock jumps back in the middle. */
        int64_t late_ms = i < 150 ? (int64_t)i / 10 : -5000;
        struct rig_message message = { i, 10, 1, 1, rig->now.wall_ms + late_ms };
        assert_int_equal(rig_append_now(rig, &message), 0);
    }
    for (int round = 0; round < 2; round++) {
        rig_list_all(rig, query, 17, &list);
        assert_int_equal(list.count, 300);
        for (uint32_t i = 0; i < 300; i++)
            assert_int_equal(list.number[i], i + 1);
        for (uint32_t i = 1; i < 300; i++)
            assert_true(list.entry[i].since_ms >= list.entry[i - 1].since_ms);
        query.newest_first = true;
        rig_list_all(rig, query, 1000, &list);
        assert_int_equal(list.count, 300);
        assert_int_equal(list.number[0], 300);
        assert_int_equal(list.number[299], 1);
        query.newest_first = false;
        reopen(rig);
    }
}

static void goes_on_listing_while_things_change(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_query query = { .limit = 10 };

    for (uint32_t i = 1; i <= 60; i++)
        assert_int_equal(rig_add(rig, i, 10), 0);
    list.count = 0;
    assert_int_equal(rig_list_some(rig, &query, &list), 0);
    assert_true(list.more);
    /* What the position stands on goes, and what comes next, and one in front. */
    query.after = list.position[9];
    assert_int_equal(rig_settle_now(rig, 10, ONE, OUTCOME_DELIVERED), 0);
    assert_int_equal(rig_settle_now(rig, 11, ONE, OUTCOME_DELIVERED), 0);
    assert_int_equal(rig_settle_now(rig, 1, ONE, OUTCOME_DELIVERED), 0);
    assert_int_equal(rig_add(rig, 61, 10), 0);
    list.count = 0;
    assert_int_equal(rig_list_some(rig, &query, &list), 0);
    assert_int_equal(list.number[0], 12);
    query.newest_first = true;
    query.after = list.position[5]; /* message 17; back from there */
    assert_int_equal(rig_settle_now(rig, 17, ONE, OUTCOME_DELIVERED), 0);
    list.count = 0;
    assert_int_equal(rig_list_some(rig, &query, &list), 0);
    assert_int_equal(list.number[0], 16);
    assert_int_equal(list.number[4], 12);
    assert_int_equal(list.number[5], 9);
}

static void finds_by_recipient(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_query query = { .recipient = STR("USER3.0@one.example") };

    for (uint32_t i = 1; i <= 40; i++) {
        struct rig_message message = { i, 10, 1 + i % 3, 1, rig->now.wall_ms };
        assert_int_equal(rig_append_now(rig, &message), 0);
    }
    rig_list_all(rig, query, 3, &list);
    assert_int_equal(list.count, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(list.number[i], 3 + 10 * i);
    query.recipient = STR("nobody@one.example");
    rig_list_all(rig, query, 3, &list);
    assert_int_equal(list.count, 0);
    query.recipient = STR("nobody@unknown.example");
    rig_list_all(rig, query, 3, &list);
    assert_int_equal(list.count, 0);
}

static void settles_each_domain_and_recipient_apart(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_message message = { 1, 100, 6, 2, rig->now.wall_ms }; /* 0 2 4 and 1 3 5 */
    const uint32_t some[] = { 2, 3, 99, 2 };                         /* 3 and 99 are passed over */
    struct rig_answer answer;
    struct rig_content content;
    struct store_totals totals;

    assert_int_equal(rig_append_now(rig, &message), 0);
    rig_settle(rig, 1, ONE, OUTCOME_DELIVERED, some, 4, &answer);
    assert_int_equal(rig_wait(rig, &answer), 0);
    assert_int_equal(rig_settle_now(rig, 1, TWO, OUTCOME_RESCUED), 0);
    assert_int_equal(rig_settle_now(rig, 1, THREE, OUTCOME_DELIVERED), 0); /* not its domain */
    for (int round = 0; round < 2; round++) {
        rig_look(rig, &message, TWO, &content);
        assert_int_equal(content.error, 0);
        const enum recipient_state want[] = { RECIPIENT_PENDING, RECIPIENT_RESCUED,
                                              RECIPIENT_GONE,    RECIPIENT_RESCUED,
                                              RECIPIENT_PENDING, RECIPIENT_RESCUED };
        assert_memory_equal(content.state, want, sizeof want);
        assert_int_equal(content.reason.code, 550);
        store_totals(rig->store, STR_NONE, &totals);
        assert_int_equal(totals.held_count, 1);
        assert_int_equal(totals.rescued_count, 1);
        assert_int_equal(totals.rescued_bytes, 100 + rig->added[1]);
        struct store_query query = { .domain = ONE };
        rig_list_all(rig, query, 10, &list);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.entry[0].pending, 2);
        assert_int_equal(list.entry[0].rescued, 0);
        reopen(rig);
    }
    assert_int_equal(rig_settle_now(rig, 1, ONE, OUTCOME_DISCARDED), 0);
    assert_int_equal(rig_settle_now(rig, 1, TWO, OUTCOME_DISCARDED), 0);
    rig_look(rig, &message, STR_NONE, &content);
    assert_int_equal(content.error, -ENOENT);
    assert_int_equal(rig_settle_now(rig, 1, ONE, OUTCOME_DISCARDED), 0); /* harmless */
    assert_int_equal(rig_settle_now(rig, 77, ONE, OUTCOME_DISCARDED), -ENOENT);
}

static void rescues_and_releases(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_query rescued = { .domain = ONE, .states = 1U << ENTRY_RESCUED };
    struct store_query held = { .domain = ONE, .states = 1U << ENTRY_HELD };

    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(rig_add(rig, i, 10), 0);
    rig_pass(rig, 1000);
    for (uint32_t i = 3; i >= 1; i--)
        assert_int_equal(rig_settle_now(rig, i, ONE, OUTCOME_RESCUED), 0);
    rig_list_all(rig, rescued, 10, &list);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.number[0], 3); /* in the order of the rescue */
    assert_int_equal(list.entry[0].since_ms, rig->now.wall_ms);
    rig_pass(rig, 1000);
    assert_int_equal(rig_settle_now(rig, 2, ONE, OUTCOME_DELIVERED), 0); /* does not apply */
    assert_int_equal(rig_settle_now(rig, 2, ONE, OUTCOME_RELEASED), 0);
    for (int round = 0; round < 2; round++) {
        rig_list_all(rig, held, 10, &list);
        assert_int_equal(list.count, 2);
        assert_int_equal(list.number[0], 4);
        assert_int_equal(list.number[1], 2); /* behind those that waited */
        rig_list_all(rig, (struct store_query){ .newest_first = true }, 3, &list);
        assert_int_equal(list.count, 4);
        assert_int_equal(list.number[0], 2);
        reopen(rig);
    }
    assert_int_equal(rig_settle_now(rig, 2, ONE, OUTCOME_DELIVERED), 0);
    assert_int_equal(rig_ask(rig, 2), 0);
}

struct seen { /* of an opened message */
    bool is_there;
    bool is_held_back[2];
    int64_t since_ms;
};

static void see(void *context, int error, struct store_reader *reader,
                const struct stored_message *message)
{
    struct seen *seen = context;

    assert_int_equal(error, 0);
    seen->is_there = true;
    for (int i = 0; i < 2; i++)
        seen->is_held_back[i] = message->envelope.recipient[i].is_held_back;
    seen->since_ms = message->since_ms;
    store_reader_close(reader);
}

static struct seen look_at(struct rig *rig, uint32_t number, struct str domain)
{
    struct seen seen = { 0 };

    store_open(rig->store, rig_id(number), domain, see, &seen);
    while (!seen.is_there)
        rig_turn(rig);
    return seen;
}

/* Two recipients of one domain, held back for the same reason; one is released. */
static void who_is_released_is_not_held_back_any_more(void **state)
{
    struct rig *rig = rig_of(state);
    struct recipient recipient[2] = { { .address = STR("a@one.example"), .is_held_back = true },
                                      { .address = STR("b@one.example"), .is_held_back = true } };
    struct envelope envelope = { .id = rig_id(1),
                                 .received_ms = rig->now.wall_ms,
                                 .recipient = recipient,
                                 .recipient_count = 2,
                                 .reason = verdict_make(550, 7, 1, STR("Spam")) };
    struct store_upload *upload = store_upload_open(rig->store, envelope.id);
    const uint32_t second = 1;
    struct rig_answer answer = { 0 };

    store_upload_write(upload, STR("Subject: x\r\n\r\n"));
    store_append(rig->store, upload, &envelope, STR_NONE, rig_answered, &answer);
    assert_int_equal(rig_wait(rig, &answer), 0);
    struct seen seen = look_at(rig, 1, STR("one.example"));
    assert_true(seen.is_held_back[0] && seen.is_held_back[1]);
    assert_true(seen.since_ms == rig->now.wall_ms);
    assert_true(look_at(rig, 1, STR_NONE).since_ms == 0);
    rig_pass(rig, HOUR_MS);
    rig_settle(rig, 1, STR("one.example"), OUTCOME_RELEASED, &second, 1, &answer);
    assert_int_equal(rig_wait(rig, &answer), 0);
    for (int round = 0; round < 2; round++) {
        seen = look_at(rig, 1, STR("one.example"));
        assert_true(seen.is_held_back[0]);
        assert_false(seen.is_held_back[1]);
        assert_true(seen.since_ms > envelope.received_ms); /* it is held since now */
        reopen(rig);
    }
}

static void remembers_what_it_had(void **state)
{
    struct rig *rig = rig_of(state);

    assert_int_equal(rig_add(rig, 1, 10), 0);
    assert_int_equal(rig_ask(rig, 1), 0);
    assert_int_equal(rig_ask(rig, 2), -ENOENT);
    assert_int_equal(rig_settle_now(rig, 1, ONE, OUTCOME_DELIVERED), 0);
    rig_pass(rig, 9 * MINUTE_MS);
    assert_int_equal(rig_ask(rig, 1), 0);
    reopen(rig);
    assert_int_equal(rig_ask(rig, 1), 0);
}

/* A question about a message on its way waits for the commit. */
static void answers_a_doubt_after_the_commit(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_message message = { 1, 10, 1, 1, rig->now.wall_ms };
    struct rig_answer append;
    struct rig_answer doubt = { 0 };

    rig_append(rig, &message, &append);
    store_ask(rig->store, rig_id(1), rig_answered, &doubt);
    assert_int_equal(rig_wait(rig, &doubt), 0);
    assert_true(append.is_there);
}

static void counts_and_names_domains(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_message message = { 1, 50, 3, 3, rig->now.wall_ms };
    struct store_totals totals;
    size_t cursor = 0;
    struct str name;
    unsigned domains = 0;

    assert_int_equal(rig_append_now(rig, &message), 0);
    rig_pass(rig, 10);
    assert_int_equal(rig_add(rig, 2, 30), 0);
    store_totals(rig->store, ONE, &totals);
    assert_int_equal(totals.held_count, 2);
    assert_int_equal(totals.held_bytes, 80 + rig->added[1] + rig->added[0]);
    assert_int_equal(totals.oldest_held_ms, message.received_ms);
    store_totals(rig->store, STR("unknown.example"), &totals);
    assert_int_equal(totals.held_count, 0);
    assert_int_equal(totals.oldest_held_ms, 0);
    assert_int_equal(rig_settle_now(rig, 1, THREE, OUTCOME_DELIVERED), 0);
    while (store_next_domain(rig->store, &cursor, &name))
        domains++;
    assert_int_equal(domains, 2);
}

static void opened(void *context, int error, struct store_reader *reader,
                   const struct stored_message *message)
{
    assert_int_equal(error, 0);
    assert_non_null(message);
    *(struct store_reader **)context = reader;
}

struct piece {
    struct rig_answer answer;
    size_t size;
};

static void read_piece(void *context, int error, struct str bytes)
{
    struct piece *piece = context;
    piece->size = bytes.len;
    rig_answered(&piece->answer, error);
}

static void an_open_reader_outlives_the_message(void **state)
{
    struct rig *rig = rig_of(state);
    uint64_t large = ((struct fixture *)*state)->factory->large;
    const uint64_t size[] = { 100, 90000, large + 10 };

    for (uint32_t i = 0; i < 3; i++) {
        struct store_reader *reader = NULL;
        struct piece piece = { 0 };
        assert_int_equal(rig_add(rig, i + 1, size[i]), 0);
        store_open(rig->store, rig_id(i + 1), STR_NONE, opened, &reader);
        for (int turn = 0; turn < 1000 && reader == NULL; turn++)
            rig_idle(rig);
        assert_non_null(reader);
        assert_int_equal(rig_settle_now(rig, i + 1, ONE, OUTCOME_DELIVERED), 0);
        for (uint32_t other = 0; other < 30; other++)
            assert_int_equal(rig_add(rig, 100 + i * 100 + other, 9000), 0);
        rig_idle(rig);
        store_read(reader, 0, (size_t)size[i] + 500, read_piece, &piece);
        assert_int_equal(rig_wait(rig, &piece.answer), 0);
        assert_int_equal(piece.size, size[i]);
        piece = (struct piece){ 0 };
        store_read(reader, size[i], 10, read_piece, &piece); /* behind the end */
        assert_int_equal(rig_wait(rig, &piece.answer), 0);
        assert_int_equal(piece.size, 0);
        store_reader_close(reader);
    }
}

static void grants_a_lease(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_answer answer = { 0 };

    store_lease(rig->store, ONE, rig_answered, NULL, &answer);
    assert_false(answer.is_there);
    assert_int_equal(rig_wait(rig, &answer), 0);
    store_lease_return(rig->store, ONE);
}

static void answers_everything_at_closing(void **state)
{
    struct rig *rig = rig_of(state);
    struct rig_message message = { 1, 10, 1, 1, rig->now.wall_ms };
    struct rig_answer append;
    struct rig_answer doubt = { 0 };

    rig_append(rig, &message, &append);
    store_ask(rig->store, rig_id(1), rig_answered, &doubt);
    rig_close(rig);
    assert_true(append.is_there && doubt.is_there);
    assert_int_equal(append.error, 0);
    rig_open(rig);
    assert_holds(rig, &message);
}

static void is_well_when_nothing_is_wrong(void **state)
{
    struct rig *rig = rig_of(state);
    struct store_health health;

    assert_int_equal(rig_add(rig, 1, 10), 0);
    rig_idle(rig);
    store_health(rig->store, &health);
    assert_int_equal(health.condition, STORE_OK);
    assert_true(health.free_bytes > 0);
    assert_true(store_deadline(rig->store) > rig->now.mono_ms);
}

int contract_run(const char *name, const struct contract_factory *factory)
{
    struct fixture fixture = { .factory = factory };
#define CONTRACT(test)                                                                             \
    {                                                                                              \
#test, test, begin, end, &fixture                                                          \
    }
    const struct CMUnitTest tests[] = {
        CONTRACT(keeps_messages_of_every_size),
        CONTRACT(keeps_what_was_uploaded_last),
        CONTRACT(forgets_an_aborted_upload),
        CONTRACT(refuses_an_id_twice),
        CONTRACT(lists_in_order_of_arrival),
        CONTRACT(goes_on_listing_while_things_change),
        CONTRACT(finds_by_recipient),
        CONTRACT(settles_each_domain_and_recipient_apart),
        CONTRACT(rescues_and_releases),
        CONTRACT(who_is_released_is_not_held_back_any_more),
        CONTRACT(remembers_what_it_had),
        CONTRACT(answers_a_doubt_after_the_commit),
        CONTRACT(counts_and_names_domains),
        CONTRACT(an_open_reader_outlives_the_message),
        CONTRACT(grants_a_lease),
        CONTRACT(answers_everything_at_closing),
        CONTRACT(is_well_when_nothing_is_wrong),
    };
#undef CONTRACT
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}
