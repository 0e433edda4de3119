/* SPDX-License-Identifier: ISC */
/* canonical.c: see canonical.h. */
#include "authenticate/canonical.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

static bool is_line_end(char c)
{
    return c == '\r' || c == '\n';
}

/* 3.4.2: unfolded, runs of white space as one space, none at the ends. */
static void add_relaxed_value(struct buf *out, struct str value)
{
    bool has_space = false;
    bool has_begun = false;

    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (is_line_end(c))
            continue;
        if (is_space(c)) {
            has_space = true;
            continue;
        }
        if (has_space && has_begun)
            buf_add_byte(out, ' ');
        buf_add_byte(out, c);
        has_space = false;
        has_begun = true;
    }
}

static void add_without_line_end(struct buf *out, struct str raw)
{
    while (raw.len > 0 && is_line_end(raw.ptr[raw.len - 1]))
        raw.len--;
    buf_add(out, raw);
}

static void add_field(struct buf *out, struct str raw, struct str name, struct str value,
                      enum canonical how)
{
    if (how == CANONICAL_SIMPLE) {
        add_without_line_end(out, raw);
        return;
    }
    for (size_t i = 0; i < name.len; i++)
        buf_add_byte(out, ascii_lower(name.ptr[i]));
    buf_add_byte(out, ':');
    add_relaxed_value(out, value);
}

void canonical_add_field(struct buf *out, const struct header_field *field, enum canonical how)
{
    add_field(out, field->raw, field->name, field->value, how);
    buf_add(out, STR("\r\n"));
}

/* The value with what stands between "b=" and ";" left out. */
static void add_unsigned(struct buf *out, struct str value)
{
    struct str spec;

    for (bool is_first = true; str_cut(&value, ';', &spec); is_first = false) {
        if (!is_first)
            buf_add_byte(out, ';');
        size_t at = 0;
        while (at < spec.len && (is_space(spec.ptr[at]) || is_line_end(spec.ptr[at])))
            at++;
        size_t end = at + 1;
        while (end < spec.len && (is_space(spec.ptr[end]) || is_line_end(spec.ptr[end])))
            end++;
        bool is_signature = end < spec.len && spec.ptr[at] == 'b' && spec.ptr[end] == '=';
        buf_add(out, is_signature ? str_first(spec, end + 1) : spec);
    }
}

void canonical_add_signature(struct buf *out, const struct header_field *field, enum canonical how)
{
    struct buf value = { 0 };
    struct buf raw = { 0 };

    add_unsigned(&value, field->value);
    buf_add(&raw, str_first(field->raw, field->raw.len - field->value.len));
    buf_add(&raw, buf_str(&value));
    add_field(out, buf_str(&raw), field->name, buf_str(&value), how);
    buf_fini(&value);
    buf_fini(&raw);
}

/* ---- bodies ---- */

/* What is given on at once. */
struct piece {
    struct canonical_body *body;
    size_t len;
    char bytes[1024];
};

static void give_piece(struct piece *piece)
{
    if (piece->len > 0)
        piece->body->give(piece->body->context, str_of(piece->bytes, piece->len));
    piece->len = 0;
}

static void add(struct piece *piece, char c)
{
    if (piece->len == sizeof piece->bytes)
        give_piece(piece);
    piece->bytes[piece->len++] = c;
}

/* Something that counts follows: so does what was held back. */
static void add_held(struct piece *piece)
{
    struct canonical_body *body = piece->body;

    for (; body->lines > 0; body->lines--) {
        add(piece, '\r');
        add(piece, '\n');
    }
    if (body->has_space)
        add(piece, ' ');
    body->has_space = false;
    body->has_begun = true;
}

static void add_byte(struct piece *piece, char c)
{
    struct canonical_body *body = piece->body;

    if (body->has_cr) {
        body->has_cr = false;
        if (c == '\n') {
            body->lines++;
            body->has_space = false;
            return;
        }
        add_held(piece);
        add(piece, '\r');
    }
    if (c == '\r') {
        body->has_cr = true;
    } else if (body->how == CANONICAL_RELAXED && is_space(c)) {
        body->has_space = true;
    } else {
        if (body->lines > 0 || body->has_space || !body->has_begun)
            add_held(piece);
        add(piece, c);
    }
}

void canonical_body(struct canonical_body *body, struct str bytes)
{
    struct piece piece = { .body = body, .len = 0 };

    for (size_t i = 0; i < bytes.len; i++)
        add_byte(&piece, bytes.ptr[i]);
    give_piece(&piece);
}

/* 3.4.3: a simple body ends with CRLF, even if it is empty; 3.4.4: a relaxed one unless it is. */
void canonical_body_end(struct canonical_body *body)
{
    struct piece piece = { .body = body, .len = 0 };

    if (body->has_cr) {
        add_held(&piece);
        add(&piece, '\r');
    }
    if (body->has_begun || body->how == CANONICAL_SIMPLE) {
        add(&piece, '\r');
        add(&piece, '\n');
    }
    give_piece(&piece);
}
