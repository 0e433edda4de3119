/* SPDX-License-Identifier: ISC */
/* test_expire.c: the holding time ends when it ends, whatever the clock does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "world.h"

static struct world *world_with_dead_primary(uint64_t seed)
{
    struct world *world = world_new(seed);

    world->primary[0].is_alive = false;
    world->primary[0].refuses = true;
    world_set(world, SETTING_PROBE_INTERVAL, HOUR_MS); /* nothing else happens */
    return world;
}

static void expires_in_order_at_the_right_time(void **state)
{
    struct world *world = world_with_dead_primary(1);

    (void)state;
    world_add_domain(world, 0, 0);
    for (int i = 0; i < 10; i++) {
        (void)world_arrive(world, 0);
        world_run(world, HOUR_MS);
    }
    world_run(world, 5 * (int64_t)DAY_MS - 10 * HOUR_MS - SECOND_MS);
    assert_int_equal(world->expired, 0);
    for (uint64_t i = 1; i <= 10; i++) {
        world_run(world, 2 * SECOND_MS);
        assert_int_equal(world->expired, i);
        world_run(world, HOUR_MS - 2 * SECOND_MS);
    }
    assert_int_equal(world->discarded, 0);
    world_run(world, 30 * (int64_t)DAY_MS);
    assert_int_equal(world->discarded, 10);
    world_free(world);
}

static void a_thousand_at_once(void **state)
{
    struct world *world = world_with_dead_primary(2);

    (void)state;
    for (int i = 0; i < 1000; i++)
        (void)world_hold(world, 0);
    world_set(world, SETTING_HOLD, HOUR_MS);
    world_add_domain(world, 0, 0);
    world_run(world, HOUR_MS + 10 * SECOND_MS);
    assert_int_equal(world->expired, 1000);
    world_free(world);
}

static void what_is_overdue_at_the_start_waits_until_the_clock_is_trusted(void **state)
{
    struct world *world = world_with_dead_primary(3);

    (void)state;
    uint32_t mail = world_hold(world, 0);
    world->mail[mail].entry.since_ms -= 6 * (int64_t)DAY_MS;
    world_add_domain(world, 0, 0);
    world_run(world, 9 * MINUTE_MS);
    assert_int_equal(world->expired, 0);
    world_run(world, 2 * MINUTE_MS);
    assert_int_equal(world->expired, 1);
    world_free(world);
}

static void a_clock_that_is_set_after_the_start_expires_nothing(void **state)
{
    struct world *world = world_with_dead_primary(4);

    (void)state;
    world_jump_clock(world, 10 * (int64_t)DAY_MS); /* wrong at boot, put right by NTP */
    (void)world_hold(world, 0);
    world->mail[0].entry.since_ms -= 10 * (int64_t)DAY_MS;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    world_jump_clock(world, -10 * (int64_t)DAY_MS);
    world_run(world, DAY_MS);
    assert_int_equal(world->expired, 0);
    world_free(world);
}

static void jumps_of_the_clock_expire_nothing_early(void **state)
{
    static const int64_t jumps[] = { -DAY_MS, 10 * (int64_t)DAY_MS, 4000 * (int64_t)DAY_MS };

    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        for (int stays = 0; stays < 2; stays++) {
            struct world *world = world_with_dead_primary(5);
            world_add_domain(world, 0, 0);
            (void)world_arrive(world, 0);
            world_run(world, HOUR_MS);
            world_jump_clock(world, jumps[i]);
            (void)world_arrive(world, 0);
            if (!stays) {
                world_run(world, HOUR_MS / 2);
                world_jump_clock(world, -jumps[i]);
            }
            world_run(world, 5 * (int64_t)DAY_MS - 2 * HOUR_MS);
            assert_int_equal(world->expired, 0);
            world_run(world, 3 * HOUR_MS);
            assert_true(world->expired >= (jumps[i] > 0));
            world_free(world);
        }
    }
}

/* Alone in its queue, where nothing older shows how late it is. */
static void mail_that_comes_under_a_wrong_clock_is_held_as_long(void **state)
{
    static const int64_t jumps[] = { -DAY_MS, -4000 * (int64_t)DAY_MS, 10 * (int64_t)DAY_MS };

    (void)state;
    for (size_t i = 0; i < sizeof jumps / sizeof *jumps; i++) {
        struct world *world = world_with_dead_primary(9);
        world_set(world, SETTING_HOLD, 6 * HOUR_MS);
        world_add_domain(world, 0, 0);
        world_run(world, HOUR_MS);
        world_jump_clock(world, jumps[i]);
        world_run(world, MINUTE_MS);
        (void)world_arrive(world, 0);
        world_run(world, HOUR_MS / 2);
        world_jump_clock(world, -jumps[i]);
        world_run(world, 5 * HOUR_MS);
        assert_int_equal(world->expired, 0);
        world_run(world, HOUR_MS);
        assert_int_equal(world->expired, 1);
        assert_int_equal(world->discarded, 0);
        world_free(world);
    }
}

/* Who does not look then takes the next jump for the clock's being set. */
static void looks_at_the_clock_when_it_has_settled(void **state)
{
    struct world *world = world_with_dead_primary(10);
    int64_t start_ms = world->now.mono_ms;

    (void)state;
    world_add_domain(world, 0, 0);
    world_run(world, MINUTE_MS);
    assert_true(schedule_deadline(world->schedule) <= start_ms + 10 * MINUTE_MS);
    world_run(world, 10 * MINUTE_MS);
    assert_true(schedule_deadline(world->schedule) > start_ms + 20 * MINUTE_MS);
    world_free(world);
}

static void a_shorter_holding_time_counts_at_once(void **state)
{
    struct world *world = world_with_dead_primary(6);

    (void)state;
    world_add_domain(world, 0, 0);
    (void)world_arrive(world, 0);
    world_run(world, DAY_MS);
    world_set(world, SETTING_HOLD, 12 * HOUR_MS);
    world_add_domain(world, 0, 0);
    world_run(world, SECOND_MS);
    assert_int_equal(world->expired, 1);
    world_free(world);
}

static void a_disk_that_fails_is_asked_again_with_pauses(void **state)
{
    struct world *world = world_with_dead_primary(8);

    (void)state;
    world_set(world, SETTING_HOLD, HOUR_MS);
    world_add_domain(world, 0, 0);
    for (int i = 0; i < 3; i++)
        (void)world_arrive(world, 0);
    world->disk_fails = true;
    world_run(world, HOUR_MS + 10 * MINUTE_MS);
    assert_int_equal(world->expired, 0);
    assert_in_range(world->not_expired, 3 * 30, 3 * 61); /* every ten seconds */
    world->disk_fails = false;
    world_run(world, 15 * SECOND_MS);
    assert_int_equal(world->expired, 3);
    world_free(world);
}

static void deferred_mail_expires_too(void **state)
{
    struct world *world = world_new(7);

    (void)state;
    world->primary[0].defers_all = true;
    world_set(world, SETTING_HOLD, 2 * HOUR_MS);
    for (int i = 0; i < 10; i++)
        (void)world_hold(world, 0);
    world_add_domain(world, 0, 0);
    world_run(world, 3 * HOUR_MS);
    assert_int_equal(world->expired, 10);
    assert_int_equal(world_status(world, 0).deferred, 0);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(expires_in_order_at_the_right_time),
        cmocka_unit_test(a_thousand_at_once),
        cmocka_unit_test(what_is_overdue_at_the_start_waits_until_the_clock_is_trusted),
        cmocka_unit_test(a_clock_that_is_set_after_the_start_expires_nothing),
        cmocka_unit_test(jumps_of_the_clock_expire_nothing_early),
        cmocka_unit_test(mail_that_comes_under_a_wrong_clock_is_held_as_long),
        cmocka_unit_test(looks_at_the_clock_when_it_has_settled),
        cmocka_unit_test(a_shorter_holding_time_counts_at_once),
        cmocka_unit_test(a_disk_that_fails_is_asked_again_with_pauses),
        cmocka_unit_test(deferred_mail_expires_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
