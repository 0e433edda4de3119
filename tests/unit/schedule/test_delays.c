/* SPDX-License-Identifier: ISC */
/* test_delays.c: senders of mail that waits are told at the right time, once for each age. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "world.h"

static struct world *world_with_dead_primary(uint64_t seed, const char *ages)
{
    struct world *world = world_new(seed);

    world->primary[0].is_alive = false;
    world->primary[0].refuses = true;
    world_set(world, SETTING_PROBE_INTERVAL, HOUR_MS); /* nothing else happens */
    world_set_delays(world, ages);
    return world;
}

static void tells_at_each_age_once(void **state)
{
    struct world *world = world_with_dead_primary(1, "4h,2d");

    (void)state;
    world_add_domain(world, 0, 0);
    for (int i = 0; i < 10; i++) {
        (void)world_arrive(world, 0);
        world_run(world, MINUTE_MS);
    }
    world_run(world, 4 * HOUR_MS - 10 * MINUTE_MS - SECOND_MS);
    assert_int_equal(world->delayed, 0);
    for (uint64_t i = 1; i <= 10; i++) {
        world_run(world, 2 * SECOND_MS);
        assert_int_equal(world->delayed, i);
        world_run(world, MINUTE_MS - 2 * SECOND_MS);
    }
    assert_true(world->last_age_ms == 4 * HOUR_MS);
    world_run(world, 43 * HOUR_MS);
    assert_int_equal(world->delayed, 10);
    world_run(world, HOUR_MS);
    assert_int_equal(world->delayed, 20);
    assert_true(world->last_age_ms == 2LL * DAY_MS);
    world_run(world, 2LL * DAY_MS);
    assert_int_equal(world->delayed, 20);
    for (uint32_t i = 0; i < 10; i++)
        assert_int_equal(world->mail[i].delays, 2);
    world_free(world);
}

static void what_does_not_wait_any_more_is_not_told(void **state)
{
    struct world *world = world_with_dead_primary(2, "4h");

    (void)state;
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, HOUR_MS);
    world_revive(world, 0);
    assert_true(world_run_until_empty(world, 2 * HOUR_MS));
    world_run(world, DAY_MS);
    assert_int_equal(world->delayed, 0);
    world_free(world);
}

static void nobody_is_told_where_it_is_not_wanted(void **state)
{
    struct world *world = world_with_dead_primary(3, "none");

    (void)state;
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, 4LL * DAY_MS);
    assert_int_equal(world->delayed, 0);
    world_free(world);
}

static void a_thousand_at_once_are_told_in_pieces(void **state)
{
    struct world *world = world_with_dead_primary(4, "4h");

    (void)state;
    for (int i = 0; i < 1000; i++)
        (void)world_hold(world, 0);
    world->telling_ms = MINUTE_MS; /* whoever tells takes his time */
    world_add_domain(world, 0, 0);
    world_run(world, 4 * HOUR_MS + 10 * MINUTE_MS);
    assert_in_range(world->delayed, 400, 600);
    world_run(world, HOUR_MS);
    assert_int_equal(world->delayed, 1000);
    for (uint32_t i = 0; i < 1000; i++)
        assert_int_equal(world->mail[i].delays, 1);
    world_free(world);
}

/* All of them of one millisecond, so that the place alone does not tell them apart. */
static void a_restart_neither_repeats_nor_skips(void **state)
{
    struct world *world = world_with_dead_primary(5, "4h,2d");

    (void)state;
    for (int i = 0; i < 500; i++) {
        (void)world_hold(world, 0);
        if (i % 100 == 99)
            world_run(world, 1);
    }
    world_add_domain(world, 0, 0);
    world_run(world, 4 * HOUR_MS + MINUTE_MS);
    assert_int_equal(world->delayed, 500);
    world_restart(world);
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, 5 * HOUR_MS);
    assert_int_equal(world->delayed, 501);
    world_restart(world);
    world_add_domain(world, 0, 0);
    world_run(world, 2LL * DAY_MS);
    assert_int_equal(world->delayed, 2 * 501);
    for (uint32_t i = 0; i < 501; i++)
        assert_int_equal(world->mail[i].delays, 2);
    world_free(world);
}

/* Those of the piece that was not seen to are named again, and none is forgotten. */
static void a_restart_in_the_middle_skips_nobody(void **state)
{
    struct world *world = world_with_dead_primary(6, "4h");

    (void)state;
    for (int i = 0; i < 200; i++)
        (void)world_hold(world, 0);
    world->telling_ms = MINUTE_MS;
    world_add_domain(world, 0, 0);
    world_run(world, 4 * HOUR_MS + MINUTE_MS + MINUTE_MS / 2);
    assert_in_range(world->delayed, 50, 150);
    world_restart(world);
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    for (uint32_t i = 0; i < 200; i++)
        assert_in_range(world->mail[i].delays, 1, 3);
    world_free(world);
}

static void who_is_late_for_two_ages_is_told_once(void **state)
{
    struct world *world = world_with_dead_primary(7, "4h,2d");

    (void)state;
    uint32_t mail = world_hold(world, 0);
    world->mail[mail].entry.since_ms -= 3LL * DAY_MS;
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    assert_int_equal(world->delayed, 1);
    assert_true(world->last_age_ms == 2LL * DAY_MS);
    world_free(world);
}

static void other_ages_hold_from_then_on(void **state)
{
    struct world *world = world_with_dead_primary(8, "4h");

    (void)state;
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, 5 * HOUR_MS);
    assert_int_equal(world->delayed, 1);
    world_set_delays(world, "6h");
    world_add_domain(world, 0, 0);
    world_run(world, 2 * HOUR_MS);
    assert_int_equal(world->delayed, 2);
    world_set_delays(world, "4h,6h"); /* both are known */
    world_add_domain(world, 0, 0);
    world_run(world, DAY_MS);
    assert_int_equal(world->delayed, 2);
    world_set_delays(world, "none");
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, DAY_MS);
    assert_int_equal(world->delayed, 2);
    world_free(world);
}

static void a_clock_that_jumps_tells_nobody_early(void **state)
{
    struct world *world = world_with_dead_primary(9, "4h");

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    (void)world_arrive(world, 0);
    world_jump_clock(world, 10LL * DAY_MS);
    world_run(world, 3 * HOUR_MS);
    assert_int_equal(world->delayed, 0);
    world_run(world, 2 * HOUR_MS);
    assert_int_equal(world->delayed, 1);
    world_free(world);
}

/* Waiting costs neither timers nor listings, however much it is. */
static void waiting_costs_nothing(void **state)
{
    struct world *world = world_with_dead_primary(10, "4h,2d");

    (void)state;
    for (int i = 0; i < 5000; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS);
    uint64_t before = world->listings;
    world_run(world, 2 * HOUR_MS);
    assert_int_equal(world->listings, before);
    for (int i = 0; i < 1000; i++)
        (void)world_arrive(world, 0);
    world_run(world, MINUTE_MS);
    assert_int_equal(world->listings, before);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_at_each_age_once),
        cmocka_unit_test(what_does_not_wait_any_more_is_not_told),
        cmocka_unit_test(nobody_is_told_where_it_is_not_wanted),
        cmocka_unit_test(a_thousand_at_once_are_told_in_pieces),
        cmocka_unit_test(a_restart_neither_repeats_nor_skips),
        cmocka_unit_test(a_restart_in_the_middle_skips_nobody),
        cmocka_unit_test(who_is_late_for_two_ages_is_told_once),
        cmocka_unit_test(other_ages_hold_from_then_on),
        cmocka_unit_test(a_clock_that_jumps_tells_nobody_early),
        cmocka_unit_test(waiting_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
