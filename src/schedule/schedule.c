/* SPDX-License-Identifier: ISC */
/* schedule.c: the node: its clock, what is due, and what the host tells. See schedule.h, inner.h.
 *
 * Cost. A route that is not up has one probe every few seconds, shared with all
 * routes to the same target, and one timer for the oldest entry's holding time;
 * how much it holds makes no difference. What arrives for it sets a flag.
 */
#include "base/memory.h"
#include "schedule/inner.h"

void schedule_begin(struct schedule *schedule, struct now now)
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

    schedule_begin(schedule, now);
    if (asked == NULL)
        return;
    struct listing was = *asked;
    memory_free(asked);
    if (error != 0)
        listing = NULL;
    switch (was.kind) {
    case LISTING_AHEAD:
        ahead_listed(was.route, listing);
        return;
    case LISTING_SAMPLE:
        ahead_sampled(was.route, listing);
        return;
    case LISTING_HELD:
        expire_listed(was.route, &was.route->held, was.arrivals, listing);
        return;
    case LISTING_RESCUED:
        expire_listed(was.route, &was.route->rescued, was.arrivals, listing);
        return;
    case LISTING_DELAYED:
        delays_listed(was.delay, was.arrivals, listing);
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
    /* Sessions of a keeper before us may still be talked about: their numbers lie elsewhere. */
    schedule->last_number = random_u64(random) >> 33 << 32;
    schedule->probe_budget.due_us = INT64_MIN / 2;
    steady_init(&schedule->steady, now);
    map_init(&schedule->routes);
    map_init(&schedule->targets);
    map_init(&schedule->handovers);
    map_init(&schedule->tickets);
    return schedule;
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

void schedule_set_settings(struct schedule *schedule, const struct schedule_settings *settings,
                           struct now now)
{
    struct route *route;

    schedule_begin(schedule, now);
    check(settings->probes_per_second > 0);
    schedule->settings = *settings;
    for (size_t cursor = 0; (route = map_next(&schedule->routes, &cursor, NULL)) != NULL;)
        route_settings_changed(route);
}

int64_t schedule_deadline(const struct schedule *schedule)
{
    struct heap_node *first = heap_first(&schedule->timers);
    int64_t deadline = probing_deadline(schedule);
    int64_t trusted_ms = steady_trusted_at(&schedule->steady);

    if (first != NULL && first->key < deadline)
        deadline = first->key;
    /* Somebody must look at the clock then, or the next jump is still taken for its being set. */
    if (!schedule->steady.is_settled && trusted_ms < deadline)
        deadline = trusted_ms;
    return deadline;
}

void schedule_tick(struct schedule *schedule, struct now now)
{
    struct heap_node *node;

    schedule_begin(schedule, now);
    while ((node = heap_take_due(&schedule->timers, schedule->now.mono_ms)) != NULL) {
        struct timer *timer = container_of(node, struct timer, node);
        timer->fire(timer);
    }
    probing_run(schedule);
}

/* ---- mail and sessions ---- */

void schedule_arrived(struct schedule *schedule, const struct entry *entry, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, entry->domain);
    if (route == NULL || entry->state != ENTRY_HELD)
        return;
    route->arrivals++;
    expire_arm(route, &route->held, entry->since_ms);
    delays_arrived(route, entry->since_ms);
    ahead_arrived(route, entry);
}

void schedule_settled(struct schedule *schedule, struct str domain, struct message_id id,
                      struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route == NULL)
        return;
    struct item *item = waiting_find(&route->waiting, id);
    expire_arm(route, &route->rescued, steady_wall(&schedule->steady, now));
    if (item == NULL || item->place == ITEM_DONE)
        return;
    if (item->place == ITEM_EXPIRING)
        expire_settled(route, item);
    else if (item->place == ITEM_FLIGHT || (item->place == ITEM_TRIAL && item->trial.is_believed))
        item->is_gone = true;
    else {
        trial_end(route, item);
        waiting_finish(&route->waiting, item);
    }
    drain_work(route);
}

int64_t schedule_wall(const struct schedule *schedule, struct now now)
{
    return steady_wall(&schedule->steady, now);
}

void schedule_not_expired(struct schedule *schedule, struct str domain, struct message_id id,
                          struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    struct item *item = route != NULL ? waiting_find(&route->waiting, id) : NULL;

    if (item != NULL && item->place == ITEM_EXPIRING)
        expire_failed(route, item);
}

void schedule_session_ready(struct schedule *schedule, session_number session, unsigned window,
                            struct now now)
{
    schedule_begin(schedule, now);
    handover_ready(schedule, session, window);
}

bool schedule_delivered(struct schedule *schedule, session_number session, struct message_id id,
                        const struct schedule_answer *answer, struct now now)
{
    schedule_begin(schedule, now);
    return handover_answered(schedule, session, id, answer);
}

void schedule_believed(struct schedule *schedule, struct str domain, struct message_id id,
                       uint32_t left, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    struct item *item = route != NULL ? waiting_find(&route->waiting, id) : NULL;

    if (item == NULL || item->place != ITEM_TRIAL || !item->trial.is_believed)
        return;
    trial_believed(route, item, left);
    drain_work(route);
}

void schedule_session_ended(struct schedule *schedule, session_number session, enum session_end how,
                            const struct verdict *verdict, struct now now)
{
    schedule_begin(schedule, now);
    handover_ended(schedule, session, how, verdict);
}

void schedule_yield(struct schedule *schedule, session_number session, struct now now)
{
    schedule_begin(schedule, now);
    handover_yield(schedule, session);
}

/* ---- what others find out ---- */

void schedule_controlled(struct schedule *schedule, struct str domain, enum control_answer control,
                         struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route != NULL)
        trial_controlled(route, control);
}

void schedule_unwelcome(struct schedule *schedule, struct str domain, const struct verdict *verdict,
                        struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route == NULL)
        return;
    if (route->state != ROUTE_STATE_BLOCKED)
        route->is_greeting_refused = false;
    route_state_event(route, ROUTE_EVENT_UNWELCOME, verdict);
}

void schedule_welcome(struct schedule *schedule, struct str domain, struct now now)
{
    struct verdict verdict = verdict_make(250, 0, 0, STR("It takes what we bring"));

    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    if (route != NULL)
        route_state_event(route, ROUTE_EVENT_WELCOME, &verdict);
}
