/* SPDX-License-Identifier: ISC */
/* network.h: a network of addresses, written 192.0.2.0/24 or 2001:db8::/32; one address is a
 * network of its own. */
#pragma once

#include "base/endpoint.h"

struct network_range {
    struct endpoint first; /* port 0; what lies behind the prefix is zero */
    uint8_t prefix;        /* in bits: 32 at most, or 128 */
};

/* False: it is none, or there are bits behind its prefix. */
bool network_parse(struct str text, struct network_range *out_network);
void network_add_text(struct buf *out,
                      struct network_range network); /* without the prefix of one address */
struct network_range network_of_address(struct endpoint address);
bool network_has(struct network_range network, struct endpoint address); /* whatever its port */

enum { NETWORK_CODE_SIZE = 20 }; /* for channels */
struct cursor;
void network_encode(struct buf *out, struct network_range network);
struct network_range network_decode(struct cursor *cursor); /* a bad one fails the cursor */
