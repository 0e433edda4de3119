/* SPDX-License-Identifier: ISC */
/* hand_loop.c: see hand_loop.h. */
#include "hand_loop.h"

#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"

enum { FIRST_MONO_MS = 1000 };
#define FIRST_WALL_MS INT64_C(1763760000000)

struct loop {
    struct now now;
    struct link watches;
    bool is_stopped;
};

struct watch {
    struct link link;
    int fd;
    unsigned what;
    watch_ready *ready;
    void *context;
};

struct loop *loop_new(void)
{
    struct loop *loop = memory_new(sizeof *loop);
    loop->now = (struct now){ FIRST_MONO_MS, FIRST_WALL_MS };
    list_init(&loop->watches);
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    check(list_is_empty(&loop->watches));
    memory_free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    (void)loop;
    return NULL;
}

struct now loop_now(const struct loop *loop)
{
    return loop->now;
}

void loop_run(struct loop *loop, loop_turn *turn, void *context)
{
    (void)loop;
    (void)turn;
    (void)context;
    check(false); /* the target turns it */
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}

bool loop_is_stopped(const struct loop *loop)
{
    return loop->is_stopped;
}

struct watch *watch_new(struct loop *loop, int fd, watch_ready *ready, void *context)
{
    struct watch *watch = memory_new(sizeof *watch);
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    list_append(&loop->watches, &watch->link);
    return watch;
}

struct watch *watch_signal(struct loop *loop, int number, loop_signal *raised, void *context)
{
    (void)loop;
    (void)number;
    (void)raised;
    (void)context;
    check(false); /* the supervisor alone listens to signals */
    return NULL;
}

void watch_set(struct watch *watch, unsigned what)
{
    watch->what = what;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    list_remove(&watch->link);
    memory_free(watch);
}

void hand_loop_pass(struct loop *loop, int64_t ms)
{
    loop->now.mono_ms += ms;
    loop->now.wall_ms += ms;
}

bool hand_loop_ready(struct loop *loop, int fd, unsigned what)
{
    if (fd < 0)
        return false;
    list_each (link, &loop->watches) {
        struct watch *watch = container_of(link, struct watch, link);
        if (watch->fd != fd || (watch->what & what) == 0)
            continue;
        watch->ready(watch->context, watch->what & what);
        return true; /* the watch may be gone */
    }
    return false;
}

void *hand_loop_newest(const struct loop *loop)
{
    check(!list_is_empty(&loop->watches));
    return container_of(loop->watches.prev, struct watch, link)->context;
}
