/* SPDX-License-Identifier: ISC */
/* memory.c: see memory.h. */
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

void *memory_new(size_t size)
{
    void *block = calloc(1, size > 0 ? size : 1);
    check(block != NULL);
    return block;
}

void *memory_resize(void *old, size_t size)
{
    void *block = realloc(old, size > 0 ? size : 1);
    check(block != NULL);
    return block;
}

void memory_free(void *block)
{
    free(block);
}

void *memory_copy(const void *bytes, size_t size)
{
    void *block = malloc(size > 0 ? size : 1);
    check(block != NULL);
    if (size > 0)
        memcpy(block, bytes, size);
    return block;
}
