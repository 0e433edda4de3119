/* SPDX-License-Identifier: ISC */
/* fsck_fill.c: makes the log whole again where records are lost.
 *
 * A gap becomes the content of a RESUME record about segment 0, which says nothing
 * (format.h). Its header and meta are written over the first bytes of the gap, which
 * no record is any more; the other bytes stay as they are. At a segment's lost end
 * the same record stands alone.
 *
 * The record gets the number of the batch before the gap, or of the one that must
 * have begun the segment, so that what is concluded from batch numbers about the
 * segment before stays true. A RESUME record with content is none but ours, so that later
 * examinations know that something is missing here. If the write is torn, the gap is what it was: a
 * gap.
 */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "store/log/fsck_private.h"

enum { RESUME_META_SIZE = 12, FILL_MIN = 56 };

static void encode(struct buf *out, const struct log_damage *damage, uint64_t generation,
                   uint64_t size, struct str content)
{
    static const struct resume_record nothing;
    struct record_header header = {
        .type = RECORD_RESUME,
        .generation = generation,
        .batch = damage->batch,
        .batch_count = 1,
        .meta_size = RESUME_META_SIZE,
        .content_size = (uint32_t)(size - RECORD_HEADER_SIZE - RESUME_META_SIZE),
        .content_check = crc32c(0, content),
    };

    buf_reserve(out, RECORD_HEADER_SIZE + RESUME_META_SIZE);
    out->len = RECORD_HEADER_SIZE;
    resume_meta_encode(out, &nothing);
    record_header_encode(out->ptr, &header);
}

/* What is written over, and what may help a person to guess what it was. */
static bool keep(struct fsck *fsck, const struct log_damage *damage, struct str bytes)
{
    struct buf name = { 0 };

    buf_add_format(&name, "%08u-%llu.bin", damage->segment, (unsigned long long)damage->offset);
    buf_add_byte(&name, '\0');
    bool ok = fsck_keep_bytes(fsck, name.ptr, bytes);
    buf_fini(&name);
    return ok;
}

/* The bytes of the place, zero-filled where the file is shorter. */
static bool read_place(struct fsck *fsck, const char *name, const struct log_damage *damage,
                       uint64_t size, struct buf *out)
{
    if (fsck_read(fsck->disk, name, damage->offset, size, out) < 0)
        return false;
    buf_reserve(out, (size_t)size);
    if (out->len < size) {
        memset(out->ptr + out->len, 0, (size_t)size - out->len);
        out->len = (size_t)size;
    }
    return true;
}

bool fsck_fill(struct fsck *fsck, const struct log_damage *damage)
{
    const struct segment *segment = segment_find(&log_of(fsck->store)->segments, damage->segment);
    uint64_t size = damage->kind == LOG_DAMAGE_GAP ? damage->size : FILL_MIN;
    char name[FILE_NAME_SIZE];
    struct buf bytes = { 0 };
    struct buf record = { 0 };
    bool ok = false;

    if (segment == NULL || size < FILL_MIN || size % RECORD_ALIGN != 0 || size > fsck->size_max ||
        damage->offset > fsck->size_max - size)
        return false;
    segment_file_name(name, segment->number, SEGMENT_FILE);
    if (read_place(fsck, name, damage, size, &bytes) && keep(fsck, damage, buf_str(&bytes))) {
        struct str content = str_skip(buf_str(&bytes), RECORD_HEADER_SIZE + RESUME_META_SIZE);
        encode(&record, damage, segment->generation, size, content);
        if (damage->kind == LOG_DAMAGE_END) /* its content may lie behind the file's end */
            buf_add(&record, content);
        ok = fsck_write(fsck->disk, name, damage->offset, buf_str(&record)) == 0;
    }
    buf_fini(&bytes);
    buf_fini(&record);
    return ok;
}
