/* SPDX-License-Identifier: ISC */
/* edge_kernel.c: clocks, chance, disk and directory in the simulator; and what a role says.
 *
 * The directory's database lies in memory (SQLite's "memdb"), and survives every
 * crash: SQLite has its own tests for that. A connection of ours keeps it alive.
 */
#include <sodium.h>
#include <sqlite3.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "sim/edge.h"
#include "sim/ledger.h"
#include "sim/world.h"
#include "store/directory/directory.h"
#include "store/fake_disk.h"
#include "store/log/log_store.h"

static struct {
    struct fake_disk *disk;
    uint64_t segment_size;
    uint64_t large_body_size;
} machine;

static const char directory_path[] = "/directory.db"; /* the '/' makes it one for all connections */

/* ---- chance ---- */

static void draw(void *to, size_t size)
{
    for (size_t at = 0; at < size; at += sizeof(uint64_t)) {
        uint64_t word = random_u64(&world.kernel);
        size_t part = size - at < sizeof word ? size - at : sizeof word;
        memcpy((char *)to + at, &word, part);
    }
}

ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags);
ssize_t __wrap_getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    draw(to, size);
    return (ssize_t)size;
}

/* libsodium asks the kernel by itself. */
static const char *chance_name(void)
{
    return "sim";
}

static uint32_t chance_word(void)
{
    return (uint32_t)random_u64(&world.kernel);
}

static void chance_bytes(void *const to, const size_t size)
{
    draw(to, size);
}

static struct randombytes_implementation chance = { .implementation_name = chance_name,
                                                    .random = chance_word,
                                                    .buf = chance_bytes };

/* ---- the machine's ---- */

static void on_line(void *context, struct str line)
{
    struct str stamp;

    (void)context;
    (void)str_cut(&line, ' ', &stamp);
    world_trace("%.*s", STR_FMT(line));
    ledger_read_log(line);
}

void edge_set_disk(struct fake_disk *disk, uint64_t segment_size, uint64_t large_body_size)
{
    sqlite3 *anchor = NULL;

    machine.disk = disk;
    machine.segment_size = segment_size;
    machine.large_body_size = large_body_size;
    check(sqlite3_vfs_register(sqlite3_vfs_find("memdb"), 1) == SQLITE_OK);
    check(sqlite3_open_v2(directory_path, &anchor, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
                          NULL) == SQLITE_OK);
    log_set_sink(on_line, NULL);
    check(randombytes_set_implementation(&chance) == 0);
}

void edge_log_as(const char *process)
{
    log_init(process, LOG_INFO);
}

/* ---- what the product calls ---- */

struct now __wrap_clock_now(void);
struct now __wrap_clock_now(void)
{
    return world_now();
}

struct disk *__wrap_disk_posix_open(int directory);
struct disk *__wrap_disk_posix_open(int directory)
{
    (void)close(directory);
    return fake_disk_use(machine.disk);
}

void __wrap_disk_posix_close(struct disk *disk);
void __wrap_disk_posix_close(struct disk *disk)
{
    (void)disk; /* outlives the process */
}

int __real_log_store_open(const struct log_store_settings *settings, struct disk *disk,
                          struct worker *worker, struct now now, struct store **out_store);
int __wrap_log_store_open(const struct log_store_settings *settings, struct disk *disk,
                          struct worker *worker, struct now now, struct store **out_store);
int __wrap_log_store_open(const struct log_store_settings *settings, struct disk *disk,
                          struct worker *worker, struct now now, struct store **out_store)
{
    struct log_store_settings smaller = *settings;

    smaller.segment_size = machine.segment_size;
    smaller.large_body_size = machine.large_body_size;
    int error = __real_log_store_open(&smaller, disk, worker, now, out_store);
    if (error == 0)
        ledger_store_opened(*out_store);
    return error;
}

int __real_directory_open(const char *path, struct worker *worker,
                          struct directory **out_directory);
int __wrap_directory_open(const char *path, struct worker *worker,
                          struct directory **out_directory);
int __wrap_directory_open(const char *path, struct worker *worker, struct directory **out_directory)
{
    (void)path;
    return __real_directory_open(directory_path, worker, out_directory);
}

void __wrap_check_failed(const char *file, int line, const char *condition);
void __wrap_check_failed(const char *file, int line, const char *condition)
{
    world_fail("a role found itself wrong: check(%s) at %s:%d", condition, file, line);
}
