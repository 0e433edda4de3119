/* SPDX-License-Identifier: ISC */
/* loop.h: one role, one loop.
 *
 * A thin coat over libevent that gives the program its idea of a turn: events are
 * handled, then the turn function runs once with the time, then the loop sleeps
 * until something happens or the deadline that the turn function returned.
 * Whatever is gathered during a turn (replies, frames, records) goes out together
 * at its end.
 */
#pragma once

#include <stdbool.h>

#include "base/clock.h"

struct event_base;
struct loop;
struct watch;

struct loop *loop_new(void);
void loop_free(struct loop *loop);
struct event_base *loop_base(struct loop *loop); /* for libraries that bring their own events */
/* The time at the beginning of this turn. */
struct now loop_now(const struct loop *loop);

/* Runs at the end of every turn; returns when it wants to run again at the latest, on the
 * monotonic clock (NEVER_MS: when something happens). */
typedef int64_t loop_turn(void *context, struct now now);
/* Until loop_stop(). */
void loop_run(struct loop *loop, loop_turn *turn, void *context);
void loop_stop(struct loop *loop);
bool loop_is_stopped(const struct loop *loop);

enum { WATCH_READ = 1, WATCH_WRITE = 2 };
typedef void watch_ready(void *context, unsigned what);
/* Calls ready() whenever the descriptor is readable or writable, as asked for. The descriptor
 * stays the caller's. */
struct watch *watch_new(struct loop *loop, int fd, watch_ready *ready, void *context);
void watch_set(struct watch *watch, unsigned what); /* 0: neither */
void watch_free(struct watch *watch);               /* NULL is fine; also inside ready() */

typedef void loop_signal(void *context, int number);
struct watch *watch_signal(struct loop *loop, int number, loop_signal *raised, void *context);
