/* SPDX-License-Identifier: ISC */
/* dkim_key.h: the public key that a domain publishes (RFC 6376 3.6.1, RFC 8463). */
#pragma once

#include <openssl/evp.h>

#include "base/str.h"

enum dkim_algorithm { DKIM_RSA_SHA256, DKIM_ED25519_SHA256 };

enum {
    DKIM_RSA_BITS_MIN = 1024, /* RFC 8301 3.2 */
    DKIM_RSA_BITS_MAX = 8192, /* what verifying costs grows with it */
};

struct dkim_key {
    EVP_PKEY *key;
    enum dkim_algorithm algorithm;
    unsigned bits;
    bool is_testing; /* t=y */
    bool is_strict;  /* t=s: i= must name d= itself */
};

enum dkim_key_error {
    DKIM_KEY_GOOD,
    DKIM_KEY_SYNTAX,
    DKIM_KEY_OTHER,   /* of another kind, or not for mail or SHA-256 */
    DKIM_KEY_REVOKED, /* p= is empty */
    DKIM_KEY_WEAK,
};

/* Of a TXT record. Free with dkim_key_fini() if good. */
enum dkim_key_error dkim_key_parse(struct str text, enum dkim_algorithm algorithm,
                                   struct dkim_key *out_key);
void dkim_key_fini(struct dkim_key *key);
/* Does the signature hold for these octets? */
bool dkim_key_verify(const struct dkim_key *key, struct str data, struct str signature);
