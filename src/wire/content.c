/* SPDX-License-Identifier: ISC */
/* content.c: see content.h.
 *
 *     LINE_START --CR--> CR --LF--> LINE_START          other octets: TEXT
 *     LINE_START --.---> DOT --CR--> DOT_CR --LF--> END
 *
 * decode_octet() makes each of these steps. Ordinary text does not go through it:
 * clean_run() finds, with memchr, how far everything is as it should be, and that
 * much is copied in one piece.
 */
#include "wire/content.h"

#include "base/check.h"

struct content_decoder content_decoder_for_data(void)
{
    return (struct content_decoder){ .state = CONTENT_LINE_START, .dotted = true };
}

struct content_decoder content_decoder_for_chunks(void)
{
    return (struct content_decoder){ .state = CONTENT_TEXT };
}

struct content_decoder content_decoder_for_octets(void)
{
    return (struct content_decoder){ .state = CONTENT_OCTETS };
}

/* How far one look for a line end goes. Without it a peer who sends nothing but bare CRs would have
 * us look through all the rest again at each of them. */
enum { LOOK_AHEAD_MAX = 1024 };

/* Octets at the front that are whole lines ended by CRLF, or text without CR and LF. Stops before
 * what needs a decision; decoder->state is then where that octet stands. */
static size_t clean_run(struct content_decoder *decoder, struct str bytes)
{
    size_t at = 0;

    while (at < bytes.len) {
        struct str ahead = str_first(str_skip(bytes, at), LOOK_AHEAD_MAX);
        if (decoder->dotted && decoder->state == CONTENT_LINE_START && ahead.ptr[0] == '.')
            return at;
        ptrdiff_t lf = str_find(ahead, '\n');
        struct str line = lf < 0 ? ahead : str_first(ahead, (size_t)lf);
        ptrdiff_t cr = str_find(line, '\r');
        if (lf >= 0 && cr == lf - 1 && cr >= 0) {
            decoder->state = CONTENT_LINE_START;
            at += (size_t)lf + 1;
            continue;
        }
        size_t text = cr < 0 ? line.len : (size_t)cr;
        if (text > 0)
            decoder->state = CONTENT_TEXT;
        at += text;
        if (lf >= 0 || cr >= 0)
            return at;
    }
    return at;
}

/* A line ends: by a true CRLF, or by a bare LF, behind which no dot is special. */
static void end_line(struct content_decoder *decoder, bool true_end, struct buf *out)
{
    buf_add(out, STR("\r\n"));
    decoder->bare = decoder->bare || !true_end;
    decoder->state = true_end ? CONTENT_LINE_START : CONTENT_TEXT;
}

static void decode_text(struct content_decoder *decoder, char octet, struct buf *out)
{
    if (octet == '\n') {
        end_line(decoder, false, out);
    } else if (octet == '\r') {
        decoder->state = CONTENT_CR;
    } else {
        buf_add_byte(out, octet);
        decoder->state = CONTENT_TEXT;
    }
}

/* What was held back turned out to be a bare CR. */
static void drop_cr(struct content_decoder *decoder, char next, struct buf *out)
{
    decoder->bare = true;
    decode_text(decoder, next, out);
}

static void decode_octet(struct content_decoder *decoder, char octet, struct buf *out)
{
    switch (decoder->state) {
    case CONTENT_LINE_START:
        if (octet == '.' && decoder->dotted)
            decoder->state = CONTENT_DOT;
        else
            decode_text(decoder, octet, out);
        return;
    case CONTENT_TEXT:
        decode_text(decoder, octet, out);
        return;
    case CONTENT_CR:
        if (octet == '\n')
            end_line(decoder, true, out);
        else
            drop_cr(decoder, octet, out);
        return;
    case CONTENT_DOT: /* more follows on the line, so the dot was stuffing */
        if (octet == '\r')
            decoder->state = CONTENT_DOT_CR;
        else
            decode_text(decoder, octet, out);
        return;
    case CONTENT_DOT_CR:
        if (octet == '\n')
            decoder->state = CONTENT_END;
        else
            drop_cr(decoder, octet, out);
        return;
    case CONTENT_OCTETS:
        buf_add_byte(out, octet);
        return;
    case CONTENT_END:
        return;
    }
}

static bool is_plain(enum content_state state)
{
    return state == CONTENT_LINE_START || state == CONTENT_TEXT;
}

size_t content_decode(struct content_decoder *decoder, struct str bytes, struct buf *out)
{
    size_t at = 0;

    check(decoder->state != CONTENT_END);
    if (decoder->state == CONTENT_OCTETS) {
        buf_add(out, bytes);
        return bytes.len;
    }
    while (at < bytes.len && decoder->state != CONTENT_END) {
        size_t run = is_plain(decoder->state) ? clean_run(decoder, str_skip(bytes, at)) : 0;
        buf_add_bytes(out, bytes.ptr + at, run);
        at += run;
        if (at < bytes.len)
            decode_octet(decoder, bytes.ptr[at++], out);
    }
    return at;
}

bool content_is_complete(const struct content_decoder *decoder)
{
    return decoder->state == CONTENT_END;
}

void content_end_chunks(struct content_decoder *decoder)
{
    decoder->bare = decoder->bare || decoder->state == CONTENT_CR;
    decoder->state = CONTENT_END;
}

size_t content_header_size(struct str content, size_t from)
{
    struct str rest = str_skip(content, from);
    ptrdiff_t cr;

    while ((cr = str_find(rest, '\r')) >= 0) {
        size_t at = content.len - rest.len + (size_t)cr;
        bool is_line_end = at + 1 < content.len && content.ptr[at + 1] == '\n';
        if (is_line_end && (at == 0 || content.ptr[at - 1] == '\n'))
            return at;
        rest = str_skip(rest, (size_t)cr + 1);
    }
    return content.len;
}

bool content_is_rough(struct str content)
{
    for (size_t i = 0; i < content.len; i++) {
        char c = content.ptr[i];
        bool is_break = c == '\r' ? i + 1 == content.len || content.ptr[i + 1] != '\n'
                                  : c == '\n' && (i == 0 || content.ptr[i - 1] != '\r');
        if (c == '\0' || is_break)
            return true;
    }
    return false;
}
