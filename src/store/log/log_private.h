/* SPDX-License-Identifier: ISC */
/* log_private.h: the parts of the segment log and who may call whom.
 *
 *     log_store.c   the driver's table, the turn, closing
 *     upload.c      content that arrives            commit.c   staging, batches, failures
 *     apply.c       what a durable record means     prepare.c  spare segments, dead segments
 *     settle.c      settlements, questions          list.c     listings
 *     reader.c      open and read                   recover.c  the start: files
 *     scan.c        what in a segment is valid      replay*.c  the start: segments, records
 *     checkpoint.c  what makes the next start fast  segment.c  the table of segments
 *     compact*.c    room of mail that is gone         pin.c      files that may be copied
 *     fsck*.c       is it whole? (fsck.h)           disk.h     what it asks of a disk
 *     index*.c fifo.c recent.c   memory             format.c   bytes
 *
 * One thread owns the store. What a worker's job touches belongs to the job until
 * its done(): jobs get handles, names and bytes, never the store's tables.
 *
 * Life of a segment (the function that makes it happen):
 *
 *     (nothing) --prepare_turn--> SPARE --commit_turn--> CURRENT --commit--> SEALED
 *                                   ^                                          |
 *                                   |<------- prepare_turn (DEAD, reused) -----|
 *     (nothing) <------------------------ prepare_turn (DEAD, removed) --------|
 *
 * A spare has its number, a durable header and a durable name before it is used, so
 * that going on in it costs the commit nothing. Spares are used in the order of
 * their numbers.
 *
 * When may a segment be forgotten? When no entry lives in it, nobody reads it, and
 * every segment is gone of which its records speak, or (compact.c) what they say has
 * been said again. So a settlement outlives every copy of its message (promise 4 of
 * store.h), the segments alone always suffice to recover, and index files and
 * checkpoint are there for speed only.
 */
#pragma once

#include "base/worker.h"
#include "store/log/index.h"
#include "store/log/log_store.h"
#include "store/log/recent.h"

enum {
    COMMIT_BYTES_MAX = 16 << 20, /* of a batch, so that nobody waits long for others */
    COMMIT_RECORDS_MAX = 8192,
    CHUNK_FIRST = 8 << 10, /* of an upload's memory */
    CHUNK_NEXT = 64 << 10,
    BODY_PIECE = 1 << 20, /* a large body goes to its file in such pieces */
    PAGE_SIZE = 4096,
    FILL_SLICE = 1 << 20, /* a commit waits at most for one of these */
    SPARES_WANTED = 2,    /* one to go on in, one in reserve for a full disk */
    SPARES_MAX = 4,       /* dead segments above this are removed */
    SEGMENT_HANDLES_MAX = 256,
    CHECKPOINT_SEGMENTS = 8,        /* bounds what a start after a crash must read */
    RETRY_MS_FIRST = 1 * SECOND_MS, /* after a failed commit */
    RETRY_MS_MAX = 30 * SECOND_MS,
    SPACE_MS = 1 * SECOND_MS,   /* how often the free space is asked for */
    NO_ROOM_MS = 5 * SECOND_MS, /* how long a failure for lack of space is believed */
    FILE_NAME_SIZE = 40,
};

struct log_place {
    uint32_t segment;
    uint64_t offset;
};

enum segment_state { SEGMENT_SPARE, SEGMENT_CURRENT, SEGMENT_SEALED, SEGMENT_DEAD };

struct segment {
    uint32_t number;
    uint64_t generation;
    enum segment_state state;
    uint64_t end;        /* of what is durable and acknowledged */
    uint32_t live;       /* entries whose record is here */
    uint64_t live_bytes; /* of those records */
    uint64_t carried;    /* octets of STATE records */
    bool is_abandoned;   /* a commit failed here */
    int64_t changed_ms;  /* sealed, or something in it settled; monotonic */
    int64_t rest_until;  /* it could not be compacted */
    uint32_t readers;    /* opened messages, and reads under way */
    int handle;          /* -1: closed */
    uint32_t *spoken;    /* older segments of which records here speak, ascending */
    uint32_t spoken_count;
    bool is_cold;             /* no longer in the cache, unless somebody has read it */
    bool dirty;               /* changed since its index file was written */
    uint32_t index_check;     /* of that file; 0: there is none */
    struct log_place indexed; /* recovery: settlements before this are in the index file */
};

struct segments {
    struct segment **item; /* by number */
    uint32_t count;
    uint32_t number_next;
    uint32_t open_handles;
    uint32_t close_hint;
    struct segment *current; /* NULL after a failure and at the first start */
};

struct chunk {
    struct chunk *next;
    uint32_t used;
    uint32_t cap;
    char bytes[];
};

/* One record on its way to the disk. */
struct staged {
    struct link link;
    uint8_t type; /* enum record_type */
    uint8_t flags;
    bool ready; /* false: a large body is not durable yet; everything behind waits */
    int error;  /* of that body */
    struct message_id id;
    struct buf head; /* header, meta; padded if there is no content */
    uint32_t meta_size;
    uint32_t front_size; /* of a message: the last part of the meta */
    struct chunk *chunk; /* content, padding included */
    struct str borrowed; /* content that belongs to compact.c; padding not included */
    uint32_t content_size;
    uint32_t content_check;
    uint64_t offset;
    struct log_upload *upload; /* that it is part of; NULL: stands alone */
    store_done *done;
    void *context;
};

/* The last batch of a segment: read, but perhaps from the system's cache alone. */
struct unsure {
    uint32_t segment;
    uint64_t offset;
    struct buf bytes;
};

struct commit {
    struct worker_job job;
    struct log_store *store;
    bool busy;
    /* The job's while it runs. */
    struct disk *disk;
    struct link batch; /* of struct staged */
    int handle;
    uint64_t offset;
    uint64_t generation;
    uint64_t number; /* of the batch */
    uint16_t count;
    struct iovec *part;
    uint32_t part_count;
    uint32_t part_cap;
    uint64_t size;
    int error;
};

struct upload_body { /* content in a file of its own */
    struct worker_job job;
    bool spilled;
    bool busy;
    bool created;
    bool aborted;
    bool finishing; /* append was called */
    bool finished;
    bool is_eager;  /* pieces need not be large */
    bool restarts;  /* what the file holds, and what is on its way there, counts no more */
    uint64_t filed; /* octets that lie in the file */
    int error;
    /* The job's while it runs. */
    struct disk *disk;
    int handle;
    char name[FILE_NAME_SIZE];
    struct chunk *chunk; /* read by others too */
    uint64_t offset;
    bool last;
    bool anew; /* the file is */
};

struct log_upload {
    struct store_upload base;
    struct staged staged;
    struct link link;
    struct message_id id;
    struct chunk *first;
    struct chunk *last;
    uint64_t in_memory; /* octets in the chunks */
    uint64_t size;
    uint32_t check;
    struct upload_body body;
};

enum prepare_step {
    PREPARE_IDLE,
    PREPARE_CREATE,
    PREPARE_FILL,
    PREPARE_NAME,
    PREPARE_REUSE,
    PREPARE_REMOVE
};

struct prepare {
    struct worker_job job;
    struct log_store *store;
    bool busy;
    bool hurry; /* somebody waits: no zeros ahead */
    int64_t retry_at;
    struct segment *dead; /* being reused or removed */
    bool has_left;        /* DEAD ones of which this failed */
    /* The job's while it runs. */
    struct disk *disk;
    enum prepare_step step;
    uint32_t number;
    uint32_t dead_number;
    uint64_t generation;
    uint64_t size;
    uint64_t filled;
    int handle;
    int error;
};

enum checkpoint_step { CHECKPOINT_IDLE, CHECKPOINT_GATHER, CHECKPOINT_INDEX, CHECKPOINT_LIST };

struct checkpoint_group { /* the entries of one segment */
    uint32_t segment;
    uint32_t *number;
    uint32_t count;
    uint32_t cap;
};

struct checkpoint {
    struct worker_job job;
    struct log_store *store;
    enum checkpoint_step step;
    bool busy;
    uint32_t sealed;       /* segments sealed since the last one */
    struct log_place from; /* recovery reads on from here */
    uint64_t batch;        /* the last one at that time */
    uint32_t cursor;       /* GATHER: last entry looked at */
    struct checkpoint_group *group;
    uint32_t group_count;
    uint32_t group_at;
    /* The job's while it runs. */
    struct disk *disk;
    struct buf bytes;
    char name[FILE_NAME_SIZE];
    char cold[FILE_NAME_SIZE]; /* leaves the cache; empty: none */
    int error;
};

enum compact_step { COMPACT_IDLE, COMPACT_READ, COMPACT_MOVE };

struct compact {
    struct worker_job job;
    struct log_store *store;
    enum compact_step step;
    int64_t look_at;      /* when there may be a segment worth it; NEVER_MS */
    uint32_t segment;     /* that is being emptied */
    bool may_use_reserve; /* what lives there fits into it */
    struct link ready;    /* records that wait for a batch; they point into the slice */
    uint32_t under_way;   /* … in the batch that is being written */
    int64_t log_at;       /* not before */
    uint64_t segments;    /* since the last line of the log */
    uint64_t messages;
    uint64_t octets;
    /* The job's while it runs. */
    struct disk *disk;
    int handle;
    uint64_t offset; /* of the slice */
    size_t size;
    struct buf slice;
    int error;
};

struct pin {           /* pin.c */
    int64_t until_ms;  /* monotonic; 0: nothing is pinned */
    struct buf bodies; /* names of files to be removed at its end, each zero-ended */
};

/* An answer that waits for the turn. run() frees it. */
struct pending {
    struct link link;
    void (*run)(struct log_store *store, struct pending *pending);
};

struct log_store {
    struct store store;
    struct log_store_settings settings;
    struct disk *disk;
    struct worker *worker;
    struct now now;
    struct index index;
    struct recent recent;
    struct segments segments;
    uint64_t batch; /* number of the last batch */
    uint64_t memory;
    struct link staged;
    struct link uploads; /* open ones */
    struct link readers;
    struct link pending;
    struct link waiting; /* pending ones that wait for a commit first */
    uint32_t jobs;       /* of any kind, not yet collected */
    struct commit commit;
    struct prepare prepare;
    struct checkpoint checkpoint;
    struct compact compact;
    struct resume_record *resume; /* to be said before anything else is acknowledged */
    uint32_t resume_count;
    struct unsure *unsure; /* what a start could not make stable; written before the next batch */
    uint32_t unsure_count;
    bool is_unsure_for_good; /* something could not be read either: of no message is it known */
    bool failing;
    struct buf left_bodies; /* names, each zero-ended, of messages that a failed batch held */
    int64_t retry_at;
    int64_t retry_ms;
    bool sweep; /* a segment may have died */
    bool closing;
    uint64_t disk_free;
    int64_t space_at;
    int64_t no_room_until;
    uint64_t body_bytes; /* in files of their own */
    struct pin pin;
};

static inline struct log_store *log_of(const struct store *store)
{
    return (struct log_store *)(uintptr_t)store;
}

void log_submit(struct log_store *store, struct worker_job *job);
void log_submit_upkeep(struct log_store *store, struct worker_job *job); /* nobody waits for it */
/* Answers at the next turn. */
void log_answer_later(struct log_store *store, store_done *done, void *context, int error);
void log_queue(struct log_store *store, struct pending *pending);
/* Removes a file in the background; a failure leaves it for the next recovery. */
void log_remove_file(struct log_store *store, const char *name);

/* ---- segment.c ---- */
enum segment_name { SEGMENT_FILE, SEGMENT_NEW, SEGMENT_INDEX, SEGMENT_INDEX_NEW, SEGMENT_BAD };
void segment_file_name(char name[FILE_NAME_SIZE], uint32_t number, enum segment_name kind);
void body_file_name(char name[FILE_NAME_SIZE], struct message_id id);
/* 0 unless the name is a number with this ending. */
uint32_t segment_number_from(struct str name, struct str ending);
struct segment *segment_add(struct segments *segments, uint32_t number, uint64_t generation);
struct segment *segment_find(const struct segments *segments, uint32_t number);
void segment_drop(struct log_store *store, struct segment *segment);
struct segment *segment_first_spare(const struct segments *segments);
uint32_t segment_spares(const struct segments *segments);
void segment_speaks_of(struct segment *segment, uint32_t number);
/* Of any segment that is still there. */
bool segment_speaks(const struct segments *segments, const struct segment *segment);
bool segment_is_forgettable(const struct segments *segments, const struct segment *segment);
int segment_open(struct log_store *store, struct segment *segment); /* opens its handle */
void segments_fini(struct log_store *store);

/* ---- commit.c ---- */
void commit_init(struct log_store *store);
void commit_stage(struct log_store *store, struct staged *staged);
void commit_turn(struct log_store *store);
void commit_fail_staged(struct log_store *store, int error); /* those that are ready */
bool commit_is_full(const struct log_store *store);
int64_t commit_deadline(const struct log_store *store);
/* Adds to the batch that is being made. */
void commit_add(struct log_store *store, struct staged *staged);
uint64_t staged_size(const struct staged *staged);
void staged_free(struct log_store *store, struct staged *staged);
void log_trouble(struct log_store *store, const char *what, int error);
void unsure_free(struct log_store *store);

/* ---- apply.c ---- */
/* The staged entries of a message are durable at this place. */
void apply_message(struct log_store *store, struct message_id id, int64_t received_ms,
                   struct segment *segment, uint64_t offset, uint64_t head);
/* A message that has a place has another one. `head`: octets of the record beside the content. */
void apply_move(struct log_store *store, struct message_id id, struct segment *segment,
                uint64_t offset, uint64_t head);
void apply_settle(struct log_store *store, const struct settle_record *settle);
void apply_gone(struct log_store *store, uint32_t number);

/* ---- compact.c ---- */
void compact_turn(struct log_store *store);
int64_t compact_deadline(const struct log_store *store);
/* Something in the segment has died, or it has been sealed. */
void compact_notice(struct log_store *store, struct segment *segment);
/* Puts what is ready in front of the batch. True: something waits that does not fit. */
bool compact_gather(struct log_store *store, uint64_t room);
bool compact_may_go_on(const struct log_store *store); /* to another segment, for itself alone */
void compact_record_written(struct log_store *store, struct staged *staged);
void compact_record_done(struct log_store *store, struct staged *staged); /* frees it */
/* At closing, and when a batch has failed. */
void compact_stop(struct log_store *store);
void compact_fini(struct log_store *store);

/* ---- settle.c ---- */
void settle_ask_for(struct store *base, const struct settlement *settlement, store_done *done,
                    void *context);
void ask_about(struct store *base, struct message_id id, store_done *done, void *context);

/* ---- upload.c ---- */
struct store_upload *upload_open(struct store *base, struct message_id id);
void upload_write(struct store_upload *base, struct str bytes);
uint64_t upload_size(const struct store_upload *base);
int upload_read(struct store_upload *base, uint64_t offset, size_t size, struct buf *out);
void upload_spill(struct store_upload *base);
void upload_restart(struct store_upload *base);
void upload_abort(struct store_upload *base);
void upload_append(struct store *base, struct store_upload *upload, const struct envelope *envelope,
                   struct str front, store_done *done, void *context);
void upload_free(struct log_store *store, struct log_upload *upload);
void chunks_free(struct log_store *store, struct chunk *chunk);

/* ---- prepare.c ---- */
void prepare_turn(struct log_store *store);
bool prepare_can_grow(const struct log_store *store);
void prepare_hurry(struct log_store *store);

/* ---- pin.c ---- */
int pin_begin(struct store *base, int64_t span_ms, const struct store_pin_host *host);
bool pin_go_on(struct store *base, int64_t span_ms);
void pin_end(struct store *base);
void pin_turn(struct log_store *store);
/* Removes the file of a large body, now or at the end of the pin. */
void pin_remove_body(struct log_store *store, const char *name);

/* ---- reader.c, list.c ---- */
void reader_open(struct store *base, struct message_id id, struct str domain, store_opened *done,
                 void *context);
void reader_read(struct store_reader *base, uint64_t offset, size_t size, store_read_done *done,
                 void *context);
void reader_close(struct store_reader *base);
void readers_fini(struct log_store *store);
/* The head of the record of an entry: header and meta (more may follow) into *bytes. Tries the
 * cache only. 0, -EAGAIN or an error. */
int record_fetch(struct disk *disk, int handle, uint64_t offset, uint64_t generation, bool cached,
                 uint64_t size_guess, struct buf *bytes, struct record_header *out_header);
void list_query(struct store *base, const struct store_query *query, store_listed *listed,
                void *context);

/* ---- scan.c ---- */
struct scan_record {
    struct record_header header;
    uint64_t offset;
    bool is_damaged; /* its content; envelope and lengths are good */
    bool after_gap;  /* what stood before it cannot be read */
};
struct scan {
    struct scan_record *record; /* what is kept, in order */
    uint32_t count;
    uint32_t cap;
    uint64_t end;       /* behind the last one kept */
    uint64_t seen_end;  /* behind the last one that could be read at all */
    uint64_t batch_max; /* the highest number seen at all */
    uint32_t torn;      /* records of an unfinished batch that are not kept */
};
/* `bytes` is the segment from its beginning up to its end; records are looked for from `start`
 * on. Batches up to `sure` (0: unknown) have been acknowledged. */
void scan_segment(struct str bytes, uint64_t generation, uint64_t start, uint64_t sure,
                  struct scan *out_scan);
void scan_fini(struct scan *scan);

/* ---- checkpoint.c, checkpoint_load.c, index_file.c ---- */
enum { CHECKPOINT_VERSION = 2 };
extern const char checkpoint_magic[8];
/* Does the segment, or its part that was written, lie before the place? */
bool checkpoint_lists(const struct segment *segment, struct log_place from);
void checkpoint_turn(struct log_store *store);
void checkpoint_final(struct log_store *store);
void checkpoint_fini(struct checkpoint *checkpoint);
/* Reads the checkpoint and the index files. False (and nothing is left in the index): the segments
 * must be read from the first on. */
bool checkpoint_load(struct log_store *store);
/* The entries of one segment as a file; its checksum. */
uint32_t index_file_encode(struct buf *out, const struct log_store *store,
                           const struct segment *segment, const uint32_t *number, uint32_t count);
/* Adds what the file says to the index. False: it is damaged or of another segment; the index may
 * hold a part of it. */
bool index_file_decode(struct str bytes, struct log_store *store, struct segment *segment);

/* Of which use of which segment it is. False: it is damaged. */
bool index_file_peek(struct str bytes, uint32_t *out_number, uint64_t *out_generation);

/* ---- recover.c ---- */
int recover(struct log_store *store);
/* A whole file; -EFBIG if it is larger. */
int log_read_file(struct disk *disk, const char *name, uint64_t size_max, struct buf *out);
