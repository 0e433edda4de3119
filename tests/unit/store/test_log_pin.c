/* SPDX-License-Identifier: ISC */
/* test_log_pin.c: pinned files are the state of one moment, whatever is done meanwhile.
 *
 * The method: pin, then settle everything and fill many segments, so that dead segments
 * would be used again and bodies removed; copy the named files only then, each up to its size,
 * to another disk, and open a store there.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/fake_disk.h"
#include "store/log/log_private.h"
#include "store/rig.h"

enum { SEGMENT = 65536, LARGE = 16384, MESSAGES = 50, FILES_MAX = 200, SPAN_MS = 60 * SECOND_MS };

struct pinned {
    char name[FILE_NAME_SIZE];
    uint64_t size;
};

struct world {
    struct rig rig;
    struct fake_disk *fake;
    struct fake_disk *open_on; /* whichever the next store is opened on */
    struct pinned file[FILES_MAX];
    uint32_t count;
};

static void quiet(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct world *world = rig->driver.context;
    const struct log_store_settings settings = { .segment_size = SEGMENT,
                                                 .large_body_size = LARGE };
    return log_store_open(&settings, fake_disk_use(world->open_on), rig->worker, rig->now,
                          out_store);
}

static int begin(void **state)
{
    struct world *world = memory_new(sizeof *world);

    log_set_sink(quiet, NULL);
    world->fake = world->open_on = fake_disk_new(3);
    world->rig.worker = worker_new_inline();
    world->rig.driver = (struct rig_driver){ open_log, world };
    world->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    random_from_seed(&world->rig.random, 3);
    rig_open(&world->rig);
    *state = world;
    return 0;
}

static int end(void **state)
{
    struct world *world = *state;

    rig_close(&world->rig);
    worker_free(world->rig.worker);
    fake_disk_free(world->fake);
    memory_free(world);
    return 0;
}

static uint64_t size_of(uint32_t number)
{
    return number % 7 == 0 ? LARGE + 1000 + number : 1000 + number * 10;
}

static void add(struct world *world, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++) {
        struct rig_message message = { i, size_of(i), 1, 1, RIG_RECEIVED_MS, i % 3 * 300 };
        assert_int_equal(rig_append_now(&world->rig, &message), 0);
    }
}

static void settle(struct world *world, uint32_t first, uint32_t last)
{
    for (uint32_t i = first; i <= last; i++)
        assert_int_equal(rig_settle_now(&world->rig, i, rig_domain[0], OUTCOME_DELIVERED), 0);
}

static void on_file(void *context, const char *name, uint64_t size)
{
    struct world *world = context;
    struct pinned *file = &world->file[world->count++];

    assert_true(world->count <= FILES_MAX);
    memcpy(file->name, name, strlen(name) + 1);
    file->size = size;
}

static int pin(struct world *world)
{
    const struct store_pin_host host = { on_file, world };
    world->count = 0;
    return store_pin(world->rig.store, SPAN_MS, &host);
}

static bool has(struct world *world, uint32_t number)
{
    struct rig_message message = { number, size_of(number), 1, 1, RIG_RECEIVED_MS };
    struct rig_content content;

    rig_look(&world->rig, &message, STR_NONE, &content);
    return content.error == 0 && content.read_error == 0 && content.is_same;
}

static uint64_t held(struct world *world)
{
    struct store_totals totals;
    store_totals(world->rig.store, STR_NONE, &totals);
    return totals.held_count;
}

static struct fake_disk *copy_files(struct world *world)
{
    struct fake_disk *copy = fake_disk_new(4);

    for (uint32_t i = 0; i < world->count; i++) {
        const struct buf *bytes = fake_disk_file(world->fake, world->file[i].name);
        assert_non_null(bytes);
        assert_true(bytes->len >= world->file[i].size);
        fake_disk_put(copy, world->file[i].name,
                      str_first(buf_str(bytes), (size_t)world->file[i].size));
    }
    return copy;
}

/* What fills segments and empties them again. */
static void go_on(struct world *world, uint32_t first)
{
    for (uint32_t round = 0; round < 6; round++) {
        add(world, first + round * MESSAGES, first + round * MESSAGES + MESSAGES - 1);
        settle(world, first + round * MESSAGES, first + round * MESSAGES + MESSAGES - 1);
        rig_pass(&world->rig, SECOND_MS);
        rig_idle(&world->rig);
    }
}

static void a_copy_is_the_state_of_the_pin(void **state)
{
    struct world *world = *state;

    add(world, 1, MESSAGES);
    settle(world, 1, 10);
    assert_int_equal(rig_settle_now(&world->rig, 11, rig_domain[0], OUTCOME_RESCUED), 0);
    rig_idle(&world->rig);
    assert_int_equal(pin(world), 0);
    settle(world, 12, MESSAGES);
    go_on(world, MESSAGES + 1);
    assert_int_equal(held(world), 0);
    struct fake_disk *copy = copy_files(world);
    rig_close(&world->rig);
    world->open_on = copy;
    rig_open(&world->rig);
    assert_int_equal(held(world), MESSAGES - 11);
    for (uint32_t i = 1; i <= MESSAGES; i++)
        assert_true(has(world, i) == (i > 10));
    assert_int_equal(rig_add(&world->rig, 5000, 100), 0); /* it goes on from there */
    rig_close(&world->rig);
    fake_disk_free(copy);
    world->open_on = world->fake;
    rig_open(&world->rig);
}

static void room_comes_back_after_the_pin(void **state)
{
    struct world *world = *state;

    add(world, 1, MESSAGES);
    assert_int_equal(pin(world), 0);
    assert_int_equal(pin(world), -EBUSY);
    settle(world, 1, MESSAGES);
    go_on(world, MESSAGES + 1);
    unsigned pinned = fake_disk_count(world->fake, ".seg");
    assert_true(fake_disk_count(world->fake, ".body") > 0);
    store_unpin(world->rig.store);
    store_unpin(world->rig.store); /* harmless */
    rig_idle(&world->rig);
    assert_true(fake_disk_count(world->fake, ".seg") < pinned);
    assert_int_equal(fake_disk_count(world->fake, ".body"), 0);
    assert_false(store_pin_on(world->rig.store, SPAN_MS));
    assert_int_equal(pin(world), 0);
}

static void a_pin_ends_by_itself(void **state)
{
    struct world *world = *state;

    add(world, 1, MESSAGES);
    assert_int_equal(pin(world), 0);
    settle(world, 1, MESSAGES);
    rig_pass(&world->rig, SPAN_MS - SECOND_MS);
    assert_true(store_pin_on(world->rig.store, SPAN_MS));
    rig_pass(&world->rig, SPAN_MS - SECOND_MS);
    rig_idle(&world->rig);
    assert_true(fake_disk_count(world->fake, ".body") > 0);
    assert_true(store_deadline(world->rig.store) <= world->rig.now.mono_ms + SECOND_MS);
    rig_pass(&world->rig, SECOND_MS);
    rig_idle(&world->rig);
    assert_int_equal(fake_disk_count(world->fake, ".body"), 0);
    assert_false(store_pin_on(world->rig.store, SPAN_MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_copy_is_the_state_of_the_pin, begin, end),
        cmocka_unit_test_setup_teardown(room_comes_back_after_the_pin, begin, end),
        cmocka_unit_test_setup_teardown(a_pin_ends_by_itself, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
