/* SPDX-License-Identifier: ISC */
/* recent.c: see recent.h. */
#include "store/log/recent.h"

#include <string.h>

#include "base/cursor.h"
#include "base/memory.h"

static uint64_t value_of(struct message_id id)
{
    uint64_t value;
    memcpy(&value, id.bytes + 8, sizeof value);
    return value != 0 ? value : 1;
}

static uint32_t seek(const struct recent_set *set, uint64_t value)
{
    uint32_t at = (uint32_t)((value * 0x9e3779b97f4a7c15) >> 32) & (set->cap - 1);
    while (set->slot[at] != 0 && set->slot[at] != value)
        at = (at + 1) & (set->cap - 1);
    return at;
}

static void grow(struct recent_set *set)
{
    struct recent_set old = *set;

    set->cap = old.cap > 0 ? old.cap * 2 : 64;
    set->slot = memory_new(set->cap * sizeof *set->slot);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.slot[i] != 0)
            set->slot[seek(set, old.slot[i])] = old.slot[i];
    memory_free(old.slot);
}

static void add(struct recent_set *set, uint64_t value)
{
    if (set->count + 1 > set->cap / 4 * 3)
        grow(set);
    uint32_t at = seek(set, value);
    set->count += set->slot[at] == 0 ? 1 : 0;
    set->slot[at] = value;
}

static bool has(const struct recent_set *set, uint64_t value)
{
    return set->count > 0 && set->slot[seek(set, value)] == value;
}

void recent_fini(struct recent *recent)
{
    memory_free(recent->young.slot);
    memory_free(recent->old.slot);
    *recent = (struct recent){ 0 };
}

static void age(struct recent *recent)
{
    memory_free(recent->old.slot);
    recent->old = recent->young;
    recent->young = (struct recent_set){ 0 };
}

void recent_add(struct recent *recent, struct message_id id)
{
    if (recent->young.count >= RECENT_MAX)
        age(recent);
    add(&recent->young, value_of(id));
}

bool recent_has(const struct recent *recent, struct message_id id)
{
    return has(&recent->young, value_of(id)) || has(&recent->old, value_of(id));
}

void recent_turn(struct recent *recent, int64_t mono_ms)
{
    if (mono_ms - recent->since_ms < RECENT_MS)
        return;
    recent->since_ms = mono_ms;
    age(recent);
}

static void encode_set(struct buf *out, const struct recent_set *set)
{
    for (uint32_t i = 0; i < set->cap; i++)
        if (set->slot[i] != 0)
            buf_add_u64(out, set->slot[i]);
}

void recent_encode(struct buf *out, const struct recent *recent)
{
    buf_add_u32(out, recent->old.count + recent->young.count);
    encode_set(out, &recent->old);
    encode_set(out, &recent->young);
}

void recent_decode(struct cursor *cursor, struct recent *recent)
{
    uint32_t count = cursor_u32(cursor);
    for (uint32_t i = 0; i < count && cursor_ok(cursor); i++) {
        uint64_t value = cursor_u64(cursor);
        if (value != 0)
            add(&recent->young, value);
    }
}
