/* SPDX-License-Identifier: ISC */
/* waiting.c: the entries of one route that are kept in memory.
 *
 * Mail waits in the store; here is only what is about to move or has a history:
 *
 *     store ──listing──▶ WINDOW ─┐
 *     arrival, route up ▶ FRESH ─┼─▶ FLIGHT ─▶ (settled, forgotten)
 *                        AGAIN ──┤     │ │
 *                     DEFERRED ──┘◀────┤ └──▶ AGAIN   session lost, more recipients
 *                        ▲             ▼
 *                        └────────── TRIAL ─▶ (believed, settled, forgotten)
 *
 * Invariants
 *   1  an id is known once, so no entry can be on two sessions
 *   2  all that is held and not known lies behind `after` in the store, or the place
 *      is forgotten altogether and the store is read from its beginning
 *   3  known places are bounded: WINDOW by what is listed at once, FRESH, DEFERRED and
 *      TRIAL by their limits, FLIGHT and AGAIN by sessions and their windows
 *
 * While the route hands nothing over, WINDOW and FRESH are empty.
 *
 * Answers are kept as the last few per route, not per entry: ten thousand deferred
 * entries have mostly been told the same.
 */
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "schedule/inner.h"

static struct str name_of(const struct message_id *id)
{
    return str_of(id->bytes, sizeof id->bytes);
}

static struct item *item_at(struct link *link)
{
    return link != NULL ? container_of(link, struct item, link) : NULL;
}

void waiting_init(struct waiting *waiting)
{
    map_init(&waiting->known);
    for (int place = 0; place < ITEM_PLACES; place++)
        list_init(&waiting->list[place]);
    waiting->more = true;
}

void waiting_fini(struct waiting *waiting, struct schedule *schedule)
{
    size_t cursor = 0;
    struct item *item;

    listing_forget(schedule, &waiting->listing);
    while ((item = map_next(&waiting->known, &cursor, NULL)) != NULL) {
        list_remove(&item->link);
        memory_free(item);
    }
    map_fini(&waiting->known);
    heap_fini(&waiting->deferred);
    memory_free(waiting->reason);
}

struct item *waiting_find(const struct waiting *waiting, struct message_id id)
{
    return map_find(&waiting->known, name_of(&id));
}

static void leave(struct waiting *waiting, struct item *item)
{
    check(item != NULL);
    if (&item->link == list_first(&waiting->list[ITEM_WINDOW]))
        waiting->taken = item->position;
    list_remove(&item->link);
    heap_remove(&waiting->deferred, &item->due);
    waiting->count[item->place]--;
    if (item->place == ITEM_FLIGHT && item->is_backlog)
        waiting->backlog_in_flight--;
}

static void enter(struct waiting *waiting, struct item *item, enum item_place place)
{
    item->place = place;
    waiting->count[place]++;
    if (place == ITEM_FLIGHT && item->is_backlog)
        waiting->backlog_in_flight++;
    if (place != ITEM_FLIGHT && place != ITEM_DEFERRED)
        list_append(&waiting->list[place], &item->link);
}

struct item *waiting_add(struct waiting *waiting, const struct entry *entry, enum item_place place)
{
    struct item *item = memory_new(sizeof *item);

    item->entry = *entry;
    check(map_put(&waiting->known, name_of(&entry->id), item) == NULL);
    enter(waiting, item, place);
    return item;
}

void waiting_move(struct waiting *waiting, struct item *item, enum item_place place)
{
    leave(waiting, item);
    enter(waiting, item, place);
}

void waiting_defer(struct waiting *waiting, struct item *item, int64_t due_ms)
{
    waiting_move(waiting, item, ITEM_DEFERRED);
    heap_put(&waiting->deferred, &item->due, due_ms);
}

static void forget(struct waiting *waiting, struct item *item)
{
    leave(waiting, item);
    (void)map_remove(&waiting->known, name_of(&item->entry.id));
    memory_free(item);
}

void waiting_finish(struct waiting *waiting, struct item *item)
{
    if (waiting->listing != NULL)
        waiting_move(waiting, item, ITEM_DONE);
    else
        forget(waiting, item);
}

static void forget_place(struct waiting *waiting, enum item_place place)
{
    list_each_safe (link, &waiting->list[place])
        forget(waiting, item_at(link));
}

void waiting_listing_over(struct waiting *waiting)
{
    waiting->listing = NULL;
    forget_place(waiting, ITEM_DONE);
}

/* One under way would go on from a place that is not ours any more. */
static void drop_listing(struct waiting *waiting)
{
    if (waiting->listing == NULL)
        return;
    listing_forget(waiting->listing->route->schedule, &waiting->listing);
    waiting_listing_over(waiting);
}

void waiting_forget_window(struct waiting *waiting)
{
    if (waiting->count[ITEM_WINDOW] == 0)
        return;
    struct store_position taken = waiting->taken;
    forget_place(waiting, ITEM_WINDOW);
    drop_listing(waiting);
    waiting->taken = taken;
    waiting->after = taken;
    waiting->more = true;
}

void waiting_rewind(struct waiting *waiting)
{
    drop_listing(waiting);
    waiting->after = (struct store_position){ 0 };
    waiting->taken = (struct store_position){ 0 };
    waiting->more = true;
}

/* Nothing was known to wait, and no listing is under way: then there is nothing to look for. */
void waiting_forget_ahead(struct waiting *waiting)
{
    bool may_have_more = waiting->more || waiting->listing != NULL ||
                         waiting->count[ITEM_WINDOW] + waiting->count[ITEM_FRESH] > 0;

    forget_place(waiting, ITEM_WINDOW);
    forget_place(waiting, ITEM_FRESH);
    waiting_rewind(waiting);
    waiting->more = may_have_more;
}

void waiting_retry_all(struct waiting *waiting, int64_t now_ms)
{
    /* All keys above now become now: the heap's order holds with every such key. */
    for (size_t i = 0; i < waiting->deferred.count; i++)
        if (waiting->deferred.node[i]->key > now_ms)
            waiting->deferred.node[i]->key = now_ms;
}

bool waiting_has_mail(const struct waiting *waiting)
{
    const uint32_t *count = waiting->count;
    return waiting->more || waiting->listing != NULL ||
           count[ITEM_WINDOW] + count[ITEM_FRESH] + count[ITEM_AGAIN] + count[ITEM_FLIGHT] +
                   count[ITEM_DEFERRED] + count[ITEM_TRIAL] >
               0;
}

/* A suspect whose time has come goes alone, as all suspects do. */
static struct item *due_item(struct waiting *waiting, int64_t now_ms)
{
    for (;;) {
        struct heap_node *node = heap_first(&waiting->deferred);
        if (node == NULL || node->key > now_ms)
            return NULL;
        struct item *item = container_of(node, struct item, due);
        if (!item->is_suspect)
            return item;
        waiting_move(waiting, item, ITEM_AGAIN);
    }
}

static struct item *again_item(struct waiting *waiting, bool alone)
{
    list_each (link, &waiting->list[ITEM_AGAIN])
        if (alone || !item_at(link)->is_suspect)
            return item_at(link);
    return NULL;
}

static bool may_have_unknown(const struct waiting *waiting)
{
    return (waiting->more || waiting->listing != NULL) &&
           waiting->count[ITEM_DEFERRED] < WAITING_DEFERRED_MAX;
}

/* What has waited longest and what was deferred take turns, so that neither holds up the other. A
 * canary is one that was not refused before, if there is one, or may be in the store. */
static struct item *old_item(struct waiting *waiting, bool as_canary, int64_t now_ms)
{
    struct item *window = item_at(list_first(&waiting->list[ITEM_WINDOW]));
    struct item *due = due_item(waiting, now_ms);

    if (as_canary && window == NULL && may_have_unknown(waiting))
        return NULL;
    if (waiting->count[ITEM_DEFERRED] >= WAITING_DEFERRED_MAX)
        return due; /* the route takes on nothing new until some of these are gone */
    if (window == NULL || due == NULL || as_canary)
        return window != NULL ? window : due;
    return waiting->turn & 2 ? due : window;
}

struct item *waiting_next(struct waiting *waiting, bool alone, bool as_canary, int64_t now_ms)
{
    struct item *old = old_item(waiting, as_canary, now_ms);
    struct item *again = again_item(waiting, alone);
    if (again != NULL)
        return again;
    struct item *fresh = item_at(list_first(&waiting->list[ITEM_FRESH]));
    if (as_canary && fresh != NULL && old != NULL && old->place == ITEM_DEFERRED)
        return fresh;
    if (waiting->count[ITEM_DEFERRED] >= WAITING_DEFERRED_MAX)
        fresh = NULL;
    waiting->turn++;
    if (old == NULL || fresh == NULL)
        return old != NULL ? old : fresh;
    return waiting->turn & 1 ? old : fresh;
}

bool waiting_has_suspect(const struct waiting *waiting)
{
    list_each (link, &waiting->list[ITEM_AGAIN])
        if (item_at(link)->is_suspect)
            return true;
    return false;
}

uint32_t waiting_ready_count(struct waiting *waiting, int64_t now_ms)
{
    uint32_t ready = due_item(waiting, now_ms) != NULL ? 1 : 0;

    ready += waiting->count[ITEM_AGAIN];
    if (waiting->count[ITEM_DEFERRED] < WAITING_DEFERRED_MAX)
        ready += waiting->count[ITEM_WINDOW] + waiting->count[ITEM_FRESH];
    return ready;
}

static bool is_same(const struct verdict *a, const struct verdict *b)
{
    return a->code == b->code && memcmp(a->enhanced, b->enhanced, sizeof a->enhanced) == 0 &&
           str_equals(verdict_text(a), verdict_text(b));
}

void waiting_note_reason(struct waiting *waiting, struct item *item, const struct verdict *verdict)
{
    uint32_t newest = waiting->reason_count;

    if (waiting->reason == NULL)
        waiting->reason = memory_new(WAITING_REASONS * sizeof *waiting->reason);
    if (newest == 0 || !is_same(&waiting->reason[newest % WAITING_REASONS], verdict)) {
        newest = ++waiting->reason_count;
        waiting->reason[newest % WAITING_REASONS] = *verdict;
    }
    item->reason_number = newest;
}

/* An answer so old that others have taken its place is shown as the newest one. */
const struct verdict *waiting_reason(const struct waiting *waiting, const struct item *item)
{
    uint32_t number = item->reason_number;
    if (number == 0)
        return NULL;
    if (waiting->reason_count - number >= WAITING_REASONS)
        number = waiting->reason_count;
    return &waiting->reason[number % WAITING_REASONS];
}
