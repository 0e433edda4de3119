/* SPDX-License-Identifier: ISC */
/* xtext.h: addresses and ids of strangers as they travel in ENVID= and ORCPT=.
 *
 *   xtext     any octets; what is no printable ASCII, and "+" and "=", as "+2B" (RFC 3461 4)
 *   unitext   UTF-8; what has no place there as "\x{E4}", by its Unicode number. The form that has
 *             no octet above 127 is the one for 7-bit fields (RFC 6533 3)
 *
 * A decoder takes the whole text or nothing of it.
 */
#pragma once

#include "base/buf.h"

void xtext_add(struct buf *out, struct str octets);
/* False, and nothing is added, unless all of it is xtext. */
bool xtext_decode(struct buf *out, struct str text);

/* In the 7-bit form; an octet that is not UTF-8 becomes U+FFFD. */
void unitext_add(struct buf *out, struct str utf8);
/* Either form. False, and nothing is added, unless all of it is unitext for printable
 * characters: a number may name a line end, and nobody's address has one. */
bool unitext_decode(struct buf *out, struct str text);
