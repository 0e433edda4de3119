/* SPDX-License-Identifier: ISC */
/* test_results.c: whose Authentication-Results is this (testdata/authres), and how ours look. */
#include "testing.h"

#include <string.h>

#include "authenticate/results.h"
#include "authenticate/zone.h"

static void knows_who_speaks(void **state)
{
    json_t *values = testdata_json("authres/go-msgauth.json");

    (void)state;
    if (values == NULL)
        skip();
    assert_true(json_array_size(values) > 10);
    for (size_t i = 0; i < json_array_size(values); i++) {
        const json_t *item = json_array_get(values, i);
        struct str value = str_from(json_string_value(json_object_get(item, "value")));
        struct str id = str_from(json_string_value(json_object_get(item, "authserv-id")));
        if (!results_claims(value, id))
            fail_msg("%.*s", STR_FMT(value));
        assert_false(results_claims(value, STR("mx.example.test")));
    }
    json_decref(values);
}

static void sees_through_disguises(void **state)
{
    static const char *const ours[] = {
        " mx.example.net; spf=pass", "\r\n\tMX.Example.Net;spf=pass",
        "mx.example.net 1; none",    "(hello) mx.example.net(x); none",
        "\"mx.example.net\"; none",  "mx.example.net",
        "mx.example.net.; none",     "(a(b)\\)) mx.example.net; none",
        "\"mx.\\example.net\"; x",
    };
    static const char *const others[] = {
        "",
        ";",
        "notmx.example.net; none",
        "mx.example.net.evil; none",
        "(mx.example.net) x; none",
        "x mx.example.net",
        "(mx.example.net",
        "\"mx.example.net x\"; none",
    };
    (void)state;
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (!results_claims(str_from(ours[i]), STR("mx.example.net")))
            fail_msg("%s", ours[i]);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (results_claims(str_from(others[i]), STR("mx.example.net")))
            fail_msg("%s", others[i]);
}

static void says_what_was_found(void **state)
{
    struct dkim dkim = { .count = 1 };
    struct arc arc = { .count = 2, .result = ARC_PASS };
    struct results results = {
        .authserv_id = STR("mx.example.net"),
        .sender = STR("\"a b\"@example.com"),
        .helo = STR("client.example.com"),
        .spf = { .result = SPF_PASS },
        .dkim = &dkim,
        .author = STR("example.com"),
        .dmarc = { .result = DMARC_PASS,
                   .published = DMARC_POLICY_REJECT,
                   .record_domain = STR("example.com") },
        .arc = &arc,
    };
    struct buf field = { 0 };

    (void)state;
    dkim.verdict[0] = (struct dkim_verdict){ .result = DKIM_FAIL,
                                             .why = "the body was changed",
                                             .domain = STR("example.com"),
                                             .selector = STR("s1"),
                                             .identity = STR("@example.com"),
                                             .algorithm = STR("rsa-sha256"),
                                             .start = STR("abcd/+==") };
    results_add_field(&field, &results);
    assert_true(str_equals(
        buf_str(&field),
        STR("Authentication-Results: mx.example.net;\r\n"
            "\tspf=pass smtp.mailfrom=\"\\\"a b\\\"@example.com\";\r\n"
            "\tdkim=fail reason=\"the body was changed\" header.d=example.com"
            " header.i=@example.com header.s=s1 header.a=rsa-sha256 header.b=abcd/+==;\r\n"
            "\tdmarc=pass (p=reject) header.from=example.com;\r\n"
            "\tarc=pass (i=2)\r\n")));
    buf_fini(&field);
}

/* Whatever a stranger puts into HELO or MAIL FROM, no line of his own comes of it. */
static void lets_nobody_write_lines(void **state)
{
    struct dkim dkim = { 0 };
    struct arc arc = { 0 };
    struct results results = {
        .authserv_id = STR("mx.example.net"),
        .helo = STR("evil\r\nX-Spam: no; \"dkim=pass\\"),
        .dkim = &dkim,
        .arc = &arc,
    };
    struct buf field = { 0 };

    (void)state;
    results_add_field(&field, &results);
    assert_true(str_equals(buf_str(&field),
                           STR("Authentication-Results: mx.example.net;\r\n"
                               "\tspf=none smtp.helo=\"evil??X-Spam: no; \\\"dkim=pass\\\\\";\r\n"
                               "\tdkim=none;\r\n"
                               "\tdmarc=none;\r\n"
                               "\tarc=none\r\n")));
    buf_fini(&field);
}

/* A line has an end: what is longer than any address is left out. */
static void repeats_nothing_long(void **state)
{
    struct dkim dkim = { .count = 1 };
    struct arc arc = { 0 };
    struct results results = {
        .authserv_id = STR("mx.example.net"), .helo = STR("h"), .dkim = &dkim, .arc = &arc
    };
    struct buf identity = { 0 };
    struct buf field = { 0 };

    (void)state;
    for (int i = 0; i < 100000; i++)
        buf_add(&identity, STR("\xc3\xa4"));
    dkim.verdict[0].domain = STR("example.com");
    dkim.verdict[0].identity = buf_str(&identity);
    results_add_field(&field, &results);
    assert_true(field.len < 400);
    buf_reset(&field);
    dkim.verdict[0].identity = STR("\xc3\xa4@example.com");
    results_add_field(&field, &results);
    for (size_t i = 0; i < field.len; i++)
        assert_true((unsigned char)field.ptr[i] < 0x7f);
    buf_reset(&field);
    buf_reset(&identity);
    for (int i = 0; i < 320; i++)
        buf_add_byte(&identity, '"'); /* becomes twice as long */
    dkim.verdict[0].identity = dkim.verdict[0].algorithm = buf_str(&identity);
    dkim.verdict[0].selector = dkim.verdict[0].domain = str_first(buf_str(&identity), 253);
    results_add_field(&field, &results);
    struct str line;
    for (struct str rest = buf_str(&field); str_cut(&rest, '\n', &line);)
        assert_true(line.len < 998);
    buf_fini(&field);
    buf_fini(&identity);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_who_speaks),     cmocka_unit_test(sees_through_disguises),
        cmocka_unit_test(says_what_was_found),  cmocka_unit_test(lets_nobody_write_lines),
        cmocka_unit_test(repeats_nothing_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
