/* SPDX-License-Identifier: ISC */
/* gzip.c: see gzip.h. */
#include "base/gzip.h"

#include <limits.h>
#include <zlib.h>

#include "base/check.h"

enum {
    WINDOW = 15 + 16, /* the largest, and a gzip header around it */
    MEMORY = 8,       /* zlib's default */
};

void gzip_add(struct buf *out, struct str bytes)
{
    z_stream stream = { 0 };

    check(bytes.len <= UINT_MAX / 2);
    check(deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW, MEMORY,
                       Z_DEFAULT_STRATEGY) == Z_OK);
    size_t bound = deflateBound(&stream, bytes.len);
    check(bound <= UINT_MAX);
    buf_reserve(out, bound);
    stream.next_in = (Bytef *)(uintptr_t)bytes.ptr;
    stream.avail_in = (uInt)bytes.len;
    stream.next_out = (Bytef *)out->ptr + out->len;
    stream.avail_out = (uInt)bound;
    check(deflate(&stream, Z_FINISH) == Z_STREAM_END);
    out->len += stream.total_out;
    (void)deflateEnd(&stream);
}
