/* SPDX-License-Identifier: ISC */
/* ledger_store.c: what the store is asked and answers; see ledger.h. It stands
 * before store_append() and store_settle() and passes everything on.
 */
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "config/settings.h"
#include "roles/keeper.h"
#include "sim/kept.h"
#include "sim/world.h"

/* ---- keeping ---- */

struct append {
    struct page *page;
    store_done *done;
    void *context;
};

static void on_appended(void *context, int error)
{
    struct append append = *(struct append *)context;

    memory_free(context);
    if (error == 0)
        append.page->is_durable = true;
    append.done(append.context, error);
}

static void write_shares(struct page *page, const struct envelope *envelope)
{
    check(envelope->recipient_count <= LETTER_RECIPIENTS_MAX);
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct share *share = &page->share[page->share_count++];
        struct str address = envelope->recipient[i].address;
        check(address.len < sizeof share->address);
        memcpy(share->address, address.ptr, address.len);
        share->domain = domain_number(address);
        share->waits_since_ms = world.true_ms;
    }
}

void __real_store_append(struct store *store, struct store_upload *upload,
                         const struct envelope *envelope, store_done *done, void *context);
void __wrap_store_append(struct store *store, struct store_upload *upload,
                         const struct envelope *envelope, store_done *done, void *context);
void __wrap_store_append(struct store *store, struct store_upload *upload,
                         const struct envelope *envelope, store_done *done, void *context)
{
    struct append *append = memory_new(sizeof *append);

    if (page_find(envelope->id) != NULL)
        world_fail("the id %s is used twice", message_id_to_text(envelope->id).text);
    *append =
        (struct append){ .page = page_new(envelope->id), .done = done, .context = context };
    write_shares(append->page, envelope);
    __real_store_append(store, upload, envelope, on_appended, append);
}

/* ---- settling ---- */

struct settle {
    struct page *page;
    unsigned share; /* bits */
    enum outcome outcome;
    store_done *done;
    void *context;
};

static bool can_apply(const struct share *share, enum outcome outcome)
{
    switch (outcome) {
    case OUTCOME_DELIVERED:
    case OUTCOME_RESCUED:
        return share->state == SHARE_WAITING;
    case OUTCOME_RELEASED:
        return share->state == SHARE_RESCUED;
    case OUTCOME_DISCARDED:
        return share->state == SHARE_WAITING || share->state == SHARE_RESCUED;
    }
    return false;
}

static bool is_expiry(const struct settlement *settlement)
{
    return str_starts(verdict_text(&settlement->reason), STR("Holding time is over"));
}

static void check_rescue(const struct settlement *settlement, const struct page *page,
                         const struct share *share)
{
    if (is_expiry(settlement)) {
        int64_t waited_ms = world.true_ms - share->waits_since_ms;
        book.counts.expired++;
        if (waited_ms < book.hold_ms[share->domain] - MINUTE_MS &&
            share->waits_since_ms > book.hold_excused_ms && !book.began_wrong)
            world_fail("%s for %s expires after %lld of %lld s",
                       message_id_to_text(page->id).text, share->address,
                       (long long)waited_ms / SECOND_MS,
                       (long long)book.hold_ms[share->domain] / SECOND_MS);
    } else {
        book.counts.refused++;
        if (book.refused_ms[share->domain] < 0)
            world_fail("%s for %s is settled as refused, and nobody refused it",
                       message_id_to_text(page->id).text, share->address);
    }
}

static void check_settlement(const struct settlement *settlement, const struct page *page,
                             const struct share *share)
{
    if (settlement->outcome == OUTCOME_DELIVERED && share->taken == 0)
        world_fail("%s is being settled as delivered to %s, who did not take it",
                   message_id_to_text(page->id).text, share->address);
    if (settlement->outcome == OUTCOME_RESCUED)
        check_rescue(settlement, page, share);
    if (settlement->outcome == OUTCOME_DISCARDED && !page->discard_asked &&
        share->state != SHARE_RESCUED && !share->is_unsure)
        world_fail("%s for %s is being discarded, and nobody asked for it",
                   message_id_to_text(page->id).text, share->address);
}

static unsigned shares_of(const struct settlement *settlement, const struct page *page)
{
    unsigned domain = domain_number(settlement->domain);
    unsigned chosen = 0;

    for (uint32_t i = 0; i < settlement->count; i++)
        chosen |= 1u << settlement->recipient[i];
    if (settlement->count == 0)
        chosen = ~0u;
    for (unsigned i = 0; i < LETTER_RECIPIENTS_MAX; i++)
        if (i >= page->share_count || page->share[i].domain != domain ||
            !can_apply(&page->share[i], settlement->outcome))
            chosen &= ~(1u << i);
    return chosen & ((1u << LETTER_RECIPIENTS_MAX) - 1);
}

static void apply(struct share *share, enum outcome outcome)
{
    static const enum share_state state[] = {
        [OUTCOME_DELIVERED] = SHARE_DELIVERED,
        [OUTCOME_RESCUED] = SHARE_RESCUED,
        [OUTCOME_RELEASED] = SHARE_WAITING,
        [OUTCOME_DISCARDED] = SHARE_DISCARDED,
    };

    if (!can_apply(share, outcome))
        return;
    share->state = state[outcome];
    if (outcome == OUTCOME_RELEASED)
        share->waits_since_ms = world.true_ms;
    book.counts.discarded += outcome == OUTCOME_DISCARDED;
}

static void on_settled(void *context, int error)
{
    struct settle settle = *(struct settle *)context;

    memory_free(context);
    for (unsigned i = 0; i < LETTER_RECIPIENTS_MAX; i++) {
        if (!(settle.share & 1u << i))
            continue;
        struct share *share = &settle.page->share[i];
        share->open--;
        share->is_unsure = error != 0;
        if (error == 0)
            apply(share, settle.outcome);
    }
    settle.done(settle.context, error);
}

void __real_store_settle(struct store *store, const struct settlement *settlement, store_done *done,
                         void *context);
void __wrap_store_settle(struct store *store, const struct settlement *settlement, store_done *done,
                         void *context);
void __wrap_store_settle(struct store *store, const struct settlement *settlement, store_done *done,
                         void *context)
{
    struct page *page = page_find(settlement->id);
    struct settle *settle = memory_new(sizeof *settle);

    *settle = (struct settle){
        .page = page, .outcome = settlement->outcome, .done = done, .context = context
    };
    if (page != NULL)
        settle->share = shares_of(settlement, page);
    for (unsigned i = 0; i < LETTER_RECIPIENTS_MAX; i++) {
        if (!(settle->share & 1u << i))
            continue;
        check_settlement(settlement, page, &page->share[i]);
        page->share[i].open++;
        page->share[i].asked = settlement->outcome;
    }
    __real_store_settle(store, settlement, on_settled, settle);
}

/* ---- comparing ---- */

struct range {
    uint32_t least, most;
};
struct comparison { /* of one page's entry in one domain */
    struct range pending, rescued;
    bool is_open; /* it is being settled */
};

static void expect_of(const struct share *share, bool is_durable, struct comparison *wanted)
{
    bool is_sure = is_durable && share->open == 0 && !share->is_unsure;
    bool may_wait = share->state == SHARE_WAITING || !is_sure;
    bool may_be_rescued = share->state == SHARE_RESCUED || !is_sure;

    wanted->is_open = wanted->is_open || share->open > 0;
    if (share->state == SHARE_DELIVERED || share->state == SHARE_DISCARDED)
        return;
    wanted->pending.least += is_sure && share->state == SHARE_WAITING;
    wanted->pending.most += may_wait;
    wanted->rescued.least += is_sure && share->state == SHARE_RESCUED;
    wanted->rescued.most += may_be_rescued;
}

static const struct entry *entry_of(const struct store_listing *listing, struct message_id id,
                                    unsigned domain)
{
    for (uint32_t i = 0; i < listing->count; i++)
        if (message_id_equals(listing->entry[i].id, id) &&
            domain_number(listing->entry[i].domain) == domain)
            return &listing->entry[i];
    return NULL;
}

static bool is_within(uint32_t number, struct range range)
{
    return number >= range.least && number <= range.most;
}

/* What was unsure shows: all of the page's settlements came through, or none. */
static void make_sure(struct page *page, unsigned domain, const struct entry *entry,
                      const struct comparison *wanted)
{
    bool all = entry->pending == wanted->pending.least;
    bool none = entry->pending == wanted->pending.most;

    for (unsigned i = 0; i < page->share_count && (all || none); i++) {
        struct share *share = &page->share[i];
        if (share->domain != domain || !share->is_unsure)
            continue;
        share->is_unsure = false;
        if (all && share->asked != OUTCOME_RELEASED)
            apply(share, share->asked);
        else if (none && share->asked == OUTCOME_RELEASED)
            apply(share, share->asked);
    }
}

static void compare(const struct store_listing *listing, struct page *page, unsigned domain)
{
    static const struct entry none = { 0 };
    struct comparison wanted = { 0 };
    bool is_here = false;

    for (unsigned i = 0; i < page->share_count; i++) {
        if (page->share[i].domain != domain)
            continue;
        is_here = true;
        expect_of(&page->share[i], page->is_durable, &wanted);
    }
    if (!is_here)
        return;
    const struct entry *entry = entry_of(listing, page->id, domain);
    if (entry == NULL)
        entry = &none;
    if (!is_within(entry->pending, wanted.pending) || !is_within(entry->rescued, wanted.rescued))
        world_fail("of %s in d%u.example %u are held and %u rescued; that should be %u to %u and "
                   "%u to %u",
                   message_id_to_text(page->id).text, domain, entry->pending, entry->rescued,
                   wanted.pending.least, wanted.pending.most, wanted.rescued.least,
                   wanted.rescued.most);
    if (!wanted.is_open && page->is_durable)
        make_sure(page, domain, entry, &wanted);
}

static void on_listed(void *context, int error, const struct store_listing *listing)
{
    (void)context;
    if (error != 0)
        return;
    check(!listing->more);
    book.counts.checks++;
    for (unsigned i = 0; i < book.page_count; i++)
        for (unsigned domain = 0; domain < book.domains; domain++)
            compare(listing, book.page[i], domain);
}

void ledger_check_store(void)
{
    static const struct store_query all = { .limit = STORE_LIST_MAX };
    const struct keeper *keeper = machine_keeper();

    if (keeper == NULL || keeper->store == NULL)
        return;
    store_list(keeper->store, &all, on_listed, NULL);
    machine_wake_keeper();
}

/* The keeper starts. Where it finds the clock wrong it cannot know, and is excused. */
void ledger_store_opened(struct store *store)
{
    static const struct store_query all = { .limit = STORE_LIST_MAX };

    if (book.clock_is_wrong || book.began_wrong)
        book.hold_excused_ms = world.true_ms;
    book.began_wrong = book.clock_is_wrong;
    store_list(store, &all, on_listed, NULL);
}

/* What it had asked for may be so or not. */
void ledger_keeper_died(void)
{
    for (unsigned i = 0; i < book.page_count; i++) {
        struct page *page = book.page[i];
        for (unsigned k = 0; k < page->share_count; k++) {
            page->share[k].is_unsure = page->share[k].is_unsure || page->share[k].open > 0;
            page->share[k].open = 0;
        }
    }
}
