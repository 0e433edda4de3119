/* SPDX-License-Identifier: ISC */
/* routes.c: routes come, are resolved, paused, woken, and go.
 *
 * The plan is asked for again when its time to live is over, and the old one serves
 * meanwhile. A DNS that is silent changes nothing; one that answers "nowhere" ends
 * the plan, and mail is held.
 */
#include "base/memory.h"
#include "schedule/inner.h"

enum {
    RESOLVE_AGAIN_MS = 30 * SECOND_MS, /* there is no plan */
    RESOLVE_OLD_MS = MINUTE_MS,        /* the plan is an old one */
    PAUSE_LOOK_MS = MINUTE_MS,         /* the wall clock decides, and may be set */
};

int64_t route_value(const struct route *route, enum setting setting)
{
    return setting_value(&route->settings, route->schedule->settings.defaults, setting);
}

struct route *route_find(const struct schedule *schedule, struct str domain)
{
    return map_find(&schedule->routes, domain);
}

void route_free(struct route *route)
{
    struct schedule *schedule = route->schedule;

    handover_abandon_all(route);
    trial_fini(route);
    ways_clear(route);
    expire_fini(route);
    delays_fini(route);
    timer_stop(schedule, &route->pause);
    timer_stop(schedule, &route->resolve);
    timer_stop(schedule, &route->work);
    waiting_fini(&route->waiting, schedule);
    memory_free(route);
}

void route_settings_changed(struct route *route)
{
    expire_look(route, &route->held);
    expire_look(route, &route->rescued);
    delays_settings_changed(route);
    probing_plan_route(route);
    drain_work(route);
}

static void resolve(struct route *route)
{
    timer_stop(route->schedule, &route->resolve);
    route->is_resolving = true;
    route->schedule->host->resolve(route->schedule->context, route->name);
}

static void fire_resolve(struct timer *timer)
{
    resolve(container_of(timer, struct route, resolve));
}

static void fire_work(struct timer *timer)
{
    drain_work(container_of(timer, struct route, work));
}

static void fire_trials(struct timer *timer)
{
    trial_look(container_of(timer, struct route, trials));
}

static void wake(struct route *route)
{
    if (route->state == ROUTE_STATE_PAUSED)
        return;
    if ((route->way_count == 0 || route->plan_is_old) && !route->is_resolving)
        resolve(route);
    for (uint32_t i = 0; i < route->way_count; i++)
        probing_wake(route->way[i].target);
    drain_wake(route);
}

static void resume(struct route *route)
{
    timer_stop(route->schedule, &route->pause);
    route->paused_until_ms = 0;
    route_state_event(route, ROUTE_EVENT_RESUME, NULL);
    wake(route);
}

static void fire_pause(struct timer *timer)
{
    struct route *route = container_of(timer, struct route, pause);
    struct schedule *schedule = route->schedule;
    int64_t left_ms = route->paused_until_ms - schedule->now.wall_ms;

    if (left_ms <= 0)
        resume(route);
    else
        timer_set(schedule, timer,
                  schedule->now.mono_ms + (left_ms < PAUSE_LOOK_MS ? left_ms : PAUSE_LOOK_MS));
}

static void set_pause(struct route *route, int64_t until_ms)
{
    struct verdict reason = verdict_make(451, 3, 2, STR("Paused by the operator"));

    if (until_ms <= route->schedule->now.wall_ms) {
        if (route->state == ROUTE_STATE_PAUSED)
            resume(route);
        return;
    }
    route->paused_until_ms = until_ms;
    route_state_event(route, ROUTE_EVENT_PAUSE, &reason);
    timer_stop(route->schedule, &route->pause);
    if (until_ms != NEVER_MS)
        fire_pause(&route->pause);
}

static struct route *route_new(struct schedule *schedule, struct str domain)
{
    struct route *route = memory_new(sizeof *route + domain.len);

    route->schedule = schedule;
    route->state = ROUTE_STATE_SHAKY;
    route->state_since_ms = schedule->now.wall_ms;
    route->reason = verdict_make(451, 4, 1, STR("Not tried yet"));
    route->best = WAYS_NONE;
    route->woken_ms = NEVER_TRIED_MS;
    route->pause.fire = fire_pause;
    route->resolve.fire = fire_resolve;
    route->work.fire = fire_work;
    route->trials.fire = fire_trials;
    list_init(&route->handovers);
    list_init(&route->room);
    waiting_init(&route->waiting);
    expire_init(route);
    /* The name stands behind the struct and lives as long. */
    char *name = (char *)(route + 1);
    for (size_t i = 0; i < domain.len; i++)
        name[i] = domain.ptr[i];
    route->name = str_of(name, domain.len);
    (void)map_put(&schedule->routes, domain, route);
    return route;
}

void schedule_put_route(struct schedule *schedule, struct str domain,
                        const struct domain_settings *settings, int64_t paused_until_ms,
                        struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route == NULL)
        route = route_new(schedule, domain);
    route->settings = *settings;
    set_pause(route, paused_until_ms);
    route_settings_changed(route);
    resolve(route);
}

void schedule_remove_route(struct schedule *schedule, struct str domain, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = map_remove(&schedule->routes, domain);
    if (route != NULL)
        route_free(route);
}

static void took_plan(struct route *route, const struct route_plan *plan, bool is_old)
{
    struct schedule *schedule = route->schedule;
    int64_t again_ms = is_old ? RESOLVE_OLD_MS : (int64_t)plan->ttl_s * SECOND_MS;

    ways_set_plan(route, plan);
    route->plan_is_old = is_old;
    timer_set(schedule, &route->resolve,
              schedule->now.mono_ms + random_around(schedule->random, again_ms, again_ms / 10));
    probing_plan_route(route);
    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct way *way = &route->way[i];
        if (way->target->state == TARGET_ANSWERS && way->preference == route->best) {
            route_state_event(route, ROUTE_EVENT_ANSWERED, &way->target->verdict);
            break; /* other routes know it already */
        }
    }
    drain_work(route);
}

static void took_no_plan(struct route *route, const struct verdict *reason)
{
    struct schedule *schedule = route->schedule;
    bool is_silence = reason->enhanced[1] == 4 && reason->enhanced[2] == 3;
    bool keep = is_silence && route->way_count > 0;
    int64_t again_ms = keep ? RESOLVE_OLD_MS : RESOLVE_AGAIN_MS;

    timer_set(schedule, &route->resolve,
              schedule->now.mono_ms + random_around(schedule->random, again_ms, again_ms / 5));
    if (keep) {
        route->plan_is_old = true;
        return;
    }
    ways_clear(route);
    route->plan_is_old = false;
    route_state_event(route, ROUTE_EVENT_NO_PLAN, reason);
    drain_work(route);
}

void schedule_resolved(struct schedule *schedule, struct str domain, const struct route_plan *plan,
                       const struct verdict *reason, struct now now)
{
    struct verdict unsaid = verdict_make(451, 4, 3, STR("No route"));

    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route == NULL)
        return;
    route->is_resolving = false;
    if (plan != NULL && plan->count > 0)
        took_plan(route, plan, reason != NULL);
    else
        took_no_plan(route, reason != NULL ? reason : &unsaid);
}

void schedule_forget_plan(struct schedule *schedule, struct str domain, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route != NULL)
        ways_clear(route);
}

void schedule_pause(struct schedule *schedule, struct str domain, int64_t paused_until_ms,
                    struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route != NULL)
        set_pause(route, paused_until_ms);
}

void schedule_doubt(struct schedule *schedule, struct str domain, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    for (uint32_t i = 0; route != NULL && i < route->way_count; i++)
        if (route->way[i].preference == route->best)
            probing_doubt(route->way[i].target);
}

void schedule_wake(struct schedule *schedule, struct str domain, struct now now)
{
    struct route *route;

    schedule_begin(schedule, now);
    if (domain.len > 0) {
        route = route_find(schedule, domain);
        if (route != NULL)
            wake(route);
        return;
    }
    for (size_t cursor = 0; (route = map_next(&schedule->routes, &cursor, NULL)) != NULL;)
        wake(route);
}
