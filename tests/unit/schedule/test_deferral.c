/* SPDX-License-Identifier: ISC */
/* test_deferral.c: what servers say when they mean "later". */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/clock.h"
#include "schedule/deferral.h"

static void reads_what_servers_say(void **state)
{
    static const struct {
        uint16_t code;
        const char *text;
        enum deferral_kind kind;
        int64_t hint_s;
    } cases[] = {
        { 450, "4.2.0 <a@b>: Recipient address rejected: Greylisted, see http://x/y.html",
          DEFERRAL_GREYLIST, 0 },
        { 451, "4.7.1 Greylisting in action, please come back in 00:04:59", DEFERRAL_GREYLIST,
          299 },
        { 451, "4.7.1 Graylisted, try again in 5 minutes", DEFERRAL_GREYLIST, 300 },
        { 450, "4.7.1 Try again later", DEFERRAL_GREYLIST, 0 },
        { 450, "4.7.0 try again in 300s", DEFERRAL_GREYLIST, 300 },
        { 450, "please retry in 90 sec.", DEFERRAL_GREYLIST, 90 },
        { 450, "4.7.1 Too many messages, wait 60 seconds", DEFERRAL_RATE, 60 },
        { 421, "4.7.0 rate limited", DEFERRAL_RATE, 0 },
        { 450, "4.7.1 Error: too much mail from 192.0.2.1", DEFERRAL_RATE, 0 },
        { 450, "4.7.1 Error: too many recipients from 192.0.2.1", DEFERRAL_RATE, 0 },
        { 450, "Sender rate 5.2 / 1h, slow down", DEFERRAL_RATE, 0 },
        { 452, "4.2.2 Mailbox over its limit", DEFERRAL_ORDINARY, 0 },
        { 451, "4.3.0 Too many open files", DEFERRAL_ORDINARY, 0 },
        { 452, "4.5.3 Too many recipients", DEFERRAL_RECIPIENTS, 0 },
        { 452, "Too many recipients", DEFERRAL_RECIPIENTS, 0 },
        { 452, "Error: too many recipients for this message", DEFERRAL_RECIPIENTS, 0 },
        { 451, "4.3.0 Only one recipient at a time, please", DEFERRAL_RECIPIENTS, 0 },
        { 450, "4.7.1 Multiple recipients are not taken together", DEFERRAL_RECIPIENTS, 0 },
        { 451, "4.3.0 Multiple destination domains per transaction", DEFERRAL_RECIPIENTS, 0 },
        { 452, "Error: too many recipients from 192.0.2.1", DEFERRAL_RATE, 0 },
        { 452, "4.2.2 Mailbox full", DEFERRAL_ORDINARY, 0 },
        { 451, "4.3.0 error 12345678901234567890 happened", DEFERRAL_ORDINARY, 0 },
        { 451, "4.3.0 queue 20 is busy", DEFERRAL_ORDINARY, 0 },
        { 451, "", DEFERRAL_ORDINARY, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, str_from(cases[i].text));
        struct deferral deferral = deferral_read(&verdict);
        if (deferral.kind != cases[i].kind || deferral.hint_ms != cases[i].hint_s * SECOND_MS)
            fail_msg("%s: kind %d hint %ld", cases[i].text, (int)deferral.kind,
                     (long)deferral.hint_ms);
    }
}

static void waits_longer_each_time(void **state)
{
    struct deferral ordinary = { .kind = DEFERRAL_ORDINARY };
    static const int64_t minutes[] = { 5, 10, 20, 40, 60, 60 };
    struct random random;

    (void)state;
    random_from_seed(&random, 1);
    for (uint32_t i = 0; i < 6; i++) {
        int64_t wait = deferral_wait(ordinary, i + 1, 5 * MINUTE_MS, HOUR_MS, &random);
        assert_in_range(wait, minutes[i] * MINUTE_MS * 9 / 10, minutes[i] * MINUTE_MS * 11 / 10);
    }
}

static void honours_the_hint_within_bounds(void **state)
{
    static const struct {
        int64_t hint_ms, least_ms, most_ms;
    } cases[] = {
        { MINUTE_MS, MINUTE_MS, 66 * SECOND_MS },
        { 1, 5 * SECOND_MS, 6 * SECOND_MS },
        { INT64_C(90) * DAY_MS, HOUR_MS, 66 * MINUTE_MS },
    };
    struct random random;

    (void)state;
    random_from_seed(&random, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct deferral grey = { .kind = DEFERRAL_GREYLIST, .hint_ms = cases[i].hint_ms };
        int64_t wait = deferral_wait(grey, 3, 5 * MINUTE_MS, HOUR_MS, &random);
        assert_in_range(wait, cases[i].least_ms, cases[i].most_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_servers_say),
        cmocka_unit_test(waits_longer_each_time),
        cmocka_unit_test(honours_the_hint_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
