/* SPDX-License-Identifier: ISC */
/* test_log_compact.c: room comes back, and nothing comes back to life.
 *
 * A disk in memory, segments of 64 KiB. The numbers of messages say their domain: rig_domain[0] and
 * [1] take turns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/fake_disk.h"
#include "store/log/log_private.h"
#include "store/rig.h"

enum { SEGMENT = 65536, LARGE = 16384, QUIET = 5000 };

struct room {
    struct rig rig;
    struct fake_disk *fake;
    struct log_store_settings settings;
    unsigned compacted; /* events */
    unsigned refused;
    unsigned damaged;
};

static void count_event(void *context, struct str line)
{
    struct room *room = context;
    char text[512] = { 0 };

    memcpy(text, line.ptr, line.len < sizeof text - 1 ? line.len : sizeof text - 1);
    room->compacted += strstr(text, " spool_compacted ") != NULL ? 1 : 0;
    room->refused += strstr(text, " segment_not_compacted ") != NULL ? 1 : 0;
    room->damaged += strstr(text, "_damaged ") != NULL ? 1 : 0;
    if (getenv("HOLDFAST_LOG") != NULL)
        (void)fprintf(stderr, "%s\n", text);
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct room *room = rig->driver.context;
    return log_store_open(&room->settings, fake_disk_use(room->fake), rig->worker, rig->now,
                          out_store);
}

static int begin(void **state)
{
    struct room *room = memory_new(sizeof *room);

    room->settings = (struct log_store_settings){ .segment_size = SEGMENT,
                                                  .large_body_size = LARGE,
                                                  .quiet_ms = QUIET };
    room->fake = fake_disk_new(11);
    room->rig.worker = worker_new_inline();
    room->rig.driver = (struct rig_driver){ open_log, room };
    room->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = RIG_RECEIVED_MS };
    random_from_seed(&room->rig.random, 11);
    log_set_sink(count_event, room);
    rig_open(&room->rig);
    *state = room;
    return 0;
}

static int end(void **state)
{
    struct room *room = *state;

    assert_int_equal(room->damaged, 0);
    rig_close(&room->rig);
    worker_free(room->rig.worker);
    fake_disk_free(room->fake);
    memory_free(room);
    return 0;
}

/* As kill -9: what was written stays. With or without the shortcuts of a start. */
static void start_again(struct room *room, bool shortcuts)
{
    fake_disk_die_at(room->fake, 1);
    rig_close(&room->rig);
    fake_disk_cut_power(room->fake);
    if (!shortcuts && fake_disk_file(room->fake, "checkpoint") != NULL) {
        struct disk *disk = fake_disk_use(room->fake);
        assert_int_equal(disk->driver->remove(disk, "checkpoint"), 0);
    }
    rig_open(&room->rig);
}

static struct rig_message message_of(uint32_t number, uint64_t size)
{
    return (struct rig_message){ number,          size,
                                 1 + number % 2,  2,
                                 RIG_RECEIVED_MS, (uint32_t)(size * (number % 3) / 3) };
}

/* Even numbers: one recipient in domain 0. Odd ones: one there, another in domain 1. */
static void add_many(struct room *room, uint32_t first, uint32_t last, uint64_t size)
{
    for (uint32_t i = first; i <= last; i++) {
        struct rig_message message = message_of(i, size);
        assert_int_equal(rig_append_now(&room->rig, &message), 0);
    }
}

static void settle_many(struct room *room, uint32_t first, uint32_t last, uint32_t step,
                        enum outcome outcome)
{
    for (uint32_t i = first; i <= last; i += step)
        for (uint32_t domain = 0; domain <= i % 2; domain++)
            assert_int_equal(rig_settle_now(&room->rig, i, rig_domain[domain], outcome), 0);
}

static bool is_whole(struct room *room, uint32_t number, uint64_t size)
{
    struct rig_message message = message_of(number, size);
    struct rig_content content;

    rig_look(&room->rig, &message, STR_NONE, &content);
    return content.error == 0 && content.read_error == 0 && content.is_same;
}

static uint64_t count(const struct room *room)
{
    struct store_totals totals;
    store_totals(room->rig.store, STR_NONE, &totals);
    return totals.held_count + totals.rescued_count;
}

static void wait_for_quiet(struct room *room)
{
    for (int i = 0; i < 4; i++) {
        rig_pass(&room->rig, QUIET + 1);
        rig_idle(&room->rig);
    }
}

static unsigned segments(struct room *room)
{
    return fake_disk_count(room->fake, ".seg");
}

/* ---- room comes back ---- */

static void a_drained_domain_gives_its_room_back(void **state)
{
    struct room *room = *state;

    add_many(room, 1, 400, 2000);
    unsigned before = segments(room);
    settle_many(room, 1, 400, 2, OUTCOME_DELIVERED);
    rig_idle(&room->rig);
    assert_true(segments(room) >= before); /* not in the midst of it */
    wait_for_quiet(room);
    assert_true(room->compacted > 0);
    assert_true(segments(room) <= before / 2 + 1 + SPARES_MAX);
    for (int how = 0; how < 2; how++) {
        assert_int_equal(count(room), 200);
        for (uint32_t i = 1; i <= 400; i++)
            assert_int_equal(is_whole(room, i, 2000), i % 2 == 0);
        start_again(room, how == 0);
    }
}

/* A message here and there, kept for the operator, does not hold a segment each. */
static void scattered_mail_is_gathered(void **state)
{
    struct room *room = *state;

    add_many(room, 1, 600, 2000);
    settle_many(room, 50, 600, 50, OUTCOME_RESCUED);
    for (uint32_t i = 1; i <= 600; i++)
        if (i % 50 != 0)
            settle_many(room, i, i, 1, OUTCOME_DELIVERED);
    wait_for_quiet(room);
    assert_true(segments(room) <= 2 + SPARES_MAX);
    start_again(room, false);
    assert_int_equal(count(room), 12);
    for (uint32_t i = 50; i <= 600; i += 50) {
        struct rig_message message = message_of(i, 2000);
        struct rig_content content;
        rig_look(&room->rig, &message, STR_NONE, &content);
        assert_true(content.is_same && content.read_error == 0);
        assert_int_equal(content.state[0], RECIPIENT_RESCUED);
        assert_int_equal(content.reason.code, 550);
    }
}

/* Mail goes through, now and then something of a long-held domain is settled by hand: each of these
 * settlements would hold the segment it stands in. */
static void late_settlements_do_not_hold_segments(void **state)
{
    struct room *room = *state;

    add_many(room, 1, 100, 5000); /* about eight segments, that stay */
    for (uint32_t round = 1; round <= 20; round++) {
        uint32_t first = round * 1000;
        add_many(room, first, first + 40, 4000);
        settle_many(room, first, first + 40, 1, OUTCOME_DELIVERED);
        settle_many(room, round, round, 1, OUTCOME_DISCARDED);
        wait_for_quiet(room);
    }
    assert_true(segments(room) <= 8 + 2 + SPARES_MAX);
    start_again(room, false);
    uint64_t left = 0;
    for (uint32_t i = 21; i <= 100; i++) {
        assert_true(is_whole(room, i, 5000));
        left += 1 + i % 2;
    }
    assert_int_equal(count(room), left);
}

static void comes_to_rest(void **state)
{
    struct room *room = *state;
    static const uint64_t sizes[] = { 0, 20, 300, 2000, LARGE - 1, LARGE, LARGE + 5000 };
    uint32_t number = 1;

    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++, number += 60)
        add_many(room, number, number + 59, sizes[i]);
    settle_many(room, 1, number - 1, 3, OUTCOME_DELIVERED);
    settle_many(room, 2, number - 1, 6, OUTCOME_RESCUED);
    wait_for_quiet(room);
    uint64_t written = fake_disk_written(room->fake);
    for (int i = 0; i < 100; i++) {
        rig_pass(&room->rig, MINUTE_MS);
        rig_idle(&room->rig);
    }
    assert_int_equal(fake_disk_written(room->fake), written);
}

static void a_full_disk_becomes_accepting(void **state)
{
    struct room *room = *state;
    uint32_t number = 0;

    fake_disk_set_capacity(room->fake, 12 * SEGMENT);
    for (int error = 0; error == 0;) {
        struct rig_message message = message_of(++number, 2000);
        error = rig_append_now(&room->rig, &message);
    }
    assert_true(number > 100);
    number--;
    /* Four in ten: no segment becomes free by itself. */
    uint32_t left = 0;
    for (uint32_t i = 1; i <= number; i++) {
        if (i % 10 < 4)
            settle_many(room, i, i, 1, OUTCOME_DELIVERED);
        else
            left++;
    }
    for (int i = 0; i < 20; i++) {
        rig_pass(&room->rig, SECOND_MS);
        rig_idle(&room->rig);
    }
    uint32_t added = 0;
    for (int error = 0; error == 0; added++) {
        struct rig_message message = message_of(10000 + added, 2000);
        error = rig_append_now(&room->rig, &message);
    }
    assert_true(added > 50);
    start_again(room, false);
    uint32_t whole = 0;
    for (uint32_t i = 1; i <= number; i++)
        whole += is_whole(room, i, 2000) ? 1 : 0;
    assert_int_equal(whole, left);
}

/* ---- and nothing comes back to life ---- */

struct opened {
    struct rig_answer answer;
    struct store_reader *reader;
};

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct opened *opened = context;
    (void)message;
    opened->reader = reader;
    rig_answered(&opened->answer, error);
}

/* Somebody reads: the segment must stay, though everything in it has been moved. */
static struct store_reader *hold_segment_of(struct room *room, uint32_t number)
{
    struct opened opened = { 0 };
    store_open(room->rig.store, rig_id(number), STR_NONE, on_opened, &opened);
    assert_int_equal(rig_wait(&room->rig, &opened.answer), 0);
    return opened.reader;
}

/* 1 … 20 are moved, and the segment they came from is held. */
static struct store_reader *move_some(struct room *room)
{
    add_many(room, 1, 60, 2000);
    struct store_reader *reader = hold_segment_of(room, 1);
    settle_many(room, 11, 60, 1, OUTCOME_DELIVERED);
    wait_for_quiet(room);
    assert_true(room->compacted > 0);
    return reader;
}

static void the_old_copy_stays_dead(void **state)
{
    struct room *room = *state;
    struct store_reader *reader = move_some(room);

    settle_many(room, 1, 10, 1, OUTCOME_DELIVERED);
    for (uint32_t round = 1; round < 12; round++) { /* the new segment is forgotten, if it may be */
        add_many(room, round * 100, round * 100 + 40, 4000);
        settle_many(room, round * 100, round * 100 + 40, 1, OUTCOME_DELIVERED);
        wait_for_quiet(room);
    }
    store_reader_close(reader);
    start_again(room, false);
    assert_int_equal(count(room), 0);
}

static void status_survives_the_segment_that_said_it(void **state)
{
    struct room *room = *state;
    struct store_reader *reader = move_some(room);

    settle_many(room, 1, 10, 1, OUTCOME_RESCUED);
    settle_many(room, 1, 10, 1, OUTCOME_DELIVERED); /* passed over */
    for (uint32_t round = 1; round < 12; round++) {
        add_many(room, round * 100, round * 100 + 40, 4000);
        settle_many(room, round * 100, round * 100 + 40, 1, OUTCOME_DELIVERED);
        wait_for_quiet(room);
    }
    store_reader_close(reader);
    start_again(room, false);
    assert_int_equal(count(room), 15); /* five of them in two domains */
    for (uint32_t i = 1; i <= 10; i++)
        assert_true(is_whole(room, i, 2000));
}

/* A status is read from the log, and then the index files are written without a change since. */
static void a_status_goes_into_the_next_index_file(void **state)
{
    struct room *room = *state;

    add_many(room, 1, 60, 2000);
    rig_close(&room->rig);
    rig_open(&room->rig); /* an index file that knows of no rescue */
    settle_many(room, 2, 20, 2, OUTCOME_RESCUED);
    add_many(room, 100, 180, 2000);
    settle_many(room, 100, 180, 1, OUTCOME_DELIVERED);
    wait_for_quiet(room); /* what said "rescued" has been compacted */
    assert_true(room->compacted > 0);
    start_again(room, true);
    rig_close(&room->rig);
    rig_open(&room->rig);
    struct store_totals totals;
    store_totals(room->rig.store, STR_NONE, &totals);
    assert_int_equal(totals.rescued_count, 10);
}

/* The machine dies between the index files and the checkpoint that goes with them. */
static void a_newer_index_file_knows_what_is_gone(void **state)
{
    struct room *room = *state;
    uint32_t number = 1000;

    for (uint64_t n = 1; n < 120; n++) {
        add_many(room, number, number + 1, 1000);
        rig_close(&room->rig);
        rig_open(&room->rig); /* goes on in the segment that the checkpoint ends in */
        add_many(room, number + 2, number + 9, 1000);
        settle_many(room, number + 2, number + 8, 1, OUTCOME_DELIVERED);
        uint64_t left = count(room);
        uint32_t filler = number * 100;
        for (uint32_t i = 0; i < 10 * 14; i++) {
            if (i == 8 * 14 - 10) /* the next checkpoint is near */
                fake_disk_die_at(room->fake, n);
            struct rig_message message = message_of(filler + i * 2, 4000);
            if (rig_append_now(&room->rig, &message) != 0)
                break;
            (void)rig_settle_now(&room->rig, filler + i * 2, rig_domain[0], OUTCOME_DELIVERED);
        }
        start_again(room, true);
        for (uint32_t i = 0; i < 10 * 14; i++)
            (void)rig_settle_now(&room->rig, filler + i * 2, rig_domain[0], OUTCOME_DELIVERED);
        assert_int_equal(count(room), left);
        number += 10;
    }
}

static void what_cannot_be_read_is_not_moved(void **state)
{
    struct room *room = *state;

    add_many(room, 1, 100, 2000);
    const struct buf *file = fake_disk_file(room->fake, "00000001.seg");
    file->ptr[SEGMENT_HEADER_SIZE + 1500] ^= 1; /* in the content of the first one */
    settle_many(room, 11, 100, 1, OUTCOME_DELIVERED);
    wait_for_quiet(room);
    assert_true(room->refused > 0);
    assert_int_equal(count(room), 15);
    assert_non_null(fake_disk_file(room->fake, "00000001.seg"));
    for (uint32_t i = 2; i <= 10; i++)
        assert_true(is_whole(room, i, 2000));
    assert_false(is_whole(room, 1, 2000));
    room->damaged = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_drained_domain_gives_its_room_back, begin, end),
        cmocka_unit_test_setup_teardown(scattered_mail_is_gathered, begin, end),
        cmocka_unit_test_setup_teardown(late_settlements_do_not_hold_segments, begin, end),
        cmocka_unit_test_setup_teardown(comes_to_rest, begin, end),
        cmocka_unit_test_setup_teardown(a_full_disk_becomes_accepting, begin, end),
        cmocka_unit_test_setup_teardown(the_old_copy_stays_dead, begin, end),
        cmocka_unit_test_setup_teardown(status_survives_the_segment_that_said_it, begin, end),
        cmocka_unit_test_setup_teardown(a_status_goes_into_the_next_index_file, begin, end),
        cmocka_unit_test_setup_teardown(a_newer_index_file_knows_what_is_gone, begin, end),
        cmocka_unit_test_setup_teardown(what_cannot_be_read_is_not_moved, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
