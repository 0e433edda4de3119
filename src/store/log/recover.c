/* SPDX-License-Identifier: ISC */
/* recover.c: from the files back to the index.
 *
 *     1  list the files; read the segments' headers
 *     2  look at the first records of each segment: which batch begins it, and does it say (RESUME)
 *        where another one ends
 *     3  read checkpoint and index files, if they are good
 *     4  read the segments from there on and apply their records in order
 *     5  sync what was read, erase what a crash left of an unfinished batch
 *     6  compare the files of large bodies with the index
 *     7  sync the names
 *
 * What is damaged is logged and stays in its file. A segment whose header cannot be
 * read is renamed to NNNNNNNN.bad: nothing in it can be told from older records, a
 * person must look. A message whose body file is missing stays listed: it is the
 * operator who must know, and reading it says -EIO. A body without a message is
 * removed, unless records are lost, of which one may have been its own.
 *
 * Step 5 is for scan.c: of all batches in a segment, at most the last one is
 * unfinished.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/recover.h"

/* ---- files ---- */

int log_read_file(struct disk *disk, const char *name, uint64_t size_max, struct buf *out)
{
    int handle = disk->driver->open(disk, name, DISK_READ);
    if (handle < 0)
        return handle;
    int64_t size = disk->driver->size(disk, handle);
    ssize_t got = 1;
    if (size >= 0 && (uint64_t)size <= size_max)
        buf_reserve(out, (size_t)size);
    while (size >= 0 && (uint64_t)size <= size_max && out->len < (size_t)size && got > 0) {
        got = disk->driver->read(disk, handle, out->ptr + out->len, (size_t)size - out->len,
                                 out->len);
        if (got > 0)
            out->len += (size_t)got;
    }
    disk->driver->close(disk, handle);
    if (size < 0 || got < 0)
        return size < 0 ? (int)size : (int)got;
    return (uint64_t)size <= size_max ? 0 : -EFBIG;
}

/* ---- 1: names and headers ---- */

void recovery_tell(const struct recovery *recovery, const struct log_damage *damage)
{
    const struct log_examiner *examiner = recovery->store->settings.examiner;
    if (examiner != NULL)
        examiner->damage(examiner->context, damage);
}

static void set_aside(struct recovery *recovery, uint32_t number)
{
    struct log_store *store = recovery->store;
    const struct log_damage damage = { .kind = LOG_DAMAGE_HEADER, .segment = number };
    char from[FILE_NAME_SIZE];
    char to[FILE_NAME_SIZE];

    segment_file_name(from, number, SEGMENT_FILE);
    segment_file_name(to, number, SEGMENT_BAD);
    log_error("segment_unreadable", LOG_TEXT("file", from), LOG_TEXT("kept_as", to));
    recovery_tell(recovery, &damage);
    (void)store->disk->driver->rename(store->disk, from, to);
}

static int add_segment(struct recovery *recovery, uint32_t number)
{
    struct log_store *store = recovery->store;
    char name[FILE_NAME_SIZE];
    char bytes[SEGMENT_HEADER_SIZE];
    struct segment_header header;

    segment_file_name(name, number, SEGMENT_FILE);
    int handle = store->disk->driver->open(store->disk, name, DISK_READ);
    if (handle < 0)
        return handle;
    ssize_t got = store->disk->driver->read(store->disk, handle, bytes, sizeof bytes, 0);
    store->disk->driver->close(store->disk, handle);
    if (got < 0)
        return (int)got;
    int rc = segment_header_decode(str_of(bytes, (size_t)got), &header);
    if (rc == -EPROTONOSUPPORT) {
        log_error("store_of_later_version", LOG_TEXT("file", name));
        return rc;
    }
    if (rc < 0 || header.number != number)
        set_aside(recovery, number);
    else
        (void)segment_add(&store->segments, number, header.generation);
    return 0;
}

static void remove_now(struct log_store *store, struct str name)
{
    char text[FILE_NAME_SIZE] = { 0 };
    if (name.len < sizeof text) {
        memcpy(text, name.ptr, name.len);
        (void)store->disk->driver->remove(store->disk, text);
    }
}

/* Numbers are not used again, whatever the file they were in has become. */
static void note_number(struct log_store *store, uint32_t number)
{
    if (number >= store->segments.number_next)
        store->segments.number_next = number + 1;
}

struct names {
    struct buf text; /* each zero-ended */
};

static void collect_name(void *context, const char *name)
{
    struct names *names = context;
    buf_add_bytes(&names->text, name, strlen(name) + 1);
}

static int look_at(struct recovery *recovery, struct str name)
{
    struct log_store *store = recovery->store;
    uint32_t number = segment_number_from(name, STR("seg"));

    if (number != 0) {
        note_number(store, number);
        return add_segment(recovery, number);
    }
    note_number(store, segment_number_from(name, STR("bad")));
    note_number(store, segment_number_from(name, STR("new")));
    if (segment_number_from(name, STR("new")) != 0 || str_ends_nocase(name, STR(".tmp")))
        remove_now(store, name);
    else if (str_ends_nocase(name, STR(".body")))
        (void)map_put(&recovery->bodies, name, &recovery->bodies);
    return 0;
}

static int list_files(struct recovery *recovery, struct names *names)
{
    struct disk *disk = recovery->store->disk;
    int rc = disk->driver->list(disk, collect_name, names);
    size_t at = 0;

    while (rc == 0 && at < names->text.len) {
        struct str name = str_from(names->text.ptr + at);
        rc = look_at(recovery, name);
        at += name.len + 1;
    }
    return rc;
}

static bool is_there(const struct names *names, uint32_t wanted)
{
    for (size_t at = 0; at < names->text.len;) {
        struct str name = str_from(names->text.ptr + at);
        if (segment_number_from(name, STR("seg")) == wanted ||
            segment_number_from(name, STR("bad")) == wanted)
            return true;
        at += name.len + 1;
    }
    return false;
}

/* Index files of segments that are no more. That of one whose header is lost says which generation
 * it had (fsck_header.c). */
static void remove_orphans(struct recovery *recovery, const struct names *names)
{
    for (size_t at = 0; at < names->text.len;) {
        struct str name = str_from(names->text.ptr + at);
        uint32_t number = segment_number_from(name, STR("idx"));
        if (number != 0 && segment_find(&recovery->store->segments, number) == NULL &&
            !is_there(names, number))
            remove_now(recovery->store, name);
        at += name.len + 1;
    }
}

/* ---- 2: a glance at the first records ---- */

static void note_resume(struct recovery *recovery, const struct resume_record *resume)
{
    for (uint32_t i = 0; i < recovery->store->segments.count; i++)
        if (recovery->glance[i].segment == resume->segment && resume->offset >= SEGMENT_HEADER_SIZE)
            recovery->glance[i].end_max = resume->offset;
}

static int glance_at(struct recovery *recovery, uint32_t i)
{
    struct segment *segment = recovery->store->segments.item[i];
    struct glance *glance = &recovery->glance[i];
    struct record_header header;
    struct resume_record resume;
    uint32_t resumes = 0;

    int rc = recovery_read(recovery, segment, SEGMENT_HEADER_SIZE, SEGMENT_HEADER_SIZE);
    if (rc < 0)
        return rc;
    struct str bytes = buf_str(&recovery->bytes);
    if (record_header_peek(bytes, segment->generation, &header))
        glance->first_batch = header.batch;
    while (record_header_decode(bytes, segment->generation, &header) &&
           header.type == RECORD_RESUME) {
        struct str meta = str_first(str_skip(bytes, RECORD_HEADER_SIZE), header.meta_size);
        if (resume_meta_decode(meta, &resume) && resume.segment < segment->number)
            note_resume(recovery, &resume);
        bytes = str_skip(bytes, (size_t)record_size(&header));
        glance->is_begun = ++resumes == header.batch_count;
    }
    glance->is_begun =
        glance->is_begun || record_header_decode(bytes, segment->generation, &header);
    return 0;
}

static int glance_at_all(struct recovery *recovery)
{
    struct segments *segments = &recovery->store->segments;
    int rc = 0;

    recovery->glance = memory_new(segments->count * sizeof *recovery->glance);
    for (uint32_t i = 0; i < segments->count; i++)
        recovery->glance[i].segment = segments->item[i]->number;
    for (uint32_t i = 0; i < segments->count && rc == 0; i++)
        rc = glance_at(recovery, i);
    return rc;
}

/* The last segment with a record is gone on in; what lies before is sealed, behind spare. */
static int choose_current(struct log_store *store)
{
    struct segments *segments = &store->segments;
    uint32_t last = segments->count;

    while (last > 0 && segments->item[last - 1]->end == SEGMENT_HEADER_SIZE &&
           segments->item[last - 1]->state == SEGMENT_SPARE)
        last--;
    for (uint32_t i = 0; i + 1 < last; i++)
        segments->item[i]->state = SEGMENT_SEALED;
    if (last == 0)
        return 0;
    struct segment *current = segments->item[last - 1];
    if (store->resume_count > 0 ||
        (current->state == SEGMENT_SEALED && current->number != store->checkpoint.from.segment)) {
        current->state = SEGMENT_SEALED;
        return 0;
    }
    current->state = SEGMENT_CURRENT;
    segments->current = current;
    return segment_open(store, current);
}

/* ---- 6: body files ---- */

static bool is_wanted(const struct index *index, struct str name)
{
    struct message_id id;
    uint32_t number = 0;

    if (message_id_from_text(str_first(name, MESSAGE_ID_TEXT_SIZE), &id))
        number = index_find(index, id, 0);
    return number != 0 && index_entry(index, number)->flags & INDEX_BODY_FILE;
}

/* Nobody's: of an upload that a crash cut off, or of a message that is settled. Where records are
 * lost it may be all that is left of one, and keeps another name (NAME.body.lost). */
static void drop_body(struct recovery *recovery, struct str known)
{
    struct disk *disk = recovery->store->disk;
    char from[FILE_NAME_SIZE];
    char to[FILE_NAME_SIZE];

    if (recovery->damaged == 0) {
        remove_now(recovery->store, known);
        return;
    }
    int len = snprintf(to, sizeof to, "%.*s.lost", STR_FMT(known));
    if (len < 0 || (size_t)len >= sizeof to)
        return;
    (void)snprintf(from, sizeof from, "%.*s", STR_FMT(known));
    log_error("body_without_message", LOG_TEXT("file", from), LOG_TEXT("kept_as", to));
    (void)disk->driver->rename(disk, from, to);
}

static void check_bodies(struct recovery *recovery)
{
    const struct index *index = &recovery->store->index;
    char name[FILE_NAME_SIZE];
    size_t cursor = 0;
    struct str known;

    for (uint32_t number = 0; (number = index_next(index, number)) != 0;) {
        const struct index_entry *entry = index_entry(index, number);
        if (!(entry->flags & INDEX_BODY_FILE) || index_find(index, entry->id, 0) != number)
            continue;
        body_file_name(name, entry->id);
        if (map_find(&recovery->bodies, str_from(name)) == NULL)
            log_error("body_missing", LOG_ID(entry->id), LOG_TEXT("file", name));
    }
    while (map_next(&recovery->bodies, &cursor, &known) != NULL)
        if (!is_wanted(index, known))
            drop_body(recovery, known);
}

/* ---- */

static void log_result(const struct recovery *recovery, bool is_fast)
{
    const struct log_store *store = recovery->store;
    log_info("store_opened", LOG_INT("entries", store->index.count),
             LOG_INT("segments", store->segments.count), LOG_INT("damaged", recovery->damaged),
             LOG_TEXT("from", is_fast ? "checkpoint" : "segments"));
}

int recover(struct log_store *store)
{
    struct recovery recovery = { .store = store };
    struct names names = { 0 };
    bool is_fast = false;

    map_init(&recovery.bodies);
    store->segments.number_next = 1;
    int rc = list_files(&recovery, &names);
    if (rc == 0)
        rc = glance_at_all(&recovery);
    if (rc == 0) {
        is_fast = checkpoint_load(store);
        rc = recovery_replay(&recovery);
    }
    if (rc == 0)
        rc = choose_current(store);
    if (rc == 0) {
        remove_orphans(&recovery, &names);
        check_bodies(&recovery);
        rc = store->disk->driver->sync_names(store->disk); /* they may be in the cache alone, too */
    }
    if (rc == 0) {
        store->batch = ((store->batch >> 32) + 1) << 32;
        store->sweep = true;
        log_result(&recovery, is_fast);
    }
    map_fini(&recovery.bodies);
    memory_free(recovery.glance);
    buf_fini(&recovery.bytes);
    buf_fini(&names.text);
    return rc;
}
