/* SPDX-License-Identifier: ISC */
/* clock.h: time, handed in by whoever calls.
 *
 * Only the loop of a role reads the kernel's clocks (clock_now). Everything else
 * gets a struct now, so that tests and the simulator can set it. Deadlines and
 * intervals use mono_ms, which never jumps; what is written to disk or shown to
 * people uses wall_ms, which may.
 */
#pragma once

#include <stdint.h>

struct buf;

struct now {
    int64_t mono_ms; /* CLOCK_MONOTONIC, milliseconds */
    int64_t wall_ms; /* Unix time, milliseconds */
};

enum {
    SECOND_MS = 1000,
    MINUTE_MS = 60 * SECOND_MS,
    HOUR_MS = 60 * MINUTE_MS,
    DAY_MS = 24 * HOUR_MS,
};
#define NEVER_MS INT64_MAX

struct now clock_now(void);
/* The same as mono_ms, asked of the kernel itself: a library that bends time for a test does not
 * bend this. For what watches over processes, which live in no other time. */
int64_t clock_kernel_ms(void);

void clock_add_iso(struct buf *out, int64_t wall_ms);     /* 2026-11-21T21:40:49.123Z */
void clock_add_rfc5322(struct buf *out, int64_t wall_ms); /* Sat, 21 Nov 2026 21:40:49 +0000 */
