/* SPDX-License-Identifier: ISC */
/* header.c: see header.h. */
#include "wire/header.h"

static bool begins_with_space(struct str text)
{
    return text.len > 0 && (text.ptr[0] == ' ' || text.ptr[0] == '\t');
}

/* With its line end; everything if there is none. */
static size_t line_size(struct str text)
{
    ptrdiff_t end = str_find(text, '\n');
    return end < 0 ? text.len : (size_t)end + 1;
}

static size_t field_size(struct str text)
{
    size_t size = line_size(text);

    while (begins_with_space(str_skip(text, size)))
        size += line_size(str_skip(text, size));
    return size;
}

/* 2.2: printable, no colon. */
static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 127)
            return false;
    return name.len > 0;
}

static struct header_field make_field(struct str raw)
{
    struct header_field field = { .raw = raw };
    ptrdiff_t colon = str_find(raw, ':');

    if (colon < 0)
        return field;
    struct str name = str_first(raw, (size_t)colon);
    while (name.len > 0 && (name.ptr[name.len - 1] == ' ' || name.ptr[name.len - 1] == '\t'))
        name.len--; /* RFC 5322 4.5 */
    if (!is_name(name))
        return field;
    field.name = name;
    field.value = str_skip(raw, (size_t)colon + 1);
    return field;
}

static uint32_t count_fields(struct str text)
{
    uint32_t count = 0;
    for (; text.len > 0; count++)
        text = str_skip(text, field_size(text));
    return count;
}

void header_parse(struct str text, struct arena *arena, struct header *out_header)
{
    out_header->count = 0;
    out_header->field = arena_new(arena, count_fields(text) * sizeof *out_header->field);
    while (text.len > 0) {
        size_t size = field_size(text);
        out_header->field[out_header->count++] = make_field(str_first(text, size));
        text = str_skip(text, size);
    }
}

bool header_is(const struct header_field *field, struct str name)
{
    return str_equals_nocase(field->name, name);
}

uint32_t header_count(const struct header *header, struct str name)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < header->count; i++)
        count += header_is(&header->field[i], name) ? 1 : 0;
    return count;
}

const struct header_field *header_find(const struct header *header, struct str name)
{
    for (uint32_t i = 0; i < header->count; i++)
        if (header_is(&header->field[i], name))
            return &header->field[i];
    return NULL;
}
