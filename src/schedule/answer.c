/* SPDX-License-Identifier: ISC */
/* answer.c: what an answer means to the entry, and to the pace of the route.
 *
 *     up ──▶ CANARY ── one is taken ──▶ OPEN ── 20 deferred in a row ──▶ CRAWL
 *              └────── 20 deferred in a row ───────────────────────────▶  │
 *                                        ▲──────── one is taken ──────────┘
 *
 * CANARY sends one message and waits for its answer; if the primary takes it, slow
 * start begins (concurrency.h). CRAWL is for a primary that answers and defers
 * everything: one message at a probe's interval, doubling up to `retry-first`, so
 * that neither it nor its logs suffer. Greylisting is not counted: it wants to see
 * every message once before it takes them.
 *
 * An entry that was in flight when a session was lost may be the reason. It goes
 * again soon, but alone in a fresh session, and once two of these were lost, it
 * counts as deferred; the rest of the mail is not held up.
 */
#include "schedule/deferral.h"
#include "schedule/inner.h"

enum {
    DEFERRED_IN_ROW_MAX = 20,
    LOST_ALONE_MAX = 2,
    NO_PROGRESS_MAX = 3,
};

static void crawl(struct route *route)
{
    int64_t longest = route_value(route, SETTING_RETRY_FIRST);
    int64_t next =
        route->crawl_ms > 0 ? route->crawl_ms * 2 : route_value(route, SETTING_PROBE_INTERVAL);

    route->phase = DRAIN_CRAWL;
    route->crawl_ms = next < longest ? next : longest;
    route->canary_at_ms = route->schedule->now.mono_ms + route->crawl_ms;
}

static void open_wide(struct route *route)
{
    route->deferred_in_row = 0;
    route->crawl_ms = 0;
    route->phase = DRAIN_OPEN;
}

static void defer(struct route *route, struct item *item, bool progress,
                  const struct verdict *verdict)
{
    struct deferral deferral = deferral_read(verdict);

    item->attempts++;
    item->no_progress = 0;
    item->lost_alone = 0;
    waiting_note_reason(&route->waiting, item, verdict);
    waiting_defer(
        &route->waiting, item,
        route->schedule->now.mono_ms +
            deferral_wait(deferral, item->attempts, route_value(route, SETTING_RETRY_FIRST),
                          route_value(route, SETTING_RETRY_MAX), route->schedule->random));
    if (deferral.kind == DEFERRAL_GREYLIST && route->phase == DRAIN_CANARY)
        open_wide(route);
    if (progress || deferral.kind == DEFERRAL_GREYLIST)
        return;
    if (++route->deferred_in_row >= DEFERRED_IN_ROW_MAX)
        crawl(route);
}

static void finish(struct route *route, struct item *item)
{
    route->delivered++;
    route->drain_delivered += item->is_backlog;
    waiting_finish(&route->waiting, item);
    expire_arm(route, &route->rescued, steady_wall(&route->schedule->steady, route->schedule->now));
}

static bool may_go_again(struct item *item, bool progress, uint32_t deferred,
                         const struct verdict *verdict)
{
    if (deferred > 0)
        return progress && deferral_read(verdict).kind == DEFERRAL_RECIPIENTS;
    item->no_progress = progress ? 0 : (uint8_t)(item->no_progress + 1);
    return item->no_progress < NO_PROGRESS_MAX;
}

void answer_come(struct route *route, struct item *item, uint32_t left, uint32_t deferred,
                 const struct verdict *verdict)
{
    struct verdict unsaid = verdict_make(451, 0, 0, STR("Deferred"));
    bool progress = left < item->entry.pending;

    if (verdict == NULL)
        verdict = &unsaid;
    if (progress || left == 0)
        open_wide(route);
    item->entry.pending = left;
    item->is_suspect = false;
    if (left == 0 || item->is_gone)
        finish(route, item);
    else if (may_go_again(item, progress, deferred, verdict))
        waiting_move(&route->waiting, item, ITEM_AGAIN);
    else
        defer(route, item, progress, verdict);
}

void answer_lost(struct route *route, struct item *item, bool alone, enum session_end how,
                 const struct verdict *verdict)
{
    if (item->is_gone) {
        waiting_finish(&route->waiting, item);
        return;
    }
    if (how == SESSION_END_LOST) {
        if (alone)
            item->lost_alone++;
        item->is_suspect = true;
    }
    if (item->lost_alone >= LOST_ALONE_MAX)
        defer(route, item, false, verdict);
    else
        waiting_move(&route->waiting, item, ITEM_AGAIN);
}
