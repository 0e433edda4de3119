/* SPDX-License-Identifier: ISC */
/* compact_batch.c: what compaction puts in front of a batch; see compact.c, whose first two
 * invariants are kept here.
 */
#include "base/memory.h"
#include "store/log/compact.h"

enum { SHARE = 1 << 20 }; /* of a batch, where others wait too */

/* Does the message live at this place? */
bool compact_lives_at(const struct log_store *store, struct message_id id, uint32_t segment,
                      uint64_t offset)
{
    uint32_t number = index_find(&store->index, id, 0);
    if (number == 0)
        return false;
    const struct index_entry *entry = index_entry(&store->index, number);
    return entry->segment == segment && (uint64_t)entry->place * RECORD_ALIGN == offset;
}

void compact_drop(struct log_store *store, struct carried *carried)
{
    list_remove(&carried->staged.link);
    store->memory -= carried->staged.head.cap;
    buf_fini(&carried->staged.head);
    memory_free(carried);
}

static void compose_states(struct log_store *store, struct carried *carried, struct buf *out)
{
    const struct index *index = &store->index;
    uint32_t number = 0;

    while ((number = index_find(index, carried->staged.id, number)) != 0) {
        buf_add_counted(out, index->domain[index_entry(index, number)->domain]->name);
        index_status_encode(out, index, number);
    }
}

static void compose_moved(struct log_store *store, struct carried *carried, struct buf *head)
{
    struct buf entries = { 0 };

    compose_states(store, carried, &entries);
    moved_meta_begin(head, carried->of, buf_str(&entries));
    buf_add(head, carried->part);
    buf_fini(&entries);
}

static void compose_state(struct log_store *store, struct carried *carried, struct buf *head)
{
    struct buf status = { 0 };
    uint32_t number = index_find_entry(&store->index, carried->staged.id, carried->part);

    index_status_encode(&status, &store->index, number);
    struct state_record state = { .id = carried->staged.id,
                                  .segment = carried->of,
                                  .domain = carried->part,
                                  .status = buf_str(&status) };
    state_meta_encode(head, &state);
    buf_fini(&status);
}

/* The record as it must be now. False: there is nothing to say any more. */
static bool compose(struct log_store *store, struct carried *carried)
{
    struct staged *staged = &carried->staged;
    struct buf *head = &staged->head;

    if (staged->type == RECORD_MOVED
            ? !compact_lives_at(store, staged->id, carried->of, carried->offset)
            : segment_find(&store->segments, carried->of) == NULL)
        return false;
    store->memory -= head->cap;
    buf_reset(head);
    buf_reserve(head, RECORD_HEADER_SIZE * 4);
    head->len = RECORD_HEADER_SIZE;
    if (staged->type == RECORD_MOVED)
        compose_moved(store, carried, head);
    else
        compose_state(store, carried, head);
    staged->meta_size = (uint32_t)(head->len - RECORD_HEADER_SIZE);
    store->memory += head->cap;
    return true;
}

bool compact_gather(struct log_store *store, uint64_t room)
{
    struct compact *compact = &store->compact;
    struct commit *commit = &store->commit;
    uint64_t size_max = list_is_empty(&store->staged) ? COMPACT_SLICE : SHARE;
    uint64_t start = commit->size;

    list_each_safe (link, &compact->ready) {
        struct carried *carried = carried_of(container_of(link, struct staged, link));
        if (!compose(store, carried)) {
            compact_drop(store, carried);
            continue;
        }
        uint64_t size = staged_size(&carried->staged);
        if (commit->size + size > room)
            return true;
        if (commit->size - start > size_max || commit->count >= COMMIT_RECORDS_MAX / 2)
            return false;
        compact->under_way++;
        commit_add(store, &carried->staged);
    }
    return false;
}

bool compact_may_go_on(const struct log_store *store)
{
    uint32_t spares = segment_spares(&store->segments);
    return spares > 1 ||
           (spares == 1 && (store->compact.may_use_reserve || prepare_can_grow(store)));
}

void compact_record_written(struct log_store *store, struct staged *staged)
{
    struct compact *compact = &store->compact;
    struct segment *current = store->segments.current;

    segment_speaks_of(current, carried_of(staged)->of);
    if (staged->type == RECORD_STATE) {
        current->carried += staged_size(staged);
        return;
    }
    apply_move(store, staged->id, current, staged->offset,
               message_head_size(staged->flags, staged->meta_size, staged->front_size));
    compact->messages++;
    compact->octets += staged_size(staged);
}

void compact_record_done(struct log_store *store, struct staged *staged)
{
    store->compact.under_way--;
    compact_drop(store, carried_of(staged));
}
