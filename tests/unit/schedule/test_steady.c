/* SPDX-License-Identifier: ISC */
/* test_steady.c: a wall clock that no jump deceives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "schedule/steady.h"

static const struct now start = { .mono_ms = 5000, .wall_ms = INT64_C(1795000000000) };

static struct now after(int64_t ms, int64_t jump_ms)
{
    return (struct now){ start.mono_ms + ms, start.wall_ms + ms + jump_ms };
}

/* Looks once a minute. */
static void pass(struct steady *steady, int64_t from_ms, int64_t to_ms, int64_t jump_ms)
{
    for (int64_t ms = from_ms; ms <= to_ms; ms += MINUTE_MS)
        steady_observe(steady, after(ms, jump_ms));
}

static void follows_a_clock_that_is_being_set_at_the_start(void **state)
{
    struct steady steady;

    (void)state;
    steady_init(&steady, start);
    pass(&steady, 0, MINUTE_MS, -DAY_MS);
    assert_int_equal(steady_wall(&steady, after(MINUTE_MS, 0)), start.wall_ms + MINUTE_MS - DAY_MS);
    assert_int_equal(steady_trusted_at(&steady), after(10 * MINUTE_MS, 0).mono_ms);
    pass(&steady, 9 * MINUTE_MS, 9 * MINUTE_MS, 0); /* set again: it settles anew */
    assert_int_equal(steady_trusted_at(&steady), after(19 * MINUTE_MS, 0).mono_ms);
    assert_int_equal(steady_extra(&steady, 0), 0);
}

static void follows_small_steps_at_once(void **state)
{
    struct steady steady;

    (void)state;
    steady_init(&steady, start);
    pass(&steady, 0, HOUR_MS, 1500);
    assert_int_equal(steady_wall(&steady, after(HOUR_MS, 0)), start.wall_ms + HOUR_MS + 1500);
}

static void ignores_a_jump_that_does_not_stay(void **state)
{
    struct steady steady;

    (void)state;
    steady_init(&steady, start);
    pass(&steady, 0, HOUR_MS, 0);
    pass(&steady, HOUR_MS, HOUR_MS + 50 * MINUTE_MS, 10 * DAY_MS);
    assert_int_equal(steady_wall(&steady, after(2 * HOUR_MS, 0)), start.wall_ms + 2 * HOUR_MS);
    pass(&steady, 2 * HOUR_MS, 3 * HOUR_MS, 0);
    assert_int_equal(steady_extra(&steady, start.wall_ms), 0);
}

static void believes_after_an_hour_and_gives_extra_time(void **state)
{
    struct steady steady;
    int64_t new_ms = start.wall_ms + HOUR_MS + 10 * DAY_MS;

    (void)state;
    steady_init(&steady, start);
    pass(&steady, 0, HOUR_MS - MINUTE_MS, 0);
    pass(&steady, HOUR_MS, 2 * HOUR_MS, 10 * DAY_MS);
    assert_int_equal(steady_wall(&steady, after(2 * HOUR_MS, 0)), new_ms + HOUR_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms), 10 * DAY_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms + 2 * HOUR_MS), 10 * DAY_MS);
    assert_int_equal(steady_extra(&steady, new_ms), 0); /* stamped by the new clock */

    pass(&steady, 3 * HOUR_MS, 4 * HOUR_MS, 0); /* and back again */
    assert_int_equal(steady_wall(&steady, after(4 * HOUR_MS, 0)), start.wall_ms + 4 * HOUR_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms), 0);
}

/* Ten days forward, believed; then one of them back: what was there before has skipped nine. */
static void gives_extra_time_for_what_is_left_of_a_jump(void **state)
{
    struct steady steady;

    (void)state;
    steady_init(&steady, start);
    pass(&steady, 0, 2 * HOUR_MS, 0);
    pass(&steady, 2 * HOUR_MS, 4 * HOUR_MS, 10 * DAY_MS);
    pass(&steady, 4 * HOUR_MS, 6 * HOUR_MS, 9 * DAY_MS);
    assert_int_equal(steady_wall(&steady, after(6 * HOUR_MS, 0)),
                     start.wall_ms + 6 * HOUR_MS + 9 * DAY_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms), 9 * DAY_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms + 2 * HOUR_MS), 9 * DAY_MS);
    assert_int_equal(steady_extra(&steady, start.wall_ms + 6 * HOUR_MS + 9 * DAY_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_a_clock_that_is_being_set_at_the_start),
        cmocka_unit_test(follows_small_steps_at_once),
        cmocka_unit_test(ignores_a_jump_that_does_not_stay),
        cmocka_unit_test(believes_after_an_hour_and_gives_extra_time),
        cmocka_unit_test(gives_extra_time_for_what_is_left_of_a_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
