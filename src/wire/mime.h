/* SPDX-License-Identifier: ISC */
/* mime.h: text of any kind in a message that stays well-formed (RFC 2045, 2047).
 *
 * What a stranger wrote may hold anything: line ends, controls, half a character, a line of a
 * megabyte. What is written here is bounded lines (998 octets, RFC 5322 2.1.1) of the octets that
 * its encoding allows, whatever came in.
 */
#pragma once

#include "base/buf.h"

enum { MIME_LINE_MAX = 998 }; /* octets of a line without its end */

/* What is found in a text, for whoever has to choose an encoding. */
struct mime_look {
    size_t line_max;   /* octets of its longest line */
    size_t high;       /* octets above 127 */
    bool is_utf8;      /* well-formed throughout */
    bool has_controls; /* NUL, or a CR or LF that is half a line end */
};
struct mime_look mime_look_at(struct str text); /* lines end with CRLF */

enum mime_encoding { MIME_7BIT, MIME_8BIT, MIME_QUOTED_PRINTABLE, MIME_BASE64 };
const char *mime_encoding_name(enum mime_encoding encoding); /* as in the header field */
/* The plainest that carries the text whole. */
enum mime_encoding mime_encoding_for(struct mime_look look, size_t len, bool may_be_8bit);
/* The text in that encoding. Ends with a line end, unless the text as it is does not. */
void mime_add_encoded(struct buf *out, enum mime_encoding encoding, struct str text);

/* As text for people: well-formed UTF-8, each line ended by CRLF (of CRLF, LF or CR), no controls
 * but tabs, nothing that turns the reading direction; "?" stands for what was no character. */
void mime_add_clean_lines(struct buf *out, struct str text);
/* The same in one line: line ends and tabs are spaces. At most `size_max` octets are added, the
 * last of them "…" where something was left out. */
void mime_add_clean_line(struct buf *out, struct str text, size_t size_max);

/* A line of printable ASCII or UTF-8 in the value of a field, folded at its spaces where it gets
 * long; `column` is where it begins. A line without spaces stays in one, so it has to be bounded.
 */
void mime_add_folded(struct buf *out, struct str line, size_t column);
/* A clean line as the value of an unstructured field whose name is short, such as Subject: as it is
 * if it is ASCII, else in encoded words. */
void mime_add_words(struct buf *out, struct str line);
/* The same in front of an address in angle brackets. */
void mime_add_phrase(struct buf *out, struct str line);
