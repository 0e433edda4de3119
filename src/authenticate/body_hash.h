/* SPDX-License-Identifier: ISC */
/* body_hash.h: the hashes of a body that signatures ask for, computed while it streams in.
 *
 * Signatures that ask for the same share one.
 */
#pragma once

#include <openssl/evp.h>

#include "authenticate/canonical.h"

enum { BODY_HASHES_MAX = 12, BODY_HASH_SIZE = 32 /* SHA-256 */ };

struct body_hash {
    struct canonical_body body;
    uint64_t limit; /* only so many octets of the canonical body; UINT64_MAX: all */
    uint64_t size;  /* of the canonical body */
    EVP_MD_CTX *digest;
    unsigned char value[BODY_HASH_SIZE]; /* at the end */
};

struct body_hashes {
    struct body_hash *item[BODY_HASHES_MAX];
    unsigned count;
};

/* Before the body comes. The index, or -1: too many. */
int body_hashes_want(struct body_hashes *hashes, enum canonical how, uint64_t limit);
void body_hashes_add(struct body_hashes *hashes, struct str bytes);
void body_hashes_end(struct body_hashes *hashes);
void body_hashes_fini(struct body_hashes *hashes);
