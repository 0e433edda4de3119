/* SPDX-License-Identifier: ISC */
/* sqlite.c: the directory's tables in a file.
 *
 *     domain          name, added_ms, paused_until_ms
 *     domain_primary  domain, position, host
 *     domain_setting  domain, name, value, text  only what was set; one of the two
 *     known_route     domain, seen_ms, plan
 *     recipient       domain, address, …         known_recipient.h
 *     domain_memory   domain, …                  known_recipient.h
 *     domain_fact     kind, domain, name, value  what parts of the program want to know again
 *
 * The statements are plain enough for PostgreSQL: numbered parameters, ON
 * CONFLICT, no types that only one of the two has. The file's user_version counts
 * the migrations that have been applied to it.
 *
 * WAL with synchronous=FULL: a transaction is durable when COMMIT returns.
 * secure_delete is off: a secret that is removed here was replaced, and is worth
 * nothing any more; the overwriting would cost a write per page.
 */
#include "store/directory/sqlite.h"

#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/memory.h"

_Static_assert(DATABASE_DAMAGED == -EBADMSG && DATABASE_TOO_NEW == -EPROTO, "see database.h");

/* Never changed once released; a new version is a new row. */
static const char *const migrations[] = {
    "CREATE TABLE domain (name TEXT PRIMARY KEY, added_ms BIGINT NOT NULL,"
    "  paused_until_ms BIGINT NOT NULL);"
    "CREATE TABLE domain_primary (domain TEXT NOT NULL, position INTEGER NOT NULL,"
    "  host TEXT NOT NULL, PRIMARY KEY (domain, position));"
    "CREATE TABLE domain_setting (domain TEXT NOT NULL, name TEXT NOT NULL,"
    "  value BIGINT NOT NULL, PRIMARY KEY (domain, name));"
    "CREATE TABLE known_route (domain TEXT PRIMARY KEY, seen_ms BIGINT NOT NULL,"
    "  plan BYTEA NOT NULL);",
    "ALTER TABLE domain_setting ADD COLUMN text TEXT NOT NULL DEFAULT '';",
    "CREATE TABLE recipient (domain TEXT NOT NULL, address TEXT NOT NULL,"
    "  is_valid INTEGER NOT NULL, is_full INTEGER NOT NULL, source INTEGER NOT NULL,"
    "  since_ms BIGINT NOT NULL, confirmed_ms BIGINT NOT NULL, valid_ms BIGINT NOT NULL,"
    "  doubt_ms BIGINT NOT NULL, PRIMARY KEY (domain, address));"
    "CREATE TABLE domain_memory (domain TEXT PRIMARY KEY, behind_ms BIGINT NOT NULL,"
    "  still_ms BIGINT NOT NULL, takes_all INTEGER NOT NULL, takes_all_ms BIGINT NOT NULL,"
    "  extensions BIGINT NOT NULL, size_max BIGINT NOT NULL, greeted_ms BIGINT NOT NULL);",
    ("CREATE TABLE domain_fact (kind TEXT NOT NULL, domain TEXT NOT NULL, name TEXT NOT NULL,"
     "  value BYTEA NOT NULL, PRIMARY KEY (kind, domain, name));"),
};
enum { VERSION = sizeof migrations / sizeof *migrations };

int sqlite_error(int rc)
{
    static const struct {
        int rc, error;
    } errors[] = {
        { SQLITE_OK, 0 },
        { SQLITE_DONE, 0 },
        { SQLITE_ROW, 0 },
        { SQLITE_CORRUPT, DATABASE_DAMAGED },
        { SQLITE_NOTADB, DATABASE_DAMAGED },
        { SQLITE_FULL, -ENOSPC },
        { SQLITE_READONLY, -EROFS },
        { SQLITE_CANTOPEN, -EACCES },
        { SQLITE_PERM, -EACCES },
        { SQLITE_BUSY, -EBUSY },
        { SQLITE_LOCKED, -EBUSY },
    };
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if ((rc & 0xff) == errors[i].rc)
            return errors[i].error;
    return -EIO;
}

/* ---- statements ---- */

static int bind(sqlite3_stmt *statement, int index, const struct value *value)
{
    struct str text = value->text;

    if (value->kind == VALUE_NUMBER)
        return sqlite3_bind_int64(statement, index, value->number);
    if (value->kind == VALUE_TEXT)
        return sqlite3_bind_text(statement, index, text.len > 0 ? text.ptr : "", (int)text.len,
                                 SQLITE_STATIC);
    return text.len > 0
               ? sqlite3_bind_blob(statement, index, text.ptr, (int)text.len, SQLITE_STATIC)
               : sqlite3_bind_zeroblob(statement, index, 0);
}

int sqlite_prepare(struct database *database, const char *sql, const struct value *values,
                   int count, sqlite3_stmt **out_statement)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);

    for (int i = 0; rc == SQLITE_OK && i < count; i++)
        rc = bind(statement, i + 1, &values[i]);
    if (rc != SQLITE_OK) {
        (void)sqlite3_finalize(statement);
        return sqlite_error(rc);
    }
    *out_statement = statement;
    return 0;
}

int sqlite_execute(struct database *database, const char *sql, const struct value *values,
                   int count)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, sql, values, count, &statement);

    if (error < 0)
        return error;
    error = sqlite_error(sqlite3_step(statement));
    (void)sqlite3_finalize(statement);
    return error;
}

int sqlite_run(struct database *database, const char *sql)
{
    return sqlite_error(sqlite3_exec(database->handle, sql, NULL, NULL, NULL));
}

struct str sqlite_column(sqlite3_stmt *statement, int index)
{
    const void *bytes = sqlite3_column_blob(statement, index);
    return str_of(bytes, (size_t)sqlite3_column_bytes(statement, index));
}

/* ---- opening ---- */

static int read_version(struct database *database, int *out_version)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, "PRAGMA user_version", NULL, 0, &statement);

    if (error < 0)
        return error;
    error = sqlite_error(sqlite3_step(statement));
    if (error == 0)
        *out_version = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    return error;
}

static int migrate(struct database *database, int version)
{
    struct buf sql = { 0 };

    buf_add_format(&sql, "BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT",
                   migrations[version], version + 1);
    buf_add_byte(&sql, '\0');
    int error = sqlite_run(database, sql.ptr);
    buf_fini(&sql);
    if (error < 0)
        (void)sqlite_run(database, "ROLLBACK");
    return error;
}

static int bring_up_to_date(struct database *database)
{
    int version = 0;
    int error = read_version(database, &version);

    if (error == 0 && (version < 0 || version > VERSION))
        return version < 0 ? DATABASE_DAMAGED : DATABASE_TOO_NEW;
    for (; error == 0 && version < VERSION; version++)
        error = migrate(database, version);
    return error;
}

static int check_pages(struct database *database)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, "PRAGMA quick_check(1)", NULL, 0, &statement);

    if (error < 0)
        return error;
    error = sqlite_error(sqlite3_step(statement));
    if (error == 0 && !str_equals(sqlite_column(statement, 0), STR("ok")))
        error = DATABASE_DAMAGED;
    (void)sqlite3_finalize(statement);
    return error;
}

int database_open(const char *path, bool check_all, struct database **out_database)
{
    struct database *database = memory_new(sizeof *database);
    int error = sqlite_error(
        sqlite3_open_v2(path, &database->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL));

    if (error == 0)
        error = sqlite_error(sqlite3_busy_timeout(database->handle, 5000));
    if (error == 0)
        error = sqlite_run(database, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                     "PRAGMA secure_delete = OFF; PRAGMA trusted_schema = OFF");
    if (error == 0 && check_all)
        error = check_pages(database);
    if (error == 0)
        error = bring_up_to_date(database);
    if (error < 0) {
        database_close(database);
        return error;
    }
    *out_database = database;
    return 0;
}

void database_close(struct database *database)
{
    if (database == NULL)
        return;
    (void)sqlite3_close(database->handle);
    memory_free(database);
}

/* The database and its log, which belongs to it alone. */
int database_set_aside(const char *path, struct buf *out_path)
{
    static const char *const parts[] = { "", "-wal", "-shm" };
    struct buf from = { 0 };
    struct buf to = { 0 };
    int64_t now_ms = clock_now().wall_ms; /* once, before the role serves anybody */
    int error = 0;

    for (size_t i = 0; i < sizeof parts / sizeof *parts && error == 0; i++) {
        buf_reset(&from);
        buf_reset(&to);
        buf_add_format(&from, "%s%s%c", path, parts[i], '\0');
        buf_add_format(&to, "%s.damaged-%lld%s%c", path, (long long)now_ms, parts[i], '\0');
        if (i == 0)
            buf_add(out_path, buf_str(&to));
        if (rename(from.ptr, to.ptr) < 0 && errno != ENOENT)
            error = -errno;
        else if (i == 0)
            log_error("directory-damaged", LOG_TEXT("path", path), LOG_TEXT("kept-as", to.ptr));
    }
    buf_fini(&from);
    buf_fini(&to);
    return error;
}
