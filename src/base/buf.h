/* SPDX-License-Identifier: ISC */
/* buf.h: bytes that belong to us and grow.
 *
 * {0} is an empty buffer. Adding never fails (memory.h); callers check their
 * limits before they add. Pointers into a buffer are valid until the next add.
 * Numbers are written little-endian; struct cursor reads them back.
 */
#pragma once

#include <stdarg.h>

#include "base/str.h"

struct buf {
    char *ptr;
    size_t len;
    size_t cap;
};

void buf_fini(struct buf *buf); /* frees; the buffer is empty and usable again */
void buf_reset(struct buf *buf); /* empties; keeps the memory */
void buf_reserve(struct buf *buf, size_t more);
void buf_consume(struct buf *buf, size_t len); /* drops bytes at the front */
struct str buf_str(const struct buf *buf);     /* borrowed, until the next change */

void buf_add(struct buf *buf, struct str text);
void buf_add_bytes(struct buf *buf, const void *bytes, size_t len);
void buf_add_byte(struct buf *buf, char byte);
void buf_add_format(struct buf *buf, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buf_add_vformat(struct buf *buf, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

void buf_add_u8(struct buf *buf, uint8_t n);
void buf_add_u16(struct buf *buf, uint16_t n);
void buf_add_u32(struct buf *buf, uint32_t n);
void buf_add_u64(struct buf *buf, uint64_t n);
void buf_add_counted(struct buf *buf, struct str text); /* u32 length, then the bytes */
