/* SPDX-License-Identifier: ISC */
/* schedule.c: the node: its routes, its clock, what is due. See schedule.h and inner.h.
 *
 * Cost. A route that is not up has one probe every few seconds, shared with all
 * routes to the same target, and one timer for the oldest entry's holding time;
 * how much it holds makes no difference. What arrives for it sets a flag.
 */
#include "base/memory.h"
#include "schedule/inner.h"

enum {
    RESOLVE_AGAIN_MS = 30 * SECOND_MS, /* there is no plan */
    RESOLVE_OLD_MS = MINUTE_MS,        /* the plan is an old one */
    PAUSE_LOOK_MS = MINUTE_MS,         /* the wall clock decides, and may be set */
};

static void begin(struct schedule *schedule, struct now now)
{
    if (now.mono_ms < schedule->now.mono_ms)
        now.mono_ms = schedule->now.mono_ms;
    schedule->now = now;
    steady_observe(&schedule->steady, now);
}

void timer_set(struct schedule *schedule, struct timer *timer, int64_t at_ms)
{
    if (at_ms == NEVER_MS)
        heap_remove(&schedule->timers, &timer->node);
    else
        heap_put(&schedule->timers, &timer->node, at_ms);
}

void timer_stop(struct schedule *schedule, struct timer *timer)
{
    heap_remove(&schedule->timers, &timer->node);
}

int64_t route_value(const struct route *route, enum setting setting)
{
    return setting_value(&route->settings, route->schedule->settings.defaults, setting);
}

/* ---- listings ---- */

static struct str ticket_key(const uint64_t *ticket)
{
    return str_of(ticket, sizeof *ticket);
}

struct listing *listing_ask(struct route *route, enum listing_kind kind,
                            const struct store_query *query)
{
    struct schedule *schedule = route->schedule;
    struct listing *listing = memory_new(sizeof *listing);

    *listing = (struct listing){
        .ticket = ++schedule->last_number,
        .route = route,
        .kind = kind,
        .arrivals = route->arrivals,
    };
    (void)map_put(&schedule->tickets, ticket_key(&listing->ticket), listing);
    schedule->host->list(schedule->context, query, listing->ticket);
    return listing;
}

void listing_forget(struct schedule *schedule, struct listing **listing)
{
    if (*listing == NULL)
        return;
    (void)map_remove(&schedule->tickets, ticket_key(&(*listing)->ticket));
    memory_free(*listing);
    *listing = NULL;
}

void schedule_listed(struct schedule *schedule, uint64_t ticket, int error,
                     const struct store_listing *listing, struct now now)
{
    struct listing *asked = map_remove(&schedule->tickets, ticket_key(&ticket));

    begin(schedule, now);
    if (asked == NULL)
        return;
    struct listing was = *asked;
    memory_free(asked);
    if (error != 0)
        listing = NULL;
    switch (was.kind) {
    case LISTING_AHEAD:
        drain_listed(was.route, listing);
        return;
    case LISTING_HELD:
        expire_listed(was.route, &was.route->held, was.arrivals, listing);
        return;
    case LISTING_RESCUED:
        expire_listed(was.route, &was.route->rescued, was.arrivals, listing);
        return;
    }
}

/* ---- the whole ---- */

struct schedule *schedule_new(const struct schedule_settings *settings,
                              const struct schedule_host *host, void *context,
                              struct random *random, struct now now)
{
    struct schedule *schedule = memory_new(sizeof *schedule);

    check(settings->probes_per_second > 0);
    schedule->settings = *settings;
    schedule->host = host;
    schedule->context = context;
    schedule->random = random;
    schedule->now = now;
    schedule->probe_budget.due_us = INT64_MIN / 2;
    steady_init(&schedule->steady, now);
    map_init(&schedule->routes);
    map_init(&schedule->targets);
    map_init(&schedule->handovers);
    map_init(&schedule->tickets);
    return schedule;
}

static void route_free(struct route *route)
{
    struct schedule *schedule = route->schedule;

    handover_abandon_all(route);
    ways_clear(route);
    expire_fini(route);
    timer_stop(schedule, &route->pause);
    timer_stop(schedule, &route->resolve);
    timer_stop(schedule, &route->work);
    waiting_fini(&route->waiting, schedule);
    memory_free(route);
}

static void free_handovers(struct schedule *schedule)
{
    struct handover *handover;

    for (size_t cursor = 0; (handover = map_next(&schedule->handovers, &cursor, NULL)) != NULL;) {
        target_release(handover->target);
        memory_free(handover);
    }
}

void schedule_free(struct schedule *schedule)
{
    struct route *route;

    if (schedule == NULL)
        return;
    for (size_t cursor = 0; (route = map_next(&schedule->routes, &cursor, NULL)) != NULL;)
        route_free(route);
    free_handovers(schedule);
    map_fini(&schedule->routes);
    map_fini(&schedule->targets);
    map_fini(&schedule->handovers);
    map_fini(&schedule->tickets);
    heap_fini(&schedule->timers);
    heap_fini(&schedule->probes);
    memory_free(schedule);
}

static void settings_changed(struct route *route)
{
    expire_look(route, &route->held);
    expire_look(route, &route->rescued);
    probing_plan_route(route);
    drain_work(route);
}

void schedule_set_settings(struct schedule *schedule, const struct schedule_settings *settings,
                           struct now now)
{
    struct route *route;

    begin(schedule, now);
    check(settings->probes_per_second > 0);
    schedule->settings = *settings;
    for (size_t cursor = 0; (route = map_next(&schedule->routes, &cursor, NULL)) != NULL;)
        settings_changed(route);
}

int64_t schedule_deadline(const struct schedule *schedule)
{
    struct heap_node *first = heap_first(&schedule->timers);
    int64_t probe_ms = probing_deadline(schedule);

    return first != NULL && first->key < probe_ms ? first->key : probe_ms;
}

void schedule_tick(struct schedule *schedule, struct now now)
{
    struct heap_node *node;

    begin(schedule, now);
    while ((node = heap_take_due(&schedule->timers, schedule->now.mono_ms)) != NULL) {
        struct timer *timer = container_of(node, struct timer, node);
        timer->fire(timer);
    }
    probing_run(schedule);
}

/* ---- routes ---- */

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

static struct route *find(struct schedule *schedule, struct str domain)
{
    return map_find(&schedule->routes, domain);
}

void schedule_put_route(struct schedule *schedule, struct str domain,
                        const struct domain_settings *settings, int64_t paused_until_ms,
                        struct now now)
{
    begin(schedule, now);
    struct route *route = find(schedule, domain);
    if (route == NULL)
        route = route_new(schedule, domain);
    route->settings = *settings;
    set_pause(route, paused_until_ms);
    settings_changed(route);
    resolve(route);
}

void schedule_remove_route(struct schedule *schedule, struct str domain, struct now now)
{
    begin(schedule, now);
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

    begin(schedule, now);
    struct route *route = find(schedule, domain);
    if (route == NULL)
        return;
    route->is_resolving = false;
    if (plan != NULL && plan->count > 0)
        took_plan(route, plan, reason != NULL);
    else
        took_no_plan(route, reason != NULL ? reason : &unsaid);
}

void schedule_pause(struct schedule *schedule, struct str domain, int64_t paused_until_ms,
                    struct now now)
{
    begin(schedule, now);
    struct route *route = find(schedule, domain);
    if (route != NULL)
        set_pause(route, paused_until_ms);
}

void schedule_wake(struct schedule *schedule, struct str domain, struct now now)
{
    struct route *route;

    begin(schedule, now);
    if (domain.len > 0) {
        route = find(schedule, domain);
        if (route != NULL)
            wake(route);
        return;
    }
    for (size_t cursor = 0; (route = map_next(&schedule->routes, &cursor, NULL)) != NULL;)
        wake(route);
}

/* ---- mail and sessions ---- */

void schedule_arrived(struct schedule *schedule, const struct entry *entry, struct now now)
{
    begin(schedule, now);
    struct route *route = find(schedule, entry->domain);
    if (route == NULL || entry->state != ENTRY_HELD)
        return;
    route->arrivals++;
    expire_arm(route, &route->held, entry->since_ms);
    drain_arrived(route, entry);
}

void schedule_settled(struct schedule *schedule, struct str domain, struct message_id id,
                      struct now now)
{
    begin(schedule, now);
    struct route *route = find(schedule, domain);
    if (route == NULL)
        return;
    struct item *item = waiting_find(&route->waiting, id);
    expire_arm(route, &route->rescued, steady_wall(&schedule->steady, now));
    if (item == NULL || item->place == ITEM_DONE)
        return;
    if (item->place == ITEM_EXPIRING)
        expire_settled(route, item);
    else if (item->place == ITEM_FLIGHT)
        item->is_gone = true;
    else
        waiting_finish(&route->waiting, item);
    drain_work(route);
}

void schedule_session_ready(struct schedule *schedule, session_number session, unsigned window,
                            struct now now)
{
    begin(schedule, now);
    handover_ready(schedule, session, window);
}

void schedule_delivered(struct schedule *schedule, session_number session, struct message_id id,
                        uint32_t left, uint32_t deferred, const struct verdict *verdict,
                        struct now now)
{
    begin(schedule, now);
    handover_answered(schedule, session, id, left, deferred, verdict);
}

void schedule_session_ended(struct schedule *schedule, session_number session, enum session_end how,
                            const struct verdict *verdict, struct now now)
{
    begin(schedule, now);
    handover_ended(schedule, session, how, verdict);
}
