/* SPDX-License-Identifier: ISC */
/* spf_record.h: the text of an SPF record into its terms (RFC 7208 4.5, 4.6, 12).
 *
 * A record with an error anywhere is no record: it is parsed as a whole before anything of it is
 * looked at (4.6).
 */
#pragma once

#include "base/arena.h"
#include "base/endpoint.h"

enum spf_mechanism {
    SPF_ALL,
    SPF_INCLUDE,
    SPF_A,
    SPF_MX,
    SPF_PTR,
    SPF_IP4,
    SPF_IP6,
    SPF_EXISTS,
};

struct spf_directive {
    enum spf_mechanism mechanism;
    char qualifier; /* + - ~ ? */
    struct str text;
    struct str target; /* a domain-spec; empty: the current domain */
    struct endpoint network;
    unsigned prefix4; /* bits that count */
    unsigned prefix6;
};

struct spf_record {
    struct spf_directive *directive; /* in the arena; the texts point into the record */
    unsigned count;
    struct str redirect; /* empty: none */
    struct str explain;  /* empty: none */
};

/* Is this TXT record meant to be SPF, version 1 (4.5)? */
bool spf_record_is_meant(struct str text);
/* False: a syntax error. */
bool spf_record_parse(struct str text, struct arena *arena, struct spf_record *out_record);
