/* SPDX-License-Identifier: ISC */
/* signature.h: the tags that DKIM-Signature, ARC-Message-Signature and ARC-Seal have in common, and
 * the way from a signature to its key (RFC 6376 3.5, 6.1; RFC 8617 4.1). */
#pragma once

#include "authenticate/body_hash.h"
#include "authenticate/dkim_key.h"
#include "wire/header.h"
#include "authenticate/tag_list.h"
#include "wire/dns.h"

enum { SIGNED_FIELDS_MAX = 200 };

struct signature {
    const struct header_field *field;
    struct tag_list tags;
    enum dkim_algorithm algorithm;
    enum canonical header_how;
    enum canonical body_how;
    uint64_t body_limit;     /* l=; UINT64_MAX: none */
    struct str domain;       /* d=, in normal form */
    struct str selector;     /* s=, likewise */
    struct str signed_names; /* h= */
    struct str value;        /* b=, decoded */
    struct str body_value;   /* bh=, decoded */
    int body;                /* index of its body hash; -1: none */
};

/* What a signature, or its key, came to. */
enum signature_state {
    SIGNATURE_GOOD,
    SIGNATURE_ASKS,      /* the key */
    SIGNATURE_BROKEN,    /* it does not hold */
    SIGNATURE_TEMPERROR, /* nobody knows */
    SIGNATURE_PERMERROR, /* it cannot be verified, now or ever */
};

/* The tags that all have: a=, b=, d=, s=. NULL, or what is wrong. */
const char *signature_parse_common(const struct header_field *field, struct arena *arena,
                                   struct signature *out_signature);
/* Those of a signature over header and body: bh=, c=, h=, l=. NULL, or what is wrong. */
const char *signature_parse_message(struct signature *signature, struct arena *arena);
/* "1528637909"; false: no number. Empty: 0. */
bool signature_time(const struct signature *signature, const char *tag, int64_t *out_s);
/* What was signed: the fields that h= names, then the signature's own (3.7). */
void signature_add_signed(const struct signature *signature, const struct header *header,
                          struct buf *out);
/* "s._domainkey.d" */
void signature_add_key_name(const struct signature *signature, struct buf *out);
/* With the key that the DNS has. *out_why explains what is neither good nor asks. The key, or its
 * flags, in *out_key (its own key is gone). */
enum signature_state signature_verify(const struct signature *signature, struct str data,
                                      const struct dns_answers *known, struct dkim_key *out_key,
                                      const char **out_why);
