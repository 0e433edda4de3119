/* SPDX-License-Identifier: ISC */
/* test_policies.c: which policy is in force when, with a clock, a DNS and a web server of ours. */
#include "testing.h"

#include "route/policies.h"

#define DOMAIN STR("example.org")

struct fixture {
    struct policies *policies;
    struct now now;
    unsigned asked, fetched, settled, renewed;
    struct buf kept; /* the last */
    unsigned forgotten;
};

static void on_ask(void *context, struct str domain)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->asked++;
}

static void on_fetch(void *context, struct str domain)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->fetched++;
}

static void on_settled(void *context, struct str domain, bool is_new)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->settled++;
    fixture->renewed += is_new;
}

static void on_keep(void *context, struct str domain, struct str bytes)
{
    struct fixture *fixture = context;
    (void)domain;
    fixture->forgotten += bytes.len == 0;
    buf_reset(&fixture->kept);
    buf_add(&fixture->kept, bytes);
}

static const struct policies_host host = { on_ask, on_fetch, on_settled, on_keep };

static int set_up(void **state)
{
    static struct fixture fixture;

    fixture = (struct fixture){ .now = { 1000, 1700000000000 } };
    fixture.policies = policies_new(&host, &fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    policies_free(fixture->policies);
    buf_fini(&fixture->kept);
    return 0;
}

static void pass(struct fixture *fixture, int64_t ms)
{
    fixture->now.mono_ms += ms;
    fixture->now.wall_ms += ms;
}

static enum policy_state want(struct fixture *fixture)
{
    struct sts_policy policy;
    return policies_want(fixture->policies, DOMAIN, fixture->now, &policy);
}

/* Text of the record; "": there is none; NULL: the DNS does not say. */
static void record(struct fixture *fixture, const char *text)
{
    struct dns_record one = { .data = str_from(text != NULL ? text : "") };
    struct dns_answer answer = { .status = DNS_FOUND, .ttl_s = 60, .record = &one };

    answer.record_count = one.data.len > 0 ? 1 : 0;
    if (text == NULL)
        answer.status = DNS_FAILED;
    else if (one.data.len == 0)
        answer.status = DNS_NODATA;
    policies_record(fixture->policies, DOMAIN, &answer, fixture->now);
}

static void fetched(struct fixture *fixture, enum policy_failure failure, const char *text)
{
    policies_fetched(fixture->policies, DOMAIN, failure, str_from(text), fixture->now);
}

static const char day[] = "version: STSv1\nmode: enforce\nmx: mx.example.org\nmax_age: 86400\n";
static const char other[] = "version: STSv1\nmode: testing\nmx: mx.example.org\nmax_age: 86400\n";

static void fetch_first(struct fixture *fixture)
{
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    record(fixture, "v=STSv1; id=one;");
    fetched(fixture, POLICY_FINE, day);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    assert_int_equal(fixture->renewed, 1);
}

static enum policy_failure failure_of(const struct fixture *fixture)
{
    struct policy_status status;

    assert_true(policies_find(fixture->policies, DOMAIN, fixture->now, &status));
    return status.failure;
}

static void the_first_is_waited_for(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(want(fixture), POLICY_SOUGHT);
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    assert_int_equal(fixture->asked, 1);
    record(fixture, "v=STSv1; id=one;");
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    assert_int_equal(fixture->fetched, 1);
    assert_int_equal(fixture->settled, 0);
    fetched(fixture, POLICY_FINE, day);
    assert_int_equal(fixture->settled, 1);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    assert_true(fixture->kept.len > 0);
}

static void without_a_record_there_is_none(void **state)
{
    static const char *const records[] = { "", NULL, "v=STSv1;", "v=spf1 -all" };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < COUNT_OF(records); i++) {
        assert_int_equal(want(fixture), POLICY_SOUGHT);
        record(fixture, records[i]);
        assert_int_equal(want(fixture), POLICY_ABSENT);
        pass(fixture, HOUR_MS);
    }
    assert_int_equal(fixture->fetched, 0);
    assert_int_equal(fixture->settled, COUNT_OF(records));
}

static void two_records_are_none(void **state)
{
    struct fixture *fixture = *state;
    struct dns_record two[] = { { .data = STR("v=STSv1; id=one;") },
                                { .data = STR("v=STSv1; id=one;") } };
    struct dns_answer answer = { .status = DNS_FOUND, .record = two, .record_count = 2 };

    (void)want(fixture);
    policies_record(fixture->policies, DOMAIN, &answer, fixture->now);
    assert_int_equal(want(fixture), POLICY_ABSENT);
    two[1].data = STR("something else");
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    policies_record(fixture->policies, DOMAIN, &answer, fixture->now);
    assert_int_equal(fixture->fetched, 1);
}

static void looks_no_more_often_than_the_record_lives(void **state)
{
    struct fixture *fixture = *state;

    fetch_first(fixture);
    pass(fixture, MINUTE_MS - 1);
    (void)want(fixture);
    assert_int_equal(fixture->asked, 1);
    pass(fixture, 1);
    assert_int_equal(want(fixture), POLICY_IN_FORCE); /* nobody waits */
    assert_int_equal(fixture->asked, 2);
    record(fixture, "v=STSv1; id=one;");
    assert_int_equal(fixture->fetched, 1); /* the same */
}

static void another_id_is_another_policy(void **state)
{
    struct fixture *fixture = *state;
    struct policy_status status;

    fetch_first(fixture);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, "v=STSv1; id=two;");
    assert_int_equal(fixture->fetched, 2);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    fetched(fixture, POLICY_FINE, other);
    assert_int_equal(fixture->renewed, 2);
    assert_true(policies_find(fixture->policies, DOMAIN, fixture->now, &status));
    assert_int_equal(status.policy.mode, STS_TESTING);
    assert_true(str_equals(status.id, STR("two")));
}

static void is_in_force_until_its_time_is_over(void **state)
{
    struct fixture *fixture = *state;

    fetch_first(fixture);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, ""); /* the record is gone */
    pass(fixture, 23 * HOUR_MS - 1);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    record(fixture, NULL);
    pass(fixture, 1);
    assert_int_equal(want(fixture), POLICY_ABSENT);
}

static void a_policy_that_ends_is_fetched_again(void **state)
{
    struct fixture *fixture = *state;

    fetch_first(fixture);
    pass(fixture, 18 * HOUR_MS);
    (void)want(fixture);
    record(fixture, "v=STSv1; id=one;");
    assert_int_equal(fixture->fetched, 1);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, "v=STSv1; id=one;");
    assert_int_equal(fixture->fetched, 2);
    fetched(fixture, POLICY_FINE, day);
    pass(fixture, 20 * HOUR_MS);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
}

/* Its record lives for an hour, the policy for half of one. */
static void there_is_no_gap_between_two_policies(void **state)
{
    struct fixture *fixture = *state;
    struct dns_record one = { .data = STR("v=STSv1; id=one;") };
    const struct dns_answer answer = {
        .status = DNS_FOUND, .ttl_s = 3600, .record = &one, .record_count = 1
    };
    static const char half[] = "version: STSv1\nmode: enforce\nmx: a.example\nmax_age: 1800\n";

    (void)want(fixture);
    policies_record(fixture->policies, DOMAIN, &answer, fixture->now);
    fetched(fixture, POLICY_FINE, half);
    pass(fixture, 20 * MINUTE_MS);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    assert_int_equal(fixture->asked, 1);
    pass(fixture, 20 * MINUTE_MS); /* it is over, and nobody had asked in time */
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    policies_record(fixture->policies, DOMAIN, &answer, fixture->now);
    fetched(fixture, POLICY_FINE, half);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    pass(fixture, 29 * MINUTE_MS);
    assert_int_equal(want(fixture), POLICY_IN_FORCE); /* and it is renewed meanwhile */
    assert_int_equal(fixture->asked, 3);
}

static void what_is_over_and_has_no_record_is_forgotten(void **state)
{
    struct fixture *fixture = *state;

    fetch_first(fixture);
    pass(fixture, DAY_MS);
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    record(fixture, NULL);
    assert_int_equal(fixture->forgotten, 0);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, "");
    assert_int_equal(fixture->forgotten, 1);
    assert_int_equal(want(fixture), POLICY_ABSENT);
}

static void what_fails_changes_nothing_and_is_let_alone(void **state)
{
    struct fixture *fixture = *state;

    fetch_first(fixture);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, "v=STSv1; id=two;");
    fetched(fixture, POLICY_UNTRUSTED, "");
    assert_int_equal(failure_of(fixture), POLICY_UNTRUSTED);
    for (int minute = 1; minute <= 4; minute++) {
        pass(fixture, MINUTE_MS);
        assert_int_equal(want(fixture), POLICY_IN_FORCE);
        record(fixture, "v=STSv1; id=two;");
        assert_int_equal(failure_of(fixture), POLICY_UNTRUSTED);
    }
    assert_int_equal(fixture->fetched, 2);
    pass(fixture, MINUTE_MS);
    (void)want(fixture);
    record(fixture, "v=STSv1; id=two;");
    assert_int_equal(fixture->fetched, 3);
    fetched(fixture, POLICY_FINE, "version: STSv1\nmode: enforce\n");
    assert_int_equal(failure_of(fixture), POLICY_INVALID);
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
}

static void answers_that_nobody_waits_for_are_nothing(void **state)
{
    struct fixture *fixture = *state;

    record(fixture, "v=STSv1; id=one;");
    fetched(fixture, POLICY_FINE, day);
    (void)want(fixture);
    fetched(fixture, POLICY_FINE, day);
    assert_int_equal(want(fixture), POLICY_SOUGHT);
    assert_int_equal(fixture->settled + fixture->fetched, 0);
}

static void is_remembered(void **state)
{
    struct fixture *fixture = *state;
    struct policy_status status;

    fetch_first(fixture);
    policies_free(fixture->policies);
    fixture->policies = policies_new(&host, fixture);
    for (size_t len = 0; len < fixture->kept.len; len++)
        assert_false(
            policies_restore(fixture->policies, DOMAIN, str_first(buf_str(&fixture->kept), len)));
    assert_true(policies_restore(fixture->policies, DOMAIN, buf_str(&fixture->kept)));
    assert_int_equal(want(fixture), POLICY_IN_FORCE);
    assert_true(policies_find(fixture->policies, DOMAIN, fixture->now, &status));
    assert_int_equal(status.policy.mode, STS_ENFORCE);
    assert_true(str_equals(status.id, STR("one")));
    assert_int_equal(status.expires_ms, fixture->now.wall_ms + DAY_MS);
    pass(fixture, DAY_MS);
    record(fixture, NULL);
    assert_int_equal(want(fixture), POLICY_ABSENT);
}

static void the_one_wanted_longest_ago_makes_room(void **state)
{
    struct fixture *fixture = *state;
    struct policy_status status;
    struct sts_policy policy;
    struct buf name = { 0 };

    fetch_first(fixture);
    pass(fixture, HOUR_MS);
    (void)want(fixture);
    record(fixture, "");
    for (unsigned i = 0; i < POLICIES_MAX; i++) {
        static const struct dns_answer none = { .status = DNS_NODATA };
        buf_reset(&name);
        buf_add_format(&name, "d%u.example", i);
        (void)policies_want(fixture->policies, buf_str(&name), fixture->now, &policy);
        policies_record(fixture->policies, buf_str(&name), &none, fixture->now);
    }
    assert_false(policies_find(fixture->policies, DOMAIN, fixture->now, &status));
    assert_true(policies_find(fixture->policies, STR("d0.example"), fixture->now, &status));
    assert_int_equal(fixture->forgotten, 1);
    buf_fini(&name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_is_waited_for),
        TEST(without_a_record_there_is_none),
        TEST(two_records_are_none),
        TEST(looks_no_more_often_than_the_record_lives),
        TEST(another_id_is_another_policy),
        TEST(is_in_force_until_its_time_is_over),
        TEST(a_policy_that_ends_is_fetched_again),
        TEST(there_is_no_gap_between_two_policies),
        TEST(what_is_over_and_has_no_record_is_forgotten),
        TEST(what_fails_changes_nothing_and_is_let_alone),
        TEST(answers_that_nobody_waits_for_are_nothing),
        TEST(is_remembered),
        TEST(the_one_wanted_longest_ago_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
