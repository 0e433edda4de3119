/* SPDX-License-Identifier: ISC */
/* dot_stuff.c: see dot_stuff.h. */
#include "wire/dot_stuff.h"

#include <string.h>

/* How far to look for a line end at once. Without a bound, content full of stray CRs would be
 * searched to its end for LF at each of them. */
enum { LOOK_AHEAD = 4096 };

/* Where the first stray line end of `content` stands, or the first dot that must be doubled; its
 * length if there is none. `*is_mid_line` goes along. */
static size_t find_flaw(struct dot_stuff *stuff, struct str content)
{
    size_t at = 0;

    while (at < content.len) {
        struct str ahead = str_first(str_skip(content, at), LOOK_AHEAD);
        if (!stuff->is_mid_line && ahead.ptr[0] == '.' && !stuff->keeps_dots)
            return at;
        ptrdiff_t lf = str_find(ahead, '\n');
        size_t line_len = lf < 0 ? ahead.len : (size_t)lf;
        ptrdiff_t cr = str_find(str_first(ahead, line_len), '\r');
        if (cr >= 0 && cr != lf - 1)
            return at + (size_t)cr;
        if (cr < 0 && lf >= 0)
            return at + (size_t)lf;
        stuff->is_mid_line = lf < 0;
        at += lf < 0 ? ahead.len : line_len + 1;
    }
    return content.len;
}

/* Deals with what stands at the front of *content and may not leave as it is. */
static struct str mend(struct dot_stuff *stuff, struct str *content)
{
    char first = content->ptr[0];

    if (stuff->owes_line_end) {
        stuff->owes_line_end = false;
        stuff->is_mid_line = false;
        if (first == '\n')
            *content = str_skip(*content, 1);
        return STR("\r\n");
    }
    if (first == '.' && !stuff->is_mid_line && !stuff->keeps_dots) {
        stuff->is_mid_line = true; /* the content's own dot follows with its line */
        return STR(".");
    }
    return STR_NONE;
}

struct str dot_stuff_next(struct dot_stuff *stuff, struct str *content)
{
    while (content->len > 0) {
        struct str run = mend(stuff, content);
        if (run.len > 0)
            return run;
        size_t len = find_flaw(stuff, *content);
        run = str_first(*content, len);
        *content = str_skip(*content, len);
        if (content->len > 0 && content->ptr[0] != '.') {
            stuff->owes_line_end = true;
            if (content->ptr[0] == '\r') /* an LF is left: mend() takes it */
                *content = str_skip(*content, 1);
        }
        if (run.len > 0)
            return run;
    }
    return STR_NONE;
}

struct str dot_stuff_end(struct dot_stuff *stuff)
{
    bool is_open = stuff->owes_line_end || stuff->is_mid_line;

    stuff->owes_line_end = false;
    stuff->is_mid_line = false;
    if (stuff->keeps_dots)
        return is_open ? STR("\r\n") : STR("");
    return is_open ? STR("\r\n.\r\n") : STR(".\r\n");
}
