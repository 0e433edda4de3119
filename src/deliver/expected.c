/* SPDX-License-Identifier: ISC */
/* expected.c: which replies are due, oldest first.
 *
 * A ring that grows. Its size follows from what we write ourselves: the window's
 * commands and the chunks that fit into what may be unsent.
 */
#include "deliver/conversation.h"

#include "base/check.h"
#include "base/memory.h"

enum { CAP_FIRST = 32 };

void expected_fini(struct expected_queue *queue)
{
    memory_free(queue->ring);
    *queue = (struct expected_queue){ 0 };
}

void expected_reset(struct expected_queue *queue)
{
    queue->count = 0;
}

static void grow(struct expected_queue *queue)
{
    size_t cap = queue->cap > 0 ? queue->cap * 2 : CAP_FIRST;
    struct expected *ring = memory_new(cap * sizeof *ring);

    for (size_t i = 0; i < queue->count; i++)
        ring[i] = queue->ring[(queue->first + i) & (queue->cap - 1)];
    memory_free(queue->ring);
    queue->ring = ring;
    queue->cap = cap;
    queue->first = 0;
}

void expected_add(struct expected_queue *queue, struct expected expected)
{
    if (queue->count == queue->cap)
        grow(queue);
    queue->ring[(queue->first + queue->count++) & (queue->cap - 1)] = expected;
}

const struct expected *expected_first(const struct expected_queue *queue)
{
    return queue->count > 0 ? &queue->ring[queue->first] : NULL;
}

struct expected expected_take(struct expected_queue *queue)
{
    check(queue->count > 0);
    struct expected expected = queue->ring[queue->first];
    queue->first = (queue->first + 1) & (queue->cap - 1);
    queue->count--;
    return expected;
}
