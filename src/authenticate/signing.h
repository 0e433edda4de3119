/* SPDX-License-Identifier: ISC */
/* signing.h: what we sign ourselves: reports (DKIM) and mail that we hand on (ARC). */
#pragma once

#include "authenticate/arc.h"

struct signing_key {
    EVP_PKEY *key;
    enum dkim_algorithm algorithm;
    struct str domain;   /* d=; the caller's */
    struct str selector; /* s= */
};

/* A private key in PEM, RSA of at least 1024 bits or Ed25519. False: it is none. */
bool signing_key_read(struct str pem, struct str domain, struct str selector,
                      struct signing_key *out_key);
void signing_key_fini(struct signing_key *key);

/* What a signature over header and body is about, beside the key. */
struct signing {
    const struct header *header;
    struct str names;     /* h=, lower case, separated by colons */
    struct str body_hash; /* SHA-256 of the relaxed body */
    int64_t now_s;
};

/* "DKIM-Signature: …", relaxed/relaxed, with CRLF. False: the key does not sign. */
bool signing_add_dkim(const struct signing_key *key, const struct signing *signing,
                      struct buf *out);
/* A message of our own as it goes out: the signature, and then the message, with CRLF. False, and
 * nothing is added: the key does not sign. */
bool signing_add_mail(const struct signing_key *key, struct str mail, int64_t now_s,
                      struct buf *out);
/* The next set of the chain (RFC 8617 5.1), newest field first: to stand above everything else.
 * `results` is what ARC-Authentication-Results says behind its instance. Adds nothing to a chain
 * that has been closed or is full. False: the key does not sign. */
bool signing_add_arc(const struct signing_key *key, const struct signing *signing,
                     const struct arc *arc, struct str results, struct buf *out);
