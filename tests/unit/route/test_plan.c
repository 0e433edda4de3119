/* SPDX-License-Identifier: ISC */
/* test_plan.c: the last known good plan survives the directory, damage does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mail/security.h"
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

static void add(struct route_plan *plan, const char *host, uint8_t last, enum security_level level)
{
    struct security security = { .level = level };
    struct endpoint endpoint = { .family = ENDPOINT_IP4,
                                 .port = 25,
                                 .address = { 192, 0, 2, last } };
    struct buf bytes = { 0 };

    security_encode(&bytes, &security);
    route_plan_add(plan, str_from(host), endpoint, 10, buf_str(&bytes));
    buf_fini(&bytes);
}

/* As the table of trust.h has it: what is remembered is no way around the policy. */
static void an_old_plan_obeys_the_policy(void **state)
{
    static const char *const want = "named=name:named unnamed-must=must: unnamed-tlsa=tlsa: ";
    struct sts_policy policy = { .mode = STS_TESTING, .mx = { STR("named") }, .mx_count = 1 };
    struct route_plan plan = { 0 };
    struct buf got = { 0 };

    (void)state;
    add(&plan, "named", 1, SECURITY_MAY);
    add(&plan, "unnamed", 2, SECURITY_MAY);
    add(&plan, "unnamed-must", 3, SECURITY_MUST);
    add(&plan, "unnamed-tlsa", 4, SECURITY_TLSA);
    add(&plan, "unnamed-name", 5, SECURITY_NAME); /* by an earlier policy */
    route_plan_obey(&plan, &policy);
    assert_int_equal(plan.count, 5);
    policy.mode = STS_ENFORCE;
    route_plan_obey(&plan, &policy);
    for (uint32_t i = 0; i < plan.count; i++) {
        struct cursor cursor = cursor_over(plan.target[i].security);
        struct security security = { 0 };
        assert_true(security_decode(&cursor, &security));
        buf_add_format(&got, "%.*s=%s:%.*s ", STR_FMT(plan.target[i].host),
                       security_level_name(security.level), STR_FMT(security.name[0]));
    }
    assert_int_equal(got.len, str_from(want).len);
    assert_true(str_equals(buf_str(&got), str_from(want)));
    buf_fini(&got);
    route_plan_fini(&plan);
}

static void an_old_plan_is_no_proof_that_there_is_no_key(void **state)
{
    struct route_plan plan = { 0 };

    (void)state;
    add(&plan, "may", 1, SECURITY_MAY);
    add(&plan, "known", 2, SECURITY_TLSA);
    add(&plan, "must", 3, SECURITY_MUST);
    add(&plan, "name", 4, SECURITY_NAME);
    route_plan_keep_known_keys(&plan);
    assert_int_equal(plan.count, 1);
    assert_true(str_equals(plan.target[0].host, STR("known")));
    route_plan_fini(&plan);
}

/* The operator may have changed his mind since. */
static void an_old_plan_has_named_primaries_alone(void **state)
{
    static const struct {
        const char *named; /* beside others */
        bool is_kept;
    } cases[] = {
        { "192.0.2.1", true },           { "192.0.2.1:25", true },
        { "192.0.2.1:26", false },       { "192.0.2.2", false },
        { "MX1.example.org.", true },    { "mx1.example.org:25", true },
        { "mx1.example.org:26", false }, { "mx2.example.org", false },
        { "example.org", false },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct str primaries[] = { STR("[2001:db8::1]:25"), str_from(cases[i].named),
                                         STR("no host") };
        struct route_plan plan = { 0 };
        struct endpoint endpoint;
        assert_true(endpoint_from_ip(STR("192.0.2.1"), 25, &endpoint));
        route_plan_add(&plan, STR("mx1.example.org"), endpoint, 0, STR_NONE);
        assert_true(endpoint_from_ip(STR("192.0.2.9"), 25, &endpoint));
        route_plan_add(&plan, STR("old.example.org"), endpoint, 1, STR_NONE);
        route_plan_keep_named(&plan, primaries, 3);
        assert_int_equal(plan.count, cases[i].is_kept);
        route_plan_fini(&plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_directory),
        cmocka_unit_test(refuses_cuts_additions_and_other_versions),
        cmocka_unit_test(an_empty_plan_is_none),
        cmocka_unit_test(bounds_the_time_to_live),
        cmocka_unit_test(an_old_plan_obeys_the_policy),
        cmocka_unit_test(an_old_plan_is_no_proof_that_there_is_no_key),
        cmocka_unit_test(an_old_plan_has_named_primaries_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
