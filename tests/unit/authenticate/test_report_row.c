/* SPDX-License-Identifier: ISC */
/* test_report_row.c: what the owner of a domain is told about a message, and whether it survives
 * the way there. */
#include "testing.h"

#include "authenticate/authentication.h"
#include "authenticate/report_row.h"

static struct report_row whole_row(void)
{
    struct report_row row = {
        .policy = { .domain = STR("example.com"),
                    .record = { .policy = DMARC_POLICY_REJECT,
                                .below = DMARC_POLICY_QUARANTINE,
                                .below_not_there = DMARC_POLICY_REJECT,
                                .is_dkim_strict = true,
                                .is_testing = true,
                                .reports = STR("mailto:dmarc@example.com") } },
        .disposition = REPORT_QUARANTINE,
        .override = REPORT_TEST_MODE,
        .is_spf_aligned = true,
        .header_from = STR("mail.example.com"),
        .envelope_from = STR("bounce.example.com"),
        .spf_domain = STR("bounce.example.com"),
        .spf_result = SPF_SOFTFAIL,
        .signature = { { STR("example.com"), STR("s1"), DKIM_FAIL },
                       { STR("list.example"), STR("2026"), DKIM_PASS } },
        .signature_count = 2,
    };
    assert_true(endpoint_from_ip(STR("2001:db8::1"), 0, &row.source));
    return row;
}

static bool decodes(struct str bytes, struct report_row *out_row)
{
    struct cursor cursor = cursor_over(bytes);
    return report_row_decode(&cursor, out_row) && cursor_done(&cursor);
}

static void survives_the_channel(void **state)
{
    struct report_row row = whole_row();
    struct report_row again;
    struct buf bytes = { 0 };
    struct buf more = { 0 };

    (void)state;
    report_row_encode(&bytes, &row);
    for (size_t cut = 0; cut <= bytes.len; cut++)
        assert_int_equal(decodes(str_first(buf_str(&bytes), cut), &again), cut == bytes.len);
    report_row_encode(&more, &again);
    assert_str(buf_str(&more), buf_str(&bytes));
    assert_str(again.policy.record.reports, row.policy.record.reports);
    assert_true(again.policy.record.is_dkim_strict && !again.policy.record.is_spf_strict);
    assert_str(again.signature[1].selector, STR("2026"));
    buf_fini(&bytes);
    buf_fini(&more);
}

static char long_text[2000];

/* One thing that is wrong with a row. */
static void spoil(struct report_row *row, int what)
{
    struct str endless = str_of(long_text, sizeof long_text);

    for (size_t i = 0; i < sizeof long_text; i++)
        long_text[i] = 'a';
    switch (what) {
    case 0:
        row->policy.domain = STR("Example.com");
        break;
    case 1:
        row->policy.domain = STR_NONE;
        break;
    case 2:
        row->policy.domain = STR("example.com\r\nBcc: x");
        break;
    case 3:
        row->policy.domain = STR("example.com.");
        break;
    case 4:
        row->header_from = STR("192.0.2.1");
        break;
    case 5:
        row->header_from = STR_NONE;
        break;
    case 6:
        row->envelope_from = str_first(endless, 254);
        break;
    case 7:
        row->spf_domain = STR("[192.0.2.1]");
        break;
    case 8:
        row->signature[1].domain = STR_NONE;
        break;
    case 9:
        row->signature[0].selector = str_first(endless, REPORT_SELECTOR_MAX + 1);
        break;
    case 10:
        row->signature[0].selector = STR_NONE;
        break;
    case 11:
        row->policy.record.reports = str_first(endless, REPORT_RUA_MAX + 1);
        break;
    case 12:
        row->source.port = 25;
        break;
    case 13:
        row->source.family = ENDPOINT_NONE;
        break;
    case 14:
        row->disposition = REPORT_REJECT + 1;
        break;
    case 15:
        row->override = REPORT_TEST_MODE + 1;
        break;
    case 16:
        row->policy.record.below = DMARC_POLICY_REJECT + 1;
        break;
    case 17:
        row->spf_result = SPF_PERMERROR + 1;
        break;
    default:
        row->signature[1].result = DKIM_PERMERROR + 1;
        break;
    }
}

static void believes_no_byte(void **state)
{
    struct report_row again;
    struct buf bytes = { 0 };

    (void)state;
    for (int what = 0; what <= 18; what++) {
        struct report_row row = whole_row();
        spoil(&row, what);
        buf_reset(&bytes);
        report_row_encode(&bytes, &row);
        if (decodes(buf_str(&bytes), &again))
            fail_msg("%d", what);
    }
    struct report_row row = whole_row(); /* more signatures than there is room for */
    row.signature_count = 0;
    buf_reset(&bytes);
    report_row_encode(&bytes, &row);
    assert_true(decodes(buf_str(&bytes), &again));
    bytes.ptr[bytes.len - 1] = REPORT_SIGNATURES_MAX + 1;
    assert_false(decodes(buf_str(&bytes), &again));
    bytes.ptr[0]++; /* of another version */
    assert_false(decodes(buf_str(&bytes), &again));
    buf_fini(&bytes);
}

/* ---- a judged message ---- */

static struct authentication *judged(enum dmarc_policy published, enum dmarc_policy wanted,
                                     bool is_proved)
{
    struct authentication_request request = { .sender = STR("a@example.com") };

    assert_true(endpoint_from_ip(STR("192.0.2.1"), 4711, &request.client));
    struct authentication *made = authentication_new(&request);
    made->author = made->results.author = STR("example.com");
    made->spf_domain = STR("example.com");
    made->results.spf.result = is_proved ? SPF_PASS : SPF_FAIL;
    made->results.dmarc = (struct dmarc_verdict){
        .result = is_proved ? DMARC_PASS : DMARC_FAIL,
        .published = published,
        .wanted = wanted,
        .record_domain = STR("example.com"),
        .record = { .policy = published, .reports = STR("mailto:d@example.com") },
        .is_spf_aligned = is_proved,
    };
    return made;
}

#define NONE       DMARC_POLICY_NONE
#define QUARANTINE DMARC_POLICY_QUARANTINE
#define REJECT     DMARC_POLICY_REJECT

static void says_why_not_as_asked(void **state)
{
    static const struct {
        enum dmarc_policy published, wanted;
        bool is_proved;
        enum report_disposition done;
        enum report_disposition disposition;
        enum report_override override;
    } cases[] = {
        { NONE, NONE, true, REPORT_NONE, REPORT_NONE, REPORT_AS_ASKED },
        { NONE, NONE, false, REPORT_NONE, REPORT_NONE, REPORT_AS_ASKED },
        { NONE, NONE, false, REPORT_REJECT, REPORT_REJECT, REPORT_LOCAL_POLICY },
        { NONE, NONE, false, REPORT_PASS, REPORT_NONE, REPORT_AS_ASKED },
        { REJECT, REJECT, true, REPORT_NONE, REPORT_PASS, REPORT_AS_ASKED },
        { REJECT, REJECT, true, REPORT_PASS, REPORT_PASS, REPORT_AS_ASKED },
        { REJECT, REJECT, true, REPORT_REJECT, REPORT_REJECT, REPORT_LOCAL_POLICY },
        { REJECT, REJECT, false, REPORT_REJECT, REPORT_REJECT, REPORT_AS_ASKED },
        { REJECT, REJECT, false, REPORT_QUARANTINE, REPORT_QUARANTINE, REPORT_LOCAL_POLICY },
        { REJECT, REJECT, false, REPORT_NONE, REPORT_NONE, REPORT_LOCAL_POLICY },
        { QUARANTINE, QUARANTINE, false, REPORT_NONE, REPORT_NONE, REPORT_LOCAL_POLICY },
        { QUARANTINE, QUARANTINE, false, REPORT_QUARANTINE, REPORT_QUARANTINE, REPORT_AS_ASKED },
        { QUARANTINE, NONE, false, REPORT_NONE, REPORT_NONE, REPORT_TEST_MODE },
        { REJECT, QUARANTINE, false, REPORT_QUARANTINE, REPORT_QUARANTINE, REPORT_TEST_MODE },
        { REJECT, QUARANTINE, false, REPORT_NONE, REPORT_NONE, REPORT_LOCAL_POLICY },
        { QUARANTINE, NONE, true, REPORT_NONE, REPORT_PASS, REPORT_AS_ASKED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct authentication *made =
            judged(cases[i].published, cases[i].wanted, cases[i].is_proved);
        struct report_row row;
        assert_true(report_row_of(made, cases[i].done, &row));
        if (row.disposition != cases[i].disposition || row.override != cases[i].override)
            fail_msg("%zu: %d, %d", i, (int)row.disposition, (int)row.override);
        assert_int_equal(row.source.port, 0);
        assert_int_equal(row.is_spf_aligned, cases[i].is_proved);
        authentication_free(made);
    }
}

static void tells_nobody_who_does_not_ask(void **state)
{
    struct authentication *made = judged(REJECT, REJECT, false);
    struct report_row row;

    (void)state;
    made->results.dmarc.record.reports = STR_NONE;
    assert_false(report_row_of(made, REPORT_REJECT, &row));
    made->results.dmarc.record.reports = STR("mailto:x@example.com");
    made->results.dmarc.record_domain = STR_NONE;
    assert_false(report_row_of(made, REPORT_REJECT, &row));
    authentication_free(made);
}

static void takes_what_can_be_read(void **state)
{
    struct authentication *made = judged(NONE, NONE, true);
    struct report_row row;
    struct report_row again;
    struct buf bytes = { 0 };
    struct buf reports = { 0 };

    (void)state;
    made->dkim.count = 3;
    made->dkim.verdict[0] = (struct dkim_verdict){ .result = DKIM_NEUTRAL };
    made->dkim.verdict[1] = (struct dkim_verdict){ .result = DKIM_PASS,
                                                   .domain = STR("example.com"),
                                                   .selector = STR("\xc3\xa4") };
    made->dkim.verdict[2] = (struct dkim_verdict){ .result = DKIM_FAIL,
                                                   .domain = STR("example.com"),
                                                   .selector = str_first(STR_NONE, 0) };
    while (reports.len <= REPORT_RUA_MAX)
        buf_add(&reports, STR("mailto:someone@example.com,"));
    made->results.dmarc.record.reports = buf_str(&reports);
    assert_true(report_row_of(made, REPORT_NONE, &row));
    assert_int_equal(row.signature_count, 1);
    assert_str(row.signature[0].selector, STR("\xc3\xa4"));
    assert_true(row.policy.record.reports.len <= REPORT_RUA_MAX &&
                row.policy.record.reports.len > REPORT_RUA_MAX - 30);
    assert_true(str_ends_nocase(row.policy.record.reports, STR(",mailto:someone@example.com")));
    assert_str(row.envelope_from, STR("example.com"));
    report_row_encode(&bytes, &row);
    assert_true(decodes(buf_str(&bytes), &again));
    made->request.sender = STR_NONE; /* <>: what SPF was asked about is the HELO name */
    assert_true(report_row_of(made, REPORT_NONE, &row));
    assert_true(row.has_null_sender);
    assert_int_equal(row.envelope_from.len, 0);
    assert_str(row.spf_domain, STR("example.com"));
    for (size_t i = 0; i < reports.len; i++) /* an address without an end */
        reports.ptr[i] = 'x';
    assert_false(report_row_of(made, REPORT_NONE, &row));
    authentication_free(made);
    buf_fini(&bytes);
    buf_fini(&reports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_channel),   cmocka_unit_test(believes_no_byte),
        cmocka_unit_test(says_why_not_as_asked),  cmocka_unit_test(tells_nobody_who_does_not_ask),
        cmocka_unit_test(takes_what_can_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
