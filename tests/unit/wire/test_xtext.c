/* SPDX-License-Identifier: ISC */
/* test_xtext.c: what came in ENVID= and ORCPT= means what it did, and nothing else gets through. */
#include "testing.h"

#include "wire/xtext.h"

static void xtext_goes_both_ways(void **state)
{
    static const struct {
        const char *octets, *xtext;
    } cases[] = {
        { "", "" },
        { "bob@example.org", "bob@example.org" },
        { "a+b=c d", "a+2Bb+3Dc+20d" },
        { "\"a b\"@example.org", "\"a+20b\"@example.org" },
        { "\r\nX: y", "+0D+0AX:+20y" },
        { "\x7f\xc3\xa4", "+7F+C3+A4" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        xtext_add(&out, str_from(cases[i].octets));
        assert_buf(&out, cases[i].xtext);
        buf_reset(&out);
        assert_true(xtext_decode(&out, str_from(cases[i].xtext)));
        assert_buf(&out, cases[i].octets);
        buf_fini(&out);
    }
}

static void refuses_what_is_no_xtext(void **state)
{
    static const char *const cases[] = {
        "a b", "a=b", "+", "+2", "+2G", "x+", "\xc3\xa4", "a\r\n"
    };
    struct buf out = { 0 };

    (void)state;
    buf_add(&out, STR("before"));
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (xtext_decode(&out, str_from(cases[i])))
            fail_msg("%s", cases[i]);
    assert_buf(&out, "before");
    buf_reset(&out);
    assert_true(xtext_decode(&out, STR("+2b+c3"))); /* small letters: not ours to judge */
    assert_buf(&out, "+\xc3");
    buf_fini(&out);
}

static void unitext_goes_both_ways(void **state)
{
    static const struct {
        const char *utf8, *unitext;
    } cases[] = {
        { "bob@example.org", "bob@example.org" },
        { "j\xc3\xb6rg@example.org", "j\\x{F6}rg@example.org" },
        { "a+b=c\\d e", "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e" },
        { "\xe4\xb8\xad@\xf0\x9f\x90\xb4", "\\x{4E2D}@\\x{1F434}" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        unitext_add(&out, str_from(cases[i].utf8));
        assert_buf(&out, cases[i].unitext);
        buf_reset(&out);
        assert_true(unitext_decode(&out, str_from(cases[i].unitext)));
        assert_buf(&out, cases[i].utf8);
        buf_fini(&out);
    }
}

static void reads_utf8_as_it_is_too(void **state)
{
    struct buf out = { 0 };

    (void)state;
    assert_true(unitext_decode(&out, STR("j\xc3\xb6rg\\x{e4}@example.org")));
    assert_buf(&out, "j\xc3\xb6rg\xc3\xa4@example.org");
    buf_reset(&out);
    unitext_add(&out, STR("a\xff"));
    assert_buf(&out, "a\\x{FFFD}");
    buf_fini(&out);
}

static void refuses_what_is_no_unitext(void **state)
{
    static const char *const cases[] = {
        "a b",         "a+b",          "a=b",    "\\",      "\\x{",      "\\x{}",   "\\x{41",
        "\\x{G}",      "\\x{0A}",      "\\x{D}", "\\x{85}", "\\x{D800}", "\\x{7F}", "\\u{41}",
        "\\x{110000}", "\\x{0000041}", "\xff",   "\xc3",    "a\n",
    };
    struct buf out = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (unitext_decode(&out, str_from(cases[i])) || out.len > 0)
            fail_msg("%s", cases[i]);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(xtext_goes_both_ways),       cmocka_unit_test(refuses_what_is_no_xtext),
        cmocka_unit_test(unitext_goes_both_ways),     cmocka_unit_test(reads_utf8_as_it_is_too),
        cmocka_unit_test(refuses_what_is_no_unitext),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
