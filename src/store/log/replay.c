/* SPDX-License-Identifier: ISC */
/* replay.c: the records of the segments, applied in order; steps 4 and 5 of recover.c. */
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
        if (recovery->glance[later].first_batch != 0)
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

/* What a MESSAGE or a MOVED says. */
struct told {
    struct message_parts parts;
    struct envelope envelope;
    uint64_t size;
    uint64_t head; /* octets of the record beside the content */
};

static bool read_message(const struct scan_record *record, struct str meta, struct arena *arena,
                         struct told *told)
{
    told->head = RECORD_HEADER_SIZE + (uint64_t)record->header.meta_size;
    return message_parts_decode(&record->header, meta, &told->parts) &&
           message_meta_decode(told->parts.message, arena, &told->size, &told->envelope) &&
           told->size <= UINT32_MAX && told->envelope.recipient_count > 0 &&
           (record->header.flags & RECORD_BODY_FILE || told->size == record->header.content_size);
}

static void add_message(struct log_store *store, const struct scan_record *record,
                        const struct told *told)
{
    bool in_file = (record->header.flags & RECORD_BODY_FILE) != 0;
    index_add_message(&store->index, &told->envelope, told->size, in_file ? INDEX_BODY_FILE : 0);
    store->body_bytes += in_file ? told->size : 0;
}

/* The status that a MOVED gives this domain's entry. False: it names none. */
static bool find_status(const struct told *told, struct str domain, struct index_status *out)
{
    struct cursor cursor = cursor_over(told->parts.entries);

    while (cursor.left.len > 0) {
        struct str name = cursor_counted(&cursor);
        if (!index_status_decode(&cursor, out))
            return false;
        if (str_equals(name, domain))
            return true;
    }
    return false;
}

static bool restore(struct log_store *store, uint32_t number, const struct index_status *status)
{
    struct segment *segment =
        segment_find(&store->segments, index_entry(&store->index, number)->segment);
    if (segment != NULL)
        segment->dirty = true;
    return index_restore(&store->index, number, status);
}

/* Every entry of the message gets the status it had when it was moved. */
static void restore_entries(struct log_store *store, const struct told *told)
{
    static const struct index_status gone;
    struct index *index = &store->index;
    uint32_t number = 0;

    while ((number = index_find(index, told->envelope.id, number)) != 0) {
        const struct index_entry *entry = index_entry(index, number);
        struct index_status status;
        bool is_named = find_status(told, index->domain[entry->domain]->name, &status);
        if (!restore(store, number, is_named ? &status : &gone) && entry->state == 0)
            index_show(index, number, told->envelope.received_ms);
    }
}

/* The old copy, if there is one, is given up, unless it is the only good one. */
static void replay_moved(struct recovery *recovery, struct segment *segment,
                         const struct scan_record *record, const struct told *told)
{
    struct log_store *store = recovery->store;
    struct message_id id = told->envelope.id;
    bool is_known = index_find(&store->index, id, 0) != 0;

    segment_speaks_of(segment, told->parts.from);
    if (!is_known)
        add_message(store, record, told);
    if (!is_known || !record->is_damaged)
        apply_move(store, id, segment, record->offset, told->head);
    restore_entries(store, told);
}

/* Where an index file was written and the list was not any more, the file knows more than the list:
 * a message that stands before the file's place and is not in it has been settled since. */
static void replay_message(struct recovery *recovery, struct segment *segment,
                           const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct arena arena = { 0 };
    struct told told;

    if (!read_message(record, meta, &arena, &told)) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
    } else if (is_before(place, segment->indexed)) {
        segment_speaks_of(segment, told.parts.from);
        if (index_find(&store->index, told.envelope.id, 0) == 0)
            recent_add(&store->recent, told.envelope.id);
    } else if (record->header.type == RECORD_MOVED) {
        replay_moved(recovery, segment, record, &told);
    } else if (index_find(&store->index, told.envelope.id, 0) == 0) {
        add_message(store, record, &told);
        apply_message(store, told.envelope.id, told.envelope.received_ms, segment, record->offset,
                      told.head);
    } else {
        tell_of_record(recovery, segment, record, LOG_DAMAGE_TWICE);
    }
    arena_fini(&arena);
}

/* The entry of which a record at this place speaks; 0 if it is gone, or if the index file of its
 * segment knows of the record already. */
static uint32_t find_spoken(const struct log_store *store, struct message_id id, struct str domain,
                            struct log_place place)
{
    uint32_t number = index_find_entry(&store->index, id, domain);
    const struct segment *of =
        number != 0 ? segment_find(&store->segments, index_entry(&store->index, number)->segment)
                    : NULL;
    return of != NULL && !is_before(place, of->indexed) ? number : 0;
}

static void replay_state(struct recovery *recovery, struct segment *segment,
                         const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct state_record state;
    struct index_status status;

    bool ok = state_meta_decode(meta, &state);
    struct cursor cursor = cursor_over(ok ? state.status : STR_NONE);
    if (!ok || !index_status_decode(&cursor, &status)) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
        return;
    }
    segment_speaks_of(segment, state.segment);
    segment->carried += record_size(&record->header);
    uint32_t number = find_spoken(store, state.id, state.domain, place);
    if (number != 0)
        (void)restore(store, number, &status);
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
    if (find_spoken(store, settle.id, settle.domain, place) != 0)
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
    case RECORD_MOVED:
        replay_message(recovery, segment, record, meta);
        break;
    case RECORD_STATE:
        replay_state(recovery, segment, record, meta);
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
        log_damage(recovery, &damage);
    }
    if (scan->torn > 0) {
        log_info("segment_torn", LOG_INT("segment", segment->number), LOG_INT("offset", scan->end),
                 LOG_INT("records", scan->torn));
        damage.kind = LOG_DAMAGE_TORN;
        damage.size = scan->torn;
        recovery_tell(recovery, &damage);
    }
    bool is_stable = make_stable(store, segment);
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
            log_gap(recovery, segment, at > 0 ? record - 1 : NULL, record, start);
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
