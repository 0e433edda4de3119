/* SPDX-License-Identifier: ISC */
/* ledger_store.c: what the store is asked and answers; see ledger.h. It stands
 * before store_append() and store_settle() and passes everything on. What one driver asks another
 * (store/sealed/ the log) was asked before.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "config/settings.h"
#include "roles/keeper/keeper.h"
#include "sim/kept.h"
#include "sim/trouble.h"
#include "sim/world.h"

/* ---- notices ---- */

enum { FORGETS_MS = 10 * MINUTE_MS }; /* store/log/recent.h */

struct append {
    struct page *page;  /* NULL: it is a notice */
    struct page *about; /* the page that the notice is about */
    unsigned failed;    /* whose failure it tells of: bits of its shares */
    store_done *done;
    void *context;
};

/* What stands behind "name: " in a line of the text. */
static struct str field_of(struct str text, const char *name)
{
    struct str line;

    while (str_cut(&text, '\n', &line))
        if (str_starts(line, str_from(name)))
            return str_first(str_skip(line, strlen(name)), line.len - strlen(name) - 1);
    return STR_NONE;
}

/* Reads a notice as its reader would. */
static void read_notice(struct append *append, struct store_upload *upload)
{
    struct buf content = { 0 };
    struct message_id id;

    check(store_upload_read(upload, 0, (size_t)store_upload_size(upload), &content) == 0);
    struct str text = buf_str(&content);
    if (!message_id_from_text(field_of(text, "Final-Log-Id: "), &id) ||
        (append->about = page_find(id)) == NULL)
        world_fail("a notice is about nothing that is known");
    for (unsigned i = 0; i < append->about->share_count; i++) {
        struct buf line = { 0 };
        buf_add_format(&line, "Final-Recipient: rfc822; %s\r\nAction: failed\r\n",
                       append->about->share[i].address);
        if (memmem(text.ptr, text.len, line.ptr, line.len) != NULL)
            append->failed |= 1u << i;
        buf_fini(&line);
    }
    if (!append->about->is_proved)
        world_fail("%s: its sender is told something, and may be forged",
                   message_id_to_text(id).text);
    buf_fini(&content);
}

/* A store that forgot the id takes the notice again; so does one whose medium lost it. */
static bool may_be_told_again(const struct share *share)
{
    return machine_counts()->keeper_deaths != share->told_in.deaths.keeper_deaths &&
           world.true_ms - share->told_in.at_ms >= FORGETS_MS;
}

static void note_told(const struct append *append, int error)
{
    for (unsigned i = 0; i < append->about->share_count; i++) {
        struct share *share = &append->about->share[i];
        if (!(append->failed & 1u << i))
            continue;
        if (error == 0 && share->is_told && !may_be_told_again(share) && !book.is_unsure)
            world_fail("%s: its sender is told twice that it failed for %s",
                       message_id_to_text(append->about->id).text, share->address);
        share->is_told = true;
        share->told_in = ledger_stamp();
    }
}

/* ---- keeping ---- */

static bool is_asked_by_a_driver(const struct store *store)
{
    return strcmp(store->driver->name, "log") == 0;
}

static void on_appended(void *context, int error)
{
    struct append append = *(struct append *)context;

    memory_free(context);
    if (append.about != NULL && (error == 0 || error == -EEXIST))
        note_told(&append, error);
    if (append.page != NULL && error == 0)
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
                         const struct envelope *envelope, struct str front, store_done *done,
                         void *context);
void __wrap_store_append(struct store *store, struct store_upload *upload,
                         const struct envelope *envelope, struct str front, store_done *done,
                         void *context);
void __wrap_store_append(struct store *store, struct store_upload *upload,
                         const struct envelope *envelope, struct str front, store_done *done,
                         void *context)
{
    if (is_asked_by_a_driver(store)) {
        __real_store_append(store, upload, envelope, front, done, context);
        return;
    }
    struct append *append = memory_new(sizeof *append);
    struct envelope marked = *envelope;

    *append = (struct append){ .done = done, .context = context };
    if ((envelope->flags & ENVELOPE_OWN) != 0) {
        read_notice(append, upload);
        __real_store_append(store, upload, envelope, front, on_appended, append);
        return;
    }
    if (page_find(envelope->id) != NULL)
        world_fail("the id %s is used twice", message_id_to_text(envelope->id).text);
    append->page = page_new(envelope->id);
    append->page->is_proved = envelope->sender.len > 0 && envelope->id.bytes[15] % 2 == 0;
    marked.flags |= append->page->is_proved ? ENVELOPE_PROVED : 0;
    write_shares(append->page, envelope);
    __real_store_append(store, upload, &marked, front, on_appended, append);
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
            share->waits_since_ms > book.hold_excused_ms && !book.began_wrong &&
            !book.wrong_is_believed)
            world_fail("%s for %s expires after %lld of %lld s", message_id_to_text(page->id).text,
                       share->address, (long long)waited_ms / SECOND_MS,
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
    if (settlement->outcome == OUTCOME_RESCUED && page->is_proved && !page->is_untold &&
        !share->is_told)
        world_fail("%s is being settled as not delivered to %s, and its sender was not told",
                   message_id_to_text(page->id).text, share->address);
    if (settlement->outcome == OUTCOME_DISCARDED && !page->discard_asked &&
        share->state != SHARE_RESCUED && share->maybe == 0 && share->maybe_before == 0)
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

static const enum share_state state_after[] = {
    [OUTCOME_DELIVERED] = SHARE_DELIVERED,
    [OUTCOME_RESCUED] = SHARE_RESCUED,
    [OUTCOME_RELEASED] = SHARE_WAITING,
    [OUTCOME_DISCARDED] = SHARE_DISCARDED,
};

/* Who is released waits as long as those of the entry who waited all the time. */
static int64_t released_since(const struct page *page, unsigned domain)
{
    int64_t since_ms = world.true_ms;

    for (unsigned i = 0; i < page->share_count; i++) {
        const struct share *other = &page->share[i];
        if (other->domain == domain && other->state == SHARE_WAITING &&
            other->waits_since_ms < since_ms)
            since_ms = other->waits_since_ms;
    }
    return since_ms;
}

static void apply(const struct page *page, struct share *share, enum outcome outcome)
{
    if (!can_apply(share, outcome))
        return;
    if (outcome == OUTCOME_RELEASED)
        share->waits_since_ms = released_since(page, share->domain);
    if (outcome == OUTCOME_RELEASED)
        share->is_told = false;
    share->state = state_after[outcome];
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
        if (error == 0) {
            bool is_shaky = book.is_unsure && share->maybe_before != 0; /* "settled already" */
            share->maybe &= ~(1u << settle.outcome);
            share->maybe_before = is_shaky ? 1u << OUTCOME_RELEASED : 0; /* it may wait again */
            apply(settle.page, share, settle.outcome);
        }
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
    if (is_asked_by_a_driver(store)) {
        __real_store_settle(store, settlement, done, context);
        return;
    }
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
        page->share[i].maybe |= 1u << settlement->outcome;
    }
    __real_store_settle(store, settlement, on_settled, settle);
}

/* ---- comparing ---- */

struct range {
    uint32_t least, most;
};
struct comparison { /* of one page's entry in one domain */
    struct range pending, rescued;
};

/* Bits 1 << enum share_state. */
static unsigned possible_states(const struct share *share)
{
    unsigned maybe = share->maybe | share->maybe_before;
    unsigned states = 1u << share->state;

    for (unsigned outcome = OUTCOME_DELIVERED; outcome <= OUTCOME_DISCARDED; outcome++)
        if (maybe & 1u << outcome)
            states |= 1u << state_after[outcome];
    return states;
}

static void expect_of(const struct share *share, bool is_durable, struct comparison *wanted)
{
    unsigned states = possible_states(share);

    wanted->pending.least += is_durable && states == 1u << SHARE_WAITING;
    wanted->pending.most += (states & 1u << SHARE_WAITING) != 0;
    wanted->rescued.least += is_durable && states == 1u << SHARE_RESCUED;
    wanted->rescued.most += (states & 1u << SHARE_RESCUED) != 0;
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

/* What was asked of an earlier keeper: the entry shows what became of it, where all that is in
 * doubt went one way. */
static void make_sure(struct share *share, const struct entry *entry,
                      const struct comparison *wanted)
{
    unsigned states = possible_states(share);
    bool waits = states & 1u << SHARE_WAITING && entry->pending == wanted->pending.most;
    bool waits_not = entry->pending == wanted->pending.least;
    bool is_rescued = states & 1u << SHARE_RESCUED && entry->rescued == wanted->rescued.most;
    bool may_be_gone = states & (1u << SHARE_DELIVERED | 1u << SHARE_DISCARDED);
    bool is_gone = may_be_gone && waits_not && entry->rescued == wanted->rescued.least;

    if (waits)
        share->state = SHARE_WAITING;
    else if (waits_not && is_rescued)
        share->state = SHARE_RESCUED;
    else if (is_gone)
        share->state = states & 1u << SHARE_DELIVERED ? SHARE_DELIVERED : SHARE_DISCARDED;
    else if (states != 1u << share->state)
        return;
    share->maybe_before = 0;
}

static void compare(const struct store_listing *listing, struct page *page, unsigned domain)
{
    static const struct entry none = { 0 };
    struct comparison wanted = { 0 };
    unsigned count = 0;
    bool is_open = false;

    for (unsigned i = 0; i < page->share_count; i++) {
        const struct share *share = &page->share[i];
        if (share->domain != domain)
            continue;
        count++;
        expect_of(share, page->is_durable, &wanted);
        is_open = is_open || share->maybe != 0;
    }
    if (count == 0)
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
    for (unsigned i = 0; i < page->share_count && !is_open && !book.is_unsure && page->is_durable;
         i++)
        if (page->share[i].domain == domain && page->share[i].maybe_before != 0)
            make_sure(&page->share[i], entry, &wanted);
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

/* The keeper starts. Where it finds the clock wrong it cannot know, and is excused; so is it for
 * what it stamped when it had come to believe a wrong one, for it has forgotten the difference. */
void ledger_store_opened(struct store *store)
{
    static const struct store_query all = { .limit = STORE_LIST_MAX };

    if (book.clock_is_wrong || book.began_wrong || book.wrong_is_believed)
        book.hold_excused_ms = world.true_ms;
    bool power_was_cut = machine_counts()->power_cuts > book.unsure_power_cuts;
    book.is_unsure = book.start_is_unsure || (book.is_unsure && !power_was_cut);
    book.unsure_power_cuts = machine_counts()->power_cuts;
    book.start_is_unsure = false;
    book.wrong_is_believed = false;
    book.began_wrong = book.clock_is_wrong;
    book.began_ms = world.true_ms;
    store_list(store, &all, on_listed, NULL);
    trouble_keeper_began();
}

/* What it had asked for may be so or not. */
void ledger_keeper_died(void)
{
    for (unsigned i = 0; i < book.page_count; i++) {
        book.page[i]->may_be_durable = true;
        for (unsigned k = 0; k < book.page[i]->share_count; k++) {
            struct share *share = &book.page[i]->share[k];
            share->maybe_before |= share->maybe;
            share->maybe = 0;
            share->open = 0;
        }
    }
}
