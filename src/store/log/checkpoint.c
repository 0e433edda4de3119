/* SPDX-License-Identifier: ISC */
/* checkpoint.c: what makes the next start fast.
 *
 *     IDLE --checkpoint_turn--> GATHER --> INDEX (a file a segment) --> LIST --> IDLE
 *
 * After every CHECKPOINT_SEGMENTS segments, and at closing, each sealed segment
 * that changed gets an index file of its live entries; then the file "checkpoint"
 * says from where on the log must be read. All of it is written to a file aside,
 * synced and renamed. It is only a shortcut: the segments alone say everything, and
 * if anything here is missing or damaged, they are read.
 *
 * Entries are gathered in slices, so that a million of them hold up nobody. An
 * index file says the point of the log up to which it is true; settlements behind
 * this point are read again at the start, those before it are not: applied a second
 * time, "delivered" could meet a recipient that was released later.
 *
 * "checkpoint", numbers little-endian:
 *     0  8 bytes "HFCHKPNT"   8  u16 version (2)   10  u16 zero
 *    12  u32, u64 place (segment, offset) to read on from
 *    24  u64 number of the last batch   32  u64 next order
 *    40  u32 segments before that place, for each
 *            u32 number; u64 generation; u64 end; u64 octets of STATE records; u32 live
 *            entries; u32 CRC32C that stands in its index file; u32 n, n times u32 segment it
 *            speaks of
 *     …  recently settled: u32 n, n times u64 (recent.h)
 *     …  u32 CRC32C of all that stands before
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/log_private.h"

enum { GATHER_SLICE = 16384 };

const char checkpoint_magic[8] = "HFCHKPNT";

/* ---- the job: one file ---- */

static int write_aside(struct checkpoint *checkpoint, const char *aside)
{
    const struct disk_driver *driver = checkpoint->disk->driver;
    struct disk *disk = checkpoint->disk;
    struct iovec part = { checkpoint->bytes.ptr, checkpoint->bytes.len };

    (void)driver->remove(disk, aside); /* one that was not finished */
    int handle = driver->open(disk, aside, DISK_WRITE | DISK_CREATE);
    if (handle < 0)
        return handle;
    int rc = driver->write(disk, handle, &part, 1, 0);
    if (rc == 0)
        rc = driver->sync(disk, handle);
    driver->close(disk, handle);
    if (rc == 0)
        rc = driver->rename(disk, aside, checkpoint->name);
    if (rc < 0)
        (void)driver->remove(disk, aside);
    return rc;
}

/* What has been held so long is not asked for soon. Mail that streams through the cache would take
 * its room from all that is used again, ours included: fresh pages cost more than old ones. */
static void forget_cold(struct checkpoint *checkpoint)
{
    const struct disk_driver *driver = checkpoint->disk->driver;

    if (checkpoint->cold[0] == '\0')
        return;
    int handle = driver->open(checkpoint->disk, checkpoint->cold, DISK_READ);
    if (handle < 0)
        return; /* it is used again meanwhile */
    driver->forget(checkpoint->disk, handle);
    driver->close(checkpoint->disk, handle);
}

static void checkpoint_run(struct worker_job *job)
{
    struct checkpoint *checkpoint = container_of(job, struct checkpoint, job);
    bool is_list = checkpoint->step == CHECKPOINT_LIST;

    /* The index files' names are durable before the list that speaks of them. */
    int rc = is_list ? checkpoint->disk->driver->sync_names(checkpoint->disk) : 0;
    if (rc == 0)
        rc = write_aside(checkpoint, is_list ? "checkpoint.tmp" : "index.tmp");
    if (rc == 0 && is_list)
        rc = checkpoint->disk->driver->sync_names(checkpoint->disk);
    checkpoint->error = rc;
    forget_cold(checkpoint);
}

/* ---- gathering ---- */

/* Does the segment, or its part that was written, lie before the place? */
bool checkpoint_lists(const struct segment *segment, struct log_place from)
{
    return segment->number < from.segment ||
           (segment->number == from.segment && from.offset > SEGMENT_HEADER_SIZE);
}

static bool wants_index(const struct segment *segment)
{
    return segment->dirty && segment->live > 0 &&
           (segment->state == SEGMENT_SEALED || segment->state == SEGMENT_CURRENT);
}

static void begin(struct log_store *store, struct log_place from)
{
    struct checkpoint *checkpoint = &store->checkpoint;
    struct segments *segments = &store->segments;

    checkpoint_fini(checkpoint);
    checkpoint->step = CHECKPOINT_GATHER;
    checkpoint->sealed = 0;
    checkpoint->cursor = 0;
    checkpoint->group_at = 0;
    checkpoint->from = from;
    checkpoint->batch = store->batch;
    checkpoint->group = memory_new(segments->count * sizeof *checkpoint->group);
    for (uint32_t i = 0; i < segments->count; i++) {
        const struct segment *segment = segments->item[i];
        if (checkpoint_lists(segment, from) && wants_index(segment))
            checkpoint->group[checkpoint->group_count++].segment = segment->number;
    }
}

static struct checkpoint_group *find_group(struct checkpoint *checkpoint, uint32_t segment)
{
    uint32_t low = 0;
    uint32_t high = checkpoint->group_count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (checkpoint->group[middle].segment < segment)
            low = middle + 1;
        else
            high = middle;
    }
    bool found = low < checkpoint->group_count && checkpoint->group[low].segment == segment;
    return found ? &checkpoint->group[low] : NULL;
}

static void add_to_group(struct checkpoint_group *group, uint32_t number)
{
    if (group->count == group->cap) {
        group->cap = group->cap > 0 ? group->cap * 2 : 256;
        group->number = memory_resize(group->number, group->cap * sizeof *group->number);
    }
    group->number[group->count++] = number;
}

static void gather(struct log_store *store, uint32_t slice)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    for (uint32_t i = 0; i < slice; i++) {
        checkpoint->cursor = index_next(&store->index, checkpoint->cursor);
        if (checkpoint->cursor == 0) {
            checkpoint->step = CHECKPOINT_INDEX;
            return;
        }
        const struct index_entry *entry = index_entry(&store->index, checkpoint->cursor);
        struct checkpoint_group *group = find_group(checkpoint, entry->segment);
        if (group != NULL)
            add_to_group(group, checkpoint->cursor);
    }
}

/* Some of the gathered may be gone, and their numbers may name others now. */
static void drop_gone(const struct log_store *store, struct checkpoint_group *group)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < group->count; i++) {
        uint32_t number = group->number[i];
        if (index_next(&store->index, number - 1) == number &&
            index_entry(&store->index, number)->segment == group->segment)
            group->number[kept++] = number;
    }
    group->count = kept;
}

/* ---- one file after the other ---- */

/* The segment whose index file is written next, once. */
static void cool(struct checkpoint *checkpoint, struct segment *segment)
{
    checkpoint->cold[0] = '\0';
    if (segment->state != SEGMENT_SEALED || segment->is_cold)
        return;
    segment->is_cold = true;
    segment_file_name(checkpoint->cold, segment->number, SEGMENT_FILE);
}

/* Prepares the next index file. False: there are no more. */
static bool encode_index(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    while (checkpoint->group_at < checkpoint->group_count) {
        struct checkpoint_group *group = &checkpoint->group[checkpoint->group_at++];
        struct segment *segment = segment_find(&store->segments, group->segment);
        if (segment == NULL || !wants_index(segment))
            continue;
        drop_gone(store, group);
        check(group->count == segment->live);
        buf_reset(&checkpoint->bytes);
        segment->index_check =
            index_file_encode(&checkpoint->bytes, store, segment, group->number, group->count);
        segment->dirty = false;
        segment_file_name(checkpoint->name, segment->number, SEGMENT_INDEX);
        cool(checkpoint, segment);
        return true;
    }
    checkpoint->step = CHECKPOINT_LIST;
    return false;
}

static void encode_segment(struct buf *out, const struct segment *segment)
{
    buf_add_u32(out, segment->number);
    buf_add_u64(out, segment->generation);
    buf_add_u64(out, segment->end);
    buf_add_u64(out, segment->carried);
    buf_add_u32(out, segment->live);
    buf_add_u32(out, segment->index_check);
    buf_add_u32(out, segment->spoken_count);
    for (uint32_t i = 0; i < segment->spoken_count; i++)
        buf_add_u32(out, segment->spoken[i]);
}

static void encode_list(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;
    struct buf *out = &checkpoint->bytes;
    uint32_t count = 0;

    for (uint32_t i = 0; i < store->segments.count; i++)
        count += checkpoint_lists(store->segments.item[i], checkpoint->from) ? 1 : 0;
    buf_reset(out);
    buf_add_bytes(out, checkpoint_magic, sizeof checkpoint_magic);
    buf_add_u16(out, CHECKPOINT_VERSION);
    buf_add_u16(out, 0);
    buf_add_u32(out, checkpoint->from.segment);
    buf_add_u64(out, checkpoint->from.offset);
    buf_add_u64(out, checkpoint->batch);
    buf_add_u64(out, store->index.order_next);
    buf_add_u32(out, count);
    for (uint32_t i = 0; i < store->segments.count; i++)
        if (checkpoint_lists(store->segments.item[i], checkpoint->from))
            encode_segment(out, store->segments.item[i]);
    recent_encode(out, &store->recent);
    buf_add_u32(out, crc32c(0, buf_str(out)));
    memcpy(checkpoint->name, "checkpoint", sizeof "checkpoint");
}

/* Prepares the next file. False: nothing is left to write. */
static bool next_file(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    if (checkpoint->step == CHECKPOINT_INDEX && encode_index(store))
        return true;
    if (checkpoint->step == CHECKPOINT_LIST) {
        checkpoint->cold[0] = '\0';
        encode_list(store);
        return true;
    }
    return false;
}

static void give_up(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    log_warn("checkpoint_failed", LOG_TEXT("file", checkpoint->name),
             LOG_TEXT("error", strerror(-checkpoint->error)));
    for (uint32_t i = 0; i < store->segments.count; i++)
        store->segments.item[i]->dirty = true; /* which files are good is not certain now */
    checkpoint->step = CHECKPOINT_IDLE;
}

/* After a file. */
static void file_written(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    if (checkpoint->error < 0)
        give_up(store);
    else if (checkpoint->step == CHECKPOINT_LIST)
        checkpoint->step = CHECKPOINT_IDLE;
    if (checkpoint->step == CHECKPOINT_IDLE)
        checkpoint_fini(checkpoint);
}

static void checkpoint_done(struct worker_job *job)
{
    struct checkpoint *checkpoint = container_of(job, struct checkpoint, job);

    checkpoint->store->jobs--;
    checkpoint->busy = false;
    file_written(checkpoint->store);
    if (!checkpoint->store->closing)
        checkpoint_turn(checkpoint->store);
}

static void begin_if_due(struct log_store *store)
{
    const struct segment *current = store->segments.current;
    struct log_place from = { .offset = SEGMENT_HEADER_SIZE };

    if (store->checkpoint.sealed < CHECKPOINT_SEGMENTS || current == NULL || store->failing)
        return;
    from.segment = current->number;
    begin(store, from);
}

void checkpoint_turn(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;

    if (checkpoint->busy || store->segments.current == NULL)
        return;
    if (checkpoint->step == CHECKPOINT_IDLE)
        begin_if_due(store);
    if (checkpoint->step == CHECKPOINT_GATHER) {
        gather(store, GATHER_SLICE);
        return;
    }
    if (checkpoint->step == CHECKPOINT_IDLE || !next_file(store))
        return;
    checkpoint->store = store;
    checkpoint->disk = store->disk;
    checkpoint->job.run = checkpoint_run;
    checkpoint->job.done = checkpoint_done;
    checkpoint->busy = true;
    log_submit_upkeep(store, &checkpoint->job);
}

void checkpoint_final(struct log_store *store)
{
    struct checkpoint *checkpoint = &store->checkpoint;
    const struct segment *current = store->segments.current;

    check(!checkpoint->busy);
    if (current == NULL || store->failing)
        return;
    begin(store, (struct log_place){ current->number, current->end });
    gather(store, UINT32_MAX);
    checkpoint->disk = store->disk;
    while (checkpoint->step != CHECKPOINT_IDLE && next_file(store)) {
        checkpoint_run(&checkpoint->job);
        file_written(store);
    }
}

void checkpoint_fini(struct checkpoint *checkpoint)
{
    for (uint32_t i = 0; i < checkpoint->group_count; i++)
        memory_free(checkpoint->group[i].number);
    memory_free(checkpoint->group);
    checkpoint->group = NULL;
    checkpoint->group_count = 0;
    buf_fini(&checkpoint->bytes);
}
