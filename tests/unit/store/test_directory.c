/* SPDX-License-Identifier: ISC */
/* test_directory.c: what is told durable is there after a crash; a damaged file stops nobody.
 *
 * A crash is a child process that ends without closing anything. */
#include "testing.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "store/directory/directory.h"

struct fixture {
    char folder[64];
    char path[96];
    struct worker *worker;
    struct directory *directory;
};

static void ignore_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void remove_folder(const char *path)
{
    char name[512];
    DIR *folder = opendir(path);
    struct dirent *entry;

    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        (void)snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
        (void)unlink(name);
    }
    (void)closedir(folder);
    (void)rmdir(path);
}

static void open_directory(struct fixture *fixture)
{
    fixture->worker = worker_new_inline();
    assert_int_equal(directory_open(fixture->path, fixture->worker, &fixture->directory), 0);
}

static void close_directory(struct fixture *fixture)
{
    directory_close(fixture->directory);
    worker_free(fixture->worker);
    fixture->directory = NULL;
    fixture->worker = NULL;
}

static int set_up(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    log_set_sink(ignore_line, NULL);
    strcpy(fixture->folder, "/tmp/holdfast-directory-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->path, sizeof fixture->path, "%s/directory.db", fixture->folder);
    open_directory(fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->directory != NULL)
        close_directory(fixture);
    remove_folder(fixture->folder);
    free(fixture);
    return 0;
}

static void count_done(void *context, int error)
{
    int *count = context;
    assert_int_equal(error, 0);
    ++*count;
}

static struct domain_record example(void)
{
    struct domain_record record = {
        .name = STR("example.org"),
        .primary = { STR("127.0.0.1:2526"), STR("mail.example.org") },
        .primary_count = 2,
        .added_ms = 1234567890123,
        .paused_until_ms = NEVER_MS,
    };
    record.settings.value[SETTING_HOLD] = 2LL * DAY_MS;
    record.settings.is_set[SETTING_HOLD] = true;
    assert_true(setting_put_text(&record.settings, SETTING_FILTERS, STR("rspamd,clamav")));
    return record;
}

static void put_example(struct fixture *fixture)
{
    struct domain_record record = example();
    int done = 0;

    directory_put_domain(fixture->directory, &record, count_done, &done);
    assert_int_equal(done, 0);
    (void)worker_collect(fixture->worker);
    assert_int_equal(done, 1);
}

static void assert_example(const struct directory *directory)
{
    const struct domain_record *found = directory_find_domain(directory, STR("example.org"));

    assert_non_null(found);
    assert_int_equal(found->primary_count, 2);
    assert_true(str_equals(found->primary[1], STR("mail.example.org")));
    assert_int_equal(found->added_ms, 1234567890123);
    assert_true(found->paused_until_ms == NEVER_MS);
    assert_true(found->settings.is_set[SETTING_HOLD]);
    assert_false(found->settings.is_set[SETTING_RESCUE]);
    assert_int_equal(found->settings.value[SETTING_HOLD], 2LL * DAY_MS);
    assert_true(
        str_equals(setting_text(&found->settings, NULL, SETTING_FILTERS), STR("rspamd,clamav")));
}

static void a_domain_is_found_at_once_and_after_reopening(void **state)
{
    struct fixture *fixture = *state;

    put_example(fixture);
    assert_example(fixture->directory);
    close_directory(fixture);
    open_directory(fixture);
    assert_example(fixture->directory);
    assert_null(directory_find_domain(fixture->directory, STR("example.com")));
}

static void a_record_can_be_changed_in_place(void **state)
{
    struct fixture *fixture = *state;
    int done = 0;

    put_example(fixture);
    struct domain_record record = *directory_find_domain(fixture->directory, STR("example.org"));
    record.primary_count = 1;
    record.settings = (struct domain_settings){ 0 };
    record.paused_until_ms = 0;
    directory_put_domain(fixture->directory, &record, count_done, &done);
    close_directory(fixture);
    assert_int_equal(done, 1);
    open_directory(fixture);
    const struct domain_record *found =
        directory_find_domain(fixture->directory, STR("example.org"));
    assert_int_equal(found->primary_count, 1);
    assert_false(found->settings.is_set[SETTING_HOLD]);
    assert_true(found->paused_until_ms == 0);
}

static void domains_come_sorted_by_name(void **state)
{
    static const char *const names[] = { "m.org", "a.org", "z.org", "b.org", "aa.org" };
    static const char *const sorted[] = { "a.org", "aa.org", "b.org", "m.org", "z.org" };
    struct fixture *fixture = *state;
    int done = 0;

    for (int i = 0; i < 5; i++) {
        struct domain_record record = { .name = str_from(names[i]) };
        directory_put_domain(fixture->directory, &record, count_done, &done);
    }
    close_directory(fixture);
    assert_int_equal(done, 5);
    open_directory(fixture);
    size_t cursor = 0;
    for (int i = 0; i < 5; i++) {
        const struct domain_record *record = directory_next_domain(fixture->directory, &cursor);
        assert_true(str_equals(record->name, str_from(sorted[i])));
    }
    assert_null(directory_next_domain(fixture->directory, &cursor));
}

static void a_removed_domain_stays_removed_with_its_route(void **state)
{
    struct fixture *fixture = *state;
    const struct known_route route = { STR("example.org"), 42, STR("plan") };
    int done = 0;

    put_example(fixture);
    directory_put_route(fixture->directory, &route, count_done, &done);
    directory_remove_domain(fixture->directory, STR("example.org"), count_done, &done);
    directory_remove_domain(fixture->directory, STR("never.there"), count_done, &done);
    assert_null(directory_find_domain(fixture->directory, STR("example.org")));
    assert_null(directory_find_route(fixture->directory, STR("example.org")));
    close_directory(fixture);
    assert_int_equal(done, 3);
    open_directory(fixture);
    assert_null(directory_find_domain(fixture->directory, STR("example.org")));
    assert_null(directory_find_route(fixture->directory, STR("example.org")));
}

static void a_route_may_hold_any_bytes(void **state)
{
    struct fixture *fixture = *state;
    static const char plan[] = "\0\xff\n'; DROP TABLE domain; --";
    struct known_route route = { STR("example.org"), 42, str_of(plan, sizeof plan) };

    directory_put_route(fixture->directory, &route, NULL, NULL);
    route.seen_ms = 43;
    directory_put_route(fixture->directory, &route, NULL, NULL);
    close_directory(fixture);
    open_directory(fixture);
    const struct known_route *found = directory_find_route(fixture->directory, STR("example.org"));
    assert_non_null(found);
    assert_int_equal(found->seen_ms, 43);
    assert_true(str_equals(found->plan, route.plan));
}

/* ---- crash ---- */

static void exit_at_once(void *context, int error)
{
    (void)context;
    _exit(error == 0 ? 0 : 1);
}

static void what_was_told_durable_survives_a_crash(void **state)
{
    struct fixture *fixture = *state;
    int status = 0;

    close_directory(fixture);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct domain_record record = example();
        open_directory(fixture);
        directory_put_domain(fixture->directory, &record, exit_at_once, NULL);
        (void)worker_collect(fixture->worker);
        _exit(2);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    open_directory(fixture);
    assert_example(fixture->directory);
}

/* ---- damage ---- */

static int count_damaged(const struct fixture *fixture)
{
    DIR *folder = opendir(fixture->folder);
    struct dirent *entry;
    int count = 0;

    while ((entry = readdir(folder)) != NULL)
        count += strstr(entry->d_name, ".damaged-") != NULL;
    (void)closedir(folder);
    return count;
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
    struct fixture *fixture = *state;

    close_directory(fixture);
    int fd = open(fixture->path, O_WRONLY | O_TRUNC);
    for (int i = 0; i < 500; i++)
        assert_int_equal(write(fd, "this is no database", 19), 19);
    (void)close(fd);
    open_directory(fixture);
    assert_null(directory_find_domain(fixture->directory, STR("example.org")));
    assert_int_equal(count_damaged(fixture), 1);
    put_example(fixture);
    close_directory(fixture);
    open_directory(fixture);
    assert_example(fixture->directory);
    assert_int_equal(count_damaged(fixture), 1);
}

static void execute_sql(const char *path, const char *sql)
{
    sqlite3 *handle = NULL;
    assert_int_equal(sqlite3_open(path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_exec(handle, sql, NULL, NULL, NULL), SQLITE_OK);
    (void)sqlite3_close(handle);
}

static void a_fact_is_found_replaced_and_goes_with_its_domain(void **state)
{
    struct fixture *fixture = *state;
    struct domain_fact fact = { STR("secret"), STR("example.org"), STR(""), STR("\0one") };
    struct domain_fact other = { STR("secret"), STR("example.org"), STR("x"), STR("other") };
    size_t cursor = 0;
    int done = 0;

    put_example(fixture);
    directory_put_fact(fixture->directory, &fact, count_done, &done);
    directory_put_fact(fixture->directory, &other, count_done, &done);
    fact.value = STR("two");
    directory_put_fact(fixture->directory, &fact, count_done, &done);
    other.value = STR("");
    directory_put_fact(fixture->directory, &other, count_done, &done);
    close_directory(fixture);
    assert_int_equal(done, 4);
    open_directory(fixture);
    assert_str(directory_find_fact(fixture->directory, STR("secret"), STR("example.org"), STR("")),
               STR("two"));
    assert_null(
        directory_find_fact(fixture->directory, STR("secret"), STR("example.org"), STR("x")).ptr);
    assert_str(directory_next_fact(fixture->directory, &cursor)->value, STR("two"));
    assert_null(directory_next_fact(fixture->directory, &cursor));
    directory_remove_domain(fixture->directory, STR("example.org"), count_done, &done);
    cursor = 0;
    assert_null(directory_next_fact(fixture->directory, &cursor));
    close_directory(fixture);
    open_directory(fixture);
    cursor = 0;
    assert_null(directory_next_fact(fixture->directory, &cursor));
}

/* ---- recipients ---- */

struct seen {
    unsigned recipients, memories;
    char first[64];
    struct known_recipient last;
    struct domain_memory memory;
};

static void see_recipient(void *context, const struct known_recipient *recipient)
{
    struct seen *seen = context;

    if (seen->recipients++ == 0)
        (void)snprintf(seen->first, sizeof seen->first, "%.*s", STR_FMT(recipient->address));
    seen->last = *recipient;
    seen->last.address = STR_NONE;
}

static void see_memory(void *context, const struct domain_memory *memory)
{
    struct seen *seen = context;

    seen->memories++;
    seen->memory = *memory;
    seen->memory.domain = STR_NONE;
}

static struct seen read_recipients(struct fixture *fixture)
{
    struct seen seen = { 0 };
    struct directory_recipient_reader reader = { see_recipient, see_memory, &seen };

    assert_int_equal(directory_read_recipients(fixture->directory, &reader), 0);
    return seen;
}

static void put_recipients(struct fixture *fixture)
{
    struct known_recipient later = { .address = STR("later@example.org"),
                                     .is_valid = true,
                                     .is_full = true,
                                     .source = PINNED,
                                     .since_ms = 7,
                                     .confirmed_ms = 500,
                                     .valid_ms = 400,
                                     .doubt_ms = 450 };
    struct known_recipient earlier = { .address = STR("earlier@example.org"), .confirmed_ms = 100 };
    struct domain_memory memory = { .domain = STR("example.org"),
                                    .behind_ms = 1,
                                    .still_ms = 2,
                                    .takes_all = true,
                                    .takes_all_ms = 3,
                                    .extensions = 4,
                                    .size_max = UINT64_MAX / 2,
                                    .greeted_ms = 6 };

    directory_put_recipient(fixture->directory, &later);
    directory_put_recipient(fixture->directory, &earlier);
    directory_put_memory(fixture->directory, &memory);
}

/* Whoever has changed a list of recipients is told when it is durable, and not before. */
static void tells_when_recipients_are_durable(void **state)
{
    struct fixture *fixture = *state;
    struct directory *other;
    int settled = 0;

    put_recipients(fixture);
    directory_settle(fixture->directory, count_done, &settled);
    assert_int_equal(settled, 0);
    while (settled == 0)
        (void)worker_collect(fixture->worker);
    struct worker *worker = worker_new_inline(); /* the file, as a successor would find it */
    assert_int_equal(directory_open(fixture->path, worker, &other), 0);
    struct directory *mine = fixture->directory;
    fixture->directory = other;
    struct seen seen = read_recipients(fixture);
    fixture->directory = mine;
    assert_int_equal(seen.recipients, 2);
    directory_close(other);
    worker_free(worker);
}

static void recipients_come_back_in_the_order_they_were_confirmed(void **state)
{
    struct fixture *fixture = *state;

    put_recipients(fixture);
    close_directory(fixture);
    open_directory(fixture);
    struct seen seen = read_recipients(fixture);
    assert_int_equal(seen.recipients, 2);
    assert_string_equal(seen.first, "earlier@example.org");
    assert_true(seen.last.is_valid && seen.last.is_full);
    assert_int_equal(seen.last.source, PINNED);
    assert_int_equal(seen.last.since_ms, 7);
    assert_int_equal(seen.last.valid_ms, 400);
    assert_int_equal(seen.last.doubt_ms, 450);
    assert_int_equal(seen.memories, 1);
    assert_int_equal(seen.memory.behind_ms, 1);
    assert_int_equal(seen.memory.still_ms, 2);
    assert_true(seen.memory.takes_all);
    assert_int_equal(seen.memory.takes_all_ms, 3);
    assert_int_equal(seen.memory.extensions, 4);
    assert_true(seen.memory.size_max == UINT64_MAX / 2);
    assert_int_equal(seen.memory.greeted_ms, 6);
}

static void recipients_are_forgotten_one_by_one_and_with_their_domain(void **state)
{
    struct fixture *fixture = *state;

    put_example(fixture);
    put_recipients(fixture);
    directory_remove_recipient(fixture->directory, STR("later@example.org"));
    close_directory(fixture);
    open_directory(fixture);
    assert_int_equal(read_recipients(fixture).recipients, 1);
    directory_remove_domain(fixture->directory, STR("example.org"), NULL, NULL);
    close_directory(fixture);
    open_directory(fixture);
    struct seen seen = read_recipients(fixture);
    assert_int_equal(seen.recipients, 0);
    assert_int_equal(seen.memories, 0);
}

static void a_recipient_row_without_sense_is_left_out(void **state)
{
    struct fixture *fixture = *state;

    put_recipients(fixture);
    close_directory(fixture);
    execute_sql(fixture->path, "UPDATE recipient SET source = 77 WHERE confirmed_ms = 100");
    open_directory(fixture);
    assert_int_equal(read_recipients(fixture).recipients, 1);
}

/* The page of the routes' table is overwritten; the domains' pages are whole. */
static void domains_of_a_damaged_file_are_saved(void **state)
{
    struct fixture *fixture = *state;
    struct known_route route = { STR("example.org"), 42, STR("plan") };
    sqlite3 *handle = NULL;
    sqlite3_stmt *statement = NULL;

    put_example(fixture);
    put_recipients(fixture);
    directory_put_route(fixture->directory, &route, NULL, NULL);
    close_directory(fixture);
    execute_sql(fixture->path, "PRAGMA journal_mode = DELETE");
    assert_int_equal(sqlite3_open(fixture->path, &handle), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(handle,
                                        "SELECT rootpage FROM sqlite_schema WHERE type = 'table'"
                                        " AND name = 'known_route'",
                                        -1, &statement, NULL),
                     SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    off_t page = sqlite3_column_int(statement, 0);
    (void)sqlite3_finalize(statement);
    (void)sqlite3_close(handle);

    char garbage[4096];
    memset(garbage, 0xa5, sizeof garbage);
    int fd = open(fixture->path, O_WRONLY);
    assert_int_equal(pwrite(fd, garbage, sizeof garbage, (page - 1) * 4096), 4096);
    (void)close(fd);

    open_directory(fixture);
    assert_example(fixture->directory);
    assert_true(count_damaged(fixture) >= 1);
    close_directory(fixture);
    open_directory(fixture);
    assert_example(fixture->directory);
    assert_int_equal(read_recipients(fixture).recipients, 2);
}

/* Somebody has written to the file himself, or its pages are damaged. */
static void names_that_are_none_are_passed_over(void **state)
{
    struct fixture *fixture = *state;
    size_t cursor = 0;

    put_example(fixture);
    close_directory(fixture);
    execute_sql(fixture->path, "INSERT INTO domain VALUES ('', 1, 0), ('EXAMPLE.NET', 1, 0),"
                               " ('a b', 1, 0), (x'610062', 1, 0), ('fine.example', 1, 0)");
    open_directory(fixture);
    assert_example(fixture->directory);
    assert_non_null(directory_find_domain(fixture->directory, STR("fine.example")));
    while (directory_next_domain(fixture->directory, &cursor) != NULL)
        continue;
    assert_int_equal(cursor, 2);
}

static void a_file_of_the_first_version_is_brought_up_to_date(void **state)
{
    struct fixture *fixture = *state;

    put_example(fixture);
    close_directory(fixture);
    execute_sql(fixture->path, "DELETE FROM domain_setting WHERE name = 'filters';"
                               "ALTER TABLE domain_setting DROP COLUMN text; DROP TABLE recipient;"
                               "DROP TABLE domain_memory; DROP TABLE domain_fact;"
                               "PRAGMA user_version = 1");
    open_directory(fixture);
    const struct domain_record *found =
        directory_find_domain(fixture->directory, STR("example.org"));
    assert_int_equal(found->settings.value[SETTING_HOLD], 2LL * DAY_MS);
    put_example(fixture);
    close_directory(fixture);
    open_directory(fixture);
    assert_example(fixture->directory);
}

static void a_file_of_a_later_version_is_left_alone(void **state)
{
    struct fixture *fixture = *state;
    struct directory *directory = NULL;

    put_example(fixture);
    close_directory(fixture);
    execute_sql(fixture->path, "PRAGMA user_version = 99");
    struct worker *worker = worker_new_inline();
    assert_int_equal(directory_open(fixture->path, worker, &directory), -EPROTO);
    assert_null(directory);
    assert_int_equal(count_damaged(fixture), 0);
    worker_free(worker);
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct directory *directory = NULL;
    struct worker *worker = worker_new_inline();
    (void)state;
    assert_int_equal(directory_open("/nowhere/at/all.db", worker, &directory), -EACCES);
    worker_free(worker);
}

static void writes_on_a_helper_thread(void **state)
{
    struct fixture *fixture = *state;
    struct worker *worker = worker_new();
    struct directory *directory = NULL;
    int done = 0;

    close_directory(fixture);
    assert_int_equal(directory_open(fixture->path, worker, &directory), 0);
    for (int i = 0; i < 200; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "d%03d.example", i);
        struct domain_record record = { .name = str_from(name) };
        directory_put_domain(directory, &record, count_done, &done);
    }
    directory_close(directory);
    assert_int_equal(done, 200);
    worker_free(worker);
    open_directory(fixture);
    assert_non_null(directory_find_domain(fixture->directory, STR("d199.example")));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_domain_is_found_at_once_and_after_reopening),
        TEST(a_record_can_be_changed_in_place),
        TEST(domains_come_sorted_by_name),
        TEST(a_removed_domain_stays_removed_with_its_route),
        TEST(a_route_may_hold_any_bytes),
        TEST(a_fact_is_found_replaced_and_goes_with_its_domain),
        TEST(what_was_told_durable_survives_a_crash),
        TEST(a_file_that_is_no_database_is_set_aside),
        TEST(tells_when_recipients_are_durable),
        TEST(recipients_come_back_in_the_order_they_were_confirmed),
        TEST(recipients_are_forgotten_one_by_one_and_with_their_domain),
        TEST(a_recipient_row_without_sense_is_left_out),
        TEST(domains_of_a_damaged_file_are_saved),
        TEST(names_that_are_none_are_passed_over),
        TEST(a_file_of_the_first_version_is_brought_up_to_date),
        TEST(a_file_of_a_later_version_is_left_alone),
        TEST(a_folder_that_is_not_there_is_an_error),
        TEST(writes_on_a_helper_thread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
