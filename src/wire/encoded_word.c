/* SPDX-License-Identifier: ISC */
/* encoded_word.c: see encoded_word.h. */
#include "wire/encoded_word.h"

#include "base/base64.h"

enum charset { CHARSET_UTF8, CHARSET_LATIN1, CHARSET_OTHER };

struct word { /* =?charset?encoding?text?= */
    enum charset charset;
    char encoding; /* b q */
    struct str text;
};

static enum charset charset_of(struct str name)
{
    static const struct {
        const char *name;
        enum charset charset;
    } known[] = {
        { "utf-8", CHARSET_UTF8 },         { "utf8", CHARSET_UTF8 },
        { "us-ascii", CHARSET_UTF8 },      { "iso-8859-1", CHARSET_LATIN1 },
        { "iso-8859-15", CHARSET_LATIN1 }, { "windows-1252", CHARSET_LATIN1 },
    };
    ptrdiff_t language = str_find(name, '*'); /* RFC 2231 5 */

    if (language >= 0)
        name.len = (size_t)language;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (str_equals_nocase(name, str_from(known[i].name)))
            return known[i].charset;
    return CHARSET_OTHER;
}

/* At the front of *text, which is left behind it. */
static bool cut_word(struct str *text, struct word *out)
{
    struct str rest = str_skip(*text, 2);
    struct str charset;
    struct str encoding;
    struct str inner;

    if (!str_starts(*text, STR("=?")) || !str_cut(&rest, '?', &charset) ||
        !str_cut(&rest, '?', &encoding) || !str_cut(&rest, '?', &inner) ||
        !str_starts(rest, STR("=")) || encoding.len != 1)
        return false;
    *out = (struct word){ charset_of(charset), ascii_lower(encoding.ptr[0]), inner };
    if (out->charset == CHARSET_OTHER || (out->encoding != 'b' && out->encoding != 'q'))
        return false;
    *text = str_skip(rest, 1);
    return true;
}

static unsigned hex_value(char c)
{
    return ascii_is_digit(c) ? (unsigned)(c - '0') : (unsigned)(ascii_lower(c) - 'a' + 10);
}

static void decode_q(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '=' && i + 2 < text.len && ascii_is_hex(text.ptr[i + 1]) &&
            ascii_is_hex(text.ptr[i + 2])) {
            c = (char)(uint8_t)(16 * hex_value(text.ptr[i + 1]) + hex_value(text.ptr[i + 2]));
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        buf_add_byte(out, c);
    }
}

static void add_latin1(struct buf *out, struct str octets)
{
    for (size_t i = 0; i < octets.len; i++) {
        uint8_t octet = (uint8_t)octets.ptr[i];
        if (octet >= 0x80) {
            buf_add_byte(out, (char)(uint8_t)(0xc0 | octet >> 6));
            octet = 0x80 | (octet & 0x3f);
        }
        buf_add_byte(out, (char)octet);
    }
}

/* False, and nothing is added: its text is not in the encoding that it names. */
static bool add_word(struct buf *out, const struct word *word)
{
    struct buf octets = { 0 };
    bool good = true;

    if (word->encoding == 'q')
        decode_q(&octets, word->text);
    else
        good = base64_decode(&octets, word->text);
    if (good && word->charset == CHARSET_LATIN1)
        add_latin1(out, buf_str(&octets));
    else if (good)
        buf_add(out, buf_str(&octets));
    buf_fini(&octets);
    return good;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void encoded_word_decode(struct buf *out, struct str value)
{
    bool after_word = false;
    size_t blanks = out->len; /* where those begin that end what is there; between words they go */

    while (value.len > 0) {
        struct str rest = value;
        struct word word;
        size_t end = out->len;
        if (cut_word(&rest, &word)) {
            if (after_word)
                out->len = blanks;
            if (add_word(out, &word)) {
                value = rest;
                after_word = true;
                blanks = out->len;
                continue;
            }
            out->len = end;
        }
        char c = value.ptr[0];
        if (c != '\r' && c != '\n') /* folding ends a line, the blank behind it stays */
            buf_add_byte(out, c);
        if (!is_blank(c)) {
            after_word = false;
            blanks = out->len;
        }
        value = str_skip(value, 1);
    }
}
