/* SPDX-License-Identifier: ISC */
/* xtext.c: see xtext.h. */
#include "wire/xtext.h"

#include "base/printable.h"

enum {
    REPLACEMENT = 0xfffd, /* stands for what is no character */
    POINT_DIGITS_MAX = 6, /* 10FFFF */
    LAST_CONTROL = 0x9f,  /* of the second row of controls, which begins at 0x7f */
    FIRST_SURROGATE = 0xd800,
    LAST_SURROGATE = 0xdfff,
    LAST_POINT = 0x10ffff,
};

/* xchar and QCHAR are the same but for the backslash. */
static bool is_xchar(char c)
{
    return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

/* -1: no digit. RFC 3461 wants capitals; small letters are seen. */
static int hex_value(char c)
{
    if (ascii_is_digit(c))
        return c - '0';
    return ascii_is_hex(c) ? ascii_lower(c) - 'a' + 10 : -1;
}

void xtext_add(struct buf *out, struct str octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        if (is_xchar(octets.ptr[i]))
            buf_add_byte(out, octets.ptr[i]);
        else
            buf_add_format(out, "+%02X", (unsigned)(uint8_t)octets.ptr[i]);
    }
}

/* One octet at the front of *text, which is left behind it. */
static bool cut_octet(struct str *text, char *out_octet)
{
    if (is_xchar(text->ptr[0])) {
        *out_octet = text->ptr[0];
        *text = str_skip(*text, 1);
        return true;
    }
    if (text->ptr[0] != '+' || text->len < 3)
        return false;
    int high = hex_value(text->ptr[1]);
    int low = hex_value(text->ptr[2]);
    if (high < 0 || low < 0)
        return false;
    *out_octet = (char)(uint8_t)(16 * high + low);
    *text = str_skip(*text, 3);
    return true;
}

bool xtext_decode(struct buf *out, struct str text)
{
    size_t before = out->len;

    while (text.len > 0) {
        char octet = '\0';
        if (!cut_octet(&text, &octet)) {
            out->len = before;
            return false;
        }
        buf_add_byte(out, octet);
    }
    return true;
}

void unitext_add(struct buf *out, struct str utf8)
{
    while (utf8.len > 0) {
        uint32_t point = REPLACEMENT;
        size_t size = printable_utf8(utf8, &point);
        if (size == 1 && is_xchar(utf8.ptr[0]) && utf8.ptr[0] != '\\')
            buf_add_byte(out, utf8.ptr[0]);
        else
            buf_add_format(out, "\\x{%02X}", (unsigned)point);
        utf8 = str_skip(utf8, size > 0 ? size : 1);
    }
}

static bool is_printable(uint32_t point)
{
    return point >= ' ' && (point < 0x7f || point > LAST_CONTROL) && point <= LAST_POINT &&
           (point < FIRST_SURROGATE || point > LAST_SURROGATE);
}

static void add_utf8(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_add_byte(out, (char)point);
        return;
    }
    int more = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3; /* octets behind the first */
    static const uint8_t lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    buf_add_byte(out, (char)(uint8_t)(lead[more] | point >> (6 * more)));
    while (more-- > 0)
        buf_add_byte(out, (char)(uint8_t)(0x80 | (point >> (6 * more) & 0x3f)));
}

/* "\x{HEX}" at the front of *text, which is left behind it. */
static bool cut_escape(struct str *text, uint32_t *out_point)
{
    struct str rest = str_skip(*text, 3);
    ptrdiff_t end = str_find(rest, '}');

    if (!str_starts(*text, STR("\\x{")) || end < 1 || end > POINT_DIGITS_MAX)
        return false;
    *out_point = 0;
    for (ptrdiff_t i = 0; i < end; i++) {
        int digit = hex_value(rest.ptr[i]);
        if (digit < 0)
            return false;
        *out_point = *out_point << 4 | (uint32_t)digit;
    }
    *text = str_skip(rest, (size_t)end + 1);
    return true;
}

static bool cut_point(struct str *text, uint32_t *out_point)
{
    if (text->ptr[0] == '\\')
        return cut_escape(text, out_point);
    size_t size = printable_utf8(*text, out_point);
    if (size == 0 || (size == 1 && !is_xchar(text->ptr[0])))
        return false;
    *text = str_skip(*text, size);
    return true;
}

bool unitext_decode(struct buf *out, struct str text)
{
    size_t before = out->len;

    while (text.len > 0) {
        uint32_t point = 0;
        if (!cut_point(&text, &point) || !is_printable(point)) {
            out->len = before;
            return false;
        }
        add_utf8(out, point);
    }
    return true;
}
