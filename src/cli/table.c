/* SPDX-License-Identifier: ISC */
/* table.c: see table.h. */
#include "cli/table.h"

#include "base/check.h"
#include "base/memory.h"
#include "base/printable.h"

static size_t column_count(const struct table *table)
{
    size_t count = 0;
    while (count < TABLE_COLUMNS_MAX && table->heading[count] != NULL)
        count++;
    return count;
}

/* Characters, not octets: continuation bytes take no room. */
size_t text_width(struct str text)
{
    size_t width = 0;
    for (size_t i = 0; i < text.len; i++)
        width += ((uint8_t)text.ptr[i] & 0xc0) != 0x80;
    return width;
}

void table_add_colored(struct table *table, struct str text, const char *color)
{
    size_t start = table->text.len;

    if (table->count == table->cap) {
        table->cap = table->cap == 0 ? 64 : 2 * table->cap;
        table->cell = memory_resize(table->cell, table->cap * sizeof *table->cell);
    }
    printable_add(&table->text, text);
    table->cell[table->count++] = (struct table_cell){ start, table->text.len - start, color };
}

void table_add(struct table *table, struct str text)
{
    table_add_colored(table, text, NULL);
}

static struct str cell_text(const struct table *table, size_t index)
{
    return str_first(str_skip(buf_str(&table->text), table->cell[index].start),
                     table->cell[index].len);
}

static void add_spaces(struct buf *out, size_t count)
{
    while (count-- > 0)
        buf_add_byte(out, ' ');
}

/* Numbers stand at the right of their column; the last column is not filled up. */
static void add_cell(struct buf *out, struct str text, size_t width, bool right, bool last,
                     const char *color)
{
    size_t fill = width - text_width(text);

    if (right)
        add_spaces(out, fill);
    if (color != NULL)
        buf_add(out, str_from(color));
    buf_add(out, text);
    if (color != NULL)
        buf_add(out, STR(COLOR_RESET));
    if (!right && !last)
        add_spaces(out, fill);
    buf_add(out, last ? STR("\n") : STR("  "));
}

static struct str heading_of(const struct table *table, size_t column)
{
    const char *heading = table->heading[column];
    return str_from(text_in(table->language, heading[0] == '>' ? heading + 1 : heading));
}

void table_print(struct table *table, struct buf *out)
{
    size_t columns = column_count(table);
    size_t width[TABLE_COLUMNS_MAX];
    bool right[TABLE_COLUMNS_MAX];

    check(columns > 0 && table->count % columns == 0);
    for (size_t i = 0; i < columns; i++) {
        right[i] = table->heading[i][0] == '>';
        width[i] = text_width(heading_of(table, i));
        for (size_t k = i; k < table->count; k += columns)
            if (text_width(cell_text(table, k)) > width[i])
                width[i] = text_width(cell_text(table, k));
    }
    for (size_t i = 0; i < columns; i++)
        add_cell(out, heading_of(table, i), width[i], right[i], i + 1 == columns,
                 table->use_color ? COLOR_HEAD : NULL);
    for (size_t k = 0; k < table->count; k++)
        add_cell(out, cell_text(table, k), width[k % columns], right[k % columns],
                 (k + 1) % columns == 0, table->use_color ? table->cell[k].color : NULL);
    buf_fini(&table->text);
    memory_free(table->cell);
    table->cell = NULL;
    table->count = table->cap = 0;
}

void human_add_size(struct buf *out, int64_t bytes)
{
    static const char *const units[] = { "kB", "MB", "GB", "TB", "PB" };
    int64_t tenths;
    size_t unit = 0;

    if (bytes < 1000) {
        buf_add_format(out, "%lld B", (long long)bytes);
        return;
    }
    for (; bytes >= 999950 && unit < 4; unit++)
        bytes /= 1000;
    tenths = (bytes + 50) / 100;
    if (tenths < 100)
        buf_add_format(out, "%lld.%lld %s", (long long)(tenths / 10), (long long)(tenths % 10),
                       units[unit]);
    else
        buf_add_format(out, "%lld %s", (long long)((tenths + 5) / 10), units[unit]);
}

/* The two largest units that say something. */
void human_add_span(struct buf *out, int64_t ms)
{
    int64_t s = ms > 0 ? ms / SECOND_MS : 0;

    if (s < 60)
        buf_add_format(out, "%llds", (long long)s);
    else if (s < 3600)
        buf_add_format(out, "%lldm", (long long)(s / 60));
    else if (s < 86400)
        buf_add_format(out, "%lldh%lldm", (long long)(s / 3600), (long long)(s / 60 % 60));
    else
        buf_add_format(out, "%lldd%lldh", (long long)(s / 86400), (long long)(s / 3600 % 24));
}
