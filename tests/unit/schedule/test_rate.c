/* SPDX-License-Identifier: ISC */
/* test_rate.c: so many a second, whatever the sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "schedule/rate.h"

static void lets_through_what_is_allowed(void **state)
{
    struct rate rate = { 0 };
    int taken = 0;

    (void)state;
    for (int64_t now_ms = 100000; now_ms < 110000; now_ms += 10) {
        while (rate_ready_at(&rate) <= now_ms) {
            rate_take(&rate, 1, 20 * 1000, 1000, now_ms);
            taken++;
        }
    }
    assert_in_range(taken, 200, 222); /* 20 a second for 10 s, and a second of credit */
}

static void a_large_one_is_paid_for_afterwards(void **state)
{
    struct rate rate = { 0 };

    (void)state;
    assert_true(rate_ready_at(&rate) <= 100000);
    rate_take(&rate, 50000, 1000 * 1000, 1000, 100000);
    assert_int_equal(rate_ready_at(&rate), 149000);
}

static void the_largest_does_not_overflow(void **state)
{
    struct rate rate = { 0 };

    (void)state;
    rate_take(&rate, UINT64_MAX, 16, 1000, 100000);
    assert_true(rate_ready_at(&rate) > 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lets_through_what_is_allowed),
        cmocka_unit_test(a_large_one_is_paid_for_afterwards),
        cmocka_unit_test(the_largest_does_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
