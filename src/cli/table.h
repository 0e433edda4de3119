/* SPDX-License-Identifier: ISC */
/* table.h: aligned columns, and numbers that are good to read. */
#pragma once

#include <jansson.h>

#include "base/buf.h"
#include "base/clock.h"
#include "cli/text.h"

enum { TABLE_COLUMNS_MAX = 10, TABLE_ROWS_MAX = 1100 };

struct table_cell {
    size_t start; /* in text */
    size_t len;
    const char *color; /* or NULL */
};

/* {0} with the columns filled in; table_print() frees. */
struct table {
    const char *heading[TABLE_COLUMNS_MAX]; /* NULL: no more columns; numbers begin with '>' */
    bool use_color;
    enum language language; /* of the headings */
    struct buf text;
    struct table_cell *cell;
    size_t count, cap;
};

/* Cells from left to right, row after row. Text from outside is made printable. */
void table_add(struct table *table, struct str text);
void table_add_colored(struct table *table, struct str text, const char *color);
void table_print(struct table *table, struct buf *out);

#define COLOR_GOOD  "\033[32m"
#define COLOR_WARN  "\033[33m"
#define COLOR_BAD   "\033[31m"
#define COLOR_HEAD  "\033[1m"
#define COLOR_RESET "\033[0m"

size_t text_width(struct str text);                  /* characters, not octets */
void human_add_size(struct buf *out, int64_t bytes); /* 999 B, 1.2 MB */
void human_add_span(struct buf *out, int64_t ms);    /* 45s, 12m, 3h12m, 2d4h */
