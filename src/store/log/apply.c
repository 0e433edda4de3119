/* SPDX-License-Identifier: ISC */
/* apply.c: what a durable record means for the index; the same at a commit and at a start. */
#include "base/check.h"
#include "store/log/log_private.h"

void apply_message(struct log_store *store, struct message_id id, int64_t received_ms,
                   struct segment *segment, uint64_t offset)
{
    uint32_t number = 0;

    while ((number = index_find(&store->index, id, number)) != 0) {
        struct index_entry *entry = index_entry(&store->index, number);
        entry->segment = segment->number;
        entry->place = (uint32_t)(offset / RECORD_ALIGN);
        segment->live++;
        segment->live_bytes += entry->size;
        index_show(&store->index, number, received_ms);
    }
    segment->dirty = true;
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
    if (!index_settle(&store->index, number, settle))
        return;
    check(segment->live > 0);
    segment->live--;
    segment->live_bytes -= before.size;
    if (segment->live == 0)
        store->sweep = true;
    if (index_find(&store->index, settle->id, 0) == 0)
        forget_message(store, &before);
}
