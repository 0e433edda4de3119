/* SPDX-License-Identifier: ISC */
/* fifo.h: the entries of one domain and state, in order, four bytes each.
 *
 * Entry numbers in blocks of a hundred or so, sorted by (since_ms, order) of the
 * entries they name. Finding a place costs O(log n), so that a listing can go on
 * from any position; adding at the end, which is what nearly always happens, is a
 * store into the last block.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct index;
struct fifo_block;

struct fifo { /* {0} is empty; blocks are head … head + count - 1 of cap */
    struct fifo_block **block;
    size_t head;
    size_t count;
    size_t cap;
};

struct fifo_place {
    size_t block; /* counted from the head */
    size_t at;
};

void fifo_fini(struct fifo *fifo);
void fifo_insert(struct fifo *fifo, const struct index *index, uint32_t number);
void fifo_remove(struct fifo *fifo, const struct index *index, uint32_t number);
uint32_t fifo_first(const struct fifo *fifo); /* 0: empty */
uint32_t fifo_last(const struct fifo *fifo);

/* The first place whose entry is at or behind the key. */
struct fifo_place fifo_seek(const struct fifo *fifo, const struct index *index, int64_t since_ms,
                            uint64_t order);
uint32_t fifo_at(const struct fifo *fifo, struct fifo_place place); /* 0: past the end */
void fifo_step(const struct fifo *fifo, struct fifo_place *place);
bool fifo_step_back(const struct fifo *fifo, struct fifo_place *place); /* false: at the first */
struct fifo_place fifo_end(const struct fifo *fifo);
