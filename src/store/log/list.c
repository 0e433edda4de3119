/* SPDX-License-Identifier: ISC */
/* list.c: listings.
 *
 * A walk goes through the fifos of the domains and states asked for at once, always
 * taking the entry that comes next. It can begin at any position, so a listing
 * that takes several turns begins a new walk in each: what comes or goes meanwhile
 * does no harm.
 *
 * Without a recipient a listing is answered from memory. With one, entries whose
 * hash says no are passed over, the records of the others are read and compared;
 * WALK_MAX entries a turn, so that a long queue does not hold up the mail.
 */
#include <errno.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/log_private.h"

enum { WALK_MAX = 8192, FETCH_GUESS = 4096 };

struct strand { /* one fifo and where the walk is in it */
    const struct fifo *fifo;
    struct fifo_place place;
    uint32_t number; /* of the entry that would come next; 0: at the end */
};

struct walk {
    const struct index *index;
    struct strand *strand;
    uint32_t count;
    bool newest_first;
};

struct listing {
    struct pending pending;
    struct worker_job job;
    struct log_store *store;
    struct store_query query;
    struct buf domain;
    struct buf recipient;
    store_listed *listed;
    void *context;
    struct entry *entry;
    struct store_position *position;
    uint32_t count;
    bool more;
    /* An entry whose record is being read. */
    struct message_id id;
    struct store_position at;
    uint32_t domain_number;
    struct segment *segment;
    int handle;
    uint64_t offset;
    uint64_t generation;
    struct buf record;
    struct record_header header;
    int error;
};

/* ---- the walk ---- */

static void strand_next(const struct walk *walk, struct strand *strand)
{
    if (walk->newest_first) {
        bool is_left = fifo_step_back(strand->fifo, &strand->place);
        strand->number = is_left ? fifo_at(strand->fifo, strand->place) : 0;
    } else {
        fifo_step(strand->fifo, &strand->place);
        strand->number = fifo_at(strand->fifo, strand->place);
    }
}

static bool is_start(struct store_position position)
{
    return position.since_ms == 0 && position.order == 0;
}

static void add_strand(struct walk *walk, const struct fifo *fifo, struct store_position after)
{
    struct strand *strand = &walk->strand[walk->count++];

    strand->fifo = fifo;
    if (walk->newest_first) {
        strand->place = is_start(after) ? fifo_end(fifo)
                                        : fifo_seek(fifo, walk->index, after.since_ms, after.order);
        strand_next(walk, strand);
        return;
    }
    if (!is_start(after)) /* else {0}: the oldest */
        strand->place = fifo_seek(fifo, walk->index, after.since_ms, after.order + 1);
    strand->number = fifo_at(fifo, strand->place);
}

static void walk_begin(struct walk *walk, const struct index *index,
                       const struct store_query *query)
{
    const struct index_domain *only =
        query->domain.len > 0 ? index_find_domain(index, query->domain) : NULL;
    uint32_t domains = query->domain.len == 0 ? index->domain_count : only != NULL ? 1 : 0;

    *walk = (struct walk){ .index = index, .newest_first = query->newest_first };
    walk->strand = memory_new(domains * STATE_COUNT * sizeof *walk->strand);
    for (uint32_t i = 0; i < domains; i++) {
        const struct index_domain *domain = only != NULL ? only : index->domain[i];
        for (unsigned state = ENTRY_HELD; state <= ENTRY_RESCUED; state++)
            if (query->states == 0 || query->states & (1U << state))
                if (domain->fifo[state - 1].count > 0)
                    add_strand(walk, &domain->fifo[state - 1], query->after);
    }
}

static bool comes_first(const struct walk *walk, uint32_t a, uint32_t b)
{
    const struct index_entry *x = index_entry(walk->index, a);
    const struct index_entry *y = index_entry(walk->index, b);
    bool is_older = x->since_ms != y->since_ms ? x->since_ms < y->since_ms : x->order < y->order;
    return is_older != walk->newest_first;
}

/* The next entry; 0 at the end. */
static uint32_t walk_next(struct walk *walk)
{
    struct strand *best = NULL;

    for (uint32_t i = 0; i < walk->count; i++) {
        struct strand *strand = &walk->strand[i];
        if (strand->number == 0)
            continue;
        if (best == NULL || comes_first(walk, strand->number, best->number))
            best = strand;
    }
    if (best == NULL)
        return 0;
    uint32_t number = best->number;
    strand_next(walk, best);
    return number;
}

/* ---- the answer ---- */

static void listing_free(struct listing *listing)
{
    buf_fini(&listing->domain);
    buf_fini(&listing->recipient);
    buf_fini(&listing->record);
    memory_free(listing->entry);
    memory_free(listing->position);
    memory_free(listing);
}

static void answer(struct listing *listing, int error)
{
    struct store_listing out = {
        .entry = listing->entry,
        .position = listing->position,
        .count = listing->count,
        .more = listing->more,
    };
    listing->listed(listing->context, error, error == 0 ? &out : NULL);
    listing_free(listing);
}

/* False: the listing is full, and there is more. */
static bool add_entry(struct listing *listing, uint32_t number)
{
    const struct index *index = &listing->store->index;
    const struct index_entry *entry = index_entry(index, number);

    if (listing->count == listing->query.limit) {
        listing->more = true;
        return false;
    }
    listing->position[listing->count] = (struct store_position){ entry->since_ms, entry->order };
    listing->entry[listing->count++] = (struct entry){
        .id = entry->id,
        .domain = index->domain[entry->domain]->name,
        .state = (enum entry_state)entry->state,
        .since_ms = entry->since_ms,
        .size = entry->size,
        .pending = entry->pending,
        .rescued = entry->rescued,
    };
    return true;
}

/* ---- search by recipient ---- */

/* Has the envelope that was read this recipient? */
static bool is_match(const struct listing *listing)
{
    struct arena arena = { 0 };
    struct message_meta message;
    struct message_parts parts;
    bool found = false;
    struct str meta = str_skip(str_first(buf_str(&listing->record),
                                         RECORD_HEADER_SIZE + (size_t)listing->header.meta_size),
                               RECORD_HEADER_SIZE);

    if (listing->error == 0 && message_parts_decode(&listing->header, meta, &parts) &&
        message_meta_decode(parts.message, &arena, &message) &&
        message_id_equals(message.envelope.id, listing->id))
        for (uint32_t i = 0; i < message.envelope.recipient_count; i++)
            found |= str_equals_nocase(message.envelope.recipient[i].address,
                                       buf_str(&listing->recipient));
    arena_fini(&arena);
    return found;
}

static void fetch_run(struct worker_job *job)
{
    struct listing *listing = container_of(job, struct listing, job);
    listing->error =
        record_fetch(listing->store->disk, listing->handle, listing->offset, listing->generation,
                     false, FETCH_GUESS, &listing->record, &listing->header);
}

static void step(struct log_store *store, struct pending *pending);

static void fetch_done(struct worker_job *job)
{
    struct listing *listing = container_of(job, struct listing, job);
    struct log_store *store = listing->store;
    uint32_t number = 0;

    store->jobs--;
    if (--listing->segment->readers == 0)
        store->sweep = true;
    /* It may have gone meanwhile, or become another one. */
    while ((number = index_find(&store->index, listing->id, number)) != 0)
        if (index_entry(&store->index, number)->order == listing->at.order)
            break;
    bool is_full = number != 0 && is_match(listing) && !add_entry(listing, number);
    if (is_full)
        answer(listing, 0);
    else
        step(store, &listing->pending);
}

/* Reads the entry's record: 0 when it is there, -EAGAIN when a job fetches it. */
static int fetch(struct listing *listing, uint32_t number)
{
    struct log_store *store = listing->store;
    const struct index_entry *entry = index_entry(&store->index, number);
    struct segment *segment = segment_find(&store->segments, entry->segment);

    listing->id = entry->id;
    listing->at = (struct store_position){ entry->since_ms, entry->order };
    listing->error = segment != NULL ? segment_open(store, segment) : -EIO;
    if (listing->error < 0)
        return 0;
    listing->segment = segment;
    listing->handle = segment->handle;
    listing->offset = (uint64_t)entry->place * RECORD_ALIGN;
    listing->generation = segment->generation;
    listing->error =
        record_fetch(store->disk, listing->handle, listing->offset, listing->generation, true,
                     FETCH_GUESS, &listing->record, &listing->header);
    if (listing->error != -EAGAIN)
        return 0;
    segment->readers++;
    listing->job.run = fetch_run;
    listing->job.done = fetch_done;
    log_submit(store, &listing->job);
    return -EAGAIN;
}

static bool may_match(const struct listing *listing, uint32_t number, uint32_t hash)
{
    const struct index_entry *entry = index_entry(&listing->store->index, number);
    return entry->recipient_hash == 0 || entry->recipient_hash == hash;
}

/* ---- */

enum progress { PROGRESS_DONE, PROGRESS_LATER, PROGRESS_FETCHING };

static enum progress advance(struct listing *listing, struct walk *walk)
{
    bool is_search = listing->recipient.len > 0;
    uint32_t hash = index_recipient_hash(buf_str(&listing->recipient));
    uint32_t number;

    for (int i = 0; (number = walk_next(walk)) != 0; i++) {
        const struct index_entry *entry = index_entry(walk->index, number);
        listing->query.after = (struct store_position){ entry->since_ms, entry->order };
        if (is_search && may_match(listing, number, hash)) {
            if (fetch(listing, number) == -EAGAIN)
                return PROGRESS_FETCHING;
            if (is_match(listing) && !add_entry(listing, number))
                return PROGRESS_DONE;
        }
        if (!is_search && !add_entry(listing, number))
            return PROGRESS_DONE;
        if (is_search && i >= WALK_MAX)
            return PROGRESS_LATER;
    }
    return PROGRESS_DONE;
}

static void step(struct log_store *store, struct pending *pending)
{
    struct listing *listing = container_of(pending, struct listing, pending);
    struct walk walk;

    if (store->closing) {
        answer(listing, -ECANCELED);
        return;
    }
    listing->query.domain = buf_str(&listing->domain);
    walk_begin(&walk, &store->index, &listing->query);
    enum progress progress = advance(listing, &walk);
    memory_free(walk.strand);
    if (progress == PROGRESS_DONE)
        answer(listing, 0);
    else if (progress == PROGRESS_LATER)
        log_queue(store, &listing->pending);
}

void list_query(struct store *base, const struct store_query *query, store_listed *listed,
                void *context)
{
    struct log_store *store = log_of(base);
    struct listing *listing = memory_new(sizeof *listing);
    struct recipient recipient = { .address = query->recipient };

    listing->store = store;
    listing->query = *query;
    buf_add(&listing->domain, query->domain);
    buf_add(&listing->recipient, query->recipient);
    if (query->domain.len == 0)
        buf_add(&listing->domain, recipient_domain(&recipient));
    listing->listed = listed;
    listing->context = context;
    listing->entry = memory_new(query->limit * sizeof *listing->entry);
    listing->position = memory_new(query->limit * sizeof *listing->position);
    listing->pending.run = step;
    log_queue(store, &listing->pending);
}
