/* SPDX-License-Identifier: ISC */
/* canonical.h: what a signature is really about (RFC 6376 3.4). */
#pragma once

#include "wire/header.h"
#include "base/buf.h"

enum canonical { CANONICAL_SIMPLE, CANONICAL_RELAXED };

/* A field, with CRLF. */
void canonical_add_field(struct buf *out, const struct header_field *field, enum canonical how);
/* The field that holds the signature: the value of b= is empty, and no CRLF follows (3.7). */
void canonical_add_signature(struct buf *out, const struct header_field *field, enum canonical how);

/* A body as it streams in. */
struct canonical_body {
    enum canonical how;
    uint64_t lines; /* ends of lines that count only if something follows */
    bool has_space; /* relaxed: white space that counts only if something follows in the line */
    bool has_cr;    /* … which may belong to a line end */
    bool has_begun; /* something has been given on */
    void (*give)(void *context, struct str bytes);
    void *context;
};

void canonical_body(struct canonical_body *body, struct str bytes);
void canonical_body_end(struct canonical_body *body);
