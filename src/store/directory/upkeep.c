/* SPDX-License-Identifier: ISC */
/* upkeep.c: see upkeep.h. */
#include "store/directory/upkeep.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "store/directory/sqlite.h"

enum { BUSY_MS = 5000 };

static int open_file(const char *path, int flags, struct database *out)
{
    *out = (struct database){ 0 };
    int error = sqlite_error(sqlite3_open_v2(path, &out->handle, flags, NULL));
    if (error == 0)
        error = sqlite_error(sqlite3_busy_timeout(out->handle, BUSY_MS));
    return error;
}

static int check_integrity(struct database *database, struct buf *why)
{
    sqlite3_stmt *statement = NULL;
    int error = sqlite_prepare(database, "PRAGMA integrity_check(1)", NULL, 0, &statement);

    if (error < 0)
        return error;
    error = sqlite_error(sqlite3_step(statement));
    struct str said = error == 0 ? sqlite_column(statement, 0) : STR_NONE;
    if (error == 0 && !str_equals(said, STR("ok"))) {
        buf_add(why, said);
        error = DATABASE_DAMAGED;
    }
    (void)sqlite3_finalize(statement);
    return error;
}

int directory_examine(const char *path, struct buf *why)
{
    struct database database = { 0 };

    if (access(path, F_OK) < 0 && errno == ENOENT)
        return 0;
    int error = open_file(path, SQLITE_OPEN_READONLY, &database);
    if (error == 0)
        error = check_integrity(&database, why);
    if (error == DATABASE_DAMAGED && why->len == 0)
        buf_add(why, str_from(sqlite3_errmsg(database.handle)));
    (void)sqlite3_close(database.handle);
    return error;
}

static int sync_file(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return -errno;
    int error = fsync(fd) < 0 ? -errno : 0;
    (void)close(fd);
    return error;
}

int directory_copy(const char *from, const char *to)
{
    struct database source = { 0 };
    struct database target = { 0 };
    sqlite3_backup *backup = NULL;

    int error = open_file(from, SQLITE_OPEN_READONLY, &source);
    if (error == 0)
        error = open_file(to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &target);
    if (error == 0) {
        backup = sqlite3_backup_init(target.handle, "main", source.handle, "main");
        error = backup == NULL ? -EIO : sqlite_error(sqlite3_backup_step(backup, -1));
        if (backup != NULL)
            (void)sqlite3_backup_finish(backup);
    }
    if (error == 0) /* the copy is in the mode of the original, which wants a second file */
        error = sqlite_run(&target, "PRAGMA journal_mode = DELETE");
    (void)sqlite3_close(source.handle);
    (void)sqlite3_close(target.handle);
    return error == 0 ? sync_file(to) : error;
}
