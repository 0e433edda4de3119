/* SPDX-License-Identifier: ISC */
/* recipient_cache.c: see recipient_cache.h. */
#include "verify/recipient_cache.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

enum { KEEP_EVERY_MS = HOUR_MS }; /* who gets mail all the time is confirmed all the time */

struct address {
    struct link link; /* in `valid` or `invalid`, the one confirmed last at the end */
    struct buf name;
    struct known_recipient known;
    int64_t kept_ms; /* as of then it is kept; 0: not at all */
};

struct recipient_cache {
    const struct recipient_cache_host *host;
    void *context;
    struct map by_name;
    struct link valid, invalid; /* struct address.link */
    struct link *company;       /* in `valid`, or its head: whom the next company begins with */
    size_t valid_count, invalid_count;
    bool is_unreachable;
    int64_t behind_ms;                             /* until it became unreachable */
    int64_t unreachable_ms;                        /* wall clock, since then */
    int64_t doubt_ms[RECIPIENT_CACHE_DOUBTS_DEAD]; /* of addresses that came into doubt, the last
                                                      ones */
    bool is_dead;
    bool takes_all;
    int64_t takes_all_ms;
};

struct recipient_cache *recipient_cache_new(const struct recipient_cache_host *host, void *context)
{
    struct recipient_cache *cache = memory_new(sizeof *cache);

    cache->host = host;
    cache->context = context;
    map_init(&cache->by_name);
    list_init(&cache->valid);
    cache->company = &cache->valid;
    list_init(&cache->invalid);
    return cache;
}

static void leave_list(struct recipient_cache *cache, struct address *address)
{
    if (cache->company == &address->link)
        cache->company = address->link.next;
    list_remove(&address->link);
}

static void address_free(struct recipient_cache *cache, struct address *address)
{
    (void)map_remove(&cache->by_name, buf_str(&address->name));
    leave_list(cache, address);
    if (address->known.is_valid)
        cache->valid_count--;
    else
        cache->invalid_count--;
    buf_fini(&address->name);
    memory_free(address);
}

void recipient_cache_free(struct recipient_cache *cache)
{
    if (cache == NULL)
        return;
    list_each_safe (link, &cache->valid)
        address_free(cache, container_of(link, struct address, link));
    list_each_safe (link, &cache->invalid)
        address_free(cache, container_of(link, struct address, link));
    map_fini(&cache->by_name);
    memory_free(cache);
}

/* ---- the clock ---- */

static int64_t behind(const struct recipient_cache *cache, int64_t wall_ms)
{
    int64_t still_ms = cache->is_unreachable ? wall_ms - cache->unreachable_ms : 0;
    return cache->behind_ms + (still_ms > 0 ? still_ms : 0);
}

int64_t recipient_cache_clock(const struct recipient_cache *cache, int64_t wall_ms)
{
    return wall_ms - behind(cache, wall_ms);
}

void recipient_cache_set_reachable(struct recipient_cache *cache, bool is_reachable,
                                   int64_t wall_ms)
{
    if (cache->is_unreachable == !is_reachable)
        return;
    cache->behind_ms = behind(cache, wall_ms);
    cache->is_unreachable = !is_reachable;
    cache->unreachable_ms = wall_ms;
}

void recipient_cache_save(const struct recipient_cache *cache, struct domain_memory *memory)
{
    memory->behind_ms = cache->behind_ms;
    memory->still_ms = cache->is_unreachable ? cache->unreachable_ms : 0;
    memory->takes_all = cache->takes_all;
    memory->takes_all_ms = cache->takes_all_ms;
}

void recipient_cache_recall(struct recipient_cache *cache, const struct domain_memory *memory)
{
    cache->behind_ms = memory->behind_ms;
    cache->is_unreachable = memory->still_ms != 0;
    cache->unreachable_ms = memory->still_ms;
    cache->takes_all = memory->takes_all;
    cache->takes_all_ms = memory->takes_all_ms;
}

/* ---- addresses ---- */

static struct address *find(const struct recipient_cache *cache, struct str name)
{
    return map_find(&cache->by_name, name);
}

static void keep(const struct recipient_cache *cache, struct address *address)
{
    address->kept_ms = address->known.confirmed_ms;
    cache->host->changed(cache->context, &address->known, false);
}

/* There is nobody left whom the primary could be asked about to see whether it has them again. */
static void believe_if_none_is_doubtful(struct recipient_cache *cache)
{
    if (cache->is_dead && recipient_cache_doubtful(cache).len == 0)
        cache->is_dead = false;
}

static void drop(struct recipient_cache *cache, struct address *address)
{
    bool was_doubtful = address->known.doubt_ms != 0;

    if (address->kept_ms != 0)
        cache->host->changed(cache->context, &address->known, true);
    address_free(cache, address);
    if (was_doubtful)
        believe_if_none_is_doubtful(cache);
}

static void put_last(struct recipient_cache *cache, struct address *address, bool is_valid)
{
    leave_list(cache, address);
    list_append(is_valid ? &cache->valid : &cache->invalid, &address->link);
}

static struct address *add(struct recipient_cache *cache, struct str name, bool is_valid)
{
    struct address *address = memory_new(sizeof *address);

    buf_add(&address->name, name);
    address->known.address = buf_str(&address->name);
    address->known.is_valid = is_valid;
    (void)map_put(&cache->by_name, buf_str(&address->name), address);
    put_last(cache, address, is_valid);
    if (is_valid)
        cache->valid_count++;
    else
        cache->invalid_count++;
    return address;
}

static void set_state(struct recipient_cache *cache, struct address *address, bool is_valid,
                      int64_t clock_ms)
{
    if (address->known.is_valid != is_valid || address->known.since_ms == 0)
        address->known.since_ms = clock_ms;
    if (address->known.is_valid != is_valid) {
        cache->valid_count += is_valid ? 1 : (size_t)-1;
        cache->invalid_count += is_valid ? (size_t)-1 : 1;
    }
    address->known.is_valid = is_valid;
    put_last(cache, address, is_valid);
}

/* There is room for what strangers make up: the oldest half of it goes. */
static void make_room(struct recipient_cache *cache)
{
    if (cache->invalid_count < RECIPIENT_CACHE_INVALID_MAX)
        return;
    for (size_t i = 0; i < RECIPIENT_CACHE_INVALID_MAX / 2; i++)
        drop(cache, container_of(list_first(&cache->invalid), struct address, link));
}

void recipient_cache_restore(struct recipient_cache *cache, const struct known_recipient *recipient)
{
    struct address *address = find(cache, recipient->address);

    if (address != NULL ||
        (recipient->is_valid ? cache->valid_count >= RECIPIENT_CACHE_VALID_MAX
                             : cache->invalid_count >= RECIPIENT_CACHE_INVALID_MAX))
        return;
    address = add(cache, recipient->address, recipient->is_valid);
    struct str name = address->known.address;
    address->known = *recipient;
    address->known.address = name;
    address->kept_ms = recipient->confirmed_ms;
}

void recipient_cache_forget(struct recipient_cache *cache, struct str name)
{
    struct address *address = find(cache, name);
    if (address != NULL)
        drop(cache, address);
}

/* ---- learning ---- */

/* What the operator has settled no answer changes. */
static bool is_settled(const struct address *address, enum recipient_source source)
{
    return address != NULL && address->known.source == PINNED && source != PINNED;
}

/* Only the primary's own word says that it has its users again; a list does not. */
static void clear_doubt(struct recipient_cache *cache, struct address *address,
                        enum recipient_source source)
{
    if (address->known.doubt_ms == 0 || source == LEARNED_FROM_LIST)
        return;
    address->known.doubt_ms = 0;
    if (source == PINNED)
        believe_if_none_is_doubtful(cache);
    else
        cache->is_dead = false;
}

static void learn_valid(struct recipient_cache *cache, struct str name, bool is_full,
                        enum recipient_source source, int64_t clock_ms)
{
    struct address *address = find(cache, name);

    if (is_settled(address, source) ||
        (address == NULL && cache->valid_count >= RECIPIENT_CACHE_VALID_MAX))
        return;
    if (address == NULL)
        address = add(cache, name, true);
    bool is_listed = address->known.is_valid && address->known.source == LEARNED_FROM_LIST;
    enum recipient_source kept = /* until another list comes, it is on this one */
        is_listed && source != PINNED ? LEARNED_FROM_LIST : source;
    bool is_news = !address->known.is_valid || address->known.doubt_ms != 0 ||
                   address->known.is_full != is_full || address->known.source != kept ||
                   clock_ms - address->kept_ms >= KEEP_EVERY_MS;
    set_state(cache, address, true, clock_ms);
    clear_doubt(cache, address, source);
    address->known.is_full = is_full;
    address->known.confirmed_ms = address->known.valid_ms = clock_ms;
    address->known.source = kept;
    if (is_news)
        keep(cache, address);
}

static bool was_valid_lately(const struct address *address, int64_t clock_ms)
{
    return address->known.is_valid &&
           clock_ms - address->known.valid_ms < RECIPIENT_CACHE_LATELY_MS;
}

/* One more that was valid lately is refused. Too many at once, and it is not they who are gone. */
static void doubt(struct recipient_cache *cache, struct address *address, int64_t clock_ms)
{
    address->known.doubt_ms = clock_ms;
    for (unsigned i = 0; i + 1 < RECIPIENT_CACHE_DOUBTS_DEAD; i++)
        cache->doubt_ms[i] = cache->doubt_ms[i + 1];
    cache->doubt_ms[RECIPIENT_CACHE_DOUBTS_DEAD - 1] = clock_ms;
    int64_t first_ms = cache->doubt_ms[0];
    if (first_ms != 0 && clock_ms - first_ms <= RECIPIENT_CACHE_DOUBTS_SPAN_MS)
        cache->is_dead = true;
    keep(cache, address);
}

static void make_invalid(struct recipient_cache *cache, struct str name,
                         enum recipient_source source, int64_t clock_ms)
{
    struct address *address = find(cache, name);

    if (address == NULL) {
        make_room(cache);
        address = add(cache, name, false);
    }
    set_state(cache, address, false, clock_ms);
    address->known.doubt_ms = 0;
    address->known.is_full = false;
    address->known.confirmed_ms = clock_ms;
    address->known.source = source;
    keep(cache, address);
    believe_if_none_is_doubtful(cache);
}

static void learn_invalid(struct recipient_cache *cache, struct str name,
                          enum recipient_source source, int64_t clock_ms)
{
    struct address *address = find(cache, name);

    if (is_settled(address, source))
        return;
    if (source == PINNED) {
        make_invalid(cache, name, source, clock_ms);
        return;
    }
    if (address != NULL && was_valid_lately(address, clock_ms) && address->known.doubt_ms == 0) {
        doubt(cache, address, clock_ms);
        return;
    }
    if (cache->is_dead)
        return;
    if (address != NULL && was_valid_lately(address, clock_ms) &&
        clock_ms - address->known.doubt_ms < RECIPIENT_CACHE_FRESH_MS)
        return; /* the same answer twice in a moment is one */
    make_invalid(cache, name, source, clock_ms);
}

void recipient_cache_learn(struct recipient_cache *cache, struct str address, enum reading reading,
                           enum recipient_source source, int64_t wall_ms)
{
    int64_t clock_ms = recipient_cache_clock(cache, wall_ms);

    switch (reading) {
    case READING_VALID:
    case READING_FULL:
        learn_valid(cache, address, reading == READING_FULL, source, clock_ms);
        break;
    case READING_INVALID:
        learn_invalid(cache, address, source, clock_ms);
        break;
    case READING_ANYTHING:
    case READING_UNSURE:
    case READING_REFUSED:
    case READING_LATER:
    case READING_NOT_TRIED:
    case READING_UNWELCOME:
    case READING_SILENT:
        break;
    }
}

void recipient_cache_learn_catch_all(struct recipient_cache *cache, bool takes_all, int64_t wall_ms)
{
    cache->takes_all = takes_all;
    cache->takes_all_ms = recipient_cache_clock(cache, wall_ms);
}

/* ---- looking ---- */

bool recipient_cache_is_dead(const struct recipient_cache *cache)
{
    return cache->is_dead;
}

bool recipient_cache_knows_catch_all(const struct recipient_cache *cache, int64_t wall_ms)
{
    return cache->takes_all_ms != 0 && recipient_cache_clock(cache, wall_ms) - cache->takes_all_ms <
                                           RECIPIENT_CACHE_CATCH_ALL_MS;
}

bool recipient_cache_is_catch_all(const struct recipient_cache *cache, int64_t wall_ms)
{
    return cache->takes_all && recipient_cache_knows_catch_all(cache, wall_ms);
}

/* While the primary is up, what it refused a while ago may exist by now; while it is down, what it
 * said last is what there is. */
static enum known_answer look_at_invalid(const struct address *address, bool is_up,
                                         const struct recipient_limits *limits, int64_t age_ms)
{
    if (address->known.source == PINNED)
        return KNOWN_INVALID;
    if (is_up ? age_ms < RECIPIENT_CACHE_FRESH_MS : age_ms < limits->negative_expiry_ms)
        return KNOWN_INVALID;
    return KNOWN_NOTHING;
}

static enum known_answer look_at_valid(const struct address *address, bool is_up,
                                       const struct recipient_limits *limits, int64_t clock_ms)
{
    int64_t age_ms = clock_ms - address->known.confirmed_ms;
    int64_t doubt_ms = address->known.doubt_ms;
    bool is_doubtful = doubt_ms != 0 && clock_ms - doubt_ms >= RECIPIENT_CACHE_FRESH_MS;

    if (address->known.source == PINNED)
        return KNOWN_VALID;
    if (age_ms >= limits->expiry_ms && address->known.source != LEARNED_FROM_LIST)
        return KNOWN_NOTHING;
    return is_up && (age_ms >= limits->refresh_ms || is_doubtful) ? KNOWN_VALID_STALE : KNOWN_VALID;
}

enum known_answer recipient_cache_look(const struct recipient_cache *cache, struct str name,
                                       bool is_up, const struct recipient_limits *limits,
                                       int64_t wall_ms)
{
    const struct address *address = find(cache, name);
    enum known_answer answer = KNOWN_NOTHING;

    if (address != NULL) {
        int64_t clock_ms = recipient_cache_clock(cache, wall_ms);
        answer = address->known.is_valid ? look_at_valid(address, is_up, limits, clock_ms)
                                         : look_at_invalid(address, is_up, limits,
                                                           clock_ms - address->known.confirmed_ms);
    }
    if (answer == KNOWN_NOTHING && recipient_cache_is_catch_all(cache, wall_ms))
        return KNOWN_VALID;
    if (answer == KNOWN_NOTHING && is_up && cache->is_dead)
        return KNOWN_DEAD;
    return answer;
}

/* The next in turn, once around: whoever gets them has had the ones before. */
size_t recipient_cache_company(struct recipient_cache *cache, bool is_up,
                               const struct recipient_limits *limits, int64_t wall_ms,
                               struct str *out, size_t max)
{
    int64_t clock_ms = recipient_cache_clock(cache, wall_ms);
    size_t count = 0;

    for (size_t looked = 0; looked < max && looked < cache->valid_count; looked++) {
        if (cache->company == &cache->valid)
            cache->company = cache->valid.next;
        const struct address *address = container_of(cache->company, const struct address, link);
        if (look_at_valid(address, is_up, limits, clock_ms) == KNOWN_VALID)
            out[count++] = address->known.address;
        cache->company = cache->company->next;
    }
    return count;
}

struct str recipient_cache_control(const struct recipient_cache *cache, struct str but,
                                   int64_t wall_ms)
{
    int64_t clock_ms = recipient_cache_clock(cache, wall_ms);

    for (const struct link *link = cache->valid.prev; link != &cache->valid; link = link->prev) {
        const struct address *address = container_of(link, const struct address, link);
        if (!was_valid_lately(address, clock_ms))
            break;
        if (address->known.source != LEARNED_FROM_LIST && address->known.doubt_ms == 0 &&
            !str_equals(address->known.address, but))
            return address->known.address;
    }
    return STR_NONE;
}

struct str recipient_cache_doubtful(const struct recipient_cache *cache)
{
    for (const struct link *link = cache->valid.prev; link != &cache->valid; link = link->prev) {
        const struct address *address = container_of(link, const struct address, link);
        if (address->known.doubt_ms != 0)
            return address->known.address;
    }
    return STR_NONE;
}

const struct known_recipient *recipient_cache_find(const struct recipient_cache *cache,
                                                   struct str name)
{
    const struct address *address = find(cache, name);
    return address != NULL ? &address->known : NULL;
}

void recipient_cache_each(const struct recipient_cache *cache,
                          void (*each)(void *context, const struct known_recipient *recipient),
                          void *context)
{
    const struct address *address;
    size_t cursor = 0;

    while ((address = map_next(&cache->by_name, &cursor, NULL)) != NULL)
        each(context, &address->known);
}

/* ---- time ---- */

static void sweep(struct recipient_cache *cache, struct link *list, int64_t life_ms,
                  int64_t clock_ms)
{
    list_each_safe (link, list) {
        struct address *address = container_of(link, struct address, link);
        if (clock_ms - address->known.confirmed_ms < life_ms)
            return; /* those behind were confirmed later */
        if (address->known.source != PINNED && address->known.source != LEARNED_FROM_LIST)
            drop(cache, address);
    }
}

void recipient_cache_sweep(struct recipient_cache *cache, const struct recipient_limits *limits,
                           int64_t wall_ms)
{
    int64_t clock_ms = recipient_cache_clock(cache, wall_ms);

    sweep(cache, &cache->valid, limits->expiry_ms, clock_ms);
    sweep(cache, &cache->invalid, limits->negative_expiry_ms, clock_ms);
}

size_t recipient_cache_count(const struct recipient_cache *cache, bool is_valid)
{
    return is_valid ? cache->valid_count : cache->invalid_count;
}
