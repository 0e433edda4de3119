/* SPDX-License-Identifier: ISC */
/* tlsa.h: the keys that the DNS names for a host (RFC 7672 2.2), from the answers known so far. */
#pragma once

#include "route/decide.h"
#include "route/trust.h"

struct tlsa_host {
    struct str name;      /* normal form; empty: it has none, and thereby no records */
    struct str canonical; /* what the name is an alias of; empty: of none */
    uint16_t port;
    struct str given; /* whose records count instead; empty: request->tlsa_name, if there is one */
};

/* Looks for those of the host, or of who was given instead; sets facts->tlsa, and
 * facts->is_host_secure where that is another's. The usable ones go into *security, with the names
 * that count beside them (3.2.2). False if a question must be answered first. */
bool tlsa_find(struct decision *decision, struct tlsa_host host, struct trust_facts *facts,
               struct security *security);
