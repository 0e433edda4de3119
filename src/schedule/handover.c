/* SPDX-License-Identifier: ISC */
/* handover.c: a session from opening to end.
 *
 *     OPENING ── ready ──▶ READY ── idle, old, its turn over ──▶ CLOSING ── ended ──▶ gone
 *        └───── refused, lost, no connection: ended ────────────────────────────────▶ gone
 *
 * A session is used again by time, not by count: for five minutes (FACTS 4.13; a
 * count would give the slowest of several servers most of the connections), and is
 * ended after two seconds with nothing to do; over a line (lines.h) at once. It counts against the
 * target until the host says that it is gone, because the server counts it as long.
 *
 * What an end means
 *
 *     before it was ready          the target refused; with no other session: it fails
 *     ready, nothing answered      barren: a rest, one for all that end together; three in a
 *                                  row and none standing: fails
 *     ready, something answered    nothing: servers end sessions for reasons of their own
 *     asked for                    nothing
 *     our own doing                a rest, as if it had been barren
 */
#include "base/memory.h"
#include "schedule/inner.h"

enum {
    IDLE_MS = 2 * SECOND_MS,
    LINE_IDLE_MS = 20, /* the line stays, and another domain may wait for it */
    AGE_MS = 5 * MINUTE_MS,
    TURN_MS = 5 * SECOND_MS, /* while others are hungry for the same target */
    WINDOW_MAX = 100,
    BARREN_MAX = 3,
};

static struct str key_of(const session_number *number)
{
    return str_of(number, sizeof *number);
}

static void fire_idle(struct timer *timer)
{
    handover_end(container_of(timer, struct handover, idle));
}

static struct handover *handover_new(struct route *route, struct way *way)
{
    struct handover *handover = memory_new(sizeof *handover);

    handover->schedule = route->schedule;
    handover->number = ++route->schedule->last_number;
    handover->route = route;
    handover->target = way->target;
    handover->preference = way->preference;
    handover->idle.fire = fire_idle;
    list_init(&handover->flight);
    list_append(&route->handovers, &handover->link);
    route->handover_count++;
    route->opening_count++;
    way->target->session_count++;
    way->target->user_count++;
    (void)map_put(&route->schedule->handovers, key_of(&handover->number), handover);
    return handover;
}

static void note_try(struct target *target)
{
    struct schedule *schedule = target->schedule;

    target->tried_ms = schedule->now.mono_ms;
    target->tried_wall_ms = schedule->now.wall_ms;
    target->jitter = random_around(schedule->random, 0, 200);
}

void handover_open(struct route *route, struct way *way, bool is_probe)
{
    struct schedule *schedule = route->schedule;
    struct handover *handover = handover_new(route, way);

    handover->is_probe = is_probe;
    handover->opened_ms = schedule->now.mono_ms;
    if (is_probe)
        way->target->probe = handover;
    note_try(way->target);
    const struct session_plan plan = {
        .number = handover->number,
        .domain = route->name,
        .host = way->host,
        .endpoint = way->target->endpoint,
        .security = buf_str(&way->target->security),
        .is_probe = is_probe,
        .connect_timeout_ms = route_value(route, SETTING_CONNECT_TIMEOUT),
        .greeting_timeout_ms = probing_patience(way->target),
    };
    schedule->host->open_session(schedule->context, &plan);
}

/* Out of every count but that of sessions that exist. */
static void retire(struct handover *handover)
{
    if (handover->state == HANDOVER_OPENING && handover->route != NULL)
        handover->route->opening_count--;
    if (handover->state == HANDOVER_READY)
        handover->target->ready_count--;
    if (handover->target->probe == handover)
        handover->target->probe = NULL;
    list_remove(&handover->room);
    timer_stop(handover->schedule, &handover->idle);
    handover->state = HANDOVER_CLOSING;
}

void handover_end(struct handover *handover)
{
    struct schedule *schedule = handover->schedule;

    if (handover->state == HANDOVER_CLOSING)
        return;
    retire(handover);
    schedule->host->end_session(schedule->context, handover->number);
}

void handover_rest(struct handover *handover)
{
    int64_t now_ms = handover->schedule->now.mono_ms;
    bool is_on_line = handover->target->endpoint.family == ENDPOINT_LINE;

    if (handover->in_flight == 0 && handover->idle.node.index == 0)
        timer_set(handover->schedule, &handover->idle,
                  now_ms + (is_on_line ? LINE_IDLE_MS : IDLE_MS));
}

bool handover_may_take(const struct handover *handover)
{
    int64_t age_ms = handover->schedule->now.mono_ms - handover->ready_ms;

    if (handover->state != HANDOVER_READY || handover->is_alone || handover->is_spent)
        return false;
    if (handover->preference != handover->route->best || age_ms >= AGE_MS)
        return false;
    return age_ms < TURN_MS || list_is_empty(&handover->target->hungry);
}

void handover_give(struct handover *handover, struct item *item)
{
    struct schedule *schedule = handover->schedule;

    check(handover->in_flight < handover->window);
    item->given_ms = schedule->now.mono_ms;
    pace_given(&handover->target->pace, schedule->now.mono_ms);
    list_append(&handover->flight, &item->link);
    handover->in_flight++;
    handover->was_given = true;
    timer_stop(schedule, &handover->idle);
    list_remove(&handover->room);
    if (handover->in_flight < handover->window)
        list_append(&handover->route->room, &handover->room); /* sessions take turns */
    schedule->host->dispatch(schedule->context, handover->number, &item->entry, item->passed_over);
}

static void forget_unsure(struct handover *handover, struct item *item)
{
    if (item->is_unsure)
        handover->target->unsure_in_flight--;
    item->is_unsure = false;
}

/* They go with the route. */
static void drop_items(struct handover *handover)
{
    list_each_safe (link, &handover->flight) {
        forget_unsure(handover, container_of(link, struct item, link));
        list_remove(link);
    }
}

void handover_abandon_all(struct route *route)
{
    list_each_safe (link, &route->handovers) {
        struct handover *handover = container_of(link, struct handover, link);
        handover_end(handover);
        list_remove(&handover->link);
        drop_items(handover);
        handover->route = NULL;
    }
}

/* ---- what the host tells ---- */

static struct handover *find(const struct schedule *schedule, session_number number)
{
    return map_find(&schedule->handovers, key_of(&number));
}

void handover_ready(struct schedule *schedule, session_number number, uint32_t window)
{
    struct handover *handover = find(schedule, number);

    if (handover == NULL || handover->state != HANDOVER_OPENING)
        return; /* it is being ended already */
    struct route *route = handover->route;
    struct target *target = handover->target;
    route->opening_count--;
    handover->state = HANDOVER_READY;
    handover->ready_ms = schedule->now.mono_ms;
    handover->window = window < 1 ? 1 : window > WINDOW_MAX ? WINDOW_MAX : window;
    list_append(&route->room, &handover->room);
    if (target->probe == handover)
        target->probe = NULL;
    if (handover->is_probe)
        probing_greeted(target, handover->ready_ms - handover->opened_ms);
    concurrency_ready(&target->concurrency, ++target->ready_count);
    target_answered(target, (uint32_t)route_value(route, SETTING_SESSIONS_START),
                    handover->is_probe);
    probing_plan(target);
    drain_work(route);
}

static struct item *find_in_flight(struct handover *handover, struct message_id id)
{
    list_each (link, &handover->flight) {
        struct item *item = container_of(link, struct item, link);
        if (message_id_equals(item->entry.id, id))
            return item;
    }
    return NULL;
}

static void note_answer(struct handover *handover)
{
    struct target *target = handover->target;
    struct route *route = handover->route;
    int64_t now_ms = handover->schedule->now.mono_ms;

    handover->did_work = true;
    handover->in_flight--;
    if (handover->in_flight == 0)
        handover->is_alone = false;
    if (handover->state == HANDOVER_READY && !link_is_listed(&handover->room))
        list_append(&route->room, &handover->room);
    target->answered_ms = now_ms;
    concurrency_answered(&target->concurrency, target->session_count,
                         (uint32_t)route_value(route, SETTING_SESSIONS), now_ms);
}

bool handover_answered(struct schedule *schedule, session_number number, struct message_id id,
                       const struct schedule_answer *answer)
{
    struct handover *handover = find(schedule, number);
    struct item *item = handover != NULL ? find_in_flight(handover, id) : NULL;

    if (item == NULL)
        return false;
    note_answer(handover);
    forget_unsure(handover, item);
    handover->is_spent |= answer->is_unsent;
    answer_come(handover->route, handover->target, item, answer);
    target_serve(handover->target);
    drain_work(handover->route);
    return true;
}

void handover_yield(struct schedule *schedule, session_number number)
{
    struct handover *handover = find(schedule, number);

    if (handover == NULL)
        return;
    handover->is_spent = true;
    if (handover->route != NULL)
        drain_work(handover->route);
}

static void judge_barren(struct handover *handover, enum session_end how,
                         const struct verdict *verdict)
{
    struct target *target = handover->target;

    concurrency_barren(&target->concurrency, handover->opened_ms, handover->schedule->now.mono_ms);
    if (target->ready_count > 0)
        return;
    concurrency_alone(&target->concurrency);
    if (target->concurrency.barren >= BARREN_MAX)
        target_failed(target, how, verdict, false);
}

static void judge_refused(struct handover *handover, enum session_end how,
                          const struct verdict *verdict)
{
    struct target *target = handover->target;

    concurrency_refused(&target->concurrency, target->ready_count, handover->schedule->now.mono_ms);
    if (target->ready_count == 0)
        target_failed(target, how, verdict, handover->is_probe);
}

static void judge(struct handover *handover, enum handover_state was, enum session_end how,
                  const struct verdict *verdict)
{
    if (was == HANDOVER_CLOSING || handover->did_work)
        return;
    if (how == SESSION_END_SLOW && handover->is_probe)
        probing_greeted(handover->target, NEVER_MS);
    if (how == SESSION_END_INTERNAL || how == SESSION_END_QUIT)
        concurrency_barren(&handover->target->concurrency, handover->opened_ms,
                           handover->schedule->now.mono_ms);
    else if (was == HANDOVER_OPENING)
        judge_refused(handover, how, verdict);
    else
        judge_barren(handover, how, verdict);
}

static void lose_items(struct handover *handover, enum session_end how,
                       const struct verdict *verdict)
{
    /* After other work the session may have ended for reasons of its own: many primaries hang up
     * after so many messages. */
    bool alone = handover->in_flight == 1 && !handover->did_work;
    list_each_safe (link, &handover->flight) {
        struct item *item = container_of(link, struct item, link);
        forget_unsure(handover, item);
        answer_lost(handover->route, item, alone, how, verdict);
    }
}

void handover_ended(struct schedule *schedule, session_number number, enum session_end how,
                    const struct verdict *verdict)
{
    struct handover *handover = find(schedule, number);
    struct verdict unsaid = verdict_make(451, 4, 2, STR("The session ended without a word"));

    if (handover == NULL)
        return;
    if (verdict == NULL)
        verdict = &unsaid;
    struct route *route = handover->route;
    struct target *target = handover->target;
    enum handover_state was = handover->state;
    (void)map_remove(&schedule->handovers, key_of(&number));
    retire(handover);
    target->session_count--;
    if (route != NULL) {
        list_remove(&handover->link);
        route->handover_count--;
        lose_items(handover, how, verdict);
    }
    judge(handover, was, how, verdict);
    memory_free(handover);
    probing_plan(target);
    target_serve(target);
    target_release(target);
    if (route != NULL)
        drain_work(route);
}
