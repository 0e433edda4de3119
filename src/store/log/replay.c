/* SPDX-License-Identifier: ISC */
/* replay.c: the records of the segments, applied in order; steps 4 and 5 of recover.c. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/log/recover.h"

int recovery_read(struct recovery *recovery, struct segment *segment, uint64_t offset,
                  uint64_t limit)
{
    struct disk *disk = recovery->store->disk;
    struct buf *bytes = &recovery->bytes;

    int rc = segment_open(recovery->store, segment);
    if (rc < 0)
        return rc;
    buf_reset(bytes);
    buf_reserve(bytes, (size_t)limit);
    while (bytes->len < limit) {
        ssize_t got = disk->driver->read(disk, segment->handle, bytes->ptr + bytes->len,
                                         (size_t)limit - bytes->len, offset + bytes->len);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return 0;
        bytes->len += (size_t)got;
    }
    return 0;
}

/* The batch up to which everything before the end of this segment has been acknowledged. */
static uint64_t sure_batch(const struct recovery *recovery, uint32_t i)
{
    for (uint32_t later = i + 1; later < recovery->store->segments.count; later++)
        if (recovery->glance[later].first_batch != 0)
            return batch_before(recovery->glance[later].first_batch);
    return 0;
}

/* Segments are used in order: what has a later one has been used. */
static bool has_later(const struct recovery *recovery, const struct segment *segment)
{
    for (uint32_t i = 0; i < recovery->store->segments.count; i++)
        if (recovery->glance[i].segment > segment->number && recovery->glance[i].is_begun)
            return true;
    return false;
}

/* Is the segment still there that was used right after this one? Only then is it known where the
 * batches of this one ended: a segment whose mail is all settled has gone, with its batches. */
static bool has_next(const struct recovery *recovery, const struct segment *segment)
{
    for (uint32_t i = 0; i < recovery->store->segments.count; i++)
        if (recovery->glance[i].segment == segment->number + 1 &&
            recovery->glance[i].first_batch != 0)
            return true;
    return false;
}

static bool is_before(struct log_place a, struct log_place b)
{
    return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

static void log_damage(struct recovery *recovery, uint32_t segment, uint64_t offset,
                       const char *what)
{
    recovery->damaged++;
    log_error("segment_damaged", LOG_INT("segment", segment), LOG_INT("offset", offset),
              LOG_TEXT("what", what));
}

/* Where an index file was written and the list was not any more, the file knows more than the list:
 * a message that stands before the file's place and is not in it has been settled since. */
static void replay_message(struct recovery *recovery, struct segment *segment,
                           const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct arena arena = { 0 };
    struct envelope envelope;
    uint64_t size;

    bool ok = message_meta_decode(meta, &arena, &size, &envelope) && size <= UINT32_MAX &&
              envelope.recipient_count > 0 &&
              (record->header.flags & RECORD_BODY_FILE || size == record->header.content_size);
    if (!ok) {
        log_damage(recovery, segment->number, record->offset, "envelope");
    } else if (index_find(&store->index, envelope.id, 0) != 0) {
        /* the index file has it */
    } else if (is_before(place, segment->indexed)) {
        recent_add(&store->recent, envelope.id);
    } else {
        bool in_file = (record->header.flags & RECORD_BODY_FILE) != 0;
        index_add_message(&store->index, &envelope, size, in_file ? INDEX_BODY_FILE : 0);
        store->body_bytes += in_file ? size : 0;
        apply_message(store, envelope.id, envelope.received_ms, segment, record->offset);
    }
    arena_fini(&arena);
}

static void replay_settle(struct recovery *recovery, struct segment *segment,
                          const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct settle_record settle;

    if (!settle_meta_decode(meta, &settle)) {
        log_damage(recovery, segment->number, record->offset, "settlement");
        return;
    }
    segment_speaks_of(segment, settle.segment);
    uint32_t number = index_find_entry(&store->index, settle.id, settle.domain);
    if (number == 0)
        return;
    const struct segment *of =
        segment_find(&store->segments, index_entry(&store->index, number)->segment);
    if (of != NULL && !is_before(place, of->indexed))
        apply_settle(store, &settle);
}

static void replay_record(struct recovery *recovery, struct segment *segment,
                          const struct scan_record *record)
{
    struct resume_record resume;
    struct str meta =
        str_of(recovery->bytes.ptr + record->offset + RECORD_HEADER_SIZE, record->header.meta_size);

    if (record->after_gap)
        log_damage(recovery, segment->number, record->offset, "records before this are lost");
    if (record->is_damaged)
        log_damage(recovery, segment->number, record->offset, "content");
    switch ((enum record_type)record->header.type) {
    case RECORD_MESSAGE:
        replay_message(recovery, segment, record, meta);
        break;
    case RECORD_SETTLE:
        replay_settle(recovery, segment, record, meta);
        break;
    case RECORD_RESUME:
        if (resume_meta_decode(meta, &resume))
            segment_speaks_of(segment, resume.segment);
        break;
    }
}

/* 5. True if the segment can be gone on in. */
static bool erase_torn(struct recovery *recovery, const struct segment *segment,
                       const struct scan *scan)
{
    struct disk *disk = recovery->store->disk;

    if (scan->seen_end <= scan->end)
        return true;
    size_t size = (size_t)(scan->seen_end - scan->end);
    char *zeros = memory_new(size);
    struct iovec part = { zeros, size };
    int rc = disk->driver->write(disk, segment->handle, &part, 1, scan->end);
    if (rc == 0)
        rc = disk->driver->sync(disk, segment->handle);
    memory_free(zeros);
    return rc == 0;
}

/* What was read may be in the system's cache alone: a keeper that is killed between a write and its
 * sync leaves it there, and the power may still go. Nothing of it is said to be stored, nor taken
 * for settled, before it is on the medium. */
static bool make_stable(struct log_store *store, const struct segment *segment)
{
    int rc = store->disk->driver->sync(store->disk, segment->handle);

    if (rc == 0)
        return true;
    log_error("segment_unsure", LOG_INT("segment", segment->number),
              LOG_TEXT("error", strerror(-rc)));
    store->unsure = true;
    return false;
}

static void add_resume(struct log_store *store, const struct segment *segment)
{
    store->resume = memory_resize(store->resume, (store->resume_count + 1) * sizeof *store->resume);
    store->resume[store->resume_count++] =
        (struct resume_record){ .segment = segment->number, .offset = segment->end };
}

static void finish_segment(struct recovery *recovery, struct segment *segment,
                           const struct glance *glance, const struct scan *scan)
{
    struct log_store *store = recovery->store;
    bool is_empty = scan->count == 0 && scan->end == SEGMENT_HEADER_SIZE;
    bool is_cut = scan->is_cut && has_next(recovery, segment);

    segment->end = scan->end;
    if (scan->batch_max > store->batch)
        store->batch = scan->batch_max;
    if ((is_cut || (is_empty && has_later(recovery, segment))) && glance->end_max == 0)
        log_damage(recovery, segment->number, scan->end, "records from here on are lost");
    if (scan->torn > 0)
        log_info("segment_torn", LOG_INT("segment", segment->number), LOG_INT("offset", scan->end),
                 LOG_INT("records", scan->torn));
    bool is_stable = make_stable(store, segment);
    if (glance->end_max != 0) {
        segment->state = SEGMENT_SEALED;
    } else if (!is_stable || !erase_torn(recovery, segment, scan)) {
        segment->state = SEGMENT_SEALED;
        add_resume(store, segment);
    }
}

static int replay_segment(struct recovery *recovery, uint32_t i)
{
    struct log_store *store = recovery->store;
    struct segment *segment = store->segments.item[i];
    const struct glance *glance = &recovery->glance[i];
    struct log_place from = store->checkpoint.from;
    uint64_t start = segment->number == from.segment ? from.offset : SEGMENT_HEADER_SIZE;
    struct scan scan;

    int rc = segment_open(store, segment);
    if (rc < 0)
        return rc;
    int64_t size = store->disk->driver->size(store->disk, segment->handle);
    if (size < 0)
        return (int)size;
    uint64_t limit = (uint64_t)size;
    if (glance->end_max != 0 && glance->end_max < limit)
        limit = glance->end_max;
    rc = recovery_read(recovery, segment, 0, limit);
    if (rc < 0)
        return rc;
    scan_segment(buf_str(&recovery->bytes), segment->generation, start, sure_batch(recovery, i),
                 &scan);
    for (uint32_t at = 0; at < scan.count; at++)
        replay_record(recovery, segment, &scan.record[at]);
    finish_segment(recovery, segment, glance, &scan);
    scan_fini(&scan);
    return 0;
}

int recovery_replay(struct recovery *recovery)
{
    struct segments *segments = &recovery->store->segments;
    int rc = 0;

    for (uint32_t i = 0; i < segments->count && rc == 0; i++)
        if (segments->item[i]->number >= recovery->store->checkpoint.from.segment)
            rc = replay_segment(recovery, i);
    return rc;
}
