/* SPDX-License-Identifier: ISC */
/* fuzz_dot_stuff.c: whatever the content, what leaves has only CRLF and one end of data, and our
 * own decoder makes the same lines of it.
 *
 * First octet: bit 0 keeps the dots (BDAT), the rest is the size of the pieces.
 */
#include "base/buf.h"
#include "base/check.h"
#include "wire/content.h"
#include "wire/dot_stuff.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void add_piece(struct buf *out, struct dot_stuff *stuff, struct str piece)
{
    for (;;) {
        struct str run = dot_stuff_next(stuff, &piece);
        if (run.len == 0)
            break;
        buf_add(out, run);
    }
    check(piece.len == 0);
}

static void encode(struct buf *out, bool keeps_dots, struct str content, size_t piece)
{
    struct dot_stuff stuff = { .keeps_dots = keeps_dots };

    for (size_t at = 0; at < content.len; at += piece)
        add_piece(out, &stuff, str_first(str_skip(content, at), piece));
    buf_add(out, dot_stuff_end(&stuff));
}

static void check_lines(struct str out, bool keeps_dots)
{
    struct str line;

    check(keeps_dots ? out.len == 0 || str_ends_nocase(out, STR("\r\n"))
                     : str_ends_nocase(out, STR(".\r\n")));
    while (out.len > 0) {
        check(str_cut(&out, '\n', &line));
        check(line.len > 0 && str_find(line, '\r') == (ptrdiff_t)line.len - 1);
        check(keeps_dots || str_equals(line, STR(".\r")) == (out.len == 0));
        check(keeps_dots || out.len == 0 || line.ptr[0] != '.' || line.ptr[1] == '.');
    }
}

/* What a server makes of it: the same lines, and nothing behind them. */
static void check_arrives(struct str stuffed, struct str content)
{
    struct content_decoder decoder = content_decoder_for_data();
    struct buf lines = { 0 };
    struct buf arrived = { 0 };

    encode(&lines, true, content, content.len + 1);
    check(content_decode(&decoder, stuffed, &arrived) == stuffed.len);
    check(content_is_complete(&decoder) && !decoder.bare);
    check(str_equals(buf_str(&arrived), buf_str(&lines)));
    buf_fini(&lines);
    buf_fini(&arrived);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf whole = { 0 }, pieces = { 0 };

    if (size == 0)
        return 0;
    bool keeps_dots = data[0] & 1;
    struct str content = str_of(data + 1, size - 1);
    encode(&whole, keeps_dots, content, size);
    encode(&pieces, keeps_dots, content, (size_t)(data[0] >> 1) + 1);
    check(str_equals(buf_str(&whole), buf_str(&pieces)));
    check_lines(buf_str(&whole), keeps_dots);
    if (!keeps_dots)
        check_arrives(buf_str(&whole), content);
    buf_fini(&whole);
    buf_fini(&pieces);
    return 0;
}
