/* SPDX-License-Identifier: ISC */
/* status.c: looking in. Times are turned into Unix time as the clock stands now. */
#include "schedule/inner.h"

static int64_t wall_of(int64_t mono_ms, struct now now)
{
    return mono_ms == NEVER_MS ? 0 : mono_ms - now.mono_ms + now.wall_ms;
}

static uint32_t sessions_allowed(const struct route *route)
{
    uint32_t limit = (uint32_t)route_value(route, SETTING_SESSIONS);
    uint32_t allowed = 0;

    if (!route_hands_over(route))
        return 0;
    if (route->phase != DRAIN_OPEN)
        return 1;
    for (uint32_t i = 0; i < route->way_count; i++) {
        const struct way *way = &route->way[i];
        if (way->preference == route->best && way->target->state != TARGET_FAILS)
            allowed += way->target->concurrency.allowed;
    }
    return allowed < limit ? allowed : limit;
}

static void describe_target(const struct way *way, struct route_target_status *out)
{
    *out = (struct route_target_status){
        .host = way->host,
        .endpoint = way->target->endpoint,
        .security = buf_str(&way->target->security),
        .preference = way->preference,
        .answers = way->target->state == TARGET_ANSWERS,
        .last_tried_ms = way->target->tried_wall_ms,
        .verdict = way->target->verdict,
    };
}

bool schedule_status(const struct schedule *schedule, struct str domain, struct now now,
                     struct route_status *out_status)
{
    const struct route *route = map_find(&schedule->routes, domain);

    if (route == NULL)
        return false;
    *out_status = (struct route_status){
        .state = route->state,
        .state_since_ms = route->state_since_ms,
        .reason = route->reason,
        .sessions = route->handover_count,
        .sessions_allowed = sessions_allowed(route),
        .in_flight = route->waiting.count[ITEM_FLIGHT],
        .deferred = route->waiting.count[ITEM_DEFERRED],
        .on_trial = route->waiting.count[ITEM_TRIAL],
        .is_tripped = route->breaker.is_tripped,
        .tripped_ms = route->tripped_wall_ms,
        .delivered = route->delivered,
        .attempts = route->attempts,
        .next_probe_ms = wall_of(probing_next(route), now),
        .plan_known = route->way_count > 0,
        .plan_is_old = route->plan_is_old,
        .target_count = route->way_count,
    };
    for (uint32_t i = 0; i < route->way_count; i++)
        describe_target(&route->way[i], &out_status->target[i]);
    return true;
}

bool schedule_entry_status(const struct schedule *schedule, struct str domain, struct message_id id,
                           struct now now, int64_t *out_next_ms, uint32_t *out_attempts,
                           struct verdict *out_last)
{
    const struct route *route = map_find(&schedule->routes, domain);
    const struct item *item = route != NULL ? waiting_find(&route->waiting, id) : NULL;

    if (item == NULL || item->place == ITEM_DONE)
        return false;
    const struct verdict *last = waiting_reason(&route->waiting, item);
    *out_next_ms = item->place == ITEM_DEFERRED ? wall_of(item->due.key, now)
                   : item->place == ITEM_TRIAL  ? wall_of(item->trial.until_ms, now)
                                                : 0;
    *out_attempts = item->attempts;
    *out_last = last != NULL ? *last : (struct verdict){ 0 };
    return true;
}
