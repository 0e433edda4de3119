/* SPDX-License-Identifier: ISC */
/* mime_entity.h: what a header says of the text behind it (RFC 2045 5, 6). */
#pragma once

#include "base/arena.h"
#include "wire/mime_walk.h"

struct mime_type {       /* of a multipart */
    struct str boundary; /* in the arena */
    bool is_digest;
};

/* `is_of_digest`: a part of a digest, which is a message if it does not say what it is. */
struct mime_entity mime_entity_read(struct str header, bool is_message, bool is_of_digest,
                                    struct arena *arena, struct mime_type *out_type);
