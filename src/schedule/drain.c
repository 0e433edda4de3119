/* SPDX-License-Identifier: ISC */
/* drain.c: which entry goes next, on which session.
 *
 * One function, drain_work(), is called after everything that may have changed what
 * a route can do: it gives entries to sessions with room, opens sessions while more
 * wait than can be given, has more listed (ahead.c), and ends sessions with nothing to do.
 * Calling it once too often costs little and does nothing.
 *
 * While the route is blocked no session is opened for mail: one message goes as the
 * canary of each probe that was let in.
 */
#include "schedule/inner.h"

enum {
    UNSURE_WAIT_MS = MINUTE_MS,
    WAKE_GAP_MS = SECOND_MS,
};

static int64_t now_of(const struct route *route)
{
    return route->schedule->now.mono_ms;
}

/* ---- giving ---- */

static int64_t rate_wait_until(const struct route *route)
{
    int64_t until = INT64_MIN;

    if (route_value(route, SETTING_MESSAGES_PER_MINUTE) > 0)
        until = rate_ready_at(&route->messages);
    if (route_value(route, SETTING_BYTES_PER_SECOND) > 0 && rate_ready_at(&route->bytes) > until)
        until = rate_ready_at(&route->bytes);
    return until;
}

static void take_rate(struct route *route, const struct entry *entry)
{
    uint64_t per_minute = (uint64_t)route_value(route, SETTING_MESSAGES_PER_MINUTE);
    uint64_t per_second = (uint64_t)route_value(route, SETTING_BYTES_PER_SECOND);

    if (per_minute > 0)
        rate_take(&route->messages, 1, per_minute > 1 ? per_minute * 1000 / 60 : 16, SECOND_MS,
                  now_of(route));
    if (per_second > 0)
        rate_take(&route->bytes, entry->size, per_second * 1000, SECOND_MS, now_of(route));
}

static bool may_go(const struct route *route)
{
    if (rate_wait_until(route) > now_of(route))
        return false;
    if (route->phase == DRAIN_OPEN)
        return true;
    return route->waiting.count[ITEM_FLIGHT] == 0 && now_of(route) >= route->canary_at_ms;
}

/* In time of peace any session will do. */
static bool may_carry(const struct handover *handover)
{
    bool is_blocked = handover->route->state == ROUTE_STATE_BLOCKED;

    return !is_blocked || (handover->is_probe && !handover->was_given);
}

static bool is_resting(const struct target *target)
{
    return pace_ready_at(&target->pace) > target->schedule->now.mono_ms;
}

static bool is_among(const struct target *const *targets, uint32_t count,
                     const struct target *target)
{
    for (uint32_t i = 0; i < count; i++)
        if (targets[i] == target)
            return true;
    return false;
}

static bool is_fresh(const struct handover *handover)
{
    return handover->in_flight == 0 && !handover->did_work;
}

/* A session that takes one more; of several targets each has the same chance (SPEC P7). */
static struct handover *with_room(struct route *route, bool must_be_fresh)
{
    const struct target *seen[ROUTE_TARGETS_MAX];
    struct handover *chosen = NULL;
    uint32_t count = 0;

    list_each (link, &route->room) {
        struct handover *handover = container_of(link, struct handover, room);
        if (!handover_may_take(handover) || (must_be_fresh && !is_fresh(handover)) ||
            !may_carry(handover) || is_resting(handover->target) ||
            is_among(seen, count, handover->target))
            continue;
        if (route->way_count <= 1)
            return handover;
        if (count == ROUTE_TARGETS_MAX)
            break;
        seen[count++] = handover->target;
        if (random_below(route->schedule->random, count) == 0)
            chosen = handover;
    }
    return chosen;
}

static void give(struct route *route, struct handover *handover, struct item *item)
{
    take_rate(route, &item->entry);
    route->attempts++;
    waiting_move(&route->waiting, item, ITEM_FLIGHT);
    handover->target->unsure_in_flight += item->is_unsure;
    handover->is_alone = item->is_suspect;
    handover_give(handover, item);
}

/* A suspect needs a fresh session of its own: one that has done other work may end for reasons of
 * its own, and nothing would be known of the suspect. */
static struct handover *session_for_next(struct route *route, bool *out_alone)
{
    struct handover *fresh = NULL;

    *out_alone = false;
    if (waiting_has_suspect(&route->waiting)) {
        fresh = with_room(route, true);
        *out_alone = fresh != NULL;
    }
    return fresh != NULL ? fresh : with_room(route, false);
}

static uint32_t sessions_max(struct route *route)
{
    return route->phase == DRAIN_OPEN ? (uint32_t)route_value(route, SETTING_SESSIONS) : 1;
}

/* Opens a fresh session for a suspect; where there are as many as may be, an idle one makes room.
 */
static void make_way_for_suspect(struct route *route)
{
    struct handover *idle = NULL;

    if (!waiting_has_suspect(&route->waiting) || !may_go(route) ||
        route->state == ROUTE_STATE_BLOCKED)
        return;
    list_each (link, &route->handovers) {
        struct handover *handover = container_of(link, struct handover, link);
        if (handover->state == HANDOVER_OPENING || handover->is_alone)
            return; /* one at a time */
        if (handover->state != HANDOVER_READY)
            continue;
        if (is_fresh(handover))
            return;
        if (handover->in_flight == 0)
            idle = handover;
    }
    struct way *way = route->handover_count < sessions_max(route) ? ways_choose(route) : NULL;
    if (way != NULL)
        handover_open(route, way, false);
    else if (idle != NULL)
        handover_end(idle);
}

static void reserve_for_suspect(struct route *route)
{
    if (!waiting_has_suspect(&route->waiting))
        return;
    list_each (link, &route->handovers)
        if (container_of(link, struct handover, link)->is_alone)
            return;
    list_each (link, &route->handovers) {
        struct handover *handover = container_of(link, struct handover, link);
        if (handover->state == HANDOVER_READY && handover->in_flight > 0) {
            handover->is_alone = true;
            return;
        }
    }
}

enum unsure_wait { WAIT_NOT, WAIT_FOR_ANSWERS, WAIT_FOR_TIME };

/* So many recipients whom nobody knows were refused within some minutes that the primary would take
 * us for a harvester: with more of them we wait. Those in flight may be refused, too; their answers
 * come soon. Other mail is not slowed. */
static enum unsure_wait has_to_wait(const struct route *route, const struct target *target,
                                    struct item *item)
{
    struct schedule *schedule = route->schedule;
    int64_t limit = route_value(route, SETTING_REFUSALS);
    struct refusals refusals = target->refusals;

    if (limit == 0 || !schedule->host->is_unsure(schedule->context, &item->entry))
        return WAIT_NOT;
    uint32_t recent = refusals_recent(&refusals, now_of(route));
    if (recent >= limit)
        return WAIT_FOR_TIME;
    if (recent + target->unsure_in_flight >= limit)
        return WAIT_FOR_ANSWERS;
    item->is_unsure = true;
    return WAIT_NOT;
}

/* The next one to go that need not wait. */
static struct item *next_item(struct route *route, const struct handover *handover, bool alone)
{
    struct waiting *waiting = &route->waiting;
    struct item *item;

    while ((item = waiting_next(waiting, alone, route->phase == DRAIN_TRIPPED, now_of(route))) !=
           NULL) {
        enum unsure_wait wait = has_to_wait(route, handover->target, item);
        if (wait == WAIT_NOT)
            return item;
        if (wait == WAIT_FOR_ANSWERS)
            return NULL; /* of which one comes next, and we with it */
        waiting_defer(waiting, item, now_of(route) + UNSURE_WAIT_MS);
    }
    return NULL;
}

static void give_all(struct route *route)
{
    while (may_go(route)) {
        bool alone;
        struct handover *handover = session_for_next(route, &alone);
        if (handover == NULL)
            break;
        struct item *item = next_item(route, handover, alone);
        if (item == NULL)
            break;
        give(route, handover, item);
    }
    reserve_for_suspect(route);
}

/* ---- opening, resting ---- */

static uint32_t count_wanted(struct route *route)
{
    uint32_t ready = waiting_ready_count(&route->waiting, now_of(route));
    bool may_be_more = route->waiting.more && route->handover_count == 0;

    return ready == 0 && may_be_more ? 1 : ready;
}

/* While there is work, every one of several equal targets has a session, even if fewer would do. */
static void open_to_equals(struct route *route, uint32_t limit, uint32_t wanted)
{
    if (route->way_count <= 1 || route->phase != DRAIN_OPEN || route->handover_count >= limit ||
        wanted + route->waiting.count[ITEM_FLIGHT] == 0)
        return;
    struct way *way = ways_unused(route);
    if (way != NULL)
        handover_open(route, way, false);
}

static void open_more(struct route *route)
{
    uint32_t limit = sessions_max(route);
    uint32_t wanted = count_wanted(route);

    if (route->phase != DRAIN_OPEN && now_of(route) < route->canary_at_ms)
        return;
    if (route->state == ROUTE_STATE_BLOCKED)
        return;
    if (rate_wait_until(route) > now_of(route))
        return;
    open_to_equals(route, limit, wanted);
    if (wanted == 0 || with_room(route, false) != NULL)
        return;
    while (wanted > route->opening_count && route->handover_count < limit) {
        struct way *way = ways_choose(route);
        if (way == NULL)
            break;
        handover_open(route, way, false);
    }
    if (route->handover_count == 0)
        ways_stay_hungry(route);
    else
        ways_sate(route);
}

static bool is_quiet(struct route *route)
{
    struct waiting *waiting = &route->waiting;
    return !route_hands_over(route) || (waiting->listing == NULL && !waiting->more &&
                                        waiting_ready_count(waiting, now_of(route)) == 0);
}

/* A primary that is not in its right mind does not need us standing about. */
static bool is_before_canary(const struct route *route)
{
    return route->phase == DRAIN_TRIPPED && now_of(route) < route->canary_at_ms;
}

/* Sessions that take nothing more end; those that could, but have nothing, rest. */
static void tidy(struct route *route)
{
    bool quiet = is_quiet(route);

    list_each_safe (link, &route->room) {
        struct handover *handover = container_of(link, struct handover, room);
        if (handover->in_flight > 0)
            continue;
        bool is_spent = !route_hands_over(route) || !handover_may_take(handover) ||
                        !may_carry(handover) || is_before_canary(route);
        if (is_spent || (quiet && handover->is_probe && !handover->was_given))
            handover_end(handover);
        else
            handover_rest(handover);
    }
    if (route->handover_count == 0)
        waiting_forget_window(&route->waiting);
}

static void consider(int64_t at_ms, int64_t now_ms, int64_t *next_ms)
{
    if (at_ms > now_ms && at_ms < *next_ms)
        *next_ms = at_ms;
}

static void consider_rests(const struct route *route, int64_t *next_ms)
{
    for (uint32_t i = 0; i < route->way_count; i++)
        consider(pace_ready_at(&route->way[i].target->pace), now_of(route), next_ms);
}

static void set_timer(struct route *route)
{
    int64_t next_ms = NEVER_MS;
    int64_t now_ms = now_of(route);
    struct heap_node *deferred = heap_first(&route->waiting.deferred);

    if (deferred != NULL)
        consider(deferred->key, now_ms, &next_ms);
    if (route->is_wake_due)
        consider(route->woken_ms + WAKE_GAP_MS, now_ms, &next_ms);
    if (waiting_has_mail(&route->waiting)) {
        consider(rate_wait_until(route), now_ms, &next_ms);
        if (route->phase != DRAIN_OPEN)
            consider(route->canary_at_ms, now_ms, &next_ms);
        consider(route->list_at_ms, now_ms, &next_ms);
        consider_rests(route, &next_ms);
    }
    timer_set(route->schedule, &route->work, next_ms);
}

/* They come in swarms. */
static bool may_wake(const struct route *route)
{
    return now_of(route) - route->woken_ms >= WAKE_GAP_MS;
}

static void tell_drained(struct route *route)
{
    const struct waiting *waiting = &route->waiting;
    struct schedule *schedule = route->schedule;

    if (!route->is_draining || waiting->more || waiting->listing != NULL)
        return;
    if (waiting->count[ITEM_WINDOW] + waiting->count[ITEM_AGAIN] + waiting->backlog_in_flight > 0)
        return;
    route->is_draining = false;
    if (route->drain_delivered > 0)
        schedule->host->drained(schedule->context, route->name, route->drain_delivered,
                                now_of(route) - route->drain_since_ms);
}

void drain_work(struct route *route)
{
    if (route->is_wake_due && may_wake(route)) {
        drain_wake(route);
        return;
    }
    if (route_hands_over(route)) {
        make_way_for_suspect(route);
        give_all(route);
        open_more(route);
        ahead_look(route);
        set_timer(route);
        tell_drained(route);
    }
    tidy(route);
}

/* ---- beginning and end ---- */

static void begin(struct route *route)
{
    route->is_draining = waiting_has_mail(&route->waiting);
    route->drain_since_ms = now_of(route);
    route->drain_delivered = 0;
    route->crawl_ms = 0;
    route->deferred_in_row = 0;
    route->unwelcome_in_row = 0;
}

/* What crawls has set its pace already. A tripped breaker stays so: what came back may be the same;
 * but it is looked at soon. */
void drain_start(struct route *route, enum route_state from)
{
    bool went_on =
        from == ROUTE_STATE_UP || from == ROUTE_STATE_HALF_UP || from == ROUTE_STATE_BLOCKED;
    int64_t canary_ms = now_of(route);

    if (!went_on)
        begin(route);
    if (route->breaker.is_tripped && went_on)
        canary_ms = route->canary_at_ms;
    if (!(went_on && route->state == ROUTE_STATE_HALF_UP)) {
        route->phase = route->breaker.is_tripped ? DRAIN_TRIPPED : DRAIN_CANARY;
        route->canary_at_ms = canary_ms;
    }
    drain_work(route);
}

/* Nothing is settled by what it refuses, and nothing but a canary is given to it. */
void drain_trip(struct route *route, const struct verdict *reason)
{
    struct schedule *schedule = route->schedule;

    route->phase = DRAIN_TRIPPED;
    route->sampled = 0;
    route->canary_at_ms = now_of(route) + breaker_pause(&route->breaker);
    route->tripped_wall_ms = schedule->now.wall_ms;
    trial_drop_all(route);
    if (route->trials.node.index == 0) /* it may want a control */
        timer_set(schedule, &route->trials, now_of(route) + SECOND_MS);
    schedule->host->breaker(schedule->context, route->name, true, reason);
}

void drain_untrip(struct route *route)
{
    struct schedule *schedule = route->schedule;
    struct verdict verdict = verdict_make(250, 0, 0, STR("Takes mail"));

    breaker_close(&route->breaker);
    route->phase = DRAIN_CANARY;
    route->canary_at_ms = now_of(route);
    for (uint32_t i = 0; i < route->way_count; i++)
        concurrency_start(&route->way[i].target->concurrency,
                          (uint32_t)route_value(route, SETTING_SESSIONS_START));
    schedule->host->breaker(schedule->context, route->name, false, &verdict);
}

void drain_stop(struct route *route)
{
    route->is_draining = false;
    ways_sate(route);
    timer_stop(route->schedule, &route->work);
    waiting_forget_ahead(&route->waiting);
    if (route->state == ROUTE_STATE_PAUSED)
        list_each (link, &route->handovers)
            if (container_of(link, struct handover, link)->state == HANDOVER_OPENING)
                handover_end(container_of(link, struct handover, link));
    tidy(route);
}

void drain_wake(struct route *route)
{
    route->is_wake_due = !may_wake(route);
    if (route->is_wake_due) {
        drain_work(route);
        return;
    }
    route->woken_ms = now_of(route);
    trial_drop_all(route);
    waiting_retry_all(&route->waiting, now_of(route));
    if (waiting_has_mail(&route->waiting))
        waiting_rewind(&route->waiting); /* who asks for everything gets a fresh look */
    else
        expire_look(route, &route->held); /* tells if there is mail after all */
    if (route->phase != DRAIN_OPEN)
        route->canary_at_ms = now_of(route);
    drain_work(route);
}
