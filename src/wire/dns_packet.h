/* SPDX-License-Identifier: ISC */
/* dns_packet.h: a DNS response as it came (RFC 1035 4) into a struct dns_answer. */
#pragma once

#include "wire/dns.h"

/* The records of `type` in the answer section, with CNAMEs followed. Names come from the arena, in
 * normal form; a record that cannot be read or whose name is none is left out. DNS_FAILED for a
 * packet that does not parse, or if all records of the type were left out. `secure` and `bogus` are
 * the caller's to set. */
void dns_packet_parse(struct str packet, enum dns_type type, struct arena *arena,
                      struct dns_answer *out_answer);
