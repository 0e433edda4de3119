/* SPDX-License-Identifier: ISC */
/* printable.h: text from strangers, safe to show on a terminal.
 *
 * Mail data and remote answers may hold control characters that would move the
 * cursor, change colors or reverse the reading direction. Well-formed UTF-8 that
 * only shows something passes; every other byte is written as \xNN, a backslash
 * as two.
 */
#pragma once

#include "base/buf.h"

void printable_add(struct buf *out, struct str text);
/* In quotation marks, for messages; cut with "…" after 60 octets. */
void printable_add_quoted(struct buf *out, struct str text);
/* Bytes of the well-formed UTF-8 character at the front (RFC 3629 4), 0 if there is none; its
 * number through out_code. */
size_t printable_utf8(struct str text, uint32_t *out_code);
