/* SPDX-License-Identifier: ISC */
/* changes.c: see changes.h. */
#include "filter/changes.h"

#include <string.h>

static bool is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 127 || name.ptr[i] == ':')
            return false;
    return name.len > 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* A line that continues the field begins with white space (RFC 5322 2.2.3); an empty one would end
 * the header. */
static void add_folded(struct buf *out, struct str value)
{
    struct str line = STR_NONE;
    bool is_first = true;

    while (str_cut(&value, '\n', &line)) {
        while (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0)
            continue;
        if (!is_first)
            buf_add(out, is_space(line.ptr[0]) ? STR("\r\n") : STR("\r\n\t"));
        for (size_t i = 0; i < line.len; i++)
            buf_add_byte(out, line.ptr[i] == '\r' || line.ptr[i] == '\0' ? ' ' : line.ptr[i]);
        is_first = false;
    }
}

bool changes_add(struct changes *changes, struct arena *arena, const struct change *change)
{
    size_t octets = change->name.len + change->value.len;
    struct buf value = { 0 };

    if (!is_name(change->name) || changes->count == CHANGES_MAX ||
        octets > CHANGES_OCTETS_MAX - changes->octets)
        return false;
    if (changes->item == NULL)
        changes->item = arena_new(arena, CHANGES_MAX * sizeof *changes->item);
    add_folded(&value, change->value);
    changes->item[changes->count++] = (struct change){
        .kind = change->kind,
        .index = change->index,
        .name = arena_str(arena, change->name),
        .value = arena_str(arena, buf_str(&value)),
    };
    changes->octets += octets;
    buf_fini(&value);
    return true;
}

/* ---- applying ---- */

static struct header_field field_of(const struct change *change, struct arena *arena)
{
    struct buf text = { 0 };
    struct header_field field;

    buf_add(&text, change->name);
    buf_add(&text, STR(":"));
    buf_add(&text, change->value);
    buf_add(&text, STR("\r\n"));
    field.raw = arena_str(arena, buf_str(&text));
    field.name = str_first(field.raw, change->name.len);
    field.value = str_skip(field.raw, change->name.len + 1);
    buf_fini(&text);
    return field;
}

static void put_at(struct filtered_header *filtered, uint32_t at, struct header_field field)
{
    struct header *header = &filtered->header;

    memmove(&header->field[at + 1], &header->field[at],
            (header->count - at) * sizeof *header->field);
    header->field[at] = field;
    header->count++;
}

static void take_out(struct filtered_header *filtered, uint32_t at)
{
    struct header *header = &filtered->header;

    memmove(&header->field[at], &header->field[at + 1],
            (header->count - at - 1) * sizeof *header->field);
    header->count--;
    if (at < filtered->above)
        filtered->above--;
}

/* Ours counts as one. */
static void insert(struct filtered_header *filtered, uint32_t index, struct header_field field)
{
    uint32_t count = filtered->header.count;

    if (index <= filtered->above) {
        put_at(filtered, index, field);
        filtered->above++;
        return;
    }
    put_at(filtered, index - 1 < count ? index - 1 : count, field);
}

/* The so many'th; the header's count if there are not so many. */
static uint32_t find_field(const struct header *header, struct str name, uint32_t index)
{
    uint32_t seen = 0;

    for (uint32_t i = 0; i < header->count; i++)
        if (header_is(&header->field[i], name) && ++seen == (index > 0 ? index : 1))
            return i;
    return header->count;
}

static void set(struct filtered_header *filtered, const struct change *change, struct arena *arena)
{
    struct header *header = &filtered->header;
    uint32_t at = find_field(header, change->name, change->index);

    if (at < header->count && change->value.len == 0)
        take_out(filtered, at);
    else if (at < header->count)
        header->field[at] = field_of(change, arena);
    else if (change->value.len > 0)
        put_at(filtered, header->count, field_of(change, arena));
}

void changes_apply(const struct changes *changes, struct arena *arena,
                   struct filtered_header *filtered)
{
    struct header *header = &filtered->header;
    struct header_field *room =
        arena_new(arena, (header->count + changes->count + 1) * sizeof *room);

    if (header->count > 0)
        memcpy(room, header->field, header->count * sizeof *room);
    header->field = room;
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct change *change = &changes->item[i];
        switch (change->kind) {
        case CHANGE_ADD:
            put_at(filtered, header->count, field_of(change, arena));
            break;
        case CHANGE_INSERT:
            insert(filtered, change->index, field_of(change, arena));
            break;
        case CHANGE_SET:
            set(filtered, change, arena);
            break;
        }
    }
}
