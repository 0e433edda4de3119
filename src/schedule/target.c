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

static struct buf key_of(struct endpoint endpoint, struct str security)
{
    struct buf key = { 0 };
    endpoint_encode(&key, endpoint);
    buf_add(&key, security);
    return key;
}

static struct target *target_new(struct schedule *schedule, struct endpoint endpoint,
                                 struct str security)
{
    struct target *target = memory_new(sizeof *target);

    target->schedule = schedule;
    target->endpoint = endpoint;
    buf_add(&target->security, security);
    target->tried_ms = NEVER_TRIED_MS;
    target->answered_ms = NEVER_TRIED_MS;
    target->serve.fire = fire_serve;
    list_init(&target->ways);
    list_init(&target->hungry);
    concurrency_start(&target->concurrency, 1);
    return target;
}

struct target *target_use(struct schedule *schedule, struct endpoint endpoint, struct str security)
{
    struct buf key = key_of(endpoint, security);
    struct target *target = map_find(&schedule->targets, buf_str(&key));

    if (target == NULL) {
        target = target_new(schedule, endpoint, security);
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
    struct buf key = key_of(target->endpoint, buf_str(&target->security));
    (void)map_remove(&schedule->targets, buf_str(&key));
    buf_fini(&key);
    heap_remove(&schedule->probes, &target->probe_due);
    timer_stop(schedule, &target->serve);
    buf_fini(&target->security);
    memory_free(target);
}

/* Ends: a route that is served opens a session, or does not want one here any more. */
void target_serve(struct target *target)
{
    const struct concurrency *concurrency = &target->concurrency;
    int64_t now_ms = target->schedule->now.mono_ms;
    int64_t rests_until_ms = pace_ready_at(&target->pace);
    struct link *first;

    while ((first = list_first(&target->hungry)) != NULL) {
        if (rests_until_ms > now_ms ||
            !concurrency_may_open(concurrency, target->session_count, now_ms))
            break;
        struct route *route = container_of(first, struct way, hungry)->route;
        ways_sate(route);
        drain_work(route);
    }
    if (rests_until_ms < concurrency->closed_until_ms)
        rests_until_ms = concurrency->closed_until_ms;
    if (first != NULL && rests_until_ms > now_ms)
        timer_set(target->schedule, &target->serve, rests_until_ms);
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
    bool mail_flows = route->state == ROUTE_STATE_UP || route->state == ROUTE_STATE_HALF_UP;

    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct way *way = &route->way[i];
        bool failed = way->failed || (mail_flows && way->target->state == TARGET_FAILS);
        if (!failed)
            return false;
    }
    return true;
}

/* One that says a word tells more than those that are silent. */
static void tell_round(struct route *route, const struct target *last)
{
    static const enum route_event event_of[] = {
        [FAILURE_SILENT] = ROUTE_EVENT_FAILED,
        [FAILURE_PUTS_OFF] = ROUTE_EVENT_PUT_OFF,
        [FAILURE_REFUSES] = ROUTE_EVENT_UNWELCOME,
        [FAILURE_STRANGER] = ROUTE_EVENT_STRANGER,
    };
    const struct target *loudest = last;

    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct target *target = route->way[i].target;
        route->way[i].failed = false;
        if (target->state == TARGET_FAILS && target->failure > loudest->failure)
            loudest = target;
    }
    if (loudest->failure == FAILURE_PUTS_OFF || loudest->failure == FAILURE_REFUSES)
        route->is_greeting_refused = true;
    route_state_event(route, event_of[loudest->failure], &loudest->verdict);
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
        tell_round(route, target);
    }
}

static enum target_failure failure_of(enum session_end how, const struct verdict *verdict)
{
    if (how == SESSION_END_STRANGER)
        return FAILURE_STRANGER;
    if (how != SESSION_END_GREETING || verdict->code == 421)
        return FAILURE_SILENT;
    return verdict->fate == FATE_REJECT ? FAILURE_REFUSES : FAILURE_PUTS_OFF;
}

/* Sessions that fail together when a host dies count once; probes count each. */
void target_failed(struct target *target, enum session_end how, const struct verdict *verdict,
                   bool is_probe)
{
    enum target_state before = target->state;

    target->state = TARGET_FAILS;
    target->failure = failure_of(how, verdict);
    target->verdict = *verdict;
    if (before == TARGET_ANSWERS)
        concurrency_died(&target->concurrency, target->schedule->now.mono_ms);
    if (is_probe || before != TARGET_FAILS)
        tell_failed(target);
}
