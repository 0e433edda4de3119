/* SPDX-License-Identifier: ISC */
/* arena.h: many small allocations, one end of life.
 *
 * {0} is an empty arena. Its memory goes back all at once. An arena is named for
 * its lifetime: turn, transaction, connection. Nothing from a shorter-lived arena
 * is stored in a longer-lived one.
 */
#pragma once

#include "base/str.h"

struct arena_block;

struct arena {
    struct arena_block *blocks; /* newest first */
};

void arena_fini(struct arena *arena);
void arena_reset(struct arena *arena);             /* keeps one block, if small, for reuse */
void *arena_new(struct arena *arena, size_t size); /* zero-filled, aligned for any type */
struct str arena_str(struct arena *arena, struct str text); /* a copy that lives in the arena */
size_t arena_size(const struct arena *arena);               /* bytes held, for limits */
