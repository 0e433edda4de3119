/* SPDX-License-Identifier: ISC */
/* checkpoint_load.c: reads what checkpoint.c has written.
 *
 * Either all of it is good, or none of it is used: the files and the segments they
 * speak of belong together. A segment that is listed but no longer there has been
 * reused, which happens only when all of its messages were settled.
 */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/log.h"
#include "store/log/log_private.h"

enum { CHECKPOINT_SIZE_MAX = 64 << 20, INDEX_FILE_SIZE_MAX = 256 << 20 };

/* The index file of a segment as the checkpoint knew it, or a later one. */
static bool load_index(struct log_store *store, struct segment *segment, uint32_t sum)
{
    char name[FILE_NAME_SIZE];
    struct buf bytes = { 0 };
    struct log_place from = store->checkpoint.from;

    segment_file_name(name, segment->number, SEGMENT_INDEX);
    bool ok = log_read_file(store->disk, name, INDEX_FILE_SIZE_MAX, &bytes) == 0 &&
              index_file_decode(buf_str(&bytes), store, segment);
    bool is_later =
        segment->indexed.segment > from.segment ||
        (segment->indexed.segment == from.segment && segment->indexed.offset >= from.offset);
    buf_fini(&bytes);
    if (!ok || (segment->index_check != sum && !is_later)) {
        log_warn("index_file_unusable", LOG_TEXT("file", name));
        return false;
    }
    segment->dirty = false;
    return true;
}

static bool load_segment(struct log_store *store, struct cursor *cursor)
{
    uint32_t number = cursor_u32(cursor);
    uint64_t generation = cursor_u64(cursor);
    uint64_t end = cursor_u64(cursor);
    uint64_t carried = cursor_u64(cursor);
    uint32_t live = cursor_u32(cursor);
    uint32_t sum = cursor_u32(cursor);
    uint32_t spoken = cursor_u32(cursor);
    struct segment *segment = segment_find(&store->segments, number);

    if (segment != NULL && segment->generation != generation)
        return false;
    for (uint32_t i = 0; i < spoken && cursor_ok(cursor); i++) {
        uint32_t of = cursor_u32(cursor);
        if (segment != NULL)
            segment_speaks_of(segment, of);
    }
    if (segment == NULL || !cursor_ok(cursor))
        return cursor_ok(cursor); /* forgotten since, all of its messages settled */
    if (end < SEGMENT_HEADER_SIZE || end % RECORD_ALIGN != 0)
        return false;
    segment->end = end;
    segment->carried = carried;
    segment->state = SEGMENT_SEALED;
    return live == 0 || load_index(store, segment, sum);
}

/* Every segment that will not be read must have been spoken of. */
static bool is_complete(const struct log_store *store)
{
    for (uint32_t i = 0; i < store->segments.count; i++) {
        const struct segment *segment = store->segments.item[i];
        if (checkpoint_lists(segment, store->checkpoint.from) && segment->state != SEGMENT_SEALED)
            return false;
    }
    return true;
}

static bool load(struct log_store *store, struct str bytes)
{
    struct cursor cursor = cursor_over(str_first(bytes, bytes.len - 4));
    struct cursor sum = cursor_over(str_skip(bytes, bytes.len - 4));

    if (cursor_u32(&sum) != crc32c(0, cursor.left))
        return false;
    struct str magic = cursor_bytes(&cursor, sizeof checkpoint_magic);
    uint16_t version = cursor_u16(&cursor);
    (void)cursor_u16(&cursor);
    store->checkpoint.from.segment = cursor_u32(&cursor);
    store->checkpoint.from.offset = cursor_u64(&cursor);
    store->batch = cursor_u64(&cursor);
    store->index.order_next = cursor_u64(&cursor);
    uint32_t segments = cursor_u32(&cursor);
    if (!cursor_ok(&cursor) || version != CHECKPOINT_VERSION ||
        store->checkpoint.from.offset < SEGMENT_HEADER_SIZE ||
        store->checkpoint.from.offset % RECORD_ALIGN != 0 ||
        !str_equals(magic, str_of(checkpoint_magic, sizeof checkpoint_magic)))
        return false;
    for (uint32_t i = 0; i < segments; i++)
        if (!load_segment(store, &cursor))
            return false;
    recent_decode(&cursor, &store->recent);
    return cursor_done(&cursor) && is_complete(store);
}

static void forget_all(struct log_store *store)
{
    index_fini(&store->index);
    index_init(&store->index);
    recent_fini(&store->recent);
    store->checkpoint.from = (struct log_place){ 0 };
    store->batch = 0;
    store->body_bytes = 0;
    for (uint32_t i = 0; i < store->segments.count; i++) {
        struct segment *segment = store->segments.item[i];
        segment->state = SEGMENT_SPARE;
        segment->end = SEGMENT_HEADER_SIZE;
        segment->live = 0;
        segment->live_bytes = 0;
        segment->carried = 0;
        segment->spoken_count = 0;
        segment->dirty = true;
        segment->indexed = (struct log_place){ 0 };
    }
}

bool checkpoint_load(struct log_store *store)
{
    struct buf bytes = { 0 };
    int rc = log_read_file(store->disk, "checkpoint", CHECKPOINT_SIZE_MAX, &bytes);
    bool ok = rc == 0 && bytes.len >= 4 && load(store, buf_str(&bytes));

    buf_fini(&bytes);
    if (ok)
        return true;
    if (rc != -ENOENT)
        log_warn("checkpoint_unusable", LOG_TEXT("then", "reading all segments"));
    forget_all(store);
    return false;
}
