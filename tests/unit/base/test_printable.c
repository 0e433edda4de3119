/* SPDX-License-Identifier: ISC */
/* test_printable.c: nothing of a stranger's text acts on the terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/printable.h"

static void assert_text(struct buf *buf, const char *expected)
{
    buf_add_byte(buf, '\0');
    assert_string_equal(buf->ptr, expected);
    buf_fini(buf);
}

static void shows_text_and_hides_control(void **state)
{
    static const struct {
        const char *text, *shown;
    } cases[] = {
        { "plain text", "plain text" },
        { "Grüße 日本 😀", "Grüße 日本 😀" },
        { "\x1b[31mred", "\\x1b[31mred" },
        { "a\r\nb\x7f", "a\\x0d\\x0ab\\x7f" },
        { "back\\slash", "back\\\\slash" },
        { "\xc2\x9b", "\\xc2\\x9b" },          /* CSI as one character */
        { "\xe2\x80\xae", "\\xe2\\x80\\xae" }, /* right-to-left override */
        { "\xff\xc0\xaf", "\\xff\\xc0\\xaf" }, /* never in UTF-8; overlong */
        { "\xe2\x82", "\\xe2\\x82" },          /* cut */
        { "\xed\xa0\x80", "\\xed\\xa0\\x80" }, /* surrogate */
        { "\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80" },
        { "\xe0\x80\xaf", "\\xe0\\x80\\xaf" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf shown = { 0 };
        printable_add(&shown, str_from(cases[i].text));
        assert_text(&shown, cases[i].shown);
    }
}

static void cuts_a_long_quotation_between_characters(void **state)
{
    struct buf text = { 0 };
    struct buf shown = { 0 };
    (void)state;
    for (int i = 0; i < 59; i++)
        buf_add_byte(&text, 'x');
    buf_add(&text, STR("ü and more"));
    printable_add_quoted(&shown, buf_str(&text));
    assert_text(&shown, "\"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx…\"");
    buf_fini(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_text_and_hides_control),
        cmocka_unit_test(cuts_a_long_quotation_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
