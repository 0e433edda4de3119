/* SPDX-License-Identifier: ISC */
/* test_report.c: rows are counted, there is an end to them, and nothing is lost on the way to disk.
 */
#include "testing.h"

#include "authenticate/report.h"
#include "authenticate/rows.h"

static const struct tally_limits plenty = { 100, 100, 1000000 };

static void add(struct tally *report, const char *domain, const char *source)
{
    struct report_row row = row_make(domain, source);
    report_add(report, &row);
}

static const struct tally_line *first_line(const struct tally_subject *domain)
{
    return container_of(list_first(&domain->lines), struct tally_line, link);
}

static void counts_the_same_together(void **state)
{
    struct tally report;

    (void)state;
    tally_init(&report, plenty, 1000);
    assert_null(tally_first(&report));
    add(&report, "example.com", "192.0.2.1");
    add(&report, "example.org", "192.0.2.1");
    add(&report, "example.com", "192.0.2.2");
    add(&report, "example.com", "192.0.2.1");
    const struct tally_subject *com = tally_first(&report);
    assert_str(buf_str(&com->name), STR("example.com"));
    assert_int_equal(com->line_count, 2);
    assert_int_equal(first_line(com)->count, 2);
    const struct report_row row = report_row_of_line(com, first_line(com));
    assert_str(row.header_from, STR("example.com"));
    assert_str(row.policy.record.reports, STR("mailto:dmarc@example.com"));
    const struct tally_subject *org = tally_next(&report, com);
    assert_int_equal(org->line_count, 1);
    assert_null(tally_next(&report, org));
    assert_ptr_equal(tally_find(&report, STR("example.org")), org);
    tally_fini(&report);
    assert_int_equal(report.size, 0);
}

static void keeps_the_last_policy(void **state)
{
    struct tally report;
    struct report_row row = row_make("example.com", "192.0.2.1");
    struct report_row changed = row;

    (void)state;
    tally_init(&report, plenty, 1000);
    report_add(&report, &row);
    changed.policy.record.policy = DMARC_POLICY_REJECT;
    changed.policy.record.reports = STR("mailto:others@example.com,mailto:more@example.com");
    report_add(&report, &changed);
    const struct tally_subject *domain = tally_first(&report);
    assert_int_equal(domain->line_count, 1);
    const struct report_policy policy = report_policy_of(domain);
    assert_int_equal(policy.record.policy, DMARC_POLICY_REJECT);
    assert_str(policy.record.reports, changed.policy.record.reports);
    tally_fini(&report);
    assert_int_equal(report.size, 0);
}

static void has_an_end(void **state)
{
    const struct tally_limits few = { .subjects_max = 2, .lines_max = 2, .size_max = 1000000 };
    struct tally report;

    (void)state;
    tally_init(&report, few, 0);
    add(&report, "a.example", "192.0.2.1");
    add(&report, "b.example", "192.0.2.1");
    add(&report, "c.example", "192.0.2.1"); /* one domain too many */
    assert_int_equal(report.left_out, 1);
    add(&report, "a.example", "192.0.2.2");
    add(&report, "a.example", "192.0.2.3"); /* one row too many */
    add(&report, "a.example", "192.0.2.3");
    add(&report, "a.example", "192.0.2.2"); /* is known */
    assert_int_equal(tally_find(&report, STR("a.example"))->left_out, 2);
    assert_int_equal(tally_find(&report, STR("a.example"))->line_count, 2);
    assert_int_equal(tally_find(&report, STR("b.example"))->left_out, 0);
    tally_drop(&report, tally_find(&report, STR("b.example")));
    add(&report, "c.example", "192.0.2.1"); /* there is room again */
    assert_non_null(tally_find(&report, STR("c.example")));
    tally_fini(&report);
}

static void has_an_end_in_memory(void **state)
{
    struct tally_limits limits = { 1000, 1000, 0 };
    struct report_row row = row_make("example.com", "192.0.2.1");
    struct tally report;

    (void)state;
    for (limits.size_max = 0; limits.size_max < 10000; limits.size_max += 100) {
        tally_init(&report, limits, 0);
        for (unsigned i = 0; i < 30; i++) {
            row.source.address[3] = (uint8_t)i;
            row.policy.record.reports = i % 2 == 0 ? STR("mailto:a@b.example") : STR("mailto:c@d");
            report_add(&report, &row);
            assert_true(report.size <= limits.size_max);
        }
        const struct tally_subject *domain = tally_first(&report);
        uint64_t kept = domain == NULL ? 0 : domain->line_count + domain->left_out;
        assert_int_equal(kept + report.left_out, 30);
        tally_fini(&report);
    }
}

/* ---- bytes ---- */

static void fill(struct tally *report)
{
    char source[16];
    char domain[32];

    tally_init(report, plenty, 1795800000);
    for (unsigned i = 0; i < 60; i++) {
        (void)snprintf(source, sizeof source, "192.0.2.%u", i % 7);
        (void)snprintf(domain, sizeof domain, "d%u.example", i % 5);
        add(report, domain, source);
    }
    tally_first(report)->left_out = 5;
    report->left_out = 7;
}

static void survives_a_restart(void **state)
{
    struct tally report;
    struct tally again;
    struct buf bytes = { 0 };
    struct buf more = { 0 };

    (void)state;
    fill(&report);
    tally_encode(&bytes, &report);
    for (size_t cut = 0; cut < bytes.len; cut += cut < 200 ? 1 : 37)
        assert_false(report_decode(str_first(buf_str(&bytes), cut), plenty, &again));
    assert_true(report_decode(buf_str(&bytes), plenty, &again));
    assert_int_equal(again.begin_s, 1795800000);
    assert_int_equal(again.size, report.size);
    tally_encode(&more, &again);
    assert_str(buf_str(&more), buf_str(&bytes));
    add(&again, "d0.example", "192.0.2.0"); /* goes on where it was */
    add(&report, "d0.example", "192.0.2.0");
    assert_int_equal(again.size, report.size);
    buf_add_byte(&bytes, 0);
    tally_fini(&again);
    assert_false(report_decode(buf_str(&bytes), plenty, &again));
    tally_fini(&report);
    buf_fini(&bytes);
    buf_fini(&more);
}

static void loses_no_count_under_lower_limits(void **state)
{
    const struct tally_limits few = { .subjects_max = 2, .lines_max = 3, .size_max = 1000000 };
    struct tally report;
    struct tally again;
    struct buf bytes = { 0 };
    uint64_t count = 0;

    (void)state;
    fill(&report);
    tally_encode(&bytes, &report);
    assert_true(report_decode(buf_str(&bytes), few, &again));
    assert_int_equal(again.subject_count, 2);
    for (const struct tally_subject *at = tally_first(&again); at != NULL;
         at = tally_next(&again, at)) {
        assert_int_equal(at->line_count, 3);
        count += at->left_out;
        list_each (line, &at->lines)
            count += container_of(line, struct tally_line, link)->count;
    }
    assert_int_equal(count + again.left_out, 60 + 5 + 7);
    tally_fini(&again);
    tally_fini(&report);
    buf_fini(&bytes);
}

static void counts_stop_at_the_top(void **state)
{
    struct tally report;
    struct tally again;
    struct buf bytes = { 0 };

    (void)state;
    tally_init(&report, plenty, 0);
    add(&report, "example.com", "192.0.2.1");
    tally_encode(&bytes, &report);
    for (size_t i = bytes.len - 8; i < bytes.len; i++) /* its count stands last */
        bytes.ptr[i] = '\xff';
    assert_true(report_decode(buf_str(&bytes), plenty, &again));
    add(&again, "example.com", "192.0.2.1");
    assert_true(first_line(tally_first(&again))->count == UINT64_MAX);
    tally_fini(&again);
    for (size_t i = bytes.len - 8; i < bytes.len; i++)
        bytes.ptr[i] = 0;
    assert_false(report_decode(buf_str(&bytes), plenty, &again));
    tally_fini(&report);
    buf_fini(&bytes);
}

static void belongs_to_its_domain(void **state)
{
    struct report_row row = row_make("example.com", "192.0.2.1");
    struct report_row others = row_make("example.org", "192.0.2.1");
    struct tally report;
    struct tally again;
    struct buf policy = { 0 };
    struct buf bytes = { 0 };
    struct buf line = { 0 };

    (void)state;
    report_policy_encode(&policy, &row.policy);
    report_row_encode(&line, &others);
    tally_init(&report, plenty, 0);
    tally_add(&report, STR("example.com"), buf_str(&policy), buf_str(&line), 1);
    tally_encode(&bytes, &report);
    assert_false(report_decode(buf_str(&bytes), plenty, &again));
    tally_fini(&report);
    buf_reset(&bytes);
    tally_init(&report, plenty, 0);
    tally_add(&report, STR("example.org"), buf_str(&policy), buf_str(&line), 1);
    tally_encode(&bytes, &report);
    assert_false(report_decode(buf_str(&bytes), plenty, &again));
    tally_fini(&report);
    buf_fini(&policy);
    buf_fini(&bytes);
    buf_fini(&line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_the_same_together),
        cmocka_unit_test(keeps_the_last_policy),
        cmocka_unit_test(has_an_end),
        cmocka_unit_test(has_an_end_in_memory),
        cmocka_unit_test(survives_a_restart),
        cmocka_unit_test(loses_no_count_under_lower_limits),
        cmocka_unit_test(counts_stop_at_the_top),
        cmocka_unit_test(belongs_to_its_domain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
