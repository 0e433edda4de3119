/* SPDX-License-Identifier: ISC */
/* probing.c: when a target is probed (SPEC P1, P2).
 *
 *     the route is        and the target           probed
 *     paused              -                        never
 *     up                  is used, answers         rarely, counted from the last session
 *                         better or equal, silent  often
 *                         worse than those used    never
 *     shaky, down         the best, or all better  often
 *                         ones fail
 *                         another                  never
 *     half-up             answers                  as if it were up
 *                         fails                    slowly, as if it were down
 *     blocked, stranger   as if it were down       slowly
 *
 * Slowly is often at first, then longer with each try that was turned away:
 *
 *     half-up             twice as long, up to `retry-first`
 *     blocked             eight times as long, up to five minutes, and never earlier:
 *                         after 5 s, 40 s, then every 5 min. Stock fail2ban jails count
 *                         five failures in ten minutes; this makes four. Where MAIL was
 *                         refused, three have been made already: 5 min at once.
 *     stranger            the same: somebody else's server gets little of us
 *     shaky, down         twice as long, up to `probe-interval-max` (not at all, unless
 *                         it is set, as it is for the servers of strangers)
 *
 * Often is every 5 s, moved by up to a fifth either way and counted from the start
 * of the last try: a primary that comes back is asked at most 6 s later, or as soon
 * as a try that hangs has come to its connect timeout. One probe at a time per
 * target serves all routes that lead there; the shortest interval wanted counts.
 *
 * A probe waits ten seconds for each answer up to the one to EHLO, and twice as long after
 * each one that did not wait long enough, up to five minutes (RFC 5321 4.5.3.2.1): some
 * servers make everybody wait, against spam. The host that greets soon again is
 * waited for no longer than others.
 *
 * The budget of the node (200 a second) is spent on the target that is due first.
 * Beyond it the intervals of all grow evenly, because each waits for its turn.
 */
#include "schedule/inner.h"

enum {
    BUDGET_CREDIT_MS = 50,
    WAKE_GAP_MS = SECOND_MS / 2, /* signs of life come in swarms */
    HANGING_MS = SECOND_MS / 2,  /* a probe this old may have begun before the host lived */
    BLOCKED_FACTOR = 8,
    BLOCKED_MAX_MS = 5 * MINUTE_MS,
    BLOCKED_WAKE_GAP_MS = MINUTE_MS,
    PATIENCE_MS = 10 * SECOND_MS,
    PATIENCE_MAX_MS = 5 * MINUTE_MS,
};

enum demand { DEMAND_NONE, DEMAND_RARE, DEMAND_OFTEN };

static bool better_ones_fail(const struct way *way)
{
    const struct route *route = way->route;
    for (uint32_t i = 0; i < route->way_count; i++)
        if (route->way[i].preference < way->preference &&
            route->way[i].target->state != TARGET_FAILS)
            return false;
    return true;
}

static enum demand demand_of(const struct way *way)
{
    const struct route *route = way->route;

    switch (route->state) {
    case ROUTE_STATE_PAUSED:
        return DEMAND_NONE;
    case ROUTE_STATE_HALF_UP:
        if (way->target->state != TARGET_ANSWERS)
            return better_ones_fail(way) ? DEMAND_OFTEN : DEMAND_NONE;
        return way->preference > route->best ? DEMAND_NONE : DEMAND_RARE;
    case ROUTE_STATE_UP:
        if (way->preference > route->best)
            return DEMAND_NONE;
        return way->target->state == TARGET_ANSWERS ? DEMAND_RARE : DEMAND_OFTEN;
    case ROUTE_STATE_SHAKY:
    case ROUTE_STATE_DOWN:
    case ROUTE_STATE_BLOCKED:
    case ROUTE_STATE_STRANGER:
        return better_ones_fail(way) ? DEMAND_OFTEN : DEMAND_NONE;
    case ROUTE_STATES:
        break;
    }
    return DEMAND_NONE;
}

/* Every try may make it worse, or tell a stranger of us. */
static bool is_delicate(const struct route *route)
{
    return route->state == ROUTE_STATE_BLOCKED || route->state == ROUTE_STATE_STRANGER;
}

/* `first`, and `factor` times as long with each time, up to `most`. */
static int64_t grown(int64_t first, int64_t factor, uint32_t times, int64_t most)
{
    int64_t interval = first;

    while (times-- > 0 && interval < most)
        interval = interval * factor < most ? interval * factor : most;
    return interval;
}

int64_t probing_patience(const struct target *target)
{
    return grown(PATIENCE_MS, 2, target->slow, PATIENCE_MAX_MS);
}

void probing_greeted(struct target *target, int64_t after_ms)
{
    if (after_ms == NEVER_MS)
        target->slow++;
    else if (after_ms < PATIENCE_MS / 2)
        target->slow = 0;
}

static int64_t interval_of(const struct route *route, enum demand demand)
{
    int64_t first = route_value(route, SETTING_PROBE_INTERVAL);
    uint32_t tries = route->turned_away > 0 ? route->turned_away - 1 : 0;

    if (demand == DEMAND_RARE)
        return route_value(route, SETTING_PROBE_INTERVAL_UP);
    if (is_delicate(route))
        return grown(first, BLOCKED_FACTOR, tries, BLOCKED_MAX_MS);
    if (route->state == ROUTE_STATE_HALF_UP)
        return grown(first, 2, tries, route_value(route, SETTING_RETRY_FIRST));
    return grown(first, 2, route->bad > 0 ? route->bad - 1 : 0,
                 route_value(route, SETTING_PROBE_INTERVAL_MAX));
}

static int64_t due_for(const struct way *way)
{
    const struct target *target = way->target;
    enum demand demand = demand_of(way);
    int64_t from = target->tried_ms;

    if (demand == DEMAND_NONE)
        return NEVER_MS;
    if (from == NEVER_TRIED_MS) /* known mail goes first when the budget is short */
        return target->schedule->now.mono_ms -
               (waiting_has_mail(&way->route->waiting) ? MINUTE_MS : 0);
    if (demand == DEMAND_RARE && target->answered_ms > from)
        from = target->answered_ms;
    int64_t interval = interval_of(way->route, demand);
    int64_t jitter = target->jitter;
    if (is_delicate(way->route) && jitter < 0)
        jitter = -jitter;
    return from + interval + interval * jitter / 1000;
}

/* Who calls wants to be tried, however it went the last time. */
static int64_t wake_gap(const struct target *target)
{
    if (target->endpoint.family == ENDPOINT_LINE)
        return WAKE_GAP_MS;
    list_each (link, &target->ways)
        if (!is_delicate(container_of(link, struct way, link)->route))
            return WAKE_GAP_MS;
    return BLOCKED_WAKE_GAP_MS;
}

static int64_t due_of(const struct target *target)
{
    int64_t due = target->is_urgent ? target->tried_ms + wake_gap(target) : NEVER_MS;

    list_each (link, &target->ways) {
        int64_t wanted = due_for(container_of(link, struct way, link));
        if (wanted < due)
            due = wanted;
    }
    return due;
}

static void put(struct target *target, int64_t due_ms)
{
    struct heap *probes = &target->schedule->probes;

    if (due_ms == NEVER_MS || target->probe != NULL)
        heap_remove(probes, &target->probe_due);
    else
        heap_put(probes, &target->probe_due, due_ms);
}

void probing_plan(struct target *target)
{
    put(target, due_of(target));
}

/* Only ever brings a probe forward; one that is not wanted any more is seen to be so when due. */
void probing_plan_route(struct route *route)
{
    for (uint32_t i = 0; i < route->way_count; i++) {
        struct target *target = route->way[i].target;
        int64_t due = due_for(&route->way[i]);
        bool is_planned = target->probe_due.index != 0;
        if (due != NEVER_MS && (!is_planned || due < target->probe_due.key))
            put(target, due);
    }
}

static bool is_wanted(const struct target *target)
{
    list_each (link, &target->ways)
        if (demand_of(container_of(link, struct way, link)) == DEMAND_OFTEN)
            return true;
    return false;
}

void probing_wake(struct target *target)
{
    int64_t now_ms = target->schedule->now.mono_ms;

    if (!is_wanted(target))
        return;
    if (target->probe != NULL) {
        if (target->probe->state != HANDOVER_OPENING || target->slow > 0 ||
            now_ms - target->tried_ms < HANGING_MS)
            return;
        struct handover *hanging = target->probe;
        target->probe = NULL;
        handover_end(hanging);
    }
    target->is_urgent = true;
    probing_plan(target);
}

void probing_doubt(struct target *target)
{
    if (target->probe != NULL)
        return;
    target->is_urgent = true;
    probing_plan(target);
}

/* One whose mail can follow on the same connection is preferred; they take turns. */
static struct way *choose_way(struct target *target)
{
    struct way *chosen = NULL;

    list_each (link, &target->ways) {
        struct way *way = container_of(link, struct way, link);
        if (demand_of(way) == DEMAND_NONE)
            continue;
        if (chosen == NULL || waiting_has_mail(&way->route->waiting))
            chosen = way;
        if (waiting_has_mail(&way->route->waiting))
            break;
    }
    return chosen;
}

static void probe(struct target *target)
{
    struct schedule *schedule = target->schedule;
    struct way *way = choose_way(target);
    uint64_t budget = (uint64_t)schedule->settings.probes_per_second;

    if (way == NULL)
        return;
    rate_take(&schedule->probe_budget, 1, budget * 1000, BUDGET_CREDIT_MS, schedule->now.mono_ms);
    list_remove(&way->link);
    list_append(&target->ways, &way->link);
    target->is_urgent = false;
    handover_open(way->route, way, true);
}

void probing_run(struct schedule *schedule)
{
    int64_t now_ms = schedule->now.mono_ms;
    struct heap_node *node;

    while (rate_ready_at(&schedule->probe_budget) <= now_ms &&
           (node = heap_take_due(&schedule->probes, now_ms)) != NULL) {
        struct target *target = container_of(node, struct target, probe_due);
        int64_t due = due_of(target);
        if (due > now_ms)
            put(target, due); /* sessions have succeeded meanwhile, or nobody asks any more */
        else
            probe(target);
    }
}

int64_t probing_deadline(const struct schedule *schedule)
{
    struct heap_node *first = heap_first(&schedule->probes);
    int64_t budget = rate_ready_at(&schedule->probe_budget);

    if (first == NULL)
        return NEVER_MS;
    return first->key > budget ? first->key : budget;
}

int64_t probing_next(const struct route *route)
{
    int64_t next = NEVER_MS;

    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct target *target = route->way[i].target;
        if (target->probe_due.index != 0 && target->probe_due.key < next &&
            demand_of(&route->way[i]) != DEMAND_NONE)
            next = target->probe_due.key;
    }
    return next;
}
