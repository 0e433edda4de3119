/* SPDX-License-Identifier: ISC */
/* log_store.h: the embedded driver, a segment log on this machine. See log_private.h for its parts
 * and format.h for its files.
 *
 * Limits of its own: content of 4 GiB and more, and envelopes of more than a quarter of a segment,
 * are refused with -EFBIG; of settled messages the last million is remembered, if that is less
 * than ten minutes.
 */
#pragma once

#include "base/worker.h"
#include "store/log/disk.h"
#include "store/store.h"

/* What a start finds and should not; whoever examines a spool is told (fsck.h). */
enum log_damage_kind {
    LOG_DAMAGE_HEADER,  /* a segment whose header cannot be read is passed over as a whole */
    LOG_DAMAGE_GAP,     /* from `offset`, `size` bytes in which no record can be read */
    LOG_DAMAGE_END,     /* acknowledged records from `offset` on are missing */
    LOG_DAMAGE_CONTENT, /* of the record at `offset`; its envelope is good */
    LOG_DAMAGE_MEANING, /* the record at `offset` is whole and makes no sense */
    LOG_DAMAGE_TWICE,   /* the message of the record at `offset` has been there before */
    LOG_DAMAGE_FILLED,  /* a gap of earlier times, filled by fsck: none any more */
    LOG_DAMAGE_TORN,    /* none: `size` records of a batch that a crash left unfinished */
};

struct log_damage {
    enum log_damage_kind kind;
    uint32_t segment;
    uint64_t offset;
    uint64_t size;
    uint64_t batch; /* GAP and END: the number that a record in this place may have */
};

struct log_examiner {
    void (*damage)(void *context, const struct log_damage *damage);
    void (*segment_read)(void *context, uint32_t done, uint32_t of);
    void *context;
};

/* What a node uses. */
enum { LOG_SEGMENT_SIZE = 64 << 20, LOG_LARGE_BODY_SIZE = 8 << 20 };

struct log_store_settings {
    uint64_t segment_size;    /* bytes, a multiple of 4096; 64 MiB */
    uint64_t large_body_size; /* content above this gets a file of its own; 8 MiB */
    uint64_t free_bytes_min;  /* leave this much of the disk free; 0: no limit */
    int64_t quiet_ms;         /* a segment in which nothing was settled so long may be compacted */
    /* For what nobody waits for (zeros ahead, index files, compaction's reading), so that commits
     * need not wait for it; NULL: the worker of the commits. */
    struct worker *upkeep;
    const struct log_examiner *examiner; /* of the start alone; NULL: nobody */
};

/* Recovers what is there (blocking; before the role serves anybody). The worker runs syncs and
 * cold reads; workers and disk stay the caller's and must outlive the store. 0 or a negative errno;
 * what was found damaged is logged and kept aside, never dropped silently. */
int log_store_open(const struct log_store_settings *settings, struct disk *disk,
                   struct worker *worker, struct now now, struct store **out_store);
