/* SPDX-License-Identifier: ISC */
/* smtp_reply.c: see smtp_reply.h. */
#include "wire/smtp_reply.h"

#include <string.h>

#include "base/check.h"

enum { CODE_SIZE = 3 };

void smtp_reply_fini(struct smtp_reply_reader *reader)
{
    buf_fini(&reader->line);
    buf_fini(&reader->text);
}

/* A whole line from the front of *bytes, without its end; or false, and *bytes has been kept for
 * the next call. The usual line came in one piece and is borrowed, not copied. */
static bool cut_line(struct smtp_reply_reader *reader, struct str *bytes, struct str *out_line)
{
    ptrdiff_t lf = str_find(*bytes, '\n');
    size_t taken = lf < 0 ? bytes->len : (size_t)lf;

    if (reader->line.len + taken > SMTP_REPLY_LINE_MAX) {
        reader->is_broken = true;
        return false;
    }
    struct str line = str_first(*bytes, taken);
    *bytes = str_skip(*bytes, lf < 0 ? taken : taken + 1);
    if (lf < 0 || reader->line.len > 0) {
        buf_add(&reader->line, line);
        line = buf_str(&reader->line);
    }
    if (lf < 0)
        return false;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    *out_line = line;
    return true;
}

/* The code at the front of a line and what stands behind it: ' ', '-', or '\0' for nothing. */
static bool cut_code(struct str *line, uint16_t *out_code, char *out_mark)
{
    uint64_t code;
    char mark = '\0';

    if (line->len < CODE_SIZE || !str_to_u64(str_first(*line, CODE_SIZE), 599, &code) || code < 100)
        return false;
    if (line->len > CODE_SIZE) {
        mark = line->ptr[CODE_SIZE];
        if (mark != ' ' && mark != '-')
            return false;
    }
    *line = str_skip(*line, CODE_SIZE + 1);
    *out_code = (uint16_t)code;
    *out_mark = mark;
    return true;
}

/* RFC 2034 puts the enhanced code on every line; it is kept once. */
static void add_text(struct smtp_reply_reader *reader, struct str line)
{
    struct smtp_reply *reply = &reader->reply;
    struct str rest = line;
    uint8_t enhanced[3];

    if (verdict_cut_enhanced(&rest, enhanced) && enhanced[0] == reply->code / 100) {
        if (reply->lines == 1)
            memcpy(reply->enhanced, enhanced, sizeof enhanced);
        line = rest;
    }
    if (reply->lines > 1)
        buf_add_byte(&reader->text, '\n');
    buf_add(&reader->text, line);
}

/* False if the line cannot belong to the reply. */
static bool add_line(struct smtp_reply_reader *reader, struct str line, bool *out_is_last)
{
    struct smtp_reply *reply = &reader->reply;
    uint16_t code;
    char mark;

    if (!cut_code(&line, &code, &mark) || reply->lines == SMTP_REPLY_LINES_MAX)
        return false;
    if (reply->lines > 0 && code != reply->code)
        return false;
    if (reply->lines == 0)
        buf_reset(&reader->text);
    reply->code = code;
    reply->lines++;
    add_text(reader, line);
    *out_is_last = mark != '-';
    return true;
}

enum smtp_reply_step smtp_reply_read(struct smtp_reply_reader *reader, struct str *bytes,
                                     struct smtp_reply *out_reply)
{
    while (bytes->len > 0 && !reader->is_broken) {
        struct str line;
        bool is_last = false;
        if (!cut_line(reader, bytes, &line))
            continue;
        reader->is_broken = !add_line(reader, line, &is_last);
        buf_reset(&reader->line);
        if (!is_last)
            continue;
        *out_reply = reader->reply;
        out_reply->text = buf_str(&reader->text);
        reader->reply = (struct smtp_reply){ 0 };
        return SMTP_REPLY_DONE;
    }
    return reader->is_broken ? SMTP_REPLY_MALFORMED : SMTP_REPLY_MORE;
}

struct verdict smtp_reply_verdict(const struct smtp_reply *reply)
{
    check(reply->code >= 200);
    struct verdict verdict = verdict_from_reply(reply->code, reply->text);
    memcpy(verdict.enhanced, reply->enhanced, sizeof verdict.enhanced);
    return verdict;
}
