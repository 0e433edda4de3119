/* SPDX-License-Identifier: ISC */
/* test_plan.c: the last known good plan survives the directory, damage does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "route/plan.h"

static void make_plan(struct route_plan *plan)
{
    struct endpoint endpoint;

    *plan = (struct route_plan){ .ttl_s = 900 };
    assert_true(endpoint_from_text(STR("192.0.2.1:25"), 0, &endpoint));
    route_plan_add(plan, STR("mx1.example.org"), endpoint, 10, STR_NONE);
    assert_true(endpoint_from_text(STR("[2001:db8::9]:2525"), 0, &endpoint));
    route_plan_add(plan, STR("2001:db8::9"), endpoint, 20, STR_NONE);
}

static void survives_the_directory(void **state)
{
    struct route_plan plan, back;
    struct buf bytes = { 0 };

    (void)state;
    make_plan(&plan);
    route_plan_encode(&bytes, &plan);
    assert_true(route_plan_decode(buf_str(&bytes), &back));
    assert_int_equal(back.count, 2);
    assert_int_equal(back.ttl_s, 900);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(str_equals(back.target[i].host, plan.target[i].host));
        assert_true(endpoint_equals(back.target[i].endpoint, plan.target[i].endpoint));
        assert_int_equal(back.target[i].preference, plan.target[i].preference);
    }
    route_plan_fini(&plan);
    route_plan_fini(&back);
    buf_fini(&bytes);
}

static void refuses_cuts_additions_and_other_versions(void **state)
{
    struct route_plan plan, back;
    struct buf bytes = { 0 };

    (void)state;
    make_plan(&plan);
    route_plan_encode(&bytes, &plan);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(route_plan_decode(str_first(buf_str(&bytes), len), &back));
    buf_add_byte(&bytes, 0);
    assert_false(route_plan_decode(buf_str(&bytes), &back));
    bytes.len--;
    bytes.ptr[0]++;
    assert_false(route_plan_decode(buf_str(&bytes), &back));
    route_plan_fini(&plan);
    buf_fini(&bytes);
}

static void an_empty_plan_is_none(void **state)
{
    struct route_plan plan = { .ttl_s = 60 }, back;
    struct buf bytes = { 0 };

    (void)state;
    route_plan_encode(&bytes, &plan);
    assert_false(route_plan_decode(buf_str(&bytes), &back));
    buf_fini(&bytes);
}

static void bounds_the_time_to_live(void **state)
{
    (void)state;
    assert_int_equal(route_plan_ttl(0), 60);
    assert_int_equal(route_plan_ttl(59), 60);
    assert_int_equal(route_plan_ttl(61), 61);
    assert_int_equal(route_plan_ttl(3600), 3600);
    assert_int_equal(route_plan_ttl(UINT32_MAX), 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_directory),
        cmocka_unit_test(refuses_cuts_additions_and_other_versions),
        cmocka_unit_test(an_empty_plan_is_none),
        cmocka_unit_test(bounds_the_time_to_live),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
