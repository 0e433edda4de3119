/* SPDX-License-Identifier: ISC */
/* test_budget.c: so many an hour, for each name. */
#include "testing.h"

#include "verify/budget.h"

static void an_hour_has_its_limit(void **state)
{
    struct budget *budget = budget_new(HOUR_MS);
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_true(budget_take(budget, STR("192.0.2.0"), 20, 1000 + i));
    assert_false(budget_take(budget, STR("192.0.2.0"), 20, 2000));
    assert_true(budget_take(budget, STR("198.51.100.0"), 20, 2000));
    budget_return(budget, STR("192.0.2.0"), 2000);
    assert_int_equal(budget_used(budget, STR("192.0.2.0"), 2000), 19);
    assert_true(budget_take(budget, STR("192.0.2.0"), 20, 2000));
    assert_false(budget_take(budget, STR("192.0.2.0"), 20, 1000 + HOUR_MS - 1));
    assert_int_equal(budget_used(budget, STR("192.0.2.0"), 1000 + HOUR_MS), 0);
    assert_true(budget_take(budget, STR("192.0.2.0"), 20, 1000 + HOUR_MS));
    budget_free(budget);
}

static void what_was_not_taken_cannot_be_returned(void **state)
{
    struct budget *budget = budget_new(HOUR_MS);
    (void)state;
    budget_return(budget, STR("a"), 0);
    assert_int_equal(budget_used(budget, STR("a"), 0), 0);
    assert_false(budget_take(budget, STR("a"), 0, 0)); /* a limit of nothing */
    budget_free(budget);
}

static void there_is_an_end_to_names_and_who_comes_often_is_remembered(void **state)
{
    struct budget *budget = budget_new(HOUR_MS);
    (void)state;
    assert_true(budget_take(budget, STR("often"), 100000, 0));
    for (unsigned i = 0; i < 3 * BUDGET_NAMES_MAX; i++) {
        assert_true(budget_take(budget, str_of(&i, sizeof i), 1, 1));
        if (i % 1000 == 0)
            assert_true(budget_take(budget, STR("often"), 100000, 1));
    }
    assert_int_equal(budget_used(budget, STR("often"), 1), 1 + 3 * BUDGET_NAMES_MAX / 1000);
    unsigned first = 0;
    assert_int_equal(budget_used(budget, str_of(&first, sizeof first), 1), 0);
    budget_free(budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_hour_has_its_limit),
        cmocka_unit_test(what_was_not_taken_cannot_be_returned),
        cmocka_unit_test(there_is_an_end_to_names_and_who_comes_often_is_remembered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
