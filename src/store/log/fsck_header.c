/* SPDX-License-Identifier: ISC */
/* fsck_header.c: the headers of segments.
 *
 * A header says which generation a segment's records have, and there are two copies of
 * it. If one is good the other is written from it. If none is, everything depends on
 * learning the generation again, and on not being wrong: the file may hold records of
 * an earlier use behind its own, or instead of them if it was a spare; and a sender may have
 * put what looks like records into his mail. So records are not counted: what there is more of
 * proves nothing. The generation is certain if
 *
 *   - the segment's index file names it (with a checksum, for this number; numbers are
 *     not used twice), or
 *   - a whole record stands at the very beginning, where no mail's content ever stands,
 *     and its batch lies between those of the segments before and behind. A segment behind
 *     that is in use shows that this one was used under its number; where there is none, this
 *     one is in use itself, for a log always has one, unless more headers are lost.
 *
 * Else the file stays aside as NNNNNNNN.bad, and a person must look.
 *
 * The header is written first and the name comes after it, so that a file has the name
 * of a segment only with a good header.
 */
#include <errno.h>
#include <string.h>

#include "base/memory.h"
#include "store/log/fsck_private.h"

enum { COPY_SIZE = SEGMENT_HEADER_SIZE / 2, META_GUESS = 4096 };

struct headed { /* one file */
    uint32_t number;
    bool is_aside; /* called .bad */
    bool is_good;
    uint64_t first_batch; /* 0: no record at its beginning */
};

struct headers {
    struct fsck *fsck;
    struct headed *file;
    uint32_t count;
    uint32_t lost;
};

static void name_of(char name[FILE_NAME_SIZE], const struct headed *file)
{
    segment_file_name(name, file->number, file->is_aside ? SEGMENT_BAD : SEGMENT_FILE);
}

static void collect(void *context, const char *name)
{
    struct headers *headers = context;
    uint32_t number = segment_number_from(str_from(name), STR("seg"));
    bool is_aside = number == 0;

    if (is_aside)
        number = segment_number_from(str_from(name), STR("bad"));
    if (number == 0)
        return;
    headers->file = memory_resize(headers->file, (headers->count + 1) * sizeof *headers->file);
    headers->file[headers->count++] = (struct headed){ .number = number, .is_aside = is_aside };
}

/* ---- good ones ---- */

static uint64_t first_batch(struct fsck *fsck, const char *name, uint64_t generation)
{
    struct buf bytes = { 0 };
    struct record_header header;
    int handle = fsck->disk->driver->open(fsck->disk, name, DISK_READ);

    if (handle < 0)
        return 0;
    int rc = record_fetch(fsck->disk, handle, SEGMENT_HEADER_SIZE, generation, false, META_GUESS,
                          &bytes, &header);
    fsck->disk->driver->close(fsck->disk, handle);
    buf_fini(&bytes);
    return rc == 0 ? header.batch : 0;
}

/* Each copy must be, to the last zero, what it was written as. */
static void check_copies(struct headers *headers, const char *name, struct str bytes,
                         const struct segment_header *header)
{
    struct fsck *fsck = headers->fsck;
    struct buf wanted = { 0 };

    segment_header_encode(&wanted, header);
    for (uint64_t at = 0; at < SEGMENT_HEADER_SIZE; at += COPY_SIZE) {
        struct str copy = str_first(str_skip(buf_str(&wanted), (size_t)at), COPY_SIZE);
        if (str_equals(copy, str_first(str_skip(bytes, (size_t)at), COPY_SIZE)))
            continue;
        struct fsck_finding finding = { .kind = FSCK_HEADER_COPY,
                                        .file = name,
                                        .offset = at,
                                        .size = COPY_SIZE,
                                        .remedy = FSCK_REPAIR };
        if (fsck->settings.repair)
            finding.is_repaired = fsck_write(fsck->disk, name, at, copy) == 0;
        fsck_tell(fsck, &finding);
    }
    buf_fini(&wanted);
}

static int look_at(struct headers *headers, struct headed *file)
{
    struct fsck *fsck = headers->fsck;
    struct segment_header header;
    struct buf bytes = { 0 };
    char name[FILE_NAME_SIZE];

    name_of(name, file);
    int rc = fsck_read(fsck->disk, name, 0, SEGMENT_HEADER_SIZE, &bytes);
    int decoded = rc == 0 ? segment_header_decode(buf_str(&bytes), &header) : rc;
    if (decoded == -EPROTONOSUPPORT)
        rc = decoded;
    if (decoded == 0) {
        if (header.number == file->number && !file->is_aside) {
            file->is_good = true;
            file->first_batch = first_batch(fsck, name, header.generation);
            check_copies(headers, name, buf_str(&bytes), &header);
        } else if (header.number != file->number) {
            const struct fsck_finding finding = { .kind = FSCK_MISNAMED,
                                                  .file = name,
                                                  .records = header.number };
            fsck_tell(fsck, &finding);
            buf_fini(&bytes);
            file->number = 0; /* nothing more to say about it */
            return 0;
        }
    }
    buf_fini(&bytes);
    headers->lost += file->is_good ? 0 : 1;
    return rc;
}

/* ---- salvage ---- */

static bool generation_of_index(struct fsck *fsck, uint32_t number, uint64_t *out_generation)
{
    char name[FILE_NAME_SIZE];
    struct buf bytes = { 0 };
    uint32_t named = 0;

    segment_file_name(name, number, SEGMENT_INDEX);
    bool ok = fsck_read(fsck->disk, name, 0, fsck->size_max, &bytes) == 0 &&
              index_file_peek(buf_str(&bytes), &named, out_generation) && named == number;
    buf_fini(&bytes);
    return ok;
}

/* The generation and the batch of a whole record that stands where the first one must. */
static bool generation_of_first(struct str bytes, uint64_t *out_generation, uint64_t *out_batch)
{
    struct cursor cursor = cursor_over(str_first(str_skip(bytes, SEGMENT_HEADER_SIZE + 8), 8));
    uint64_t generation = cursor_u64(&cursor);
    struct record_header header;

    if (!cursor_ok(&cursor) || generation == 0 ||
        !record_header_decode(str_skip(bytes, SEGMENT_HEADER_SIZE), generation, &header))
        return false;
    *out_generation = generation;
    *out_batch = header.batch;
    return true;
}

static bool fits_between(const struct headers *headers, uint32_t number, uint64_t batch)
{
    bool is_followed = false;

    for (uint32_t i = 0; i < headers->count; i++) {
        const struct headed *other = &headers->file[i];
        if (!other->is_good || other->first_batch == 0)
            continue;
        if (other->number > number && other->first_batch <= batch)
            return false;
        if (other->number < number && other->first_batch >= batch)
            return false;
        is_followed = is_followed || other->number > number;
    }
    return is_followed || headers->lost == 1;
}

static bool is_taken(const struct headers *headers, const struct headed *file)
{
    for (uint32_t i = 0; i < headers->count; i++)
        if (&headers->file[i] != file && headers->file[i].number == file->number)
            return true;
    return false;
}

static bool certain_generation(const struct headers *headers, const struct headed *file,
                               struct str bytes, uint64_t *out_generation)
{
    uint64_t batch = 0;

    if (is_taken(headers, file))
        return false;
    if (generation_of_index(headers->fsck, file->number, out_generation))
        return true;
    return generation_of_first(bytes, out_generation, &batch) &&
           fits_between(headers, file->number, batch);
}

static bool write_header(struct fsck *fsck, const struct headed *file, uint64_t generation)
{
    struct segment_header header = { file->number, generation };
    struct buf bytes = { 0 };
    char name[FILE_NAME_SIZE];
    char right[FILE_NAME_SIZE];

    name_of(name, file);
    segment_header_encode(&bytes, &header);
    int rc = fsck_write(fsck->disk, name, 0, buf_str(&bytes));
    buf_fini(&bytes);
    if (rc == 0 && file->is_aside) {
        segment_file_name(right, file->number, SEGMENT_FILE);
        rc = fsck->disk->driver->rename(fsck->disk, name, right);
        if (rc == 0)
            rc = fsck->disk->driver->sync_names(fsck->disk);
    }
    return rc == 0;
}

static bool give_up_file(struct fsck *fsck, const char *name)
{
    return fsck_keep_file(fsck, name, name) && fsck->disk->driver->remove(fsck->disk, name) == 0 &&
           fsck->disk->driver->sync_names(fsck->disk) == 0;
}

static uint32_t count_records(struct str bytes, uint64_t generation)
{
    struct scan scan;

    scan_segment(bytes, generation, SEGMENT_HEADER_SIZE, 0, &scan);
    uint32_t count = scan.count;
    scan_fini(&scan);
    return count;
}

static int salvage(struct headers *headers, const struct headed *file)
{
    struct fsck *fsck = headers->fsck;
    struct fsck_finding finding = { .kind = FSCK_HEADER, .remedy = FSCK_DISCARD };
    struct buf bytes = { 0 };
    uint64_t generation;
    char name[FILE_NAME_SIZE];

    name_of(name, file);
    finding.file = name;
    int rc = fsck_read(fsck->disk, name, 0, fsck->size_max, &bytes);
    if (rc < 0)
        return rc;
    if (certain_generation(headers, file, buf_str(&bytes), &generation)) {
        finding.records = count_records(buf_str(&bytes), generation);
        finding.remedy = FSCK_REPAIR;
        if (fsck->settings.repair)
            finding.is_repaired = write_header(fsck, file, generation);
    } else if (fsck->settings.discard) {
        finding.is_repaired = give_up_file(fsck, name);
    }
    buf_fini(&bytes);
    fsck_tell(fsck, &finding);
    return 0;
}

int fsck_headers(struct fsck *fsck)
{
    struct headers headers = { .fsck = fsck };
    int rc = fsck->disk->driver->list(fsck->disk, collect, &headers);

    for (uint32_t i = 0; i < headers.count && rc == 0; i++)
        rc = look_at(&headers, &headers.file[i]);
    for (uint32_t i = 0; i < headers.count && rc == 0; i++)
        if (!headers.file[i].is_good && headers.file[i].number != 0)
            rc = salvage(&headers, &headers.file[i]);
    memory_free(headers.file);
    return rc;
}
