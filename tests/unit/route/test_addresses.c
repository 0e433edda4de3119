/* SPDX-License-Identifier: ISC */
/* test_addresses.c: what is told is tried until it is proved, and what is proved leads the plan. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "route/addresses.h"
#include "route/plan.h"

static struct endpoint at(const char *text)
{
    struct endpoint endpoint;

    assert_true(endpoint_from_text(str_from(text), 25, &endpoint));
    return endpoint;
}

static struct now after(int64_t ms)
{
    return (struct now){ .mono_ms = 1000 + ms, .wall_ms = INT64_C(1700000000000) + ms };
}

static const struct verdict refused = { .fate = FATE_DEFER, .code = 451 };

static enum addresses_news answer(struct addresses *addresses, const char *address,
                                  enum address_answer what, int64_t ms)
{
    return addresses_answered(addresses, at(address), what, &refused, after(ms));
}

static void tell(struct addresses *addresses, const char *address, int64_t ms)
{
    struct endpoint endpoint = at(address);
    assert_true(addresses_tell(addresses, &endpoint, 1, after(ms)));
}

static void what_is_told_is_tried_at_once_and_used_when_proved(void **state)
{
    struct addresses addresses = { 0 };
    (void)state;

    assert_int_equal(addresses_deadline(&addresses), NEVER_MS);
    tell(&addresses, "192.0.2.7", 0);
    assert_int_equal(addresses_deadline(&addresses), after(0).mono_ms);
    struct told_address *due = addresses_take_due(&addresses, after(0));
    assert_true(due != NULL && endpoint_equals(due->endpoint, at("192.0.2.7")));
    assert_null(addresses_take_due(&addresses, after(0)));
    assert_int_equal(addresses_deadline(&addresses), NEVER_MS); /* it is being asked */
    assert_int_equal(addresses.used_count, 0);
    assert_int_equal(answer(&addresses, "192.0.2.7", ANSWER_PROVED, 50), NEWS_USED);
    assert_int_equal(addresses.used_count, 1);
    assert_int_equal(addresses.used_ms, after(50).wall_ms);
    assert_int_equal(addresses.told[0].state, ADDRESS_PROVED);
    assert_int_equal(addresses_deadline(&addresses), NEVER_MS);
}

/* Seconds between tries while nobody answers, and while somebody else does. */
static void is_tried_later_and_later_for_a_day(void **state)
{
    static const int64_t absent[] = { 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900 };
    static const int64_t stranger[] = { 60, 120, 240, 480, 960, 1920, 3600, 3600 };
    struct addresses addresses = { 0 };
    int64_t ms = 0;
    (void)state;

    tell(&addresses, "192.0.2.7", 0);
    for (size_t i = 0; i < sizeof absent / sizeof absent[0]; i++) {
        assert_non_null(addresses_take_due(&addresses, after(ms)));
        assert_int_equal(answer(&addresses, "192.0.2.7", ANSWER_ABSENT, ms), NEWS_NONE);
        assert_int_equal(addresses_deadline(&addresses), after(ms + absent[i] * 1000).mono_ms);
        ms += absent[i] * 1000;
        assert_null(addresses_take_due(&addresses, after(ms - 1)));
    }
    addresses_hurry(&addresses, after(ms));
    for (size_t i = 0; i < sizeof stranger / sizeof stranger[0]; i++) {
        assert_non_null(addresses_take_due(&addresses, after(ms)));
        assert_int_equal(answer(&addresses, "192.0.2.7", ANSWER_STRANGER, ms),
                         i == 0 ? NEWS_STATE : NEWS_NONE);
        assert_int_equal(addresses_deadline(&addresses), after(ms + stranger[i] * 1000).mono_ms);
        ms += stranger[i] * 1000;
    }
    while (addresses_take_due(&addresses, after(ms)) != NULL && ms < 3 * (int64_t)DAY_MS) {
        (void)answer(&addresses, "192.0.2.7", ANSWER_ABSENT, ms);
        ms += 900 * 1000;
    }
    assert_int_equal(addresses.told[0].state, ADDRESS_GIVEN_UP);
    assert_true(ms >= (int64_t)DAY_MS && ms < (int64_t)DAY_MS + 3 * (int64_t)HOUR_MS);
    assert_int_equal(addresses_deadline(&addresses), NEVER_MS);
    struct endpoint same = at("192.0.2.7");
    assert_false(addresses_tell(&addresses, &same, 1, after(ms)));
    assert_int_equal(addresses.told[0].state, ADDRESS_TRYING);
    assert_int_equal(addresses_deadline(&addresses), after(ms).mono_ms);
}

static void our_own_trouble_is_nobodys_fault(void **state)
{
    struct addresses addresses = { 0 };
    (void)state;

    tell(&addresses, "192.0.2.7", 0);
    assert_non_null(addresses_take_due(&addresses, after(0)));
    assert_int_equal(answer(&addresses, "192.0.2.7", ANSWER_NONE, 10), NEWS_NONE);
    assert_int_equal(addresses.told[0].tries, 0);
    assert_int_equal(addresses.told[0].last.code, 0);
    assert_null(addresses_take_due(&addresses, after(10)));
    assert_non_null(addresses_take_due(&addresses, after(10 + 5000)));
}

static void what_is_used_stays_until_another_one_is_proved(void **state)
{
    struct addresses addresses = { 0 };
    struct endpoint two[] = { at("192.0.2.8"), at("[2001:db8::8]:2525") };
    struct endpoint turned[] = { two[1], two[0] };
    (void)state;

    tell(&addresses, "192.0.2.7", 0);
    (void)addresses_take_due(&addresses, after(0));
    (void)answer(&addresses, "192.0.2.7", ANSWER_PROVED, 0);
    assert_true(addresses_tell(&addresses, two, 2, after(100)));
    assert_false(addresses_tell(&addresses, turned, 2, after(100)));
    assert_true(endpoint_equals(addresses.used[0], at("192.0.2.7")));
    (void)addresses_take_due(&addresses, after(100));
    (void)addresses_take_due(&addresses, after(100));
    assert_int_equal(answer(&addresses, "192.0.2.8", ANSWER_STRANGER, 200), NEWS_STATE);
    assert_int_equal(addresses.used_count, 1);
    assert_int_equal(answer(&addresses, "[2001:db8::8]:2525", ANSWER_PROVED, 300), NEWS_USED);
    assert_int_equal(addresses.used_count, 1);
    assert_true(endpoint_equals(addresses.used[0], two[1]));
    addresses_hurry(&addresses, after(400));
    assert_non_null(addresses_take_due(&addresses, after(400)));
    assert_int_equal(answer(&addresses, "192.0.2.8", ANSWER_PROVED, 400), NEWS_USED);
    assert_int_equal(addresses.used_count, 2); /* in the order they were told in */
    assert_true(endpoint_equals(addresses.used[0], two[0]));
}

/* A session that was begun for what was told before. */
static void late_answers_about_others_mean_nothing(void **state)
{
    struct addresses addresses = { 0 };
    (void)state;

    tell(&addresses, "192.0.2.7", 0);
    (void)addresses_take_due(&addresses, after(0));
    tell(&addresses, "192.0.2.8", 10);
    assert_int_equal(answer(&addresses, "192.0.2.7", ANSWER_PROVED, 20), NEWS_NONE);
    assert_int_equal(answer(&addresses, "192.0.2.8:26", ANSWER_PROVED, 20), NEWS_NONE);
    assert_int_equal(addresses.used_count, 0);
}

static void survives_the_directory(void **state)
{
    struct addresses addresses = { 0 };
    struct addresses back;
    struct endpoint three[] = { at("192.0.2.8"), at("[2001:db8::8]:2525"), at("192.0.2.9") };
    struct buf bytes = { 0 };
    struct buf again = { 0 };
    (void)state;

    assert_true(addresses_tell(&addresses, three, 3, after(5)));
    for (int i = 0; i < 3; i++)
        assert_non_null(addresses_take_due(&addresses, after(5)));
    (void)answer(&addresses, "192.0.2.8", ANSWER_PROVED, 6);
    (void)answer(&addresses, "192.0.2.9", ANSWER_STRANGER, 7);
    addresses_encode(&bytes, &addresses);
    assert_true(addresses_decode(buf_str(&bytes), after(900), &back));
    assert_int_equal(back.told_count, 3);
    assert_int_equal(back.told_ms, after(5).wall_ms);
    assert_int_equal(back.told[0].state, ADDRESS_PROVED);
    assert_int_equal(back.told[2].since_ms, after(7).wall_ms);
    assert_int_equal(back.used_count, 1);
    assert_true(endpoint_equals(back.used[0], three[0]));
    assert_non_null(addresses_take_due(&back, after(900))); /* the second and the third, at once */
    assert_non_null(addresses_take_due(&back, after(900)));
    assert_null(addresses_take_due(&back, after(900)));
    addresses_encode(&again, &back);
    assert_true(str_equals(buf_str(&bytes), buf_str(&again)));
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(addresses_decode(str_first(buf_str(&bytes), len), after(0), &back));
    buf_add_u8(&bytes, 0);
    assert_false(addresses_decode(buf_str(&bytes), after(0), &back));
    bytes.len--;
    bytes.ptr[0] = 2;
    assert_false(addresses_decode(buf_str(&bytes), after(0), &back));
    buf_fini(&bytes);
    buf_fini(&again);
}

static void leads_the_plan(void **state)
{
    struct addresses addresses = { .used = { at("192.0.2.7"), at("192.0.2.1") }, .used_count = 2 };
    struct route_plan plan = { .ttl_s = 900 };
    (void)state;

    route_plan_add(&plan, STR("mx0.example.org"), at("192.0.2.3"), 0, STR_NONE);
    route_plan_add(&plan, STR("mx1.example.org"), at("192.0.2.1"), 10, STR("demands"));
    addresses_lead(&addresses, &plan);
    assert_int_equal(plan.count, 3);
    assert_int_equal(plan.ttl_s, 900);
    assert_true(str_equals(plan.target[0].host, STR("192.0.2.7")));
    assert_true(str_equals(plan.target[1].host, STR("mx1.example.org")));
    assert_true(str_equals(plan.target[1].security, STR("demands"))); /* no less than before */
    assert_int_equal(plan.target[0].preference, 0);
    assert_int_equal(plan.target[1].preference, 0);
    assert_true(str_equals(plan.target[2].host, STR("mx0.example.org")));
    assert_int_equal(plan.target[2].preference, 1);
    route_plan_fini(&plan);

    plan = (struct route_plan){ 0 }; /* the DNS has nothing */
    addresses_lead(&addresses, &plan);
    assert_int_equal(plan.count, 2);
    assert_int_equal(plan.ttl_s, 60);
    route_plan_fini(&plan);
}

static void some_addresses_may_not_be_told(void **state)
{
    (void)state;
    assert_null(address_refusal(at("192.0.2.7"), TELLER_OWNER));
    assert_null(address_refusal(at("[2001:db8::8]:25"), TELLER_OWNER));
    for (int teller = TELLER_OWNER; teller <= TELLER_OPERATOR; teller++) {
        bool is_owner = teller == TELLER_OWNER;
        assert_non_null(address_refusal(at("0.0.0.0"), (enum address_teller)teller));
        assert_non_null(address_refusal(at("255.255.255.255"), (enum address_teller)teller));
        assert_non_null(address_refusal(at("169.254.169.254"), (enum address_teller)teller));
        assert_true((address_refusal(at("127.0.0.1"), (enum address_teller)teller) != NULL) ==
                    is_owner);
        assert_true((address_refusal(at("10.0.0.1"), (enum address_teller)teller) != NULL) ==
                    is_owner);
    }
}

static void only_what_the_primary_alone_can_show_is_proof(void **state)
{
    struct security security = { .level = SECURITY_MUST };
    (void)state;

    assert_false(address_can_be_proved(&security));
    security.pin_count = 1;
    assert_true(address_can_be_proved(&security));
    security = (struct security){ .level = SECURITY_NAME };
    assert_false(address_can_be_proved(&security));
    security.name_count = 1; /* whoever is there, by the address that he has */
    assert_false(address_can_be_proved(&security));
    security.name[0] = STR("mail.example.org");
    assert_true(address_can_be_proved(&security));
    security.level = SECURITY_TLSA;
    assert_false(address_can_be_proved(&security));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_told_is_tried_at_once_and_used_when_proved),
        cmocka_unit_test(is_tried_later_and_later_for_a_day),
        cmocka_unit_test(our_own_trouble_is_nobodys_fault),
        cmocka_unit_test(what_is_used_stays_until_another_one_is_proved),
        cmocka_unit_test(late_answers_about_others_mean_nothing),
        cmocka_unit_test(survives_the_directory),
        cmocka_unit_test(leads_the_plan),
        cmocka_unit_test(some_addresses_may_not_be_told),
        cmocka_unit_test(only_what_the_primary_alone_can_show_is_proof),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
