/* SPDX-License-Identifier: ISC */
/* dsn_returned.c: see dsn_returned.h. */
#include "wire/dsn_returned.h"

#include "wire/content.h"

/* As many whole fields as fit; of a first one that is too large, nothing. */
static struct str cut_header(struct str header, size_t size_max)
{
    size_t end = 0;

    if (header.len <= size_max)
        return header;
    for (size_t i = 0; i <= size_max; i++) {
        bool begins_line = i > 0 && header.ptr[i - 1] == '\n';
        if (begins_line && header.ptr[i] != ' ' && header.ptr[i] != '\t')
            end = i;
    }
    return str_first(header, end);
}

static bool travels(struct mime_look look)
{
    return look.line_max <= MIME_LINE_MAX && !look.has_controls;
}

/* The message as it is, if that can be; false: its header must do. */
static bool return_whole(struct dsn_returned *returned, struct str content, struct mime_look header,
                         bool may_be_utf8)
{
    struct mime_look look = mime_look_at(content);
    bool is_global = header.high > 0;

    if (!travels(look) || (is_global && (!may_be_utf8 || !header.is_utf8)))
        return false;
    *returned = (struct dsn_returned){ .octets = content,
                                       .type = is_global ? "message/global" : "message/rfc822",
                                       .encoding = look.high > 0 ? MIME_8BIT : MIME_7BIT,
                                       .is_whole = true,
                                       .needs_utf8 = is_global };
    return true;
}

static struct dsn_returned return_header(struct str header, bool may_be_utf8)
{
    struct mime_look look = mime_look_at(header);
    struct dsn_returned returned = { .octets = header,
                                     .type = "text/rfc822-headers",
                                     .encoding = MIME_7BIT };

    if (look.high == 0 && travels(look))
        return returned;
    if (may_be_utf8 && look.is_utf8 && travels(look)) {
        returned.type = "message/global-headers";
        returned.encoding = MIME_8BIT;
        returned.needs_utf8 = true;
        return returned;
    }
    if (look.high > 0) /* RFC 1428: what was meant is not known */
        returned.type = look.is_utf8 ? "text/rfc822-headers; charset=utf-8"
                                     : "text/rfc822-headers; charset=unknown-8bit";
    returned.encoding = MIME_QUOTED_PRINTABLE;
    return returned;
}

struct dsn_returned dsn_returned(struct str content, bool whole, size_t size_max, bool may_be_utf8)
{
    struct dsn_returned returned;
    struct str header = str_first(content, content_header_size(content, 0));

    if (whole && content.len <= size_max &&
        return_whole(&returned, content, mime_look_at(header), may_be_utf8))
        return returned;
    return return_header(cut_header(header, size_max), may_be_utf8);
}
