/* SPDX-License-Identifier: ISC */
/* delays.c: when the sender of mail that still waits is told so (SPEC N1).
 *
 * A domain has up to SETTING_DURATIONS_MAX ages at which its held mail is looked at. As in expire.c
 * only the oldest that was not looked at is watched: one timer per route and age, whatever is held.
 *
 *     armed ── due ──▶ listing ── none is due ──▶ armed for the next one's time
 *                         │
 *                         └── due ones ──▶ the host was told; it has seen to all ──▶ listing,
 * behind them
 *
 * Invariants
 *   1  what lies behind `told` was not looked at; the host keeps the place from one life to the
 * next 2  who is due for a later age too is told at that one: nobody is told twice in a row 3  the
 * host may take its time, and then nothing else is listed for this age
 */
#include "schedule/inner.h"

enum {
    DELAYS_AT_ONCE = 50,
    LOOK_AGAIN_MS = 10 * SECOND_MS, /* the store failed */
};

static int64_t due_at(const struct route *route, int64_t age_ms, int64_t since_ms)
{
    return expire_time(route, age_ms, since_ms);
}

static bool is_busy(const struct delay *delay)
{
    return delay->timer.node.index != 0 || delay->listing != NULL || delay->outstanding > 0;
}

static void look(struct delay *delay)
{
    struct route *route = delay->route;
    const struct store_query query = {
        .domain = route->name,
        .states = 1U << ENTRY_HELD,
        .after = delay->told,
        .limit = DELAYS_AT_ONCE,
    };

    timer_stop(route->schedule, &delay->timer);
    if (delay->listing != NULL || delay->outstanding > 0)
        return;
    delay->listing = listing_ask(route, LISTING_DELAYED, &query);
    delay->listing->delay = delay;
}

static void fire(struct timer *timer)
{
    look(container_of(timer, struct delay, timer));
}

static void stop(struct delay *delay)
{
    timer_stop(delay->route->schedule, &delay->timer);
    listing_forget(delay->route->schedule, &delay->listing);
}

static void begin(struct route *route, struct delay *delay, int64_t age_ms)
{
    struct schedule *schedule = route->schedule;
    int64_t until_ms = schedule->host->told_until(schedule->context, route->name, age_ms);

    *delay = (struct delay){ .route = route, .age_ms = age_ms, .timer.fire = fire };
    /* What came in that very millisecond was looked at as well. */
    if (until_ms > 0)
        delay->told = (struct store_position){ .since_ms = until_ms, .order = UINT64_MAX };
    look(delay);
}

void delays_settings_changed(struct route *route)
{
    const struct domain_settings *defaults = route->schedule->settings.defaults;
    struct str text = setting_text(&route->settings, defaults, SETTING_NOTIFY_DELAY);
    int64_t age_ms[SETTING_DURATIONS_MAX];
    unsigned count = setting_durations(text, age_ms);
    bool is_same = count == route->delay_count;

    for (unsigned i = 0; is_same && i < count; i++)
        is_same = route->delay[i].age_ms == age_ms[i];
    if (is_same)
        return;
    delays_fini(route);
    route->delay_count = count;
    for (unsigned i = 0; i < count; i++)
        begin(route, &route->delay[i], age_ms[i]);
}

void delays_fini(struct route *route)
{
    for (unsigned i = 0; i < route->delay_count; i++)
        stop(&route->delay[i]);
    route->delay_count = 0;
}

void delays_arrived(struct route *route, int64_t since_ms)
{
    for (unsigned i = 0; i < route->delay_count; i++) {
        struct delay *delay = &route->delay[i];
        if (!is_busy(delay))
            timer_set(route->schedule, &delay->timer, due_at(route, delay->age_ms, since_ms));
    }
}

/* At one of the later ages it will be told, and soon. */
static bool is_due_later(const struct delay *delay, int64_t since_ms)
{
    const struct route *route = delay->route;
    const struct delay *last = &route->delay[route->delay_count - 1];

    return delay < last && due_at(route, delay[1].age_ms, since_ms) <= route->schedule->now.mono_ms;
}

/* Of those that are due now, as many as were listed. When the next one is due; NEVER_MS: there is
 * none. */
static int64_t tell(struct delay *delay, const struct store_listing *listing)
{
    struct route *route = delay->route;
    struct schedule *schedule = route->schedule;

    for (uint32_t i = 0; i < listing->count; i++) {
        struct entry entry = listing->entry[i];
        int64_t due_ms = due_at(route, delay->age_ms, entry.since_ms);
        if (due_ms > schedule->now.mono_ms)
            return due_ms;
        delay->told = listing->position[i];
        if (is_due_later(delay, entry.since_ms))
            continue;
        entry.domain = route->name;
        delay->outstanding++;
        schedule->host->delayed(schedule->context, &entry, delay->age_ms, delay->ticket);
    }
    return listing->more ? schedule->now.mono_ms : NEVER_MS;
}

/* The next listing may begin with others of the same millisecond, if this one is not the last. */
static void keep_place(const struct delay *delay, bool more)
{
    struct schedule *schedule = delay->route->schedule;

    schedule->host->told(schedule->context, delay->route->name, delay->age_ms,
                         delay->told.since_ms - (more ? 1 : 0));
}

static void go_on(struct delay *delay)
{
    struct schedule *schedule = delay->route->schedule;

    if (delay->is_moved)
        keep_place(delay, delay->next_ms <= schedule->now.mono_ms);
    delay->is_moved = false;
    timer_set(schedule, &delay->timer, delay->next_ms);
}

void delays_listed(struct delay *delay, uint64_t arrivals, const struct store_listing *listing)
{
    struct route *route = delay->route;
    struct schedule *schedule = route->schedule;
    int64_t now_ms = schedule->now.mono_ms;

    delay->listing = NULL;
    if (listing == NULL) {
        timer_set(schedule, &delay->timer, now_ms + LOOK_AGAIN_MS);
        return;
    }
    struct store_position before = delay->told;
    delay->ticket = ++schedule->last_number;
    delay->next_ms = tell(delay, listing);
    delay->is_moved = before.since_ms != delay->told.since_ms || before.order != delay->told.order;
    /* What came since it was asked for may not be in the list. */
    if (delay->next_ms == NEVER_MS && arrivals != route->arrivals)
        delay->next_ms =
            due_at(route, delay->age_ms, steady_wall(&schedule->steady, schedule->now));
    if (delay->outstanding == 0)
        go_on(delay);
}

void schedule_told(struct schedule *schedule, struct str domain, uint64_t ticket, struct now now)
{
    schedule_begin(schedule, now);
    struct route *route = route_find(schedule, domain);
    for (unsigned i = 0; route != NULL && i < route->delay_count; i++) {
        struct delay *delay = &route->delay[i];
        if (delay->ticket != ticket || delay->outstanding == 0)
            continue;
        if (--delay->outstanding == 0)
            go_on(delay);
    }
}
