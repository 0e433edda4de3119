/* SPDX-License-Identifier: ISC */
/* fsck_private.h: the parts of fsck.
 *
 *     fsck.c          the order of things, totals, messages
 *     fsck_view.c     a disk that cannot be written
 *     fsck_header.c   segments' headers, and salvage where both copies are lost
 *     fsck_fill.c     gaps in the log
 *     fsck_compare.c  the index from the segments against the one from the shortcuts
 *     fsck_keep.c     damaged things, kept aside
 */
#pragma once

#include "base/map.h"
#include "store/log/fsck.h"
#include "store/log/log_private.h"

/* Damages beyond this number are counted, not listed; repairs take another run. */
enum { FSCK_DAMAGES_MAX = 100000 };

struct fsck_view {
    struct disk disk;
    struct disk *below;
    bool hides_checkpoint;
    uint64_t size_max;   /* what is longer seems to end here */
    struct map *removed; /* names that somebody wanted to remove and that exist; or NULL */
};
void fsck_view_init(struct fsck_view *view, struct disk *below, uint64_t size_max);

struct fsck_message { /* one entry to be discarded */
    struct message_id id;
    struct buf domain;
};

struct fsck {
    struct fsck_settings settings;
    struct disk *disk;
    const struct fsck_host *host;
    void *context;
    struct fsck_result result;
    uint64_t size_max;
    struct log_damage *damage; /* heard at the start, in the order of the log */
    uint32_t damage_count;
    uint32_t damage_cap;
    bool is_damaged; /* acknowledged records are lost */
    bool is_torn;
    struct map removed;
    struct worker *worker;
    struct store *store;          /* the first start's */
    const struct store *shortcut; /* the second's; NULL: there are no shortcuts */
    struct fsck_message *discard;
    uint32_t discard_count;
};

/* Counts and hands over. */
void fsck_tell(struct fsck *fsck, const struct fsck_finding *finding);
void fsck_tell_of_entry(struct fsck *fsck, const struct index *index, uint32_t number,
                        struct fsck_finding finding);

int fsck_headers(struct fsck *fsck);
/* True if the gap is filled. */
bool fsck_fill(struct fsck *fsck, const struct log_damage *damage);
void fsck_compare(struct fsck *fsck, const struct log_store *shortcut);

/* At most `size` bytes of a file into *out, fewer at its end; 0 or an error. */
int fsck_read(struct disk *disk, const char *name, uint64_t offset, uint64_t size, struct buf *out);
/* Writes into a file that is there, and syncs it. */
int fsck_write(struct disk *disk, const char *name, uint64_t offset, struct str bytes);
/* Durable in the folder for damaged things, or there already. False: it could not be written. */
bool fsck_keep_bytes(struct fsck *fsck, const char *name, struct str bytes);
bool fsck_keep_file(struct fsck *fsck, const char *name, const char *as);
/* The content of a message as far as it can be read, and a note. */
bool fsck_keep_message(struct fsck *fsck, const struct log_store *store, uint32_t number,
                       const struct stored_message *message);
