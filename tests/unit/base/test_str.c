/* SPDX-License-Identifier: ISC */
/* test_str.c: borrowed text, with its edges: empty, NULL, past the end. */
#include "testing.h"

static void compares_bytes_and_letters(void **state)
{
    (void)state;
    assert_true(str_equals(STR(""), STR_NONE));
    assert_true(str_equals(STR("a\0b"), STR("a\0b")));
    assert_false(str_equals(STR("a\0b"), STR("a\0c")));
    assert_false(str_equals(STR("a"), STR("ab")));
    assert_true(str_equals_nocase(STR("MaIl"), STR("mAiL")));
    assert_false(str_equals_nocase(STR("\xc4"), STR("\xe4"))); /* ASCII only, whatever the locale */
    assert_false(str_equals_nocase(STR("@"), STR("`")));       /* 0x20 apart, but no letters */
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("a"), STR("ab")) < 0);
    assert_true(str_compare(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_compare(STR_NONE, STR("")), 0);
}

static void knows_prefix_and_suffix(void **state)
{
    (void)state;
    assert_true(str_starts(STR("RCPT TO:"), STR("RCPT")));
    assert_true(str_starts(STR("RCPT"), STR("")));
    assert_false(str_starts(STR("RC"), STR("RCPT")));
    assert_true(str_starts_nocase(STR("rcpt to:"), STR("RCPT")));
    assert_false(str_starts_nocase(STR_NONE, STR("R")));
    assert_true(str_ends_nocase(STR("mx.Example.ORG"), STR(".example.org")));
    assert_true(str_ends_nocase(STR("a"), STR_NONE));
    assert_false(str_ends_nocase(STR("org"), STR("example.org")));
}

static void cuts_out_parts(void **state)
{
    (void)state;
    assert_str(str_skip(STR("abc"), 1), STR("bc"));
    assert_str(str_skip(STR("abc"), 3), STR(""));
    assert_str(str_skip(STR("abc"), 4), STR(""));
    assert_int_equal(str_skip(STR_NONE, 5).len, 0);
    assert_str(str_first(STR("abc"), 2), STR("ab"));
    assert_str(str_first(STR("abc"), 9), STR("abc"));
    assert_str(str_trim(STR(" \t a b\t ")), STR("a b"));
    assert_str(str_trim(STR(" \t ")), STR(""));
    assert_str(str_trim(STR("\r\n")), STR("\r\n")); /* spaces and tabs only */
    assert_str(str_trim(STR_NONE), STR(""));
}

static void finds_bytes(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a@b@c"), '@'), 1);
    assert_int_equal(str_find_last(STR("a@b@c"), '@'), 3);
    assert_int_equal(str_find(STR("abc"), '@'), -1);
    assert_int_equal(str_find(STR_NONE, '@'), -1);
    assert_int_equal(str_find_last(STR_NONE, 0), -1);
    assert_int_equal(str_find(STR("a\0b"), '\0'), 1);
}

static void splits_into_parts(void **state)
{
    const struct {
        struct str text;
        struct str part[4];
        size_t count;
    } cases[] = {
        { STR("a,b,c"), { STR("a"), STR("b"), STR("c") }, 3 },
        { STR("a,"), { STR("a"), STR("") }, 2 },
        { STR(",a"), { STR(""), STR("a") }, 2 },
        { STR(","), { STR(""), STR("") }, 2 },
        { STR("a"), { STR("a") }, 1 },
        { STR(""), { STR("") }, 1 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str rest = cases[i].text;
        struct str head;
        size_t count = 0;
        while (str_cut(&rest, ',', &head)) {
            assert_true(count < cases[i].count);
            assert_str(head, cases[i].part[count]);
            count++;
        }
        assert_int_equal(count, cases[i].count);
    }
    struct str none = STR_NONE;
    struct str head = STR("untouched");
    assert_false(str_cut(&none, ',', &head));
    assert_str(head, STR("untouched"));
}

static void reads_numbers_within_bounds(void **state)
{
    const struct {
        struct str text;
        uint64_t max;
        bool ok;
        uint64_t number;
    } cases[] = {
        { STR("0"), 0, true, 0 },
        { STR("007"), 7, true, 7 },
        { STR("65535"), UINT16_MAX, true, 65535 },
        { STR("65536"), UINT16_MAX, false, 0 },
        { STR("18446744073709551615"), UINT64_MAX, true, UINT64_MAX },
        { STR("18446744073709551616"), UINT64_MAX, false, 0 },
        { STR("99999999999999999999999"), UINT64_MAX, false, 0 },
        { STR(""), 9, false, 0 },
        { STR("-1"), 9, false, 0 },
        { STR("+1"), 9, false, 0 },
        { STR("1 "), 9, false, 0 },
        { STR("0x1"), 9, false, 0 },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        uint64_t number = 4711;
        assert_int_equal(str_to_u64(cases[i].text, cases[i].max, &number), cases[i].ok);
        assert_true(number == (cases[i].ok ? cases[i].number : 4711));
    }
}

static void classifies_ascii(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool digit = c >= '0' && c <= '9';
        bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool hex = digit || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        assert_int_equal(ascii_is_digit((char)c), digit);
        assert_int_equal(ascii_is_alpha((char)c), alpha);
        assert_int_equal(ascii_is_alnum((char)c), digit || alpha);
        assert_int_equal(ascii_is_hex((char)c), hex);
        assert_int_equal((unsigned char)ascii_lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compares_bytes_and_letters),
        cmocka_unit_test(knows_prefix_and_suffix),
        cmocka_unit_test(cuts_out_parts),
        cmocka_unit_test(finds_bytes),
        cmocka_unit_test(splits_into_parts),
        cmocka_unit_test(reads_numbers_within_bounds),
        cmocka_unit_test(classifies_ascii),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
