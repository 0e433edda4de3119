/* SPDX-License-Identifier: ISC */
/* mime.c: see mime.h. */
#include "wire/mime.h"

#include "base/base64.h"
#include "base/check.h"
#include "base/printable.h"

enum {
    LINE_WANTED = 76,  /* of what we encode (RFC 2045 6.7, 6.8; RFC 2047 2) */
    LINE_BASE64 = 57,  /* octets that make 76 characters */
    WORD_OCTETS = 39,  /* of a text in one encoded word: 52 characters and 12 around them */
    NAME_MAX_LEN = 12, /* of a field with its colon and the space behind */
    DENSE = 6,         /* from one in so many on, what is quoted makes base64 the shorter */
    ELLIPSIS = 3,      /* octets of "…" */
};

/* ---- looking ---- */

static bool is_well_formed(struct str text)
{
    while (text.len > 0) {
        uint32_t point;
        size_t size = printable_utf8(text, &point);
        if (size == 0)
            return false;
        text = str_skip(text, size);
    }
    return true;
}

static bool is_line_end(struct str text, size_t at)
{
    return text.ptr[at] == '\r' && at + 1 < text.len && text.ptr[at + 1] == '\n';
}

struct mime_look mime_look_at(struct str text)
{
    struct mime_look look = { .is_utf8 = is_well_formed(text) };
    size_t line = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_line_end(text, i)) {
            line = 0;
            i++;
            continue;
        }
        look.line_max = ++line > look.line_max ? line : look.line_max;
        look.high += (unsigned char)c >= 0x80 ? 1 : 0;
        look.has_controls |= c == '\0' || c == '\r' || c == '\n';
    }
    return look;
}

const char *mime_encoding_name(enum mime_encoding encoding)
{
    static const char *const name[] = { "7bit", "8bit", "quoted-printable", "base64" };
    return name[encoding];
}

enum mime_encoding mime_encoding_for(struct mime_look look, size_t len, bool may_be_8bit)
{
    bool fits = look.line_max <= MIME_LINE_MAX && !look.has_controls;

    if (fits && look.high == 0)
        return MIME_7BIT;
    if (fits && may_be_8bit)
        return MIME_8BIT;
    return look.high > len / DENSE ? MIME_BASE64 : MIME_QUOTED_PRINTABLE;
}

/* ---- encoding ---- */

static void add_base64_lines(struct buf *out, struct str text)
{
    for (; text.len > 0; text = str_skip(text, LINE_BASE64)) {
        base64_add(out, str_first(text, LINE_BASE64));
        buf_add(out, STR("\r\n"));
    }
}

/* White space at the end of a line gets lost on the way, and "From " at its front a ">". */
static bool is_quoted(struct str text, size_t at, size_t column)
{
    char c = text.ptr[at];

    if (c == ' ' || c == '\t')
        return at + 1 == text.len || is_line_end(text, at + 1);
    if (column == 0 && (c == '.' || c == 'F' || c == '-'))
        return true;
    return c < ' ' || c >= 0x7f || c == '=';
}

static void add_quoted_printable(struct buf *out, struct str text)
{
    size_t column = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (is_line_end(text, i)) {
            buf_add(out, STR("\r\n"));
            column = 0;
            i++;
            continue;
        }
        if (column > LINE_WANTED - 4) { /* room for one more in three, and the "=" of the break */
            buf_add(out, STR("=\r\n"));
            column = 0;
        }
        size_t before = out->len;
        if (is_quoted(text, i, column))
            buf_add_format(out, "=%02X", (unsigned)(uint8_t)text.ptr[i]);
        else
            buf_add_byte(out, text.ptr[i]);
        column += out->len - before;
    }
    if (column > 0)
        buf_add(out, STR("=\r\n"));
}

void mime_add_encoded(struct buf *out, enum mime_encoding encoding, struct str text)
{
    switch (encoding) {
    case MIME_7BIT:
    case MIME_8BIT:
        buf_add(out, text);
        return;
    case MIME_QUOTED_PRINTABLE:
        add_quoted_printable(out, text);
        return;
    case MIME_BASE64:
        add_base64_lines(out, text);
        return;
    }
}

/* ---- cleaning ---- */

/* What orders the text behind it otherwise, and line ends that only Unicode knows. */
static bool is_treacherous(uint32_t point)
{
    return (point >= 0x7f && point <= 0x9f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069) || point == 0xfeff;
}

/* One character at the front of *text that is no line end, as it may be shown. */
static struct str cut_clean(struct str *text)
{
    uint32_t point;
    size_t size = printable_utf8(*text, &point);
    struct str shown = str_first(*text, size);

    *text = str_skip(*text, size > 0 ? size : 1);
    if (size == 0 || is_treacherous(point) || (point < ' ' && point != '\t'))
        return STR("?");
    return shown;
}

/* CRLF, CR or LF at the front. */
static bool cut_line_end(struct str *text)
{
    if (text->ptr[0] != '\r' && text->ptr[0] != '\n')
        return false;
    *text = str_skip(*text, is_line_end(*text, 0) ? 2 : 1);
    return true;
}

void mime_add_clean_lines(struct buf *out, struct str text)
{
    bool in_line = false;

    while (text.len > 0) {
        bool ends = cut_line_end(&text);
        buf_add(out, ends ? STR("\r\n") : cut_clean(&text));
        in_line = !ends;
    }
    if (in_line)
        buf_add(out, STR("\r\n"));
}

void mime_add_clean_line(struct buf *out, struct str text, size_t size_max)
{
    size_t start = out->len;
    size_t good = out->len; /* up to here there is room for what says that more was there */

    check(size_max >= ELLIPSIS);
    while (text.len > 0) {
        struct str next = STR(" ");
        if (!cut_line_end(&text))
            next = cut_clean(&text);
        if (str_equals(next, STR("\t")))
            next = STR(" ");
        if (out->len - start + next.len > size_max) {
            out->len = good;
            buf_add(out, STR("…"));
            return;
        }
        buf_add(out, next);
        if (out->len - start + ELLIPSIS <= size_max)
            good = out->len;
    }
}

/* ---- in a field ---- */

/* Length of what may not be torn: the blank at the front, and what follows up to the next one. */
static size_t piece_length(struct str text)
{
    size_t len = 1;

    while (len < text.len && (text.ptr[len] != ' ' || text.ptr[len - 1] == ' '))
        len++;
    return len;
}

void mime_add_folded(struct buf *out, struct str line, size_t column)
{
    while (line.len > 0) {
        struct str piece = str_first(line, piece_length(line));
        line = str_skip(line, piece.len);
        /* A line of blanks would look like the end of the header to some. */
        bool may_break = piece.ptr[0] == ' ' && str_trim(piece).len > 0;
        if (may_break && column + piece.len > LINE_WANTED) {
            buf_add(out, STR("\r\n"));
            column = 0;
        }
        buf_add(out, piece);
        column += piece.len;
    }
}

/* As many whole characters as one encoded word takes. */
static struct str cut_word(struct str *line)
{
    size_t len = line->len < WORD_OCTETS ? line->len : WORD_OCTETS;

    while (len > 1 && len < line->len && ((uint8_t)line->ptr[len] & 0xc0) == 0x80)
        len--;
    struct str word = str_first(*line, len);
    *line = str_skip(*line, len);
    return word;
}

static void add_encoded_words(struct buf *out, struct str line)
{
    for (bool is_first = true; line.len > 0; is_first = false) {
        buf_add(out, is_first ? STR("=?utf-8?B?") : STR("\r\n =?utf-8?B?"));
        base64_add(out, cut_word(&line));
        buf_add(out, STR("?="));
    }
}

/* ASCII, no blank at an end, nothing in it that reads as an encoded word, and it can be folded. */
static bool is_plain(struct str line)
{
    size_t run = 0;

    for (size_t i = 0; i < line.len; i++) {
        run = line.ptr[i] == ' ' ? 0 : run + 1;
        if (line.ptr[i] < ' ' || line.ptr[i] >= 0x7f || run > LINE_WANTED ||
            str_starts(str_skip(line, i), STR("=?")))
            return false;
    }
    return str_trim(line).len == line.len;
}

void mime_add_words(struct buf *out, struct str line)
{
    if (is_plain(line))
        mime_add_folded(out, line, NAME_MAX_LEN);
    else
        add_encoded_words(out, line);
}

static bool is_phrase(struct str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (!ascii_is_alnum(line.ptr[i]) && line.ptr[i] != ' ' && line.ptr[i] != '-')
            return false;
    return line.len > 0 && line.len <= LINE_WANTED / 2 && str_trim(line).len == line.len;
}

void mime_add_phrase(struct buf *out, struct str line)
{
    if (is_phrase(line))
        buf_add(out, line);
    else
        add_encoded_words(out, line);
}
