/* SPDX-License-Identifier: ISC */
/* base64.c: see base64.h. */
#include "base/base64.h"

enum { LINE_OCTETS = 57 }; /* they make 76 characters (RFC 2045 6.8) */

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";

enum { PADDING = 64 }; /* the place of = */

void base64_add(struct buf *out, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t group = (uint32_t)(uint8_t)bytes.ptr[i] << 16;
        group |= left > 1 ? (uint32_t)(uint8_t)bytes.ptr[i + 1] << 8 : 0;
        group |= left > 2 ? (uint32_t)(uint8_t)bytes.ptr[i + 2] : 0;
        buf_add_byte(out, digits[group >> 18]);
        buf_add_byte(out, digits[group >> 12 & 63]);
        buf_add_byte(out, digits[left > 1 ? group >> 6 & 63 : PADDING]);
        buf_add_byte(out, digits[left > 2 ? group & 63 : PADDING]);
    }
}

/* Four digits to three bytes; fewer where padding stands. */
static bool add_group(struct buf *out, const char *text, size_t padding)
{
    uint32_t group = 0;

    for (size_t i = 0; i < 4; i++) {
        ptrdiff_t digit = i < 4 - padding ? str_find(str_of(digits, PADDING), text[i]) : 0;
        if (digit < 0)
            return false;
        group = group << 6 | (uint32_t)digit;
    }
    if ((group & ((1u << (8 * padding)) - 1)) != 0) /* bits that nobody sent */
        return false;
    for (size_t i = 0; i < 3 - padding; i++)
        buf_add_byte(out, (char)(group >> (16 - 8 * i) & 0xff));
    return true;
}

bool base64_decode(struct buf *out, struct str text)
{
    size_t before = out->len;

    if (text.len % 4 != 0)
        return false;
    for (size_t i = 0; i < text.len; i += 4) {
        bool is_last = i + 4 == text.len;
        size_t padding = !is_last || text.ptr[i + 3] != '=' ? 0 : text.ptr[i + 2] == '=' ? 2 : 1;
        if (!add_group(out, text.ptr + i, padding)) {
            out->len = before;
            return false;
        }
    }
    return true;
}

void base64_add_lines(struct buf *out, struct str bytes)
{
    for (; bytes.len > 0; bytes = str_skip(bytes, LINE_OCTETS)) {
        base64_add(out, str_first(bytes, LINE_OCTETS));
        buf_add(out, STR("\r\n"));
    }
}
