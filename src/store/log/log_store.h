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

struct log_store_settings {
    uint64_t segment_size;    /* bytes, a multiple of 4096; 64 MiB */
    uint64_t large_body_size; /* content above this gets a file of its own; 8 MiB */
    uint64_t free_bytes_min;  /* leave this much of the disk free; 0: no limit */
    int64_t quiet_ms;         /* a segment in which nothing was settled so long may be compacted */
};

/* Recovers what is there (blocking; before the role serves anybody). The worker runs syncs and
 * cold reads; it and the disk stay the caller's and must outlive the store. 0 or a negative errno;
 * what was found damaged is logged and kept aside, never dropped silently. */
int log_store_open(const struct log_store_settings *settings, struct disk *disk,
                   struct worker *worker, struct now now, struct store **out_store);
