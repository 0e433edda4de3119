/* SPDX-License-Identifier: ISC */
/* test_tls_report.c: sessions are counted under their policies, and told in the form of RFC 8460's
 * own example (appendix B). */
#include "testing.h"

#include <jansson.h>

#include "notify/tls_report.h"
#include "notify/tls_report_mail.h"

#define STS_TEXT "version: STSv1\nmode: testing\nmax_age: 86400\nmx: *.mail.company-y.example\n"

static const struct tally_limits wide = { 100, 100, 1 << 20 };

static struct endpoint address(const char *ip)
{
    struct endpoint endpoint;

    assert_true(endpoint_from_ip(str_from(ip), 25, &endpoint));
    return endpoint;
}

static void count(struct tally *tally, const struct tls_row *row, uint64_t times)
{
    struct buf bytes = { 0 };

    tls_row_encode(&bytes, row);
    tally_add(tally, STR("company-y.example"), STR_NONE, buf_str(&bytes), times);
    buf_fini(&bytes);
}

static json_t *told(const struct tally *tally)
{
    const struct tls_report report = { .organisation = STR("Company-X"),
                                       .contact = STR("sts-reporting@company-x.example"),
                                       .id = STR("5065427c"),
                                       .begin_s = 1459468800,
                                       .end_s = 1459555200 };
    struct buf bytes = { 0 };

    tls_report_add(&bytes, &report, tally_first(tally));
    json_t *json = json_loadb(bytes.ptr, bytes.len, 0, NULL);
    assert_non_null(json);
    buf_fini(&bytes);
    return json;
}

static void expect(json_t *got, const char *wanted)
{
    json_t *json = json_loads(wanted, 0, NULL);

    assert_non_null(json);
    if (!json_equal(got, json))
        fail_msg("%s", json_dumps(got, JSON_INDENT(2)));
    json_decref(json);
    json_decref(got);
}

static void it_has_the_form_of_the_example(void **state)
{
    struct tls_row row = { .policy = TLS_POLICY_STS, .policy_text = STR(STS_TEXT) };
    struct tally tally;

    (void)state;
    tally_init(&tally, wide, 0);
    count(&tally, &row, 5326);
    row.result = TLS_RESULT_EXPIRED;
    row.from = address("2001:db8:abcd:12::1");
    row.to = address("203.0.113.58");
    row.host = STR("mx1.mail.company-y.example");
    count(&tally, &row, 100);
    row.result = TLS_RESULT_NO_STARTTLS;
    row.from = (struct endpoint){ 0 };
    row.to = address("203.0.113.56");
    row.host = STR("mx2.mail.company-y.example");
    count(&tally, &row, 200);
    row.result = TLS_RESULT_VALIDATION;
    row.reason = STR("no shared cipher");
    count(&tally, &row, 3);
    expect(told(&tally),
           "{\"organization-name\":\"Company-X\","
           "\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\","
           "\"end-datetime\":\"2016-04-01T23:59:59Z\"},"
           "\"contact-info\":\"sts-reporting@company-x.example\",\"report-id\":\"5065427c\","
           "\"policies\":[{\"policy\":{\"policy-type\":\"sts\",\"policy-string\":"
           "[\"version: STSv1\",\"mode: testing\",\"max_age: 86400\","
           "\"mx: *.mail.company-y.example\"],\"policy-domain\":\"company-y.example\","
           "\"mx-host\":[\"*.mail.company-y.example\"]},"
           "\"summary\":{\"total-successful-session-count\":5326,"
           "\"total-failure-session-count\":303},"
           "\"failure-details\":[{\"result-type\":\"certificate-expired\","
           "\"sending-mta-ip\":\"2001:db8:abcd:12::1\","
           "\"receiving-mx-hostname\":\"mx1.mail.company-y.example\","
           "\"receiving-ip\":\"203.0.113.58\",\"failed-session-count\":100},"
           "{\"result-type\":\"starttls-not-supported\","
           "\"receiving-mx-hostname\":\"mx2.mail.company-y.example\","
           "\"receiving-ip\":\"203.0.113.56\",\"failed-session-count\":200},"
           "{\"result-type\":\"validation-failure\","
           "\"receiving-mx-hostname\":\"mx2.mail.company-y.example\","
           "\"receiving-ip\":\"203.0.113.56\",\"failed-session-count\":3,"
           "\"failure-reason-code\":\"no shared cipher\"}]}]}");
    tally_fini(&tally);
}

static void policies_are_told_apart(void **state)
{
    struct tls_row row = { .host = STR("mx1.company-y.example"), .to = address("203.0.113.1") };
    struct tally tally;

    (void)state;
    tally_init(&tally, wide, 0);
    count(&tally, &row, 1);
    row.result = TLS_RESULT_STS_FETCH; /* of the policy: it is in no sum */
    count(&tally, &row, 1);
    row.result = TLS_RESULT_SUCCESS;
    row.policy = TLS_POLICY_TLSA;
    row.policy_text = STR("3 1 1 ab\n3 1 1 cd\n");
    count(&tally, &row, 2);
    row.host = STR("mx2.company-y.example");
    count(&tally, &row, 4);
    row.host = STR("mx1.company-y.example");
    row.result = TLS_RESULT_VALIDATION;
    count(&tally, &row, 3);
    json_t *json = told(&tally);
    expect(
        json_incref(json_object_get(json, "policies")),
        "[{\"policy\":{\"policy-type\":\"no-policy-found\","
        "\"policy-domain\":\"company-y.example\"},"
        "\"summary\":{\"total-successful-session-count\":1,\"total-failure-session-count\":0},"
        "\"failure-details\":[{\"result-type\":\"sts-policy-fetch-error\","
        "\"failed-session-count\":1}]},"
        "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 ab\",\"3 1 1 cd\"],"
        "\"policy-domain\":\"company-y.example\",\"mx-host\":[\"mx1.company-y.example\"]},"
        "\"summary\":{\"total-successful-session-count\":2,\"total-failure-session-count\":3},"
        "\"failure-details\":[{\"result-type\":\"validation-failure\","
        "\"receiving-mx-hostname\":\"mx1.company-y.example\",\"receiving-ip\":\"203.0.113.1\","
        "\"failed-session-count\":3}]},"
        "{\"policy\":{\"policy-type\":\"tlsa\",\"policy-string\":[\"3 1 1 ab\",\"3 1 1 cd\"],"
        "\"policy-domain\":\"company-y.example\",\"mx-host\":[\"mx2.company-y.example\"]},"
        "\"summary\":{\"total-successful-session-count\":4,\"total-failure-session-count\":0}}]");
    json_decref(json);
    tally_fini(&tally);
}

/* The DNS does not say by which key any of its hosts is known. */
static void a_host_that_is_not_known_is_not_told(void **state)
{
    const struct tls_row row = { .policy = TLS_POLICY_TLSA, .result = TLS_RESULT_DNSSEC_INVALID };
    struct tally tally;

    (void)state;
    tally_init(&tally, wide, 0);
    count(&tally, &row, 2);
    json_t *json = told(&tally);
    expect(json_incref(json_object_get(json, "policies")),
           "[{\"policy\":{\"policy-type\":\"tlsa\",\"policy-domain\":\"company-y.example\"},"
           "\"summary\":{\"total-successful-session-count\":0,"
           "\"total-failure-session-count\":2},"
           "\"failure-details\":[{\"result-type\":\"dnssec-invalid\","
           "\"failed-session-count\":2}]}]");
    json_decref(json);
    tally_fini(&tally);
}

/* What a session was opened under. */
static void judges_by_what_was_demanded(void **state)
{
    const struct security by_records = { .level = SECURITY_TLSA,
                                         .tlsa = { { 3, 1, 1, STR("\x01\xfe") },
                                                   { 2, 0, 2, STR("\x7f") } },
                                         .tlsa_count = 2 };
    const struct security may = { .level = SECURITY_MAY };
    struct sts_policy policy = {
        .mode = STS_ENFORCE, .max_age_s = 600, .mx = { STR("mx.a.example") }, .mx_count = 1
    };
    struct tls_row row = { .host = STR("mx.b.example") };
    struct buf room = { 0 };

    (void)state;
    tls_row_judge(&row, &by_records, &policy, &room);
    assert_int_equal(row.policy, TLS_POLICY_TLSA);
    assert_str(row.policy_text, STR("3 1 1 01fe\n2 0 2 7f\n"));
    row = (struct tls_row){ .host = STR("mx.b.example") };
    tls_row_judge(&row, &may, NULL, &room);
    assert_int_equal(row.policy, TLS_POLICY_NONE);
    assert_int_equal(row.policy_text.len, 0);
    tls_row_judge(&row, &may, &policy, &room);
    assert_int_equal(row.policy, TLS_POLICY_STS);
    assert_str(row.policy_text,
               STR("version: STSv1\nmode: enforce\nmax_age: 600\nmx: mx.a.example\n"));
    assert_int_equal(row.result, TLS_RESULT_SUCCESS);
    policy.mode = STS_TESTING;
    row.result = TLS_RESULT_NO_STARTTLS; /* that comes first */
    tls_row_judge(&row, &may, &policy, &room);
    assert_int_equal(row.result, TLS_RESULT_NO_STARTTLS);
    row.result = TLS_RESULT_SUCCESS;
    tls_row_judge(&row, &may, &policy, &room);
    assert_int_equal(row.result, TLS_RESULT_VALIDATION);
    assert_true(row.reason.len > 0);
    row = (struct tls_row){ .host = STR("mx.a.example") };
    tls_row_judge(&row, &may, &policy, &room);
    assert_int_equal(row.result, TLS_RESULT_SUCCESS);
    policy.mode = STS_NONE;
    row = (struct tls_row){ .host = STR("mx.b.example") };
    tls_row_judge(&row, &may, &policy, &room);
    assert_int_equal(row.policy, TLS_POLICY_NONE);
    buf_fini(&room);
}

/* Whatever tells one success from another is left out; a row is what its octets say, or none. */
static void rows_are_octets(void **state)
{
    struct tls_row row = { .result = TLS_RESULT_SUCCESS,
                           .host = STR("a"),
                           .to = address("203.0.113.1"),
                           .reason = STR("x") };
    struct tls_row again;
    struct buf one = { 0 };
    struct buf other = { 0 };

    (void)state;
    tls_row_encode(&one, &row);
    row.host = STR("b");
    row.to = address("203.0.113.2");
    tls_row_encode(&other, &row);
    assert_str(buf_str(&one), buf_str(&other));
    buf_reset(&one);
    row.result = TLS_RESULT_HOST_MISMATCH;
    tls_row_encode(&one, &row);
    assert_true(tls_row_decode(buf_str(&one), &again));
    assert_str(again.host, STR("b"));
    assert_int_equal(again.to.port, 0);
    for (size_t i = 0; i < one.len; i++)
        assert_false(tls_row_decode(str_first(buf_str(&one), i), &again));
    buf_add_byte(&one, 0);
    assert_false(tls_row_decode(buf_str(&one), &again));
    buf_reset(&one);
    buf_reset(&other);
    while (other.len < 2 * TLS_POLICY_TEXT_MAX)
        buf_add(&other, STR("mx: a.example\n"));
    row.policy_text = buf_str(&other);
    tls_row_encode(&one, &row);
    assert_true(tls_row_decode(buf_str(&one), &again));
    assert_true(again.policy_text.len > TLS_POLICY_TEXT_MAX - 14);
    assert_int_equal(again.policy_text.ptr[again.policy_text.len - 1], '\n');
    buf_fini(&one);
    buf_fini(&other);
}

static void the_message_says_what_it_carries(void **state)
{
    struct tls_report_mail mail = { .from = STR("tls@mx.example.net"),
                                    .to = STR("reports@company-y.example"),
                                    .domain = STR("company-y.example"),
                                    .submitter = STR("mx.example.net"),
                                    .id = STR("01K"),
                                    .message_id = STR("x@mx.example.net"),
                                    .date_s = 1795886400,
                                    .begin_s = 1795800000,
                                    .end_s = 1795886399,
                                    .packed = STR("octets") };
    struct buf out = { 0 };

    (void)state;
    assert_true(tls_report_mail_add(&out, &mail));
    assert_str(
        buf_str(&out),
        STR("From: <tls@mx.example.net>\r\n"
            "To: <reports@company-y.example>\r\n"
            "Subject: Report Domain: company-y.example\r\n"
            " Submitter: mx.example.net\r\n"
            " Report-ID: <01K@mx.example.net>\r\n"
            "Date: Sat, 28 Nov 2026 17:20:00 +0000\r\n"
            "Message-ID: <x@mx.example.net>\r\n"
            "TLS-Report-Domain: company-y.example\r\n"
            "TLS-Report-Submitter: mx.example.net\r\n"
            "TLS-Required: No\r\n"
            "Auto-Submitted: auto-generated\r\n"
            "MIME-Version: 1.0\r\n"
            "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n"
            "\tboundary=\"=_report\"\r\n"
            "\r\n"
            "--=_report\r\n"
            "Content-Type: text/plain; charset=us-ascii\r\n"
            "\r\n"
            "A report about TLS on the way of mail to\r\n"
            "company-y.example\r\n"
            "as mx.example.net\r\n"
            "saw it from Fri, 27 Nov 2026 17:20:00 +0000\r\n"
            "to Sat, 28 Nov 2026 17:19:59 +0000.\r\n"
            "\r\n"
            "The domain asks for such reports in the DNS (_smtp._tls, rua=); without that, "
            "none are sent.\r\n"
            "The attachment is JSON in the form of RFC 8460, made to be read by a "
            "program.\r\n"
            "--=_report\r\n"
            "Content-Type: application/tlsrpt+gzip\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment;\r\n"
            "\tfilename=\"mx.example.net!company-y.example!1795800000!1795886399.json.gz\"\r\n"
            "\r\n"
            "b2N0ZXRz\r\n"
            "--=_report--\r\n"));
    buf_reset(&out);
    mail.to = STR("a@b>\r\nBcc: <c@d");
    assert_false(tls_report_mail_add(&out, &mail));
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_has_the_form_of_the_example),
        cmocka_unit_test(policies_are_told_apart),
        cmocka_unit_test(a_host_that_is_not_known_is_not_told),
        cmocka_unit_test(judges_by_what_was_demanded),
        cmocka_unit_test(rows_are_octets),
        cmocka_unit_test(the_message_says_what_it_carries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
