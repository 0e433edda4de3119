/* SPDX-License-Identifier: ISC */
/* envelope.c: see envelope.h. */
#include "mail/envelope.h"

#include <string.h>

enum { VERSION_OPEN = 2, VERSION_SEALED = 3 };
enum { HELD_BACK = 1, NEEDS_PROOF = 2 }; /* flags of a recipient */

bool envelope_holds_back(const struct envelope *envelope)
{
    for (uint32_t i = 0; i < envelope->recipient_count; i++)
        if (envelope->recipient[i].is_held_back)
            return true;
    return false;
}

void envelope_encode(struct buf *out, const struct envelope *envelope)
{
    buf_add_u8(out, envelope->seal.is_sealed ? VERSION_SEALED : VERSION_OPEN);
    buf_add_bytes(out, envelope->id.bytes, MESSAGE_ID_SIZE);
    buf_add_u64(out, (uint64_t)envelope->received_ms);
    buf_add_u8(out, (uint8_t)envelope->body_type);
    buf_add_u8(out, envelope->flags);
    endpoint_encode(out, envelope->client);
    buf_add_counted(out, envelope->helo);
    buf_add_counted(out, envelope->client_name);
    buf_add_counted(out, envelope->protocol);
    buf_add_counted(out, envelope->sender);
    buf_add_counted(out, envelope->envelope_id);
    buf_add_u8(out, envelope->ret);
    buf_add_u32(out, envelope->recipient_count);
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        buf_add_counted(out, envelope->recipient[i].address);
        buf_add_counted(out, envelope->recipient[i].original);
        buf_add_u8(out, envelope->recipient[i].notify);
        buf_add_u8(out, (uint8_t)((envelope->recipient[i].is_held_back ? HELD_BACK : 0) |
                                  (envelope->recipient[i].needs_proof ? NEEDS_PROOF : 0)));
    }
    if (envelope_holds_back(envelope))
        verdict_encode(out, &envelope->reason);
    if (envelope->seal.is_sealed) {
        buf_add_bytes(out, envelope->seal.key_id, SEAL_KEY_ID_SIZE);
        buf_add_bytes(out, envelope->seal.salt, SEAL_SALT_SIZE);
        buf_add_u32(out, envelope->seal.front);
    }
}

static void decode_seal(struct cursor *cursor, struct seal_mark *seal)
{
    struct str key_id = cursor_bytes(cursor, SEAL_KEY_ID_SIZE);
    struct str salt = cursor_bytes(cursor, SEAL_SALT_SIZE);

    seal->front = cursor_u32(cursor);
    if (!cursor_ok(cursor))
        return;
    seal->is_sealed = true;
    memcpy(seal->key_id, key_id.ptr, SEAL_KEY_ID_SIZE);
    memcpy(seal->salt, salt.ptr, SEAL_SALT_SIZE);
}

static struct str decode_text(struct cursor *cursor)
{
    struct str text = cursor_counted(cursor);
    if (text.len > ENVELOPE_TEXT_MAX)
        cursor->failed = true;
    return text;
}

static void decode_recipients(struct cursor *cursor, struct arena *arena, struct envelope *envelope)
{
    envelope->recipient_count = cursor_u32(cursor);
    if (envelope->recipient_count > ENVELOPE_RECIPIENTS_MAX)
        cursor->failed = true;
    if (!cursor_ok(cursor))
        return;
    envelope->recipient = arena_new(arena, envelope->recipient_count * sizeof(struct recipient));
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        envelope->recipient[i].address = decode_text(cursor);
        envelope->recipient[i].original = decode_text(cursor);
        envelope->recipient[i].notify = cursor_u8(cursor);
        uint8_t flags = cursor_u8(cursor);
        if (flags > (HELD_BACK | NEEDS_PROOF))
            cursor->failed = true;
        envelope->recipient[i].is_held_back = (flags & HELD_BACK) != 0;
        envelope->recipient[i].needs_proof = (flags & NEEDS_PROOF) != 0;
    }
    if (envelope_holds_back(envelope))
        envelope->reason = verdict_decode(cursor);
}

bool envelope_decode(struct cursor *cursor, struct arena *arena, struct envelope *out_envelope)
{
    struct envelope envelope = { 0 };

    uint8_t version = cursor_u8(cursor);
    if (version != VERSION_OPEN && version != VERSION_SEALED)
        return false;
    struct str id = cursor_bytes(cursor, MESSAGE_ID_SIZE);
    if (id.len == MESSAGE_ID_SIZE)
        memcpy(envelope.id.bytes, id.ptr, MESSAGE_ID_SIZE);
    envelope.received_ms = (int64_t)cursor_u64(cursor);
    uint8_t body_type = cursor_u8(cursor);
    envelope.flags = cursor_u8(cursor);
    envelope.client = endpoint_decode(cursor);
    envelope.helo = decode_text(cursor);
    envelope.client_name = decode_text(cursor);
    envelope.protocol = decode_text(cursor);
    envelope.sender = decode_text(cursor);
    envelope.envelope_id = decode_text(cursor);
    envelope.ret = cursor_u8(cursor);
    decode_recipients(cursor, arena, &envelope);
    if (version == VERSION_SEALED)
        decode_seal(cursor, &envelope.seal);
    if (!cursor_ok(cursor) || body_type > BODY_BINARYMIME || envelope.received_ms < 0 ||
        envelope.received_ms > ENVELOPE_TIME_MAX)
        return false;
    envelope.body_type = (enum body_type)body_type;
    *out_envelope = envelope;
    return true;
}

struct str recipient_domain(const struct recipient *recipient)
{
    ptrdiff_t at = str_find_last(recipient->address, '@');
    return at < 0 ? STR_NONE : str_skip(recipient->address, (size_t)at + 1);
}
