/* SPDX-License-Identifier: ISC */
/* heap.h: what is due first.
 *
 * A binary heap of embedded nodes ordered by `key` (a time, mostly). Moving and
 * removing cost O(log n). A node that is in no heap has index 0, so {0} is out.
 * The caller owns the nodes and keeps them where they are while they are in.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
    int64_t key;
    size_t index; /* 1-based place in the heap; 0: in none */
};

struct heap {
    struct heap_node **node;
    size_t count;
    size_t cap;
};

void heap_fini(struct heap *heap);
void heap_put(struct heap *heap, struct heap_node *node, int64_t key); /* inserts or moves */
void heap_remove(struct heap *heap, struct heap_node *node);           /* harmless if not in */
static inline bool heap_has(const struct heap_node *node)              /* is it in one? */
{
    return node->index != 0;
}
struct heap_node *heap_first(const struct heap *heap); /* NULL when empty */
/* Takes the first node out if its key is at most `limit`; else NULL. */
struct heap_node *heap_take_due(struct heap *heap, int64_t limit);
