/* SPDX-License-Identifier: ISC */
/* fsck.h: is a spool whole, and what can be done if it is not?
 *
 * For a spool that nobody uses. Without `repair` nothing on the disk is changed.
 *
 * The examination is a start of the store over a disk that cannot be written
 * (fsck_view.c), from the segments alone, with an examiner who hears of every
 * damage. So records are understood here exactly as they are at a start. Then all
 * large bodies are read, and a second start, which uses checkpoint and index files,
 * is compared with the first: the shortcuts may know of records that are lost.
 *
 * A repair never takes away a good message, and a crash in its middle does no harm:
 *
 *   HEADER_COPY  the good copy is written over the other
 *   HEADER       the header is written anew if its generation is certain (fsck_header.c)
 *   GAP, END     what is lost stays lost; a record that says nothing is put into its place, so
 *                that the log is whole again (fsck_fill.c). The bytes are kept aside first.
 *   SHORTCUT     the checkpoint is removed; the next start reads the segments
 *   LEFTOVER     is removed, as the next start would
 *   CONTENT      what can be read is kept aside. The message stays listed unless `discard` says
 *                that it may go; so does one whose record is lost (RECORD)
 *
 * While segments are damaged, or have been before a repair, the shortcuts are left alone, for
 * they may know what the segments have lost.
 */
#pragma once

#include "store/log/log_store.h"

enum fsck_kind {
    FSCK_HEADER_COPY, /* one of the two copies of a segment's header */
    FSCK_HEADER,      /* both; `records` could be read again */
    FSCK_MISNAMED,    /* the header is that of segment `records`, not of the file's number */
    FSCK_TOO_LARGE,   /* of the file, only the first `offset` bytes were looked at */
    FSCK_GAP,         /* `size` bytes from `offset` on are no record */
    FSCK_END,         /* records from `offset` on are missing */
    FSCK_MEANING,     /* a record is whole, and makes no sense to this version */
    FSCK_TWICE,       /* a message has two records; the first counts */
    FSCK_CONTENT,     /* of a held or rescued message */
    FSCK_RECORD,      /* of a held or rescued message that the index files know of */
    FSCK_SHORTCUT,    /* checkpoint or index files */
    FSCK_SETTLEMENT,  /* its record is lost, the index files know of it; gone with the segment */
    FSCK_TORN,        /* `records` of a batch that was never acknowledged */
    FSCK_SETTLED,     /* damaged content of a message that is gone */
    FSCK_ORPHAN,      /* a body without a message, in a damaged spool */
    FSCK_LEFTOVER,    /* a file that the next start removes */
    FSCK_KIND_COUNT
};

enum fsck_remedy {
    FSCK_NOTHING, /* can or need be done */
    FSCK_REPAIR,
    FSCK_DISCARD, /* of the message, or of the file */
};

struct fsck_finding {
    enum fsck_kind kind;
    const char *file;
    uint64_t offset;
    uint64_t size;
    uint64_t records;
    const struct entry *entry;            /* NULL unless it is about a message */
    const struct stored_message *message; /* NULL: its envelope is not known */
    enum fsck_remedy remedy;
    bool is_repaired;
};

struct fsck_segment {
    uint32_t number;
    uint64_t size; /* of the file */
    uint64_t used;
    uint32_t live; /* entries */
    uint64_t live_bytes;
};

struct fsck_host { /* what is handed over lives during the call */
    void (*finding)(void *context, const struct fsck_finding *finding);
    void (*segment)(void *context, const struct fsck_segment *segment);
    void (*progress)(void *context, uint32_t done, uint32_t of);
};

struct fsck_settings {
    struct log_store_settings store;
    bool repair;
    bool discard;
    struct disk *aside; /* where damaged things are kept; needed to repair */
    struct now now;
};

struct fsck_result {
    struct store_totals totals;
    uint32_t damages; /* what is worth an exit status */
    uint32_t open;    /* of those, not repaired */
    uint32_t notes;
};

/* Blocks. 0, or a negative errno if the spool could not be examined at all. */
int fsck_run(const struct fsck_settings *settings, struct disk *disk, const struct fsck_host *host,
             void *context, struct fsck_result *out_result);
/* Is it damage, or only worth a word? */
bool fsck_is_damage(enum fsck_kind kind);
