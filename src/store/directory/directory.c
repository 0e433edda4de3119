/* SPDX-License-Identifier: ISC */
/* directory.c: the directory in memory, in front of its database.
 *
 * A change is made in memory at once and queued. While the helper thread writes
 * one batch, the next gathers; each batch is one transaction. A change that could
 * not be written stays in effect until the next start, its done() gets the error.
 *
 * Invariants
 *   1  at most one batch is with the helper thread, and with it the database
 *   2  changes become durable in the order in which they were made
 */
#include "store/directory/directory.h"

#include <poll.h>
#include <string.h>

#include "base/arena.h"
#include "base/check.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"
#include "store/directory/database.h"

enum { MOVED_AT_ONCE = 1000 };

struct domain_entry {
    struct arena arena; /* owns the record's strings */
    struct domain_record record;
};

struct route_entry {
    struct arena arena;
    struct known_route route;
};

struct fact_entry {
    struct arena arena;
    struct domain_fact fact;
};

struct directory {
    struct worker *worker;
    struct database *database;
    struct domain_entry **domain; /* sorted by name */
    size_t domain_count;
    struct map routes; /* name -> struct route_entry */
    struct map facts;  /* fact_key() -> struct fact_entry */

    struct link queued; /* struct change */
    struct worker_job job;
    struct link batch; /* with the helper thread while is_writing */
    bool is_writing;
    int batch_error;
};

/* ---- the copy in memory ---- */

/* The place of the name, or where it would be put. */
static size_t place_of(const struct directory *directory, struct str name, bool *out_found)
{
    size_t low = 0;
    size_t high = directory->domain_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_compare(directory->domain[middle]->record.name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found =
        low < directory->domain_count && str_equals(directory->domain[low]->record.name, name);
    return low;
}

static void free_domain(struct domain_entry *entry)
{
    arena_fini(&entry->arena);
    memory_free(entry);
}

static void free_route(struct route_entry *entry)
{
    if (entry == NULL)
        return;
    arena_fini(&entry->arena);
    memory_free(entry);
}

static void free_fact(struct fact_entry *entry)
{
    if (entry == NULL)
        return;
    arena_fini(&entry->arena);
    memory_free(entry);
}

static struct buf fact_key(struct str kind, struct str domain, struct str name)
{
    struct buf key = { 0 };

    buf_add_counted(&key, kind);
    buf_add_counted(&key, domain);
    buf_add(&key, name);
    return key;
}

static void insert_at(struct directory *directory, size_t place, struct domain_entry *entry)
{
    size_t count = directory->domain_count++;

    directory->domain =
        memory_resize(directory->domain, (count + 1) * sizeof(struct domain_entry *));
    memmove(&directory->domain[place + 1], &directory->domain[place],
            (count - place) * sizeof(struct domain_entry *));
    directory->domain[place] = entry;
}

/* The record may have been found in the entry that is replaced: copy first, free last. */
static void keep_domain(void *context, const struct domain_record *record)
{
    struct directory *directory = context;
    struct domain_entry *entry = memory_new(sizeof *entry);
    bool found;
    size_t place = place_of(directory, record->name, &found);

    change_copy_domain(&entry->arena, record, &entry->record);
    if (!found) {
        insert_at(directory, place, entry);
        return;
    }
    free_domain(directory->domain[place]);
    directory->domain[place] = entry;
}

static void keep_route(void *context, const struct known_route *route)
{
    struct directory *directory = context;
    struct route_entry *entry = memory_new(sizeof *entry);

    change_copy_route(&entry->arena, route, &entry->route);
    free_route(map_put(&directory->routes, entry->route.domain, entry));
}

/* An empty value forgets. What it is given may lie in the entry that goes. */
static void keep_fact(void *context, const struct domain_fact *fact)
{
    struct directory *directory = context;
    struct buf key = fact_key(fact->kind, fact->domain, fact->name);

    if (fact->value.len == 0) {
        free_fact(map_remove(&directory->facts, buf_str(&key)));
    } else {
        struct fact_entry *entry = memory_new(sizeof *entry);
        change_copy_fact(&entry->arena, fact, &entry->fact);
        free_fact(map_put(&directory->facts, buf_str(&key), entry));
    }
    buf_fini(&key);
}

static struct fact_entry *find_fact_of(const struct directory *directory, struct str domain)
{
    struct fact_entry *entry;
    size_t cursor = 0;

    while ((entry = map_next(&directory->facts, &cursor, NULL)) != NULL)
        if (str_equals(entry->fact.domain, domain))
            return entry;
    return NULL;
}

static void forget_facts(struct directory *directory, struct str domain)
{
    struct fact_entry *entry;

    while ((entry = find_fact_of(directory, domain)) != NULL) {
        struct buf key = fact_key(entry->fact.kind, entry->fact.domain, entry->fact.name);
        free_fact(map_remove(&directory->facts, buf_str(&key)));
        buf_fini(&key);
    }
}

static void forget_domain(struct directory *directory, struct str name)
{
    bool found;
    size_t place = place_of(directory, name, &found);

    free_route(map_remove(&directory->routes, name));
    forget_facts(directory, name);
    if (!found)
        return;
    struct domain_entry *entry = directory->domain[place];
    directory->domain_count--;
    memmove(&directory->domain[place], &directory->domain[place + 1],
            (directory->domain_count - place) * sizeof(struct domain_entry *));
    free_domain(entry);
}

/* ---- writing behind ---- */

static void run_batch(struct worker_job *job)
{
    struct directory *directory = container_of(job, struct directory, job);
    directory->batch_error = database_write(directory->database, &directory->batch);
}

static void start_batch(struct directory *directory)
{
    struct link *first;

    if (directory->is_writing || list_is_empty(&directory->queued))
        return;
    while ((first = list_first(&directory->queued)) != NULL) {
        list_remove(first);
        list_append(&directory->batch, first);
    }
    directory->is_writing = true;
    worker_submit(directory->worker, &directory->job);
}

/* Those who are told may ask for more: that gathers for the batch started at the end. */
static void batch_done(struct worker_job *job)
{
    struct directory *directory = container_of(job, struct directory, job);
    struct link *first;
    int error = directory->batch_error;

    if (error < 0)
        log_error("directory-write-failed", LOG_TEXT("reason", strerror(-error)));
    while ((first = list_first(&directory->batch)) != NULL) {
        struct change *change = container_of(first, struct change, link);
        directory_done *done = change->done;
        void *context = change->context;
        change_free(change);
        if (done != NULL)
            done(context, error);
    }
    directory->is_writing = false;
    start_batch(directory);
}

static void queue_change(struct directory *directory, struct change *change)
{
    list_append(&directory->queued, &change->link);
    start_batch(directory);
}

/* ---- opening ---- */

static int read_all(struct directory *directory)
{
    const struct database_reader reader = { keep_domain, keep_route, keep_fact, directory };
    return database_read(directory->database, &reader);
}

/* Everything that is in memory, into a new file. */
static int write_all(struct directory *directory)
{
    struct link changes;
    struct link *first;
    size_t cursor = 0;
    struct route_entry *route;
    struct fact_entry *fact;

    list_init(&changes);
    for (size_t i = 0; i < directory->domain_count; i++) {
        struct change *change = change_new(CHANGE_PUT_DOMAIN, NULL, NULL);
        change_copy_domain(&change->arena, &directory->domain[i]->record,
                           change_new_domain(change));
        list_append(&changes, &change->link);
    }
    while ((route = map_next(&directory->routes, &cursor, NULL)) != NULL) {
        struct change *change = change_new(CHANGE_PUT_ROUTE, NULL, NULL);
        change_copy_route(&change->arena, &route->route, &change->route);
        list_append(&changes, &change->link);
    }
    cursor = 0;
    while ((fact = map_next(&directory->facts, &cursor, NULL)) != NULL) {
        struct change *change = change_new(CHANGE_PUT_FACT, NULL, NULL);
        change_copy_fact(&change->arena, &fact->fact, &change->fact);
        list_append(&changes, &change->link);
    }
    int error = database_write(directory->database, &changes);
    while ((first = list_first(&changes)) != NULL)
        change_free(container_of(first, struct change, link));
    return error;
}

/* ---- a damaged file ---- */

struct moving { /* recipients, from one file to the other */
    struct directory *directory;
    struct link changes;
    unsigned count;
    int error;
};

static void moving_write(struct moving *moving)
{
    struct link *first;
    int error = database_write(moving->directory->database, &moving->changes);

    moving->error = moving->error < 0 ? moving->error : error;
    while ((first = list_first(&moving->changes)) != NULL)
        change_free(container_of(first, struct change, link));
    moving->count = 0;
}

static void moving_add(struct moving *moving, struct change *change)
{
    list_append(&moving->changes, &change->link);
    if (++moving->count >= MOVED_AT_ONCE)
        moving_write(moving);
}

static void move_recipient(void *context, const struct known_recipient *recipient)
{
    struct change *change = change_new(CHANGE_PUT_RECIPIENT, NULL, NULL);

    change_copy_recipient(&change->arena, recipient, &change->recipient);
    moving_add(context, change);
}

static void move_memory(void *context, const struct domain_memory *memory)
{
    struct change *change = change_new(CHANGE_PUT_MEMORY, NULL, NULL);

    change_copy_memory(&change->arena, memory, &change->memory);
    moving_add(context, change);
}

/* They may be many, and are not kept here: out of the one file, into the other. */
static int move_recipients(struct directory *directory, const char *from)
{
    struct moving moving = { .directory = directory };
    struct directory_recipient_reader reader = { move_recipient, move_memory, &moving };
    struct database *old = NULL;

    list_init(&moving.changes);
    if (database_open(from, false, &old) < 0)
        return 0; /* nothing of it can be read */
    (void)database_read_recipients(old, false, &reader);
    moving_write(&moving);
    database_close(old);
    return moving.error;
}

/* What can still be read of a damaged file is taken over: without its domains, the node would
 * refuse their mail. */
static int rebuild(struct directory *directory, const char *path)
{
    struct buf aside = { 0 };

    if (directory->database == NULL)
        (void)database_open(path, false, &directory->database);
    if (directory->database != NULL)
        (void)read_all(directory);
    database_close(directory->database);
    directory->database = NULL;

    int error = database_set_aside(path, &aside);
    if (error == 0)
        error = database_open(path, false, &directory->database);
    if (error == 0)
        error = write_all(directory);
    if (error == 0)
        error = move_recipients(directory, aside.ptr);
    buf_fini(&aside);
    log_warn("directory-rebuilt", LOG_INT("domains", directory->domain_count),
             LOG_TEXT("result", error < 0 ? strerror(-error) : "ok"));
    return error;
}

static struct directory *new_directory(struct worker *worker)
{
    struct directory *directory = memory_new(sizeof *directory);

    directory->worker = worker;
    directory->job = (struct worker_job){ .run = run_batch, .done = batch_done };
    map_init(&directory->routes);
    map_init(&directory->facts);
    list_init(&directory->queued);
    list_init(&directory->batch);
    return directory;
}

static void free_directory(struct directory *directory)
{
    struct route_entry *route;
    struct fact_entry *fact;
    size_t cursor = 0;

    database_close(directory->database);
    while (directory->domain_count > 0)
        free_domain(directory->domain[--directory->domain_count]);
    while ((route = map_next(&directory->routes, &cursor, NULL)) != NULL)
        free_route(route);
    map_fini(&directory->routes);
    cursor = 0;
    while ((fact = map_next(&directory->facts, &cursor, NULL)) != NULL)
        free_fact(fact);
    map_fini(&directory->facts);
    memory_free(directory->domain);
    memory_free(directory);
}

int directory_open(const char *path, struct worker *worker, struct directory **out_directory)
{
    struct directory *directory = new_directory(worker);
    int error = database_open(path, true, &directory->database);

    if (error == 0)
        error = read_all(directory);
    if (error == DATABASE_DAMAGED)
        error = rebuild(directory, path);
    if (error == DATABASE_TOO_NEW)
        log_error("directory-too-new", LOG_TEXT("path", path),
                  LOG_TEXT("advice", "written by a later version; install that version again"));
    else if (error < 0)
        log_error("directory-open-failed", LOG_TEXT("path", path),
                  LOG_TEXT("reason", strerror(-error)));
    if (error < 0) {
        free_directory(directory);
        return error;
    }
    *out_directory = directory;
    return 0;
}

void directory_close(struct directory *directory)
{
    if (directory == NULL)
        return;
    while (directory->is_writing) {
        struct pollfd ready = { .fd = worker_descriptor(directory->worker), .events = POLLIN };
        if (ready.fd >= 0)
            (void)poll(&ready, 1, -1);
        (void)worker_collect(directory->worker);
    }
    check(list_is_empty(&directory->queued));
    free_directory(directory);
}

/* ---- domains, routes, facts ---- */

const struct domain_record *directory_find_domain(const struct directory *directory,
                                                  struct str name)
{
    bool found;
    size_t place = place_of(directory, name, &found);
    return found ? &directory->domain[place]->record : NULL;
}

const struct domain_record *directory_next_domain(const struct directory *directory, size_t *cursor)
{
    if (*cursor >= directory->domain_count)
        return NULL;
    return &directory->domain[(*cursor)++]->record;
}

void directory_put_domain(struct directory *directory, const struct domain_record *record,
                          directory_done *done, void *context)
{
    struct change *change = change_new(CHANGE_PUT_DOMAIN, done, context);

    check(record->name.len > 0 && record->primary_count <= DIRECTORY_PRIMARIES_MAX);
    change_copy_domain(&change->arena, record, change_new_domain(change));
    keep_domain(directory, change->domain);
    queue_change(directory, change);
}

void directory_remove_domain(struct directory *directory, struct str name, directory_done *done,
                             void *context)
{
    struct change *change = change_new(CHANGE_REMOVE_DOMAIN, done, context);

    change_new_domain(change)->name = arena_str(&change->arena, name);
    forget_domain(directory, change->domain->name);
    queue_change(directory, change);
}

const struct known_route *directory_find_route(const struct directory *directory, struct str domain)
{
    const struct route_entry *entry = map_find(&directory->routes, domain);
    return entry != NULL ? &entry->route : NULL;
}

void directory_put_route(struct directory *directory, const struct known_route *route,
                         directory_done *done, void *context)
{
    struct change *change = change_new(CHANGE_PUT_ROUTE, done, context);

    change_copy_route(&change->arena, route, &change->route);
    keep_route(directory, &change->route);
    queue_change(directory, change);
}

struct str directory_find_fact(const struct directory *directory, struct str kind,
                               struct str domain, struct str name)
{
    struct buf key = fact_key(kind, domain, name);
    const struct fact_entry *entry = map_find(&directory->facts, buf_str(&key));

    buf_fini(&key);
    return entry != NULL ? entry->fact.value : STR_NONE;
}

const struct domain_fact *directory_next_fact(const struct directory *directory, size_t *cursor)
{
    const struct fact_entry *entry = map_next(&directory->facts, cursor, NULL);
    return entry != NULL ? &entry->fact : NULL;
}

void directory_put_fact(struct directory *directory, const struct domain_fact *fact,
                        directory_done *done, void *context)
{
    struct change *change = change_new(CHANGE_PUT_FACT, done, context);

    check(fact->kind.len > 0 && fact->domain.len > 0);
    change_copy_fact(&change->arena, fact, &change->fact);
    keep_fact(directory, &change->fact);
    queue_change(directory, change);
}

/* ---- recipients ---- */

int directory_read_recipients(struct directory *directory,
                              const struct directory_recipient_reader *reader)
{
    check(!directory->is_writing);
    return database_read_recipients(directory->database, true, reader);
}

void directory_put_recipient(struct directory *directory, const struct known_recipient *recipient)
{
    struct change *change = change_new(CHANGE_PUT_RECIPIENT, NULL, NULL);

    change_copy_recipient(&change->arena, recipient, &change->recipient);
    queue_change(directory, change);
}

void directory_remove_recipient(struct directory *directory, struct str address)
{
    struct change *change = change_new(CHANGE_REMOVE_RECIPIENT, NULL, NULL);

    change->recipient.address = arena_str(&change->arena, address);
    queue_change(directory, change);
}

void directory_put_memory(struct directory *directory, const struct domain_memory *memory)
{
    struct change *change = change_new(CHANGE_PUT_MEMORY, NULL, NULL);

    change_copy_memory(&change->arena, memory, &change->memory);
    queue_change(directory, change);
}

void directory_settle(struct directory *directory, directory_done *done, void *context)
{
    queue_change(directory, change_new(CHANGE_NOTHING, done, context));
}
