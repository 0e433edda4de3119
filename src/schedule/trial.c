/* SPDX-License-Identifier: ISC */
/* trial.c: refusals that are not believed yet (SPEC P5).
 *
 * A server that has lost its table of users says 550 to everybody, and a backup MX that
 * believes it would empty itself. So an entry that was refused, wholly or for some of
 * its recipients, is on trial: nothing is settled, and it is not tried again meanwhile.
 *
 *     refused ──▶ TRIAL ── the primary is sane ─────────────────▶ believed: settled
 *                   │  └── it is sane, but perhaps was not then ▶ tried again at once
 *                   │  └── nobody knows, `retry-first` is over ─▶ tried again
 *                   └───── the breaker trips, the route is not up any more, somebody
 *                          asks for everything to be tried ─────▶ tried again
 *
 * The primary is sane
 *     if after it the route has taken another message (where the message was refused as
 *     a whole), or accepted any recipient (where recipients were), or the host's control
 *     says that it accepts one who is known to exist.
 *
 * It was so then
 *     if the message before was taken too, a moment ago; or if the very transaction tells
 *     recipients apart. One that is refused before anything was taken, or in a row with
 *     others, is tried once more when the primary has taken something; refused again at
 *     that moment, it needs no other proof.
 *
 * And it is judged
 *     if, where the message should have been taken (known recipients, or refused with its
 *     content), 20 more messages were answered or half a minute has passed, and the
 *     breaker (breaker.h) has not tripped: what is one of five is not believed.
 *
 * Where nothing is heard (no other mail, no control), it is believed when it was refused
 * three times in at least an hour, in a row, by a route that was up all the while
 * and whose breaker did not trip.
 *
 * All of it is in memory: after a crash the message is tried again.
 */
#include "schedule/deferral.h"
#include "schedule/inner.h"

enum {
    BETWEEN_MS = MINUTE_MS,
    JUDGED_MESSAGES = 20,
    JUDGED_MS = 30 * SECOND_MS,
    LOOK_MS = SECOND_MS / 2,
    CONTROL_AFTER_MS = 10 * SECOND_MS,
    CONTROL_GAP_MS = MINUTE_MS,
    REFUSALS_ENOUGH = 3,
    REFUSALS_OVER_MS = HOUR_MS,
};

static int64_t now_of(const struct route *route)
{
    return route->schedule->now.mono_ms;
}

static bool is_trusted(const struct route *route)
{
    return route->state == ROUTE_STATE_UP && !route->breaker.is_tripped;
}

/* ---- evidence ---- */

void trial_note(struct route *route, const struct schedule_answer *answer)
{
    route->was_taken_before = route->taken_at > 0 && route->taken_at == route->answers &&
                              now_of(route) - route->taken_ms <= BETWEEN_MS;
    route->answers++;
    if (answer->accepted > 0)
        route->accepted_at = route->answers;
    if (answer->taken > 0) {
        route->taken_at = route->answers;
        route->taken_ms = now_of(route);
    }
}

static bool is_sane(const struct route *route, const struct trial *trial)
{
    return trial->is_proved || (trial->is_whole ? route->taken_at : route->accepted_at) > trial->at;
}

static bool is_judged(const struct route *route, const struct trial *trial)
{
    return !trial->is_known || route->answers - trial->at >= JUDGED_MESSAGES ||
           now_of(route) - trial->since_ms >= JUDGED_MS;
}

/* The transaction tells recipients apart, or it is refused again right after it was seen that the
 * primary is sane. */
static bool is_proved(const struct route *route, const struct item *item,
                      const struct schedule_answer *answer)
{
    bool is_repeated = item->repeated_ms > 0 && now_of(route) - item->repeated_ms <= BETWEEN_MS;
    uint32_t enough = item->was_doubted ? REFUSALS_ENOUGH : 2;

    return (is_repeated && item->refusals >= enough) ||
           (answer->refusal.stage == STAGE_RECIPIENT && answer->accepted > 0);
}

static bool was_sane_since(const struct route *route, const struct item *item,
                           const struct schedule_answer *answer)
{
    uint64_t sane_at =
        answer->refusal.stage == STAGE_RECIPIENT ? route->accepted_at : route->taken_at;

    return item->refused_at > 0 && sane_at > item->refused_at;
}

/* ---- begin and end ---- */

static void believe(struct route *route, struct item *item)
{
    struct schedule *schedule = route->schedule;

    item->trial.is_believed = true;
    schedule->host->believe(schedule->context, &item->entry);
}

void trial_end(struct route *route, struct item *item)
{
    struct schedule *schedule = route->schedule;

    if (item->place == ITEM_TRIAL && !item->trial.is_believed)
        schedule->host->doubt(schedule->context, &item->entry);
}

/* It may go as the next canary, and with the rest when the primary is trusted again. */
static void wait_for_trust(struct route *route, struct item *item)
{
    item->repeated_ms = 0;
    item->was_doubted = true;
    waiting_defer(&route->waiting, item, now_of(route));
}

static void count_refusal(const struct route *route, struct item *item)
{
    if (item->refusals++ == 0 || item->refused_ms <= route->lost_trust_ms)
        item->refused_ms = now_of(route);
}

static bool was_refused_enough(const struct route *route, const struct item *item)
{
    return item->refusals >= REFUSALS_ENOUGH && item->refused_ms > route->lost_trust_ms &&
           now_of(route) - item->refused_ms >= REFUSALS_OVER_MS;
}

static int64_t next_try(const struct route *route, uint32_t tries)
{
    return now_of(route) +
           deferral_wait((struct deferral){ 0 }, tries, route_value(route, SETTING_RETRY_FIRST),
                         route_value(route, SETTING_RETRY_MAX), route->schedule->random);
}

bool trial_begin(struct route *route, struct item *item, const struct schedule_answer *answer)
{
    bool is_news = !was_sane_since(route, item, answer);

    waiting_move(&route->waiting, item, ITEM_TRIAL);
    item->attempts++;
    item->no_progress = 0;
    item->lost_alone = 0;
    item->trial = (struct trial){ .at = route->answers, .since_ms = now_of(route) };
    item->trial.is_whole = answer->refusal.stage != STAGE_RECIPIENT;
    item->trial.is_known = answer->refused_known > 0;
    item->trial.was_deferred = answer->deferred > 0;
    item->refused_at = route->answers;
    if (!is_trusted(route)) {
        trial_end(route, item);
        wait_for_trust(route, item);
        return is_news;
    }
    if (route->waiting.count[ITEM_TRIAL] > WAITING_TRIAL_MAX) { /* by then others are settled */
        item->attempts--;
        trial_end(route, item);
        waiting_defer(&route->waiting, item, now_of(route) + JUDGED_MS);
        return is_news;
    }
    count_refusal(route, item);
    item->trial.is_proved = is_proved(route, item, answer);
    item->trial.is_between =
        item->trial.is_proved || (route->was_taken_before && item->refusals == 1 &&
                                  !item->was_doubted && route->breaker.patience == 0);
    item->repeated_ms = 0;
    item->trial.until_ms = next_try(route, item->refusals);
    if (was_refused_enough(route, item))
        believe(route, item);
    if (route->trials.node.index == 0)
        timer_set(route->schedule, &route->trials, now_of(route) + LOOK_MS);
    return is_news;
}

void trial_drop_all(struct route *route)
{
    route->lost_trust_ms = now_of(route);
    list_each_safe (link, &route->waiting.list[ITEM_TRIAL]) {
        struct item *item = container_of(link, struct item, link);
        if (item->trial.is_believed)
            continue;
        trial_end(route, item);
        wait_for_trust(route, item);
    }
}

void trial_believed(struct route *route, struct item *item, uint32_t left)
{
    item->entry.pending = left;
    item->refusals = 0;
    expire_arm(route, &route->rescued, steady_wall(&route->schedule->steady, route->schedule->now));
    if (left == 0 || item->is_gone)
        waiting_finish(&route->waiting, item);
    else if (item->trial.until_ms > now_of(route) && item->trial.was_deferred)
        waiting_defer(&route->waiting, item, item->trial.until_ms);
    else
        waiting_move(&route->waiting, item, ITEM_AGAIN);
}

void trial_fini(struct route *route)
{
    timer_stop(route->schedule, &route->trials);
    list_each (link, &route->waiting.list[ITEM_TRIAL])
        trial_end(route, container_of(link, struct item, link));
}

/* ---- judging ---- */

static void judge(struct route *route, struct item *item)
{
    const struct trial *trial = &item->trial;
    bool is_over = now_of(route) >= trial->until_ms;
    bool may_be_false = is_sane(route, trial) && !trial->is_between;

    if (trial->is_believed)
        return;
    if (trial->is_between && is_sane(route, trial) && is_judged(route, trial)) {
        believe(route, item);
    } else if (is_over || may_be_false) {
        item->repeated_ms = may_be_false ? now_of(route) : 0;
        trial_end(route, item);
        waiting_defer(&route->waiting, item, now_of(route));
    }
}

static void ask_control(struct route *route)
{
    struct schedule *schedule = route->schedule;

    if (route->is_controlling || now_of(route) - route->control_ms < CONTROL_GAP_MS)
        return;
    route->is_controlling = true;
    route->control_ms = now_of(route);
    route->control_at = route->answers;
    schedule->host->control(schedule->context, route->name);
}

static bool wants_control(const struct route *route)
{
    list_each (link, &route->waiting.list[ITEM_TRIAL]) {
        const struct trial *trial = &container_of(link, struct item, link)->trial;
        if (!trial->is_believed && !is_sane(route, trial) &&
            now_of(route) - trial->since_ms >= CONTROL_AFTER_MS)
            return true;
    }
    return route->breaker.is_tripped && route->breaker.was_unknown;
}

void trial_look(struct route *route)
{
    bool is_waiting = route->waiting.count[ITEM_TRIAL] > 0 ||
                      (route->breaker.is_tripped && route->breaker.was_unknown);

    if (is_trusted(route))
        list_each_safe (link, &route->waiting.list[ITEM_TRIAL])
            judge(route, container_of(link, struct item, link));
    if (!is_waiting)
        return;
    if (route->state == ROUTE_STATE_UP && wants_control(route)) /* who is silent is probed enough */
        ask_control(route);
    timer_set(route->schedule, &route->trials, now_of(route) + LOOK_MS);
    drain_work(route);
}

/* The postmaster alone says nothing: not everybody has one. */
static void note_refused_control(struct route *route, enum control_answer control)
{
    bool is_known = control == CONTROL_REFUSED;
    struct verdict refusal =
        verdict_make(550, 1, 1,
                     is_known ? STR("A recipient who is known to exist was refused")
                              : STR("Everybody was refused, the postmaster too"));
    bool trips = is_known && breaker_note(&route->breaker, BREAKER_REFUSED, 0, now_of(route));

    if (trips || breaker_doubt(&route->breaker, now_of(route)))
        drain_trip(route, &refusal);
}

void trial_controlled(struct route *route, enum control_answer control)
{

    route->is_controlling = false;
    if (control == CONTROL_TAKEN && route->control_at + 1 > route->accepted_at)
        route->accepted_at = route->control_at + 1; /* later than all that was answered before */
    if (control == CONTROL_TAKEN && route->breaker.is_tripped && route->breaker.was_unknown)
        drain_untrip(route);
    if (control == CONTROL_REFUSED || control == CONTROL_ABSENT)
        note_refused_control(route, control);
    trial_look(route);
    drain_work(route);
}
