/* SPDX-License-Identifier: ISC */
/* line.c: see line.h. */
#include "control/line.h"

void control_lines_fini(struct control_lines *lines)
{
    buf_fini(&lines->buf);
    lines->taken = 0;
    lines->looked_at = 0;
}

void control_lines_feed(struct control_lines *lines, struct str bytes)
{
    buf_consume(&lines->buf, lines->taken);
    lines->taken = 0;
    buf_add(&lines->buf, bytes);
}

bool control_lines_next(struct control_lines *lines, struct str *out_line)
{
    for (;;) {
        struct str left = str_skip(buf_str(&lines->buf), lines->taken);
        ptrdiff_t end = str_find(str_skip(left, lines->looked_at), '\n');
        if (end < 0) {
            lines->looked_at = left.len;
            return false;
        }
        size_t len = lines->looked_at + (size_t)end;
        if (len > lines->size_max)
            return false;
        lines->taken += len + 1;
        lines->looked_at = 0;
        if (len == 0)
            continue;
        *out_line = str_first(left, len);
        return true;
    }
}

bool control_lines_too_long(const struct control_lines *lines)
{
    struct str left = str_skip(buf_str(&lines->buf), lines->taken);
    ptrdiff_t end = str_find(left, '\n');
    return (end < 0 ? left.len : (size_t)end) > lines->size_max;
}
