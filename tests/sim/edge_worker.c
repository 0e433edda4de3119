/* SPDX-License-Identifier: ISC */
/* edge_worker.c: base/worker.h in the simulator.
 *
 *     submitted ── some ms ──▶ run ── some ms ──▶ finished ──▶ collected by its owner
 *
 * A process may be killed at each arrow. A job's run() is one moment: what it does
 * with the disk is not seen half done, save where the power goes in the middle.
 */
#include "base/worker.h"

#include "base/check.h"
#include "base/memory.h"
#include "sim/edge.h"
#include "sim/world.h"

enum { FIRST_DESCRIPTOR = -1000000, WORKERS_MAX = 100000 };

struct worker {
    struct link link; /* of those that live */
    struct happening next;
    struct link queued;
    struct link finished;
    struct worker_job *running; /* has run, is not finished yet */
    int descriptor;
    unsigned open;
};

static struct {
    struct link all;
    int made;
    bool is_slow;
} workers;

static struct link *take(struct link *list)
{
    struct link *first = list_first(list);
    if (first != NULL)
        list_remove(first);
    return first;
}

static int64_t pause_ms(void)
{
    if (workers.is_slow)
        return chance_between(100, 5 * SECOND_MS);
    return chance_percent(5) ? chance_between(10, 300) : chance_between(0, 3);
}

/* Runs the next job, or finishes the one that has run. */
static void advance(struct worker *worker)
{
    if (worker->running != NULL) {
        list_append(&worker->finished, &worker->running->link);
        worker->running = NULL;
    } else {
        struct link *first = take(&worker->queued);
        if (first == NULL)
            return;
        worker->running = container_of(first, struct worker_job, link);
        worker->running->run(worker->running);
    }
}

static void on_next(struct happening *happening)
{
    struct worker *worker = container_of(happening, struct worker, next);

    advance(worker);
    if (worker->running != NULL || !list_is_empty(&worker->queued))
        world_in(&worker->next, pause_ms());
}

struct worker *worker_new(void)
{
    struct worker *worker = memory_new(sizeof *worker);

    if (workers.all.next == NULL)
        list_init(&workers.all);
    check(workers.made < WORKERS_MAX);
    worker->descriptor = FIRST_DESCRIPTOR - workers.made++;
    worker->next.happen = on_next;
    list_init(&worker->queued);
    list_init(&worker->finished);
    list_append(&workers.all, &worker->link);
    return worker;
}

struct worker *worker_new_inline(void)
{
    return worker_new();
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
    list_append(&worker->queued, &job->link);
    worker->open++;
    if (worker->next.node.index == 0)
        world_in(&worker->next, pause_ms());
}

/* With nothing finished, its owner waits for it outside of the loop (store_close()): then the
 * work is done now. */
unsigned worker_collect(struct worker *worker)
{
    struct link *link;
    unsigned collected = 0;

    while (list_is_empty(&worker->finished) && worker->open > 0)
        advance(worker);
    while ((link = take(&worker->finished)) != NULL) {
        struct worker_job *job = container_of(link, struct worker_job, link);
        worker->open--;
        collected++;
        job->done(job);
    }
    return collected;
}

int worker_descriptor(const struct worker *worker)
{
    return worker->descriptor;
}

bool worker_is_idle(const struct worker *worker)
{
    return worker->open == 0;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    while (!worker_is_idle(worker))
        (void)worker_collect(worker);
    world_cancel(&worker->next);
    list_remove(&worker->link);
    memory_free(worker);
}

bool edge_worker_is_ready(int descriptor)
{
    if (workers.all.next == NULL)
        return false;
    list_each (link, &workers.all) {
        const struct worker *worker = container_of(link, struct worker, link);
        if (worker->descriptor == descriptor)
            return !list_is_empty(&worker->finished);
    }
    return false;
}

void edge_worker_kill_all(void)
{
    if (workers.all.next == NULL)
        return;
    list_each_safe (link, &workers.all) {
        struct worker *worker = container_of(link, struct worker, link);
        world_cancel(&worker->next);
        list_remove(link);
    }
}

void edge_worker_set_slow(bool is_slow)
{
    workers.is_slow = is_slow;
}
