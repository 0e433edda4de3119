/* SPDX-License-Identifier: ISC */
/* verdict.c: see verdict.h. */
#include "mail/verdict.h"

#include "base/check.h"
#include "base/cursor.h"

/* Only 2yz and 5yz settle a mail; anything else is no last word, and it waits. */
static enum fate fate_of(uint16_t code)
{
    switch (code / 100) {
    case 2:
        return FATE_ACCEPT;
    case 5:
        return FATE_REJECT;
    default:
        return FATE_DEFER;
    }
}

static bool is_reply_code(uint16_t code)
{
    return code >= 200 && code <= 599;
}

static void set_text(struct verdict *verdict, struct str text)
{
    verdict->text_len = 0;
    for (size_t i = 0; i < text.len && verdict->text_len < VERDICT_TEXT_MAX; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\r' || c == '\n' || c == '\t')
            c = ' ';
        verdict->text[verdict->text_len++] = c < ' ' || c >= 0x7f ? '?' : (char)c;
    }
}

struct verdict verdict_make(uint16_t code, uint8_t subject, uint8_t detail, struct str text)
{
    check(is_reply_code(code));
    struct verdict verdict = { .fate = fate_of(code), .code = code };
    verdict.enhanced[0] = (uint8_t)(code / 100);
    verdict.enhanced[1] = subject;
    verdict.enhanced[2] = detail;
    set_text(&verdict, text);
    return verdict;
}

struct verdict verdict_format(uint16_t code, uint8_t subject, uint8_t detail, const char *format,
                              ...)
{
    struct buf text = { 0 };
    va_list arguments;

    va_start(arguments, format);
    buf_add_vformat(&text, format, arguments);
    va_end(arguments);
    struct verdict verdict = verdict_make(code, subject, detail, buf_str(&text));
    buf_fini(&text);
    return verdict;
}

struct verdict verdict_accept(void)
{
    return verdict_make(250, 0, 0, STR("OK"));
}

static bool cut_number(struct str *text, uint8_t *out_number)
{
    unsigned number = 0;
    size_t at = 0;

    while (at < text->len && at < 3 && ascii_is_digit(text->ptr[at]))
        number = number * 10 + (unsigned)(text->ptr[at++] - '0');
    if (at == 0 || number > UINT8_MAX)
        return false;
    *text = str_skip(*text, at);
    *out_number = (uint8_t)number;
    return true;
}

bool verdict_cut_enhanced(struct str *text, uint8_t out_enhanced[3])
{
    struct str rest = *text;
    uint8_t part[3];

    for (int i = 0; i < 3; i++) {
        if (i > 0) {
            if (rest.len == 0 || rest.ptr[0] != '.')
                return false;
            rest = str_skip(rest, 1);
        }
        if (!cut_number(&rest, &part[i]))
            return false;
    }
    if ((part[0] != 2 && part[0] != 4 && part[0] != 5) || (rest.len > 0 && rest.ptr[0] != ' '))
        return false;
    for (int i = 0; i < 3; i++)
        out_enhanced[i] = part[i];
    *text = str_skip(rest, 1);
    return true;
}

struct verdict verdict_from_reply(uint16_t code, struct str text)
{
    if (!is_reply_code(code))
        code = 451; /* not of SMTP; what it says is kept for people */
    struct verdict verdict = { .fate = fate_of(code), .code = code };
    uint8_t enhanced[3];

    /* A class that contradicts the code (250 5.1.1) says nothing that could be relied on. */
    if (verdict_cut_enhanced(&text, enhanced) && enhanced[0] == code / 100)
        for (int i = 0; i < 3; i++)
            verdict.enhanced[i] = enhanced[i];
    set_text(&verdict, text);
    return verdict;
}

void verdict_encode(struct buf *out, const struct verdict *verdict)
{
    buf_add_u16(out, verdict->code);
    buf_add_bytes(out, verdict->enhanced, 3);
    buf_add_counted(out, verdict_text(verdict));
}

struct verdict verdict_decode(struct cursor *cursor)
{
    uint16_t code = cursor_u16(cursor);
    struct str enhanced = cursor_bytes(cursor, 3);
    struct str text = cursor_counted(cursor);
    if (!cursor_ok(cursor) || !is_reply_code(code)) {
        cursor->failed = true;
        return verdict_make(451, 3, 0, STR("Internal error"));
    }
    struct verdict verdict = { .fate = fate_of(code), .code = code };
    for (int i = 0; i < 3; i++)
        verdict.enhanced[i] = (uint8_t)enhanced.ptr[i];
    set_text(&verdict, text);
    return verdict;
}

struct str verdict_text(const struct verdict *verdict)
{
    return str_of(verdict->text, verdict->text_len);
}

void verdict_add_line(struct buf *out, const struct verdict *verdict)
{
    buf_add_format(out, "%u ", (unsigned)verdict->code);
    if (verdict->enhanced[0] != 0)
        buf_add_format(out, "%u.%u.%u ", verdict->enhanced[0], verdict->enhanced[1],
                       verdict->enhanced[2]);
    buf_add(out, verdict_text(verdict));
}

bool verdict_is_not_tried(const struct verdict *verdict)
{
    return verdict->code == 452 && verdict->enhanced[1] == 5 && verdict->enhanced[2] == 3;
}

bool verdict_is_broken_off(const struct verdict *verdict)
{
    return verdict->code == 421;
}

bool verdict_is_about_sender(const struct verdict *verdict)
{
    const uint8_t *enhanced = verdict->enhanced;

    if (verdict->fate == FATE_ACCEPT || enhanced[0] == 0)
        return false;
    return (enhanced[1] == 1 && (enhanced[2] == 7 || enhanced[2] == 8)) ||
           (enhanced[1] == 7 && enhanced[2] == 27);
}

const char *fate_name(enum fate fate)
{
    static const char *const name[] = { "accept", "defer", "reject" };
    return name[fate];
}
