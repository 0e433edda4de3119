/* SPDX-License-Identifier: ISC */
/* sqlite.h: statements with parameters; private to sqlite.c and tables.c. */
#pragma once

#include <sqlite3.h>

#include "store/directory/database.h"

struct database {
    sqlite3 *handle;
};

struct value {
    enum { VALUE_TEXT, VALUE_BYTES, VALUE_NUMBER } kind;
    struct str text;
    int64_t number;
};

#define TEXT(value)                                                                                \
    {                                                                                              \
        .kind = VALUE_TEXT, .text = (value)                                                        \
    }
#define BYTES(value)                                                                               \
    {                                                                                              \
        .kind = VALUE_BYTES, .text = (value)                                                       \
    }
#define NUMBER(value)                                                                              \
    {                                                                                              \
        .kind = VALUE_NUMBER, .number = (value)                                                    \
    }

int sqlite_error(int rc); /* as an errno, or DATABASE_DAMAGED */
/* A statement with its parameters $1 … bound; to be finalized. */
int sqlite_prepare(struct database *database, const char *sql, const struct value *values,
                   int count, sqlite3_stmt **out_statement);
/* The column's bytes, valid until the next step. */
struct str sqlite_column(sqlite3_stmt *statement, int index);
int sqlite_execute(struct database *database, const char *sql, const struct value *values,
                   int count);
int sqlite_run(struct database *database, const char *sql); /* several, without parameters */

#define EXECUTE(database, sql, ...)                                                                \
    sqlite_execute((database), (sql), (const struct value[]){ __VA_ARGS__ },                       \
                   (int)(sizeof((const struct value[]){ __VA_ARGS__ }) / sizeof(struct value)))
