/* SPDX-License-Identifier: ISC */
/* index_file.c: the entries of one segment, as they were at a point of the log.
 *
 * NNNNNNNN.idx, numbers little-endian, "counted" = u32 length and bytes:
 *     0  8 bytes "HFSEGIDX"   8  u16 version (2)   10  u16 zero
 *    12  u32 segment         16  u64 generation
 *    24  u32, u64 place (segment, offset): settlements before it are absorbed here
 *    36  u32 domains, each counted
 *     …  u32 entries, for each
 *            16 bytes id; u64 since_ms; u64 order; u32 place of the record / 8;
 *            u32 size; u32 number of the domain above; u32 recipient hash;
 *            u16 first, count, pending, rescued, head; u8 flags (index.h), 128: a reason follows;
 *            if it has a side record: u16 n and n states; if it has a reason: the verdict
 *     …  u32 CRC32C of all that stands before
 */
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "store/log/log_private.h"

enum { INDEX_FILE_VERSION = 2, HAS_REASON = 128 };

static const char index_magic[8] = "HFSEGIDX";

/* ---- writing ---- */

/* Numbers for the domains that occur, from 1, in `local`, and their names. */
static void encode_domains(struct buf *out, const struct index *index, const uint32_t *number,
                           uint32_t count, uint32_t *local)
{
    size_t at = out->len;
    uint32_t domains = 0;

    buf_add_u32(out, 0);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t domain = index_entry(index, number[i])->domain;
        if (local[domain] != 0)
            continue;
        local[domain] = ++domains;
        buf_add_counted(out, index->domain[domain]->name);
    }
    for (size_t i = 0; i < 4; i++)
        out->ptr[at + i] = (char)(domains >> (8 * i));
}

static void encode_entry(struct buf *out, const struct index *index, uint32_t number,
                         const uint32_t *local)
{
    const struct index_entry *entry = index_entry(index, number);
    const struct index_side *side = index_find_side(index, number);
    struct verdict reason;
    bool has_reason = index_reason(index, entry, &reason);

    buf_add_bytes(out, entry->id.bytes, MESSAGE_ID_SIZE);
    buf_add_u64(out, (uint64_t)entry->since_ms);
    buf_add_u64(out, entry->order);
    buf_add_u32(out, entry->place);
    buf_add_u32(out, entry->size);
    buf_add_u32(out, local[entry->domain] - 1);
    buf_add_u32(out, entry->recipient_hash);
    buf_add_u16(out, entry->first);
    buf_add_u16(out, entry->count);
    buf_add_u16(out, entry->pending);
    buf_add_u16(out, entry->rescued);
    buf_add_u16(out, entry->head);
    buf_add_u8(out, (uint8_t)(entry->flags | (has_reason ? HAS_REASON : 0)));
    if (side != NULL) {
        buf_add_u16(out, side->count);
        buf_add_bytes(out, side->state, side->count);
    }
    if (has_reason)
        verdict_encode(out, &reason);
}

uint32_t index_file_encode(struct buf *out, const struct log_store *store,
                           const struct segment *segment, const uint32_t *number, uint32_t count)
{
    const struct index *index = &store->index;
    const struct segment *current = store->segments.current;
    uint32_t *local = memory_new(index->domain_count * sizeof *local);

    buf_add_bytes(out, index_magic, sizeof index_magic);
    buf_add_u16(out, INDEX_FILE_VERSION);
    buf_add_u16(out, 0);
    buf_add_u32(out, segment->number);
    buf_add_u64(out, segment->generation);
    buf_add_u32(out, current->number);
    buf_add_u64(out, current->end);
    encode_domains(out, index, number, count, local);
    buf_add_u32(out, count);
    for (uint32_t i = 0; i < count; i++)
        encode_entry(out, index, number[i], local);
    memory_free(local);
    uint32_t sum = crc32c(0, buf_str(out));
    buf_add_u32(out, sum);
    return sum;
}

/* ---- reading ---- */

struct decoding {
    struct cursor cursor;
    struct log_store *store;
    struct segment *segment;
    struct index_domain **domain;
    uint32_t domain_count;
};

static bool decode_domains(struct decoding *decoding)
{
    struct cursor *cursor = &decoding->cursor;
    uint32_t count = cursor_u32(cursor);

    if (!cursor_ok(cursor) || count > cursor->left.len / 4)
        return false;
    decoding->domain = memory_new(count * sizeof(struct index_domain *));
    for (uint32_t i = 0; i < count; i++) {
        struct str name = cursor_counted(cursor);
        if (!cursor_ok(cursor))
            return false;
        decoding->domain[i] = index_get_domain(&decoding->store->index, name);
    }
    decoding->domain_count = count;
    return true;
}

/* Do the numbers of an entry fit together? What relies on them would fail a check later. */
static bool is_sound(const struct index_entry *entry)
{
    return entry->count > 0 && entry->first + entry->count <= ENVELOPE_RECIPIENTS_MAX &&
           entry->pending + entry->rescued <= entry->count && entry->pending + entry->rescued > 0 &&
           entry->place >= SEGMENT_HEADER_SIZE / RECORD_ALIGN;
}

static bool side_is_sound(const struct index_entry *entry, struct str states)
{
    uint32_t count[RECIPIENT_RESCUED + 1] = { 0 };

    if (states.len > ENVELOPE_RECIPIENTS_MAX)
        return false;
    for (size_t i = 0; i < states.len; i++) {
        uint8_t state = (uint8_t)states.ptr[i];
        if (state != INDEX_OTHER && state > RECIPIENT_RESCUED)
            return false;
        if (state != INDEX_OTHER)
            count[state]++;
    }
    return count[RECIPIENT_PENDING] == entry->pending &&
           count[RECIPIENT_RESCUED] == entry->rescued &&
           count[RECIPIENT_PENDING] + count[RECIPIENT_GONE] + count[RECIPIENT_RESCUED] ==
               entry->count;
}

static void decode_fixed(struct cursor *cursor, struct index_entry *entry, uint32_t *out_domain)
{
    struct str id = cursor_bytes(cursor, MESSAGE_ID_SIZE);
    if (cursor_ok(cursor))
        memcpy(entry->id.bytes, id.ptr, MESSAGE_ID_SIZE);
    entry->since_ms = (int64_t)cursor_u64(cursor);
    entry->order = cursor_u64(cursor);
    entry->place = cursor_u32(cursor);
    entry->size = cursor_u32(cursor);
    *out_domain = cursor_u32(cursor);
    entry->recipient_hash = cursor_u32(cursor);
    entry->first = cursor_u16(cursor);
    entry->count = cursor_u16(cursor);
    entry->pending = cursor_u16(cursor);
    entry->rescued = cursor_u16(cursor);
    entry->head = cursor_u16(cursor);
    entry->flags = cursor_u8(cursor);
}

static void add_entry(struct decoding *decoding, const struct index_entry *told,
                      struct index_domain *domain, struct str states, const struct verdict *reason)
{
    struct index *index = &decoding->store->index;
    bool is_first = index_find(index, told->id, 0) == 0;
    uint32_t number = index_add(index, told->id, domain);
    struct index_entry *entry = index_entry(index, number);
    uint32_t next = entry->next;

    *entry = *told;
    entry->next = next;
    entry->domain = domain->number;
    entry->segment = decoding->segment->number;
    entry->flags &= INDEX_BODY_FILE;
    if (told->flags & INDEX_SIDE)
        index_put_side(index, number, (const uint8_t *)states.ptr, (uint16_t)states.len);
    if (told->flags & HAS_REASON)
        index_set_reason(index, entry, reason);
    index_show_as(index, number, told->since_ms, told->order);
    decoding->segment->live++;
    decoding->segment->live_bytes += is_first ? index_record_size(entry) : 0;
    if (entry->flags & INDEX_BODY_FILE)
        decoding->store->body_bytes += entry->size;
}

static bool decode_entry(struct decoding *decoding)
{
    struct cursor *cursor = &decoding->cursor;
    struct index_entry entry = { 0 };
    struct verdict reason = { 0 };
    struct str states = STR_NONE;
    uint32_t domain;

    decode_fixed(cursor, &entry, &domain);
    if (entry.flags & INDEX_SIDE)
        states = cursor_bytes(cursor, cursor_u16(cursor));
    if (entry.flags & HAS_REASON)
        reason = verdict_decode(cursor);
    if (!cursor_ok(cursor) || domain >= decoding->domain_count || !is_sound(&entry) ||
        (entry.flags & INDEX_SIDE && !side_is_sound(&entry, states)))
        return false;
    /* Without a side record all recipients share a state. */
    if (!(entry.flags & INDEX_SIDE) && entry.pending != entry.count && entry.rescued != entry.count)
        return false;
    if (index_find_entry(&decoding->store->index, entry.id, decoding->domain[domain]->name) != 0)
        return false;
    add_entry(decoding, &entry, decoding->domain[domain], states, &reason);
    return true;
}

static bool decode_head(struct decoding *decoding)
{
    struct cursor *cursor = &decoding->cursor;
    struct segment *segment = decoding->segment;

    struct str magic = cursor_bytes(cursor, sizeof index_magic);
    uint16_t version = cursor_u16(cursor);
    (void)cursor_u16(cursor);
    uint32_t number = cursor_u32(cursor);
    uint64_t generation = cursor_u64(cursor);
    segment->indexed.segment = cursor_u32(cursor);
    segment->indexed.offset = cursor_u64(cursor);
    return cursor_ok(cursor) && str_equals(magic, str_of(index_magic, sizeof index_magic)) &&
           version == INDEX_FILE_VERSION && number == segment->number &&
           generation == segment->generation;
}

bool index_file_peek(struct str bytes, uint32_t *out_number, uint64_t *out_generation)
{
    struct cursor sum = cursor_over(str_skip(bytes, bytes.len < 4 ? 0 : bytes.len - 4));
    struct cursor cursor = cursor_over(str_first(bytes, bytes.len < 4 ? 0 : bytes.len - 4));

    if (cursor_u32(&sum) != crc32c(0, cursor.left))
        return false;
    struct str magic = cursor_bytes(&cursor, sizeof index_magic);
    uint16_t version = cursor_u16(&cursor);
    (void)cursor_u16(&cursor);
    uint32_t number = cursor_u32(&cursor);
    uint64_t generation = cursor_u64(&cursor);
    if (!cursor_ok(&cursor) || !str_equals(magic, str_of(index_magic, sizeof index_magic)) ||
        version != INDEX_FILE_VERSION)
        return false;
    *out_number = number;
    *out_generation = generation;
    return true;
}

bool index_file_decode(struct str bytes, struct log_store *store, struct segment *segment)
{
    struct decoding decoding = { .store = store, .segment = segment };
    struct cursor sum = cursor_over(str_skip(bytes, bytes.len < 4 ? 0 : bytes.len - 4));

    if (bytes.len < 4)
        return false;
    decoding.cursor = cursor_over(str_first(bytes, bytes.len - 4));
    segment->index_check = cursor_u32(&sum);
    bool ok = segment->index_check == crc32c(0, decoding.cursor.left) && decode_head(&decoding) &&
              decode_domains(&decoding);
    uint32_t count = ok ? cursor_u32(&decoding.cursor) : 0;
    for (uint32_t i = 0; ok && i < count; i++)
        ok = decode_entry(&decoding);
    memory_free(decoding.domain);
    return ok && cursor_done(&decoding.cursor);
}
