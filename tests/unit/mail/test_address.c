/* SPDX-License-Identifier: ISC */
/* test_address.c: which envelope addresses are read, and how far. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "mail/address.h"

enum {
    NULL_OK = ADDRESS_MAY_BE_NULL,
    BARE_OK = ADDRESS_MAY_LACK_DOMAIN,
    UTF8_OK = ADDRESS_MAY_BE_UTF8,
};

static void assert_str(struct str got, const char *want)
{
    if (!str_equals(got, str_from(want)))
        fail_msg("got \"%.*s\", want \"%s\"", STR_FMT(got), want);
}

/* An exact copy on the heap, so that ASan sees a look behind the end. */
static struct str heap_copy(const char *text)
{
    size_t len = strlen(text);
    char *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, text, len);  /* NOLINT(bugprone-not-null-terminated-result): a str has no end */
    return str_of(copy, len); /* NOLINT(clang-analyzer-unix.Malloc): the caller frees it */
}

static void reads_paths(void **state)
{
    static const struct {
        const char *text, *local, *domain, *rest;
        unsigned flags;
    } cases[] = {
        { "<a@b.example>", "a", "b.example", "", 0 },
        { "<a@b.example> SIZE=1", "a", "b.example", " SIZE=1", 0 },
        { "a@b.example", "a", "b.example", "", 0 },
        { "a@b.example BODY=7BIT", "a", "b.example", " BODY=7BIT", 0 },
        { "<>", "", "", "", NULL_OK },
        { "<> RET=HDRS", "", "", " RET=HDRS", NULL_OK },
        { "<postmaster>", "postmaster", "", "", BARE_OK },
        { "<PostMaster>", "PostMaster", "", "", BARE_OK },
        { "postmaster", "postmaster", "", "", BARE_OK },
        { "<@x.example:a@b.example>", "a", "b.example", "", 0 },
        { "<@x.example,@y.example:a@b.example>", "a", "b.example", "", 0 },
        { "<\"a b\"@b.example>", "\"a b\"", "b.example", "", 0 },
        { "<\"a\\\"@>b\"@b.example>", "\"a\\\"@>b\"", "b.example", "", 0 },
        { "<\"\"@b.example>", "\"\"", "b.example", "", 0 },
        { "<a+b=c!d%e@b.example>", "a+b=c!d%e", "b.example", "", 0 },
        { "<a..b.@b.example>", "a..b.", "b.example", "", 0 },
        { "<a@b.example.>", "a", "b.example.", "", 0 },
        { "<a@localhost>", "a", "localhost", "", 0 },
        { "<a@[192.0.2.1]>", "a", "[192.0.2.1]", "", 0 },
        { "<a@[IPv6:2001:db8::1]>", "a", "[IPv6:2001:db8::1]", "", 0 },
        { "<j\xc3\xbcrgen@b.example>", "j\xc3\xbcrgen", "b.example", "", UTF8_OK },
        { "<a@m\xc3\xbcnchen.example>", "a", "m\xc3\xbcnchen.example", "", UTF8_OK },
        { "<\"\xe2\x82\xac\"@b.example>", "\"\xe2\x82\xac\"", "b.example", "", UTF8_OK },
        { "<\xf0\x9f\x93\xac@b.example>", "\xf0\x9f\x93\xac", "b.example", "", UTF8_OK },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str text = heap_copy(cases[i].text);
        struct str rest = text;
        struct address address;
        if (!address_cut_path(&rest, cases[i].flags, &address))
            fail_msg("refused: %s", cases[i].text);
        assert_str(address.local, cases[i].local);
        assert_str(address.domain, cases[i].domain);
        assert_str(rest, cases[i].rest);
        assert_int_equal(address.whole.len,
                         address.local.len + (address.domain.len > 0) + address.domain.len);
        free((void *)(uintptr_t)text.ptr);
    }
}

static void refuses_what_is_no_path(void **state)
{
    static const struct {
        const char *text;
        unsigned flags;
    } cases[] = {
        { "", 0 },
        { "", NULL_OK },
        { "<", 0 },
        { "<", NULL_OK },
        { ">", 0 },
        { "<>", 0 },
        { "<>", BARE_OK },
        { "< a@b.example>", 0 },
        { "<a@b.example >", 0 },
        { "<a@b.example", 0 },
        { "a@b.example>", 0 },
        { "<<a@b.example>>", 0 },
        { "<a>", 0 },
        { "<a>", BARE_OK },
        { "<postmaster>", 0 },
        { "<postmaster@>", BARE_OK },
        { "<@b.example>", 0 },
        { "<a@>", 0 },
        { "<a@@b.example>", 0 },
        { "<a@b@c.example>", 0 },
        { "<a@b..example>", 0 },
        { "<a@.example>", 0 },
        { "<a@-b.example>", 0 },
        { "<a@b.example-.x>", 0 },
        { "<a@192.0.2.1>", 0 },
        { "<a@[192.0.2]>", 0 },
        { "<a@[192.0.2.1>", 0 },
        { "<a@[]>", 0 },
        { "<a@[192.0.\xe3"
          "2.1]>",
          0 },
        { "<a@[\xc3\xbc]>", UTF8_OK },
        { "<a@[2001:db8::1]>", 0 },
        { "<a@[IPv6:192.0.2.1]>", 0 },
        { "<a@[IPv6:x]>", 0 },
        { "<\"a@b.example>", 0 },
        { "<\"a\"b@b.example>", 0 },
        { "<\"a\\", 0 },
        { "<\"a\\\x01\"@b.example>", 0 },
        { "<\"a\tb\"@b.example>", 0 },
        { "<a b@b.example>", 0 },
        { "<a(c)@b.example>", 0 },
        { "<a,b@b.example>", 0 },
        { "<@x.example>", 0 },
        { "<@x.example,a@b.example>", 0 },
        { "<@x.example:>", NULL_OK },
        { "<@:a@b.example>", 0 },
        { "<@x.example,:a@b.example>", 0 },
        { "<@x.example", 0 },
        { "<j\xc3\xbcrgen@b.example>", 0 },
        { "<a@m\xc3\xbcnchen.example>", 0 },
        { "<a\xc3@b.example>", UTF8_OK },             /* cut short */
        { "<a\xc0\xaf@b.example>", UTF8_OK },         /* longer than need be */
        { "<a\xed\xa0\x80@b.example>", UTF8_OK },     /* a surrogate */
        { "<a\xf4\x90\x80\x80@b.example>", UTF8_OK }, /* above U+10FFFF */
        { "<a\xff@b.example>", UTF8_OK },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str text = heap_copy(cases[i].text);
        struct str rest = text;
        struct address address = { .whole = STR("untouched") };
        if (address_cut_path(&rest, cases[i].flags, &address))
            fail_msg("accepted: %s", cases[i].text);
        assert_ptr_equal(rest.ptr, text.ptr);
        assert_str(address.whole, "untouched");
        free((void *)(uintptr_t)text.ptr);
    }
}

static void refuses_nul_bytes(void **state)
{
    static const char *const texts[] = { "<a\0b@c.example>", "<\"\0\"@c.example>",
                                         "<abc@b\0.exampl>" };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct str text = str_of(texts[i], 15);
        struct address address;
        assert_false(address_cut_path(&text, UTF8_OK, &address));
    }
}

/* An address of so many octets. */
static void fill_to(char *text, size_t size)
{
    static const char tail[] = "@b.example";
    memset(text, 'a', size);
    for (size_t i = 0; i < sizeof tail - 1; i++)
        text[size - sizeof tail + 1 + i] = tail[i];
}

static void ends_at_its_size_limit(void **state)
{
    char text[ADDRESS_SIZE_MAX + 2];
    struct address address;
    (void)state;

    fill_to(text, ADDRESS_SIZE_MAX);
    assert_true(address_parse(str_of(text, ADDRESS_SIZE_MAX), 0, &address));
    assert_true(address.local.len > ADDRESS_LOCAL_MAX); /* as VERP senders have it */
    fill_to(text, ADDRESS_SIZE_MAX + 1);
    assert_false(address_parse(str_of(text, ADDRESS_SIZE_MAX + 1), 0, &address));
}

static void parses_a_bare_mailbox_alone(void **state)
{
    struct address address;
    (void)state;

    assert_true(address_parse(STR("a@b.example"), 0, &address));
    assert_true(address_parse(STR_NONE, NULL_OK, &address));
    assert_int_equal(address.whole.len, 0);
    assert_false(address_parse(STR_NONE, 0, &address));
    assert_false(address_parse(STR("a@b.example "), 0, &address));
    assert_false(address_parse(STR("<a@b.example>"), 0, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_paths),
        cmocka_unit_test(refuses_what_is_no_path),
        cmocka_unit_test(refuses_nul_bytes),
        cmocka_unit_test(ends_at_its_size_limit),
        cmocka_unit_test(parses_a_bare_mailbox_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
