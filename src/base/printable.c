/* SPDX-License-Identifier: ISC */
/* printable.c: see printable.h. */
#include "base/printable.h"

enum { QUOTED_MAX = 60 };

/* Lead byte's range, what it contributes, length, and the least number this length may carry. */
static const struct {
    uint8_t from, to, mask, len;
    uint32_t least;
} leads[] = {
    { 0x00, 0x7f, 0x7f, 1, 0x0 },
    { 0xc2, 0xdf, 0x1f, 2, 0x80 },
    { 0xe0, 0xef, 0x0f, 3, 0x800 },
    { 0xf0, 0xf4, 0x07, 4, 0x10000 },
};

/* What is well-formed but shows nothing or turns what follows around. */
static const struct {
    uint32_t from, to;
} hidden[] = {
    { 0x00, 0x1f },     { 0x7f, 0x9f },     { 0x200b, 0x200f },
    { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xfeff, 0xfeff },
};

static bool decode(struct str text, size_t len, uint32_t *code)
{
    if (text.len < len)
        return false;
    for (size_t i = 1; i < len; i++) {
        uint8_t byte = (uint8_t)text.ptr[i];
        if ((byte & 0xc0) != 0x80)
            return false;
        *code = *code << 6 | (byte & 0x3f);
    }
    return true;
}

size_t printable_utf8(struct str text, uint32_t *out_code)
{
    if (text.len == 0)
        return 0;
    uint8_t first = (uint8_t)text.ptr[0];
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        if (first < leads[i].from || first > leads[i].to)
            continue;
        uint32_t code = first & leads[i].mask;
        if (!decode(text, leads[i].len, &code) || code < leads[i].least || code > 0x10ffff ||
            (code >= 0xd800 && code <= 0xdfff))
            return 0;
        *out_code = code;
        return leads[i].len;
    }
    return 0;
}

static bool is_shown(uint32_t code)
{
    for (size_t i = 0; i < sizeof hidden / sizeof *hidden; i++)
        if (code >= hidden[i].from && code <= hidden[i].to)
            return false;
    return true;
}

void printable_add(struct buf *out, struct str text)
{
    while (text.len > 0) {
        uint32_t code = 0;
        size_t len = printable_utf8(text, &code);

        if (len == 0 || !is_shown(code)) {
            len = len > 0 ? len : 1;
            for (size_t i = 0; i < len; i++)
                buf_add_format(out, "\\x%02x", (unsigned)(uint8_t)text.ptr[i]);
        } else if (code == '\\') {
            buf_add(out, STR("\\\\"));
        } else {
            buf_add(out, str_first(text, len));
        }
        text = str_skip(text, len);
    }
}

void printable_add_quoted(struct buf *out, struct str text)
{
    size_t shown = text.len;

    if (shown > QUOTED_MAX) { /* not within a character */
        shown = QUOTED_MAX;
        while (shown > QUOTED_MAX - 4 && ((uint8_t)text.ptr[shown] & 0xc0) == 0x80)
            shown--;
    }
    buf_add_byte(out, '"');
    printable_add(out, str_first(text, shown));
    buf_add(out, shown < text.len ? STR("…\"") : STR("\""));
}
