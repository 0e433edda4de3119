/* SPDX-License-Identifier: ISC */
/* test_damper.c: when an owner is told, on a clock of ours. Each story is a line of what happens;
 * what is told, and when, is gathered second by second and compared. */
#include "testing.h"

#include <string.h>

#include "base/clock.h"
#include "notify/damper.h"

enum { BEGIN_MS = 1000 * 1000 * 1000 };

struct story {
    struct damper damper;
    int64_t now_ms;
    struct buf told;
};

static struct story begin(int64_t after_ms)
{
    return (struct story){ .damper = { .after_ms = after_ms }, .now_ms = BEGIN_MS };
}

static int64_t second(int64_t now_ms)
{
    return (now_ms - BEGIN_MS) / SECOND_MS;
}

/* Until the second given. The deadline must be the very time at which something is told. */
static void until(struct story *story, int64_t end_s)
{
    struct damper_word word;

    for (; second(story->now_ms) < end_s; story->now_ms += SECOND_MS) {
        int64_t deadline_ms = damper_deadline(&story->damper);
        bool is_told = false;
        while (damper_next(&story->damper, story->now_ms, &word)) {
            is_told = true;
            buf_add_format(&story->told, "%lld %s", (long long)second(story->now_ms),
                           alert_name(word.alert));
            if (word.times > 1)
                buf_add_format(&story->told, " x%u", word.times);
            if (word.sum.delivered > 0)
                buf_add_format(&story->told, " %llu", (unsigned long long)word.sum.delivered);
            buf_add(&story->told, STR("; "));
        }
        assert_int_equal(is_told, deadline_ms <= story->now_ms);
    }
}

static void becomes(struct story *story, int64_t at_s, enum alert_condition condition)
{
    until(story, at_s);
    damper_condition(&story->damper, condition, story->now_ms);
}

static void happens(struct story *story, int64_t at_s, enum alert alert, uint64_t delivered)
{
    const struct damper_amounts amounts = { .delivered = delivered };
    until(story, at_s);
    damper_event(&story->damper, alert, &amounts, story->now_ms);
}

static void assert_told(struct story *story, int64_t end_s, const char *wanted)
{
    until(story, end_s);
    assert_buf(&story->told, wanted);
    buf_reset(&story->told);
}

#define END(story) buf_fini(&(story).told)

static void trouble_and_its_end_are_told_once_they_have_lasted(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 10, CONDITION_DOWN);
    assert_told(&story, 1000, "70 down; ");
    becomes(&story, 1000, CONDITION_FINE);
    assert_told(&story, 5000, "1060 back; ");
    END(story);
}

static void what_was_short_is_not_told(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 10, CONDITION_DOWN);
    becomes(&story, 69, CONDITION_FINE);
    assert_told(&story, 2000, "");
    becomes(&story, 2000, CONDITION_DOWN);
    becomes(&story, 2100, CONDITION_FINE); /* back for too short a time to be told */
    becomes(&story, 2130, CONDITION_DOWN);
    assert_told(&story, 9000, "2060 down; ");
    END(story);
}

static void restless_trouble_is_told_within_three_minutes(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    for (int64_t at_s = 0; at_s < 1200; at_s += 30) {
        becomes(&story, at_s, CONDITION_DOWN);
        becomes(&story, at_s + 20, CONDITION_FINE);
    }
    assert_told(&story, 3000, "180 down x7; 1250 back; ");
    END(story);
}

static void the_same_trouble_makes_one_pair_in_ten_minutes(void **state)
{
    struct story story = begin(0);
    (void)state;
    for (int64_t at_s = 0; at_s < 1300; at_s += 100) {
        becomes(&story, at_s, CONDITION_DOWN);
        becomes(&story, at_s + 50, CONDITION_FINE);
    }
    assert_told(&story, 9000, "0 down; 50 back; 600 down; 650 back; 1200 down; 1250 back; ");
    END(story);
}

/* It went down within the ten minutes and stays so: with how often it did. */
static void what_is_late_says_how_often(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 0, CONDITION_DOWN);
    becomes(&story, 100, CONDITION_FINE);
    becomes(&story, 200, CONDITION_DOWN);
    becomes(&story, 210, CONDITION_FINE);
    becomes(&story, 230, CONDITION_DOWN);
    assert_told(&story, 3000, "60 down; 160 back; 660 down x2; ");
    END(story);
}

static void another_trouble_is_told_too_and_the_end_ends_both(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 0, CONDITION_DOWN);
    becomes(&story, 100, CONDITION_BLOCKED);
    assert_told(&story, 200, "60 down; 160 blocked; ");
    becomes(&story, 300, CONDITION_FINE);
    until(&story, 360);
    struct damper_word word;
    assert_true(damper_next(&story.damper, story.now_ms, &word));
    assert_int_equal(word.alert, ALERT_BACK);
    assert_int_equal(word.since_ms, BEGIN_MS);
    assert_int_equal(word.sum.lasted_ms, 300 * SECOND_MS);
    END(story);
}

static void a_pause_is_no_trouble(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 0, CONDITION_DOWN);
    until(&story, 30);
    damper_rest(&story.damper, story.now_ms);
    assert_told(&story, 3000, "");
    END(story);
}

static void drained_is_told_behind_the_end_of_what_was_told(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    becomes(&story, 0, CONDITION_DOWN);
    becomes(&story, 100, CONDITION_FINE);
    happens(&story, 102, ALERT_DRAINED, 7);
    assert_told(&story, 500, "60 down; 160 back; 160 drained 7; ");
    happens(&story, 501, ALERT_DRAINED, 1); /* of an outage that nobody was told of */
    assert_told(&story, 2000, "");
    becomes(&story, 2000, CONDITION_DOWN);
    becomes(&story, 2100, CONDITION_FINE);
    happens(&story, 2110, ALERT_DRAINED, 3);
    becomes(&story, 2120, CONDITION_DOWN);
    becomes(&story, 2200, CONDITION_FINE);
    happens(&story, 2300, ALERT_DRAINED, 4); /* a long drain: later than that it is back */
    assert_told(&story, 9000, "2060 down; 2260 back; 2260 drained 3; ");
    END(story);
}

static void other_events_come_together_for_a_quarter_of_an_hour(void **state)
{
    struct story story = begin(MINUTE_MS);
    (void)state;
    for (int64_t at_s = 0; at_s < 1000; at_s += 100)
        happens(&story, at_s, ALERT_REFUSED, 1);
    assert_told(&story, 5000, "0 refused 1; 900 refused x9 9; ");
    happens(&story, 5000, ALERT_REFUSED, 1);
    happens(&story, 5000, ALERT_NEAR_EXPIRY, 0);
    happens(&story, 20000, ALERT_NEAR_EXPIRY, 0);
    assert_told(&story, 90000, "5000 near-expiry; 5000 refused 1; ");
    assert_told(&story, 100000, "91400 near-expiry; ");
    END(story);
}

static void a_restart_repeats_nothing_and_forgets_no_end(void **state)
{
    struct story story = begin(MINUTE_MS);
    struct damper read;
    struct buf bytes = { 0 };
    (void)state;
    becomes(&story, 0, CONDITION_DOWN);
    assert_told(&story, 100, "60 down; ");
    damper_encode(&bytes, &story.damper);
    assert_true(damper_decode(buf_str(&bytes), &read));
    read.after_ms = MINUTE_MS;
    story.damper = read;
    becomes(&story, 110, CONDITION_DOWN); /* as the restarted scheduler finds it */
    assert_told(&story, 3000, "");
    becomes(&story, 3000, CONDITION_FINE);
    happens(&story, 3001, ALERT_DRAINED, 5);
    assert_told(&story, 9000, "3060 back; 3060 drained 5; ");
    buf_fini(&bytes);
    END(story);
}

static void what_is_no_record_is_refused(void **state)
{
    struct damper damper = { .after_ms = 1 };
    struct damper read;
    struct buf bytes = { 0 };
    (void)state;
    damper_encode(&bytes, &damper);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(damper_decode(str_first(buf_str(&bytes), len), &read));
    bytes.ptr[1] = CONDITION_COUNT;
    assert_false(damper_decode(buf_str(&bytes), &read));
    bytes.ptr[1] = CONDITION_DOWN;
    memset(bytes.ptr + 2, 0xff, 16); /* times that cannot be */
    assert_true(damper_decode(buf_str(&bytes), &read));
    assert_int_equal(read.told_since_ms, 0);
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trouble_and_its_end_are_told_once_they_have_lasted),
        cmocka_unit_test(what_was_short_is_not_told),
        cmocka_unit_test(restless_trouble_is_told_within_three_minutes),
        cmocka_unit_test(the_same_trouble_makes_one_pair_in_ten_minutes),
        cmocka_unit_test(what_is_late_says_how_often),
        cmocka_unit_test(another_trouble_is_told_too_and_the_end_ends_both),
        cmocka_unit_test(a_pause_is_no_trouble),
        cmocka_unit_test(drained_is_told_behind_the_end_of_what_was_told),
        cmocka_unit_test(other_events_come_together_for_a_quarter_of_an_hour),
        cmocka_unit_test(a_restart_repeats_nothing_and_forgets_no_end),
        cmocka_unit_test(what_is_no_record_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
