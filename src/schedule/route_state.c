/* SPDX-License-Identifier: ISC */
/* route_state.c: up, shaky, down, half-up, blocked, stranger, paused (SPEC P3).
 *
 *                 ┌──── answered, `probes-up` times ────┐
 *                 ▼                                     │
 *      ┌─────▶   UP ──── all failed ───▶ SHAKY ─────────┤
 *      │        │  ▲                       │            │
 *      │        │  │       all failed, `probes-down` times
 *      │        │  │                       ▼            │
 *      │        │  │     no plan ───────▶ DOWN ─────────┘
 *      │        │  │                       │
 *      │        │  │   all failed, `probes-down` times, one with 4yz for a greeting
 *      │        │  │                       ▼
 *      │        ├──┼── 20 deferred ───▶ HALF-UP ── one is taken ──▶ UP
 *      │        │  │                       │
 *      │        │  │        from any:   5yz for a greeting, 5yz for MAIL three times in a row,
 *      │        │  │                       ▼          or the host says so
 *      │        ├──┴────────────────── BLOCKED ── one is taken, or the host says so ──▶ UP
 *      │        │
 *      │        │           from any:   all failed, one was not who it should be
 *      │        │                          ▼
 *      │        └───────────────────── STRANGER ── answered, `probes-up` times ──▶ UP
 *      │
 *    PAUSED   from any, by the operator; resumed it is SHAKY, for nobody knows
 *
 *     state     answered    failed     put off      unwelcome  stranger  deferred  taken  welcome
 * no plan up        up          count bad  count off    blocked    stranger  half-up   -      -
 * down shaky     count good  count bad  count off    blocked    stranger  -         -      - down
 *     down      count good  count bad  count off    blocked    stranger  -         -      - down
 *     half-up   up if idle  count bad  slower       blocked    stranger  -         up     - down
 *     blocked   up if idle  count bad  count off    slower     stranger  -         up     up down
 *     stranger  count good  count bad  count off    blocked    slower    -         -      - down
 *     paused    (resume: shaky; pause leads here from any other)
 *
 * A route begins shaky: its targets are asked at once, and what they say decides.
 * "Failed" is one round: each of the route's targets failed since the last round,
 * so one dead host beside a living one changes nothing. Good and bad rounds are
 * counted in a row; one kind clears the other.
 *
 * UP hands mail over. HALF-UP hands over a canary at growing intervals, BLOCKED one
 * on each probe that is let in, the others nothing. SHAKY and DOWN differ for people and
 * for how long a session already standing is trusted; both are probed at the same pace.
 *
 * What is half-up, what is blocked. A 421, whatever its words, and silence are a
 * primary that is down or overloaded. Another 4yz instead of a greeting (450, 451, 452,
 * 454) is a server that is busy or half configured: it may let us in at any moment, so
 * it is half-up, not blocked. A 5yz there, or to MAIL whoever the sender is, is meant
 * for us: blocked, at once, because each further try may prolong a ban. Refusals of
 * recipients are not looked at here: whether they are meant for us, the host knows
 * (schedule_unwelcome()).
 *
 * A stranger is who could not prove, within the handshake, to be who the domain's pin, name or TLSA
 * records say. It has not been told a sender or a recipient, and is asked rarely.
 *
 * Where a greeting was refused and now is not, and nothing is held that could go as a
 * canary, the route is up: what was refused is granted.
 */
#include "schedule/inner.h"

enum move {
    MOVE_NONE,
    MOVE_UP,
    MOVE_DOWN,
    MOVE_PAUSED,
    MOVE_SHAKY,
    MOVE_HALF_UP,
    MOVE_BLOCKED,
    MOVE_STRANGER,
    MOVE_COUNT_GOOD, /* up after enough of them */
    MOVE_COUNT_BAD,  /* shaky, and down after enough of them */
    MOVE_COUNT_OFF,  /* shaky, and half-up after enough of them */
    MOVE_SLOWER,     /* stays, and waits longer */
    MOVE_UP_IF_IDLE,
};

static const enum move table[ROUTE_STATES][ROUTE_EVENTS] = {
    [ROUTE_STATE_UP] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_UP,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_COUNT_OFF,
        [ROUTE_EVENT_UNWELCOME] = MOVE_BLOCKED,
        [ROUTE_EVENT_DEFERRED] = MOVE_HALF_UP,
        [ROUTE_EVENT_STRANGER] = MOVE_STRANGER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_SHAKY] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_COUNT_GOOD,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_COUNT_OFF,
        [ROUTE_EVENT_UNWELCOME] = MOVE_BLOCKED,
        [ROUTE_EVENT_STRANGER] = MOVE_STRANGER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_DOWN] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_COUNT_GOOD,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_COUNT_OFF,
        [ROUTE_EVENT_UNWELCOME] = MOVE_BLOCKED,
        [ROUTE_EVENT_STRANGER] = MOVE_STRANGER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_HALF_UP] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_UP_IF_IDLE,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_SLOWER,
        [ROUTE_EVENT_UNWELCOME] = MOVE_BLOCKED,
        [ROUTE_EVENT_TAKEN] = MOVE_UP,
        [ROUTE_EVENT_STRANGER] = MOVE_STRANGER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_BLOCKED] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_UP_IF_IDLE,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_COUNT_OFF,
        [ROUTE_EVENT_UNWELCOME] = MOVE_SLOWER,
        [ROUTE_EVENT_TAKEN] = MOVE_UP,
        [ROUTE_EVENT_WELCOME] = MOVE_UP,
        [ROUTE_EVENT_STRANGER] = MOVE_STRANGER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_STRANGER] = {
        [ROUTE_EVENT_ANSWERED] = MOVE_COUNT_GOOD,
        [ROUTE_EVENT_FAILED] = MOVE_COUNT_BAD,
        [ROUTE_EVENT_PUT_OFF] = MOVE_COUNT_OFF,
        [ROUTE_EVENT_UNWELCOME] = MOVE_BLOCKED,
        [ROUTE_EVENT_STRANGER] = MOVE_SLOWER,
        [ROUTE_EVENT_NO_PLAN] = MOVE_DOWN,
        [ROUTE_EVENT_PAUSE] = MOVE_PAUSED,
    },
    [ROUTE_STATE_PAUSED] = {
        [ROUTE_EVENT_RESUME] = MOVE_SHAKY,
    },
};

const char *route_state_name(enum route_state state)
{
    static const char *const name[ROUTE_STATES] = {
        [ROUTE_STATE_UP] = "up",           [ROUTE_STATE_SHAKY] = "shaky",
        [ROUTE_STATE_DOWN] = "down",       [ROUTE_STATE_HALF_UP] = "half-up",
        [ROUTE_STATE_BLOCKED] = "blocked", [ROUTE_STATE_STRANGER] = "stranger",
        [ROUTE_STATE_PAUSED] = "paused",
    };
    return name[state];
}

static bool hands_over(enum route_state state)
{
    return state == ROUTE_STATE_UP || state == ROUTE_STATE_HALF_UP || state == ROUTE_STATE_BLOCKED;
}

bool route_hands_over(const struct route *route)
{
    return hands_over(route->state);
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
    route->turned_away = 0;
    if (next == ROUTE_STATE_BLOCKED || next == ROUTE_STATE_STRANGER || from == ROUTE_STATE_PAUSED) {
        route->good = 0;
        route->bad = 0;
    }
    schedule->host->state_changed(schedule->context, route->name, from, next, &route->reason);
    if (from == ROUTE_STATE_UP)
        trial_drop_all(route);
    if (!hands_over(next) && hands_over(from))
        drain_stop(route);
    else if (hands_over(next))
        drain_start(route, from);
    probing_plan_route(route);
}

static void count_good(struct route *route)
{
    route->good++;
    route->bad = 0;
    if (route->good >= (uint64_t)route_value(route, SETTING_PROBES_UP))
        enter(route, ROUTE_STATE_UP);
}

static void count_bad(struct route *route, enum route_state at_last)
{
    bool is_trusted = route->state == ROUTE_STATE_UP || route->state == ROUTE_STATE_HALF_UP;

    route->bad++;
    route->good = 0;
    if (route->bad >= (uint64_t)route_value(route, SETTING_PROBES_DOWN))
        enter(route, at_last);
    else if (is_trusted)
        enter(route, ROUTE_STATE_SHAKY);
}

/* Three tries were turned away before it is known that MAIL is refused to us. */
static void be_turned_away(struct route *route, enum route_state state)
{
    bool is_new = route->state != state;
    bool was_mail = state == ROUTE_STATE_BLOCKED && is_new && !route->is_greeting_refused;

    enter(route, state);
    route->turned_away += was_mail ? UNWELCOME_IN_ROW_MAX : 1;
    probing_plan_route(route);
}

static void up_if_idle(struct route *route, const struct verdict *verdict)
{
    bool was_refused = route->state == ROUTE_STATE_HALF_UP || route->is_greeting_refused;

    if (!was_refused || waiting_has_mail(&route->waiting))
        return; /* the canary will tell; the reason stays what it was */
    route->reason = *verdict;
    route->bad = 0;
    enter(route, ROUTE_STATE_UP);
}

void route_state_event(struct route *route, enum route_event event, const struct verdict *verdict)
{
    enum move move = table[route->state][event];

    if (move != MOVE_NONE && move != MOVE_UP_IF_IDLE && verdict != NULL)
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
    case MOVE_HALF_UP:
        enter(route, ROUTE_STATE_HALF_UP);
        return;
    case MOVE_BLOCKED:
        be_turned_away(route, ROUTE_STATE_BLOCKED);
        return;
    case MOVE_STRANGER:
        be_turned_away(route, ROUTE_STATE_STRANGER);
        return;
    case MOVE_COUNT_GOOD:
        count_good(route);
        return;
    case MOVE_COUNT_BAD:
        count_bad(route, ROUTE_STATE_DOWN);
        return;
    case MOVE_COUNT_OFF:
        count_bad(route, ROUTE_STATE_HALF_UP);
        return;
    case MOVE_SLOWER:
        be_turned_away(route, route->state);
        return;
    case MOVE_UP_IF_IDLE:
        up_if_idle(route, verdict);
        return;
    }
}
