/* SPDX-License-Identifier: ISC */
/* index.h: what of every entry is kept in memory, and how it is found.
 *
 * 72 bytes an entry, 4 to 8 for the hash by message id, about 5 for its place in
 * the fifo of its domain and state: below 100 (SPEC O5). Whatever else there is to know
 * is read from the record.
 *
 * An entry has a number (never 0) as long as it lives. An entry is added *staged*
 * (found by id, so that a second message of the same id is refused, but neither
 * listed nor counted) and is listed when its record is durable.
 *
 * Recipients. Nearly always the recipients of one domain stand together in the
 * envelope and share one state; then first, count, pending and rescued say all.
 * Otherwise the entry has a side record with a state for each recipient of the
 * envelope. Of the reasons for rescue each distinct text is kept once; from
 * REASONS_MAX on only the codes are kept, so that hostile replies do not fill
 * the memory.
 *
 * Search by recipient walks the domain's fifo. An entry with one recipient has a
 * 32-bit hash of it, so that a record is read only where it is nearly certain to
 * match; entries with several are read.
 */
#pragma once

#include "base/map.h"
#include "store/log/fifo.h"
#include "store/log/format.h"

enum { REASONS_MAX = 65536, STATE_COUNT = 2, HEAD_UNIT = 32 };

enum index_flag {
    INDEX_SIDE = 1,      /* has a side record */
    INDEX_BODY_FILE = 2, /* the content is in a file of its own */
};

struct index_entry {
    struct message_id id;
    int64_t since_ms;
    uint64_t order;          /* ties of since_ms; also of arrival */
    uint32_t segment;        /* where its record is; 0 while staged */
    uint32_t place;          /* offset / RECORD_ALIGN */
    uint32_t size;           /* octets of content */
    uint32_t next;           /* in the hash chain, or of the free ones */
    uint32_t domain;         /* number */
    uint32_t recipient_hash; /* of the only recipient; 0: there are several */
    uint32_t reason;         /* number; 0: none */
    uint16_t first;          /* index of the domain's first recipient in the envelope */
    uint16_t count;          /* the domain's recipients */
    uint16_t pending;
    uint16_t rescued;
    uint16_t head; /* of the record: all but the content, in HEAD_UNITs, rounded up */
    uint8_t state; /* enum entry_state; 0: staged */
    uint8_t flags; /* enum index_flag */
};

struct index_domain {
    struct str name;
    uint32_t number;
    struct fifo fifo[STATE_COUNT]; /* by state - 1 */
    uint64_t bytes[STATE_COUNT];
    uint64_t entries[STATE_COUNT];
};

struct index_side {  /* the states of one entry's recipients */
    uint16_t count;  /* of the envelope's recipients */
    uint8_t state[]; /* enum recipient_state, or INDEX_OTHER */
};
enum { INDEX_OTHER = 0xff }; /* a recipient of another domain */

struct index_reason;
struct index_chunk;

struct index {
    struct index_chunk **chunk;
    uint32_t chunk_count;
    uint32_t room_first; /* chunk with free entries, + 1; 0: none */
    uint32_t vacant;     /* chunk numbers without memory */
    uint32_t *bucket;    /* linear hashing: grows by one bucket at a time */
    uint32_t bucket_count;
    uint32_t bucket_cap;
    uint32_t count;
    uint64_t order_next;
    struct index_domain **domain;
    uint32_t domain_count;
    struct map domain_names;
    struct map sides;
    struct index_reason **reason; /* by number */
    uint32_t reason_count;
    uint32_t reason_free; /* first free number; 0: none */
    struct map reason_texts;
    bool keeps_gone; /* see index_settle() */
};

void index_init(struct index *index);
void index_fini(struct index *index);

struct index_domain *index_get_domain(struct index *index, struct str name); /* makes it */
struct index_domain *index_find_domain(const struct index *index, struct str name);

/* A new staged entry. */
uint32_t index_add(struct index *index, struct message_id id, struct index_domain *domain);
void index_remove(struct index *index, uint32_t number);
struct index_entry *index_entry(const struct index *index, uint32_t number);
/* The entries of a message one after the other; begins behind `number`, or with 0. 0: no more. */
uint32_t index_find(const struct index *index, struct message_id id, uint32_t number);
uint32_t index_find_entry(const struct index *index, struct message_id id, struct str domain);
/* Every entry: numbers above `number` that live; 0: no more. */
uint32_t index_next(const struct index *index, uint32_t number);

/* Adds the entries of a message, one for each domain of the envelope. Recipients that are held back
 * begin as rescued ones. */
void index_add_message(struct index *index, const struct envelope *envelope, uint64_t size,
                       uint8_t flags);
/* Octets that the record of this entry takes in its segment. */
uint64_t index_record_size(const struct index_entry *entry);
/* Takes an entry out of its list; it counts as staged again. */
void index_hide(struct index *index, uint32_t number);
/* Lists a staged entry as what its recipients' states say; `since_ms` is raised to the newest of
 * its kind. */
void index_show(struct index *index, uint32_t number, int64_t since_ms);
/* The same with since_ms and order as they were. */
void index_show_as(struct index *index, uint32_t number, int64_t since_ms, uint64_t order);
uint32_t index_recipient_hash(struct str address);

/* Settles (index_settle.c). True: the entry is gone and has been removed.
 * While records are read again at a start (keeps_gone) nothing is final until the last of them: an
 * entry with nothing left stays as a staged one, and may be restored. */
bool index_settle(struct index *index, uint32_t number, const struct settle_record *settle);
enum recipient_state index_state(const struct index *index, uint32_t number, uint32_t recipient);
bool index_owns(const struct index *index, uint32_t number, uint32_t recipient);
const struct index_side *index_find_side(const struct index *index, uint32_t number);
void index_put_side(struct index *index, uint32_t number, const uint8_t *state, uint16_t count);
void index_drop_side(struct index *index, uint32_t number);

/* Those of a new message's recipients that its envelope holds back. */
void index_hold_back(struct index *index, const struct envelope *envelope);

/* Gives every recipient of a side record the same state; nothing if there is none. */
void index_set_side(struct index *index, uint32_t number, enum recipient_state state);

/* What has become of an entry, as bytes and back (index_status.c). */
struct index_status {
    uint8_t kind;
    struct str parted; /* states of the recipients, borrowed */
    int64_t since_ms;
    bool has_reason;
    struct verdict reason;
};
struct cursor;
void index_status_encode(struct buf *out, const struct index *index, uint32_t number); /* 0: gone */
bool index_status_decode(struct cursor *cursor, struct index_status *out_status);
/* Makes the entry what the status says; a staged entry is listed. If it says gone, the entry is
 * as index_settle() leaves it with keeps_gone. False: they do not fit together, and nothing has
 * changed. */
bool index_restore(struct index *index, uint32_t number, const struct index_status *status);

/* Reasons (index_reason.c). */
void index_set_reason(struct index *index, struct index_entry *entry,
                      const struct verdict *reason); /* NULL: none */
bool index_reason(const struct index *index, const struct index_entry *entry,
                  struct verdict *out_reason);
void index_reasons_fini(struct index *index);
