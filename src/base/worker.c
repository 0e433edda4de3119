/* SPDX-License-Identifier: ISC */
/* worker.c: see worker.h. */
#include "base/worker.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"

struct worker {
    pthread_t thread;
    bool is_inline;
    pthread_mutex_t lock; /* guards queued, finished, stopping */
    pthread_cond_t wake;
    struct link queued;
    struct link finished;
    bool stopping;
    int event;
    unsigned open; /* submitted and not yet collected; the owner's alone */
};

static struct link *take(struct link *list)
{
    struct link *first = list_first(list);
    if (first != NULL)
        list_remove(first);
    return first;
}

static void *work(void *context)
{
    struct worker *worker = context;
    uint64_t one = 1;

    check(pthread_mutex_lock(&worker->lock) == 0);
    for (;;) {
        struct link *link = take(&worker->queued);
        if (link == NULL) {
            if (worker->stopping)
                break;
            check(pthread_cond_wait(&worker->wake, &worker->lock) == 0);
            continue;
        }
        check(pthread_mutex_unlock(&worker->lock) == 0);
        struct worker_job *job = container_of(link, struct worker_job, link);
        job->run(job);
        check(pthread_mutex_lock(&worker->lock) == 0);
        list_append(&worker->finished, link);
        check(write(worker->event, &one, sizeof one) == (ssize_t)sizeof one);
    }
    check(pthread_mutex_unlock(&worker->lock) == 0);
    return NULL;
}

struct worker *worker_new_inline(void)
{
    struct worker *worker = memory_new(sizeof *worker);
    worker->is_inline = true;
    worker->event = -1;
    list_init(&worker->queued);
    list_init(&worker->finished);
    check(pthread_mutex_init(&worker->lock, NULL) == 0);
    check(pthread_cond_init(&worker->wake, NULL) == 0);
    return worker;
}

struct worker *worker_new(void)
{
    struct worker *worker = worker_new_inline();
    sigset_t all;
    sigset_t before;

    worker->is_inline = false;
    worker->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    check(worker->event >= 0);
    /* Signals belong to the owner's loop. */
    check(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &before) == 0);
    check(pthread_create(&worker->thread, NULL, work, worker) == 0);
    check(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    return worker;
}

int worker_descriptor(const struct worker *worker)
{
    return worker->event;
}

void worker_submit(struct worker *worker, struct worker_job *job)
{
    check(pthread_mutex_lock(&worker->lock) == 0);
    list_append(&worker->queued, &job->link);
    check(pthread_cond_signal(&worker->wake) == 0);
    check(pthread_mutex_unlock(&worker->lock) == 0);
    worker->open++;
}

static void run_inline(struct worker *worker)
{
    struct link *link;
    while ((link = take(&worker->queued)) != NULL) {
        struct worker_job *job = container_of(link, struct worker_job, link);
        job->run(job);
        list_append(&worker->finished, link);
    }
}

unsigned worker_collect(struct worker *worker)
{
    uint64_t count;
    unsigned collected = 0;

    if (worker->is_inline)
        run_inline(worker);
    else
        (void)!read(worker->event, &count, sizeof count); /* EAGAIN: nothing new, which is fine */
    for (;;) {
        check(pthread_mutex_lock(&worker->lock) == 0);
        struct link *link = take(&worker->finished);
        check(pthread_mutex_unlock(&worker->lock) == 0);
        if (link == NULL)
            return collected;
        struct worker_job *job = container_of(link, struct worker_job, link);
        worker->open--;
        collected++;
        job->done(job);
    }
}

bool worker_is_idle(const struct worker *worker)
{
    return worker->open == 0;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    if (!worker->is_inline) {
        check(pthread_mutex_lock(&worker->lock) == 0);
        worker->stopping = true;
        check(pthread_cond_signal(&worker->wake) == 0);
        check(pthread_mutex_unlock(&worker->lock) == 0);
        check(pthread_join(worker->thread, NULL) == 0);
        worker->is_inline = true; /* what done() submits now runs here */
    }
    while (!worker_is_idle(worker))
        (void)worker_collect(worker);
    if (worker->event >= 0)
        (void)close(worker->event);
    check(pthread_cond_destroy(&worker->wake) == 0);
    check(pthread_mutex_destroy(&worker->lock) == 0);
    memory_free(worker);
}
