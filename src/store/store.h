/* SPDX-License-Identifier: ISC */
/* store.h: what 250 means.
 *
 * The contract between the keeper and whatever keeps mail: the segment log on
 * this machine (store/log/), a shared database in a cluster. Nothing in it needs
 * a local disk. One test suite (tests/unit/store/) runs over every driver.
 *
 * Words. A *message* is an envelope and a content (the octets as they will be
 * delivered, CRLF line ends). The content begins with its *front*: what is known
 * only when everything has arrived stands above it (verdicts about the sender),
 * so it is given at the end; in practice it is the whole header, and the upload
 * is the body. A message's recipients may belong to several protected domains; an
 * *entry* is one message's share for one domain. Entries are what is listed,
 * scheduled, counted and settled.
 *
 * Promises
 *   1  done(0) is called only after everything that was asked for is on stable
 *      storage, the names of the files that hold it included.
 *   2  No done() is called from inside the call that asked; it comes from
 *      store_turn() or from the worker's collection, on the owner's thread.
 *   3  What was asked in one order is durable in that order: if B was asked after A
 *      and B survives a crash, then so does A.
 *   4  A settlement outlives every copy of the message it speaks of.
 *   5  After a failure that leaves the outcome open, done() gets an error and the
 *      message may or may not come back after a restart; the sender was told 451.
 *
 * Errors: 0; -ENOSPC no room (answer 452); -EIO or -EROFS the medium failed (451);
 * -ENOENT no such message; -EEXIST the id is stored already; -EFBIG larger than the driver can
 * keep; -ECANCELED closing.
 *
 * Time comes from the caller. Entries of one domain and state are ordered by
 * since_ms and, where equal, by arrival; a clock that jumped back does not reorder
 * what was there (the driver never lets since_ms of a new entry fall below that of
 * the newest one of the same domain and state).
 */
#pragma once

#include "base/clock.h"
#include "mail/envelope.h"
#include "mail/verdict.h"

struct store;

enum entry_state {
    ENTRY_HELD = 1,   /* at least one recipient waits for delivery */
    ENTRY_RESCUED = 2 /* none waits, at least one was expired or refused and is kept (SPEC H3) */
};

struct entry {
    struct message_id id;
    struct str domain; /* lives as long as the store */
    enum entry_state state;
    int64_t since_ms; /* in this state since (received, released, rescued) */
    uint64_t size;    /* octets of content */
    uint32_t pending; /* recipients of this domain that wait */
    uint32_t rescued; /* recipients of this domain in the rescue store */
};

enum outcome {
    OUTCOME_DELIVERED = 1, /* the primary took it: pending -> gone */
    OUTCOME_RESCUED = 2,   /* expired or refused: pending -> rescued, with the reason */
    OUTCOME_RELEASED = 3,  /* the operator wants it tried again: rescued -> pending */
    OUTCOME_DISCARDED = 4, /* the operator wants it gone: pending or rescued -> gone */
};

/* What became of some recipients of one entry. Recipients are named by their index in the
 * envelope; count 0 names all of the domain's recipients to which the outcome can apply. Indices
 * that are out of range, of another domain or in the wrong state are passed over: settling twice
 * is harmless. */
struct settlement {
    struct message_id id;
    struct str domain;
    enum outcome outcome;
    int64_t at_ms;
    const uint32_t *recipient;
    uint32_t count;
    struct verdict reason; /* kept for OUTCOME_RESCUED */
};

typedef void store_done(void *context, int error);

/* ---- taking in ---- */

struct store_upload; /* content that is arriving; belongs to the store */

/* Begins to take content. Never fails; what goes wrong is told by append's done(). */
struct store_upload *store_upload_open(struct store *store, struct message_id id);
/* Copies the bytes. Content over a driver's threshold (8 MiB) leaves memory as it arrives. */
void store_upload_write(struct store_upload *upload, struct str bytes);
uint64_t store_upload_size(const struct store_upload *upload);
/* Adds what was written, from `offset` on, at most `size` octets, to *out. 0 or -EIO. What has left
 * memory is read from the medium while the caller waits; it was written a moment ago. */
int store_upload_read(struct store_upload *upload, uint64_t offset, size_t size, struct buf *out);
/* What was written leaves memory, and whatever comes yet too: it will be a while until the upload
 * ends. */
void store_upload_spill(struct store_upload *upload);
/* Forgets what was written: other content comes in its place. */
void store_upload_restart(struct store_upload *upload);
void store_upload_abort(struct store_upload *upload); /* frees; nothing remains */
/* Bytes in memory for all uploads and batches that are not yet durable: the caller stops granting
 * credit to receivers while it is above its budget. */
uint64_t store_memory(const struct store *store);

enum { STORE_FRONT_MAX = 1024 * 1024 };

/* Ends the upload (which is gone after the call) and stores the message, whose content is `front`
 * (copied; at most STORE_FRONT_MAX) and then what was uploaded. The envelope's id is the upload's.
 * Recipients that the envelope holds back begin as rescued ones, for its reason. Large content
 * holds up what is asked for after it until it is stable (promise 3). */
void store_append(struct store *store, struct store_upload *upload, const struct envelope *envelope,
                  struct str front, store_done *done, void *context);
/* 0 at once if the message is known and nothing of it is left in this domain. */
void store_settle(struct store *store, const struct settlement *settlement, store_done *done,
                  void *context);

/* ---- reading ---- */

enum { STORE_LIST_MAX = 1000 };

struct store_position { /* where a listing goes on; {0}: at its beginning */
    int64_t since_ms;
    uint64_t order; /* the driver's tie breaker */
};

struct store_query {
    struct str domain;    /* normal form; empty: every domain */
    struct str recipient; /* whole address; empty: any */
    unsigned states;      /* bits 1 << enum entry_state; 0: both */
    bool newest_first;
    struct store_position after; /* exclusive, in the direction of the listing */
    uint32_t limit;              /* 1 … STORE_LIST_MAX */
};

struct store_listing {
    const struct entry *entry;             /* valid during the call */
    const struct store_position *position; /* of each entry; stays valid while it is listed */
    uint32_t count;
    bool more;
};

typedef void store_listed(void *context, int error, const struct store_listing *listing);

void store_list(struct store *store, const struct store_query *query, store_listed *listed,
                void *context);

enum recipient_state { RECIPIENT_PENDING, RECIPIENT_GONE, RECIPIENT_RESCUED };

struct stored_message {
    /* Who was held back and is not in the rescue store any more was released, and is not marked. */
    struct envelope envelope;
    uint64_t size;                               /* octets of content */
    const enum recipient_state *recipient_state; /* one per envelope recipient */
    /* Why the rescued ones are there; code 0 where none is. One reason per message and domain is
     * kept, the latest. */
    struct verdict reason;
    int64_t since_ms; /* of the entry in the domain that was asked for, else 0 */
};

struct store_reader; /* an opened message; belongs to the store until closed */

/* error -ENOENT: nothing of the message is left. The reader keeps the content readable until it is
 * closed, whatever is settled meanwhile. */
typedef void store_opened(void *context, int error, struct store_reader *reader,
                          const struct stored_message *message); /* message lives with the reader */
/* With a domain, `reason` is that domain's. */
void store_open(struct store *store, struct message_id id, struct str domain, store_opened *opened,
                void *context);
/* `bytes` is valid during the call; shorter than asked for only at the end. -EIO also when the
 * content's checksum does not match. */
typedef void store_read_done(void *context, int error, struct str bytes);
void store_read(struct store_reader *reader, uint64_t offset, size_t size, store_read_done *done,
                void *context);
void store_reader_close(struct store_reader *reader);

/* Is the message stored (in whatever state of settlement)? For tickets in doubt after a restart of
 * the keeper. `error` 0: durable; -ENOENT: not there. A message whose recipients are all settled
 * is remembered for at least ten minutes. */
void store_ask(struct store *store, struct message_id id, store_done *done, void *context);

/* ---- the whole ---- */

struct store_totals {
    uint64_t held_count;
    uint64_t held_bytes;
    uint64_t rescued_count;
    uint64_t rescued_bytes;
    int64_t oldest_held_ms; /* since_ms of the oldest; 0: none */
};

/* As known at the last turn; no waiting. Empty domain: all together. */
void store_totals(const struct store *store, struct str domain, struct store_totals *out_totals);
/* Calls with *cursor = 0, 1, …: the next domain that has entries; false at the end. */
bool store_next_domain(const struct store *store, size_t *cursor, struct str *out_domain);

enum store_condition { STORE_OK, STORE_FULL, STORE_FAILING };
struct store_health {
    enum store_condition condition;
    struct verdict verdict; /* what senders are told at MAIL FROM unless STORE_OK */
    uint64_t free_bytes;    /* room for new mail, as far as the driver knows */
    uint64_t used_bytes;
    struct str missing_keys; /* ids, a space between; mail waits for them. Until the next turn */
};
void store_health(const struct store *store, struct store_health *out_health);

/* A lease says which node works for a domain. granted(0): this node, until lost() or
 * store_lease_return(). An embedded driver grants at once and never loses one. */
typedef void store_lease_lost(void *context, struct str domain);
void store_lease(struct store *store, struct str domain, store_done *granted,
                 store_lease_lost *lost, void *context);
void store_lease_return(struct store *store, struct str domain);

/* ---- copying ---- */

struct store_pin_host {
    /* A file of the driver's folder and how much of it belongs to the state that is pinned. */
    void (*file)(void *context, const char *name, uint64_t size);
    void *context;
};

/* Everything that has been answered until now stays readable in the files named, which neither
 * shrink nor go nor are used for something else until store_unpin(), or for `span_ms` without
 * store_pin_on(). Copies of them are the state of this moment, whatever is done meanwhile. 0,
 * -EBUSY (it is pinned already) or -ENOTSUP (the driver has no files). */
int store_pin(struct store *store, int64_t span_ms, const struct store_pin_host *host);
/* For another span. False: the pin is no more, and a copy may be of no state at all. */
bool store_pin_on(struct store *store, int64_t span_ms);
void store_unpin(struct store *store);

/* Once per turn of the owner's loop: calls the done()s that are ready, and starts to commit what
 * has been staged if no commit is under way. */
void store_turn(struct store *store, struct now now);
/* When store_turn() must be called again at the latest, on the monotonic clock; NEVER_MS. */
int64_t store_deadline(const struct store *store);
/* Commits what is staged, answers every done() (-ECANCELED where nothing else is known), writes
 * what makes the next start fast, frees. Blocks. */
void store_close(struct store *store);

/* ---- for drivers ---- */

struct store_driver {
    const char *name;
    struct store_upload *(*upload_open)(struct store *, struct message_id);
    void (*upload_write)(struct store_upload *, struct str);
    uint64_t (*upload_size)(const struct store_upload *);
    int (*upload_read)(struct store_upload *, uint64_t, size_t, struct buf *);
    void (*upload_spill)(struct store_upload *);
    void (*upload_restart)(struct store_upload *);
    void (*upload_abort)(struct store_upload *);
    uint64_t (*memory)(const struct store *);
    void (*append)(struct store *, struct store_upload *, const struct envelope *, struct str,
                   store_done *, void *);
    void (*settle)(struct store *, const struct settlement *, store_done *, void *);
    void (*list)(struct store *, const struct store_query *, store_listed *, void *);
    void (*open)(struct store *, struct message_id, struct str, store_opened *, void *);
    void (*read)(struct store_reader *, uint64_t, size_t, store_read_done *, void *);
    void (*reader_close)(struct store_reader *);
    void (*ask)(struct store *, struct message_id, store_done *, void *);
    void (*totals)(const struct store *, struct str, struct store_totals *);
    bool (*next_domain)(const struct store *, size_t *, struct str *);
    void (*health)(const struct store *, struct store_health *);
    int (*pin)(struct store *, int64_t, const struct store_pin_host *); /* NULL: it has no files */
    bool (*pin_on)(struct store *, int64_t);
    void (*unpin)(struct store *);
    void (*lease)(struct store *, struct str, store_done *, store_lease_lost *, void *);
    void (*lease_return)(struct store *, struct str);
    void (*turn)(struct store *, struct now);
    int64_t (*deadline)(const struct store *);
    void (*close)(struct store *);
};

/* The first member of every driver's store, upload and reader. */
struct store {
    const struct store_driver *driver;
};
struct store_upload {
    struct store *store;
};
struct store_reader {
    struct store *store;
};
