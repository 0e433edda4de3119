/* SPDX-License-Identifier: ISC */
/* test_clock.c: how times are written. */
#include "testing.h"

#include "base/clock.h"

static void writes_times(void **state)
{
    const struct {
        int64_t wall_ms;
        struct str iso;
        struct str rfc5322;
    } cases[] = {
        { 0, STR("1970-01-01T00:00:00.000Z"), STR("Thu, 1 Jan 1970 00:00:00 +0000") },
        { 1, STR("1970-01-01T00:00:00.001Z"), STR("Thu, 1 Jan 1970 00:00:00 +0000") },
        { 951782399999, STR("2000-02-28T23:59:59.999Z"), STR("Mon, 28 Feb 2000 23:59:59 +0000") },
        { 951782400000, STR("2000-02-29T00:00:00.000Z"), STR("Tue, 29 Feb 2000 00:00:00 +0000") },
        { 1795297249123, STR("2026-11-21T21:40:49.123Z"), STR("Sat, 21 Nov 2026 21:40:49 +0000") },
        { 4102444800000, STR("2100-01-01T00:00:00.000Z"), STR("Fri, 1 Jan 2100 00:00:00 +0000") },
        { -1, STR("1969-12-31T23:59:59.999Z"), STR("Wed, 31 Dec 1969 23:59:59 +0000") },
        { -1000, STR("1969-12-31T23:59:59.000Z"), STR("Wed, 31 Dec 1969 23:59:59 +0000") },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        clock_add_iso(&out, cases[i].wall_ms);
        assert_str(buf_str(&out), cases[i].iso);
        buf_reset(&out);
        clock_add_rfc5322(&out, cases[i].wall_ms);
        assert_str(buf_str(&out), cases[i].rfc5322);
        buf_fini(&out);
    }
}

/* A time read from a damaged record is shown as something, it does not end the role. */
static void survives_absurd_times(void **state)
{
    struct buf out = { 0 };
    (void)state;
    clock_add_iso(&out, INT64_MAX);
    clock_add_iso(&out, INT64_MIN);
    clock_add_rfc5322(&out, INT64_MAX);
    clock_add_rfc5322(&out, INT64_MIN);
    assert_true(out.len > 0);
    buf_fini(&out);
}

static void goes_forward(void **state)
{
    (void)state;
    struct now first = clock_now();
    struct now second = clock_now();
    assert_true(second.mono_ms >= first.mono_ms);
    assert_true(first.wall_ms > 1700000000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_times),
        cmocka_unit_test(survives_absurd_times),
        cmocka_unit_test(goes_forward),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
