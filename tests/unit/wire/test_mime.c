/* SPDX-License-Identifier: ISC */
/* test_mime.c: any text becomes lines that may travel. */
#include "testing.h"

#include <string.h>

#include "wire/encoded_word.h"
#include "wire/mime.h"

static struct str filled(char *room, size_t size, char with)
{
    memset(room, with, size);
    return str_of(room, size);
}

static void chooses_the_plainest_encoding(void **state)
{
    static char room[4000];
    static const struct {
        const char *text;
        enum mime_encoding strict, loose;
    } cases[] = {
        { "", MIME_7BIT, MIME_7BIT },
        { "Hello\r\n", MIME_7BIT, MIME_7BIT },
        { "Gr\xc3\xbc\xc3\x9f"
          "e und noch viel mehr Text dahinter\r\n",
          MIME_QUOTED_PRINTABLE, MIME_8BIT },
        { "\xd0\x9f\xd1\x80\xd0\xb8\r\n", MIME_BASE64, MIME_8BIT },
        { "a\nb", MIME_QUOTED_PRINTABLE, MIME_QUOTED_PRINTABLE },
        { "a\rb", MIME_QUOTED_PRINTABLE, MIME_QUOTED_PRINTABLE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct str text = str_from(cases[i].text);
        assert_int_equal(mime_encoding_for(mime_look_at(text), text.len, false), cases[i].strict);
        assert_int_equal(mime_encoding_for(mime_look_at(text), text.len, true), cases[i].loose);
    }
    struct str line = filled(room, MIME_LINE_MAX, 'x');
    assert_int_equal(mime_encoding_for(mime_look_at(line), line.len, false), MIME_7BIT);
    line = filled(room, MIME_LINE_MAX + 1, 'x');
    assert_int_equal(mime_encoding_for(mime_look_at(line), line.len, true), MIME_QUOTED_PRINTABLE);
    assert_true(mime_look_at(str_of("\0", 1)).has_controls);
    assert_false(mime_look_at(STR("\xff")).is_utf8);
}

static void quotes_what_does_not_travel(void **state)
{
    static const struct {
        const char *text, *quoted;
    } cases[] = {
        { "", "" },
        { "a\r\n", "a\r\n" },
        { "a", "a=\r\n" },
        { "a=b\r\n", "a=3Db\r\n" },
        { "a \r\n \r\n", "a=20\r\n=20\r\n" },
        { "a b\t\r\n", "a b=09\r\n" },
        { ".\r\n", "=2E\r\n" },
        { "From x\r\n", "=46rom x\r\n" },
        { "--b\r\n", "=2D-b\r\n" },
        { "\xc3\xa4\r\n", "=C3=A4\r\n" },
        { "a\rb\nc\r\n", "a=0Db=0Ac\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        mime_add_encoded(&out, MIME_QUOTED_PRINTABLE, str_from(cases[i].text));
        assert_buf(&out, cases[i].quoted);
        buf_fini(&out);
    }
}

static void keeps_lines_short(void **state)
{
    static char room[3000];
    static const enum mime_encoding encodings[] = { MIME_QUOTED_PRINTABLE, MIME_BASE64 };

    (void)state;
    for (size_t i = 0; i < 2; i++)
        for (int with = 0; with < 256; with++) {
            struct buf out = { 0 };
            mime_add_encoded(&out, encodings[i], filled(room, sizeof room, (char)with));
            struct mime_look look = mime_look_at(buf_str(&out));
            if (look.line_max > 76 || look.high > 0 || look.has_controls)
                fail_msg("%d", with);
            buf_fini(&out);
        }
}

static void cleans_lines(void **state)
{
    static const struct {
        const char *text, *lines, *line;
    } cases[] = {
        { "", "", "" },
        { "a", "a\r\n", "a" },
        { "a\nb\rc\r\nd", "a\r\nb\r\nc\r\nd\r\n", "a b c d" },
        { "a\tb", "a\tb\r\n", "a b" },
        { "\x1b[31m\x01", "?[31m?\r\n", "?[31m?" },
        { "\xff\xc3", "??\r\n", "??" },
        { "gr\xc3\xbcn", "gr\xc3\xbcn\r\n", "gr\xc3\xbcn" },
        { "a\xe2\x80\xae"
          "b\xe2\x80\xa8"
          "c",
          "a?b?c\r\n", "a?b?c" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        mime_add_clean_lines(&out, str_from(cases[i].text));
        assert_buf(&out, cases[i].lines);
        buf_reset(&out);
        mime_add_clean_line(&out, str_from(cases[i].text), 100);
        assert_buf(&out, cases[i].line);
        buf_fini(&out);
    }
}

static void cuts_a_line_between_characters(void **state)
{
    static const char *const cut[] = { "…", "…", "ä…", "ä…", "ää…", "ääää", "ääää" };
    struct buf out = { 0 };

    (void)state;
    for (size_t max = 3; max < 10; max++) {
        buf_reset(&out);
        mime_add_clean_line(&out, STR("ääää"), max);
        assert_buf(&out, cut[max - 3]);
        assert_true(out.len <= max);
    }
    buf_fini(&out);
}

static void folds_at_spaces(void **state)
{
    static char word[400];
    struct buf line = { 0 };
    struct buf out = { 0 };

    (void)state;
    for (int i = 0; i < 100; i++)
        buf_add(&line, STR("word  word "));
    mime_add_folded(&out, str_trim(buf_str(&line)), 20);
    struct mime_look look = mime_look_at(buf_str(&out));
    assert_true(look.line_max <= 76 && !look.has_controls);
    struct buf joined = { 0 };
    struct str rest = buf_str(&out);
    struct str piece;
    while (str_cut(&rest, '\n', &piece)) {
        if (rest.ptr != NULL)
            piece.len--; /* the CR */
        assert_true(str_trim(piece).len > 0);
        buf_add(&joined, piece);
    }
    assert_str(buf_str(&joined), str_trim(buf_str(&line)));
    buf_reset(&out);
    mime_add_folded(&out, filled(word, sizeof word, 'x'), 20);
    assert_int_equal(out.len, sizeof word); /* there is no place to fold it */
    buf_fini(&line);
    buf_fini(&out);
    buf_fini(&joined);
}

static void encodes_and_decodes_words(void **state)
{
    static const struct {
        const char *text, *field;
    } cases[] = {
        { "", "" },
        { "Plain: it is, (really)", "Plain: it is, (really)" },
        { "Gr\xc3\xbc\xc3\x9f"
          "e",
          "=?utf-8?B?R3LDvMOfZQ==?=" },
        { "=?utf-8?B?x", "=?utf-8?B?PT91dGYtOD9CP3g=?=" },
    };
    struct buf out = { 0 };
    struct buf back = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        buf_reset(&out);
        mime_add_words(&out, str_from(cases[i].text));
        assert_buf(&out, cases[i].field);
        buf_reset(&back);
        encoded_word_decode(&back, buf_str(&out));
        assert_buf(&back, cases[i].text);
    }
    struct str text = STR("Ein langer Betreff, in dem manches steht: "
                          "Äpfel, Übermut, Öl, Straße und noch einmal Äpfel, Übermut, Öl, Straße");
    buf_reset(&out);
    mime_add_words(&out, text);
    assert_true(mime_look_at(buf_str(&out)).line_max <= 76 - 9);
    buf_reset(&back);
    encoded_word_decode(&back, buf_str(&out));
    assert_str(buf_str(&back), text);
    buf_reset(&out);
    mime_add_phrase(&out, STR("Mail, Inc."));
    assert_buf(&out, "=?utf-8?B?TWFpbCwgSW5jLg==?=");
    buf_fini(&out);
    buf_fini(&back);
}

static void decodes_what_others_encode(void **state)
{
    static const struct {
        const char *value, *text;
    } cases[] = {
        { " =?iso-8859-1?Q?Gr=FC=DFe_aus?=\r\n =?ISO-8859-1?q?_K=F6ln?= (x)\r\n",
          " Gr\xc3\xbc\xc3\x9f"
          "e aus K\xc3\xb6ln (x)" },
        { "a\r\n b", "a b" },
        { "=?utf-8*de?Q?a?= b", "a b" },
        { "=?koi8-r?B?8NLJ?=", "=?koi8-r?B?8NLJ?=" },
        { "=?utf-8?B?!?= =?utf-8?X?a?= =? =?= =?a?b", "=?utf-8?B?!?= =?utf-8?X?a?= =? =?= =?a?b" },
        { "=?utf-8?Q?a=0D=0AX:=?=", "a\r\nX:=" }, /* whoever shows it cleans it */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = { 0 };
        encoded_word_decode(&out, str_from(cases[i].value));
        assert_buf(&out, cases[i].text);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chooses_the_plainest_encoding),
        cmocka_unit_test(quotes_what_does_not_travel),
        cmocka_unit_test(keeps_lines_short),
        cmocka_unit_test(cleans_lines),
        cmocka_unit_test(cuts_a_line_between_characters),
        cmocka_unit_test(folds_at_spaces),
        cmocka_unit_test(encodes_and_decodes_words),
        cmocka_unit_test(decodes_what_others_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
