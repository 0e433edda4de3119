/* SPDX-License-Identifier: ISC */
/* mime_walk.c: see mime_walk.h.
 *
 *     HEADER --empty line--> TEXT | HEADER (of the message within) | BETWEEN (a preamble)
 *     any    --boundary----> HEADER (the next part) | BETWEEN (behind the last one)
 *
 * The boundary of any multipart that is open ends everything inside of it. Where the header of a
 * part is cut off by a boundary, the part has no text.
 */
#include "wire/mime_walk.h"

#include <string.h>

#include "base/memory.h"
#include "wire/mime_entity.h"

enum { LINE_HELD_MAX = 1000 }; /* of a line whose end has not come; no boundary is so long */

enum walk_state { WALK_HEADER, WALK_TEXT, WALK_BETWEEN };

struct level { /* a multipart that is open */
    char boundary[MIME_BOUNDARY_MAX];
    size_t boundary_len;
    bool is_digest; /* its parts are messages, if they do not say otherwise */
};

struct mime_walk {
    const struct mime_walk_host *host;
    void *context;
    enum walk_state state;
    struct level level[MIME_DEPTH_MAX];
    unsigned depth;
    bool begins_message; /* the header is one of RFC 5322 */
    bool is_of_digest;
    struct buf header;
    struct buf held;  /* the line so far */
    bool is_mid_line; /* its front has been passed on */
    bool owes_end;    /* the line end before belongs to the text, if no boundary follows */
    bool has_failed;
};

struct mime_walk *mime_walk_new(const struct mime_walk_host *host, void *context)
{
    struct mime_walk *walk = memory_new(sizeof *walk);

    walk->host = host;
    walk->context = context;
    walk->begins_message = true;
    return walk;
}

void mime_walk_free(struct mime_walk *walk)
{
    if (walk == NULL)
        return;
    buf_fini(&walk->header);
    buf_fini(&walk->held);
    memory_free(walk);
}

bool mime_walk_has_failed(const struct mime_walk *walk)
{
    return walk->has_failed;
}

/* ---- headers ---- */

static void open_level(struct mime_walk *walk, const struct mime_type *type)
{
    if (walk->depth == MIME_DEPTH_MAX) {
        walk->has_failed = true;
        return;
    }
    struct level *level = &walk->level[walk->depth++];
    memcpy(level->boundary, type->boundary.ptr, type->boundary.len);
    level->boundary_len = type->boundary.len;
    level->is_digest = type->is_digest;
}

static void end_header(struct mime_walk *walk)
{
    struct arena arena = { 0 };
    struct mime_type type;
    struct mime_entity entity = mime_entity_read(buf_str(&walk->header), walk->begins_message,
                                                 walk->is_of_digest, &arena, &type);

    walk->state = WALK_TEXT;
    walk->owes_end = false;
    if (entity.kind == MIME_MULTIPART) {
        open_level(walk, &type);
        walk->state = WALK_BETWEEN;
    } else if (entity.kind == MIME_MESSAGE) {
        walk->state = WALK_HEADER;
    }
    walk->begins_message = entity.kind == MIME_MESSAGE;
    walk->is_of_digest = false;
    if (!walk->has_failed)
        walk->host->header(walk->context, &entity, buf_str(&walk->header));
    buf_reset(&walk->header);
    arena_fini(&arena);
}

static void add_to_header(struct mime_walk *walk, struct str octets, bool is_line_end)
{
    if (walk->header.len + octets.len > MIME_HEADER_MAX) {
        walk->has_failed = true;
        return;
    }
    buf_add(&walk->header, octets);
    if (is_line_end)
        buf_add(&walk->header, STR("\r\n"));
}

/* ---- boundaries ---- */

static bool is_blank(struct str text)
{
    return str_trim(text).len == 0;
}

/* The innermost multipart whose boundary the line is; the depth outside of it, or -1. */
static int find_boundary(const struct mime_walk *walk, struct str line, bool *out_is_last)
{
    if (!str_starts(line, STR("--")))
        return -1;
    line = str_skip(line, 2);
    for (unsigned i = walk->depth; i-- > 0;) {
        const struct level *level = &walk->level[i];
        struct str rest = str_skip(line, level->boundary_len);
        if (!str_starts(line, str_of(level->boundary, level->boundary_len)))
            continue;
        *out_is_last = str_starts(rest, STR("--")) && is_blank(str_skip(rest, 2));
        if (*out_is_last || is_blank(rest))
            return (int)i;
    }
    return -1;
}

static void pass_boundary(struct mime_walk *walk, struct str line, unsigned outside, bool is_last)
{
    if (walk->state == WALK_HEADER)
        end_header(walk);
    if (walk->owes_end)
        walk->host->between(walk->context, STR("\r\n"));
    walk->owes_end = false;
    walk->host->between(walk->context, line);
    walk->host->between(walk->context, STR("\r\n"));
    walk->depth = is_last ? outside : outside + 1;
    walk->state = is_last ? WALK_BETWEEN : WALK_HEADER;
    walk->begins_message = false;
    walk->is_of_digest = !is_last && walk->level[outside].is_digest;
}

/* ---- lines ---- */

static void pay_end(struct mime_walk *walk)
{
    if (walk->owes_end)
        walk->host->line_end(walk->context);
    walk->owes_end = false;
}

/* Part of a line, or all of it. */
static void pass_octets(struct mime_walk *walk, struct str octets, bool is_line_end)
{
    switch (walk->state) {
    case WALK_HEADER:
        add_to_header(walk, octets, is_line_end);
        if (is_line_end && octets.len == 0 && !walk->is_mid_line)
            end_header(walk);
        return;
    case WALK_TEXT:
        pay_end(walk);
        if (octets.len > 0)
            walk->host->text(walk->context, octets);
        walk->owes_end = is_line_end;
        return;
    case WALK_BETWEEN:
        if (octets.len > 0)
            walk->host->between(walk->context, octets);
        if (is_line_end)
            walk->host->between(walk->context, STR("\r\n"));
        return;
    }
}

static void take_line(struct mime_walk *walk, struct str line)
{
    bool is_last = false;
    int outside = walk->is_mid_line ? -1 : find_boundary(walk, line, &is_last);

    if (outside >= 0)
        pass_boundary(walk, line, (unsigned)outside, is_last);
    else
        pass_octets(walk, line, true);
    walk->is_mid_line = false;
}

/* Length of the line at the front without its CRLF; -1: its end is not there. */
static ptrdiff_t line_length(struct str octets)
{
    for (size_t from = 0;;) {
        ptrdiff_t lf = str_find(str_skip(octets, from), '\n');
        if (lf < 0)
            return -1;
        size_t at = from + (size_t)lf;
        if (at > 0 && octets.ptr[at - 1] == '\r')
            return (ptrdiff_t)at - 1;
        from = at + 1;
    }
}

/* The line end lies across the seam, or further on. Returns what is left of the octets. */
static struct str fill_held(struct mime_walk *walk, struct str octets)
{
    size_t taken = 0;

    while (taken < octets.len) {
        buf_add_byte(&walk->held, octets.ptr[taken++]);
        if (octets.ptr[taken - 1] == '\n' && walk->held.len > 1 &&
            walk->held.ptr[walk->held.len - 2] == '\r') {
            take_line(walk, str_first(buf_str(&walk->held), walk->held.len - 2));
            buf_reset(&walk->held);
            break;
        }
        if (walk->held.len > LINE_HELD_MAX)
            break;
    }
    return str_skip(octets, taken);
}

/* No boundary any more; a CR at its end may be half a line end. */
static void pass_long_line(struct mime_walk *walk)
{
    size_t len = walk->held.len;

    if (len <= LINE_HELD_MAX)
        return;
    len -= walk->held.ptr[len - 1] == '\r';
    pass_octets(walk, str_first(buf_str(&walk->held), len), false);
    buf_consume(&walk->held, len);
    walk->is_mid_line = true;
}

void mime_walk_feed(struct mime_walk *walk, struct str octets)
{
    while (octets.len > 0 && !walk->has_failed) {
        ptrdiff_t len = walk->held.len == 0 ? line_length(octets) : -1;
        if (len < 0 || (size_t)len > LINE_HELD_MAX) {
            octets = fill_held(walk, octets);
            pass_long_line(walk);
            continue;
        }
        take_line(walk, str_first(octets, (size_t)len));
        octets = str_skip(octets, (size_t)len + 2);
    }
}

void mime_walk_end(struct mime_walk *walk)
{
    bool is_last = false;
    struct str line = buf_str(&walk->held);

    if (walk->has_failed)
        return;
    if (line.len > 0 && !walk->is_mid_line && find_boundary(walk, line, &is_last) >= 0) {
        if (walk->state == WALK_HEADER)
            end_header(walk);
        if (walk->owes_end)
            walk->host->between(walk->context, STR("\r\n"));
        walk->host->between(walk->context, line);
        return;
    }
    if (line.len > 0)
        pass_octets(walk, line, false);
    if (walk->state == WALK_HEADER && !walk->has_failed)
        end_header(walk);
    pay_end(walk);
}
