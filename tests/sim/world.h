/* SPDX-License-Identifier: ISC */
/* world.h: one run: its time, its chance, what is to happen, and what has happened.
 *
 * Everything of a run comes from its seed. True time passes only here: when
 * nobody has anything to do, it goes on to what is due next. What a machine shows
 * as its clocks is true time moved by two offsets: the wall clock may be set wrong,
 * the monotonic clock begins anew when the machine does.
 *
 * The world is the one global object of the simulator, for what stands in for
 * the kernel (edge_*.c) is called without a context. Each run has a process of its own.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"
#include "base/heap.h"
#include "base/random.h"
#include "base/str.h"

struct happening { /* belongs to whoever sets it */
    struct heap_node node;
    void (*happen)(struct happening *happening);
};

struct world {
    uint64_t seed;
    bool is_traced;       /* every line goes to standard output */
    struct random chance; /* what the world does */
    struct random kernel; /* what roles get from getrandom(2) */
    int64_t true_ms;
    int64_t mono_offset_ms; /* monotonic clock - true time */
    int64_t wall_offset_ms; /* wall clock - true time */
    struct heap happenings;
    uint64_t steps;
    uint64_t trace_hash;
};
extern struct world world;

void world_init(uint64_t seed, bool is_traced);
struct now world_now(void); /* what the machine's clocks show */
void world_at(struct happening *happening, int64_t true_ms);
void world_in(struct happening *happening, int64_t ms);
void world_cancel(struct happening *happening);
/* Turns until `until_ms` of true time, or until is_over() says so after a step (may be NULL). */
void world_run(int64_t until_ms, bool (*is_over)(void));

/* A line of the trace, with the true time before it; what is traced must not depend on anything
 * but the seed. */
void world_trace(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A promise is broken: says which, and ends the run. */
void world_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

uint64_t chance_below(uint64_t bound);
bool chance_percent(unsigned percent);
int64_t chance_between(int64_t least, int64_t most); /* both included */
