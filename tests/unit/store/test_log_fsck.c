/* SPDX-License-Identifier: ISC */
/* test_log_fsck.c: what is damaged is named, what is good survives the repair.
 *
 * A spool on a disk in memory with mail held, rescued and settled, small and large. First
 * each kind of damage by itself; then, seed by seed, bits are flipped anywhere. The method: the
 * records are known before the damage, so that it is known which messages may suffer. No other
 * may, neither when the damage is only looked at nor when it is repaired.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/fake_disk.h"
#include "store/log/fsck.h"
#include "store/log/log_private.h"
#include "store/rig.h"

enum { SEGMENT = 65536, LARGE = 16384, MESSAGES = 60, SEEDS = 150, RECORDS_MAX = 400 };

struct extent { /* one record */
    uint32_t segment;
    uint64_t offset;
    uint64_t size; /* without padding */
};

struct world {
    struct rig rig;
    struct fake_disk *fake;
    struct fake_disk *aside;
    struct log_store_settings settings;
    struct rig_message message[MESSAGES + 1];
    bool is_listed[MESSAGES + 1];
    bool is_hit[MESSAGES + 1];
    struct extent home[MESSAGES + 1];
    struct extent record[RECORDS_MAX];
    uint32_t record_count;
    uint32_t segments;
    /* what fsck said */
    unsigned told[FSCK_KIND_COUNT];
    unsigned told_all;
    struct message_id last_id;
    uint64_t last_records;
    struct fsck_result result;
};

static void quiet(void *context, struct str line)
{
    (void)context;
    if (getenv("HOLDFAST_LOG") != NULL)
        (void)fprintf(stderr, "%.*s\n", STR_FMT(line));
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct world *world = rig->driver.context;
    return log_store_open(&world->settings, fake_disk_use(world->fake), rig->worker, rig->now,
                          out_store);
}

static void begin_seed(struct world *world, uint64_t seed)
{
    *world = (struct world){ 0 };
    world->settings = (struct log_store_settings){ .segment_size = SEGMENT,
                                                   .large_body_size = LARGE,
                                                   .quiet_ms = 24 * HOUR_MS };
    world->fake = fake_disk_new(seed);
    world->aside = fake_disk_new(seed);
    world->rig.worker = worker_new_inline();
    world->rig.driver = (struct rig_driver){ open_log, world };
    world->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    random_from_seed(&world->rig.random, seed);
    rig_open(&world->rig);
}

static void end_seed(struct world *world)
{
    if (world->rig.store != NULL)
        rig_close(&world->rig);
    worker_free(world->rig.worker);
    fake_disk_free(world->fake);
    fake_disk_free(world->aside);
}

static int begin(void **state)
{
    struct world *world = memory_new(sizeof *world);

    log_set_sink(quiet, NULL);
    begin_seed(world, 11);
    *state = world;
    return 0;
}

static int end(void **state)
{
    end_seed(*state);
    memory_free(*state);
    return 0;
}

/* ---- fsck ---- */

static void on_finding(void *context, const struct fsck_finding *finding)
{
    struct world *world = context;

    world->told[finding->kind]++;
    world->told_all++;
    world->last_records = finding->records;
    if (finding->entry != NULL)
        world->last_id = finding->entry->id;
    if (getenv("HOLDFAST_LOG") != NULL)
        (void)fprintf(stderr, "kind %d file %s offset %llu size %llu records %llu %s\n",
                      finding->kind, finding->file, (unsigned long long)finding->offset,
                      (unsigned long long)finding->size, (unsigned long long)finding->records,
                      finding->is_repaired ? "repaired" : "");
}

enum how { LOOK, REPAIR, DISCARD };

static void fsck_it(struct world *world, enum how how)
{
    static const struct fsck_host host = { .finding = on_finding };
    struct fsck_settings settings = { .store = world->settings,
                                      .repair = how != LOOK,
                                      .discard = how == DISCARD,
                                      .aside = fake_disk_use(world->aside),
                                      .now = world->rig.now };
    uint64_t written = fake_disk_written(world->fake);

    memset(world->told, 0, sizeof world->told);
    world->told_all = 0;
    assert_int_equal(fsck_run(&settings, fake_disk_use(world->fake), &host, world, &world->result),
                     0);
    if (how == LOOK)
        assert_true(fake_disk_written(world->fake) == written);
}

static void assert_clean(struct world *world)
{
    fsck_it(world, LOOK);
    assert_int_equal(world->result.damages, 0);
    assert_int_equal(world->result.open, 0);
}

/* ---- the spool ---- */

static void write_mail(struct world *world)
{
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        uint64_t size = random_below(&world->rig.random, i % 10 == 0 ? LARGE * 2 : 6000);
        world->message[i] = (struct rig_message){
            i, size, 1 + i % 3, 1 + i % 2, RIG_RECEIVED_MS, (uint32_t)(size < 900 ? size / 3 : 300)
        };
        assert_int_equal(rig_append_now(&world->rig, &world->message[i]), 0);
        world->is_listed[i] = true;
    }
}

static void settle_some(struct world *world)
{
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        uint32_t what = (uint32_t)random_below(&world->rig.random, 6);
        uint32_t domains = world->message[i].domains < world->message[i].recipient_count
                               ? world->message[i].domains
                               : world->message[i].recipient_count;
        for (uint32_t d = 0; d < domains && what < 2; d++)
            assert_int_equal(rig_settle_now(&world->rig, i, rig_domain[d],
                                            what == 0 ? OUTCOME_DELIVERED : OUTCOME_RESCUED),
                             0);
        world->is_listed[i] = what != 0;
    }
}

static void note_records(struct world *world)
{
    const struct log_store *store = log_of(world->rig.store);
    char name[FILE_NAME_SIZE];

    world->segments = store->segments.count;
    for (uint32_t i = 0; i < store->segments.count; i++) {
        const struct segment *segment = store->segments.item[i];
        struct scan scan;
        segment_file_name(name, segment->number, SEGMENT_FILE);
        struct str bytes =
            str_first(buf_str(fake_disk_file(world->fake, name)), (size_t)segment->end);
        scan_segment(bytes, segment->generation, SEGMENT_HEADER_SIZE, UINT64_MAX, &scan);
        for (uint32_t k = 0; k < scan.count; k++) {
            const struct record_header *header = &scan.record[k].header;
            assert_true(world->record_count < RECORDS_MAX);
            world->record[world->record_count++] =
                (struct extent){ segment->number, scan.record[k].offset,
                                 (uint64_t)RECORD_HEADER_SIZE + header->meta_size +
                                     header->content_size };
        }
        scan_fini(&scan);
    }
}

static void note_homes(struct world *world)
{
    const struct log_store *store = log_of(world->rig.store);

    for (uint32_t i = 1; i <= MESSAGES; i++) {
        uint32_t number = index_find(&store->index, rig_id(i), 0);
        if (number == 0)
            continue;
        const struct index_entry *entry = index_entry(&store->index, number);
        for (uint32_t k = 0; k < world->record_count; k++)
            if (world->record[k].segment == entry->segment &&
                world->record[k].offset == (uint64_t)entry->place * RECORD_ALIGN)
                world->home[i] = world->record[k];
        assert_int_not_equal(world->home[i].size, 0);
    }
}

static void make_spool(struct world *world)
{
    write_mail(world);
    settle_some(world);
    rig_idle(&world->rig);
    note_records(world);
    note_homes(world);
    rig_close(&world->rig);
}

static bool lies_in(const struct extent *extent, uint32_t segment, uint64_t at)
{
    return extent->size > 0 && extent->segment == segment && at >= extent->offset &&
           at < extent->offset + extent->size;
}

static void flip_in(struct fake_disk *fake, const char *name, size_t at)
{
    struct buf copy = { 0 };

    buf_add(&copy, buf_str(fake_disk_file(fake, name)));
    assert_true(at < copy.len);
    copy.ptr[at] = (char)(copy.ptr[at] ^ 0x10);
    fake_disk_put(fake, name, buf_str(&copy));
    buf_fini(&copy);
}

static void flip(struct world *world, const char *name, size_t at)
{
    flip_in(world->fake, name, at);
}

static void overwrite(struct world *world, const char *name, size_t from, size_t size)
{
    struct buf copy = { 0 };

    buf_add(&copy, buf_str(fake_disk_file(world->fake, name)));
    assert_true(from + size <= copy.len);
    memset(copy.ptr + from, 0, size);
    fake_disk_put(world->fake, name, buf_str(&copy));
    buf_fini(&copy);
}

/* Every listed message that was not hit is there, whole. */
static void assert_unhurt(struct world *world)
{
    struct rig_content content;

    rig_open(&world->rig);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        if (!world->is_listed[i] || world->is_hit[i])
            continue;
        rig_look(&world->rig, &world->message[i], STR_NONE, &content);
        if (content.error != 0 || content.read_error != 0 || !content.is_same)
            fail_msg("message %u: open %d, read %d", i, content.error, content.read_error);
    }
    rig_close(&world->rig);
}

static void remove_file(struct world *world, const char *name)
{
    struct disk *disk = fake_disk_use(world->fake);
    assert_int_equal(disk->driver->remove(disk, name), 0);
    assert_int_equal(disk->driver->sync_names(disk), 0);
}

/* A message that is listed, with its content in the log, in a segment before the last. */
static uint32_t some_small_one(const struct world *world)
{
    for (uint32_t i = 3; i <= MESSAGES; i++)
        if (world->is_listed[i] && world->message[i].size > 500 && world->message[i].size < LARGE &&
            world->home[i].segment == 1)
            return i;
    fail_msg("no such message");
    return 0;
}

static uint32_t some_large_one(const struct world *world)
{
    for (uint32_t i = 1; i <= MESSAGES; i++)
        if (world->is_listed[i] && world->message[i].size > LARGE + 300)
            return i;
    fail_msg("no such message");
    return 0;
}

/* ---- one by one ---- */

static void a_good_spool_is_clean(void **state)
{
    struct world *world = *state;
    unsigned listed = 0;

    make_spool(world);
    assert_clean(world);
    assert_int_equal(world->told_all, 0);
    for (uint32_t i = 1; i <= MESSAGES; i++)
        listed += world->is_listed[i] ? 1 : 0;
    assert_true(world->result.totals.held_count + world->result.totals.rescued_count >= listed);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told_all, 0);
    assert_unhurt(world);
}

/* Messages that moved, and what is said of older ones, are no damage. */
static void a_compacted_spool_is_clean(void **state)
{
    struct world *world = *state;

    rig_close(&world->rig);
    world->settings.quiet_ms = 0;
    rig_open(&world->rig);
    write_mail(world);
    settle_some(world);
    for (uint32_t i = 1; i <= MESSAGES; i += 2)
        for (uint32_t d = 0; d < world->message[i].domains; d++)
            (void)rig_settle_now(&world->rig, i, rig_domain[d], OUTCOME_DISCARDED);
    rig_pass(&world->rig, SECOND_MS);
    rig_idle(&world->rig);
    assert_true(log_of(world->rig.store)->segments.item[0]->number > 1);
    rig_close(&world->rig);
    assert_clean(world);
    assert_int_equal(world->told_all, 0);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told_all, 0);
    rig_open(&world->rig);
}

static void an_empty_folder_is_clean(void **state)
{
    struct world *world = *state;

    rig_close(&world->rig);
    struct fake_disk *full = world->fake;
    world->fake = fake_disk_new(1);
    assert_clean(world);
    fake_disk_free(world->fake);
    world->fake = full;
}

static void one_copy_of_a_header_is_written_from_the_other(void **state)
{
    struct world *world = *state;

    make_spool(world);
    for (int copy = 0; copy < 2; copy++) {
        flip(world, "00000001.seg", (size_t)copy * SEGMENT_HEADER_SIZE / 2 + 17);
        fsck_it(world, LOOK);
        assert_int_equal(world->told[FSCK_HEADER_COPY], 1);
        assert_int_equal(world->result.damages, 1);
        fsck_it(world, REPAIR);
        assert_int_equal(world->result.open, 0);
        assert_clean(world);
    }
    assert_unhurt(world);
}

static void lose_header(struct world *world, bool with_index)
{
    overwrite(world, "00000001.seg", 0, SEGMENT_HEADER_SIZE);
    if (!with_index && fake_disk_file(world->fake, "00000001.idx") != NULL)
        remove_file(world, "00000001.idx");
}

static void a_lost_header_is_written_again(void **state)
{
    struct world *world = *state;

    make_spool(world);
    for (int with_index = 0; with_index < 2; with_index++) {
        lose_header(world, with_index != 0);
        fsck_it(world, LOOK);
        assert_int_equal(world->told[FSCK_HEADER], 1);
        assert_true(world->result.open > 0);
        fsck_it(world, REPAIR);
        assert_int_equal(world->told[FSCK_HEADER], 1);
        fsck_it(world, REPAIR); /* the shortcuts of a spool without this segment */
        assert_clean(world);
        assert_unhurt(world);
    }
}

/* As a start leaves it: under another name. */
static void a_segment_set_aside_comes_back(void **state)
{
    struct world *world = *state;

    make_spool(world);
    lose_header(world, false);
    rig_open(&world->rig);
    rig_close(&world->rig);
    assert_int_equal(fake_disk_count(world->fake, ".bad"), 1);
    fsck_it(world, REPAIR);
    assert_int_equal(fake_disk_count(world->fake, ".bad"), 0);
    fsck_it(world, REPAIR);
    assert_clean(world);
    assert_unhurt(world);
}

/* Without the first record nothing shows the generation but records elsewhere, which may be of an
 * earlier use or come out of a mail. */
static void a_header_is_not_guessed(void **state)
{
    struct world *world = *state;

    make_spool(world);
    lose_header(world, false);
    flip(world, "00000001.seg", SEGMENT_HEADER_SIZE + 9);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_HEADER], 1);
    assert_true(world->result.open > 0);
    assert_int_equal(fake_disk_count(world->fake, "00000001.seg"), 1); /* still there */
    fsck_it(world, DISCARD);
    assert_non_null(fake_disk_file(world->aside, "00000001.seg"));
    fsck_it(world, REPAIR);
    assert_clean(world);
}

/* A spare that was another segment before holds whole records of that time at its beginning. */
static void a_spare_does_not_bring_back_what_it_held_before(void **state)
{
    struct world *world = *state;
    struct buf spare = { 0 };
    char name[FILE_NAME_SIZE];
    const struct segment *last;

    write_mail(world);
    rig_idle(&world->rig);
    const struct segments *segments = &log_of(world->rig.store)->segments;
    last = segments->item[segments->count - 1];
    assert_int_equal(last->state, SEGMENT_SPARE);
    segment_file_name(name, last->number, SEGMENT_FILE);
    rig_close(&world->rig);
    buf_add(&spare, buf_str(fake_disk_file(world->fake, "00000001.seg")));
    memset(spare.ptr, 0, SEGMENT_HEADER_SIZE);
    fake_disk_put(world->fake, name, buf_str(&spare));
    buf_fini(&spare);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_HEADER], 1);
    assert_int_equal(world->result.open, 1);
    assert_int_equal(world->told[FSCK_TWICE], 0);
}

static void a_lost_record_leaves_a_log_that_is_whole(void **state)
{
    struct world *world = *state;

    make_spool(world);
    uint32_t i = some_small_one(world);
    world->is_hit[i] = true;
    flip(world, "00000001.seg", (size_t)world->home[i].offset + 30);
    fsck_it(world, LOOK);
    assert_int_equal(world->told[FSCK_GAP], 1);
    assert_true(world->told[FSCK_RECORD] >= 1); /* the index file knows which one it was */
    assert_true(message_id_equals(world->last_id, rig_id(i)));
    fsck_it(world, REPAIR);
    assert_int_equal(fake_disk_count(world->aside, ".bin"), 1);
    assert_unhurt(world);
    fsck_it(world, LOOK);
    assert_int_equal(world->told[FSCK_GAP], 0);
    fsck_it(world, DISCARD);
    assert_clean(world);
    assert_unhurt(world);
}

static void the_first_record_of_a_segment_may_be_lost(void **state)
{
    struct world *world = *state;

    make_spool(world);
    assert_true(world->segments > 3);
    for (uint32_t i = 1; i <= MESSAGES; i++)
        world->is_hit[i] =
            world->home[i].segment == 2 && world->home[i].offset == SEGMENT_HEADER_SIZE;
    overwrite(world, "00000002.seg", SEGMENT_HEADER_SIZE, RECORD_HEADER_SIZE);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_GAP], 1);
    fsck_it(world, DISCARD);
    assert_clean(world);
    assert_unhurt(world);
}

static void the_end_of_a_segment_may_be_lost(void **state)
{
    struct world *world = *state;

    make_spool(world);
    overwrite(world, "00000002.seg", SEGMENT / 2, SEGMENT / 2);
    for (uint32_t i = 1; i <= MESSAGES; i++)
        world->is_hit[i] = world->home[i].segment == 2 &&
                           world->home[i].offset + world->home[i].size > SEGMENT / 2;
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_END], 1);
    assert_unhurt(world);
    fsck_it(world, DISCARD);
    assert_clean(world);
    assert_unhurt(world);
}

static void a_whole_segment_may_be_empty(void **state)
{
    struct world *world = *state;

    make_spool(world);
    overwrite(world, "00000002.seg", SEGMENT_HEADER_SIZE, SEGMENT - SEGMENT_HEADER_SIZE);
    for (uint32_t i = 1; i <= MESSAGES; i++)
        world->is_hit[i] = world->home[i].segment == 2;
    fsck_it(world, REPAIR);
    fsck_it(world, DISCARD);
    assert_unhurt(world);
    assert_clean(world);
}

static void damaged_content_is_kept_aside_and_listed(void **state)
{
    struct world *world = *state;
    struct rig_content content;
    char name[FILE_NAME_SIZE * 2];

    make_spool(world);
    uint32_t i = some_small_one(world);
    world->is_hit[i] = true;
    flip(world, "00000001.seg", (size_t)(world->home[i].offset + world->home[i].size) - 100);
    fsck_it(world, REPAIR);
    assert_true(world->told[FSCK_CONTENT] >= 1);
    assert_true(message_id_equals(world->last_id, rig_id(i)));
    assert_true(world->result.open > 0);
    (void)snprintf(name, sizeof name, "%s.eml", message_id_to_text(rig_id(i)).text);
    assert_non_null(fake_disk_file(world->aside, name));
    assert_int_equal(fake_disk_file(world->aside, name)->len, world->message[i].size);
    assert_int_equal(fake_disk_count(world->aside, ".txt"), 1);
    assert_unhurt(world);
    rig_open(&world->rig);
    rig_look(&world->rig, &world->message[i], STR_NONE, &content);
    assert_int_equal(content.error, 0);
    assert_int_equal(content.read_error, -EIO);
    rig_close(&world->rig);
    fsck_it(world, DISCARD);
    assert_int_equal(world->result.open, 0);
    assert_clean(world);
    assert_int_equal(world->told[FSCK_SETTLED], 1); /* nobody's any more: only a note */
    assert_unhurt(world);
}

static void a_damaged_body_is_found(void **state)
{
    struct world *world = *state;
    char name[FILE_NAME_SIZE];

    make_spool(world);
    uint32_t i = some_large_one(world);
    world->is_hit[i] = true;
    body_file_name(name, rig_id(i));
    flip(world, name, LARGE / 2);
    fsck_it(world, LOOK);
    assert_true(world->told[FSCK_CONTENT] >= 1);
    assert_true(message_id_equals(world->last_id, rig_id(i)));
    remove_file(world, name);
    fsck_it(world, LOOK);
    assert_true(world->told[FSCK_CONTENT] >= 1);
    fsck_it(world, DISCARD);
    assert_clean(world);
    assert_unhurt(world);
}

/* The body may be all that is left: it is not removed as nobody's. */
static void the_body_of_a_lost_record_is_kept(void **state)
{
    struct world *world = *state;
    char name[FILE_NAME_SIZE];

    make_spool(world);
    uint32_t i = some_large_one(world);
    body_file_name(name, rig_id(i));
    segment_file_name(name, world->home[i].segment, SEGMENT_FILE);
    flip(world, name, (size_t)world->home[i].offset + 20);
    remove_file(world, "checkpoint");
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_ORPHAN], 1);
    body_file_name(name, rig_id(i));
    assert_non_null(fake_disk_file(world->aside, name));
    assert_int_equal(fake_disk_file(world->aside, name)->len,
                     world->message[i].size - world->message[i].front);
    assert_clean(world);
}

static void shortcuts_that_lie_are_removed(void **state)
{
    struct world *world = *state;
    static const char *const victim[] = { "checkpoint", "00000001.idx" };

    make_spool(world);
    for (int i = 0; i < 2; i++) {
        flip(world, victim[i], 40);
        fsck_it(world, LOOK);
        assert_int_equal(world->told[FSCK_SHORTCUT], 1);
        assert_int_equal(world->result.damages, 1);
        fsck_it(world, REPAIR);
        assert_int_equal(world->result.open, 0);
        assert_clean(world);
        assert_unhurt(world); /* closes, and writes them anew */
        assert_clean(world);
    }
}

static void leftovers_are_a_note(void **state)
{
    struct world *world = *state;

    make_spool(world);
    fake_disk_put(world->fake, "00000099.new", STR("half a segment"));
    fake_disk_put(world->fake, "index.tmp", STR("half an index"));
    fake_disk_put(world->fake, "0000000000000000000000000Z.body", STR("nobody's"));
    assert_clean(world);
    assert_int_equal(world->told[FSCK_LEFTOVER], 3);
    fsck_it(world, REPAIR);
    assert_clean(world);
    assert_int_equal(world->told_all, 0);
}

/* A file of a size that no segment has costs no memory. */
static void a_huge_file_is_looked_at_in_part(void **state)
{
    struct world *world = *state;
    struct buf huge = { 0 };

    make_spool(world);
    buf_add(&huge, buf_str(fake_disk_file(world->fake, "00000001.seg")));
    buf_reserve(&huge, SEGMENT * 20);
    memset(huge.ptr + huge.len, 0, SEGMENT * 20);
    huge.len += SEGMENT * 20;
    fake_disk_put(world->fake, "00000001.seg", buf_str(&huge));
    buf_fini(&huge);
    fsck_it(world, LOOK);
    assert_int_equal(world->told[FSCK_TOO_LARGE], 1);
    assert_int_equal(world->result.damages, 1);
}

/* ---- anything, anywhere ---- */

struct names {
    char name[64][FILE_NAME_SIZE];
    uint32_t count;
};

static void collect(void *context, const char *name)
{
    struct names *names = context;
    if (names->count < 64)
        (void)snprintf(names->name[names->count++], FILE_NAME_SIZE, "%s", name);
}

/* True if a record or a body was hit. */
static bool flip_somewhere(struct world *world)
{
    struct names names = { 0 };
    struct disk *disk = fake_disk_use(world->fake);
    bool is_hit = false;

    assert_int_equal(disk->driver->list(disk, collect, &names), 0);
    const char *name = names.name[random_below(&world->rig.random, names.count)];
    size_t size = fake_disk_file(world->fake, name)->len;
    if (size == 0)
        return false;
    size_t at = (size_t)random_below(&world->rig.random, size);
    uint32_t segment = segment_number_from(str_from(name), STR("seg"));
    flip(world, name, at);
    for (uint32_t k = 0; k < world->record_count; k++)
        is_hit = is_hit || lies_in(&world->record[k], segment, at);
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        char body[FILE_NAME_SIZE];
        body_file_name(body, rig_id(i));
        bool is_body = world->is_listed[i] && strcmp(body, name) == 0;
        is_hit = is_hit || is_body;
        if (is_body || lies_in(&world->home[i], segment, at))
            world->is_hit[i] = true;
    }
    return is_hit;
}

static void play(struct world *world, uint64_t seed)
{
    bool is_hit = false;

    begin_seed(world, seed);
    make_spool(world);
    for (uint64_t flips = 1 + random_below(&world->rig.random, 4); flips > 0; flips--)
        is_hit = flip_somewhere(world) || is_hit;
    fsck_it(world, LOOK);
    if (is_hit)
        assert_true(world->told_all > 0);
    fsck_it(world, REPAIR);
    assert_unhurt(world);
    fsck_it(world, REPAIR);
    assert_int_equal(world->told[FSCK_GAP] + world->told[FSCK_END] + world->told[FSCK_HEADER_COPY] +
                         world->told[FSCK_SHORTCUT],
                     0);
    fsck_it(world, DISCARD);
    assert_unhurt(world);
    fsck_it(world, LOOK);
    assert_int_equal(world->result.damages, 0);
    end_seed(world);
}

static void no_good_message_is_lost_whatever_is_damaged(void **state)
{
    struct world *world = memory_new(sizeof *world);
    const char *wanted = getenv("HOLDFAST_SEED");
    uint64_t first = wanted != NULL ? strtoull(wanted, NULL, 10) : 1;

    (void)state;
    for (uint64_t seed = first; seed < first + (wanted != NULL ? 1 : SEEDS); seed++) {
        if (wanted == NULL && getenv("HOLDFAST_LOG") != NULL)
            print_message("seed %llu\n", (unsigned long long)seed);
        play(world, seed);
    }
    memory_free(world);
}

/* The power fails in the middle of a repair; the next one ends it. */
static void a_repair_that_is_cut_off_does_no_harm(void **state)
{
    struct world *world = memory_new(sizeof *world);

    (void)state;
    for (uint64_t step = 1; step < 40; step++) {
        static const struct fsck_host host = { .finding = on_finding };
        begin_seed(world, 5);
        make_spool(world);
        uint32_t i = some_small_one(world);
        world->is_hit[i] = true;
        flip(world, "00000001.seg", (size_t)world->home[i].offset + 30);
        flip(world, "00000002.seg", 17);
        overwrite(world, "00000003.seg", 0, SEGMENT_HEADER_SIZE);
        struct fsck_settings settings = { .store = world->settings,
                                          .repair = true,
                                          .aside = fake_disk_use(world->aside),
                                          .now = world->rig.now };
        fake_disk_die_at(world->fake, step);
        (void)fsck_run(&settings, fake_disk_use(world->fake), &host, world, &world->result);
        fake_disk_cut_power(world->fake);
        fsck_it(world, REPAIR);
        fsck_it(world, DISCARD);
        assert_unhurt(world);
        assert_clean(world);
        end_seed(world);
    }
    memory_free(world);
}

int main(void)
{
#define WITH_SPOOL(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_SPOOL(a_good_spool_is_clean),
        WITH_SPOOL(a_compacted_spool_is_clean),
        WITH_SPOOL(an_empty_folder_is_clean),
        WITH_SPOOL(one_copy_of_a_header_is_written_from_the_other),
        WITH_SPOOL(a_lost_header_is_written_again),
        WITH_SPOOL(a_segment_set_aside_comes_back),
        WITH_SPOOL(a_header_is_not_guessed),
        WITH_SPOOL(a_spare_does_not_bring_back_what_it_held_before),
        WITH_SPOOL(a_lost_record_leaves_a_log_that_is_whole),
        WITH_SPOOL(the_first_record_of_a_segment_may_be_lost),
        WITH_SPOOL(the_end_of_a_segment_may_be_lost),
        WITH_SPOOL(a_whole_segment_may_be_empty),
        WITH_SPOOL(damaged_content_is_kept_aside_and_listed),
        WITH_SPOOL(a_damaged_body_is_found),
        WITH_SPOOL(the_body_of_a_lost_record_is_kept),
        WITH_SPOOL(shortcuts_that_lie_are_removed),
        WITH_SPOOL(leftovers_are_a_note),
        WITH_SPOOL(a_huge_file_is_looked_at_in_part),
        cmocka_unit_test(no_good_message_is_lost_whatever_is_damaged),
        cmocka_unit_test(a_repair_that_is_cut_off_does_no_harm),
    };
#undef WITH_SPOOL
    return cmocka_run_group_tests(tests, NULL, NULL);
}
