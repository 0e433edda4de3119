/* SPDX-License-Identifier: ISC */
/* buf.c: see buf.h. */
#include "base/buf.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

void buf_fini(struct buf *buf)
{
    memory_free(buf->ptr);
    *buf = (struct buf){ 0 };
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
}

void buf_reserve(struct buf *buf, size_t more)
{
    if (buf->cap - buf->len >= more)
        return;
    size_t cap = buf->cap > 0 ? buf->cap : 64;
    check(more <= SIZE_MAX / 4 - buf->len);
    while (cap - buf->len < more)
        cap *= 2;
    buf->ptr = memory_resize(buf->ptr, cap);
    buf->cap = cap;
}

void buf_consume(struct buf *buf, size_t len)
{
    check(len <= buf->len);
    buf->len -= len;
    if (buf->len > 0)
        memmove(buf->ptr, buf->ptr + len, buf->len);
}

struct str buf_str(const struct buf *buf)
{
    return (struct str){ buf->ptr, buf->len };
}

void buf_add_bytes(struct buf *buf, const void *bytes, size_t len)
{
    if (len == 0)
        return;
    buf_reserve(buf, len);
    memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
}

void buf_add(struct buf *buf, struct str text)
{
    buf_add_bytes(buf, text.ptr, text.len);
}

void buf_add_byte(struct buf *buf, char byte)
{
    buf_add_bytes(buf, &byte, 1);
}

void buf_add_vformat(struct buf *buf, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, arguments);
    check(len >= 0);
    buf_reserve(buf, (size_t)len + 1);
    (void)vsnprintf(buf->ptr + buf->len, (size_t)len + 1, format, again);
    va_end(again);
    buf->len += (size_t)len;
}

void buf_add_format(struct buf *buf, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    buf_add_vformat(buf, format, arguments);
    va_end(arguments);
}

static void add_number(struct buf *buf, uint64_t n, size_t bytes)
{
    unsigned char out[8];
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(n >> (8 * i));
    buf_add_bytes(buf, out, bytes);
}

void buf_add_u8(struct buf *buf, uint8_t n)
{
    add_number(buf, n, 1);
}

void buf_add_u16(struct buf *buf, uint16_t n)
{
    add_number(buf, n, 2);
}

void buf_add_u32(struct buf *buf, uint32_t n)
{
    add_number(buf, n, 4);
}

void buf_add_u64(struct buf *buf, uint64_t n)
{
    add_number(buf, n, 8);
}

void buf_add_counted(struct buf *buf, struct str text)
{
    check(text.len <= UINT32_MAX);
    buf_add_u32(buf, (uint32_t)text.len);
    buf_add(buf, text);
}
