/* SPDX-License-Identifier: ISC */
/* domain.h: domain names as mail uses them (RFC 1035 2.3.4, RFC 5321 4.1.2).
 *
 * Names are kept in lower case and without a final dot; that form is what every
 * map, record and comparison in the program uses. Names in UTF-8 (RFC 6531) are
 * turned into their A-label form here, once, at the door.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

enum { DOMAIN_SIZE_MAX = 253, DOMAIN_LABEL_MAX = 63 };

/* Letters, digits, hyphens (not at an end of a label), underscores, at least one label. One final
 * dot is let pass. A name of digits and dots alone is an address, not a name. */
bool domain_is_valid(struct str name);
/* Normal form of a valid name (ASCII or UTF-8) into *out (which is reset first); false if it is
 * none. */
bool domain_normalise(struct str name, struct buf *out);
/* Same name in whatever case, with or without final dot; both ASCII. */
bool domain_equals(struct str a, struct str b);
