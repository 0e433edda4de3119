/* SPDX-License-Identifier: ISC */
/* test_quota.c: near at four fifths, full at all; the fullest of the three counts. */
#include "testing.h"

#include "verify/quota.h"

static void the_fullest_counts(void **state)
{
    static const struct {
        struct quota quota, used;
        enum quota_level before, level;
    } cases[] = {
        { { 0, 0, 0 }, { 1000, 1000, 1000 }, QUOTA_FREE, QUOTA_FREE },
        { { 1000, 0, 0 }, { 799, 5, 5 }, QUOTA_FREE, QUOTA_FREE },
        { { 1000, 0, 0 }, { 800, 5, 5 }, QUOTA_FREE, QUOTA_NEAR },
        { { 1000, 0, 0 }, { 999, 5, 5 }, QUOTA_FREE, QUOTA_NEAR },
        { { 1000, 0, 0 }, { 1000, 5, 5 }, QUOTA_FREE, QUOTA_FULL },
        { { 1000, 10, 0 }, { 0, 11, 5 }, QUOTA_FREE, QUOTA_FULL },
        { { 1000, 10, 100 }, { 0, 0, 85 }, QUOTA_FREE, QUOTA_NEAR },
        { { 1000, 0, 0 }, { 750, 0, 0 }, QUOTA_NEAR, QUOTA_NEAR }, /* not to and fro */
        { { 1000, 0, 0 }, { 750, 0, 0 }, QUOTA_FULL, QUOTA_NEAR },
        { { 1000, 0, 0 }, { 699, 0, 0 }, QUOTA_NEAR, QUOTA_FREE },
        { { UINT64_MAX, 0, 0 }, { UINT64_MAX / 2, 0, 0 }, QUOTA_FREE, QUOTA_FREE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(quota_level(&cases[i].quota, &cases[i].used, cases[i].before),
                         cases[i].level);
}

static void settings_make_it(void **state)
{
    struct domain_settings settings = { 0 };
    struct quota quota = quota_of(&settings, NULL);
    (void)state;
    assert_false(quota_is_set(&quota));
    assert_true(setting_put_number(&settings, SETTING_QUOTA_PER_HOUR, 5));
    quota = quota_of(&settings, NULL);
    assert_true(quota_is_set(&quota));
    assert_int_equal(quota.per_hour, 5);
    assert_int_equal(quota_refusal(STR("example.org")).code, 452);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_fullest_counts),
        cmocka_unit_test(settings_make_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
