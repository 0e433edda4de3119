/* SPDX-License-Identifier: ISC */
/* author.h: the domain that a message says it is from: that of the From field (RFC 5322 3.6.2). */
#pragma once

#include "wire/header.h"
#include "base/buf.h"

enum author_state {
    AUTHOR_FOUND,
    AUTHOR_NONE,    /* no From field, or no address in it that has a domain */
    AUTHOR_SEVERAL, /* two From fields, or addresses in two domains: nobody can vouch for both */
};

/* The domain in normal form into *out (which is reset first). */
enum author_state author_domain(const struct header *header, struct buf *out);
