/* SPDX-License-Identifier: ISC */
/* answer.c: what an answer means to the entry, and to the pace of the route.
 *
 *     up ──▶ CANARY ── one is taken ──▶ OPEN ── 20 deferred in a row ──▶ CRAWL
 *              └────── 20 deferred in a row ───────────────────────────▶  │
 *                                        ▲──────── one is taken ──────────┘
 *     any ── the breaker trips ──▶ TRIPPED ── one is taken ──▶ OPEN
 *
 * CANARY sends one message and waits for its answer; if the primary takes it, slow
 * start begins (concurrency.h). CRAWL is for a primary that answers and defers
 * everything, the state half-up: one message at a probe's interval, doubling up to
 * `retry-first`, so that neither it nor its logs suffer. Greylisting is not counted: it
 * wants to see every message once before it takes them. A rate limit is no mood
 * either: it rests the whole target (pace.h).
 *
 * What is refused is on trial (trial.c) while the primary is trusted, and tried again
 * while it is not. MAIL refused three times in a row, whatever the sender, is meant for
 * us: the route is blocked. What it says of the sender's address is meant for nobody else;
 * but where it says so of many, its own DNS may be broken, which is the breaker's matter.
 *
 * An entry that was in flight when a session was lost, or ended with 421, may be the
 * reason. It goes again soon, but alone in a fresh session, and once two of these were
 * lost, it counts as deferred; the rest of the mail is not held up.
 *
 * Where not all recipients of a message have room in one transaction, those who are deferred are
 * passed over until the others have had their turn: a mailbox that is full holds up nobody else's
 * copy (over LMTP, one has a transaction to himself).
 */
#include "schedule/deferral.h"
#include "schedule/inner.h"

enum {
    DEFERRED_IN_ROW_MAX = 20,
    LOST_ALONE_MAX = 2,
    NO_PROGRESS_MAX = 3,
};

static int64_t now_of(const struct route *route)
{
    return route->schedule->now.mono_ms;
}

static void crawl(struct route *route, const struct verdict *verdict)
{
    int64_t longest = route_value(route, SETTING_RETRY_FIRST);
    int64_t next =
        route->crawl_ms > 0 ? route->crawl_ms * 2 : route_value(route, SETTING_PROBE_INTERVAL);

    route->phase = DRAIN_CRAWL;
    route->crawl_ms = next < longest ? next : longest;
    route->canary_at_ms = now_of(route) + route->crawl_ms;
    route_state_event(route, ROUTE_EVENT_DEFERRED, verdict);
}

/* A refusal is no deferral, and no sign of health either: the next one waits as long as this one
 * did. */
static void go_on_crawling(struct route *route)
{
    if (route->state != ROUTE_STATE_HALF_UP || route->breaker.is_tripped)
        return;
    if (route->crawl_ms == 0)
        route->crawl_ms = route_value(route, SETTING_PROBE_INTERVAL);
    route->phase = DRAIN_CRAWL;
    route->canary_at_ms = now_of(route) + route->crawl_ms;
}

static void open_wide(struct route *route)
{
    route->deferred_in_row = 0;
    route->crawl_ms = 0;
    if (!route->breaker.is_tripped)
        route->phase = DRAIN_OPEN;
}

/* The canary came back: the next one waits longer. */
static void wait_for_canary(struct route *route)
{
    if (route->breaker.is_tripped && now_of(route) >= route->canary_at_ms)
        route->canary_at_ms = now_of(route) + breaker_pause(&route->breaker);
}

static void count_deferral(struct route *route, const struct verdict *verdict)
{
    bool is_open = route->state == ROUTE_STATE_UP && !route->breaker.is_tripped;

    wait_for_canary(route);
    route->deferred_in_row++;
    if (route->state == ROUTE_STATE_HALF_UP ||
        (is_open && route->deferred_in_row >= DEFERRED_IN_ROW_MAX))
        crawl(route, verdict);
}

static void defer_for_rate(struct route *route, struct target *target, struct item *item,
                           int64_t hint_ms)
{
    if (pace_ready_at(&target->pace) <= now_of(route)) /* no echo: fewer sessions are enough */
        concurrency_start(&target->concurrency,
                          (uint32_t)route_value(route, SETTING_SESSIONS_START));
    waiting_defer(&route->waiting, item, pace_limited(&target->pace, hint_ms, now_of(route)));
    wait_for_canary(route);
}

static void see_greylisting(struct route *route, const struct verdict *verdict)
{
    route_state_event(route, ROUTE_EVENT_TAKEN, verdict);
    wait_for_canary(route);
    if (route->phase == DRAIN_CANARY)
        open_wide(route);
}

static void note_deferral(struct route *route, enum deferral_kind kind, bool progress,
                          const struct verdict *verdict)
{
    if (kind == DEFERRAL_GREYLIST)
        see_greylisting(route, verdict);
    else if (!progress && !verdict_is_about_sender(verdict))
        count_deferral(route, verdict);
}

/* `target`: who deferred it; NULL: it was lost. */
static void defer(struct route *route, struct target *target, struct item *item, bool progress,
                  const struct verdict *verdict)
{
    struct deferral deferral = deferral_read(verdict);

    item->attempts++;
    item->no_progress = 0;
    item->lost_alone = 0;
    if (item->passed_over >= item->entry.pending)
        item->passed_over = 0; /* all have had their turn */
    waiting_note_reason(&route->waiting, item, verdict);
    if (deferral.kind == DEFERRAL_RATE && target != NULL) {
        defer_for_rate(route, target, item, deferral.hint_ms);
        return;
    }
    waiting_defer(&route->waiting, item,
                  now_of(route) + deferral_wait(deferral, item->attempts,
                                                route_value(route, SETTING_RETRY_FIRST),
                                                route_value(route, SETTING_RETRY_MAX),
                                                route->schedule->random));
    note_deferral(route, deferral.kind, progress, verdict);
}

/* Some were deferred, and the others have not been tried: is it their turn now? */
static bool give_others_a_turn(struct route *route, struct item *item,
                               const struct schedule_answer *answer)
{
    enum deferral_kind kind = deferral_read(&answer->verdict).kind;

    if (answer->deferred == 0)
        return false;
    item->passed_over = answer->untried > 0 ? (uint16_t)(item->passed_over + answer->deferred) : 0;
    if (item->passed_over == 0 || item->passed_over >= answer->left || kind == DEFERRAL_RATE ||
        route->state != ROUTE_STATE_UP || route->breaker.is_tripped)
        return false;
    waiting_note_reason(&route->waiting, item, &answer->verdict);
    note_deferral(route, kind, answer->taken > 0, &answer->verdict);
    waiting_move(&route->waiting, item, ITEM_AGAIN);
    return true;
}

/* It could not be read here: it comes again as what is deferred does, and says nothing of the
 * primary. */
static void shelve(struct route *route, struct item *item, const struct verdict *verdict)
{
    item->attempts++;
    item->no_progress = 0;
    waiting_note_reason(&route->waiting, item, verdict);
    waiting_defer(&route->waiting, item,
                  now_of(route) + deferral_wait(deferral_read(verdict), item->attempts,
                                                route_value(route, SETTING_RETRY_FIRST),
                                                route_value(route, SETTING_RETRY_MAX),
                                                route->schedule->random));
}

static void finish(struct route *route, struct item *item)
{
    waiting_finish(&route->waiting, item);
    expire_arm(route, &route->rescued, steady_wall(&route->schedule->steady, route->schedule->now));
}

static bool may_go_again(struct item *item, const struct schedule_answer *answer)
{
    bool progress = answer->taken > 0;

    if (answer->is_unsent) /* no session says so of the first that it is given */
        return true;
    if (answer->deferred > 0)
        return progress && deferral_read(&answer->verdict).kind == DEFERRAL_RECIPIENTS;
    if (item->passed_over > 0 && item->passed_over >= answer->left)
        return false; /* who is left was deferred before */
    item->no_progress = progress ? 0 : (uint8_t)(item->no_progress + 1);
    return item->no_progress < NO_PROGRESS_MAX;
}

/* ---- what it says about the primary ---- */

static void take(struct route *route, struct target *target, const struct item *item)
{
    struct verdict verdict = verdict_make(250, 0, 0, STR("Takes mail"));

    route->delivered++;
    route->drain_delivered += item->is_backlog;
    route->unwelcome_in_row = 0;
    pace_taken(&target->pace, item->given_ms);
    if (route->breaker.is_tripped && item->given_ms > route->breaker.tripped_ms)
        drain_untrip(route);
    route_state_event(route, ROUTE_EVENT_TAKEN, &verdict);
    open_wide(route);
}

/* Of whom nobody knew; those that were known are the breaker's. */
static void count_refusals(struct target *target, const struct schedule_answer *answer)
{
    bool of_recipients = answer->refusal.stage == STAGE_RECIPIENT;
    uint32_t unknown = answer->refused - answer->refused_known;

    if (of_recipients && unknown > 0)
        refusals_add(&target->refusals, unknown, target->schedule->now.mono_ms);
}

static void note_unwelcome(struct route *route, const struct verdict *verdict)
{
    if (++route->unwelcome_in_row < UNWELCOME_IN_ROW_MAX && route->state != ROUTE_STATE_BLOCKED)
        return;
    if (route->state != ROUTE_STATE_BLOCKED)
        route->is_greeting_refused = false;
    route_state_event(route, ROUTE_EVENT_UNWELCOME, verdict);
}

/* MAIL says something about us, unless it speaks of the sender's address; what we did not send says
 * nothing at all. */
static void note_breaker(struct route *route, const struct schedule_answer *answer, bool is_first)
{
    enum breaker_note note = BREAKER_TAKEN;

    if (answer->refused_known > 0)
        note = answer->refusal.stage == STAGE_CONTENT ? BREAKER_DISLIKED : BREAKER_REFUSED;
    else if (answer->taken == 0 && verdict_is_about_sender(&answer->refusal))
        note = BREAKER_DISLIKED;
    else if (answer->taken == 0 && answer->refusal.stage == STAGE_RECIPIENT)
        note = BREAKER_UNKNOWN;
    else if (answer->taken == 0)
        return;
    if (note == BREAKER_UNKNOWN && !is_first) /* one is no crowd, however often */
        return;
    if (breaker_note(&route->breaker, note, route->waiting.count[ITEM_FLIGHT], now_of(route)))
        drain_trip(route, &answer->refusal);
}

static void refuse(struct route *route, struct target *target, struct item *item,
                   const struct schedule_answer *answer)
{
    route->deferred_in_row = 0;
    waiting_note_reason(&route->waiting, item, &answer->refusal);
    count_refusals(target, answer);
    bool is_first = item->refused_at == 0;
    bool is_news = trial_begin(route, item, answer);
    if (is_news)
        note_breaker(route, answer, is_first);
    go_on_crawling(route);
    wait_for_canary(route);
    if (answer->refusal.stage == STAGE_SENDER && !verdict_is_about_sender(&answer->refusal))
        note_unwelcome(route, &answer->refusal);
}

void answer_come(struct route *route, struct target *target, struct item *item,
                 const struct schedule_answer *answer)
{
    struct verdict unsaid = verdict_make(451, 0, 0, STR("Deferred"));
    const struct verdict *before = waiting_reason(&route->waiting, item);
    const struct verdict *verdict = answer->verdict.code != 0 ? &answer->verdict : &unsaid;
    if (verdict == &unsaid && item->passed_over > 0 && before != NULL)
        unsaid = *before; /* to those who are left, earlier in this round */
    bool progress = answer->taken > 0;

    item->entry.pending = answer->left;
    item->is_suspect = false;
    if (progress || answer->refused > 0)
        trial_note(route, answer);
    if (progress)
        take(route, target, item);
    if (answer->left == 0 || item->is_gone) {
        if (answer->refused > 0)
            route->schedule->host->doubt(route->schedule->context, &item->entry);
        finish(route, item);
    } else if (answer->is_unreadable) {
        shelve(route, item, verdict);
    } else if (answer->refused > 0) {
        refuse(route, target, item, answer);
    } else if (may_go_again(item, answer)) {
        waiting_move(&route->waiting, item, ITEM_AGAIN);
    } else if (!give_others_a_turn(route, item, answer)) {
        defer(route, target, item, progress, verdict);
    }
    if (progress && answer->refused == 0)
        note_breaker(route, answer, true);
}

void answer_lost(struct route *route, struct item *item, bool alone, enum session_end how,
                 const struct verdict *verdict)
{
    if (item->is_gone) {
        waiting_finish(&route->waiting, item);
        return;
    }
    if (how == SESSION_END_LOST || how == SESSION_END_GREETING) {
        if (alone)
            item->lost_alone++;
        item->is_suspect = true;
    }
    if (item->lost_alone >= LOST_ALONE_MAX)
        defer(route, NULL, item, false, verdict);
    else
        waiting_move(&route->waiting, item, ITEM_AGAIN);
}
