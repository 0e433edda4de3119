/* SPDX-License-Identifier: ISC */
/* to_7bit.h: a message for servers that take no octet above 127 (RFC 6152 3, RFC 2045 6), or
 * nothing but lines (RFC 3030 3).
 *
 * Two passes over the content. The first one looks and finds out whether anything has to change,
 * and whether it may; the second one writes. A part with high octets becomes quoted-printable or
 * base64; all other parts stay as they are, octet for octet, and so does a message that has none.
 * What people and programs see of it is the same before and after; signatures over its octets are
 * not.
 *
 * Not to be converted, so that it has to go back: high octets in a header, between parts, in
 * something signed, in a message/partial or a report, in a part that is encoded already or says
 * two things of itself; a message that is nested too deeply or has too many parts.
 *
 * With `TO_7BIT_HAS_OCTETS` (BINARYMIME) also what is no line of text counts: NUL, CR and LF by
 * themselves, lines above 998 octets, and an end of octets that is no line's end. Outside of parts,
 * and in what is nested too deeply, the former have no 7-bit form. If the server has 8BITMIME
 * (`TO_7BIT_TAKES_HIGH`), nothing else counts: octets above 127 stay, wherever they are.
 */
#pragma once

#include "base/buf.h"

enum to_7bit_finding {
    TO_7BIT_IS_FINE,    /* as it is */
    TO_7BIT_CONVERTS,   /* by the second pass */
    TO_7BIT_IMPOSSIBLE, /* and may not be sent */
};

struct to_7bit;

enum { TO_7BIT_HAS_OCTETS = 1, TO_7BIT_TAKES_HIGH = 2 };
struct to_7bit *to_7bit_new(unsigned flags);
void to_7bit_free(struct to_7bit *to); /* NULL is fine */
void to_7bit_look(struct to_7bit *to, struct str piece);
/* The first pass is over. */
enum to_7bit_finding to_7bit_found(struct to_7bit *to);
/* Why not, for people. */
const char *to_7bit_why(const struct to_7bit *to);
/* The second pass, over the same octets; only where it converts. */
void to_7bit_add(struct to_7bit *to, struct str piece, struct buf *out);
void to_7bit_add_end(struct to_7bit *to, struct buf *out);
