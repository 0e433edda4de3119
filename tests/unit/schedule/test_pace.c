/* SPDX-License-Identifier: ISC */
/* What a rate limit teaches, and when it is forgotten; recipients that were refused, by the minute.
 */
#include "testing.h"

#include "base/clock.h"
#include "schedule/pace.h"
#include "schedule/refusals.h"

#define NOON (INT64_C(1000) * HOUR_MS)
#define REST (65 * SECOND_MS)

static void give_and_take(struct pace *pace, uint32_t count, int64_t now_ms)
{
    for (uint32_t i = 0; i < count; i++) {
        pace_given(pace, now_ms);
        pace_taken(pace, now_ms);
    }
}

static void nobody_complained_nobody_rests(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    give_and_take(&pace, 100000, NOON);
    assert_true(pace_ready_at(&pace) <= NOON);
}

static void rests_a_minute_and_then_before_it_is_told(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    give_and_take(&pace, 50, NOON);
    assert_int_equal(pace_limited(&pace, 0, NOON), NOON + REST);
    assert_int_equal(pace_limited(&pace, 0, NOON + 5), NOON + REST); /* was under way */
    give_and_take(&pace, 49, NOON + REST);
    assert_int_equal(pace_ready_at(&pace), NOON + REST);
    give_and_take(&pace, 1, NOON + REST);
    assert_int_equal(pace_ready_at(&pace), NOON + 2 * REST);
    for (int turn = 2; turn <= 5; turn++)
        give_and_take(&pace, 50, NOON + turn * REST);
    give_and_take(&pace, 99, NOON + 6 * REST); /* twice as many */
    assert_int_equal(pace_ready_at(&pace), NOON + 6 * REST);
    give_and_take(&pace, 1, NOON + 6 * REST);
    assert_int_equal(pace_ready_at(&pace), NOON + 7 * REST);
}

static void a_hint_is_honoured(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    give_and_take(&pace, 5, NOON);
    assert_int_equal(pace_limited(&pace, 20 * SECOND_MS, NOON), NOON + 20 * SECOND_MS);
}

static void rests_grow_while_nothing_is_taken(void **state)
{
    static const int64_t wanted[] = { 65, 130, 260, 520, 600, 600 };
    struct pace pace = { 0 };
    int64_t now_ms = NOON;

    (void)state;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        pace_given(&pace, now_ms);
        int64_t until_ms = pace_limited(&pace, 0, now_ms);
        assert_int_equal(until_ms - now_ms, wanted[i] * SECOND_MS);
        now_ms = until_ms;
    }
}

static void a_quiet_time_is_as_good_as_a_rest(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    give_and_take(&pace, 10, NOON);
    (void)pace_limited(&pace, 0, NOON);
    give_and_take(&pace, 9, NOON + REST);
    give_and_take(&pace, 9, NOON + HOUR_MS);
    assert_true(pace_ready_at(&pace) <= NOON + HOUR_MS);
    give_and_take(&pace, 1, NOON + HOUR_MS);
    assert_true(pace_ready_at(&pace) > NOON + HOUR_MS);
}

static void refusals_are_forgotten_after_ten_minutes(void **state)
{
    struct refusals refusals = { 0 };

    (void)state;
    assert_int_equal(refusals_recent(&refusals, NOON), 0);
    refusals_add(&refusals, 3, NOON);
    refusals_add(&refusals, 1, NOON + 5 * MINUTE_MS);
    assert_int_equal(refusals_recent(&refusals, NOON + 10 * MINUTE_MS), 4);
    assert_int_equal(refusals_recent(&refusals, NOON + 11 * MINUTE_MS), 1);
    assert_int_equal(refusals_recent(&refusals, NOON + 16 * MINUTE_MS), 0);
    refusals_add(&refusals, 2, NOON + DAY_MS);
    assert_int_equal(refusals_recent(&refusals, NOON + DAY_MS), 2);
}

/* All of a burst was under way before the first of them was refused. */
static void learns_while_it_rests(void **state)
{
    struct pace pace = { 0 };

    (void)state;
    give_and_take(&pace, 10, NOON);
    (void)pace_limited(&pace, 0, NOON);
    for (int turn = 1; turn <= 5; turn++)
        give_and_take(&pace, 10, NOON + turn * REST);
    for (int i = 0; i < 20; i++)
        pace_given(&pace, NOON + 6 * REST);
    assert_int_equal(pace_ready_at(&pace), NOON + 7 * REST);
    for (int i = 0; i < 10; i++)
        pace_taken(&pace, NOON + 6 * REST);
    for (int i = 0; i < 10; i++)
        assert_int_equal(pace_limited(&pace, 0, NOON + 6 * REST), NOON + 7 * REST);
    give_and_take(&pace, 9, NOON + 7 * REST);
    assert_int_equal(pace_ready_at(&pace), NOON + 7 * REST);
    give_and_take(&pace, 1, NOON + 7 * REST);
    assert_int_equal(pace_ready_at(&pace), NOON + 8 * REST);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_complained_nobody_rests),
        cmocka_unit_test(rests_a_minute_and_then_before_it_is_told),
        cmocka_unit_test(a_hint_is_honoured),
        cmocka_unit_test(rests_grow_while_nothing_is_taken),
        cmocka_unit_test(learns_while_it_rests),
        cmocka_unit_test(a_quiet_time_is_as_good_as_a_rest),
        cmocka_unit_test(refusals_are_forgotten_after_ten_minutes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
