/* SPDX-License-Identifier: ISC */
/* expire.c: the end of the holding time, and of the rescue time.
 *
 * The store keeps each domain's entries in the order of their age, so only the
 * oldest one's time is watched: one timer per route and state, whatever is held.
 *
 *     armed ── due ──▶ listing ── the oldest is not due ──▶ armed for its time
 *                         │
 *                         └── due ones ──▶ the host was told; all settled ──▶ listing
 *                                                 └── one could not be: armed for soon
 *
 * Time is that of steady.h, so that no jump of the clock ends anything early. An
 * entry in flight, or whose refusal is being settled, is left alone until that is over.
 */
#include "schedule/inner.h"

enum {
    EXPIRE_AT_ONCE = 100,
    LOOK_AGAIN_MS = 10 * SECOND_MS, /* the store failed, or an old one is in flight */
    SETTLE_MAX_MS = 10 * MINUTE_MS, /* the host did not answer: it is asked again */
};

int64_t expire_time(const struct route *route, int64_t life_ms, int64_t since_ms)
{
    const struct steady *steady = &route->schedule->steady;
    int64_t due_ms = since_ms + life_ms + steady_extra(steady, since_ms) - steady->offset;
    int64_t trusted_ms = steady_trusted_at(steady);

    return due_ms > trusted_ms ? due_ms : trusted_ms;
}

static int64_t due_at(const struct route *route, const struct expiry *expiry, int64_t since_ms)
{
    int64_t life_ms =
        route_value(route, expiry->state == ENTRY_HELD ? SETTING_HOLD : SETTING_RESCUE);
    return expire_time(route, life_ms, since_ms);
}

void expire_arm(struct route *route, struct expiry *expiry, int64_t since_ms)
{
    bool is_busy = expiry->timer.node.index != 0 || expiry->listing != NULL;
    if (!is_busy)
        timer_set(route->schedule, &expiry->timer, due_at(route, expiry, since_ms));
}

/* The host was asked to settle these and did not answer; the listing will name them again. */
static void give_up_waiting(struct route *route, struct expiry *expiry)
{
    struct waiting *waiting = &route->waiting;

    list_each_safe (link, &waiting->list[ITEM_EXPIRING]) {
        struct item *item = container_of(link, struct item, link);
        if (item->entry.state == expiry->state)
            waiting_finish(waiting, item);
    }
    expiry->outstanding = 0;
}

void expire_look(struct route *route, struct expiry *expiry)
{
    const struct store_query query = {
        .domain = route->name,
        .states = 1U << expiry->state,
        .limit = EXPIRE_AT_ONCE,
    };

    if (expiry->listing != NULL || expiry->outstanding > 0)
        return;
    timer_stop(route->schedule, &expiry->timer);
    expiry->is_failing = false;
    expiry->listing =
        listing_ask(route, expiry->state == ENTRY_HELD ? LISTING_HELD : LISTING_RESCUED, &query);
}

static void fire(struct route *route, struct expiry *expiry)
{
    give_up_waiting(route, expiry);
    expire_look(route, expiry);
}

static void fire_held(struct timer *timer)
{
    struct expiry *expiry = container_of(timer, struct expiry, timer);
    fire(container_of(expiry, struct route, held), expiry);
}

static void fire_rescued(struct timer *timer)
{
    struct expiry *expiry = container_of(timer, struct expiry, timer);
    fire(container_of(expiry, struct route, rescued), expiry);
}

void expire_init(struct route *route)
{
    route->held.state = ENTRY_HELD;
    route->held.timer.fire = fire_held;
    route->rescued.state = ENTRY_RESCUED;
    route->rescued.timer.fire = fire_rescued;
}

void expire_fini(struct route *route)
{
    timer_stop(route->schedule, &route->held.timer);
    timer_stop(route->schedule, &route->rescued.timer);
    listing_forget(route->schedule, &route->held.listing);
    listing_forget(route->schedule, &route->rescued.listing);
}

/* False if the entry is on its way. */
static bool expire(struct route *route, struct expiry *expiry, const struct entry *entry)
{
    struct schedule *schedule = route->schedule;
    struct waiting *waiting = &route->waiting;
    struct item *item = waiting_find(waiting, entry->id);

    if (item != NULL &&
        (item->place == ITEM_FLIGHT || (item->place == ITEM_TRIAL && item->trial.is_believed)))
        return false;
    if (item != NULL)
        trial_end(route, item);
    if (item != NULL)
        waiting_move(waiting, item, ITEM_EXPIRING);
    else
        item = waiting_add(waiting, entry, ITEM_EXPIRING);
    item->entry = *entry;
    item->entry.domain = route->name;
    expiry->outstanding++;
    schedule->host->expire(schedule->context, &item->entry);
    return true;
}

/* Listing is in the order of age: the first one that is not due ends the work. */
static int64_t expire_due(struct route *route, struct expiry *expiry,
                          const struct store_listing *listing)
{
    int64_t now_ms = route->schedule->now.mono_ms;
    int64_t next_ms = NEVER_MS;

    for (uint32_t i = 0; i < listing->count; i++) {
        int64_t due_ms = due_at(route, expiry, listing->entry[i].since_ms);
        if (due_ms > now_ms)
            return due_ms < next_ms ? due_ms : next_ms;
        if (!expire(route, expiry, &listing->entry[i]))
            next_ms = now_ms + LOOK_AGAIN_MS;
    }
    return listing->more && expiry->outstanding == 0 ? now_ms + LOOK_AGAIN_MS : next_ms;
}

/* The same look tells whether there is anything to drain at all. */
static void note_held(struct route *route, const struct store_listing *listing, bool is_current)
{
    struct waiting *waiting = &route->waiting;

    if (listing->count > 0 && !waiting_has_mail(waiting)) {
        waiting_rewind(waiting);
        drain_work(route);
    } else if (listing->count == 0 && is_current) {
        waiting->more = false;
    } else if (listing->count == 0) {
        expire_arm(route, &route->held,
                   steady_wall(&route->schedule->steady, route->schedule->now));
    }
}

void expire_listed(struct route *route, struct expiry *expiry, uint64_t arrivals,
                   const struct store_listing *listing)
{
    int64_t now_ms = route->schedule->now.mono_ms;
    int64_t next_ms = now_ms + LOOK_AGAIN_MS;

    expiry->listing = NULL;
    if (listing != NULL)
        next_ms = expire_due(route, expiry, listing);
    if (expiry->outstanding > 0)
        next_ms = now_ms + SETTLE_MAX_MS;
    timer_set(route->schedule, &expiry->timer, next_ms);
    if (listing != NULL && expiry->state == ENTRY_HELD)
        note_held(route, listing, arrivals == route->arrivals);
}

static struct expiry *finish(struct route *route, struct item *item)
{
    struct expiry *expiry = item->entry.state == ENTRY_HELD ? &route->held : &route->rescued;

    waiting_finish(&route->waiting, item);
    check(expiry->outstanding > 0);
    expiry->outstanding--;
    return expiry;
}

void expire_settled(struct route *route, struct item *item)
{
    struct expiry *expiry = finish(route, item);

    if (expiry->outstanding == 0 && !expiry->is_failing)
        expire_look(route, expiry);
}

/* Whoever asks a disk that fails again at once asks for ever. */
void expire_failed(struct route *route, struct item *item)
{
    struct expiry *expiry = finish(route, item);

    expiry->is_failing = true;
    timer_set(route->schedule, &expiry->timer, route->schedule->now.mono_ms + LOOK_AGAIN_MS);
}
