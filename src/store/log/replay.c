/* SPDX-License-Identifier: ISC */
/* replay.c: the segments, read in order; steps 4 and 5 of recover.c. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "store/log/recover.h"

enum { SECTOR = 4096 };

/* One sector less than could be had: zeros in its place. */
static size_t skip_sector(struct recovery *recovery, const struct segment *segment, uint64_t offset,
                          size_t left)
{
    size_t size = (size_t)(SECTOR - offset % SECTOR);

    size = size < left ? size : left;
    memset(recovery->bytes.ptr + recovery->bytes.len, 0, size);
    if (recovery->unreadable == 0)
        log_error("segment_unreadable_part", LOG_INT("segment", segment->number),
                  LOG_INT("offset", offset));
    recovery->unreadable += size;
    recovery->damaged++;
    return size;
}

/* Reads as much as one call gives, or a sector where it gives an error. */
static ssize_t read_some(struct recovery *recovery, const struct segment *segment, uint64_t offset,
                         size_t left)
{
    const struct disk_driver *driver = recovery->store->disk->driver;
    char *to = recovery->bytes.ptr + recovery->bytes.len;
    size_t sector = (size_t)(SECTOR - offset % SECTOR);

    ssize_t got = driver->read(recovery->store->disk, segment->handle, to, left, offset);
    if (got == -EIO && left > sector) /* what stands before it may be good */
        got = driver->read(recovery->store->disk, segment->handle, to, sector, offset);
    return got == -EIO ? (ssize_t)skip_sector(recovery, segment, offset, left) : got;
}

int recovery_read(struct recovery *recovery, struct segment *segment, uint64_t offset,
                  uint64_t limit)
{
    struct buf *bytes = &recovery->bytes;

    int rc = segment_open(recovery->store, segment);
    if (rc < 0)
        return rc;
    buf_reset(bytes);
    buf_reserve(bytes, (size_t)limit);
    recovery->unreadable = 0;
    while (bytes->len < limit) {
        ssize_t got = read_some(recovery, segment, offset + bytes->len, (size_t)limit - bytes->len);
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
        if (recovery->glance[later].is_begun)
            return batch_before(recovery->glance[later].first_batch);
    return 0;
}

/* Segments are used in order: what has a later one has been used. */
static bool has_later(const struct recovery *recovery, uint32_t i)
{
    while (++i < recovery->store->segments.count)
        if (recovery->glance[i].is_begun)
            return true;
    return false;
}

/* Is the end of acknowledged records missing? The batch before the first one of the very next
 * segment was the last of this one. (Between this one and another that comes later, some may have
 * been forgotten.) */
static bool is_cut(const struct recovery *recovery, uint32_t i, const struct scan *scan)
{
    uint64_t sure = sure_batch(recovery, i);

    if (scan->count == 0 && scan->end == SEGMENT_HEADER_SIZE)
        return has_later(recovery, i);
    if (scan->count == 0 || sure == 0)
        return false;
    const struct record_header *last = &scan->record[scan->count - 1].header;
    const struct glance *next = &recovery->glance[i + 1];
    bool is_followed = next->segment == recovery->glance[i].segment + 1 && next->is_begun;
    /* The last batch of an earlier epoch may have been cut by a crash, and its rest erased. */
    bool is_sure = last->batch <= sure && last->batch >> 32 == sure >> 32;
    return (last->batch < sure && is_followed) ||
           (is_sure && last->batch_index + 1 < last->batch_count);
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

/* Where the last batch begins, of which alone it is not known that it was synced. */
static uint64_t last_batch(const struct scan *scan)
{
    uint32_t first = scan->count;

    while (first > 0 &&
           scan->record[first - 1].header.batch == scan->record[scan->count - 1].header.batch)
        first--;
    return scan->record[first].offset;
}

/* After a sync that failed, pages that never reached the disk may look as if they had. So the last
 * batch is written once more. */
static int write_last_again(struct recovery *recovery, const struct segment *segment,
                            const struct scan *scan)
{
    struct disk *disk = recovery->store->disk;

    if (scan->count == 0 || recovery->unreadable > 0 || recovery->store->settings.examiner != NULL)
        return 0;
    uint64_t from = last_batch(scan);
    struct iovec part = { recovery->bytes.ptr + from, (size_t)(scan->end - from) };
    return disk->driver->write(disk, segment->handle, &part, 1, from);
}

/* The disk fails now; before anything is said to be stored again, the batch is written (commit.c).
 * Else a later start, which finds newer batches, would take what the power took for damage. */
static void keep_last(struct recovery *recovery, const struct segment *segment,
                      const struct scan *scan)
{
    struct log_store *store = recovery->store;

    if (recovery->unreadable > 0)
        store->is_unsure_for_good = true;
    if (scan->count == 0 || recovery->unreadable > 0 || store->settings.examiner != NULL)
        return;
    store->unsure = memory_resize(store->unsure, (store->unsure_count + 1) * sizeof *store->unsure);
    struct unsure *unsure = &store->unsure[store->unsure_count++];
    *unsure = (struct unsure){ .segment = segment->number, .offset = last_batch(scan) };
    buf_add(&unsure->bytes, str_first(str_skip(buf_str(&recovery->bytes), (size_t)unsure->offset),
                                      (size_t)(scan->end - unsure->offset)));
}

/* What was read may be in the system's cache alone: a keeper that is killed between a write and its
 * sync leaves it there, and the power may still go. Nothing of it is said to be stored, nor taken
 * for settled, before it is on the medium. */
static bool make_stable(struct recovery *recovery, const struct segment *segment,
                        const struct scan *scan)
{
    struct log_store *store = recovery->store;
    int rc = write_last_again(recovery, segment, scan);

    if (rc == 0)
        rc = store->disk->driver->sync(store->disk, segment->handle);
    if (rc == 0)
        return true;
    log_error("segment_unsure", LOG_INT("segment", segment->number),
              LOG_TEXT("error", strerror(-rc)));
    keep_last(recovery, segment, scan);
    return false;
}

/* Has what was read last been acknowledged? Then it has been synced. */
static bool is_known(const struct scan *scan, uint64_t sure)
{
    return scan->count == 0 || scan->record[scan->count - 1].header.batch <= sure;
}

static void add_resume(struct log_store *store, const struct segment *segment)
{
    store->resume = memory_resize(store->resume, (store->resume_count + 1) * sizeof *store->resume);
    store->resume[store->resume_count++] =
        (struct resume_record){ .segment = segment->number, .offset = segment->end };
}

static void finish_segment(struct recovery *recovery, uint32_t i, const struct scan *scan)
{
    struct log_store *store = recovery->store;
    struct segment *segment = store->segments.item[i];
    const struct glance *glance = &recovery->glance[i];
    segment->end = scan->end;
    if (scan->batch_max > store->batch)
        store->batch = scan->batch_max;
    struct log_damage damage = { .segment = segment->number, .offset = scan->end };
    uint64_t sure = sure_batch(recovery, i);
    damage.batch = sure > 0 ? sure : store->batch + 1;
    if (glance->end_max == 0 && is_cut(recovery, i, scan)) {
        damage.kind = LOG_DAMAGE_END;
        recovery_log(recovery, &damage);
    }
    if (scan->torn > 0) {
        log_info("segment_torn", LOG_INT("segment", segment->number), LOG_INT("offset", scan->end),
                 LOG_INT("records", scan->torn));
        damage.kind = LOG_DAMAGE_TORN;
        damage.size = scan->torn;
        recovery_tell(recovery, &damage);
    }
    bool is_stable =
        glance->end_max != 0 || is_known(scan, sure) || make_stable(recovery, segment, scan);
    if (recovery->unreadable > 0 && glance->end_max == 0) {
        segment->state = SEGMENT_SEALED; /* as it is */
    } else if (glance->end_max != 0) {
        segment->state = SEGMENT_SEALED;
        segment->is_abandoned = true;
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
    /* A part that cannot be read today may be there tomorrow: nothing is taken for torn. */
    uint64_t sure = recovery->unreadable > 0 ? UINT64_MAX : sure_batch(recovery, i);
    scan_segment(buf_str(&recovery->bytes), segment->generation, start, sure, &scan);
    for (uint32_t at = 0; at < scan.count; at++) {
        const struct scan_record *record = &scan.record[at];
        if (record->after_gap)
            recovery_log_gap(recovery, segment, at > 0 ? record - 1 : NULL, record, start);
        replay_record(recovery, segment, record);
    }
    finish_segment(recovery, i, &scan);
    scan_fini(&scan);
    return 0;
}

/* Nothing is final before the last record has been read: "delivered", passed over for what had been
 * rescued, may stand in the log where the rescue itself was carried on to a later place. */
static void forget_gone(struct log_store *store)
{
    store->index.keeps_gone = false;
    for (uint32_t number = 0; (number = index_next(&store->index, number)) != 0;)
        if (index_entry(&store->index, number)->state == 0)
            apply_gone(store, number);
}

int recovery_replay(struct recovery *recovery)
{
    struct log_store *store = recovery->store;
    int rc = 0;

    const struct log_examiner *examiner = store->settings.examiner;

    store->index.keeps_gone = true;
    for (uint32_t i = 0; i < store->segments.count && rc == 0; i++) {
        if (store->segments.item[i]->number >= store->checkpoint.from.segment)
            rc = replay_segment(recovery, i);
        if (rc == 0 && examiner != NULL)
            examiner->segment_read(examiner->context, i + 1, store->segments.count);
    }
    forget_gone(store);
    return rc;
}
