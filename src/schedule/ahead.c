/* SPDX-License-Identifier: ISC */
/* ahead.c: which entries come into memory before they are needed.
 *
 * Those that arrive while the route is up come by themselves, as many as there is room for; the
 * rest is read from the store, oldest first, a window at a time, while there is a session for it.
 *
 * While the breaker is tripped, canaries are taken from anywhere in the backlog: where a flood of
 * spam came first, what lies at its head would be refused for days.
 */
#include "schedule/inner.h"

enum {
    LOW = 64, /* list more when fewer are left */
    WINDOW = 250,
    WINDOW_CANARY = 8,
    RETRY_MS = SECOND_MS,
};

static int64_t now_of(const struct route *route)
{
    return route->schedule->now.mono_ms;
}

/* Once for each canary; new mail is as good as a sample. */
static bool wants_sample(const struct route *route)
{
    const struct waiting *waiting = &route->waiting;

    return route->phase == DRAIN_TRIPPED && now_of(route) >= route->canary_at_ms &&
           route->sampled != route->breaker.canaries && waiting->count[ITEM_FRESH] == 0 &&
           waiting->after.since_ms > 0;
}

/* What came next after a moment of chance: a burst is hit by how long it lasted, not by how much it
 * brought. */
static void ask_for_sample(struct route *route)
{
    struct schedule *schedule = route->schedule;
    struct waiting *waiting = &route->waiting;
    int64_t from_ms = waiting->after.since_ms;
    int64_t span_ms = steady_wall(&schedule->steady, schedule->now) - from_ms;

    route->sampled = route->breaker.canaries;
    if (span_ms <= 0)
        return;
    const struct store_query query = {
        .domain = route->name,
        .states = 1U << ENTRY_HELD,
        .after = { from_ms + (int64_t)random_below(schedule->random, (uint64_t)span_ms),
                   UINT64_MAX },
        .limit = WINDOW_CANARY,
    };
    waiting->listing = listing_ask(route, LISTING_SAMPLE, &query);
}

void ahead_look(struct route *route)
{
    struct waiting *waiting = &route->waiting;
    bool is_open = route->phase == DRAIN_OPEN;

    if (!waiting->more || waiting->listing != NULL || route->handover_count == 0)
        return;
    if (wants_sample(route))
        ask_for_sample(route);
    if (waiting->listing != NULL)
        return;
    if (waiting->count[ITEM_WINDOW] >= (is_open ? LOW : 1) ||
        waiting->count[ITEM_DEFERRED] >= WAITING_DEFERRED_MAX || now_of(route) < route->list_at_ms)
        return;
    const struct store_query query = {
        .domain = route->name,
        .states = 1U << ENTRY_HELD,
        .after = waiting->after,
        .limit = is_open ? WINDOW : WINDOW_CANARY,
    };
    waiting->listing = listing_ask(route, LISTING_AHEAD, &query);
    waiting->more = false; /* unless the answer says so, or more arrives meanwhile */
}

void ahead_arrived(struct route *route, const struct entry *entry)
{
    struct waiting *waiting = &route->waiting;
    struct item *item = waiting_find(waiting, entry->id);
    bool has_room = route_hands_over(route) && waiting->count[ITEM_FRESH] < WAITING_FRESH_MAX;

    if (item != NULL && item->place != ITEM_DONE) {
        item->entry.pending = entry->pending; /* recipients were released to it */
        return;
    }
    if (item != NULL) {
        item->entry = *entry;
        waiting_move(waiting, item, ITEM_FRESH);
    } else if (has_room) {
        item = waiting_add(waiting, entry, ITEM_FRESH);
    } else {
        waiting->more = true;
        if (entry->since_ms < waiting->after.since_ms) /* released into its old place */
            waiting_rewind(waiting);
    }
    if (item != NULL)
        item->entry.domain = route->name;
    if (route_hands_over(route))
        drain_work(route);
}

/* The first that has no history. It lies before `after` once that has passed it, but it is known by
 * then, or settled. */
void ahead_sampled(struct route *route, const struct store_listing *listing)
{
    struct waiting *waiting = &route->waiting;

    for (uint32_t i = 0; listing != NULL && i < listing->count; i++) {
        if (waiting_find(waiting, listing->entry[i].id) != NULL)
            continue;
        struct item *item = waiting_add(waiting, &listing->entry[i], ITEM_FRESH);
        item->entry.domain = route->name;
        item->is_backlog = true;
        break;
    }
    waiting_listing_over(waiting);
    drain_work(route);
}

void ahead_listed(struct route *route, const struct store_listing *listing)
{
    struct waiting *waiting = &route->waiting;

    if (listing == NULL) {
        route->list_at_ms = now_of(route) + RETRY_MS;
        waiting->more = true;
    } else {
        for (uint32_t i = 0; i < listing->count; i++) {
            waiting->after = listing->position[i];
            if (waiting_find(waiting, listing->entry[i].id) != NULL)
                continue;
            struct item *item = waiting_add(waiting, &listing->entry[i], ITEM_WINDOW);
            item->entry.domain = route->name;
            item->position = listing->position[i];
            item->is_backlog = true;
        }
        waiting->more = waiting->more || listing->more;
    }
    waiting_listing_over(waiting);
    drain_work(route);
}
