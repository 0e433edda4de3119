/* SPDX-License-Identifier: ISC */
/* fuzz_log.c: a stranger's text is one field of one line in the log, and cannot be taken for
 * another; on a terminal it shows what it is, and can be read back from what is shown. */
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/log.h"
#include "base/printable.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Behind the marker stands one word, or one string in quotes; then the field that follows. */
static void check_line(void *context, struct str line)
{
    const char *at = memmem(line.ptr, line.len, " text=", 6);

    check(at != NULL);
    for (size_t i = 0; i < line.len; i++)
        check(line.ptr[i] >= ' ' && line.ptr[i] < 0x7f);
    struct str rest = str_skip(line, (size_t)(at - line.ptr) + 6);
    check(rest.len > 0);
    size_t end = 0;
    if (rest.ptr[0] == '"') {
        for (end = 1; end < rest.len && rest.ptr[end] != '"'; end++)
            end += rest.ptr[end] == '\\';
        end++;
    } else {
        while (end < rest.len && rest.ptr[end] != ' ')
            end++;
    }
    check(end < rest.len && str_equals(str_skip(rest, end), STR(" code=250")));
    ++*(int *)context;
}

static uint8_t hex_digit(char c)
{
    return (uint8_t)(ascii_is_digit(c) ? c - '0' : c - 'a' + 10);
}

static void read_back(struct str shown, struct buf *out)
{
    for (size_t i = 0; i < shown.len; i++) {
        if (shown.ptr[i] != '\\') {
            buf_add_byte(out, shown.ptr[i]);
        } else if (shown.ptr[i + 1] == '\\') {
            buf_add_byte(out, '\\');
            i++;
        } else {
            check(shown.len - i >= 4 && shown.ptr[i + 1] == 'x');
            buf_add_u8(out,
                       (uint8_t)(hex_digit(shown.ptr[i + 2]) << 4 | hex_digit(shown.ptr[i + 3])));
            i += 3;
        }
    }
}

static void check_printable(struct str text)
{
    struct buf shown = { 0 };
    struct buf back = { 0 };

    printable_add(&shown, text);
    read_back(buf_str(&shown), &back);
    check(str_equals(buf_str(&back), text));
    for (struct str rest = buf_str(&shown); rest.len > 0;) {
        uint32_t code = 0;
        size_t len = printable_utf8(rest, &code);
        check(len > 0 && code >= ' ' && (code < 0x7f || code >= 0xa0));
        rest = str_skip(rest, len);
    }
    buf_reset(&shown);
    printable_add_quoted(&shown, text);
    check(shown.len <= 4 * 64 + 8 && shown.ptr[0] == '"' && shown.ptr[shown.len - 1] == '"');
    buf_fini(&shown);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    int lines = 0;

    log_set_sink(check_line, &lines);
    log_info("refused", LOG_STR("text", text), LOG_INT("code", 250));
    check(lines == 1);
    check_printable(text);
    return 0;
}
