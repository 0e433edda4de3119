/* SPDX-License-Identifier: ISC */
/* sha256.h: FIPS 180-4, so that a test in Python can say whether a body arrived as it was. */
#pragma once

#include "base/str.h"

struct sha256 {
    uint32_t state[8];
    uint64_t len;
    unsigned char block[64];
};

enum { SHA256_TEXT_SIZE = 64 };

void sha256_init(struct sha256 *sha);
void sha256_add(struct sha256 *sha, struct str bytes);
void sha256_end(struct sha256 *sha, char out_hex[SHA256_TEXT_SIZE + 1]);
