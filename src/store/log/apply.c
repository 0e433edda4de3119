/* SPDX-License-Identifier: ISC */
/* apply.c: what a durable record means for the index; the same at a commit and at a start.
 *
 * All entries of a message live in the segment that holds its record. Its octets count as alive
 * there until the last of them is gone.
 */
#include "base/check.h"
#include "store/log/log_private.h"

static uint16_t head_units(uint64_t head)
{
    uint64_t units = (head + HEAD_UNIT - 1) / HEAD_UNIT;
    return units < UINT16_MAX ? (uint16_t)units : UINT16_MAX;
}

static void place_message(struct log_store *store, struct message_id id, struct segment *segment,
                          uint64_t offset, uint64_t head)
{
    uint32_t number = 0;
    uint64_t size = 0;

    while ((number = index_find(&store->index, id, number)) != 0) {
        struct index_entry *entry = index_entry(&store->index, number);
        entry->segment = segment->number;
        entry->place = (uint32_t)(offset / RECORD_ALIGN);
        entry->head = head_units(head);
        size = index_record_size(entry);
        segment->live++;
    }
    segment->live_bytes += size;
    segment->dirty = true;
}

void apply_message(struct log_store *store, struct message_id id, int64_t received_ms,
                   struct segment *segment, uint64_t offset, uint64_t head)
{
    uint32_t number = 0;

    place_message(store, id, segment, offset, head);
    while ((number = index_find(&store->index, id, number)) != 0)
        index_show(&store->index, number, received_ms);
}

/* One entry less lives in its segment; `size` octets of its record with it, if it was the last. */
static void leave_segment(struct log_store *store, uint32_t of, uint64_t size)
{
    struct segment *segment = segment_find(&store->segments, of);
    if (segment == NULL)
        return;
    check(segment->live > 0 && segment->live_bytes >= size);
    segment->live--;
    segment->live_bytes -= size;
    segment->dirty = true;
    if (segment->live == 0)
        store->sweep = true;
    compact_notice(store, segment);
}

void apply_move(struct log_store *store, struct message_id id, struct segment *segment,
                uint64_t offset, uint64_t head)
{
    uint32_t number = 0;
    bool is_first = true;

    while ((number = index_find(&store->index, id, number)) != 0) {
        const struct index_entry *entry = index_entry(&store->index, number);
        leave_segment(store, entry->segment, is_first ? index_record_size(entry) : 0);
        is_first = false;
    }
    place_message(store, id, segment, offset, head);
}

static void forget_message(struct log_store *store, const struct index_entry *entry)
{
    char name[FILE_NAME_SIZE];

    recent_add(&store->recent, entry->id);
    if (!(entry->flags & INDEX_BODY_FILE))
        return;
    store->body_bytes -= entry->size;
    body_file_name(name, entry->id);
    pin_remove_body(store, name);
}

/* An entry has been removed from the index. */
static void entry_gone(struct log_store *store, const struct index_entry *before)
{
    bool is_last = index_find(&store->index, before->id, 0) == 0;

    leave_segment(store, before->segment, is_last ? index_record_size(before) : 0);
    if (is_last)
        forget_message(store, before);
}

void apply_gone(struct log_store *store, uint32_t number)
{
    struct index_entry before = *index_entry(&store->index, number);

    index_remove(&store->index, number);
    entry_gone(store, &before);
}

void apply_settle(struct log_store *store, const struct settle_record *settle)
{
    uint32_t number = index_find_entry(&store->index, settle->id, settle->domain);
    if (number == 0)
        return;
    struct index_entry before = *index_entry(&store->index, number);
    struct segment *segment = segment_find(&store->segments, before.segment);
    if (segment == NULL)
        return;
    segment->dirty = true;
    if (index_settle(&store->index, number, settle))
        entry_gone(store, &before);
}
