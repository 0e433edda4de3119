/* SPDX-License-Identifier: ISC */
/* route_state.c: up, shaky, down, paused.
 *
 *                 ┌──── answered, `probes-up` times ────┐
 *                 ▼                                     │
 *      ┌─────▶   UP ──── all failed ───▶ SHAKY ─────────┤
 *      │          │                        │            │
 *      │          │              all failed, `probes-down` times
 *      │          │                        ▼            │
 *      │          └────── no plan ──────▶ DOWN ─────────┘
 *      │
 *    PAUSED   from any, by the operator; resumed it is SHAKY, for nobody knows
 *
 *     state     answered     all failed   no plan   pause    resume
 *     up        up           count bad    down      paused   -
 *     shaky     count good   count bad    down      paused   -
 *     down      count good   count bad    down      paused   -
 *     paused    -            -            -         -        shaky
 *
 * A route begins shaky: its targets are asked at once, and what they say decides.
 * "Failed" is one round: each of the route's targets failed since the last round,
 * so one dead host beside a living one changes nothing. Good and bad rounds are
 * counted in a row; one kind clears the other.
 *
 * Only an UP route hands mail over. SHAKY and DOWN differ for people and for how
 * long a session already standing is trusted; both are probed at the same pace.
 * A state to come (half-up, blocked, stranger) is a row, an event a column.
 */
#include "schedule/inner.h"

enum move {
    MOVE_NONE,
    MOVE_UP,
    MOVE_SHAKY,
    MOVE_DOWN,
    MOVE_PAUSED,
    MOVE_COUNT_GOOD, /* up after enough of them */
    MOVE_COUNT_BAD,  /* shaky, and down after enough of them */
};

static const enum move table[][ROUTE_EVENTS] = {
    [ROUTE_STATE_UP] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_UP,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_SHAKY] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_COUNT_GOOD,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_DOWN] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_COUNT_GOOD,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_PAUSED] = {
        [ROUTE_EVENT_RESUME] = MOVE_SHAKY,
    },
};

const char *route_state_name(enum route_state state)
{
    static const char *const name[] = {
        [ROUTE_STATE_UP] = "up",
        [ROUTE_STATE_SHAKY] = "shaky",
        [ROUTE_STATE_DOWN] = "down",
        [ROUTE_STATE_PAUSED] = "paused",
    };
    return name[state];
}

/* The one place where the state changes. */
static void enter(struct route *route, enum route_state next)
{
    struct schedule *schedule = route->schedule;
    enum route_state from = route->state;

    if (from == next)
        return;
    route->state = next;
    route->state_since_ms = schedule->now.wall_ms;
    if (next == ROUTE_STATE_SHAKY && from == ROUTE_STATE_PAUSED) {
        route->good = 0;
        route->bad = 0;
    }
    schedule->host->state_changed(schedule->context, route->name, from, next, &route->reason);
    if (from == ROUTE_STATE_UP)
        drain_stop(route);
    if (next == ROUTE_STATE_UP)
        drain_start(route);
    probing_plan_route(route);
}

static void count_good(struct route *route)
{
    route->good++;
    route->bad = 0;
    if (route->good >= (uint64_t)route_value(route, SETTING_PROBES_UP))
        enter(route, ROUTE_STATE_UP);
}

static void count_bad(struct route *route)
{
    route->bad++;
    route->good = 0;
    if (route->bad >= (uint64_t)route_value(route, SETTING_PROBES_DOWN))
        enter(route, ROUTE_STATE_DOWN);
    else if (route->state == ROUTE_STATE_UP)
        enter(route, ROUTE_STATE_SHAKY);
}

void route_state_event(struct route *route, enum route_event event, const struct verdict *verdict)
{
    enum move move = table[route->state][event];

    if (move != MOVE_NONE && verdict != NULL)
        route->reason = *verdict;
    switch (move) {
    case MOVE_NONE:
        return;
    case MOVE_UP:
        route->bad = 0;
        enter(route, ROUTE_STATE_UP);
        return;
    case MOVE_SHAKY:
        enter(route, ROUTE_STATE_SHAKY);
        return;
    case MOVE_DOWN:
        enter(route, ROUTE_STATE_DOWN);
        return;
    case MOVE_PAUSED:
        enter(route, ROUTE_STATE_PAUSED);
        return;
    case MOVE_COUNT_GOOD:
        count_good(route);
        return;
    case MOVE_COUNT_BAD:
        count_bad(route);
        return;
    }
}
