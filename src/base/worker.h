/* SPDX-License-Identifier: ISC */
/* worker.h: a helper thread for slow calls (sync, SQLite, cold reads).
 *
 * The thread shares nothing with its owner but the job: until run() has returned,
 * the job belongs to the thread; after that, to the owner again. Jobs run one at
 * a time in the order given. The owner watches worker_descriptor() (an eventfd)
 * for readability and calls worker_collect(), which calls done() of each finished
 * job on the owner's thread.
 *
 * A worker without a thread (worker_new_inline) runs each job inside
 * worker_collect(): the same order of events, repeatable, for tests and the
 * simulator.
 */
#pragma once

#include <stdbool.h>

#include "base/list.h"

struct worker;

struct worker_job {
    struct link link;                     /* the worker's while submitted */
    void (*run)(struct worker_job *job);  /* on the helper thread */
    void (*done)(struct worker_job *job); /* on the owner's thread; may free the job */
};

struct worker *worker_new(void);
struct worker *worker_new_inline(void);
void worker_free(struct worker *worker); /* runs what is queued, also by done(); ends the thread */
int worker_descriptor(const struct worker *worker); /* -1 for an inline worker */
void worker_submit(struct worker *worker, struct worker_job *job);
/* Calls done() for every finished job; returns how many. */
unsigned worker_collect(struct worker *worker);
bool worker_is_idle(const struct worker *worker); /* nothing queued, running or uncollected */
