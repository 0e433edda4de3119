/* SPDX-License-Identifier: ISC */
/* ledger.c: what senders and primaries tell; see ledger.h. */
#include "sim/ledger.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "roles/keeper/keeper.h"
#include "sim/kept.h"
#include "sim/keys.h"
#include "sim/machine.h"
#include "sim/world.h"

enum {
    CLOCK_SETTLES_MS = 12 * MINUTE_MS, /* after the start whatever the clock shows is believed */
    CLOCK_STANDS_MS = HOUR_MS - MINUTE_MS,
};

struct book book;

void ledger_init(unsigned domains, const int64_t *hold_ms, uint64_t memory_max)
{
    book.domains = domains;
    book.hold_ms = hold_ms;
    book.memory_max = memory_max;
    book.hold_excused_ms = -1;
    for (unsigned i = 0; i < BOOK_DOMAINS_MAX; i++)
        book.refused_ms[i] = -1;
}

struct page *page_find(struct message_id id)
{
    for (unsigned i = book.page_count; i-- > 0;)
        if (message_id_equals(book.page[i]->id, id))
            return book.page[i];
    return NULL;
}

struct page *page_new(struct message_id id)
{
    check(book.page_count < PAGES_MAX);
    struct page *page = memory_new(sizeof *page);
    page->id = id;
    page->doubted_ms = -1;
    book.page[book.page_count++] = page;
    return page;
}

static struct page *page_of_text(struct str text)
{
    struct message_id id;
    return message_id_from_text(text, &id) ? page_find(id) : NULL;
}

/* …d3.example */
unsigned domain_number(struct str text)
{
    ptrdiff_t at = str_find_last(text, '@');
    uint64_t number;
    struct str word = str_skip(text, (size_t)(at + 2));

    check(str_cut(&word, '.', &text) && str_to_u64(text, BOOK_DOMAINS_MAX - 1, &number));
    return (unsigned)number;
}

static struct share *share_find(struct page *page, struct str address)
{
    for (unsigned i = 0; i < page->share_count; i++)
        if (str_equals(str_from(page->share[i].address), address))
            return &page->share[i];
    return NULL;
}

/* ---- senders ---- */

void ledger_promised(const struct letter *letter, struct str id, const bool *recipient_accepted)
{
    struct page *page = page_of_text(id);

    if (page == NULL || (!page->is_durable && !page->may_be_durable))
        world_fail("a sender was told 250 for %.*s, which the store has not stored", STR_FMT(id));
    page->is_durable = true; /* if the next keeper found it, and says so */
    book.counts.promised++;
    for (unsigned i = 0; i < letter->recipient_count; i++) {
        struct share *share = share_find(page, str_from(letter->recipient[i]));
        if (!recipient_accepted[i])
            continue;
        if (share == NULL)
            world_fail("%.*s was stored without its recipient %s", STR_FMT(id),
                       letter->recipient[i]);
        share->is_promised = true;
    }
}

/* ---- primaries ---- */

static void check_again(const struct page *page, const struct share *share, struct str id)
{
    const struct machine_counts *now = machine_counts();
    const struct machine_counts *then = &share->taken_in.deaths;
    bool is_logged = page->doubted_ms >= share->taken_in.at_ms;
    bool nobody_knew =
        now->power_cuts > then->power_cuts || (now->keeper_deaths > then->keeper_deaths &&
                                               now->deliverer_deaths > then->deliverer_deaths);

    if (share->state == SHARE_DELIVERED && share->maybe_before == 0)
        world_fail("%.*s came to %s again after its delivery was settled", STR_FMT(id),
                   share->address);
    if (!is_logged && !nobody_knew)
        world_fail("%.*s came to %s again, and the log does not say in doubt", STR_FMT(id),
                   share->address);
    book.counts.twice++;
}

struct ledger_stamp ledger_stamp(void)
{
    return (struct ledger_stamp){ .at_ms = world.true_ms, .deaths = *machine_counts() };
}

void ledger_taken(struct str content, struct str recipient, const struct ledger_stamp *session)
{
    struct str id;
    const struct letter *letter = letter_read(content, &id);

    if (letter == NULL)
        world_fail("a primary was given content that nobody sent, or that was changed");
    if (letter->sent_whole == 0)
        world_fail("letter %u was handed over, though it was never sent whole", letter->number);
    struct page *page = page_of_text(id);
    struct share *share = page != NULL ? share_find(page, recipient) : NULL;
    if (share == NULL)
        world_fail("%.*s was handed over to %.*s, for whom it was not stored", STR_FMT(id),
                   STR_FMT(recipient));
    if (share->taken > 0)
        check_again(page, share, id);
    share->taken++;
    share->taken_in = *session;
    book.counts.taken++;
    world_trace("   taken: %.*s by %.*s", STR_FMT(id), STR_FMT(recipient));
}

void ledger_refused(struct str recipient)
{
    book.refused_ms[domain_number(recipient)] = world.true_ms;
}

void ledger_refused_sender(void)
{
    for (unsigned i = 0; i < sizeof book.refused_ms / sizeof *book.refused_ms; i++)
        book.refused_ms[i] = world.true_ms;
}

/* ---- the operator ---- */

void ledger_discard_asked(struct str id)
{
    struct page *page = page_of_text(id);
    if (page != NULL)
        page->discard_asked = true;
}

void ledger_clock_is_wrong(bool is_wrong)
{
    int64_t stood_ms = world.true_ms - book.clock_since_ms;

    if (is_wrong && world.true_ms - book.began_ms < CLOCK_SETTLES_MS)
        book.began_wrong = true;
    if (is_wrong == book.clock_is_wrong)
        return;
    if (!is_wrong && stood_ms >= CLOCK_STANDS_MS)
        book.wrong_is_believed = true;
    if (is_wrong && stood_ms > CLOCK_STANDS_MS + 2 * MINUTE_MS)
        book.wrong_is_believed = false;
    book.clock_since_ms = world.true_ms;
    book.clock_is_wrong = is_wrong;
}

bool ledger_choose(struct str *out_id)
{
    static struct message_id_text text;

    if (book.page_count == 0)
        return false;
    text = message_id_to_text(book.page[chance_below(book.page_count)]->id);
    *out_id = str_from(text.text);
    return true;
}

/* ---- the log ---- */

static struct str value_of(struct str line, struct str name)
{
    struct str word;

    while (line.len > 0) {
        if (!str_cut(&line, ' ', &word)) {
            word = line;
            line = STR_NONE;
        }
        if (str_starts(word, name))
            return str_skip(word, name.len);
    }
    return STR_NONE;
}

/* PROCESS LEVEL EVENT FIELD=VALUE …; a medium that only forgets damages nothing. */
void ledger_read_log(struct str line)
{
    static const struct str damage[] = {
        { "segment_damaged", 15 }, { "message_damaged", 15 }, { "segment_unreadable", 18 },
        { "body_missing", 12 },    { "seal_broken", 11 },     { "directory-damaged", 17 }
    };
    struct str process;
    struct str level;
    struct str event;

    if (!str_cut(&line, ' ', &process) || !str_cut(&line, ' ', &level) ||
        !str_cut(&line, ' ', &event))
        return;
    if (str_equals(event, STR("delivery_in_doubt"))) {
        struct page *page = page_of_text(value_of(line, STR("id=")));
        if (page != NULL)
            page->doubted_ms = world.true_ms;
    }
    if (str_equals(event, STR("notice_lost"))) {
        struct page *page = page_of_text(value_of(line, STR("id=")));
        if (page != NULL)
            page->is_untold = true;
    }
    /* The header says whether he may be told, and its key was away. */
    if (keys_are_wanted() && str_equals(event, STR("notice_withheld")) &&
        str_equals(value_of(line, STR("why=")), STR("unreadable"))) {
        struct page *page = page_of_text(value_of(line, STR("id=")));
        if (page != NULL)
            page->is_untold = true;
    }
    if (str_equals(event, STR("segment_unsure")))
        book.start_is_unsure = true;
    for (size_t i = 0; i < sizeof damage / sizeof *damage; i++)
        if (str_equals(event, damage[i]))
            world_fail("%.*s: %.*s", STR_FMT(event), STR_FMT(line));
}

/* ---- checks ---- */

void ledger_check_step(void)
{
    const struct keeper *keeper = machine_keeper();
    uint64_t memory = keeper != NULL && keeper->store != NULL ? store_memory(keeper->store) : 0;

    if (memory > book.memory_max)
        world_fail("%llu octets of content are in memory, %llu are allowed",
                   (unsigned long long)memory, (unsigned long long)book.memory_max);
}

static bool is_settled(const struct share *share)
{
    return !share->is_promised || (share->state != SHARE_WAITING && share->open == 0);
}

bool ledger_is_unsure(void)
{
    return book.is_unsure;
}

bool ledger_is_balanced(void)
{
    for (unsigned i = 0; i < book.page_count; i++)
        for (unsigned k = 0; k < book.page[i]->share_count; k++)
            if (!is_settled(&book.page[i]->share[k]))
                return false;
    return true;
}

void ledger_check_end(void)
{
    for (unsigned i = 0; i < book.page_count; i++) {
        const struct page *page = book.page[i];
        for (unsigned k = 0; k < page->share_count; k++) {
            const struct share *share = &page->share[k];
            if (!is_settled(share))
                world_fail("%s was promised to %s, and nothing became of it: %s, taken %u times",
                           message_id_to_text(page->id).text, share->address,
                           share->state != SHARE_WAITING ? "being settled" : "it waits",
                           share->taken);
            if (share->state == SHARE_DELIVERED && share->taken == 0)
                world_fail("%s is settled as delivered to %s, who never took it",
                           message_id_to_text(page->id).text, share->address);
        }
    }
}

struct ledger_counts ledger_counts(void)
{
    return book.counts;
}
