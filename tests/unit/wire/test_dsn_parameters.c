/* SPDX-License-Identifier: ISC */
/* test_dsn_parameters.c: NOTIFY, ORCPT, RET and ENVID as RFC 3461 has them, to the last octet. */
#include "testing.h"

#include <string.h>

#include "wire/dsn_parameters.h"

static void notify_is_never_or_a_list(void **state)
{
    static const struct {
        const char *value;
        int notify; /* -1: no such value */
    } cases[] = {
        { "NEVER", NOTIFY_NEVER },
        { "never", NOTIFY_NEVER },
        { "SUCCESS", NOTIFY_SUCCESS },
        { "Failure,delay", NOTIFY_FAILURE | NOTIFY_DELAY },
        { "DELAY,SUCCESS,FAILURE", NOTIFY_FAILURE | NOTIFY_DELAY | NOTIFY_SUCCESS },
        { "DELAY,DELAY", NOTIFY_DELAY },
        { "", -1 },
        { ",", -1 },
        { "DELAY,", -1 },
        { ",DELAY", -1 },
        { "DELAY,,FAILURE", -1 },
        { "NEVER,DELAY", -1 },
        { "DELAY,NEVER", -1 },
        { "DELAY FAILURE", -1 },
        { "SUCCES", -1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint8_t notify = 77;
        bool is_fine = dsn_notify_parse(str_from(cases[i].value), &notify);
        assert_int_equal(is_fine, cases[i].notify >= 0);
        assert_int_equal(notify, is_fine ? cases[i].notify : 77);
    }
    assert_false(dsn_notify_parse(STR_NONE, &(uint8_t){ 0 }));
}

static void ret_is_full_or_hdrs(void **state)
{
    uint8_t ret = 0;

    (void)state;
    assert_true(dsn_ret_parse(STR("full"), &ret));
    assert_int_equal(ret, 1);
    assert_true(dsn_ret_parse(STR("HDRS"), &ret));
    assert_int_equal(ret, 2);
    assert_false(dsn_ret_parse(STR("HEADERS"), &ret));
    assert_false(dsn_ret_parse(STR_NONE, &ret));
    assert_int_equal(ret, 2);
}

static void an_envelope_id_is_printable_and_not_long(void **state)
{
    char long_one[DSN_ENVELOPE_ID_MAX + 1];

    (void)state;
    assert_true(dsn_envelope_id_is_fine(STR("QQ314159")));
    assert_true(dsn_envelope_id_is_fine(STR("a+20b+3D")));
    assert_false(dsn_envelope_id_is_fine(STR("a+0D+0Ab")));
    assert_false(dsn_envelope_id_is_fine(STR("a+2")));
    assert_false(dsn_envelope_id_is_fine(STR("\xc3\xa4")));
    assert_false(dsn_envelope_id_is_fine(STR_NONE));
    memset(long_one, 'x', sizeof long_one);
    assert_true(dsn_envelope_id_is_fine(str_of(long_one, DSN_ENVELOPE_ID_MAX)));
    assert_false(dsn_envelope_id_is_fine(str_of(long_one, DSN_ENVELOPE_ID_MAX + 1)));
}

static void an_original_has_a_type_and_printable_text(void **state)
{
    static const struct {
        const char *value;
        bool is_fine;
    } cases[] = {
        { "rfc822;bob@example.org", true },
        { "RFC822;Bob+2BX@example.org", true },
        { "x400;/c=de", false }, /* "=" has to be +3D */
        { "x-other;anything", true },
        { "utf-8;d\\x{F6}rte@example.org", true },
        { "utf-8;d\xc3\xb6rte@example.org", false }, /* without SMTPUTF8 */
        { "rfc822;d\xc3\xb6rte@example.org", false },
        { "utf-8;d\\x{A}@example.org", false },
        { "utf-8;", false },
        { "rfc822;", false },
        { "rfc822", false },
        { ";bob@example.org", false },
        { "rfc 822;bob", false },
        { "rfc822;b+0Aob", false },
        { "rfc822;b+E4ob", false },
        { "rfc822;a;b", true },
        { "", false },
    };
    struct buf value = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (dsn_original_is_fine(str_from(cases[i].value), false) != cases[i].is_fine)
            fail_msg("%s", cases[i].value);
    assert_true(dsn_original_is_fine(STR("utf-8;d\xc3\xb6rte@example.org"), true));
    assert_false(dsn_original_is_fine(STR("utf-8;d\xc3rte@example.org"), true));
    assert_false(dsn_original_is_fine(STR("utf-8;d\xc2\x85rte@example.org"), true)); /* a control */
    assert_false(dsn_original_is_fine(STR("rfc822;d\xc3\xb6rte@example.org"), true));
    buf_add(&value, STR("rfc822;"));
    while (value.len < DSN_ORIGINAL_MAX)
        buf_add_byte(&value, 'x');
    assert_true(dsn_original_is_fine(buf_str(&value), false));
    buf_add_byte(&value, 'x');
    assert_false(dsn_original_is_fine(buf_str(&value), false));
    buf_fini(&value);
}

static void each_wish_of_two_counts(void **state)
{
    static const struct {
        uint8_t a, b, both;
    } cases[] = {
        { NOTIFY_NEVER, NOTIFY_NEVER, NOTIFY_NEVER },
        { NOTIFY_NEVER, NOTIFY_DELAY, NOTIFY_DELAY },
        { NOTIFY_NEVER, NOTIFY_DEFAULT, NOTIFY_DEFAULT },
        { NOTIFY_DEFAULT, NOTIFY_DEFAULT, NOTIFY_DEFAULT },
        { NOTIFY_DEFAULT, NOTIFY_SUCCESS, NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY },
        { NOTIFY_FAILURE, NOTIFY_SUCCESS, NOTIFY_SUCCESS | NOTIFY_FAILURE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(dsn_notify_join(cases[i].a, cases[i].b), cases[i].both);
        assert_int_equal(dsn_notify_join(cases[i].b, cases[i].a), cases[i].both);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(notify_is_never_or_a_list),
        cmocka_unit_test(ret_is_full_or_hdrs),
        cmocka_unit_test(an_envelope_id_is_printable_and_not_long),
        cmocka_unit_test(an_original_has_a_type_and_printable_text),
        cmocka_unit_test(each_wish_of_two_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
