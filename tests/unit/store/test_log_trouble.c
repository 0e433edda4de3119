/* SPDX-License-Identifier: ISC */
/* test_log_trouble.c: damage, failing and full disks, segments that come back, memory.
 *
 * A disk in memory, segments of 64 KiB so that there are many. What is logged is
 * counted by event.
 */
#include <errno.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/fake_disk.h"
#include "store/log/log_private.h"
#include "store/rig.h"

enum { SEGMENT = 65536, LARGE = 16384 };

struct trouble {
    struct rig rig;
    struct fake_disk *fake;
    struct log_store_settings settings;
    unsigned damaged; /* events */
    unsigned torn;
    unsigned missing;
    unsigned unusable;
    unsigned unreadable;
};

static void count_event(void *context, struct str line)
{
    struct trouble *trouble = context;
    char text[512] = { 0 };

    memcpy(text, line.ptr, line.len < sizeof text - 1 ? line.len : sizeof text - 1);
    trouble->damaged += strstr(text, "error segment_damaged") != NULL ? 1 : 0;
    trouble->damaged += strstr(text, "error message_damaged") != NULL ? 1 : 0;
    trouble->torn += strstr(text, "info segment_torn") != NULL ? 1 : 0;
    trouble->missing += strstr(text, "error body_missing") != NULL ? 1 : 0;
    trouble->unusable += strstr(text, "_unusable") != NULL ? 1 : 0;
    trouble->unreadable += strstr(text, "error segment_unreadable") != NULL ? 1 : 0;
    if (getenv("HOLDFAST_LOG") != NULL)
        (void)fprintf(stderr, "%s\n", text);
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct trouble *trouble = rig->driver.context;
    return log_store_open(&trouble->settings, fake_disk_use(trouble->fake), rig->worker, rig->now,
                          out_store);
}

static int begin(void **state)
{
    struct trouble *trouble = memory_new(sizeof *trouble);

    trouble->settings = (struct log_store_settings){ .segment_size = SEGMENT,
                                                     .large_body_size = LARGE,
                                                     .quiet_ms = 24 * HOUR_MS };
    trouble->fake = fake_disk_new(7);
    trouble->rig.worker = worker_new_inline();
    trouble->rig.driver = (struct rig_driver){ open_log, trouble };
    trouble->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    random_from_seed(&trouble->rig.random, 7);
    log_set_sink(count_event, trouble);
    rig_open(&trouble->rig);
    *state = trouble;
    return 0;
}

static int end(void **state)
{
    struct trouble *trouble = *state;

    rig_close(&trouble->rig);
    worker_free(trouble->rig.worker);
    fake_disk_free(trouble->fake);
    memory_free(trouble);
    return 0;
}

/* Without a word to the disk, as kill -9 would: what was written stays. */
static void kill(struct trouble *trouble)
{
    fake_disk_die_at(trouble->fake, 1);
    rig_close(&trouble->rig);
    fake_disk_cut_power(trouble->fake);
}

static bool has(struct trouble *trouble, uint32_t number, uint64_t size)
{
    struct rig_message message = { number, size, 1, 1, RIG_RECEIVED_MS };
    struct rig_content content;

    rig_look(&trouble->rig, &message, STR_NONE, &content);
    return content.error == 0 && content.read_error == 0 && content.is_same;
}

static void add_many(struct trouble *trouble, uint32_t first, uint32_t last, uint64_t size)
{
    for (uint32_t i = first; i <= last; i++)
        assert_int_equal(rig_add(&trouble->rig, i, size), 0);
}

static void settle_many(struct trouble *trouble, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++)
        assert_int_equal(rig_settle_now(&trouble->rig, i, rig_domain[0], OUTCOME_DELIVERED), 0);
}

static uint64_t held(const struct trouble *trouble)
{
    struct store_totals totals;
    store_totals(trouble->rig.store, STR_NONE, &totals);
    return totals.held_count;
}

static void flip(struct trouble *trouble, const char *name, size_t at)
{
    struct buf copy = { 0 };

    buf_add(&copy, buf_str(fake_disk_file(trouble->fake, name)));
    assert_true(at < copy.len);
    copy.ptr[at] = (char)(copy.ptr[at] ^ 4);
    fake_disk_put(trouble->fake, name, buf_str(&copy));
    buf_fini(&copy);
}

static void cut_file(struct trouble *trouble, const char *name, size_t size)
{
    struct buf copy = { 0 };
    buf_add(&copy, str_first(buf_str(fake_disk_file(trouble->fake, name)), size));
    fake_disk_put(trouble->fake, name, buf_str(&copy));
    buf_fini(&copy);
}

static void remove_file(struct trouble *trouble, const char *name)
{
    struct disk *disk = fake_disk_use(trouble->fake);
    assert_int_equal(disk->driver->remove(disk, name), 0);
    assert_int_equal(disk->driver->sync_names(disk), 0);
}

/* ---- damage ---- */

/* Batches are numbered on from segment to segment; what has gone between two is no damage. */
static void a_segment_that_has_gone_is_not_missed(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 40, 4000); /* three segments */
    settle_many(trouble, 12, 33);   /* the whole second one */
    rig_idle(&trouble->rig);
    assert_null(fake_disk_file(trouble->fake, "00000002.seg"));
    kill(trouble);
    rig_open(&trouble->rig);
    assert_int_equal(trouble->damaged, 0);
    assert_int_equal(held(trouble), 18);
}

static void a_damaged_record_costs_no_other(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 10, 1000);
    kill(trouble);
    flip(trouble, "00000001.seg", SEGMENT_HEADER_SIZE + 3 * 1200 + 20); /* one of the first */
    rig_open(&trouble->rig);
    assert_true(trouble->damaged > 0);
    assert_true(held(trouble) >= 9);
    unsigned good = 0;
    for (uint32_t i = 1; i <= 10; i++)
        good += has(trouble, i, 1000) ? 1 : 0;
    assert_int_equal(good, 9);
}

/* Every single bit of one record in turn; the others must never suffer. */
static void no_flipped_bit_is_believed(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 5, 200);
    kill(trouble);
    size_t from = SEGMENT_HEADER_SIZE;
    for (size_t at = from; at < from + 480; at += 7) {
        trouble->damaged = 0;
        flip(trouble, "00000001.seg", at);
        rig_open(&trouble->rig);
        assert_true(trouble->damaged > 0 || has(trouble, 1, 200));
        assert_true(has(trouble, 5, 200) && has(trouble, 4, 200));
        assert_int_equal(rig_ask(&trouble->rig, 5), 0);
        kill(trouble);
        flip(trouble, "00000001.seg", at);
    }
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 5);
}

/* The last batch may be one that a crash left unfinished; what is wrong before it does not make it
 * so. */
static void damage_before_the_last_batch_does_not_undo_it(void **state)
{
    struct trouble *trouble = *state;
    const struct segment *segment;

    add_many(trouble, 1, 4, 1000);
    segment = log_of(trouble->rig.store)->segments.current;
    size_t third = (size_t)index_entry(&log_of(trouble->rig.store)->index, 3)->place * RECORD_ALIGN;
    assert_true(third > SEGMENT_HEADER_SIZE && third < segment->end);
    kill(trouble);
    flip(trouble, "00000001.seg", third + 20);
    rig_open(&trouble->rig);
    assert_int_equal(trouble->damaged, 1);
    assert_int_equal(trouble->torn, 0);
    assert_true(has(trouble, 1, 1000) && has(trouble, 2, 1000) && has(trouble, 4, 1000));
}

static void damage_in_a_sealed_segment_is_told_from_a_torn_tail(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 100, 2000); /* several segments */
    kill(trouble);
    struct buf *segment = fake_disk_file(trouble->fake, "00000001.seg");
    size_t last = segment->len;
    while (last > 0 && segment->ptr[last - 1] == 0)
        last--;
    flip(trouble, "00000001.seg", last - 500); /* in the last record of the segment */
    rig_open(&trouble->rig);
    assert_true(trouble->damaged > 0);
    assert_int_equal(trouble->torn, 0);
    assert_int_equal(held(trouble), 100); /* its content is damaged, it stays listed */
}

/* The last batch was written only after the one before was durable: that one's damage says nothing
 * against it. */
static void damage_before_the_last_batch_does_not_cost_it(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 3, 1000); /* a batch each */
    uint64_t size = log_of(trouble->rig.store)->segments.current->end - SEGMENT_HEADER_SIZE;
    kill(trouble);
    flip(trouble, "00000001.seg", SEGMENT_HEADER_SIZE + size / 3 + 20); /* head of the second */
    rig_open(&trouble->rig);
    assert_int_equal(trouble->damaged, 1);
    assert_int_equal(trouble->torn, 0);
    assert_int_equal(held(trouble), 2);
    assert_true(has(trouble, 1, 1000) && has(trouble, 3, 1000));
}

/* Nobody can know whether it was acknowledged; whoever reads the log shall know that it was there.
 */
static void a_record_that_is_there_in_part_is_told(void **state)
{
    static const size_t left[] = { RECORD_HEADER_SIZE, 300, 1000 }; /* of the third one */
    struct trouble *trouble = *state;

    add_many(trouble, 1, 3, 1000);
    uint64_t size = log_of(trouble->rig.store)->segments.current->end - SEGMENT_HEADER_SIZE;
    for (size_t i = sizeof left / sizeof left[0]; i-- > 0;) {
        kill(trouble);
        cut_file(trouble, "00000001.seg", SEGMENT_HEADER_SIZE + size / 3 * 2 + left[i]);
        trouble->torn = 0;
        rig_open(&trouble->rig);
        assert_int_equal(trouble->torn, 1);
        assert_int_equal(trouble->damaged, 0);
        assert_int_equal(held(trouble), 2);
    }
    assert_int_equal(rig_add(&trouble->rig, 4, 10), 0); /* over it */
    kill(trouble);
    trouble->torn = 0;
    rig_open(&trouble->rig);
    assert_int_equal(trouble->torn, 0);
    assert_int_equal(held(trouble), 3);
}

static void one_header_of_a_segment_is_enough(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 5, 100);
    rig_close(&trouble->rig);
    flip(trouble, "00000001.seg", 17);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 5);
    rig_close(&trouble->rig);
    flip(trouble, "00000001.seg", SEGMENT_HEADER_SIZE / 2 + 17);
    rig_open(&trouble->rig); /* both are damaged now: kept aside */
    assert_int_equal(trouble->unreadable, 1);
    assert_int_equal(fake_disk_count(trouble->fake, ".bad"), 1);
    assert_int_equal(rig_add(&trouble->rig, 50, 100), 0);
    assert_true(has(trouble, 50, 100));
}

static void a_missing_body_is_reported_and_stays_listed(void **state)
{
    struct trouble *trouble = *state;
    struct rig_message message = { 1, LARGE * 2, 2, 2, trouble->rig.now.wall_ms };
    struct rig_content content;
    char name[FILE_NAME_SIZE];

    assert_int_equal(rig_append_now(&trouble->rig, &message), 0);
    assert_true(rig_add(&trouble->rig, 2, LARGE * 3) == 0);
    body_file_name(name, rig_id(1));
    rig_close(&trouble->rig);
    remove_file(trouble, name);
    body_file_name(name, rig_id(2));
    flip(trouble, name, LARGE);
    fake_disk_put(trouble->fake, "0000000000000000000000000Z.body", STR("nobody's"));
    rig_open(&trouble->rig);
    assert_int_equal(trouble->missing, 1);
    rig_look(&trouble->rig, &message, STR_NONE, &content);
    assert_int_equal(content.error, 0);
    assert_int_equal(content.read_error, -EIO);
    assert_false(has(trouble, 2, LARGE * 3)); /* found by its checksum */
    assert_int_equal(fake_disk_count(trouble->fake, ".body"), 1);
}

/* Its record is lost; the body is all there is of the message. */
static void a_body_is_not_removed_while_records_are_lost(void **state)
{
    struct trouble *trouble = *state;

    assert_int_equal(rig_add(&trouble->rig, 1, LARGE * 2), 0);
    add_many(trouble, 2, 3, 500);
    kill(trouble);
    flip(trouble, "00000001.seg", SEGMENT_HEADER_SIZE + 20);
    rig_open(&trouble->rig);
    assert_int_equal(trouble->damaged, 1);
    assert_int_equal(held(trouble), 2);
    assert_int_equal(fake_disk_count(trouble->fake, ".body"), 0);
    assert_int_equal(fake_disk_count(trouble->fake, ".body.lost"), 1);
}

/* A bad sector costs what stands in it, and nothing for good: it may be a cable. */
static void a_sector_that_cannot_be_read_costs_no_other(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 20, 2000);
    kill(trouble);
    fake_disk_break(trouble->fake, "00000001.seg", 12288, 4096);
    rig_open(&trouble->rig);
    uint64_t left = held(trouble);
    assert_in_range(left, 16, 18);
    assert_true(trouble->damaged > 0);
    assert_true(has(trouble, 1, 2000));
    assert_true(has(trouble, 20, 2000));
    add_many(trouble, 21, 22, 2000);
    settle_many(trouble, 20, 20);
    kill(trouble);
    fake_disk_break(trouble->fake, NULL, 0, 0);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 21);
    for (uint32_t i = 1; i <= 22; i++)
        assert_int_equal(has(trouble, i, 2000), i != 20);
}

/* … also where it is the last thing written, which otherwise would look like a torn tail. */
static void the_end_that_cannot_be_read_is_not_erased(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 10, 2000);
    kill(trouble);
    fake_disk_break(trouble->fake, "00000001.seg", 20480, 8192);
    rig_open(&trouble->rig);
    assert_true(held(trouble) < 10);
    add_many(trouble, 11, 12, 2000);
    kill(trouble);
    fake_disk_break(trouble->fake, NULL, 0, 0);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 12);
}

/* Without a word to the disk, as kill -9 would; the machine goes on, and its cache with it. */
static void kill_process(struct trouble *trouble)
{
    fake_disk_die_at(trouble->fake, 1);
    rig_close(&trouble->rig);
    fake_disk_close_all(trouble->fake);
}

static void what_was_only_in_the_cache_is_stable_before_it_counts(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 2, 1000);
    fake_disk_lie(trouble->fake, true); /* killed just before the syncs that these would have had */
    add_many(trouble, 3, 3, 1000);
    settle_many(trouble, 2, 2);
    kill_process(trouble);
    fake_disk_lie(trouble->fake, false);
    rig_open(&trouble->rig);
    assert_int_equal(rig_ask(&trouble->rig, 3), 0);
    assert_int_equal(held(trouble), 2);
    kill(trouble); /* and the power goes */
    rig_open(&trouble->rig);
    assert_true(has(trouble, 3, 1000));
    assert_int_equal(held(trouble), 2);
}

static void what_cannot_be_made_stable_is_not_said_to_be_stored(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 1, 1000);
    kill_process(trouble);
    fake_disk_fail_sync(trouble->fake, 1, -EIO);
    rig_open(&trouble->rig);
    assert_int_equal(rig_ask(&trouble->rig, 1), -EIO);
    assert_true(has(trouble, 1, 1000));
    assert_int_equal(rig_ask(&trouble->rig, 7), -ENOENT);
    add_many(trouble, 2, 2, 1000);
    rig_close(&trouble->rig);
    rig_open(&trouble->rig);
    assert_int_equal(rig_ask(&trouble->rig, 1), 0);
    assert_int_equal(held(trouble), 2);
}

/* What a start could not make stable is so before anything new is said to be stored: else newer
 * batches would make what the power took look like damage. */
static void what_was_unsure_is_stable_with_the_next_message(void **state)
{
    struct trouble *trouble = *state;

    for (uint32_t i = 1; i < 40; i += 2) {
        fake_disk_lie(trouble->fake, true);
        add_many(trouble, i, i, 5000);
        kill_process(trouble);
        fake_disk_lie(trouble->fake, false);
        fake_disk_fail_sync(trouble->fake, 1, -EIO);
        rig_open(&trouble->rig);
        assert_int_equal(rig_ask(&trouble->rig, i), -EIO);
        add_many(trouble, i + 1, i + 1, 1000);
        assert_int_equal(rig_ask(&trouble->rig, i), 0);
        kill(trouble); /* the power goes */
        rig_open(&trouble->rig);
        assert_true(has(trouble, i, 5000) && has(trouble, i + 1, 1000));
        assert_int_equal(trouble->damaged, 0);
    }
}

/* A sync that failed may have left pages that look as if they were on the medium: the next start
 * must not believe them, whatever its own sync says. */
static void a_failed_sync_of_a_start_is_not_the_last_word(void **state)
{
    struct trouble *trouble = *state;

    for (uint32_t i = 1; i < 20; i++) {
        fake_disk_lie(trouble->fake, true);
        add_many(trouble, i, i, 1000);
        kill_process(trouble);
        fake_disk_lie(trouble->fake, false);
        fake_disk_fail_sync(trouble->fake, 1, -EIO);
        rig_open(&trouble->rig);
        kill_process(trouble);
        rig_open(&trouble->rig);
        assert_int_equal(rig_ask(&trouble->rig, i), 0);
        kill(trouble); /* the power goes */
        rig_open(&trouble->rig);
        assert_true(has(trouble, i, 1000));
    }
}

/* A large message was told 451; as long as its record may come back, its body stays. */
static void a_failed_batch_comes_back_whole_or_not_at_all(void **state)
{
    struct trouble *trouble = *state;

    for (uint32_t i = 1; i < 40; i++) {
        fake_disk_fail_sync(trouble->fake, 1 + i % 5, -EIO);
        (void)rig_add(&trouble->rig, i, LARGE * 2);
        rig_idle(&trouble->rig);
        kill_process(trouble);
        fake_disk_fail_sync(trouble->fake, 0, 0);
        rig_open(&trouble->rig);
        assert_int_equal(trouble->missing, 0);
    }
    rig_idle(&trouble->rig);
    rig_close(&trouble->rig);
    rig_open(&trouble->rig);
    assert_int_equal(fake_disk_count(trouble->fake, ".body"), held(trouble));
}

/* As after a crash between the index files of a checkpoint and its list. */
static void what_was_settled_before_an_index_file_stays_so(void **state)
{
    struct trouble *trouble = *state;
    struct buf list = { 0 };

    add_many(trouble, 1, 2, 1000);
    rig_close(&trouble->rig);
    buf_add(&list, buf_str(fake_disk_file(trouble->fake, "checkpoint")));
    rig_open(&trouble->rig);
    add_many(trouble, 3, 4, 1000);
    settle_many(trouble, 3, 3);
    rig_close(&trouble->rig);
    fake_disk_put(trouble->fake, "checkpoint", buf_str(&list));
    rig_open(&trouble->rig);
    assert_int_equal(trouble->unusable, 0);
    assert_int_equal(held(trouble), 3);
    assert_true(has(trouble, 4, 1000));
    assert_false(has(trouble, 3, 1000));
    assert_int_equal(rig_ask(&trouble->rig, 3), 0);
    buf_fini(&list);
}

static void a_disk_that_failed_and_is_full_is_tried_with_pauses(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 3, 4000);
    fake_disk_fail_always(trouble->fake, -EIO);
    assert_int_equal(rig_add(&trouble->rig, 4, 4000), -EIO);
    for (int i = 0; i < 600; i++)
        rig_pass(&trouble->rig, SECOND_MS);
    fake_disk_set_capacity(trouble->fake, 1);
    fake_disk_fail_always(trouble->fake, 0);
    for (int i = 0; i < 600; i++) {
        rig_pass(&trouble->rig, SECOND_MS);
        rig_idle(&trouble->rig);
        assert_true(store_deadline(trouble->rig.store) > trouble->rig.now.mono_ms);
    }
    fake_disk_set_capacity(trouble->fake, 0);
    rig_pass(&trouble->rig, MINUTE_MS);
    rig_idle(&trouble->rig);
    assert_int_equal(rig_add(&trouble->rig, 5, 4000), 0);
}

/* ---- what makes the start fast may be lost ---- */

static void survives_without_index_files(void **state)
{
    struct trouble *trouble = *state;
    static const char *const victim[] = { "checkpoint", "00000001.idx", "00000003.idx" };

    add_many(trouble, 1, 120, 2000);
    settle_many(trouble, 1, 20);
    settle_many(trouble, 50, 60);
    assert_int_equal(rig_settle_now(&trouble->rig, 70, rig_domain[0], OUTCOME_RESCUED), 0);
    for (int how = 0; how < 3; how++) {
        for (int i = 0; i < 3; i++) {
            rig_close(&trouble->rig);
            if (fake_disk_file(trouble->fake, victim[i]) != NULL) {
                if (how == 0)
                    remove_file(trouble, victim[i]);
                else if (how == 1)
                    cut_file(trouble, victim[i], 50);
                else
                    flip(trouble, victim[i], 60);
            }
            rig_open(&trouble->rig);
            assert_int_equal(held(trouble), 120 - 20 - 11 - 1);
            assert_false(has(trouble, 55, 2000));
            assert_true(has(trouble, 61, 2000) && has(trouble, 120, 2000));
        }
    }
    assert_true(trouble->unusable > 0);
    assert_int_equal(trouble->damaged, 0);
}

/* An index file of an earlier time, put back by somebody: settlements since then count. */
static void does_not_believe_an_old_index_file(void **state)
{
    struct trouble *trouble = *state;
    struct buf old = { 0 };

    add_many(trouble, 1, 60, 2000);
    rig_close(&trouble->rig);
    buf_add(&old, buf_str(fake_disk_file(trouble->fake, "00000001.idx")));
    rig_open(&trouble->rig);
    settle_many(trouble, 1, 10);
    rig_close(&trouble->rig);
    fake_disk_put(trouble->fake, "00000001.idx", buf_str(&old));
    buf_fini(&old);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 50);
    assert_int_equal(trouble->unusable, 2); /* the file, and so the checkpoint */
}

/* What an index file has absorbed must not be applied again: "delivered", which did not apply to a
 * rescued message, would apply after its release, and mail would be lost. */
static void settlements_are_not_applied_twice(void **state)
{
    struct trouble *trouble = *state;
    struct rig_answer answer[3];
    unsigned crashes = 0;

    add_many(trouble, 1, 1, 100);
    assert_int_equal(rig_settle_now(&trouble->rig, 1, rig_domain[0], OUTCOME_RESCUED), 0);
    for (uint32_t i = 0; crashes < 30; i++) {
        struct rig_message filler = { 10 + i, 6000 + 100 * crashes, 1, 1, RIG_RECEIVED_MS };
        const struct buf *file = fake_disk_file(trouble->fake, "checkpoint");
        struct buf before = { 0 };
        if (file != NULL)
            buf_add(&before, buf_str(file));
        /* The message first: it is what begins a segment, and the settlements stand behind it. */
        rig_append(&trouble->rig, &filler, &answer[0]);
        if (i % 2 == 0) {
            rig_settle(&trouble->rig, 1, rig_domain[0], OUTCOME_DELIVERED, NULL, 0, &answer[1]);
            rig_settle(&trouble->rig, 1, rig_domain[0], OUTCOME_RELEASED, NULL, 0, &answer[2]);
        } else {
            rig_settle(&trouble->rig, 1, rig_domain[0], OUTCOME_RESCUED, NULL, 0, &answer[2]);
        }
        assert_int_equal(rig_wait(&trouble->rig, &answer[2]), 0);
        if (i >= 4)
            settle_many(trouble, 10 + i - 4, 10 + i - 4);
        file = fake_disk_file(trouble->fake, "checkpoint");
        bool is_new = file != NULL && !str_equals(buf_str(&before), buf_str(file));
        buf_fini(&before);
        if (!is_new)
            continue;
        crashes++;
        kill(trouble);
        rig_open(&trouble->rig);
        assert_true(has(trouble, 1, 100));
    }
}

/* ---- the cache ---- */

/* Held mail leaves the cache once, when its segment's index file is written; not again when the
 * file is written anew, for then the mail is on its way. */
static void held_segments_leave_the_cache(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 300, 6000);
    rig_idle(&trouble->rig);
    unsigned forgotten = fake_disk_forgotten(trouble->fake);
    unsigned segments = fake_disk_count(trouble->fake, ".seg");
    assert_in_range(forgotten, CHECKPOINT_SEGMENTS, segments);
    settle_many(trouble, 1, 3);
    add_many(trouble, 301, 600, 6000);
    rig_idle(&trouble->rig);
    assert_in_range(fake_disk_forgotten(trouble->fake), forgotten + 1,
                    fake_disk_count(trouble->fake, ".seg"));
}

/* ---- segments come back ---- */

static void reuses_dead_segments(void **state)
{
    struct trouble *trouble = *state;

    for (uint32_t round = 0; round < 30; round++) {
        add_many(trouble, round * 40 + 1, round * 40 + 40, 3000);
        settle_many(trouble, round * 40 + 1, round * 40 + 40);
        rig_idle(&trouble->rig);
        if (round % 7 == 6) {
            kill(trouble);
            rig_open(&trouble->rig);
            assert_int_equal(held(trouble), 0);
        }
    }
    rig_idle(&trouble->rig);
    assert_true(fake_disk_count(trouble->fake, ".seg") <= SPARES_MAX + 2);
    add_many(trouble, 5000, 5010, 3000);
    kill(trouble);
    remove_file(trouble, "checkpoint");
    rig_open(&trouble->rig); /* full of valid records of earlier generations */
    assert_int_equal(held(trouble), 11);
    assert_int_equal(trouble->damaged, 0);
}

/* A later version in both copies of the header, or this one's again. */
static void set_version(struct trouble *trouble, const char *name, uint16_t version)
{
    for (size_t copy = 0; copy < SEGMENT_HEADER_SIZE; copy += SEGMENT_HEADER_SIZE / 2) {
        char *header = fake_disk_file(trouble->fake, name)->ptr + copy;
        header[8] = (char)version;
        uint32_t sum = crc32c(0, str_of(header, 24));
        memcpy(header + 24, &sum, sizeof sum);
    }
}

/* After a downgrade nothing is set aside or taken for damaged. */
static void does_not_open_the_store_of_a_later_version(void **state)
{
    struct trouble *trouble = *state;
    struct store *store;

    add_many(trouble, 1, 5, 100);
    rig_close(&trouble->rig);
    set_version(trouble, "00000001.seg", SEGMENT_VERSION + 1);
    assert_int_equal(open_log(&trouble->rig, &store), -EPROTONOSUPPORT);
    set_version(trouble, "00000001.seg", SEGMENT_VERSION);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 5);
    assert_int_equal(trouble->unreadable, 0);
}

/* Trouble while a dead segment changes its name costs no room for good. */
static void a_segment_that_could_not_be_reused_is_tried_again(void **state)
{
    struct trouble *trouble = *state;

    for (uint32_t round = 0; round < 30; round++) {
        add_many(trouble, round * 40 + 1, round * 40 + 40, 3000);
        settle_many(trouble, round * 40 + 1, round * 40 + 40);
        fake_disk_fail_sync(trouble->fake, 1 + round % 4, -EIO);
        for (int i = 0; i < 60; i++) {
            rig_pass(&trouble->rig, SECOND_MS);
            rig_idle(&trouble->rig);
        }
        fake_disk_fail_sync(trouble->fake, 0, 0);
    }
    assert_true(fake_disk_count(trouble->fake, ".seg") <= SPARES_MAX + 2);
    assert_int_equal(fake_disk_count(trouble->fake, ".new"), 0);
}

/* The settlements of a long-held segment's messages stay as long as it does. */
static void settlements_outlive_their_messages_segment(void **state)
{
    struct trouble *trouble = *state;

    add_many(trouble, 1, 20, 2000); /* 20 stays, the others go */
    add_many(trouble, 100, 160, 2000);
    settle_many(trouble, 1, 19);
    add_many(trouble, 200, 260, 2000);
    settle_many(trouble, 100, 160);
    settle_many(trouble, 200, 260);
    rig_idle(&trouble->rig);
    kill(trouble);
    if (fake_disk_file(trouble->fake, "checkpoint") != NULL)
        remove_file(trouble, "checkpoint");
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 1);
    assert_true(has(trouble, 20, 2000));
    settle_many(trouble, 20, 20);
    rig_idle(&trouble->rig);
    assert_true(fake_disk_count(trouble->fake, ".seg") <= SPARES_MAX + 2);
}

/* ---- failures ---- */

static enum store_condition condition(const struct trouble *trouble, unsigned *out_code)
{
    struct store_health health;
    store_health(trouble->rig.store, &health);
    *out_code = health.verdict.code;
    return health.condition;
}

static void a_failed_sync_fails_the_batch_and_the_store_recovers(void **state)
{
    struct trouble *trouble = *state;
    unsigned code;

    add_many(trouble, 1, 5, 100);
    rig_idle(&trouble->rig);
    fake_disk_fail_sync(trouble->fake, 1, -EIO);
    assert_int_equal(rig_add(&trouble->rig, 6, 100), -EIO);
    assert_int_equal(condition(trouble, &code), STORE_FAILING);
    assert_int_equal(code, 451);
    assert_int_equal(rig_add(&trouble->rig, 7, 100), -EIO);
    assert_true(store_deadline(trouble->rig.store) < NEVER_MS);
    rig_pass(&trouble->rig, RETRY_MS_FIRST);
    rig_idle(&trouble->rig);
    assert_int_equal(condition(trouble, &code), STORE_OK);
    assert_true(has(trouble, 5, 100));
    add_many(trouble, 8, 9, 100);
    kill(trouble);
    rig_open(&trouble->rig);
    /* The failed batch may be readable on the disk. It is not taken: RESUME. */
    assert_int_equal(held(trouble), 7);
    assert_false(has(trouble, 6, 100));
    assert_int_equal(trouble->damaged, 0);
}

static void recovers_after_failing_for_long(void **state)
{
    struct trouble *trouble = *state;
    unsigned code;

    add_many(trouble, 1, 5, 100);
    rig_idle(&trouble->rig);
    fake_disk_fail_always(trouble->fake, -EIO);
    assert_int_equal(rig_add(&trouble->rig, 6, 100), -EIO);
    assert_int_equal(rig_settle_now(&trouble->rig, 1, rig_domain[0], OUTCOME_DELIVERED), -EIO);
    for (int i = 0; i < 100; i++)
        rig_pass(&trouble->rig, 1000);
    assert_int_equal(condition(trouble, &code), STORE_FAILING);
    unsigned segments = fake_disk_count(trouble->fake, ".seg");
    assert_true(segments <= 4);
    fake_disk_fail_always(trouble->fake, 0);
    for (int i = 0; i < 40; i++)
        rig_pass(&trouble->rig, 1000);
    assert_int_equal(condition(trouble, &code), STORE_OK);
    assert_int_equal(rig_settle_now(&trouble->rig, 1, rig_domain[0], OUTCOME_DELIVERED), 0);
    add_many(trouble, 10, 12, 100);
    kill(trouble);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), 4 + 3);
}

static uint64_t end_of_log(const struct trouble *trouble)
{
    return log_of(trouble->rig.store)->segments.current->end;
}

/* A large body could not be written, and in the current segment there is no room left in which to
 * try whether writing works again. */
static void recovers_with_a_segment_that_is_full_to_the_brim(void **state)
{
    struct trouble *trouble = *state;
    unsigned code;

    add_many(trouble, 1, 1, 1000);
    uint64_t head = end_of_log(trouble) - SEGMENT_HEADER_SIZE - 1000;
    uint32_t number = 2;
    for (; SEGMENT - end_of_log(trouble) > 14000; number++)
        add_many(trouble, number, number, 10000);
    add_many(trouble, number, number, SEGMENT - end_of_log(trouble) - head - 16);
    assert_true(SEGMENT - end_of_log(trouble) < 80);
    rig_idle(&trouble->rig);
    fake_disk_fail_write(trouble->fake, 1, -EIO);
    assert_int_equal(rig_add(&trouble->rig, 100, LARGE * 2), -EIO);
    assert_int_equal(condition(trouble, &code), STORE_FAILING);
    for (int i = 0; i < 5; i++)
        rig_pass(&trouble->rig, 10 * SECOND_MS);
    assert_int_equal(condition(trouble, &code), STORE_OK);
}

static void every_single_failure_is_survived(void **state)
{
    struct trouble *trouble = *state;
    uint32_t number = 1;
    uint32_t good = 0;

    for (uint64_t n = 1; n < 120; n++) {
        bool sync = n % 2 == 0;
        if (sync)
            fake_disk_fail_sync(trouble->fake, 1 + n % 5, n % 3 == 0 ? -ENOSPC : -EIO);
        else
            fake_disk_fail_write(trouble->fake, 1 + n % 5, n % 3 == 0 ? -ENOSPC : -EIO);
        for (int i = 0; i < 6; i++) {
            int error = rig_add(&trouble->rig, number++, i == 5 ? LARGE + 5 : 1500);
            assert_true(error == 0 || error == -EIO || error == -ENOSPC);
            good += error == 0 ? 1 : 0;
        }
        for (int i = 0; i < 40; i++)
            rig_pass(&trouble->rig, 1000);
        assert_int_equal(held(trouble), good);
    }
    kill(trouble);
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), good);
    assert_int_equal(trouble->damaged, 0);
    assert_int_equal(trouble->missing, 0);
}

static void a_full_disk_still_settles(void **state)
{
    struct trouble *trouble = *state;
    unsigned code;
    uint32_t number = 0;
    int error = 0;

    trouble->settings.free_bytes_min = SEGMENT / 2;
    rig_close(&trouble->rig);
    fake_disk_set_capacity(trouble->fake, 12 * SEGMENT);
    rig_open(&trouble->rig);
    while (error == 0 && number < 5000) {
        error = rig_add(&trouble->rig, ++number, 2000);
        rig_pass(&trouble->rig, 100);
    }
    assert_int_equal(error, -ENOSPC);
    assert_true(number > 200);
    uint32_t got = number - 1;
    for (int i = 0; i < 50; i++)
        (void)rig_add(&trouble->rig, 10000 + (uint32_t)i, 3000);
    assert_int_equal(condition(trouble, &code), STORE_FULL);
    assert_int_equal(code, 452);
    assert_int_equal(rig_add(&trouble->rig, 20000, 2000), -ENOSPC);
    assert_int_equal(rig_add(&trouble->rig, 20001, LARGE * 4), -ENOSPC);
    /* Rescue, release, deliver: all of it, on a disk without room. */
    for (uint32_t i = 1; i <= got; i++) {
        rig_pass(&trouble->rig, 10);
        if (i <= got / 10)
            assert_int_equal(rig_settle_now(&trouble->rig, i, rig_domain[0], OUTCOME_RESCUED), 0);
        else
            assert_int_equal(rig_settle_now(&trouble->rig, i, rig_domain[0], OUTCOME_DELIVERED), 0);
    }
    rig_pass(&trouble->rig, 10000);
    rig_idle(&trouble->rig);
    assert_int_equal(condition(trouble, &code), STORE_OK);
    assert_int_equal(rig_add(&trouble->rig, 30000, 2000), 0);
    kill(trouble);
    rig_open(&trouble->rig);
    assert_true(has(trouble, 30000, 2000));
    assert_true(has(trouble, 1, 2000));
    assert_false(has(trouble, got, 2000));
}

/* ---- memory ---- */

static size_t heap(void)
{
    struct mallinfo2 info = mallinfo2();
    return info.uordblks + info.hblkhd;
}

static void discard_answer(void *context, int error)
{
    unsigned *open = context;
    assert_int_equal(error, 0);
    --*open;
}

static void add_fast(struct trouble *trouble, uint32_t count)
{
    struct recipient recipient = { .address = STR("user@one.example") };
    unsigned open = 0;

    for (uint32_t i = 1; i <= count; i++) {
        struct envelope envelope = { .id = rig_id(i),
                                     .received_ms = trouble->rig.now.wall_ms,
                                     .recipient = &recipient,
                                     .recipient_count = 1 };
        open++;
        store_append(trouble->rig.store, store_upload_open(trouble->rig.store, envelope.id),
                     &envelope, STR_NONE, discard_answer, &open);
        while (i % 500 == 0 && open > 0)
            rig_turn(&trouble->rig);
    }
    while (open > 0)
        rig_turn(&trouble->rig);
}

/* The disk is in memory too; so what is measured is what closing and opening again frees and takes.
 */
static void a_message_takes_less_than_100_bytes(void **state)
{
    struct trouble *trouble = *state;
    enum { MESSAGES = 100000 };

    rig_close(&trouble->rig);
    trouble->settings.segment_size = 4 << 20;
    rig_open(&trouble->rig);
    add_fast(trouble, MESSAGES);
    rig_idle(&trouble->rig);
    assert_int_equal(held(trouble), MESSAGES);
    rig_close(&trouble->rig);
    size_t without = heap();
    rig_open(&trouble->rig);
    assert_int_equal(held(trouble), MESSAGES);
    size_t with = heap();
    print_message("%.1f bytes a message\n", (double)(with - without) / MESSAGES);
#if !defined(__SANITIZE_ADDRESS__)
    assert_true((with - without) / MESSAGES < 100);
#endif
}

int main(void)
{
#define TROUBLE(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        TROUBLE(a_segment_that_has_gone_is_not_missed),
        TROUBLE(what_was_only_in_the_cache_is_stable_before_it_counts),
        TROUBLE(what_cannot_be_made_stable_is_not_said_to_be_stored),
        TROUBLE(what_was_unsure_is_stable_with_the_next_message),
        TROUBLE(a_failed_sync_of_a_start_is_not_the_last_word),
        TROUBLE(a_failed_batch_comes_back_whole_or_not_at_all),
        TROUBLE(a_segment_that_could_not_be_reused_is_tried_again),
        TROUBLE(what_was_settled_before_an_index_file_stays_so),
        TROUBLE(a_disk_that_failed_and_is_full_is_tried_with_pauses),
        TROUBLE(a_damaged_record_costs_no_other),
        TROUBLE(a_sector_that_cannot_be_read_costs_no_other),
        TROUBLE(the_end_that_cannot_be_read_is_not_erased),
        TROUBLE(no_flipped_bit_is_believed),
        TROUBLE(damage_before_the_last_batch_does_not_undo_it),
        TROUBLE(damage_in_a_sealed_segment_is_told_from_a_torn_tail),
        TROUBLE(damage_before_the_last_batch_does_not_cost_it),
        TROUBLE(a_record_that_is_there_in_part_is_told),
        TROUBLE(one_header_of_a_segment_is_enough),
        TROUBLE(a_missing_body_is_reported_and_stays_listed),
        TROUBLE(a_body_is_not_removed_while_records_are_lost),
        TROUBLE(survives_without_index_files),
        TROUBLE(does_not_believe_an_old_index_file),
        TROUBLE(settlements_are_not_applied_twice),
        TROUBLE(held_segments_leave_the_cache),
        TROUBLE(reuses_dead_segments),
        TROUBLE(does_not_open_the_store_of_a_later_version),
        TROUBLE(settlements_outlive_their_messages_segment),
        TROUBLE(a_failed_sync_fails_the_batch_and_the_store_recovers),
        TROUBLE(recovers_after_failing_for_long),
        TROUBLE(recovers_with_a_segment_that_is_full_to_the_brim),
        TROUBLE(every_single_failure_is_survived),
        TROUBLE(a_full_disk_still_settles),
        TROUBLE(a_message_takes_less_than_100_bytes),
    };
#undef TROUBLE
    return cmocka_run_group_tests(tests, NULL, NULL);
}
