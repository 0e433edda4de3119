/* SPDX-License-Identifier: ISC */
/* client_name.h: the client's reverse name, believed only if it leads back.
 *
 * A pure function of the answers known so far: PTR of the address, then A or AAAA
 * of the first few names, until one holds the address (the "iprev" of RFC 8601 3).
 */
#pragma once

#include "wire/dns.h"

/* True with *out_name (lives with the answers; empty if there is none); false with the next
 * question, whose name lives in `room`. */
bool client_name_decide(struct endpoint client, const struct dns_answers *known, struct buf *room,
                        struct str *out_name, struct dns_question *out_question);
/* No name was found: might an answer that did not come have shown one? */
bool client_name_is_unsure(struct endpoint client, const struct dns_answers *known,
                           struct buf *room);
