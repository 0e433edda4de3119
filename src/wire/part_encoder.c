/* SPDX-License-Identifier: ISC */
/* part_encoder.c: see part_encoder.h. */
#include "wire/part_encoder.h"

#include <string.h>

#include "base/base64.h"

enum { LINE_MAX_LEN = 76, QUOTED_LEN = 3 };

void part_encoder_begin(struct part_encoder *encoder, enum part_encoding encoding)
{
    *encoder = (struct part_encoder){ .encoding = encoding };
}

/* ---- quoted-printable ---- */

static void put(struct part_encoder *encoder, char c, bool is_quoted, struct buf *out)
{
    size_t len = is_quoted ? QUOTED_LEN : 1;

    if (encoder->column + len > LINE_MAX_LEN - 1) { /* the "=" of the break wants room, too */
        buf_add(out, STR("=\r\n"));
        encoder->column = 0;
    }
    if (is_quoted)
        buf_add_format(out, "=%02X", (unsigned)(uint8_t)c);
    else
        buf_add_byte(out, c);
    encoder->column += len;
}

/* A line that looks like "From ", a lone dot or a boundary means something to somebody. */
static bool must_quote(const struct part_encoder *encoder, char c)
{
    bool may_begin = encoder->column == 0 || encoder->column == LINE_MAX_LEN - 1;

    return c < ' ' || c >= 0x7f || c == '=' || (may_begin && (c == '.' || c == 'F' || c == '-'));
}

static void put_blank(struct part_encoder *encoder, bool ends_line, struct buf *out)
{
    if (encoder->blank != '\0')
        put(encoder, encoder->blank, ends_line, out);
    encoder->blank = '\0';
}

static void add_quoted(struct part_encoder *encoder, struct str octets, struct buf *out)
{
    for (size_t i = 0; i < octets.len; i++) {
        char c = octets.ptr[i];
        put_blank(encoder, false, out);
        if (c == ' ' || c == '\t')
            encoder->blank = c;
        else
            put(encoder, c, must_quote(encoder, c), out);
    }
}

/* ---- base64 ---- */

static void put_block(struct part_encoder *encoder, struct buf *out)
{
    if (encoder->block_len == 0)
        return;
    if (encoder->has_line)
        buf_add(out, STR("\r\n"));
    base64_add(out, str_of(encoder->block, encoder->block_len));
    encoder->has_line = true;
    encoder->block_len = 0;
}

static void add_base64(struct part_encoder *encoder, struct str octets, struct buf *out)
{
    while (octets.len > 0) {
        struct str part = str_first(octets, PART_BLOCK - encoder->block_len);
        memcpy(encoder->block + encoder->block_len, part.ptr, part.len);
        encoder->block_len += part.len;
        octets = str_skip(octets, part.len);
        if (encoder->block_len == PART_BLOCK)
            put_block(encoder, out);
    }
}

/* ---- each ---- */

void part_encoder_add(struct part_encoder *encoder, struct str octets, struct buf *out)
{
    switch (encoder->encoding) {
    case PART_AS_IT_IS:
        buf_add(out, octets);
        return;
    case PART_QUOTED_PRINTABLE:
        add_quoted(encoder, octets, out);
        return;
    case PART_BASE64:
        add_base64(encoder, octets, out);
        return;
    }
}

void part_encoder_add_line_end(struct part_encoder *encoder, struct buf *out)
{
    if (encoder->encoding == PART_BASE64) {
        add_base64(encoder, STR("\r\n"), out);
        return;
    }
    put_blank(encoder, true, out);
    buf_add(out, STR("\r\n"));
    encoder->column = 0;
}

void part_encoder_end(struct part_encoder *encoder, struct buf *out)
{
    put_blank(encoder, true, out);
    put_block(encoder, out);
    encoder->encoding = PART_AS_IT_IS;
}

void part_encoder_finish(struct part_encoder *encoder, struct buf *out)
{
    enum part_encoding encoding = encoder->encoding;

    part_encoder_end(encoder, out);
    if (encoding == PART_QUOTED_PRINTABLE && encoder->column > 0)
        buf_add(out, STR("=\r\n"));
    if (encoding == PART_BASE64 && encoder->has_line)
        buf_add(out, STR("\r\n"));
}
