/* SPDX-License-Identifier: ISC */
/* fuzz_content.c: decoded content holds CR and LF as pairs only, whatever the split; it ends where
 * CRLF.CRLF stands and nowhere else. The first octet chooses mode and split. */
#include "base/check.h"
#include "wire/content.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct result {
    struct buf out;
    size_t taken;
    struct content_decoder decoder;
};

static struct result decode(struct str text, bool dotted, size_t piece)
{
    struct result result = { .decoder = dotted ? content_decoder_for_data()
                                               : content_decoder_for_chunks() };

    while (result.taken < text.len && !content_is_complete(&result.decoder)) {
        size_t before = result.out.len;
        struct str part = str_first(str_skip(text, result.taken), piece);
        size_t taken = content_decode(&result.decoder, part, &result.out);
        check(taken == part.len || content_is_complete(&result.decoder));
        check(result.out.len - before <= 2 * taken + 2);
        result.taken += taken;
    }
    return result;
}

/* Said again, the simple way: the octets up to CRLF.CRLF, the first CRLF being that of DATA. */
static size_t end_of(struct str text)
{
    if (text.len >= 3 && memcmp(text.ptr, ".\r\n", 3) == 0)
        return 3;
    const char *end = text.len > 0 ? memmem(text.ptr, text.len, "\r\n.\r\n", 5) : NULL;
    return end == NULL ? 0 : (size_t)(end - text.ptr) + 5;
}

static void check_pairs(struct str out, bool complete)
{
    for (size_t i = 0; i < out.len; i++) {
        if (out.ptr[i] == '\n')
            check(i > 0 && out.ptr[i - 1] == '\r');
        if (out.ptr[i] == '\r')
            check(i + 1 < out.len && out.ptr[i + 1] == '\n');
    }
    if (complete && out.len > 0)
        check(out.ptr[out.len - 1] == '\n');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct str text = str_of(data + 1, size - 1);
    bool dotted = (data[0] & 1) != 0;
    struct result whole = decode(text, dotted, SIZE_MAX);
    struct result parts = decode(text, dotted, (data[0] >> 1) % 16 + 1U);

    check(str_equals(buf_str(&whole.out), buf_str(&parts.out)));
    check(whole.taken == parts.taken && whole.decoder.state == parts.decoder.state);
    check(whole.decoder.bare == parts.decoder.bare);
    check_pairs(buf_str(&whole.out), content_is_complete(&whole.decoder));
    if (dotted) {
        check(content_is_complete(&whole.decoder) == (end_of(text) > 0));
        check(end_of(text) == 0 || whole.taken == end_of(text));
    }
    buf_fini(&whole.out);
    buf_fini(&parts.out);
    return 0;
}
