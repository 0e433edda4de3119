/* SPDX-License-Identifier: ISC */
#include "testing.h"

#include "notify/tls_counts.h"

enum { DAY_S = 86400, NOON_S = 20000 * DAY_S + DAY_S / 2, NEXT_S = 20001 * DAY_S };

static void count(struct tls_counts *counts, const char *domain)
{
    const struct tls_row row = { .result = TLS_RESULT_SUCCESS };

    tls_counts_add(counts, str_from(domain), &row);
}

static uint64_t count_of(const struct tally *tally, const char *domain)
{
    const struct tally_subject *subject = tally_find(tally, str_from(domain));

    if (subject == NULL)
        return 0;
    return container_of(list_first(&subject->lines), struct tally_line, link)->count;
}

static void a_period_ends_with_the_interval(void **state)
{
    struct tls_counts counts;

    (void)state;
    tls_counts_init(&counts, NOON_S, DAY_S);
    assert_int_equal(tls_counts_end(&counts, DAY_S), INT64_MAX);
    count(&counts, "a.example");
    count(&counts, "a.example");
    assert_int_equal(tls_counts_end(&counts, DAY_S), NEXT_S);
    assert_false(tls_counts_close(&counts, NEXT_S - 1, DAY_S));
    assert_true(tls_counts_close(&counts, NEXT_S + 5, DAY_S));
    assert_int_equal(counts.end_s, NEXT_S);
    assert_int_equal(counts.closing->begin_s, NEXT_S - DAY_S);
    assert_int_equal(counts.gathering->begin_s, NEXT_S);
    assert_int_equal(count_of(counts.closing, "a.example"), 2);
    count(&counts, "a.example");
    assert_int_equal(count_of(counts.closing, "a.example"), 2);
    assert_int_equal(count_of(counts.gathering, "a.example"), 1);
    tls_counts_fini(&counts);
}

/* What takes longer to be told makes the next one longer, and nothing is lost. */
static void the_next_one_waits_for_the_one_before(void **state)
{
    struct tls_counts counts;

    (void)state;
    tls_counts_init(&counts, NOON_S, DAY_S);
    count(&counts, "a.example");
    assert_true(tls_counts_close(&counts, NEXT_S, DAY_S));
    count(&counts, "b.example");
    assert_int_equal(tls_counts_end(&counts, DAY_S), INT64_MAX);
    assert_false(tls_counts_close(&counts, NEXT_S + 2 * DAY_S, DAY_S));
    tls_counts_told(&counts);
    assert_true(tls_counts_close(&counts, NEXT_S + 2 * DAY_S, DAY_S));
    assert_int_equal(counts.closing->begin_s, NEXT_S);
    assert_int_equal(counts.end_s, NEXT_S + 2 * DAY_S);
    assert_int_equal(count_of(counts.closing, "b.example"), 1);
    tls_counts_fini(&counts);
}

static void nothing_is_no_period(void **state)
{
    struct tls_counts counts;

    (void)state;
    tls_counts_init(&counts, NOON_S, DAY_S);
    assert_false(tls_counts_close(&counts, NEXT_S + 7 * DAY_S, DAY_S));
    count(&counts, "a.example");
    assert_false(tls_counts_close(&counts, NEXT_S + 7 * DAY_S, DAY_S));
    assert_true(tls_counts_close(&counts, NEXT_S + 8 * DAY_S, DAY_S));
    assert_int_equal(counts.closing->begin_s, NEXT_S + 7 * DAY_S);
    tls_counts_fini(&counts);
}

static void a_clock_may_be_set_back(void **state)
{
    struct tls_counts counts;

    (void)state;
    tls_counts_init(&counts, NOON_S + 1000LL * DAY_S, DAY_S);
    count(&counts, "a.example");
    assert_false(tls_counts_close(&counts, NOON_S, DAY_S));
    assert_true(tls_counts_close(&counts, NEXT_S, DAY_S));
    assert_int_equal(count_of(counts.closing, "a.example"), 1);
    tls_counts_fini(&counts);
}

static void both_are_octets(void **state)
{
    struct tls_counts counts;
    struct tls_counts again;
    struct buf bytes = { 0 };
    struct buf twice = { 0 };

    (void)state;
    tls_counts_init(&counts, NOON_S, DAY_S);
    for (int i = 0; i < 2; i++) { /* without one that is closing, and with one */
        count(&counts, "a.example");
        count(&counts, "b.example");
        counts.start_ms = 1234;
        buf_reset(&bytes);
        buf_reset(&twice);
        tls_counts_encode(&bytes, &counts);
        assert_true(tls_counts_decode(buf_str(&bytes), &again));
        assert_int_equal(again.closing != NULL, i == 1);
        assert_int_equal(again.start_ms, 1234);
        tls_counts_encode(&twice, &again);
        assert_str(buf_str(&twice), buf_str(&bytes));
        tls_counts_fini(&again);
        for (size_t len = 0; len < bytes.len; len++)
            assert_false(tls_counts_decode(str_first(buf_str(&bytes), len), &again));
        (void)tls_counts_close(&counts, NEXT_S, DAY_S);
    }
    buf_add_byte(&bytes, 0);
    assert_false(tls_counts_decode(buf_str(&bytes), &again));
    tls_counts_fini(&counts);
    buf_fini(&bytes);
    buf_fini(&twice);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_period_ends_with_the_interval),
        cmocka_unit_test(the_next_one_waits_for_the_one_before),
        cmocka_unit_test(nothing_is_no_period),
        cmocka_unit_test(a_clock_may_be_set_back),
        cmocka_unit_test(both_are_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
