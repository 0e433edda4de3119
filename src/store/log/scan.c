/* SPDX-License-Identifier: ISC */
/* scan.c: which records of a segment count.
 *
 * Records are read one after the other. Where one cannot be read, the next offset is looked
 * for at which one can: header and meta have a checksum, and the generation is
 * not to be guessed (format.h).
 *
 * Is a gap damage, or the trace of a crash? At most one batch was under way when the
 * power went: the last. Every batch before it had been acknowledged. So
 *
 *   - of all batches but the last, everything that can be read is kept, and gaps
 *     are damage, to be reported;
 *   - of the last, unless it is known to be acknowledged, only what stands before
 *     its first gap is kept: what was asked for later must not survive what was
 *     asked for earlier (promise 3 of store.h). The rest is a torn tail. A gap in front
 *     of its first record is not its own, but damage of the batch before.
 *
 * A batch with a lower number than the one before it in the file is not of this
 * story and is passed over. (Recovery erases torn tails before anything is written
 * over them, so that there is at most one.)
 *
 * A record of an acknowledged batch whose content alone is damaged is kept: its
 * envelope is good, and reading it will say -EIO.
 */
#include <endian.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/memory.h"
#include "store/log/log_private.h"

void scan_fini(struct scan *scan)
{
    memory_free(scan->record);
    *scan = (struct scan){ 0 };
}

static bool read_at(struct str bytes, uint64_t generation, uint64_t offset,
                    struct record_header *out_header)
{
    struct str rest = str_skip(bytes, (size_t)offset);
    struct record_header header;

    if (!record_header_decode(rest, generation, &header) || record_size(&header) > rest.len)
        return false;
    *out_header = header;
    return true;
}

/* The next offset where a record can be read; 0: none. */
static uint64_t find_record(struct str bytes, uint64_t generation, uint64_t offset,
                            struct record_header *out_header)
{
    uint64_t wanted = htole64(generation);

    for (; offset + RECORD_HEADER_SIZE <= bytes.len; offset += RECORD_ALIGN)
        if (memcmp(bytes.ptr + offset + 8, &wanted, sizeof wanted) == 0 &&
            read_at(bytes, generation, offset, out_header))
            return offset;
    return 0;
}

static bool content_is_good(struct str bytes, const struct scan_record *record)
{
    uint64_t at = record->offset + RECORD_HEADER_SIZE + record->header.meta_size;
    struct str content = str_first(str_skip(bytes, (size_t)at), record->header.content_size);
    return record->header.flags & RECORD_BODY_FILE ||
           crc32c(0, content) == record->header.content_check;
}

static void add_record(struct scan *scan, struct scan_record record)
{
    if (scan->count == scan->cap) {
        scan->cap = scan->cap > 0 ? scan->cap * 2 : 64;
        scan->record = memory_resize(scan->record, scan->cap * sizeof *scan->record);
    }
    scan->record[scan->count++] = record;
}

static void read_all(struct str bytes, uint64_t generation, uint64_t start, struct scan *scan)
{
    struct record_header header;
    uint64_t expected = start;
    uint64_t batch = 0;
    uint64_t at;

    while ((at = find_record(bytes, generation, expected, &header)) != 0) {
        struct scan_record record = { .header = header, .offset = at };
        uint64_t end = at + record_size(&header);
        record.after_gap = at != expected;
        record.is_damaged = !content_is_good(bytes, &record);
        scan->seen_end = end;
        if (header.batch > scan->batch_max)
            scan->batch_max = header.batch;
        if (header.batch < batch) { /* go on looking right behind its header */
            expected = at + RECORD_ALIGN;
            continue;
        }
        batch = header.batch;
        add_record(scan, record);
        expected = end;
    }
}

/* The records of the last batch that stand before its first gap. */
static void drop_torn(struct scan *scan)
{
    uint64_t batch = scan->record[scan->count - 1].header.batch;
    uint32_t first = scan->count;
    uint32_t keep;

    while (first > 0 && scan->record[first - 1].header.batch == batch)
        first--;
    for (keep = first; keep < scan->count; keep++) {
        const struct scan_record *record = &scan->record[keep];
        bool after_own_gap = record->after_gap && keep > first;
        if (record->header.batch_index != keep - first || record->is_damaged || after_own_gap)
            break;
    }
    scan->torn = scan->count - keep;
    scan->count = keep;
}

/* The log ends in a record that is there in part: its head alone, or less than its length. */
static bool ends_in_part(struct str bytes, uint64_t generation, uint64_t end)
{
    struct record_header header;
    return record_header_peek(str_skip(bytes, (size_t)end), generation, &header);
}

void scan_segment(struct str bytes, uint64_t generation, uint64_t start, uint64_t sure,
                  struct scan *out_scan)
{
    struct scan scan = { .end = start, .seen_end = start };

    read_all(bytes, generation, start, &scan);
    if (scan.count > 0 && scan.record[scan.count - 1].header.batch > sure)
        drop_torn(&scan);
    if (scan.count > 0) {
        const struct scan_record *last = &scan.record[scan.count - 1];
        scan.end = last->offset + record_size(&last->header);
    }
    if (scan.torn == 0 && ends_in_part(bytes, generation, scan.end))
        scan.torn = 1;
    *out_scan = scan;
}
