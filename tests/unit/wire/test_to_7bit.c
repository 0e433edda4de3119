/* SPDX-License-Identifier: ISC */
/* test_to_7bit.c: what becomes of messages, each one taken whole and octet by octet. */
#include "testing.h"

#include <string.h>

#include "wire/mime_walk.h"
#include "wire/to_7bit.h"

static enum to_7bit_finding convert(struct str content, unsigned flags, size_t piece,
                                    struct buf *out)
{
    struct to_7bit *to = to_7bit_new(flags);

    for (size_t at = 0; at < content.len; at += piece)
        to_7bit_look(to, str_first(str_skip(content, at), piece));
    enum to_7bit_finding found = to_7bit_found(to);
    if (found == TO_7BIT_CONVERTS) {
        for (size_t at = 0; at < content.len; at += piece)
            to_7bit_add(to, str_first(str_skip(content, at), piece), out);
        to_7bit_add_end(to, out);
    }
    to_7bit_free(to);
    return found;
}

static void expect(const char *content, enum to_7bit_finding finding, const char *form)
{
    for (size_t piece = 1; piece < 1000; piece = piece * 7 + 1) {
        struct buf out = { 0 };
        assert_int_equal(convert(str_from(content), 0, piece, &out), finding);
        assert_buf(&out, form);
        buf_fini(&out);
    }
}

#define QP  "Content-Transfer-Encoding: quoted-printable\r\n"
#define B64 "Content-Transfer-Encoding: base64\r\n"
#define MIXED                                                                                      \
    "MIME-Version: 1.0\r\n"                                                                        \
    "Content-Type: multipart/mixed; (a comment) boundary=\"a b\"\r\n"

static void converts(void **state)
{
    static const struct {
        const char *content, *form;
    } cases[] = {
        /* nothing is said of it: RFC 1428 */
        { "A: b\r\n\r\nplain words and \xc3\xa4\r\n",
          "A: b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n" QP
          "\r\nplain words and =C3=A4\r\n" },
        /* blanks at the end, a dot, From, a break; the last line has no end */
        { "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"
          "content-transfer-encoding: 8BIT\r\n\r\n \r\n.\r\nFrom x\r\nmore \xc3\xa4",
          "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" QP
          "\r\n=20\r\n=2E\r\n=46rom x\r\nmore =C3=A4=\r\n" },
        /* parts that need nothing stay; the line end before a boundary is not theirs */
        { MIXED
          "Content-Transfer-Encoding: 8bit\r\n\r\nbefore\r\n--a b\r\n\r\n7 bits \r\n--a b  \r\n"
          "Content-Type: image/png\r\n\r\n\xff\xfe\r\n\r\n--a b--\r\nbehind\r\n",
          MIXED
          "Content-Transfer-Encoding: 7bit\r\n\r\nbefore\r\n--a b\r\n\r\n7 bits \r\n--a b  \r\n"
          "Content-Type: image/png\r\n" B64 "\r\n//4NCg==\r\n--a b--\r\nbehind\r\n" },
        /* a message within a part */
        { MIXED
          "\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nTo: x\r\n\r\nwords, words \xe4\r\n"
          "--a b--\r\n",
          MIXED "\r\n--a b\r\nContent-Type: message/rfc822\r\n\r\nTo: x\r\nMIME-Version: 1.0\r\n"
                "Content-Type: text/plain; charset=unknown-8bit\r\n" QP
                "\r\nwords, words =E4\r\n--a b--\r\n" },
        /* mostly high: base64 is shorter */
        { "MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\xd0\x9f\xd1\x80\r\n",
          "MIME-Version: 1.0\r\nContent-Type: text/html\r\n" B64 "\r\n0J/RgA0K\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].content, TO_7BIT_CONVERTS, cases[i].form);
}

static void leaves_alone(void **state)
{
    (void)state;
    expect("", TO_7BIT_IS_FINE, "");
    expect("A: b\r\nContent-Transfer-Encoding: 8bit\r\n\r\nno more than 7 bits\r\n",
           TO_7BIT_IS_FINE, "");
    expect("Content-Type: multipart/mixed; boundary=\r\n\r\nx", TO_7BIT_IS_FINE, "");
}

static void says_what_cannot_be(void **state)
{
    static const char *const cases[] = {
        "Subject: \xc3\xa4\r\n\r\nx\r\n",
        "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\n\xc3\xa4\r\n--a--\r\n",
        "Content-Type: message/partial; id=a\r\n\r\n\xc3\xa4\r\n",
        "Content-Type: text/plain\r\n" B64 "\r\n\xc3\xa4\r\n",
        "Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\n\xc3\xa4\r\n",
        "Content-Type: multipart/mixed; boundary=a\r\n" B64 "\r\n--a\r\n\r\n\xc3\xa4\r\n--a--\r\n",
        "Content-Type: multipart/mixed\r\n\r\n\xc3\xa4\r\n",
        MIXED "\r\n\xc3\xa4\r\n--a b\r\n\r\nx\r\n--a b--\r\n",
        MIXED "\r\n--a b\r\nX: \xc3\xa4\r\n--a b--\r\n",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i], TO_7BIT_IMPOSSIBLE, "");
}

static void is_bounded(void **state)
{
    struct buf deep = { 0 }, out = { 0 };
    (void)state;
    for (int i = 0; i <= MIME_DEPTH_MAX; i++)
        buf_add_format(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    assert_int_equal(convert(buf_str(&deep), 0, 100, &out), TO_7BIT_IS_FINE);
    buf_add(&deep, STR("\r\n\xff\r\n"));
    assert_int_equal(convert(buf_str(&deep), 0, 100, &out), TO_7BIT_IMPOSSIBLE);
    buf_fini(&deep);
    buf_fini(&out);
}

/* BINARYMIME */
static void takes_octets_without_lines(void **state)
{
    static const char content[] = "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
                                  "Content-Transfer-Encoding: binary\r\n\r\na\nb\0";
    struct buf out = { 0 };
    (void)state;
    assert_int_equal(convert(str_of(content, sizeof content - 1), TO_7BIT_HAS_OCTETS, 5, &out),
                     TO_7BIT_CONVERTS);
    assert_buf(&out, "MIME-Version: 1.0\r\nContent-Type: text/plain\r\n" B64 "\r\nYQpiAA==\r\n");
    buf_fini(&out);
    assert_int_equal(convert(str_of(content, sizeof content - 1), false, 5, &out), TO_7BIT_IS_FINE);
}

/* For a server with 8BITMIME: words in UTF-8 stay, in headers, too; what is no line is encoded, and
 * nothing is called binary any more. */
static void keeps_high_octets_for_who_takes_them(void **state)
{
    static const struct {
        const char *content;
        enum to_7bit_finding found;
        const char *form;
    } cases[] = {
        { "Subject: \xc3\xa4\r\n" MIXED "Content-Transfer-Encoding: binary\r\n\r\n--a b\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: binary\r\n\r\n"
          "\xc3\xa4\r\n--a b\r\nContent-Type: application/x; name=\xc3\xa4\r\n"
          "Content-Transfer-Encoding: binary\r\n\r\n\xff\n\r\n--a b--\r\n",
          TO_7BIT_CONVERTS,
          "Subject: \xc3\xa4\r\n" MIXED "Content-Transfer-Encoding: 8bit\r\n\r\n--a b\r\n"
          "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
          "\xc3\xa4\r\n--a b\r\nContent-Type: application/x; name=\xc3\xa4\r\n" B64
          "\r\n/wo=\r\n--a b--\r\n" },
        { "Subject: \xc3\xa4\r\nContent-Transfer-Encoding: binary\r\n\r\n\xc3\xa4\r\n",
          TO_7BIT_IS_FINE, "" },
        { "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\n\xc3\xa4\r\n--a--\r\n",
          TO_7BIT_IS_FINE, "" },
        { "Content-Type: multipart/signed; boundary=a\r\n\r\n--a\r\n\r\na\n\r\n--a--\r\n",
          TO_7BIT_IMPOSSIBLE, "" },
        { "Subject: \xc3\xa4\n\r\nx\r\n", TO_7BIT_IMPOSSIBLE, "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t piece = 1; piece < 500; piece = piece * 5 + 1) {
            struct buf out = { 0 };
            assert_int_equal(convert(str_from(cases[i].content),
                                     TO_7BIT_HAS_OCTETS | TO_7BIT_TAKES_HIGH, piece, &out),
                             cases[i].found);
            assert_buf(&out, cases[i].form);
            buf_fini(&out);
        }
}

/* A line end behind them would be two octets more. */
static void keeps_how_octets_end(void **state)
{
    static const char head[] = "MIME-Version: 1.0\r\nContent-Type: application/x\r\n"
                               "Content-Transfer-Encoding: binary\r\n\r\n";
    static const struct {
        const char *octets;
        enum to_7bit_finding binary;
    } cases[] = {
        { "{}", TO_7BIT_CONVERTS },
        { "{}\r\n", TO_7BIT_IS_FINE },
        { "a\r\n{}", TO_7BIT_CONVERTS },
        { "", TO_7BIT_IS_FINE },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (size_t piece = 1; piece < 200; piece = piece * 5 + 1) {
            struct buf content = { 0 }, out = { 0 };
            buf_add_format(&content, "%s%s", head, cases[i].octets);
            assert_int_equal(convert(buf_str(&content), TO_7BIT_HAS_OCTETS, piece, &out),
                             cases[i].binary);
            assert_int_equal(convert(buf_str(&content), 0, piece, &out), TO_7BIT_IS_FINE);
            buf_fini(&content);
            buf_fini(&out);
        }
    struct buf out = { 0 };
    const struct str part = STR(MIXED "\r\n--a b\r\nContent-Type: image/x\r\n\r\nx\r\n--a b--");
    assert_int_equal(convert(part, TO_7BIT_HAS_OCTETS, 3, &out), TO_7BIT_IS_FINE);
    buf_fini(&out);
}

/* A server that takes lines alone could see the end of the message, and commands behind it. */
static void what_is_no_line_goes_nowhere_as_it_is(void **state)
{
    static const char *const rough[] = {
        "A: b\n\r\nx\r\n",
        "A: b\r\r\n\r\nx\r\n",
        MIXED "\r\nx\n.\r\nQUIT\r\n--a b\r\n\r\nx\r\n--a b--\r\n",
        MIXED "\r\n--a b\r\n\r\nx\r\n--a b--\r\n\n.\n",
        MIXED "\r\n--a b\r\nA: b\n.\nc: d\r\n\r\nx\r\n--a b--\r\n",
    };
    struct buf deep = { 0 }, out = { 0 };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rough); i++)
        for (size_t piece = 1; piece < 100; piece = piece * 3 + 1) {
            assert_int_equal(convert(str_from(rough[i]), TO_7BIT_HAS_OCTETS, piece, &out),
                             TO_7BIT_IMPOSSIBLE);
            assert_int_equal(out.len, 0);
        }
    buf_add(&deep, STR("MIME-Version: 1.0\r\n"));
    for (int i = 0; i < 1000; i++)
        buf_add_format(&deep, "Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n", i, i);
    buf_add(&deep, STR("\r\nx\n.\n"));
    assert_int_equal(convert(buf_str(&deep), TO_7BIT_HAS_OCTETS, 7, &out), TO_7BIT_IMPOSSIBLE);
    buf_fini(&deep);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(converts),
        cmocka_unit_test(what_is_no_line_goes_nowhere_as_it_is),
        cmocka_unit_test(leaves_alone),
        cmocka_unit_test(says_what_cannot_be),
        cmocka_unit_test(is_bounded),
        cmocka_unit_test(takes_octets_without_lines),
        cmocka_unit_test(keeps_how_octets_end),
        cmocka_unit_test(keeps_high_octets_for_who_takes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
