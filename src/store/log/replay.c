/* SPDX-License-Identifier: ISC */
/* replay.c: the records of the segments, applied in order; steps 4 and 5 of recover.c. */
#include <errno.h>

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
        if (recovery->glance[i].segment > segment->number && recovery->glance[i].first_batch != 0)
            return true;
    return false;
}

static bool is_before(struct log_place a, struct log_place b)
{
    return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

static void log_damage(struct recovery *recovery, const struct log_damage *damage)
{
    static const char *const what[] = {
        [LOG_DAMAGE_GAP] = "records before this are lost",
        [LOG_DAMAGE_END] = "records from here on are lost",
        [LOG_DAMAGE_CONTENT] = "content",
        [LOG_DAMAGE_MEANING] = "meaning",
    };
    bool is_gap = damage->kind == LOG_DAMAGE_GAP;

    recovery->damaged++;
    log_error("segment_damaged", LOG_INT("segment", damage->segment),
              LOG_INT("offset", damage->offset + (is_gap ? damage->size : 0)),
              LOG_TEXT("what", what[damage->kind]));
    recovery_tell(recovery, damage);
}

static struct log_damage damage_at(const struct segment *segment, const struct scan_record *record,
                                   enum log_damage_kind kind)
{
    return (struct log_damage){ .kind = kind,
                                .segment = segment->number,
                                .offset = record->offset,
                                .size = record_size(&record->header),
                                .batch = record->header.batch };
}

static void log_damaged_record(struct recovery *recovery, const struct segment *segment,
                               const struct scan_record *record, enum log_damage_kind kind)
{
    const struct log_damage damage = damage_at(segment, record, kind);
    log_damage(recovery, &damage);
}

static void tell_of_record(struct recovery *recovery, const struct segment *segment,
                           const struct scan_record *record, enum log_damage_kind kind)
{
    const struct log_damage damage = damage_at(segment, record, kind);
    recovery_tell(recovery, &damage);
}

/* What would fit in: part of the batch before it; at the head of a segment, the next one. */
static void log_gap(struct recovery *recovery, const struct segment *segment,
                    const struct scan_record *before, const struct scan_record *record,
                    uint64_t start)
{
    struct log_damage damage = damage_at(segment, record, LOG_DAMAGE_GAP);

    damage.offset = start;
    if (before != NULL) {
        damage.offset = before->offset + record_size(&before->header);
        damage.batch = before->header.batch;
    } else if (recovery->store->batch > 0) {
        damage.batch = recovery->store->batch + 1;
    }
    damage.size = record->offset - damage.offset;
    log_damage(recovery, &damage);
}

static void replay_message(struct recovery *recovery, struct segment *segment,
                           const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct arena arena = { 0 };
    struct envelope envelope;
    uint64_t size;

    bool ok = message_meta_decode(meta, &arena, &size, &envelope) && size <= UINT32_MAX &&
              envelope.recipient_count > 0 &&
              (record->header.flags & RECORD_BODY_FILE || size == record->header.content_size);
    if (!ok) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
    } else if (index_find(&store->index, envelope.id, 0) == 0) {
        bool in_file = (record->header.flags & RECORD_BODY_FILE) != 0;
        index_add_message(&store->index, &envelope, size, in_file ? INDEX_BODY_FILE : 0);
        store->body_bytes += in_file ? size : 0;
        apply_message(store, envelope.id, envelope.received_ms, segment, record->offset);
    } else {
        tell_of_record(recovery, segment, record, LOG_DAMAGE_TWICE);
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
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
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

    if (record->is_damaged)
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_CONTENT);
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
        if (record->header.content_size > 0)
            tell_of_record(recovery, segment, record, LOG_DAMAGE_FILLED);
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

static void add_resume(struct log_store *store, const struct segment *segment)
{
    store->resume = memory_resize(store->resume, (store->resume_count + 1) * sizeof *store->resume);
    store->resume[store->resume_count++] =
        (struct resume_record){ .segment = segment->number, .offset = segment->end };
}

static void finish_segment(struct recovery *recovery, struct segment *segment,
                           const struct glance *glance, const struct scan *scan, uint64_t sure)
{
    struct log_store *store = recovery->store;
    bool is_empty = scan->count == 0 && scan->end == SEGMENT_HEADER_SIZE;

    segment->end = scan->end;
    if (scan->batch_max > store->batch)
        store->batch = scan->batch_max;
    struct log_damage damage = { .segment = segment->number,
                                 .offset = scan->end,
                                 .batch = sure > 0 ? sure : store->batch + 1 };
    if ((scan->is_cut || (is_empty && has_later(recovery, segment))) && glance->end_max == 0) {
        damage.kind = LOG_DAMAGE_END;
        log_damage(recovery, &damage);
    }
    if (scan->torn > 0) {
        log_info("segment_torn", LOG_INT("segment", segment->number), LOG_INT("offset", scan->end),
                 LOG_INT("records", scan->torn));
        damage.kind = LOG_DAMAGE_TORN;
        damage.size = scan->torn;
        recovery_tell(recovery, &damage);
    }
    if (glance->end_max != 0) {
        segment->state = SEGMENT_SEALED;
    } else if (!erase_torn(recovery, segment, scan)) {
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
    uint64_t sure = sure_batch(recovery, i);
    scan_segment(buf_str(&recovery->bytes), segment->generation, start, sure, &scan);
    for (uint32_t at = 0; at < scan.count; at++) {
        const struct scan_record *record = &scan.record[at];
        if (record->after_gap)
            log_gap(recovery, segment, at > 0 ? record - 1 : NULL, record, start);
        replay_record(recovery, segment, record);
    }
    finish_segment(recovery, segment, glance, &scan, sure);
    scan_fini(&scan);
    return 0;
}

int recovery_replay(struct recovery *recovery)
{
    struct segments *segments = &recovery->store->segments;
    int rc = 0;

    const struct log_examiner *examiner = recovery->store->settings.examiner;

    for (uint32_t i = 0; i < segments->count && rc == 0; i++) {
        if (segments->item[i]->number >= recovery->store->checkpoint.from.segment)
            rc = replay_segment(recovery, i);
        if (rc == 0 && examiner != NULL)
            examiner->segment_read(examiner->context, i + 1, segments->count);
    }
    return rc;
}
