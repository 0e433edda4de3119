/* SPDX-License-Identifier: ISC */
/* format.c: see format.h. */
#include "store/log/format.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/cursor.h"

enum { HEADER_COPY_SIZE = SEGMENT_HEADER_SIZE / 2, HEADER_SUMMED = 24 };

static const char segment_magic[8] = "HFSEGMNT";

void segment_header_encode(struct buf *out, const struct segment_header *header)
{
    static const char zeros[HEADER_COPY_SIZE];

    for (int copy = 0; copy < 2; copy++) {
        size_t start = out->len;
        buf_add_bytes(out, segment_magic, sizeof segment_magic);
        buf_add_u16(out, SEGMENT_VERSION);
        buf_add_u16(out, 0);
        buf_add_u32(out, header->number);
        buf_add_u64(out, header->generation);
        buf_add_u32(out, crc32c(0, str_of(out->ptr + start, HEADER_SUMMED)));
        buf_add_bytes(out, zeros, HEADER_COPY_SIZE - (out->len - start));
    }
}

static int decode_copy(struct str bytes, struct segment_header *out_header)
{
    struct cursor cursor = cursor_over(bytes);
    struct str magic = cursor_bytes(&cursor, sizeof segment_magic);
    uint16_t version = cursor_u16(&cursor);
    (void)cursor_u16(&cursor);
    struct segment_header header = { .number = cursor_u32(&cursor) };
    header.generation = cursor_u64(&cursor);
    uint32_t sum = cursor_u32(&cursor);

    if (!cursor_ok(&cursor) || !str_equals(magic, str_of(segment_magic, sizeof segment_magic)) ||
        sum != crc32c(0, str_first(bytes, HEADER_SUMMED)))
        return -EIO;
    if (version != SEGMENT_VERSION)
        return -EPROTONOSUPPORT;
    *out_header = header;
    return 0;
}

int segment_header_decode(struct str bytes, struct segment_header *out_header)
{
    int rc = decode_copy(bytes, out_header);
    return rc == -EIO ? decode_copy(str_skip(bytes, HEADER_COPY_SIZE), out_header) : rc;
}

static void put(char *to, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(unsigned char)(number >> (8 * i));
}

void record_header_encode(char *bytes, const struct record_header *header)
{
    put(bytes + 4, header->type, 1);
    put(bytes + 5, header->flags, 1);
    put(bytes + 6, 0, 2);
    put(bytes + 8, header->generation, 8);
    put(bytes + 16, header->batch, 8);
    put(bytes + 24, header->batch_index, 2);
    put(bytes + 26, header->batch_count, 2);
    put(bytes + 28, header->meta_size, 4);
    put(bytes + 32, header->content_size, 4);
    put(bytes + 36, header->content_check, 4);
    put(bytes, crc32c(0, str_of(bytes + 4, RECORD_HEADER_SIZE - 4 + (size_t)header->meta_size)), 4);
}

static bool is_plausible(const struct record_header *header, uint64_t generation)
{
    return header->generation == generation && header->type >= RECORD_MESSAGE &&
           header->type <= RECORD_MOVED && (header->flags & ~RECORD_FLAGS) == 0 &&
           header->batch_index < header->batch_count;
}

bool record_header_peek(struct str bytes, uint64_t generation, struct record_header *out_header)
{
    struct cursor cursor = cursor_over(bytes);
    struct record_header header = { 0 };

    (void)cursor_u32(&cursor);
    header.type = cursor_u8(&cursor);
    header.flags = cursor_u8(&cursor);
    (void)cursor_u16(&cursor);
    header.generation = cursor_u64(&cursor);
    header.batch = cursor_u64(&cursor);
    header.batch_index = cursor_u16(&cursor);
    header.batch_count = cursor_u16(&cursor);
    header.meta_size = cursor_u32(&cursor);
    header.content_size = cursor_u32(&cursor);
    header.content_check = cursor_u32(&cursor);
    if (!cursor_ok(&cursor) || !is_plausible(&header, generation))
        return false;
    *out_header = header;
    return true;
}

bool record_header_decode(struct str bytes, uint64_t generation, struct record_header *out_header)
{
    struct record_header header;
    struct cursor cursor = cursor_over(bytes);

    if (!record_header_peek(bytes, generation, &header) ||
        header.meta_size > bytes.len - RECORD_HEADER_SIZE)
        return false;
    struct str summed = str_of(bytes.ptr + 4, RECORD_HEADER_SIZE - 4 + (size_t)header.meta_size);
    if (cursor_u32(&cursor) != crc32c(0, summed))
        return false;
    *out_header = header;
    return true;
}

uint64_t record_padded(uint64_t size)
{
    return (size + RECORD_ALIGN - 1) & ~(uint64_t)(RECORD_ALIGN - 1);
}

uint64_t record_size(const struct record_header *header)
{
    return record_padded((uint64_t)RECORD_HEADER_SIZE + header->meta_size + header->content_size);
}

void message_meta_encode(struct buf *out, const struct message_meta *meta)
{
    buf_add_u64(out, meta->size);
    buf_add_u32(out, (uint32_t)meta->front.len);
    envelope_encode(out, &meta->envelope);
    buf_add(out, meta->front);
}

bool message_meta_decode(struct str bytes, struct arena *arena, struct message_meta *out_meta)
{
    struct cursor cursor = cursor_over(bytes);
    uint64_t size = cursor_u64(&cursor);
    uint32_t front = cursor_u32(&cursor);

    if (!cursor_ok(&cursor) || front > size ||
        !envelope_decode(&cursor, arena, &out_meta->envelope) || cursor.left.len != front)
        return false;
    out_meta->size = size;
    out_meta->front = cursor.left;
    return true;
}

uint64_t message_head_size(uint8_t flags, uint32_t meta_size, size_t front)
{
    return (uint64_t)RECORD_HEADER_SIZE + meta_size - (flags & RECORD_BODY_FILE ? 0 : front);
}

bool message_meta_peek(struct str bytes, struct message_id *out_id, uint32_t *out_front)
{
    struct cursor cursor = cursor_over(bytes);

    (void)cursor_u64(&cursor); /* size */
    uint32_t front = cursor_u32(&cursor);
    (void)cursor_u8(&cursor); /* version */
    struct str id = cursor_bytes(&cursor, MESSAGE_ID_SIZE);
    if (!cursor_ok(&cursor) || front > cursor.left.len)
        return false;
    memcpy(out_id->bytes, id.ptr, MESSAGE_ID_SIZE);
    *out_front = front;
    return true;
}

void settle_meta_encode(struct buf *out, const struct settlement *settlement)
{
    buf_add_bytes(out, settlement->id.bytes, MESSAGE_ID_SIZE);
    buf_add_u32(out, 0);
    buf_add_u8(out, (uint8_t)settlement->outcome);
    buf_add_u64(out, (uint64_t)settlement->at_ms);
    buf_add_counted(out, settlement->domain);
    buf_add_u32(out, settlement->count);
    for (uint32_t i = 0; i < settlement->count; i++)
        buf_add_u32(out, settlement->recipient[i]);
    if (settlement->outcome == OUTCOME_RESCUED)
        verdict_encode(out, &settlement->reason);
}

void settle_meta_set_segment(char *meta, uint32_t segment)
{
    put(meta + MESSAGE_ID_SIZE, segment, 4);
}

bool settle_meta_decode(struct str meta, struct settle_record *out_settle)
{
    struct cursor cursor = cursor_over(meta);
    struct settle_record settle = { 0 };

    struct str id = cursor_bytes(&cursor, MESSAGE_ID_SIZE);
    settle.segment = cursor_u32(&cursor);
    uint8_t outcome = cursor_u8(&cursor);
    settle.at_ms = (int64_t)cursor_u64(&cursor);
    settle.domain = cursor_counted(&cursor);
    settle.count = cursor_u32(&cursor);
    if (!cursor_ok(&cursor) || settle.count > ENVELOPE_RECIPIENTS_MAX ||
        outcome < OUTCOME_DELIVERED || outcome > OUTCOME_DISCARDED)
        return false;
    memcpy(settle.id.bytes, id.ptr, MESSAGE_ID_SIZE);
    settle.outcome = (enum outcome)outcome;
    settle.recipients = cursor_bytes(&cursor, (size_t)settle.count * 4);
    if (settle.outcome == OUTCOME_RESCUED)
        settle.reason = verdict_decode(&cursor);
    if (!cursor_ok(&cursor))
        return false;
    *out_settle = settle;
    return true;
}

uint32_t settle_recipient(const struct settle_record *settle, uint32_t i)
{
    check(i < settle->count);
    struct cursor cursor = cursor_over(str_skip(settle->recipients, (size_t)i * 4));
    return cursor_u32(&cursor);
}

void resume_meta_encode(struct buf *out, const struct resume_record *resume)
{
    buf_add_u32(out, resume->segment);
    buf_add_u64(out, resume->offset);
}

bool resume_meta_decode(struct str meta, struct resume_record *out_resume)
{
    struct cursor cursor = cursor_over(meta);
    struct resume_record resume = { .segment = cursor_u32(&cursor) };
    resume.offset = cursor_u64(&cursor);
    if (!cursor_ok(&cursor))
        return false;
    *out_resume = resume;
    return true;
}

void state_meta_encode(struct buf *out, const struct state_record *state)
{
    buf_add_bytes(out, state->id.bytes, MESSAGE_ID_SIZE);
    buf_add_u32(out, state->segment);
    buf_add_counted(out, state->domain);
    buf_add(out, state->status);
}

bool state_meta_decode(struct str meta, struct state_record *out_state)
{
    struct cursor cursor = cursor_over(meta);
    struct state_record state = { 0 };

    struct str id = cursor_bytes(&cursor, MESSAGE_ID_SIZE);
    state.segment = cursor_u32(&cursor);
    state.domain = cursor_counted(&cursor);
    state.status = cursor.left;
    if (!cursor_ok(&cursor))
        return false;
    memcpy(state.id.bytes, id.ptr, MESSAGE_ID_SIZE);
    *out_state = state;
    return true;
}

void moved_meta_begin(struct buf *out, uint32_t from, struct str entries)
{
    buf_add_u32(out, from);
    buf_add_counted(out, entries);
}

bool message_parts_decode(const struct record_header *header, struct str meta,
                          struct message_parts *out_parts)
{
    struct cursor cursor = cursor_over(meta);
    struct message_parts parts = { 0 };

    if (header->type == RECORD_MOVED) {
        parts.from = cursor_u32(&cursor);
        parts.entries = cursor_counted(&cursor);
    }
    parts.message = cursor.left;
    bool ok =
        cursor_ok(&cursor) && (header->type == RECORD_MESSAGE || header->type == RECORD_MOVED);
    if (ok)
        *out_parts = parts;
    return ok;
}

uint64_t batch_before(uint64_t batch)
{
    return (uint32_t)batch > 1 ? batch - 1 : 0;
}
