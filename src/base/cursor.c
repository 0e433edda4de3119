/* SPDX-License-Identifier: ISC */
/* cursor.c: see cursor.h. */
#include "base/cursor.h"

struct cursor cursor_over(struct str bytes)
{
    return (struct cursor){ .left = bytes };
}

bool cursor_ok(const struct cursor *cursor)
{
    return !cursor->failed;
}

bool cursor_done(const struct cursor *cursor)
{
    return !cursor->failed && cursor->left.len == 0;
}

struct str cursor_bytes(struct cursor *cursor, size_t len)
{
    if (cursor->failed || len > cursor->left.len) {
        cursor->failed = true;
        return STR_NONE;
    }
    struct str bytes = str_first(cursor->left, len);
    cursor->left = str_skip(cursor->left, len);
    return bytes;
}

static uint64_t number(struct cursor *cursor, size_t len)
{
    struct str bytes = cursor_bytes(cursor, len);
    uint64_t n = 0;
    for (size_t i = 0; i < bytes.len; i++)
        n |= (uint64_t)(unsigned char)bytes.ptr[i] << (8 * i);
    return n;
}

uint8_t cursor_u8(struct cursor *cursor)
{
    return (uint8_t)number(cursor, 1);
}

uint16_t cursor_u16(struct cursor *cursor)
{
    return (uint16_t)number(cursor, 2);
}

uint32_t cursor_u32(struct cursor *cursor)
{
    return (uint32_t)number(cursor, 4);
}

uint64_t cursor_u64(struct cursor *cursor)
{
    return number(cursor, 8);
}

struct str cursor_counted(struct cursor *cursor)
{
    return cursor_bytes(cursor, cursor_u32(cursor));
}
