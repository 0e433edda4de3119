/* SPDX-License-Identifier: ISC */
/* test_suggest.c: which typing errors are recognised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/suggest.h"

static void suggests_the_nearest_name_within_two_errors(void **state)
{
    static const char *const known[] = { "hostname", "data", "user", "hold", "sessions" };
    static const struct {
        const char *given, *meant; /* NULL: nothing is near */
    } cases[] = {
        { "hostnam", "hostname" },
        { "hsotname", "hostname" },
        { "Hostnames", "hostname" },
        { "ohstnmae", "hostname" },
        { "dta", "data" },
        { "sesion", "sessions" },
        { "holt", "hold" },
        { "use", "user" },
        { "", NULL },
        { "xy", NULL },
        { "da", NULL },
        { "completely", NULL },
        { "sess", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct suggestion meant = { .given = str_from(cases[i].given) };
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            suggestion_offer(&meant, str_from(known[k]));
        assert_true(str_equals(meant.best, str_from(cases[i].meant)));
    }
}

static void counts_typing_errors_up_to_the_limit(void **state)
{
    (void)state;
    assert_int_equal(suggest_distance(STR("abc"), STR("abc"), 2), 0);
    assert_int_equal(suggest_distance(STR("abc"), STR("acb"), 2), 1);
    assert_int_equal(suggest_distance(STR("abc"), STR("xyz"), 2), 3);
    assert_int_equal(suggest_distance(STR("abc"), STR("vwxyz"), 2), 3);
    assert_int_equal(suggest_distance(STR(""), STR("ab"), 2), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(suggests_the_nearest_name_within_two_errors),
        cmocka_unit_test(counts_typing_errors_up_to_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
