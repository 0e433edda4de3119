/* SPDX-License-Identifier: ISC */
/* compact.h: between compact.c (segments) and compact_batch.c (records). */
#pragma once

#include "store/log/log_private.h"

enum { COMPACT_SLICE = 8 << 20 }; /* is read at once */

/* A record that will stand in front of a batch. */
struct carried {
    struct staged staged;
    uint32_t of;     /* segment of which it speaks */
    uint64_t offset; /* MOVED: of the copy there */
    struct str part; /* MOVED: the message's meta; STATE: the domain; in the slice */
};

static inline struct carried *carried_of(struct staged *staged)
{
    return container_of(staged, struct carried, staged);
}

/* Does the message live at this place? */
bool compact_lives_at(const struct log_store *store, struct message_id id, uint32_t segment,
                      uint64_t offset);
void compact_drop(struct log_store *store, struct carried *carried);
