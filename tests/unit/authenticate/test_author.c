/* SPDX-License-Identifier: ISC */
/* test_author.c: whose domain stands in From, in all the ways in which people write it. */
#include "testing.h"

#include "authenticate/author.h"

static void expect(const char *header_text, enum author_state wanted, const char *wanted_domain)
{
    struct arena arena = { 0 };
    struct buf domain = { 0 };
    struct header header;

    header_parse(str_from(header_text), &arena, &header);
    enum author_state got = author_domain(&header, &domain);
    if (got != wanted ||
        (wanted == AUTHOR_FOUND && !str_equals(buf_str(&domain), str_from(wanted_domain))))
        fail_msg("%s: %d, %.*s", header_text, got, STR_FMT(buf_str(&domain)));
    buf_fini(&domain);
    arena_fini(&arena);
}

static void reads_one_domain(void **state)
{
    static const char *const text[] = {
        "From: user@example.com\r\n",
        "From: <user@example.com>\r\n",
        "from : A B <user@EXAMPLE.com.>\r\n",
        "FROM:\r\n \"A, B\" <user@example.com>\r\n",
        "From: \"user@evil.example\" <user@example.com>\r\n",
        "From: user@evil.example <user@example.com>\r\n",
        "From: (user@evil.example) user@example.com (comment (nested))\r\n",
        "From: \"odd@local\"@example.com\r\n",
        "From: A <@relay.example,@other.example:user@example.com>\r\n",
        "From: a@example.com, B <b@example.com>\r\n",
        "From: Friends: a@example.com, <b@example.com>;\r\n",
        "From: =?utf-8?q?a=40evil.example?= <user@example.com>\r\n",
        "From: user @ example . com\r\n",
        "Subject: x\r\nFrom: user@example.com\r\nTo: y@elsewhere.example\r\n",
        "From: \"unfinished\\\" <x@evil.example>\" <user@example.com>\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        expect(text[i], AUTHOR_FOUND, "example.com");
    expect("From: user@b\xc3\xbc"
           "cher.example\r\n",
           AUTHOR_FOUND, "xn--bcher-kva.example");
}

static void finds_none(void **state)
{
    static const char *const text[] = {
        "",
        "To: user@example.com\r\n",
        "From:\r\n",
        "From: user\r\n",
        "From: <>\r\n",
        "From: nobody:;\r\n",
        "From: user@\r\n",
        "From: user@[192.0.2.1]\r\n",
        "From: (user@example.com\r\n",
        "From: \"user@example.com\r\n",
        "From user@example.com Sat Nov 28 00:00:00 2026\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++)
        expect(text[i], AUTHOR_NONE, "");
}

static void vouches_for_no_two(void **state)
{
    (void)state;
    expect("From: a@example.com\r\nFrom: b@example.com\r\n", AUTHOR_SEVERAL, "");
    expect("From: a@example.com, b@evil.example\r\n", AUTHOR_SEVERAL, "");
    expect("From: <a@example.com> <b@evil.example>\r\n", AUTHOR_SEVERAL, "");
    expect("From: <a@example.com> <b@evil.example>, c@example.com\r\n", AUTHOR_SEVERAL, "");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_one_domain),
        cmocka_unit_test(finds_none),
        cmocka_unit_test(vouches_for_no_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
