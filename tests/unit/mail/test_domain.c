/* SPDX-License-Identifier: ISC */
/* test_domain.c: one spelling for one name. */
#include "testing.h"

#include <string.h>

#include "mail/domain.h"

#define LABEL63 "a23456789012345678901234567890123456789012345678901234567890123"

static void normalises_or_refuses(void **state)
{
    const struct {
        struct str name;
        struct str want; /* empty: no domain name */
    } cases[] = {
        { STR("example.org"), STR("example.org") },
        { STR("Example.ORG."), STR("example.org") },
        { STR("localhost"), STR("localhost") },
        { STR("a-b.c_d.example"), STR("a-b.c_d.example") },
        { STR("_dmarc.example.org"), STR("_dmarc.example.org") },
        { STR("1.2.3.4.example"), STR("1.2.3.4.example") },
        { STR("3com.example"), STR("3com.example") },
        { STR(LABEL63 ".org"), STR(LABEL63 ".org") },
        { STR("b\xc3\xbc"
              "cher.example"),
          STR("xn--bcher-kva.example") },
        { STR("B\xc3\x9c"
              "CHER.Example."),
          STR("xn--bcher-kva.example") },
        { STR("stra\xc3\x9f"
              "e.example"),
          STR("xn--strae-oqa.example") }, /* IDNA 2008, not "strasse" */
        /* The ideographic full stop is a dot (UTS 46), but nobody ends a name with it. */
        { STR("b\xc3\xbc"
              "cher\xe3\x80\x82"
              "example"),
          STR("xn--bcher-kva.example") },
        { STR("b\xc3\xbc"
              "cher.example\xe3\x80\x82"),
          STR("") },
        { STR(""), STR("") },
        { STR("."), STR("") },
        { STR(".."), STR("") },
        { STR("a..b"), STR("") },
        { STR(".example.org"), STR("") },
        { STR("example.org.."), STR("") },
        { STR("-a.example"), STR("") },
        { STR("a-.example"), STR("") },
        { STR("exa mple.org"), STR("") },
        { STR("example.org\n"), STR("") },
        { STR("exam\0ple.org"), STR("") },
        { STR("192.0.2.1"), STR("") },
        { STR("example.123"), STR("") },
        { STR("[192.0.2.1]"), STR("") },
        { STR("a@b.example"), STR("") },
        { STR("a/b.example"), STR("") },
        { STR("x" LABEL63 ".org"), STR("") },
        { STR("\xff\xfe.example"), STR("") }, /* no UTF-8 */
        { STR("b\xc3\xbc\0x.example"), STR("") },
    };
    struct buf out = { 0 };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&out);
        buf_add(&out, STR("left over"));
        bool ok = domain_normalise(cases[i].name, &out);
        assert_int_equal(ok, cases[i].want.len > 0);
        if (ok) {
            assert_str(buf_str(&out), cases[i].want);
            assert_true(domain_is_valid(buf_str(&out)));
        }
    }
    buf_fini(&out);
}

static void knows_the_longest_name(void **state)
{
    static const char longest[] =
        LABEL63 "." LABEL63 "." LABEL63 "." /* 192 */
                "a234567890123456789012345678901234567890123456789012345678901";
    struct buf out = { 0 };
    char longer[300];
    (void)state;
    assert_int_equal(sizeof longest - 1, DOMAIN_SIZE_MAX);
    assert_true(domain_is_valid(str_from(longest)));
    assert_true(domain_normalise(str_from(longest), &out));
    (void)snprintf(longer, sizeof longer, "%s.", longest); /* the final dot is not counted */
    assert_true(domain_is_valid(str_from(longer)));
    (void)snprintf(longer, sizeof longer, "%sx", longest);
    assert_false(domain_is_valid(str_from(longer)));
    assert_false(domain_normalise(str_from(longer), &out));
    buf_fini(&out);
}

static void refuses_endless_names(void **state)
{
    struct buf out = { 0 };
    struct buf name = { 0 };
    (void)state;
    for (int i = 0; i < 5000; i++)
        buf_add(&name, STR("\xc3\xbc."));
    for (size_t len = 0; len < name.len; len += 7)
        if (domain_normalise(str_first(buf_str(&name), len), &out))
            assert_true(out.len <= DOMAIN_SIZE_MAX);
    buf_fini(&name);
    buf_fini(&out);
}

static void compares_whatever_the_spelling(void **state)
{
    (void)state;
    assert_true(domain_equals(STR("Example.ORG."), STR("example.org")));
    assert_false(domain_equals(STR("example.org"), STR("example.com")));
    assert_false(domain_equals(STR("example.org"), STR("")));
    assert_true(domain_equals(STR(""), STR_NONE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normalises_or_refuses),
        cmocka_unit_test(knows_the_longest_name),
        cmocka_unit_test(refuses_endless_names),
        cmocka_unit_test(compares_whatever_the_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
