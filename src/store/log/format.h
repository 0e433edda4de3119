/* SPDX-License-Identifier: ISC */
/* format.h: the bytes of a segment.
 *
 * Numbers are little-endian. "Counted" is a u32 length and the bytes.
 *
 * A segment is a file NNNNNNNN.seg of a fixed size. Its name is its number; numbers
 * only grow and say the order of the log. Every use of a file draws a new
 * *generation*, 64 random bits. A record carries the generation of its segment, so
 * that the records of an earlier use, which are otherwise valid, are not taken for
 * new ones, and a sender who knows this format cannot forge a record inside his
 * mail (recovery, looking for the next good record behind a damaged one, reads
 * contents): he does not know the number.
 *
 * Segment header: 4096 bytes, the first 2048 and the last 2048 alike:
 *     0  8 bytes "HFSEGMNT"    8  u16 version (2)     10  u16 zero
 *    12  u32 number           16  u64 generation      24  u32 CRC32C of bytes 0 … 23
 *    28  zeros
 *
 * Records follow from 4096 on, without gaps; each starts at a multiple of 8:
 *     0  u32 CRC32C of bytes 4 … 39 and the meta
 *     4  u8  type               5  u8  flags           6  u16 zero
 *     8  u64 generation        16  u64 batch
 *    24  u16 index in batch    26  u16 records in batch
 *    28  u32 meta size         32  u32 content size   36  u32 CRC32C of the content
 *    40  meta; content; zeros up to the next multiple of 8
 *
 * Two checksums, so that content is summed as it arrives, listings need not read
 * it, and a reader can check it piece by piece.
 *
 * The batch number is epoch << 32 | counter. A start of the store begins a new
 * epoch, with counter 1. A batch is written only after its predecessor (the
 * same epoch, counter - 1) is durable; scan.c builds on that.
 *
 * MESSAGE (1) meta: u64 size of the message's content; u32 size of its front; the encoded
 *     envelope (mail/envelope.h); the front. The record's content is what follows the front.
 *     Flag 1: that is in the file ID.body (ID as in logs); the record's content size is 0, its
 *     content CRC is that of the file.
 * SETTLE (2) meta: 16 bytes message id; u32 number of the segment that holds the message;
 *     u8 outcome; u64 time in ms; counted domain; u32 n; n times u32 index of a recipient
 *     (none: all); for OUTCOME_RESCUED a verdict (u16 code, 3 bytes, counted text).
 * RESUME (3) meta: u32 segment; u64 offset. That segment ends there, whatever can be read
 *     behind: a commit failed. At the head of the first batch of a segment. Segment 0 says
 *     nothing; it tries whether the disk works again, or has content, which nobody reads, and
 *     stands in for records that are lost (fsck_fill.c).
 * STATE (4) meta: 16 bytes id; u32 number of the older segment for whose sake it is said; counted
 *     domain; the status of that entry (index_status.c). Whatever was said before is void.
 * MOVED (5) meta: u32 number of the segment it comes from; counted: for each entry that is left a
 *     counted domain and its status; then as MESSAGE, content too. From here on the message
 *     lives here.
 *
 * STATE and MOVED are written by compact.c.
 *
 * A record with a type or a flag that is not named here cannot be read. Whoever adds one
 * (encryption at rest will) raises the version in the segment's header: a store that was written by
 * a later version is not opened at all, rather than taken for damaged.
 */
#pragma once

#include "store/store.h"

enum {
    SEGMENT_HEADER_SIZE = 4096,
    RECORD_HEADER_SIZE = 40,
    RECORD_ALIGN = 8,
    BATCH_RECORDS_MAX = UINT16_MAX,
};

enum record_type {
    RECORD_MESSAGE = 1,
    RECORD_SETTLE = 2,
    RECORD_RESUME = 3,
    RECORD_STATE = 4,
    RECORD_MOVED = 5,
};
enum record_flag { RECORD_BODY_FILE = 1 };
enum { SEGMENT_VERSION = 2, RECORD_FLAGS = RECORD_BODY_FILE };

struct segment_header {
    uint32_t number;
    uint64_t generation;
};

struct record_header {
    uint8_t type; /* enum record_type */
    uint8_t flags;
    uint64_t generation;
    uint64_t batch;
    uint16_t batch_index;
    uint16_t batch_count;
    uint32_t meta_size;
    uint32_t content_size;
    uint32_t content_check;
};

struct settle_record {
    struct message_id id;
    uint32_t segment;
    enum outcome outcome;
    int64_t at_ms;
    struct str domain;
    struct str recipients; /* count times u32 */
    uint32_t count;
    struct verdict reason; /* for OUTCOME_RESCUED */
};

struct resume_record {
    uint32_t segment;
    uint64_t offset;
};

struct state_record {
    struct message_id id;
    uint32_t segment;
    struct str domain;
    struct str status; /* encoded */
};

/* The parts of a MESSAGE's or MOVED's meta, in its bytes. */
struct message_parts {
    uint32_t from;      /* MOVED: the segment it comes from; else 0 */
    struct str entries; /* MOVED: domains and their status */
    struct str message; /* what message_meta_decode() reads */
};

void segment_header_encode(struct buf *out, const struct segment_header *header);
/* 0; -EIO: neither copy is whole; -EPROTONOSUPPORT: of a later version. */
int segment_header_decode(struct str bytes, struct segment_header *out_header);

/* Over the 40 bytes before the meta at `bytes` (header and meta lie together). */
void record_header_encode(char *bytes, const struct record_header *header);
/* False unless the bytes begin with a header and a meta that are whole, of this generation and not
 * damaged. The content is not looked at. */
bool record_header_decode(struct str bytes, uint64_t generation, struct record_header *out_header);
/* The same without checksum and without need for the meta; for reading on. */
bool record_header_peek(struct str bytes, uint64_t generation, struct record_header *out_header);
uint64_t record_size(const struct record_header *header); /* with padding */
uint64_t record_padded(uint64_t size);

/* What the meta of a message says. Texts point into its bytes. */
struct message_meta {
    uint64_t size; /* of the content, front included; no less than that */
    struct str front;
    struct envelope envelope;
};
void message_meta_encode(struct buf *out, const struct message_meta *meta);
bool message_meta_decode(struct str bytes, struct arena *arena, struct message_meta *out_meta);
/* Octets of a message's record that are no content of it. (Those of the front are, unless the rest
 * is in another file.) */
uint64_t message_head_size(uint8_t flags, uint32_t meta_size, size_t front);
/* Only the id and the size of the front. */
bool message_meta_peek(struct str bytes, struct message_id *out_id, uint32_t *out_front);
/* Where the time of receipt stands in the bytes. */
enum { MESSAGE_META_RECEIVED = 8 + 4 + 1 + MESSAGE_ID_SIZE };
void settle_meta_encode(struct buf *out, const struct settlement *settlement);
/* The segment is known only when the batch is made. */
void settle_meta_set_segment(char *meta, uint32_t segment);
bool settle_meta_decode(struct str meta, struct settle_record *out_settle);
/* The i-th index named. */
uint32_t settle_recipient(const struct settle_record *settle, uint32_t i);
void resume_meta_encode(struct buf *out, const struct resume_record *resume);
bool resume_meta_decode(struct str meta, struct resume_record *out_resume);

void state_meta_encode(struct buf *out, const struct state_record *state);
bool state_meta_decode(struct str meta, struct state_record *out_state);
/* The message follows. */
void moved_meta_begin(struct buf *out, uint32_t from, struct str entries);
bool message_parts_decode(const struct record_header *header, struct str meta,
                          struct message_parts *out_parts);

/* The batch that must be durable before this one is written; 0 if there is none. */
uint64_t batch_before(uint64_t batch);
