/* SPDX-License-Identifier: ISC */
/* arena.c: see arena.h. */
#include "base/arena.h"

#include <stdalign.h>
#include <string.h>

#include "base/memory.h"

enum {
    BLOCK_SIZE_MIN = 1024,
    BLOCK_SIZE_KEPT = 16 * 1024, /* at most, after a reset: one large transaction must not stay */
};

struct arena_block {
    struct arena_block *older;
    size_t cap;
    size_t used;
    alignas(max_align_t) char bytes[];
};

void arena_fini(struct arena *arena)
{
    while (arena->blocks != NULL) {
        struct arena_block *block = arena->blocks;
        arena->blocks = block->older;
        memory_free(block);
    }
}

void arena_reset(struct arena *arena)
{
    struct arena_block *keep = arena->blocks;
    if (keep == NULL)
        return;
    arena->blocks = keep->older;
    arena_fini(arena);
    if (keep->cap > BLOCK_SIZE_KEPT) {
        memory_free(keep);
        return;
    }
    keep->older = NULL;
    keep->used = 0;
    arena->blocks = keep;
}

void *arena_new(struct arena *arena, size_t size)
{
    size_t need = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct arena_block *block = arena->blocks;

    if (block == NULL || block->cap - block->used < need) {
        size_t cap = need > BLOCK_SIZE_MIN ? need : BLOCK_SIZE_MIN;
        block = memory_new(sizeof *block + cap);
        block->cap = cap;
        block->older = arena->blocks;
        arena->blocks = block;
    }
    void *bytes = block->bytes + block->used;
    block->used += need;
    memset(bytes, 0, need);
    return bytes;
}

struct str arena_str(struct arena *arena, struct str text)
{
    if (text.ptr == NULL)
        return STR_NONE;
    char *copy = arena_new(arena, text.len + 1);
    if (text.len > 0)
        memcpy(copy, text.ptr, text.len);
    return str_of(copy, text.len);
}

size_t arena_size(const struct arena *arena)
{
    size_t size = 0;
    for (const struct arena_block *block = arena->blocks; block != NULL; block = block->older)
        size += sizeof *block + block->cap;
    return size;
}
