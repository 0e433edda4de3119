/* SPDX-License-Identifier: ISC */
/* ways.c: a route's targets, and which of them to use now.
 *
 * The best preference at which a target answers, or might, is used; its equals
 * share by chance. A worse one is used only while every better one fails, and as
 * soon as a better one answers again (it is probed all the while), sessions with
 * the worse one take nothing more and end.
 */
#include "schedule/inner.h"

static void add(struct route *route, const struct route_target *from)
{
    struct way *way = &route->way[route->way_count++];

    way->route = route;
    way->host = arena_str(&route->plan, from->host);
    way->preference = from->preference;
    way->target = target_use(route->schedule, from->endpoint, from->security);
    list_append(&way->target->ways, &way->link);
}

void ways_sate(struct route *route)
{
    for (uint32_t i = 0; i < route->way_count; i++)
        list_remove(&route->way[i].hungry);
}

static void release(struct way *way, uint32_t count, struct arena *arena)
{
    for (uint32_t i = 0; i < count; i++) {
        list_remove(&way[i].link);
        list_remove(&way[i].hungry);
        target_release(way[i].target);
    }
    arena_fini(arena);
}

void ways_clear(struct route *route)
{
    release(route->way, route->way_count, &route->plan);
    route->way = NULL;
    route->way_count = 0;
    ways_find_best(route);
}

void ways_set_plan(struct route *route, const struct route_plan *plan)
{
    struct arena old_arena = route->plan;
    struct way *old = route->way;
    uint32_t old_count = route->way_count;

    route->plan = (struct arena){ 0 };
    route->way = arena_new(&route->plan, plan->count * sizeof *route->way);
    route->way_count = 0;
    for (uint32_t i = 0; i < plan->count && i < ROUTE_TARGETS_MAX; i++)
        add(route, &plan->target[i]);
    release(old, old_count, &old_arena); /* last, so that targets in both plans live on */
    ways_find_best(route);
}

uint32_t ways_preference(const struct route *route, const struct target *target)
{
    for (uint32_t i = 0; i < route->way_count; i++)
        if (route->way[i].target == target)
            return route->way[i].preference;
    return WAYS_NONE;
}

void ways_find_best(struct route *route)
{
    route->best = WAYS_NONE;
    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct way *way = &route->way[i];
        if (way->target->state != TARGET_FAILS && way->preference < route->best)
            route->best = way->preference;
    }
    list_each (link, &route->handovers) {
        struct handover *handover = container_of(link, struct handover, link);
        handover->preference = ways_preference(route, handover->target);
    }
}

static bool is_best(const struct way *way)
{
    return way->target->state != TARGET_FAILS && way->preference == way->route->best;
}

static bool has_room(const struct way *way)
{
    const struct target *target = way->target;
    return is_best(way) && pace_ready_at(&target->pace) <= way->route->schedule->now.mono_ms &&
           concurrency_may_open(&target->concurrency, target->session_count,
                                way->route->schedule->now.mono_ms);
}

struct way *ways_choose(struct route *route)
{
    uint32_t fit = 0;

    for (uint32_t i = 0; i < route->way_count; i++)
        fit += has_room(&route->way[i]);
    if (fit == 0)
        return NULL;
    uint64_t chosen = random_below(route->schedule->random, fit);
    for (uint32_t i = 0;; i++)
        if (has_room(&route->way[i]) && chosen-- == 0)
            return &route->way[i];
}

struct way *ways_unused(struct route *route)
{
    for (uint32_t i = 0; i < route->way_count; i++) {
        struct way *way = &route->way[i];
        bool is_unknown =
            is_best(way) && way->target->state == TARGET_UNKNOWN && way->target->session_count == 0;
        bool is_used = !is_unknown && !has_room(way);
        list_each (link, &route->handovers)
            is_used = is_used || container_of(link, struct handover, link)->target == way->target;
        if (!is_used)
            return way;
    }
    return NULL;
}

void ways_stay_hungry(struct route *route)
{
    for (uint32_t i = 0; i < route->way_count; i++) {
        struct way *way = &route->way[i];
        if (!is_best(way) || link_is_listed(&way->hungry))
            continue;
        list_append(&way->target->hungry, &way->hungry);
        target_serve(way->target); /* sets the timer; there is no room */
    }
}
