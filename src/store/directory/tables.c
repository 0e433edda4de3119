/* SPDX-License-Identifier: ISC */
/* tables.c: rows of the directory's tables to records and back; the tables are drawn in sqlite.c.
 */
#include "store/directory/sqlite.h"

#include "base/log.h"
#include "mail/domain.h"
#include "mail/envelope.h"

/* ---- reading ---- */

static int read_primaries(struct database *database, struct arena *arena,
                          struct domain_record *record)
{
    sqlite3_stmt *statement = NULL;
    const struct value domain = TEXT(record->name);
    int error = sqlite_prepare(
        database, "SELECT host FROM domain_primary WHERE domain = $1 ORDER BY position", &domain, 1,
        &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        if (record->primary_count < DIRECTORY_PRIMARIES_MAX)
            record->primary[record->primary_count++] =
                arena_str(arena, sqlite_column(statement, 0));
    (void)sqlite3_finalize(statement);
    return sqlite_error(rc);
}

/* A value out of bounds would make a later parse fail; the default serves instead. */
static void take_setting(struct domain_settings *settings, sqlite3_stmt *row)
{
    enum setting setting;

    if (!setting_from_name(sqlite_column(row, 0), &setting))
        return;
    if (setting_is_text(setting))
        (void)setting_put_text(settings, setting, sqlite_column(row, 2));
    else
        (void)setting_put_number(settings, setting, sqlite3_column_int64(row, 1));
}

static int read_settings(struct database *database, struct domain_record *record)
{
    sqlite3_stmt *statement = NULL;
    const struct value domain = TEXT(record->name);
    int error =
        sqlite_prepare(database, "SELECT name, value, text FROM domain_setting WHERE domain = $1",
                       &domain, 1, &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        take_setting(&record->settings, statement);
    (void)sqlite3_finalize(statement);
    return sqlite_error(rc);
}

/* Everybody behind us relies on the normal form; an empty name would mean every domain. */
static bool is_normal(struct str name)
{
    struct buf normal = { 0 };
    bool is = domain_normalise(name, &normal) && str_equals(buf_str(&normal), name);

    buf_fini(&normal);
    return is;
}

/* What is damaged beside the name costs its settings, not the domain. */
static int read_domain(struct database *database, sqlite3_stmt *row,
                       const struct database_reader *reader)
{
    struct arena arena = { 0 };
    struct domain_record record = {
        .name = arena_str(&arena, sqlite_column(row, 0)),
        .added_ms = sqlite3_column_int64(row, 1),
        .paused_until_ms = sqlite3_column_int64(row, 2),
    };
    int error = 0;
    int second = 0;

    if (is_normal(record.name)) {
        error = read_primaries(database, &arena, &record);
        second = read_settings(database, &record);
        reader->domain(reader->context, &record);
    } else {
        log_error("directory-row-unusable", LOG_STR("domain", record.name),
                  LOG_TEXT("hint", "it is no domain name; it stays in the file, unused"));
    }
    arena_fini(&arena);
    return error < 0 ? error : second;
}

static int read_domains(struct database *database, const struct database_reader *reader)
{
    sqlite3_stmt *statement = NULL;
    int error =
        sqlite_prepare(database, "SELECT name, added_ms, paused_until_ms FROM domain ORDER BY name",
                       NULL, 0, &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        int failed = read_domain(database, statement, reader);
        error = error < 0 ? error : failed;
    }
    (void)sqlite3_finalize(statement);
    return error < 0 ? error : sqlite_error(rc);
}

static int read_routes(struct database *database, const struct database_reader *reader)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, "SELECT domain, seen_ms, plan FROM known_route", NULL, 0,
                               &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct known_route route = {
            .domain = sqlite_column(statement, 0),
            .seen_ms = sqlite3_column_int64(statement, 1),
            .plan = sqlite_column(statement, 2),
        };
        reader->route(reader->context, &route);
    }
    (void)sqlite3_finalize(statement);
    return sqlite_error(rc);
}

static int read_facts(struct database *database, const struct database_reader *reader)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, "SELECT kind, domain, name, value FROM domain_fact", NULL,
                               0, &statement);
    int rc = SQLITE_DONE;

    if (error < 0)
        return error;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct domain_fact fact = {
            .kind = sqlite_column(statement, 0),
            .domain = sqlite_column(statement, 1),
            .name = sqlite_column(statement, 2),
            .value = sqlite_column(statement, 3),
        };
        if (fact.value.len > 0)
            reader->fact(reader->context, &fact);
    }
    (void)sqlite3_finalize(statement);
    return sqlite_error(rc);
}

int database_read(struct database *database, const struct database_reader *reader)
{
    int error = read_domains(database, reader);
    int second = read_routes(database, reader);
    int third = read_facts(database, reader);
    return error < 0 ? error : second < 0 ? second : third;
}

/* ---- writing ---- */

static int remove_details(struct database *database, struct str name)
{
    int error = EXECUTE(database, "DELETE FROM domain_primary WHERE domain = $1", TEXT(name));
    return error < 0
               ? error
               : EXECUTE(database, "DELETE FROM domain_setting WHERE domain = $1", TEXT(name));
}

static int put_setting(struct database *database, const struct domain_record *record,
                       enum setting setting)
{
    struct str text =
        setting_is_text(setting) ? setting_text(&record->settings, NULL, setting) : STR("");

    return EXECUTE(database,
                   "INSERT INTO domain_setting (domain, name, value, text) VALUES ($1, $2, $3, $4)",
                   TEXT(record->name), TEXT(str_from(setting_rule(setting)->name)),
                   NUMBER(record->settings.value[setting]), TEXT(text));
}

static int put_details(struct database *database, const struct domain_record *record)
{
    int error = 0;

    for (uint32_t i = 0; error == 0 && i < record->primary_count; i++)
        error = EXECUTE(database,
                        "INSERT INTO domain_primary (domain, position, host) VALUES ($1, $2, $3)",
                        TEXT(record->name), NUMBER(i), TEXT(record->primary[i]));
    for (int i = 0; error == 0 && i < SETTING_COUNT; i++)
        if (record->settings.is_set[i])
            error = put_setting(database, record, (enum setting)i);
    return error;
}

static int put_domain(struct database *database, const struct change *change)
{
    const struct domain_record *record = change->domain;
    int error =
        EXECUTE(database,
                "INSERT INTO domain (name, added_ms, paused_until_ms) VALUES ($1, $2, $3)"
                " ON CONFLICT (name) DO UPDATE SET added_ms = excluded.added_ms,"
                " paused_until_ms = excluded.paused_until_ms",
                TEXT(record->name), NUMBER(record->added_ms), NUMBER(record->paused_until_ms));

    if (error == 0)
        error = remove_details(database, record->name);
    return error == 0 ? put_details(database, record) : error;
}

static int remove_domain(struct database *database, const struct change *change)
{
    struct str name = change->domain->name;
    int error = remove_details(database, name);

    if (error == 0)
        error = table_remove_recipients(database, name);
    if (error == 0)
        error = EXECUTE(database, "DELETE FROM known_route WHERE domain = $1", TEXT(name));
    if (error == 0)
        error = EXECUTE(database, "DELETE FROM domain_fact WHERE domain = $1", TEXT(name));
    return error == 0 ? EXECUTE(database, "DELETE FROM domain WHERE name = $1", TEXT(name)) : error;
}

static int put_route(struct database *database, const struct change *change)
{
    const struct known_route *route = &change->route;
    return EXECUTE(database,
                   "INSERT INTO known_route (domain, seen_ms, plan) VALUES ($1, $2, $3)"
                   " ON CONFLICT (domain) DO UPDATE SET seen_ms = excluded.seen_ms,"
                   " plan = excluded.plan",
                   TEXT(route->domain), NUMBER(route->seen_ms), BYTES(route->plan));
}

static int put_fact(struct database *database, const struct change *change)
{
    const struct domain_fact *fact = &change->fact;

    if (fact->value.len == 0)
        return EXECUTE(database,
                       "DELETE FROM domain_fact WHERE kind = $1 AND domain = $2 AND name = $3",
                       TEXT(fact->kind), TEXT(fact->domain), TEXT(fact->name));
    return EXECUTE(database,
                   "INSERT INTO domain_fact (kind, domain, name, value) VALUES ($1, $2, $3, $4)"
                   " ON CONFLICT (kind, domain, name) DO UPDATE SET value = excluded.value",
                   TEXT(fact->kind), TEXT(fact->domain), TEXT(fact->name), BYTES(fact->value));
}

static int put_nothing(struct database *database, const struct change *change)
{
    (void)database;
    (void)change;
    return 0;
}

int database_write(struct database *database, const struct link *changes)
{
    static int (*const apply[])(struct database *, const struct change *) = {
        [CHANGE_PUT_DOMAIN] = put_domain,
        [CHANGE_REMOVE_DOMAIN] = remove_domain,
        [CHANGE_PUT_ROUTE] = put_route,
        [CHANGE_PUT_RECIPIENT] = table_put_recipient,
        [CHANGE_REMOVE_RECIPIENT] = table_remove_recipient,
        [CHANGE_PUT_MEMORY] = table_put_memory,
        [CHANGE_PUT_FACT] = put_fact,
        [CHANGE_NOTHING] = put_nothing,
    };
    int error = sqlite_run(database, "BEGIN IMMEDIATE");

    for (const struct link *link = changes->next; error == 0 && link != changes;
         link = link->next) {
        const struct change *change = container_of(link, struct change, link);
        error = apply[change->kind](database, change);
    }
    if (error == 0)
        error = sqlite_run(database, "COMMIT");
    if (error < 0)
        (void)sqlite_run(database, "ROLLBACK");
    return error;
}
