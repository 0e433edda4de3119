/* SPDX-License-Identifier: ISC */
/* fuzz_directory.c: tables that hold what no holdfast would have written.
 *
 * Rows of any kind (names that are none, numbers out of bounds, texts where numbers belong, plans
 * that do not decode) stand in the database; the directory opens, and what it hands out keeps the
 * promises of directory.h, whatever is made of it: settings are within their bounds, a route can be
 * decided, records can be written again and come back the same.
 *
 * The database lives in memory, by SQLite's "memdb", as long as our own connection to it. The input
 * is a row of rows: an octet for the table, then a value for each column.
 */
#include <sqlite3.h>
#include <string.h>

#include "base/check.h"
#include "base/cursor.h"
#include "base/log.h"
#include "route/route.h"
#include "store/directory/directory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS_MAX = 100 };
static const char path[] = "/fuzz"; /* shared by all connections, since it begins so */

static void quiet(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void bind_value(sqlite3_stmt *statement, int column, struct cursor *input)
{
    static const char *const words[] = {
        "example.org",  "example.net", "EXAMPLE.org",   "",           "hold", "sessions",
        "192.0.2.1:25", "host:99999",  "[2001:db8::1]", "mx.example", "\xff", ".",
        "filters",      "rspamd,a b",  "rspamd,clamav",
    };
    uint8_t n = cursor_u8(input);
    struct str bytes;

    switch (n & 7) {
    case 0:
        (void)sqlite3_bind_int64(statement, column, n >> 3);
        return;
    case 1:
        (void)sqlite3_bind_int64(statement, column, (int64_t)cursor_u64(input));
        return;
    case 2:
        (void)sqlite3_bind_double(statement, column, n * 1e18);
        return;
    case 3:
        bytes = cursor_bytes(input, cursor_u8(input));
        (void)sqlite3_bind_blob(statement, column, bytes.ptr != NULL ? bytes.ptr : "",
                                (int)bytes.len, SQLITE_TRANSIENT);
        return;
    case 4:
        bytes = cursor_bytes(input, cursor_u8(input));
        (void)sqlite3_bind_text(statement, column, bytes.ptr != NULL ? bytes.ptr : "",
                                (int)bytes.len, SQLITE_TRANSIENT);
        return;
    default:
        (void)sqlite3_bind_text(statement, column, words[(n >> 3) % (sizeof words / sizeof *words)],
                                -1, SQLITE_STATIC);
    }
}

static void put_rows(sqlite3 *database, struct cursor *input)
{
    static const struct {
        const char *sql;
        int columns;
    } tables[] = {
        { "INSERT OR REPLACE INTO domain VALUES (?, ?, ?)", 3 },
        { "INSERT OR REPLACE INTO domain_primary VALUES (?, ?, ?)", 3 },
        { "INSERT OR REPLACE INTO domain_setting VALUES (?, ?, ?, ?)", 4 },
        { "INSERT OR REPLACE INTO known_route VALUES (?, ?, ?)", 3 },
        { "INSERT OR REPLACE INTO domain_fact VALUES (?, ?, ?, ?)", 4 },
    };

    for (int row = 0; row < ROWS_MAX && input->left.len > 0; row++) {
        unsigned table = cursor_u8(input) % (sizeof tables / sizeof *tables);
        sqlite3_stmt *statement = NULL;
        check(sqlite3_prepare_v2(database, tables[table].sql, -1, &statement, NULL) == SQLITE_OK);
        for (int i = 1; i <= tables[table].columns; i++)
            bind_value(statement, i, input);
        (void)sqlite3_step(statement);
        (void)sqlite3_finalize(statement);
    }
}

static void check_route(const struct domain_record *record)
{
    static const struct route_self self = { 0 };
    struct route_request request = { .domain = record->name,
                                     .primary = record->primary,
                                     .primary_count = record->primary_count,
                                     .port = 25,
                                     .self = &self };
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct dns_answers known = { 0 };
    struct route_result result;
    struct random random;

    random_from_seed(&random, 1);
    for (int asked = 0;; asked++) {
        route_decide(&request, &known, &random, &result);
        if (result.step != ROUTE_ASK)
            break;
        check(asked < 3 * DIRECTORY_PRIMARIES_MAX + 3);
        dns_answers_add(&known, result.question, &failed);
    }
    if (result.step == ROUTE_PLAN)
        route_plan_fini(&result.plan);
    dns_answers_fini(&known);
}

static void check_record(const struct directory *directory, const struct domain_record *record)
{
    check(record->primary_count <= DIRECTORY_PRIMARIES_MAX);
    check(directory_find_domain(directory, record->name) == record);
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_rule *rule = setting_rule((enum setting)i);
        int64_t value = setting_value(&record->settings, NULL, (enum setting)i);
        check(setting_is_text((enum setting)i) || (value >= rule->min && value <= rule->max));
    }
    check_route(record);
    const struct known_route *route = directory_find_route(directory, record->name);
    struct route_plan plan;
    if (route != NULL && route_plan_decode(route->plan, &plan))
        route_plan_fini(&plan);
}

static void noted(void *context, int error)
{
    (void)error;
    ++*(unsigned *)context;
}

/* Everything is read, the first is written again. */
static size_t look_through(struct directory *directory)
{
    const struct domain_record *record;
    const struct domain_fact *fact;
    size_t cursor = 0;
    size_t count = 0;
    static unsigned ignored;

    while ((record = directory_next_domain(directory, &cursor)) != NULL) {
        check_record(directory, record);
        count++;
    }
    cursor = 0;
    while ((fact = directory_next_fact(directory, &cursor)) != NULL)
        check(str_equals(directory_find_fact(directory, fact->kind, fact->domain, fact->name),
                         fact->value));
    cursor = 0;
    record = directory_next_domain(directory, &cursor);
    if (record != NULL)
        directory_put_domain(directory, record, noted, &ignored);
    return count;
}

static size_t open_and_look(void)
{
    struct worker *worker = worker_new_inline();
    struct directory *directory = NULL;

    check(directory_open(path, worker, &directory) == 0);
    size_t count = look_through(directory);
    (void)worker_collect(worker);
    directory_close(directory);
    worker_free(worker);
    return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cursor input = cursor_over(str_of(data, size));
    sqlite3 *database = NULL;

    log_set_sink(quiet, NULL);
    check(sqlite3_initialize() == SQLITE_OK);
    check(sqlite3_vfs_register(sqlite3_vfs_find("memdb"), 1) == SQLITE_OK);
    check(sqlite3_open(path, &database) == SQLITE_OK);
    check(open_and_look() == 0); /* makes the tables */
    put_rows(database, &input);
    size_t count = open_and_look();
    check(open_and_look() == count);
    (void)sqlite3_close(database);
    return 0;
}
