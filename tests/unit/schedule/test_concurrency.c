/* SPDX-License-Identifier: ISC */
/* test_concurrency.c: slow start, and a limit that is remembered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "schedule/concurrency.h"

static void answer(struct concurrency *concurrency, int times, int64_t now_ms)
{
    for (int i = 0; i < times; i++)
        concurrency_answered(concurrency, concurrency->allowed, 20, now_ms);
}

static void grows_by_one_per_round_up_to_the_limit(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 2);
    answer(&concurrency, 1, 0);
    assert_int_equal(concurrency.allowed, 2);
    answer(&concurrency, 1, 0);
    assert_int_equal(concurrency.allowed, 3);
    answer(&concurrency, 3, 0);
    assert_int_equal(concurrency.allowed, 4);
    answer(&concurrency, 10000, 0);
    assert_int_equal(concurrency.allowed, 20);
}

static void does_not_grow_while_sessions_are_unused(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 4);
    for (int i = 0; i < 100; i++)
        concurrency_answered(&concurrency, 3, 20, 0);
    assert_int_equal(concurrency.allowed, 4);
}

static void remembers_the_limit_it_hit(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 6);
    for (uint32_t standing = 1; standing <= 5; standing++)
        concurrency_ready(&concurrency, standing);
    concurrency_refused(&concurrency, 5, 0);
    assert_int_equal(concurrency.allowed, 5);
    assert_false(concurrency_may_open(&concurrency, 4, 0));
    assert_true(concurrency_may_open(&concurrency, 4, SECOND_MS));
    answer(&concurrency, 1000, 9 * MINUTE_MS);
    assert_int_equal(concurrency.allowed, 5);
    answer(&concurrency, 5, 10 * MINUTE_MS);
    assert_int_equal(concurrency.allowed, 6); /* once more … */
    concurrency_refused(&concurrency, 5, 10 * MINUTE_MS);
    assert_int_equal(concurrency.allowed, 5);
    answer(&concurrency, 1000, 29 * MINUTE_MS); /* … and then only after twice the time */
    assert_int_equal(concurrency.allowed, 5);
    concurrency_start(&concurrency, 20); /* also after an outage */
    assert_int_equal(concurrency.allowed, 5);
}

static void forgets_the_limit_when_it_is_gone(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 6);
    concurrency_ready(&concurrency, 5);
    concurrency_refused(&concurrency, 5, 0);
    answer(&concurrency, 5, 10 * MINUTE_MS);
    concurrency_ready(&concurrency, 6);
    answer(&concurrency, 1000, 11 * MINUTE_MS);
    assert_int_equal(concurrency.allowed, 20);
}

static void one_refusal_below_a_proven_number_changes_nothing(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 5);
    concurrency_ready(&concurrency, 5);
    concurrency_refused(&concurrency, 4, 0);
    assert_int_equal(concurrency.allowed, 5);
    concurrency_refused(&concurrency, 4, SECOND_MS);
    assert_int_equal(concurrency.allowed, 4);
}

static void a_limit_met_while_it_was_dying_is_forgotten(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 20);
    concurrency_refused(&concurrency, 5, 0);
    concurrency_refused(&concurrency, 1, SECOND_MS);
    assert_int_equal(concurrency.allowed, 1);
    concurrency_died(&concurrency, 10 * SECOND_MS);
    concurrency_start(&concurrency, 2);
    answer(&concurrency, 1000, 20 * SECOND_MS);
    assert_int_equal(concurrency.allowed, 20);
}

static void rests_longer_after_each_barren_session(void **state)
{
    struct concurrency concurrency = { 0 };
    static const int64_t rest_s[] = { 1, 2, 4, 8, 16, 32, 60, 60 };

    (void)state;
    concurrency_start(&concurrency, 5);
    for (size_t i = 0; i < 8; i++) {
        concurrency_barren(&concurrency, 0, 0);
        assert_int_equal(concurrency.closed_until_ms, rest_s[i] * SECOND_MS);
    }
    concurrency_answered(&concurrency, 1, 20, 0);
    concurrency_barren(&concurrency, 0, 0);
    assert_int_equal(concurrency.closed_until_ms, SECOND_MS);
}

static void rests_once_for_all_that_end_together(void **state)
{
    struct concurrency concurrency = { 0 };

    (void)state;
    concurrency_start(&concurrency, 20);
    for (int64_t late_ms = 0; late_ms < 20; late_ms++)
        concurrency_barren(&concurrency, 50, 100 + late_ms);
    assert_int_equal(concurrency.barren, 1);
    assert_int_equal(concurrency.closed_until_ms, 100 + SECOND_MS);
    concurrency_barren(&concurrency, 100 + SECOND_MS, 200 + SECOND_MS);
    assert_int_equal(concurrency.closed_until_ms, 200 + 3 * SECOND_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_by_one_per_round_up_to_the_limit),
        cmocka_unit_test(does_not_grow_while_sessions_are_unused),
        cmocka_unit_test(remembers_the_limit_it_hit),
        cmocka_unit_test(forgets_the_limit_when_it_is_gone),
        cmocka_unit_test(one_refusal_below_a_proven_number_changes_nothing),
        cmocka_unit_test(a_limit_met_while_it_was_dying_is_forgotten),
        cmocka_unit_test(rests_longer_after_each_barren_session),
        cmocka_unit_test(rests_once_for_all_that_end_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
