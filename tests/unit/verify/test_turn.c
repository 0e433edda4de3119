/* SPDX-License-Identifier: ISC */
/* test_turn.c: who may ask for a domain's mail, and the words of RFC 1985 for what came of it. */
#include "testing.h"

#include "verify/turn.h"

#include <string.h>

static void who_may_ask(void **state)
{
    static const struct {
        const char *user, *client, *networks;
        bool may;
    } cases[] = {
        { "example.org", "203.0.113.9", "", true },
        { "example.net", "203.0.113.9", "", false },
        { "", "203.0.113.9", "", false },
        { "", "192.0.2.25", "", true }, /* its primary, */
        { "", "2001:db8::25", "", true },
        { "", "192.0.2.26", "", false },
        { "", "203.0.113.9", "203.0.113.0/28", true },
        { "", "203.0.113.16", "203.0.113.0/28", false },
        { "", "2001:db8:1::9", "203.0.113.0/28,2001:db8:1::/64", true },
    };
    struct endpoint primary[2];
    (void)state;
    assert_true(endpoint_from_text(STR("192.0.2.25:2526"), 25, &primary[0]));
    assert_true(endpoint_from_text(STR("[2001:db8::25]:25"), 25, &primary[1]));
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct turn_asker asker = { .user = str_from(cases[i].user) };
        const struct turn_facts facts = { .primary = primary,
                                          .primary_count = 2,
                                          .networks = str_from(cases[i].networks),
                                          .domain = STR("example.org") };
        assert_true(endpoint_from_ip(str_from(cases[i].client), 4711, &asker.client));
        assert_int_equal(turn_may_ask(&asker, &facts), cases[i].may);
    }
}

/* The digest of a key is in the first half, that of its certificate in the second. */
static void who_has_shown_a_certificate_that_is_registered(void **state)
{
    char shown[SECURITY_SHOWN_SIZE];
    struct buf key = { 0 };
    struct buf both = { 0 };
    struct turn_asker asker = { .client = { .family = ENDPOINT_IP4,
                                            .address = { 203, 0, 113, 9 } } };
    struct turn_facts facts = { .domain = STR("example.org") };
    (void)state;
    memset(shown, 0x11, SECURITY_DIGEST_SIZE);
    memset(shown + SECURITY_DIGEST_SIZE, 0x22, SECURITY_DIGEST_SIZE);
    buf_add(&key, STR("key:"));
    buf_add(&both, STR("key:"));
    for (int i = 0; i < SECURITY_DIGEST_SIZE; i++) {
        buf_add(&key, STR("11"));
        buf_add(&both, STR("22"));
    }
    buf_add(&both, STR(",certificate:"));
    for (int i = 0; i < SECURITY_DIGEST_SIZE; i++)
        buf_add(&both, STR("22"));
    const struct str pins[] = { STR_NONE, buf_str(&key), buf_str(&both),
                                str_first(buf_str(&both), 4 + 2 * SECURITY_DIGEST_SIZE) };
    static const bool may[] = { false, true, true, false };
    for (size_t i = 0; i < COUNT_OF(pins); i++) {
        facts.pins = pins[i];
        facts.login_pins = STR_NONE;
        asker.shown = STR_NONE;
        assert_false(turn_may_ask(&asker, &facts));
        asker.shown = str_of(shown, sizeof shown);
        assert_int_equal(turn_may_ask(&asker, &facts), may[i]);
        asker.shown = str_of(shown, sizeof shown - 1);
        assert_false(turn_may_ask(&asker, &facts));
        facts.login_pins = facts.pins;
        facts.pins = STR_NONE;
        asker.shown = str_of(shown, sizeof shown);
        assert_int_equal(turn_may_ask(&asker, &facts), may[i]);
    }
    buf_fini(&key);
    buf_fini(&both);
}

static void what_he_is_told(void **state)
{
    static const struct {
        struct turn_outcome outcome;
        const char *want;
    } cases[] = {
        { { .started = 1 }, "251 2.0.0 OK, no messages waiting for node example.org" },
        { { .started = 1, .waiting = 7 },
          "253 2.0.0 OK, 7 pending messages for node example.org started" },
        { { .started = 1, .waiting = 7, .refused = 1, .paused = 1 },
          "253 2.0.0 OK, 7 pending messages for node example.org started" },
        { { .paused = 1 },
          "458 4.3.2 Unable to queue messages for node example.org: it is paused here" },
        { { .refused = 1 },
          "459 4.7.1 Node example.org not allowed: log in as the domain, or come "
          "from an address that it has registered" },
        { { 0 },
          "459 4.7.1 Node example.org not allowed: log in as the domain, or come from an "
          "address that it has registered" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = turn_reply(STR("example.org"), &cases[i].outcome);
        struct buf line = { 0 };
        verdict_add_line(&line, &verdict);
        assert_str(buf_str(&line), str_from(cases[i].want));
        buf_fini(&line);
    }
}

/* RFC 2645 5.2.1 */
static void what_a_caller_is_told(void **state)
{
    static const struct {
        struct turn_outcome outcome;
        bool waits;
        const char *want;
    } cases[] = {
        { { .started = 2, .waiting = 1 }, false, "250 2.0.0 OK" },
        { { .started = 2 }, true, "250 2.0.0 OK" },
        { { .started = 2 }, false, "453 4.0.0 You have no mail" },
        { { .started = 2, .waiting = 1, .refused = 1 },
          true,
          "450 4.7.1 ATRN request refused: b.example is not yours, or not here" },
        { { 0 }, true, "450 4.7.1 ATRN request refused: there is no domain of yours here" },
        { { .paused = 1 },
          false,
          "451 4.3.2 Unable to process ATRN request now: it is paused here" },
        { { .paused = 1, .started = 1, .waiting = 3 }, false, "250 2.0.0 OK" },
        { { .started = 67, .waiting = 64, .too_many = 3 }, false, "250 2.0.0 OK" },
        { { .started = 67, .waiting = 64, .too_many = 3 },
          true,
          "450 4.5.3 ATRN request refused: that is 3 domains too many for one line; name them, in "
          "several calls" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict =
            turn_line_reply(&cases[i].outcome, STR("b.example"), cases[i].waits);
        struct buf line = { 0 };
        verdict_add_line(&line, &verdict);
        assert_str(buf_str(&line), str_from(cases[i].want));
        buf_fini(&line);
    }
    assert_int_equal(turn_line_busy(true).code, 451);
    assert_int_equal(turn_line_busy(false).code, 451);
}

static void who_holds_a_domain(void **state)
{
    (void)state;
    assert_true(turn_is_holder(STR("a.example"), STR("a.example"), STR("")));
    assert_true(turn_is_holder(STR("b.example"), STR("a.example"), STR("b.example")));
    assert_false(turn_is_holder(STR("c.example"), STR("a.example"), STR("b.example")));
    assert_false(turn_is_holder(STR(""), STR("a.example"), STR("")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_ask),
        cmocka_unit_test(who_has_shown_a_certificate_that_is_registered),
        cmocka_unit_test(what_he_is_told),
        cmocka_unit_test(what_a_caller_is_told),
        cmocka_unit_test(who_holds_a_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
