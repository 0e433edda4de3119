/* SPDX-License-Identifier: ISC */
/* test_tls_rpt.c: RFC 8460's own examples, and others' cases where they are. */
#include "testing.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wire/tls_rpt.h"

static void reads_whom_to_tell(void **state)
{
    struct tls_rpt_record record;

    (void)state;
    assert_true(tls_rpt_record_parse(STR("v=TLSRPTv1;rua=mailto:reports@example.com"), &record));
    assert_int_equal(record.target_count, 1);
    assert_str(record.target[0], STR("mailto:reports@example.com"));
    assert_true(tls_rpt_is_mail(record.target[0]));
    assert_true(tls_rpt_record_parse(
        STR("v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt?a=b ,\tmailto:x@y.example;"),
        &record));
    assert_int_equal(record.target_count, 2);
    assert_str(record.target[0], STR("https://reporting.example.com/v1/tlsrpt?a=b"));
    assert_false(tls_rpt_is_mail(record.target[0]));
    assert_str(record.target[1], STR("mailto:x@y.example"));
}

static void passes_over_what_it_cannot_use(void **state)
{
    struct tls_rpt_record record;
    struct buf text = { 0 };

    (void)state;
    assert_true(tls_rpt_record_parse(STR("v=TLSRPTv1; rua=ftp://a.example/"), &record));
    assert_int_equal(record.target_count, 0);
    buf_add(&text, STR("v=TLSRPTv1; rua=mailto:first@a.example"));
    for (int i = 0; i < 20; i++)
        buf_add_format(&text, ",mailto:x%d@a.example", i);
    assert_true(tls_rpt_record_parse(buf_str(&text), &record));
    assert_int_equal(record.target_count, TLS_RPT_TARGETS_MAX);
    assert_str(record.target[0], STR("mailto:first@a.example"));
    buf_reset(&text);
    buf_add(&text, STR("v=TLSRPTv1; rua=mailto:"));
    while (text.len < TLS_RPT_URI_MAX + 16)
        buf_add_byte(&text, 'a');
    assert_true(tls_rpt_record_parse(buf_str(&text), &record));
    assert_int_equal(record.target_count, 1);
    buf_add_byte(&text, 'a');
    assert_true(tls_rpt_record_parse(buf_str(&text), &record));
    assert_int_equal(record.target_count, 0);
    buf_fini(&text);
}

static void is_strict(void **state)
{
    static const char *const none[] = {
        "",
        "v=TLSRPTv1",
        " v=TLSRPTv1; rua=mailto:a@b.example",
        "V=TLSRPTv1; rua=mailto:a@b.example",
        "v=tlsrptv1; rua=mailto:a@b.example",
        "rua=mailto:a@b.example; v=TLSRPTv1",
        "v=TLSRPTv1; rua=mailto:",
        "v=TLSRPTv1; rua=mailto:a@b.example,",
        "v=TLSRPTv1; rua=mailto:a@b.example;;",
        "v=TLSRPTv1; rua=mailto:a@b.example\r\nBcc: c@d.example",
        "v=TLSRPTv1; rua=mailto:a%4@b.example",
        "v=TLSRPTv1; rua=mailto:\xc3\xa4@b.example",
    };
    struct tls_rpt_record record;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(none); i++)
        if (tls_rpt_record_parse(str_from(none[i]), &record))
            fail_msg("%s", none[i]);
}

static void agrees_with_others(void **state)
{
    const char *folder = getenv("HOLDFAST_TESTDATA");
    char name[4096];
    const json_t *one;
    size_t index;
    unsigned records = 0;

    (void)state;
    (void)snprintf(name, sizeof name, "%s/mta-sts/vectors.json", folder != NULL ? folder : "");
    json_t *all = json_load_file(name, 0, NULL);
    if (all == NULL)
        skip();
    json_array_foreach(json_object_get(all, "tlsrpt_record"), index, one)
    {
        struct tls_rpt_record record;
        const char *text = json_string_value(json_object_get(one, "in"));
        if (tls_rpt_record_parse(str_from(text), &record) !=
            json_is_true(json_object_get(one, "valid")))
            fail_msg("%s", text);
        records++;
    }
    assert_true(records > 0);
    json_decref(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_whom_to_tell),
        cmocka_unit_test(passes_over_what_it_cannot_use),
        cmocka_unit_test(is_strict),
        cmocka_unit_test(agrees_with_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
