/* SPDX-License-Identifier: ISC */
/* test_when.c: times and spans for people. */
#include "testing.h"

#include "base/clock.h"
#include "notify/when.h"

static void says_times_in_the_readers_time(void **state)
{
    static const struct {
        int64_t wall_ms;
        int offset;
        const char *english, *german;
    } cases[] = {
        { 1795886400000, 0, "Saturday, 28 November 2026, 17:20 (UTC)",
          "Samstag, 28. November 2026, 17:20 Uhr (UTC)" },
        { 1795886400000, 60, "Saturday, 28 November 2026, 18:20 (UTC+1)",
          "Samstag, 28. November 2026, 18:20 Uhr (UTC+1)" },
        { 1795886400000, 345, "Saturday, 28 November 2026, 23:05 (UTC+5:45)",
          "Samstag, 28. November 2026, 23:05 Uhr (UTC+5:45)" },
        { 0, -210, "Wednesday, 31 December 1969, 20:30 (UTC-3:30)",
          "Mittwoch, 31. Dezember 1969, 20:30 Uhr (UTC-3:30)" },
        { INT64_MIN, 0, "Thursday, 1 January 1970, 00:00 (UTC)",
          "Donnerstag, 1. Januar 1970, 00:00 Uhr (UTC)" },
        { INT64_MAX, 840, "Saturday, 1 January 10000, 13:59 (UTC+14)",
          "Samstag, 1. Januar 10000, 13:59 Uhr (UTC+14)" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        when_add(&out, LANGUAGE_EN, cases[i].wall_ms, cases[i].offset);
        assert_buf(&out, cases[i].english);
        buf_reset(&out);
        when_add(&out, LANGUAGE_DE, cases[i].wall_ms, cases[i].offset);
        assert_buf(&out, cases[i].german);
        buf_fini(&out);
    }
}

static void says_spans_in_two_units(void **state)
{
    static const struct {
        int64_t span_ms;
        const char *english, *german;
    } cases[] = {
        { -1, "0 seconds", "0 Sekunden" },
        { 0, "0 seconds", "0 Sekunden" },
        { SECOND_MS, "1 second", "1 Sekunde" },
        { 90 * SECOND_MS, "1 minute 30 seconds", "1 Minute 30 Sekunden" },
        { HOUR_MS, "1 hour", "1 Stunde" },
        { 2 * HOUR_MS + MINUTE_MS + SECOND_MS, "2 hours 1 minute", "2 Stunden 1 Minute" },
        { DAY_MS + 59 * MINUTE_MS, "1 day", "1 Tag" },
        { 5 * (int64_t)DAY_MS + HOUR_MS, "5 days 1 hour", "5 Tage 1 Stunde" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        when_add_span(&out, LANGUAGE_EN, cases[i].span_ms);
        assert_buf(&out, cases[i].english);
        buf_reset(&out);
        when_add_span(&out, LANGUAGE_DE, cases[i].span_ms);
        assert_buf(&out, cases[i].german);
        buf_fini(&out);
    }
}

static void reads_where_the_clock_stands(void **state)
{
    static const struct {
        const char *header;
        int want;
    } cases[] = {
        { "", 0 },
        { "Date: Sat, 28 Nov 2026 18:20:00 +0100\r\n", 60 },
        { "Date: Sat, 28 Nov 2026 18:20:00 -0330 (NST)\r\n", -210 },
        { "Date: Sat, 28 Nov 2026 18:20:00 GMT\r\n", 0 },
        { "Date: Sat, 28 Nov 2026 18:20:00\r\n +1400\r\n", 840 },
        { "Date: Sat, 28 Nov 2026 18:20:00 +1401\r\n", 0 },
        { "Date: Sat, 28 Nov 2026 18:20:00 +0160\r\n", 0 },
        { "Date: +01000 +0x00 -\r\n", 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena arena = { 0 };
        struct header header;
        header_parse(str_from(cases[i].header), &arena, &header);
        if (when_offset(&header) != cases[i].want)
            fail_msg("%s", cases[i].header);
        arena_fini(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_times_in_the_readers_time),
        cmocka_unit_test(says_spans_in_two_units),
        cmocka_unit_test(reads_where_the_clock_stands),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
