/* SPDX-License-Identifier: ISC */
/* heap.c: see heap.h. */
#include "base/heap.h"

#include "base/check.h"
#include "base/memory.h"

void heap_fini(struct heap *heap)
{
    memory_free(heap->node);
    *heap = (struct heap){ 0 };
}

static void place(struct heap *heap, size_t index, struct heap_node *node)
{
    heap->node[index - 1] = node;
    node->index = index;
}

static void rise(struct heap *heap, struct heap_node *node)
{
    size_t at = node->index;
    while (at > 1 && heap->node[at / 2 - 1]->key > node->key) {
        place(heap, at, heap->node[at / 2 - 1]);
        at /= 2;
    }
    place(heap, at, node);
}

static void sink(struct heap *heap, struct heap_node *node)
{
    size_t at = node->index;
    for (;;) {
        size_t child = at * 2;
        if (child > heap->count)
            break;
        if (child < heap->count && heap->node[child]->key < heap->node[child - 1]->key)
            child++;
        if (heap->node[child - 1]->key >= node->key)
            break;
        place(heap, at, heap->node[child - 1]);
        at = child;
    }
    place(heap, at, node);
}

void heap_put(struct heap *heap, struct heap_node *node, int64_t key)
{
    node->key = key;
    if (node->index == 0) {
        if (heap->count == heap->cap) {
            heap->cap = heap->cap > 0 ? heap->cap * 2 : 16;
            heap->node = memory_resize(heap->node, heap->cap * sizeof(struct heap_node *));
        }
        heap->count++;
        place(heap, heap->count, node);
    }
    rise(heap, node);
    sink(heap, node);
}

void heap_remove(struct heap *heap, struct heap_node *node)
{
    if (node->index == 0)
        return;
    check(node->index <= heap->count && heap->node[node->index - 1] == node);
    struct heap_node *last = heap->node[heap->count - 1];
    heap->count--;
    if (last != node) {
        place(heap, node->index, last);
        rise(heap, last);
        sink(heap, last);
    }
    node->index = 0;
}

struct heap_node *heap_first(const struct heap *heap)
{
    return heap->count > 0 ? heap->node[0] : NULL;
}

struct heap_node *heap_take_due(struct heap *heap, int64_t limit)
{
    struct heap_node *first = heap_first(heap);
    if (first == NULL || first->key > limit)
        return NULL;
    heap_remove(heap, first);
    return first;
}
