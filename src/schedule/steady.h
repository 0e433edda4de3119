/* SPDX-License-Identifier: ISC */
/* steady.h: a wall clock that may be used to end a message's holding time.
 *
 * It is the monotonic clock plus an offset. Where the kernel's wall clock departs
 * from that, it is followed only after it has stood there for an hour, so a clock
 * that jumps to and fro expires nothing. A jump forward that stays would still
 * make all that is held look older than it is; what was received before it is
 * therefore given as much time as the clock skipped (steady_extra).
 *
 * At the start the clock may just be being set: it is followed freely until it has
 * run on for ten minutes, and nothing may be expired before steady_trusted_at().
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

struct steady {
    int64_t offset; /* wall = mono + offset */
    bool is_settled;
    int64_t settling_ms;  /* since then (mono) it has not jumped */
    bool doubting;        /* the kernel's clock shows another offset, */
    int64_t doubt_offset; /* this one, */
    int64_t doubt_since;  /* since then (mono) */
    int64_t extra_ms;     /* what jumps forward have skipped */
    int64_t extra_before; /* … for all that was received before this time */
};

void steady_init(struct steady *steady, struct now now);
void steady_observe(struct steady *steady, struct now now); /* once a turn */
int64_t steady_wall(const struct steady *steady, struct now now);
/* On the monotonic clock; may still move on until it is reached. */
int64_t steady_trusted_at(const struct steady *steady);
/* Time to add to the life of what was received at `since_ms`. */
int64_t steady_extra(const struct steady *steady, int64_t since_ms);
