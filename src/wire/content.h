/* SPDX-License-Identifier: ISC */
/* content.h: the content of a message as it comes over SMTP, decoded (RFC 5321 4.5.2).
 *
 * Takes the bytes that follow DATA or BDAT in any split and gives the content:
 * without dot-stuffing, every line ended by CRLF, no CR or LF beside those.
 *
 * What does not fit is made to fit, and remembered in `bare`:
 *   - a bare LF becomes CRLF;
 *   - a bare CR is dropped. As a space it would turn the CR CR LF that broken
 *     gateways send for an empty line into a folded header field; as CRLF it
 *     would make header fields out of text.
 *   - NUL bytes pass: they end nothing here, and whether they are welcome is the
 *     primary's to say.
 *
 * Only CRLF.CRLF, octet for octet, ends the content of DATA (the CRLF of the
 * command line counts as the first). A dot is special only behind a true CRLF;
 * behind a bare LF it is text. So no line of ours can be read as an end by us and
 * as text by the next host: what goes out is stuffed again by deliver/.
 */
#pragma once

#include "base/buf.h"

enum content_state {
    CONTENT_LINE_START, /* behind a true CRLF: a dot would be special */
    CONTENT_TEXT,
    CONTENT_CR,     /* a CR is held back: LF makes it a line end */
    CONTENT_DOT,    /* a dot at the start of a line is held back */
    CONTENT_DOT_CR, /* and a CR behind it: LF makes it the end */
    CONTENT_OCTETS, /* has no lines: everything is as it should be */
    CONTENT_END,
};

struct content_decoder {
    enum content_state state;
    bool dotted; /* DATA, not BDAT */
    bool bare;   /* there was a bare CR or LF */
};

struct content_decoder content_decoder_for_data(void);
struct content_decoder content_decoder_for_chunks(void); /* never ends by itself */
struct content_decoder content_decoder_for_octets(void); /* BINARYMIME: as they come */

/* Decodes from the front of `bytes`, adds the content to *out (at most 2 octets for each one taken,
 * and 2 more), returns how many were taken: all, or those up to the end of the content. */
size_t content_decode(struct content_decoder *decoder, struct str bytes, struct buf *out);
bool content_is_complete(const struct content_decoder *decoder);
/* Where the empty line begins that ends the header, looked for from `from` on; the content's length
 * if it is not there. */
size_t content_header_size(struct str content, size_t from);
/* The last chunk is there: a CR still held back is a bare one. */
void content_end_chunks(struct content_decoder *decoder);

/* Are there octets that are no lines of text: NUL, a CR or LF by itself? */
bool content_is_rough(struct str content);
