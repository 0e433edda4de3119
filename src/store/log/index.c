/* SPDX-License-Identifier: ISC */
/* index.c: see index.h. */
#include "store/log/index.h"

#include <string.h>

#include "base/check.h"
#include "base/memory.h"

enum { CHUNK_ENTRIES = 4096, BUCKETS_MIN = 1024 };

/* Entries come in chunks, so that growing moves nothing and a drained store gives memory back. */
struct index_chunk {
    uint32_t used;
    uint32_t free;      /* number of the first free entry; 0: none */
    uint32_t room_next; /* the next chunk with free entries, + 1 */
    uint32_t room_prev; /* the one before, + 1 */
    struct index_entry entry[CHUNK_ENTRIES];
};

void index_init(struct index *index)
{
    *index = (struct index){ .order_next = 1 };
    map_init(&index->domain_names);
    map_init(&index->sides);
    map_init(&index->reason_texts);
    index->bucket_cap = BUCKETS_MIN;
    index->bucket_count = BUCKETS_MIN;
    index->bucket = memory_new(BUCKETS_MIN * sizeof *index->bucket);
}

static void domain_free(struct index_domain *domain)
{
    for (int i = 0; i < STATE_COUNT; i++)
        fifo_fini(&domain->fifo[i]);
    memory_free((char *)(uintptr_t)domain->name.ptr);
    memory_free(domain);
}

void index_fini(struct index *index)
{
    size_t cursor = 0;
    void *side;

    while ((side = map_next(&index->sides, &cursor, NULL)) != NULL)
        memory_free(side);
    map_fini(&index->sides);
    index_reasons_fini(index);
    for (uint32_t i = 0; i < index->domain_count; i++)
        domain_free(index->domain[i]);
    memory_free(index->domain);
    map_fini(&index->domain_names);
    for (uint32_t i = 0; i < index->chunk_count; i++)
        memory_free(index->chunk[i]);
    memory_free(index->chunk);
    memory_free(index->bucket);
    *index = (struct index){ 0 };
}

/* ---- domains ---- */

struct index_domain *index_find_domain(const struct index *index, struct str name)
{
    return map_find(&index->domain_names, name);
}

struct index_domain *index_get_domain(struct index *index, struct str name)
{
    struct index_domain *domain = index_find_domain(index, name);
    if (domain != NULL)
        return domain;
    domain = memory_new(sizeof *domain);
    domain->name = str_of(memory_copy(name.ptr, name.len), name.len);
    domain->number = index->domain_count++;
    index->domain =
        memory_resize(index->domain, index->domain_count * sizeof(struct index_domain *));
    index->domain[domain->number] = domain;
    (void)map_put(&index->domain_names, name, domain);
    return domain;
}

/* ---- entries ---- */

static uint32_t first_number(uint32_t chunk)
{
    return chunk * CHUNK_ENTRIES + 1;
}

struct index_entry *index_entry(const struct index *index, uint32_t number)
{
    check(number > 0 && number <= index->chunk_count * CHUNK_ENTRIES);
    struct index_chunk *chunk = index->chunk[(number - 1) / CHUNK_ENTRIES];
    check(chunk != NULL);
    return &chunk->entry[(number - 1) % CHUNK_ENTRIES];
}

static void room_put(struct index *index, uint32_t i)
{
    struct index_chunk *chunk = index->chunk[i];

    chunk->room_prev = 0;
    chunk->room_next = index->room_first;
    if (index->room_first != 0)
        index->chunk[index->room_first - 1]->room_prev = i + 1;
    index->room_first = i + 1;
}

static void room_take(struct index *index, uint32_t i)
{
    struct index_chunk *chunk = index->chunk[i];

    if (chunk->room_next != 0)
        index->chunk[chunk->room_next - 1]->room_prev = chunk->room_prev;
    if (chunk->room_prev != 0)
        index->chunk[chunk->room_prev - 1]->room_next = chunk->room_next;
    else
        index->room_first = chunk->room_next;
}

static uint32_t vacant_chunk(struct index *index)
{
    if (index->vacant > 0) {
        for (uint32_t i = 0; i < index->chunk_count; i++) {
            if (index->chunk[i] == NULL) {
                index->vacant--;
                return i;
            }
        }
    }
    index->chunk_count++;
    index->chunk = memory_resize(index->chunk, index->chunk_count * sizeof(struct index_chunk *));
    return index->chunk_count - 1;
}

static void add_chunk(struct index *index)
{
    uint32_t i = vacant_chunk(index);
    struct index_chunk *chunk = memory_new(sizeof *chunk);

    index->chunk[i] = chunk;
    for (uint32_t at = 0; at < CHUNK_ENTRIES; at++)
        chunk->entry[at].next = at + 1 < CHUNK_ENTRIES ? first_number(i) + at + 1 : 0;
    chunk->free = first_number(i);
    room_put(index, i);
}

static uint32_t take_free(struct index *index)
{
    if (index->room_first == 0)
        add_chunk(index);
    uint32_t i = index->room_first - 1;
    struct index_chunk *chunk = index->chunk[i];
    uint32_t number = chunk->free;
    chunk->free = index_entry(index, number)->next;
    chunk->used++;
    if (chunk->free == 0)
        room_take(index, i);
    return number;
}

static void give_back(struct index *index, uint32_t number)
{
    uint32_t i = (number - 1) / CHUNK_ENTRIES;
    struct index_chunk *chunk = index->chunk[i];
    struct index_entry *entry = index_entry(index, number);

    *entry = (struct index_entry){ .next = chunk->free };
    if (chunk->free == 0)
        room_put(index, i);
    chunk->free = number;
    chunk->used--;
    if (chunk->used == 0 && index->count > CHUNK_ENTRIES / 2) {
        room_take(index, i);
        memory_free(chunk);
        index->chunk[i] = NULL;
        index->vacant++;
    }
}

uint32_t index_next(const struct index *index, uint32_t number)
{
    while (number < index->chunk_count * CHUNK_ENTRIES) {
        if (index->chunk[number / CHUNK_ENTRIES] == NULL) {
            number = (number / CHUNK_ENTRIES + 1) * CHUNK_ENTRIES;
            continue;
        }
        number++;
        if (index_entry(index, number)->count > 0)
            return number;
    }
    return 0;
}

/* ---- the hash by message id: linear hashing (Litwin 1980) ---- */

static uint32_t hash_id(struct message_id id)
{
    uint64_t chance; /* the second half is random, see message_id.h */
    memcpy(&chance, id.bytes + 8, sizeof chance);
    return (uint32_t)((chance * 0x9e3779b97f4a7c15) >> 32);
}

/* The power of two at or below the number of buckets. */
static uint32_t level(const struct index *index)
{
    return UINT32_C(1) << (31 - __builtin_clz(index->bucket_count));
}

static uint32_t *bucket_of(const struct index *index, struct message_id id)
{
    uint32_t hash = hash_id(id);
    uint32_t at = hash & (level(index) * 2 - 1);
    if (at >= index->bucket_count)
        at -= level(index);
    return &index->bucket[at];
}

/* Puts every entry of a chain where it belongs now. */
static void distribute(struct index *index, uint32_t number)
{
    while (number != 0) {
        struct index_entry *entry = index_entry(index, number);
        uint32_t next = entry->next;
        uint32_t *bucket = bucket_of(index, entry->id);
        entry->next = *bucket;
        *bucket = number;
        number = next;
    }
}

static void grow_by_one(struct index *index)
{
    if (index->bucket_count == index->bucket_cap) {
        index->bucket_cap *= 2;
        index->bucket =
            memory_resize(index->bucket, (size_t)index->bucket_cap * sizeof *index->bucket);
    }
    uint32_t split = index->bucket_count - level(index);
    uint32_t chain = index->bucket[split];
    index->bucket[split] = 0;
    index->bucket[index->bucket_count++] = 0;
    distribute(index, chain);
}

static void shrink_by_one(struct index *index)
{
    uint32_t chain = index->bucket[--index->bucket_count];
    distribute(index, chain);
    if (index->bucket_count == index->bucket_cap / 4) {
        index->bucket_cap /= 2;
        index->bucket =
            memory_resize(index->bucket, (size_t)index->bucket_cap * sizeof *index->bucket);
    }
}

static void hash_put(struct index *index, uint32_t number)
{
    uint32_t *bucket = bucket_of(index, index_entry(index, number)->id);
    index_entry(index, number)->next = *bucket;
    *bucket = number;
    index->count++;
    if (index->count > index->bucket_count)
        grow_by_one(index);
}

static void hash_remove(struct index *index, uint32_t number)
{
    uint32_t *at = bucket_of(index, index_entry(index, number)->id);
    while (*at != number)
        at = &index_entry(index, *at)->next;
    *at = index_entry(index, number)->next;
    index->count--;
    if (index->count < index->bucket_count / 2 && index->bucket_count > BUCKETS_MIN)
        shrink_by_one(index);
}

uint32_t index_find(const struct index *index, struct message_id id, uint32_t number)
{
    number = number == 0 ? *bucket_of(index, id) : index_entry(index, number)->next;
    while (number != 0 && !message_id_equals(index_entry(index, number)->id, id))
        number = index_entry(index, number)->next;
    return number;
}

uint32_t index_find_entry(const struct index *index, struct message_id id, struct str domain)
{
    const struct index_domain *of = index_find_domain(index, domain);
    uint32_t number = 0;

    if (of == NULL)
        return 0;
    while ((number = index_find(index, id, number)) != 0)
        if (index_entry(index, number)->domain == of->number)
            break;
    return number;
}

/* ---- coming and going ---- */

uint32_t index_add(struct index *index, struct message_id id, struct index_domain *domain)
{
    uint32_t number = take_free(index);
    *index_entry(index, number) = (struct index_entry){ .id = id, .domain = domain->number };
    hash_put(index, number);
    return number;
}

static void count_entry(struct index *index, const struct index_entry *entry, bool add)
{
    struct index_domain *domain = index->domain[entry->domain];
    int kind = entry->state - 1;

    domain->entries[kind] += add ? 1 : UINT64_MAX;
    domain->bytes[kind] += add ? entry->size : -(uint64_t)entry->size;
}

void index_hide(struct index *index, uint32_t number)
{
    struct index_entry *entry = index_entry(index, number);
    if (entry->state == 0)
        return;
    fifo_remove(&index->domain[entry->domain]->fifo[entry->state - 1], index, number);
    count_entry(index, entry, false);
    entry->state = 0;
}

void index_show_as(struct index *index, uint32_t number, int64_t since_ms, uint64_t order)
{
    struct index_entry *entry = index_entry(index, number);

    index_hide(index, number);
    entry->state = entry->pending > 0 ? ENTRY_HELD : ENTRY_RESCUED;
    entry->since_ms = since_ms;
    entry->order = order;
    if (order >= index->order_next)
        index->order_next = order + 1;
    fifo_insert(&index->domain[entry->domain]->fifo[entry->state - 1], index, number);
    count_entry(index, entry, true);
}

void index_show(struct index *index, uint32_t number, int64_t since_ms)
{
    const struct index_entry *entry = index_entry(index, number);
    int kind = entry->pending > 0 ? 0 : 1;

    index_hide(index, number);
    uint32_t newest = fifo_last(&index->domain[entry->domain]->fifo[kind]);
    if (newest != 0 && index_entry(index, newest)->since_ms > since_ms)
        since_ms = index_entry(index, newest)->since_ms;
    index_show_as(index, number, since_ms, index->order_next);
}

void index_remove(struct index *index, uint32_t number)
{
    struct index_entry *entry = index_entry(index, number);

    index_hide(index, number);
    index_drop_side(index, number);
    index_set_reason(index, entry, NULL);
    hash_remove(index, number);
    give_back(index, number);
}

uint64_t index_record_size(const struct index_entry *entry)
{
    uint64_t content = entry->flags & INDEX_BODY_FILE ? 0 : entry->size;
    return (uint64_t)entry->head * HEAD_UNIT + content;
}

/* ---- a message's entries ---- */

uint32_t index_recipient_hash(struct str address)
{
    uint32_t hash = 2166136261; /* FNV-1a over lower case; 0 means "several" */
    for (size_t i = 0; i < address.len; i++)
        hash = (hash ^ (unsigned char)ascii_lower(address.ptr[i])) * 16777619;
    return hash != 0 ? hash : 1;
}

/* The domain's recipients do not stand together: say which they are. */
static void note_scattered(struct index *index, uint32_t number, const struct envelope *envelope)
{
    uint8_t state[ENVELOPE_RECIPIENTS_MAX];
    struct str name = index->domain[index_entry(index, number)->domain]->name;

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        bool own = str_equals(recipient_domain(&envelope->recipient[i]), name);
        state[i] = own ? RECIPIENT_PENDING : INDEX_OTHER;
    }
    index_put_side(index, number, state, (uint16_t)envelope->recipient_count);
}

static void add_recipient(struct index *index, uint32_t number, const struct envelope *envelope,
                          uint32_t i)
{
    struct index_entry *entry = index_entry(index, number);

    if (entry->count > 0 && entry->first + entry->count != i && !(entry->flags & INDEX_SIDE))
        note_scattered(index, number, envelope);
    entry->recipient_hash =
        entry->count == 0 ? index_recipient_hash(envelope->recipient[i].address) : 0;
    entry->first = entry->count == 0 ? (uint16_t)i : entry->first;
    entry->count++;
    entry->pending++;
}

void index_add_message(struct index *index, const struct envelope *envelope, uint64_t size,
                       uint8_t flags)
{
    check(envelope->recipient_count <= ENVELOPE_RECIPIENTS_MAX && size <= UINT32_MAX);
    struct index_domain *domain = NULL;
    uint32_t number = 0;

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct str name = recipient_domain(&envelope->recipient[i]);
        if (domain == NULL || !str_equals(domain->name, name)) {
            domain = index_get_domain(index, name);
            number = i > 0 ? index_find_entry(index, envelope->id, domain->name) : 0;
        }
        if (number == 0) {
            number = index_add(index, envelope->id, domain);
            index_entry(index, number)->size = (uint32_t)size;
            index_entry(index, number)->flags = flags;
        }
        add_recipient(index, number, envelope, i);
    }
    if (envelope_holds_back(envelope))
        index_hold_back(index, envelope);
}
