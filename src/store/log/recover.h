/* SPDX-License-Identifier: ISC */
/* recover.h: between recover.c (files), replay.c (segments) and replay_record.c. */
#pragma once

#include "store/log/log_private.h"

struct glance { /* what the first records of a segment say */
    uint32_t segment;
    uint64_t first_batch; /* 0: no record */
    bool is_begun;        /* all that it says of others (RESUME) could be read */
    uint64_t end_max;     /* said by a later segment; 0: nothing said */
};

struct recovery {
    struct log_store *store;
    struct glance *glance; /* in the order of the table */
    struct map bodies;     /* names of body files; the value is the map itself */
    struct buf bytes;
    uint64_t unreadable; /* octets in `bytes` that are zeros because the disk does not give them */
    uint32_t damaged;
};

/* At most `limit` bytes of a segment from `offset` on, into recovery->bytes. Sectors that cannot be
 * read are zeros there. */
int recovery_read(struct recovery *recovery, struct segment *segment, uint64_t offset,
                  uint64_t limit);
/* replay_record.c: applies one; says what is wrong with it. */
void replay_record(struct recovery *recovery, struct segment *segment,
                   const struct scan_record *record);
/* Logs damage, counts it, and tells the examiner. */
void recovery_log(struct recovery *recovery, const struct log_damage *damage);
/* The gap in front of a record; `before`: the one in front of it, NULL at the head. */
void recovery_log_gap(struct recovery *recovery, const struct segment *segment,
                      const struct scan_record *before, const struct scan_record *record,
                      uint64_t start);
/* Tells the examiner, if there is one. */
void recovery_tell(const struct recovery *recovery, const struct log_damage *damage);
/* Reads the segments from the checkpoint on and applies their records in order. */
int recovery_replay(struct recovery *recovery);
