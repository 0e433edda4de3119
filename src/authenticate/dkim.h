/* SPDX-License-Identifier: ISC */
/* dkim.h: which domains have signed this message? (RFC 6376, 8301, 8463, 8616)
 *
 *     dkim_header() --body streams through the body hashes--> dkim_decide() …
 *
 * Of many signatures the first few are looked at; the others are as if they were not there.
 */
#pragma once

#include "authenticate/signature.h"

enum { DKIM_SIGNATURES_MAX = 10 };

enum dkim_result {
    DKIM_PASS,
    DKIM_FAIL,
    DKIM_POLICY,  /* it is not looked at: too many ask for different hashes of the body */
    DKIM_NEUTRAL, /* it cannot be read */
    DKIM_TEMPERROR,
    DKIM_PERMERROR,
};

struct dkim_verdict {
    enum dkim_result result;
    const char *why;      /* NULL with PASS */
    struct str domain;    /* d=, in normal form; empty: it cannot be read */
    struct str selector;  /* s= */
    struct str identity;  /* i=, as written; empty: not said */
    struct str algorithm; /* a=, as written */
    struct str start;     /* the first characters of b=, by which signatures can be told apart */
    unsigned key_bits;    /* 0: not known */
    bool is_testing;      /* the domain says so of its key */
};

struct dkim {
    struct arena arena;
    const struct header *header;
    struct signature *signature[DKIM_SIGNATURES_MAX]; /* in the arena */
    struct dkim_verdict verdict[DKIM_SIGNATURES_MAX];
    bool is_decided[DKIM_SIGNATURES_MAX];
    unsigned count;
};

/* Finds the signatures and says which body hashes they need. The header and what it points into
 * live longer than `dkim`. */
void dkim_header(struct dkim *dkim, const struct header *header, int64_t now_s,
                 struct body_hashes *hashes);
/* After the body. True: each of the `count` has its verdict; false with the next question. */
bool dkim_decide(struct dkim *dkim, const struct body_hashes *hashes,
                 const struct dns_answers *known, struct buf *room,
                 struct dns_question *out_question);
void dkim_fini(struct dkim *dkim);
const char *dkim_result_name(enum dkim_result result); /* RFC 8601 2.7.1 */
