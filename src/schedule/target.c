/* SPDX-License-Identifier: ISC */
/* target.c: one address and port, whoever's mail goes there.
 *
 * A thousand domains at one hoster lead to one target: it is probed once for all,
 * and it has one number of sessions, which the routes share. A route that has mail
 * and no session waits in `hungry`; while anybody is hungry, a session that has had
 * its turn ends, and the one who has waited longest gets the room.
 */
#include "base/memory.h"
#include "schedule/inner.h"

static void fire_serve(struct timer *timer)
{
    target_serve(container_of(timer, struct target, serve));
}

static struct buf key_of(struct endpoint endpoint)
{
    struct buf key = { 0 };
    endpoint_encode(&key, endpoint);
    return key;
}

static struct target *target_new(struct schedule *schedule, struct endpoint endpoint)
{
    struct target *target = memory_new(sizeof *target);

    target->schedule = schedule;
    target->endpoint = endpoint;
    target->tried_ms = NEVER_TRIED_MS;
    target->answered_ms = NEVER_TRIED_MS;
    target->serve.fire = fire_serve;
    list_init(&target->ways);
    list_init(&target->hungry);
    concurrency_start(&target->concurrency, 1);
    return target;
}

struct target *target_use(struct schedule *schedule, struct endpoint endpoint)
{
    struct buf key = key_of(endpoint);
    struct target *target = map_find(&schedule->targets, buf_str(&key));

    if (target == NULL) {
        target = target_new(schedule, endpoint);
        (void)map_put(&schedule->targets, buf_str(&key), target);
    }
    buf_fini(&key);
    target->user_count++;
    return target;
}

void target_release(struct target *target)
{
    struct schedule *schedule = target->schedule;

    check(target->user_count > 0);
    if (--target->user_count > 0)
        return;
    struct buf key = key_of(target->endpoint);
    (void)map_remove(&schedule->targets, buf_str(&key));
    buf_fini(&key);
    heap_remove(&schedule->probes, &target->probe_due);
    timer_stop(schedule, &target->serve);
    memory_free(target);
}

/* Ends: a route that is served opens a session, or does not want one here any more. */
void target_serve(struct target *target)
{
    const struct concurrency *concurrency = &target->concurrency;
    int64_t now_ms = target->schedule->now.mono_ms;
    struct link *first;

    while ((first = list_first(&target->hungry)) != NULL) {
        if (!concurrency_may_open(concurrency, target->session_count, now_ms))
            break;
        struct route *route = container_of(first, struct way, hungry)->route;
        ways_sate(route);
        drain_work(route);
    }
    if (first != NULL && concurrency->closed_until_ms > now_ms)
        timer_set(target->schedule, &target->serve, concurrency->closed_until_ms);
}

static void tell_answered(struct target *target)
{
    list_each (link, &target->ways) {
        struct route *route = container_of(link, struct way, link)->route;
        for (uint32_t i = 0; i < route->way_count; i++)
            route->way[i].failed = false;
        ways_find_best(route);
        route_state_event(route, ROUTE_EVENT_ANSWERED, &target->verdict);
    }
}

/* What brought this one back (the line, the power) has probably brought its equals back as well. */
static void wake_equals(struct target *target)
{
    list_each (link, &target->ways) {
        const struct way *way = container_of(link, struct way, link);
        for (uint32_t i = 0; i < way->route->way_count; i++) {
            const struct way *other = &way->route->way[i];
            if (other->preference == way->preference && other->target->state == TARGET_FAILS)
                probing_wake(other->target);
        }
    }
}

void target_answered(struct target *target, uint32_t start, bool is_probe)
{
    enum target_state before = target->state;

    target->state = TARGET_ANSWERS;
    target->verdict = verdict_make(220, 0, 0, STR("Answers"));
    target->answered_ms = target->schedule->now.mono_ms;
    if (before != TARGET_ANSWERS)
        concurrency_start(&target->concurrency, start);
    if (before == TARGET_FAILS)
        wake_equals(target);
    if (is_probe || before != TARGET_ANSWERS)
        tell_answered(target);
}

/* While mail flows, it is enough that none of them is left; a round of probes is over only when
 * each has been asked. */
static bool all_failed(const struct route *route)
{
    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct way *way = &route->way[i];
        bool failed =
            way->failed || (route->state == ROUTE_STATE_UP && way->target->state == TARGET_FAILS);
        if (!failed)
            return false;
    }
    return true;
}

static void tell_failed(struct target *target)
{
    list_each (link, &target->ways) {
        struct way *way = container_of(link, struct way, link);
        struct route *route = way->route;
        way->failed = true;
        ways_find_best(route);
        if (!all_failed(route)) {
            probing_plan_route(route); /* the next best is wanted now */
            drain_work(route);
            continue;
        }
        for (uint32_t i = 0; i < route->way_count; i++)
            route->way[i].failed = false;
        route_state_event(route, ROUTE_EVENT_FAILED, &target->verdict);
    }
}

/* Sessions that fail together when a host dies count once; probes count each. */
void target_failed(struct target *target, const struct verdict *verdict, bool is_probe)
{
    enum target_state before = target->state;

    target->state = TARGET_FAILS;
    target->verdict = *verdict;
    if (before == TARGET_ANSWERS)
        concurrency_died(&target->concurrency, target->schedule->now.mono_ms);
    if (is_probe || before != TARGET_FAILS)
        tell_failed(target);
}
