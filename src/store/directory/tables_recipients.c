/* SPDX-License-Identifier: ISC */
/* tables_recipients.c: what was learned of recipients: rows to records and back.
 *
 * Many rows, each of little worth: one that makes no sense is left out, and learned again.
 */
#include "mail/address.h"
#include "store/directory/sqlite.h"

static struct str domain_of(struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    return at < 0 ? STR_NONE : str_skip(address, (size_t)at + 1);
}

/* ---- reading ---- */

static void read_recipient(sqlite3_stmt *row, const struct directory_recipient_reader *reader)
{
    int64_t source = sqlite3_column_int64(row, 3);
    const struct known_recipient recipient = {
        .address = sqlite_column(row, 0),
        .is_valid = sqlite3_column_int(row, 1) != 0,
        .is_full = sqlite3_column_int(row, 2) != 0,
        .source = (enum recipient_source)source,
        .since_ms = sqlite3_column_int64(row, 4),
        .confirmed_ms = sqlite3_column_int64(row, 5),
        .valid_ms = sqlite3_column_int64(row, 6),
        .doubt_ms = sqlite3_column_int64(row, 7),
    };

    if (source >= 0 && source < RECIPIENT_SOURCES && domain_of(recipient.address).len > 0 &&
        recipient.address.len <= ADDRESS_SIZE_MAX)
        reader->recipient(reader->context, &recipient);
}

static void read_memory(sqlite3_stmt *row, const struct directory_recipient_reader *reader)
{
    const struct domain_memory memory = {
        .domain = sqlite_column(row, 0),
        .behind_ms = sqlite3_column_int64(row, 1),
        .still_ms = sqlite3_column_int64(row, 2),
        .takes_all = sqlite3_column_int(row, 3) != 0,
        .takes_all_ms = sqlite3_column_int64(row, 4),
        .extensions = (uint64_t)sqlite3_column_int64(row, 5),
        .size_max = (uint64_t)sqlite3_column_int64(row, 6),
        .greeted_ms = sqlite3_column_int64(row, 7),
    };

    reader->memory(reader->context, &memory);
}

static int read_rows(struct database *database, const char *sql,
                     void (*read)(sqlite3_stmt *row, const struct directory_recipient_reader *),
                     const struct directory_recipient_reader *reader)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, sql, NULL, 0, &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        read(statement, reader);
    (void)sqlite3_finalize(statement);
    return sqlite_error(rc);
}

#define READ_RECIPIENTS                                                                            \
    "SELECT address, is_valid, is_full, source, since_ms, confirmed_ms, valid_ms, doubt_ms"        \
    " FROM recipient"

int database_read_recipients(struct database *database, bool in_order,
                             const struct directory_recipient_reader *reader)
{
    int error = read_rows(database,
                          "SELECT domain, behind_ms, still_ms, takes_all, takes_all_ms, extensions,"
                          " size_max, greeted_ms FROM domain_memory",
                          read_memory, reader);
    int second =
        read_rows(database, in_order ? READ_RECIPIENTS " ORDER BY confirmed_ms" : READ_RECIPIENTS,
                  read_recipient, reader);
    return error < 0 ? error : second;
}

/* ---- writing ---- */

int table_put_recipient(struct database *database, const struct change *change)
{
    const struct known_recipient *recipient = &change->recipient;
    return EXECUTE(
        database,
        "INSERT INTO recipient (domain, address, is_valid, is_full, source, since_ms, confirmed_ms,"
        " valid_ms, doubt_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (domain, address) DO UPDATE SET is_valid = excluded.is_valid,"
        " is_full = excluded.is_full, source = excluded.source, since_ms = excluded.since_ms,"
        " confirmed_ms = excluded.confirmed_ms, valid_ms = excluded.valid_ms,"
        " doubt_ms = excluded.doubt_ms",
        TEXT(domain_of(recipient->address)), TEXT(recipient->address), NUMBER(recipient->is_valid),
        NUMBER(recipient->is_full), NUMBER(recipient->source), NUMBER(recipient->since_ms),
        NUMBER(recipient->confirmed_ms), NUMBER(recipient->valid_ms), NUMBER(recipient->doubt_ms));
}

int table_remove_recipient(struct database *database, const struct change *change)
{
    struct str address = change->recipient.address;
    return EXECUTE(database, "DELETE FROM recipient WHERE domain = $1 AND address = $2",
                   TEXT(domain_of(address)), TEXT(address));
}

int table_put_memory(struct database *database, const struct change *change)
{
    const struct domain_memory *memory = &change->memory;
    return EXECUTE(
        database,
        "INSERT INTO domain_memory (domain, behind_ms, still_ms, takes_all, takes_all_ms,"
        " extensions, size_max, greeted_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
        " ON CONFLICT (domain) DO UPDATE SET behind_ms = excluded.behind_ms,"
        " still_ms = excluded.still_ms, takes_all = excluded.takes_all,"
        " takes_all_ms = excluded.takes_all_ms, extensions = excluded.extensions,"
        " size_max = excluded.size_max, greeted_ms = excluded.greeted_ms",
        TEXT(memory->domain), NUMBER(memory->behind_ms), NUMBER(memory->still_ms),
        NUMBER(memory->takes_all), NUMBER(memory->takes_all_ms),
        NUMBER((int64_t)memory->extensions), NUMBER((int64_t)memory->size_max),
        NUMBER(memory->greeted_ms));
}

int table_remove_recipients(struct database *database, struct str domain)
{
    int error = EXECUTE(database, "DELETE FROM recipient WHERE domain = $1", TEXT(domain));
    return error < 0
               ? error
               : EXECUTE(database, "DELETE FROM domain_memory WHERE domain = $1", TEXT(domain));
}
