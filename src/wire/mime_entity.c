/* SPDX-License-Identifier: ISC */
/* mime_entity.c: see mime_entity.h. */
#include "wire/mime_entity.h"

#include <string.h>

#include "wire/header.h"

/* ---- tokens ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space, line ends of folding, and comments (RFC 5322 3.2.2). */
static void skip_blank(struct str *text)
{
    unsigned depth = 0;

    while (text->len > 0) {
        char c = text->ptr[0];
        if (c == '(')
            depth++;
        else if (depth == 0 && !is_space(c))
            return;
        else if (c == ')' && depth > 0)
            depth--;
        *text = str_skip(*text, c == '\\' && depth > 0 ? 2 : 1);
    }
}

/* RFC 2045 5.1: anything but blanks and tspecials; high octets are let pass. */
static struct str cut_token(struct str *text)
{
    static const char tspecials[] = "()<>@,;:\\\"/[]?=";
    size_t len = 0;

    while (len < text->len && (unsigned char)text->ptr[len] > ' ' && text->ptr[len] != 0x7f &&
           strchr(tspecials, text->ptr[len]) == NULL)
        len++;
    struct str token = str_first(*text, len);
    *text = str_skip(*text, len);
    return token;
}

/* A string in quotes, or a token. Boundaries with forbidden signs that nobody has quoted are
 * common; they end at a blank or a semicolon. */
static struct str cut_value(struct str *text, struct arena *arena)
{
    struct buf value = { 0 };
    size_t at = 0;

    if (text->len == 0 || text->ptr[0] != '"') {
        while (at < text->len && !is_space(text->ptr[at]) && text->ptr[at] != ';')
            at++;
        struct str plain = arena_str(arena, str_first(*text, at));
        *text = str_skip(*text, at);
        return plain;
    }
    for (at = 1; at < text->len && text->ptr[at] != '"'; at++) {
        if (text->ptr[at] == '\\' && at + 1 < text->len)
            at++;
        if (text->ptr[at] != '\r' && text->ptr[at] != '\n')
            buf_add_byte(&value, text->ptr[at]);
    }
    *text = str_skip(*text, at + 1);
    struct str copy = arena_str(arena, buf_str(&value));
    buf_fini(&value);
    return copy;
}

/* ---- Content-Type ---- */

struct content_type {
    struct str type, subtype;
    struct str boundary;
    bool is_fine;
};

static void read_parameters(struct str text, struct arena *arena, struct content_type *type)
{
    for (;;) {
        skip_blank(&text);
        if (text.len == 0)
            return;
        if (text.ptr[0] == ';') {
            text = str_skip(text, 1);
            continue;
        }
        struct str name = cut_token(&text);
        skip_blank(&text);
        if (name.len == 0 || text.len == 0 || text.ptr[0] != '=') {
            text = str_skip(text, name.len == 0);
            continue;
        }
        text = str_skip(text, 1);
        skip_blank(&text);
        struct str value = cut_value(&text, arena);
        if (!str_equals_nocase(name, STR("boundary")))
            continue;
        if (type->boundary.len > 0) /* twice: which of them counts is anybody's guess */
            type->is_fine = false;
        type->boundary = value;
    }
}

static struct content_type read_type(struct str value, struct arena *arena)
{
    struct content_type type = { 0 };

    skip_blank(&value);
    type.type = cut_token(&value);
    skip_blank(&value);
    if (value.len == 0 || value.ptr[0] != '/')
        return type;
    value = str_skip(value, 1);
    skip_blank(&value);
    type.subtype = cut_token(&value);
    type.is_fine = type.type.len > 0 && type.subtype.len > 0;
    read_parameters(value, arena, &type);
    while (type.boundary.len > 0 && is_space(type.boundary.ptr[type.boundary.len - 1]))
        type.boundary.len--;
    return type;
}

/* RFC 2046 5.2: composite, and never encoded; RFC 6532 3.7 and 6533 let some be. */
static enum mime_kind kind_of_message(struct str subtype)
{
    if (str_equals_nocase(subtype, STR("rfc822")))
        return MIME_MESSAGE;
    return str_starts_nocase(subtype, STR("global")) ? MIME_OCTETS : MIME_SEALED;
}

static enum mime_kind kind_of(const struct content_type *type)
{
    bool has_boundary = type->boundary.len > 0 && type->boundary.len <= MIME_BOUNDARY_MAX;

    if (!type->is_fine)
        return MIME_SEALED;
    if (str_equals_nocase(type->type, STR("text")))
        return MIME_TEXT;
    if (str_equals_nocase(type->type, STR("message")))
        return kind_of_message(type->subtype);
    if (!str_equals_nocase(type->type, STR("multipart")))
        return MIME_OCTETS;
    if (str_equals_nocase(type->subtype, STR("signed")) || !has_boundary)
        return MIME_SEALED;
    return MIME_MULTIPART;
}

/* ---- Content-Transfer-Encoding ---- */

static enum mime_transfer transfer_of(struct str value)
{
    struct str word;

    skip_blank(&value);
    word = cut_token(&value);
    if (str_equals_nocase(word, STR("7bit")))
        return MIME_IDENTITY_7BIT;
    if (str_equals_nocase(word, STR("8bit")) || str_equals_nocase(word, STR("binary")))
        return MIME_IDENTITY_8BIT;
    return MIME_ENCODED;
}

struct mime_entity mime_entity_read(struct str header, bool is_message, bool is_of_digest,
                                    struct arena *arena, struct mime_type *out_type)
{
    static const struct str type_name = { "Content-Type", 12 };
    static const struct str transfer_name = { "Content-Transfer-Encoding", 25 };
    struct mime_entity entity = { .is_message = is_message };
    struct header fields;
    const struct header_field *field;

    *out_type = (struct mime_type){ 0 };
    header_parse(header, arena, &fields);
    entity.is_mime = header_find(&fields, STR("MIME-Version")) != NULL;
    entity.is_doubtful =
        header_count(&fields, type_name) > 1 || header_count(&fields, transfer_name) > 1;
    entity.kind = is_of_digest ? MIME_MESSAGE : MIME_TEXT;
    if ((field = header_find(&fields, transfer_name)) != NULL)
        entity.transfer = transfer_of(field->value);
    if ((field = header_find(&fields, type_name)) != NULL) {
        struct content_type type = read_type(field->value, arena);
        entity.has_type = true;
        entity.kind = kind_of(&type);
        out_type->boundary = type.boundary;
        out_type->is_digest = str_equals_nocase(type.subtype, STR("digest"));
    }
    /* What holds parts is never encoded (RFC 2045 6.4); where it says so, nobody knows what it is.
     */
    if (entity.is_doubtful || (entity.transfer == MIME_ENCODED &&
                               (entity.kind == MIME_MULTIPART || entity.kind == MIME_MESSAGE)))
        entity.kind = MIME_SEALED;
    return entity;
}
