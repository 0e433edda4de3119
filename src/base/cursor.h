/* SPDX-License-Identifier: ISC */
/* cursor.h: reads binary bytes straight on, asks once at the end.
 *
 * The error is sticky: after a read past the end every further read gives zero
 * or STR_NONE, and cursor_ok() is false. Nothing is looked at before its length
 * has been compared with what is left.
 */
#pragma once

#include "base/str.h"

struct cursor {
    struct str left;
    bool failed;
};

struct cursor cursor_over(struct str bytes);
bool cursor_ok(const struct cursor *cursor);   /* no read went past the end */
bool cursor_done(const struct cursor *cursor); /* ok, and nothing is left */

uint8_t cursor_u8(struct cursor *cursor);
uint16_t cursor_u16(struct cursor *cursor);
uint32_t cursor_u32(struct cursor *cursor);
uint64_t cursor_u64(struct cursor *cursor);
struct str cursor_bytes(struct cursor *cursor, size_t len); /* borrowed */
struct str cursor_counted(struct cursor *cursor);           /* u32 length, then bytes; borrowed */
