/* SPDX-License-Identifier: ISC */
/* test_random.c: bounds, repeatability, and no grossly uneven draw. */
#include "testing.h"

#include <string.h>

#include "base/random.h"

static void same_seed_same_numbers(void **state)
{
    struct random a;
    struct random b;
    struct random c;
    (void)state;
    random_from_seed(&a, 42);
    random_from_seed(&b, 42);
    random_from_seed(&c, 43);
    for (int i = 0; i < 100; i++) {
        uint64_t n = random_u64(&a);
        assert_true(n == random_u64(&b));
        assert_true(n != random_u64(&c));
    }
    random_from_kernel(&a);
    random_from_kernel(&b);
    assert_memory_not_equal(&a, &b, sizeof a);
}

static void stays_below_its_bound(void **state)
{
    static const uint64_t bounds[] = {
        1, 2, 3, 10, 255, 256, 1000003, UINT32_MAX, 1ull << 63, (1ull << 63) + 1, UINT64_MAX,
    };
    struct random random;
    (void)state;
    random_from_seed(&random, 1);
    for (size_t i = 0; i < COUNT_OF(bounds); i++)
        for (int n = 0; n < 1000; n++)
            assert_true(random_below(&random, bounds[i]) < bounds[i]);
}

static void draws_evenly(void **state)
{
    unsigned count[7] = { 0 };
    struct random random;
    (void)state;
    random_from_seed(&random, 5);
    for (int i = 0; i < 70000; i++)
        count[random_below(&random, 7)]++;
    for (size_t i = 0; i < 7; i++)
        assert_in_range(count[i], 9500, 10500); /* five standard deviations */
}

static void moves_around_the_middle(void **state)
{
    bool seen[21] = { false };
    struct random random;
    (void)state;
    random_from_seed(&random, 9);
    for (int i = 0; i < 5000; i++) {
        int64_t n = random_around(&random, -5, 10);
        assert_true(n >= -15 && n <= 5);
        seen[n + 15] = true;
    }
    for (size_t i = 0; i < COUNT_OF(seen); i++)
        assert_true(seen[i]);
    assert_int_equal(random_around(&random, 5000, 0), 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_seed_same_numbers),
        cmocka_unit_test(stays_below_its_bound),
        cmocka_unit_test(draws_evenly),
        cmocka_unit_test(moves_around_the_middle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
