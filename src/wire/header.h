/* SPDX-License-Identifier: ISC */
/* header.h: a message's header as fields (RFC 5322 2.2).
 *
 * Nothing is changed: signatures are about the octets as they came. A line that is no field and
 * continues none is kept as a field without a name, which nobody asks for.
 */
#pragma once

#include "base/arena.h"

struct header_field {
    struct str raw;   /* with its line ends, the last one included if it was there */
    struct str name;  /* as written, without white space before the colon; empty: no field */
    struct str value; /* behind the colon, raw */
};

struct header {
    struct header_field *field; /* in the arena; texts point into what was parsed */
    uint32_t count;
};

/* `text` ends before the empty line. */
void header_parse(struct str text, struct arena *arena, struct header *out_header);
bool header_is(const struct header_field *field, struct str name); /* in whatever case */

uint32_t header_count(const struct header *header, struct str name);
/* The first one's, or NULL. */
const struct header_field *header_find(const struct header *header, struct str name);
