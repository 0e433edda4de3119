/* SPDX-License-Identifier: ISC */
/* loop.c: see loop.h. */
#include "net/loop.h"

#include <event2/event.h>

#include "base/check.h"
#include "base/memory.h"

struct loop {
    struct event_base *base;
    struct event *alarm;
    struct now now;
    bool has_time; /* `now` is this turn's */
    bool stopped;
};

struct watch {
    struct loop *loop;
    struct event *event;
    int fd;
    unsigned what;
    watch_ready *ready;
    loop_signal *raised;
    void *context;
};

static void on_alarm(evutil_socket_t fd, short what, void *context)
{
    (void)fd;
    (void)what;
    (void)context; /* waking up is all it is for */
}

struct loop *loop_new(void)
{
    struct loop *loop = memory_new(sizeof *loop);
    struct event_config *config = event_config_new();

    check(config != NULL);
    check(event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK) == 0);
    loop->base = event_base_new_with_config(config);
    event_config_free(config);
    check(loop->base != NULL);
    loop->alarm = evtimer_new(loop->base, on_alarm, NULL);
    check(loop->alarm != NULL);
    loop->now = clock_now();
    return loop;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    event_free(loop->alarm);
    event_base_free(loop->base);
    memory_free(loop);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

struct now loop_now(const struct loop *loop)
{
    return loop->now;
}

static void set_alarm(struct loop *loop, int64_t deadline)
{
    (void)event_del(loop->alarm);
    if (deadline == NEVER_MS)
        return;
    int64_t wait = deadline - clock_now().mono_ms;
    if (wait < 0)
        wait = 0;
    struct timeval after = { .tv_sec = wait / SECOND_MS, .tv_usec = wait % SECOND_MS * 1000 };
    check(event_add(loop->alarm, &after) == 0);
}

void loop_run(struct loop *loop, loop_turn *turn, void *context)
{
    while (!loop->stopped) {
        loop->now = clock_now();
        set_alarm(loop, turn(context, loop->now));
        if (loop->stopped)
            break;
        loop->has_time = false;
        check(event_base_loop(loop->base, EVLOOP_ONCE) >= 0);
    }
}

void loop_stop(struct loop *loop)
{
    loop->stopped = true;
}

bool loop_is_stopped(const struct loop *loop)
{
    return loop->stopped;
}

/* The first event of a turn takes the time for all of them. */
static void take_time(struct loop *loop)
{
    if (!loop->has_time)
        loop->now = clock_now();
    loop->has_time = true;
}

static void on_ready(evutil_socket_t fd, short what, void *context)
{
    struct watch *watch = context;
    (void)fd;
    take_time(watch->loop);
    watch->ready(watch->context, (what & EV_READ ? (unsigned)WATCH_READ : 0) |
                                     (what & EV_WRITE ? (unsigned)WATCH_WRITE : 0));
}

struct watch *watch_new(struct loop *loop, int fd, watch_ready *ready, void *context)
{
    struct watch *watch = memory_new(sizeof *watch);
    watch->loop = loop;
    watch->fd = fd;
    watch->ready = ready;
    watch->context = context;
    watch->event = event_new(loop->base, fd, EV_PERSIST, on_ready, watch);
    check(watch->event != NULL);
    return watch;
}

void watch_set(struct watch *watch, unsigned what)
{
    if (what == watch->what)
        return;
    (void)event_del(watch->event);
    watch->what = what;
    short flags = EV_PERSIST;
    if (what & WATCH_READ)
        flags |= EV_READ;
    if (what & WATCH_WRITE)
        flags |= EV_WRITE;
    check(event_assign(watch->event, watch->loop->base, watch->fd, flags, on_ready, watch) == 0);
    if (what != 0)
        check(event_add(watch->event, NULL) == 0);
}

static void on_signal(evutil_socket_t number, short what, void *context)
{
    struct watch *watch = context;
    (void)what;
    take_time(watch->loop);
    watch->raised(watch->context, number);
}

struct watch *watch_signal(struct loop *loop, int number, loop_signal *raised, void *context)
{
    struct watch *watch = memory_new(sizeof *watch);
    watch->loop = loop;
    watch->fd = number;
    watch->raised = raised;
    watch->context = context;
    watch->event = evsignal_new(loop->base, number, on_signal, watch);
    check(watch->event != NULL && event_add(watch->event, NULL) == 0);
    return watch;
}

void watch_free(struct watch *watch)
{
    if (watch == NULL)
        return;
    event_free(watch->event);
    memory_free(watch);
}
