/* SPDX-License-Identifier: ISC */
/* index_status.c: what has become of an entry, as bytes, so that it can be said anew.
 *
 *     u8 kind: 0 gone, and nothing follows
 *              1 all recipients pending      2 all rescued
 *              3 parted: u16 n, n times u8 enum recipient_state, 255: of another domain
 *     u64 since_ms
 *     u8 1: a verdict follows, the reason for rescue
 *
 * A status is absolute: to restore it twice, or over any other, gives the same.
 */
#include "store/log/index.h"

#include <string.h>

#include "base/check.h"
#include "base/cursor.h"

enum status_kind { STATUS_GONE, STATUS_PENDING, STATUS_RESCUED, STATUS_PARTED };

static enum status_kind kind_of(const struct index_entry *entry)
{
    if (entry->flags & INDEX_SIDE)
        return STATUS_PARTED;
    return entry->pending > 0 ? STATUS_PENDING : STATUS_RESCUED;
}

void index_status_encode(struct buf *out, const struct index *index, uint32_t number)
{
    struct verdict reason;

    if (number == 0) {
        buf_add_u8(out, STATUS_GONE);
        return;
    }
    const struct index_entry *entry = index_entry(index, number);
    const struct index_side *side = index_find_side(index, number);
    bool has_reason = index_reason(index, entry, &reason);
    buf_add_u8(out, (uint8_t)kind_of(entry));
    if (side != NULL) {
        buf_add_u16(out, side->count);
        buf_add_bytes(out, side->state, side->count);
    }
    buf_add_u64(out, (uint64_t)entry->since_ms);
    buf_add_u8(out, has_reason ? 1 : 0);
    if (has_reason)
        verdict_encode(out, &reason);
}

bool index_status_decode(struct cursor *cursor, struct index_status *out_status)
{
    struct index_status status = { .kind = cursor_u8(cursor) };

    if (status.kind == STATUS_PARTED)
        status.parted = cursor_bytes(cursor, cursor_u16(cursor));
    if (status.kind != STATUS_GONE) {
        status.since_ms = (int64_t)cursor_u64(cursor);
        status.has_reason = cursor_u8(cursor) != 0;
    }
    if (status.has_reason)
        status.reason = verdict_decode(cursor);
    if (!cursor_ok(cursor) || status.kind > STATUS_PARTED ||
        status.parted.len > ENVELOPE_RECIPIENTS_MAX)
        return false;
    *out_status = status;
    return true;
}

/* Do the states name just the recipients that the entry has, and is something left of it? */
static bool fits(const struct index *index, uint32_t number, struct str parted)
{
    uint32_t owned = 0;
    uint32_t left = 0;

    for (uint32_t i = 0; i < parted.len; i++) {
        uint8_t state = (uint8_t)parted.ptr[i];
        if (index_owns(index, number, i) != (state != INDEX_OTHER))
            return false;
        if (state == INDEX_OTHER)
            continue;
        if (state > RECIPIENT_RESCUED)
            return false;
        owned++;
        left += state != RECIPIENT_GONE ? 1 : 0;
    }
    return owned == index_entry(index, number)->count && left > 0;
}

static uint16_t count_of(struct str parted, enum recipient_state state)
{
    uint16_t count = 0;
    for (size_t i = 0; i < parted.len; i++)
        if ((uint8_t)parted.ptr[i] == state)
            count++;
    return count;
}

static void restore_parted(struct index *index, uint32_t number, struct str parted)
{
    struct index_entry *entry = index_entry(index, number);

    index_drop_side(index, number);
    index_put_side(index, number, (const uint8_t *)parted.ptr, (uint16_t)parted.len);
    entry->pending = count_of(parted, RECIPIENT_PENDING);
    entry->rescued = count_of(parted, RECIPIENT_RESCUED);
}

/* A side record that is there stays: the recipients may be scattered. */
static void restore_common(struct index *index, uint32_t number, enum recipient_state state)
{
    struct index_entry *entry = index_entry(index, number);

    entry->pending = state == RECIPIENT_PENDING ? entry->count : 0;
    entry->rescued = state == RECIPIENT_RESCUED ? entry->count : 0;
    index_set_side(index, number, state);
}

bool index_restore(struct index *index, uint32_t number, const struct index_status *status)
{
    struct index_entry *entry = index_entry(index, number);
    uint64_t order = entry->order != 0 ? entry->order : index->order_next;

    if (status->kind == STATUS_PARTED && !fits(index, number, status->parted))
        return false;
    index_hide(index, number);
    if (status->kind == STATUS_GONE) {
        restore_common(index, number, RECIPIENT_GONE);
        return true;
    }
    if (status->kind == STATUS_PARTED)
        restore_parted(index, number, status->parted);
    else
        restore_common(index, number,
                       status->kind == STATUS_PENDING ? RECIPIENT_PENDING : RECIPIENT_RESCUED);
    index_set_reason(index, entry, status->has_reason ? &status->reason : NULL);
    index_show_as(index, number, status->since_ms, order);
    return true;
}
