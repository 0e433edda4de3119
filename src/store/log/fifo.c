/* SPDX-License-Identifier: ISC */
/* fifo.c: see fifo.h. */
#include "store/log/fifo.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/index.h"

enum { BLOCK_MAX = 126 }; /* with its count just below 512 bytes */

struct fifo_block {
    uint32_t count;
    uint32_t number[BLOCK_MAX];
};

static struct fifo_block *block_at(const struct fifo *fifo, size_t i)
{
    return fifo->block[fifo->head + i];
}

/* Is the entry before the key? */
static bool is_before(const struct index *index, uint32_t number, int64_t since_ms, uint64_t order)
{
    const struct index_entry *entry = index_entry(index, number);
    return entry->since_ms != since_ms ? entry->since_ms < since_ms : entry->order < order;
}

void fifo_fini(struct fifo *fifo)
{
    for (size_t i = 0; i < fifo->count; i++)
        memory_free(block_at(fifo, i));
    memory_free(fifo->block);
    *fifo = (struct fifo){ 0 };
}

/* Room for one more pointer, at the front of unused ones or in a larger array. */
static void make_room(struct fifo *fifo)
{
    if (fifo->head + fifo->count < fifo->cap)
        return;
    if (fifo->head > fifo->cap / 2) {
        memmove(fifo->block, fifo->block + fifo->head, fifo->count * sizeof(struct fifo_block *));
        fifo->head = 0;
        return;
    }
    fifo->cap = fifo->cap > 0 ? fifo->cap * 2 : 4;
    fifo->block = memory_resize(fifo->block, fifo->cap * sizeof(struct fifo_block *));
}

static struct fifo_block *add_block(struct fifo *fifo, size_t i)
{
    make_room(fifo);
    struct fifo_block **at = fifo->block + fifo->head + i;
    memmove(at + 1, at, (fifo->count - i) * sizeof(struct fifo_block *));
    *at = memory_new(sizeof **at);
    fifo->count++;
    return *at;
}

static void drop_block(struct fifo *fifo, size_t i)
{
    struct fifo_block **at = fifo->block + fifo->head + i;

    memory_free(*at);
    if (i == 0)
        fifo->head++;
    else
        memmove(at, at + 1, (fifo->count - i - 1) * sizeof(struct fifo_block *));
    fifo->count--;
    if (fifo->count == 0)
        fifo_fini(fifo);
}

struct fifo_place fifo_seek(const struct fifo *fifo, const struct index *index, int64_t since_ms,
                            uint64_t order)
{
    /* The last block whose first entry is before the key holds the place, or ends before it. */
    size_t low = 0;
    size_t high = fifo->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (is_before(index, block_at(fifo, middle)->number[0], since_ms, order))
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return (struct fifo_place){ 0 };
    const struct fifo_block *block = block_at(fifo, low - 1);
    size_t first = 0;
    size_t last = block->count;
    while (first < last) {
        size_t middle = (first + last) / 2;
        if (is_before(index, block->number[middle], since_ms, order))
            first = middle + 1;
        else
            last = middle;
    }
    if (first == block->count)
        return (struct fifo_place){ .block = low };
    return (struct fifo_place){ .block = low - 1, .at = first };
}

static void insert_at(struct fifo_block *block, size_t at, uint32_t number)
{
    check(block->count < BLOCK_MAX);
    memmove(block->number + at + 1, block->number + at, (block->count - at) * sizeof number);
    block->number[at] = number;
    block->count++;
}

/* Moves the upper half of a full block to a new one behind it. */
static void split(struct fifo *fifo, size_t i)
{
    struct fifo_block *upper = add_block(fifo, i + 1);
    struct fifo_block *lower = block_at(fifo, i);
    size_t half = lower->count / 2;

    upper->count = (uint32_t)(lower->count - half);
    memcpy(upper->number, lower->number + half, upper->count * sizeof(uint32_t));
    lower->count = (uint32_t)half;
}

static void append(struct fifo *fifo, uint32_t number)
{
    struct fifo_block *last = fifo->count > 0 ? block_at(fifo, fifo->count - 1) : NULL;
    if (last == NULL || last->count == BLOCK_MAX)
        last = add_block(fifo, fifo->count);
    last->number[last->count++] = number;
}

void fifo_insert(struct fifo *fifo, const struct index *index, uint32_t number)
{
    const struct index_entry *entry = index_entry(index, number);
    uint32_t last = fifo_last(fifo);

    if (last == 0 || is_before(index, last, entry->since_ms, entry->order)) {
        append(fifo, number);
        return;
    }
    struct fifo_place place = fifo_seek(fifo, index, entry->since_ms, entry->order);
    if (block_at(fifo, place.block)->count == BLOCK_MAX) {
        split(fifo, place.block);
        if (place.at > block_at(fifo, place.block)->count) {
            place.at -= block_at(fifo, place.block)->count;
            place.block++;
        }
    }
    insert_at(block_at(fifo, place.block), place.at, number);
}

/* Joins a block with the next one if they fit into half a block: no trail of nearly empty ones. */
static void join(struct fifo *fifo, size_t i)
{
    if (i + 1 >= fifo->count)
        return;
    struct fifo_block *block = block_at(fifo, i);
    struct fifo_block *next = block_at(fifo, i + 1);
    if (block->count + next->count > BLOCK_MAX / 2)
        return;
    memcpy(block->number + block->count, next->number, next->count * sizeof(uint32_t));
    block->count += next->count;
    drop_block(fifo, i + 1);
}

void fifo_remove(struct fifo *fifo, const struct index *index, uint32_t number)
{
    const struct index_entry *entry = index_entry(index, number);
    struct fifo_place place = fifo_seek(fifo, index, entry->since_ms, entry->order);

    while (fifo_at(fifo, place) != number) { /* a damaged index file may have made keys equal */
        check(place.block < fifo->count);
        fifo_step(fifo, &place);
    }
    struct fifo_block *block = block_at(fifo, place.block);
    block->count--;
    memmove(block->number + place.at, block->number + place.at + 1,
            (block->count - place.at) * sizeof number);
    if (block->count == 0)
        drop_block(fifo, place.block);
    else
        join(fifo, place.block);
}

uint32_t fifo_first(const struct fifo *fifo)
{
    return fifo->count > 0 ? block_at(fifo, 0)->number[0] : 0;
}

uint32_t fifo_last(const struct fifo *fifo)
{
    if (fifo->count == 0)
        return 0;
    const struct fifo_block *last = block_at(fifo, fifo->count - 1);
    return last->number[last->count - 1];
}

uint32_t fifo_at(const struct fifo *fifo, struct fifo_place place)
{
    return place.block < fifo->count ? block_at(fifo, place.block)->number[place.at] : 0;
}

void fifo_step(const struct fifo *fifo, struct fifo_place *place)
{
    if (place->block >= fifo->count)
        return;
    if (++place->at == block_at(fifo, place->block)->count)
        *place = (struct fifo_place){ .block = place->block + 1 };
}

bool fifo_step_back(const struct fifo *fifo, struct fifo_place *place)
{
    if (place->at > 0) {
        place->at--;
        return true;
    }
    if (place->block == 0)
        return false;
    place->block--;
    place->at = block_at(fifo, place->block)->count - 1;
    return true;
}

struct fifo_place fifo_end(const struct fifo *fifo)
{
    return (struct fifo_place){ .block = fifo->count };
}
