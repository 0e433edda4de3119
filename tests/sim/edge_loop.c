/* SPDX-License-Identifier: ISC */
/* edge_loop.c: net/loop.h in the simulator. Readiness is level-triggered, as libevent's is. */
#include <poll.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"
#include "sim/edge.h"
#include "sim/world.h"

enum { WATCHES_MAX = 1024 };

struct loop {
    struct link watches;
    struct now now;
    bool is_stopped;
    struct link link;
};

struct watch {
    struct link link;
    struct loop *loop;
    int fd;
    unsigned what;
    unsigned ready; /* as of the last edge_look() */
    watch_ready *call;
    void *context;
};

static struct link loops;

/* ---- loop.h ---- */

struct loop *loop_new(void)
{
    struct loop *loop = memory_new(sizeof *loop);

    if (loops.next == NULL)
        list_init(&loops);
    list_init(&loop->watches);
    list_append(&loops, &loop->link);
    loop->now = world_now();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    check(list_is_empty(&loop->watches));
    list_remove(&loop->link);
    memory_free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    (void)loop;
    check(false); /* the resolver's libunbound wants it; it is not simulated */
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
    check(false); /* machine.c turns the roles */
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

    watch->loop = loop;
    watch->fd = fd;
    watch->call = ready;
    watch->context = context;
    list_append(&loop->watches, &watch->link);
    return watch;
}

void watch_set(struct watch *watch, unsigned what)
{
    watch->what = what;
    watch->ready &= what;
}

struct watch *watch_signal(struct loop *loop, int number, loop_signal *raised, void *context)
{
    (void)loop;
    (void)number;
    (void)raised;
    (void)context;
    check(false); /* the supervisor's */
    return NULL;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    list_remove(&watch->link);
    memory_free(watch);
}

/* ---- for the world ---- */

static unsigned ready_of_thing(const struct watch *watch)
{
    bool is_ready = edge_worker_is_ready(watch->fd) || edge_listener_is_ready(watch->fd);
    return is_ready ? watch->what & WATCH_READ : 0;
}

/* Every watch of every loop; those on descriptors also in `look`. */
static unsigned gather(struct pollfd *look, struct watch **watched)
{
    unsigned count = 0;

    list_each (at, &loops) {
        const struct loop *loop = container_of(at, struct loop, link);
        list_each (link, &loop->watches) {
            struct watch *watch = container_of(link, struct watch, link);
            watch->ready = 0;
            if (watch->fd < 0) {
                watch->ready = ready_of_thing(watch);
                continue;
            }
            if (watch->what == 0 || edge_is_connecting(watch->fd))
                continue;
            check(count < WATCHES_MAX);
            look[count] = (struct pollfd){ .fd = watch->fd };
            if (watch->what & WATCH_READ)
                look[count].events |= POLLIN;
            if (watch->what & WATCH_WRITE)
                look[count].events |= POLLOUT;
            watched[count++] = watch;
        }
    }
    return count;
}

void edge_look(void)
{
    static struct pollfd look[WATCHES_MAX];
    static struct watch *watched[WATCHES_MAX];
    unsigned count = gather(look, watched);

    check(poll(look, count, 0) >= 0);
    for (unsigned i = 0; i < count; i++) {
        if (look[i].revents & (POLLIN | POLLHUP | POLLERR))
            watched[i]->ready |= WATCH_READ;
        if (look[i].revents & (POLLOUT | POLLHUP | POLLERR))
            watched[i]->ready |= WATCH_WRITE;
        watched[i]->ready &= watched[i]->what;
    }
}

bool edge_is_ready(const struct loop *loop)
{
    list_each (link, &loop->watches)
        if (container_of(link, struct watch, link)->ready != 0)
            return true;
    return false;
}

/* One of those that are ready, by chance; a call may free any watch, so each is looked for anew. */
static bool call_one(struct loop *loop)
{
    struct watch *chosen = NULL;
    unsigned seen = 0;

    list_each (link, &loop->watches) {
        struct watch *watch = container_of(link, struct watch, link);
        if (watch->ready != 0 && chance_below(++seen) == 0)
            chosen = watch;
    }
    if (chosen == NULL)
        return false;
    unsigned ready = chosen->ready;
    chosen->ready = 0;
    chosen->call(chosen->context, ready);
    return true;
}

void edge_dispatch(struct loop *loop)
{
    while (call_one(loop))
        continue;
}

void edge_dispatch_one(struct loop *loop)
{
    (void)call_one(loop);
}

void edge_set_now(struct loop *loop)
{
    loop->now = world_now();
}

void edge_kill(struct loop *loop)
{
    list_each_safe (link, &loop->watches) {
        struct watch *watch = container_of(link, struct watch, link);
        if (watch->fd >= 0)
            (void)close(watch->fd);
        list_remove(link);
    }
    list_remove(&loop->link);
}
