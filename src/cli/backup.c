/* SPDX-License-Identifier: ISC */
/* backup.c: `holdfast backup`: mail, domains and configuration, copied into a new folder.
 *
 * While a node runs, its keeper names the files that are the mail of this moment and keeps
 * them until we have copied them (control/backup.c). While none runs, we hold its lock and
 * copy what is there, whole, so that what is damaged is in the backup as well.
 *
 * The domains are copied with SQLite's own means, the configuration for a person to
 * compare. The manifest is written last. If anything goes wrong, what was copied stays, without
 * a manifest, and the exit status says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/table.h"
#include "cli/upkeep.h"
#include "roles/place.h"
#include "store/directory/upkeep.h"
#include "store/log/disk.h"

enum { GO_ON_EVERY_MS = 20 * SECOND_MS };

struct backup {
    struct cli *cli;
    const struct config *config;
    struct copy copy; /* of the spool */
    int folder;       /* where it goes */
    int data;
    json_t *manifest;
    uint64_t bytes;
    int files;
    struct connection *keeper; /* NULL: none runs */
    json_int_t number;
    int64_t told_ms;
    bool is_lost; /* the keeper keeps the files no longer */
    bool has_failed;
};

static bool fail(struct backup *backup, const char *name, int error)
{
    if (!backup->has_failed)
        cli_say("%s could not be copied: %s", name, strerror(-error));
    backup->has_failed = true;
    return false;
}

/* ---- the keeper ---- */

/* NULL after having said why. */
static json_t *ask(struct backup *backup, const char *operation)
{
    json_t *request = json_object();
    json_t *answer = NULL;

    (void)json_object_set_new(request, "op", json_string(operation));
    if (backup->number > 0)
        (void)json_object_set_new(request, "number", json_integer(backup->number));
    if (connection_send(backup->keeper, request) != EXIT_OK ||
        connection_read(backup->keeper, &answer) != EXIT_OK)
        return NULL;
    if (json_is_true(json_object_get(answer, "ok")))
        return answer;
    const char *why = json_string_value(json_object_get(json_object_get(answer, "error"), "text"));
    cli_say("%s", why != NULL ? why : "refused without a reason");
    json_decref(answer);
    return NULL;
}

/* While files are copied, the keeper hears from us. */
static void tick(void *context)
{
    struct backup *backup = context;
    int64_t now_ms = clock_now().mono_ms;

    if (backup->keeper == NULL || backup->is_lost || now_ms - backup->told_ms < GO_ON_EVERY_MS)
        return;
    backup->told_ms = now_ms;
    json_t *answer = ask(backup, "backup.go-on");
    backup->is_lost = answer == NULL;
    json_decref(answer);
}

/* ---- files ---- */

static void note_file(struct backup *backup, const char *name, uint64_t size, const char *digest)
{
    manifest_add(backup->manifest, name, size, digest);
    backup->bytes += size;
    backup->files++;
}

static bool copy_mail(struct backup *backup, const char *name, uint64_t size, bool is_exact)
{
    char digest[COPY_DIGEST_SIZE];
    char shown[COPY_NAME_MAX];
    uint64_t copied = 0;

    int len = snprintf(shown, sizeof shown, "spool/%s", name);
    if (len < 0 || (size_t)len >= sizeof shown)
        return fail(backup, name, -ENAMETOOLONG);
    int error = copy_file(&backup->copy, name, name, size, &copied, digest);
    if (error == 0 && is_exact && copied != size)
        error = -EIO;
    if (error < 0)
        return fail(backup, shown, error);
    note_file(backup, shown, copied, digest);
    return true;
}

static bool copy_named(struct backup *backup, const json_t *files)
{
    size_t i;
    const json_t *file;

    json_array_foreach(files, i, file)
    {
        const char *name = json_string_value(json_object_get(file, "name"));
        uint64_t size = (uint64_t)json_integer_value(json_object_get(file, "size"));
        if (name == NULL || strchr(name, '/') != NULL || backup->is_lost)
            return false;
        if (!copy_mail(backup, name, size, true))
            return false;
    }
    return !backup->is_lost;
}

static bool copy_from_keeper(struct backup *backup)
{
    if (connection_open(backup->cli, &backup->keeper) != EXIT_OK)
        return false;
    backup->told_ms = clock_now().mono_ms;
    json_t *answer = ask(backup, "backup.begin");
    if (answer == NULL)
        return false;
    backup->number = json_integer_value(json_object_get(answer, "number"));
    bool ok = copy_named(backup, json_object_get(answer, "files"));
    json_decref(answer);
    answer = backup->is_lost ? NULL : ask(backup, "backup.end");
    ok = ok && answer != NULL;
    json_decref(answer);
    return ok;
}

/* Not: checkpoint, index files and what is unfinished. The segments say everything. */
static void copy_if_mail(void *context, const char *name)
{
    static const char *const ending[] = { ".seg", ".bad", ".body", ".lost" };
    struct backup *backup = context;

    for (size_t i = 0; i < sizeof ending / sizeof *ending && !backup->has_failed; i++)
        if (str_ends_nocase(str_from(name), str_from(ending[i])))
            (void)copy_mail(backup, name, UINT64_MAX, false);
}

static bool copy_at_rest(struct backup *backup)
{
    int fd = fcntl(backup->copy.from, F_DUPFD_CLOEXEC, 3);

    if (fd < 0)
        return fail(backup, "spool", -errno);
    struct disk *disk = disk_posix_open(fd);
    int error = disk->driver->list(disk, copy_if_mail, backup);
    disk_posix_close(disk);
    return error == 0 ? !backup->has_failed : fail(backup, "spool", error);
}

static bool copy_spool(struct backup *backup, bool is_running)
{
    backup->copy = (struct copy){ .from = -1, .to = -1, .tick = tick, .context = backup };
    backup->copy.from = openat(backup->data, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (backup->copy.from < 0)
        return errno == ENOENT || fail(backup, "spool", -errno);
    bool ok = mkdirat(backup->folder, "spool", 0700) == 0;
    if (ok)
        backup->copy.to = openat(backup->folder, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ok = backup->copy.to >= 0 || fail(backup, "spool", -errno);
    if (ok)
        ok = is_running ? copy_from_keeper(backup) : copy_at_rest(backup);
    if (ok && fsync(backup->copy.to) < 0)
        ok = fail(backup, "spool", -errno);
    if (backup->copy.to >= 0)
        (void)close(backup->copy.to);
    (void)close(backup->copy.from);
    connection_close(backup->keeper);
    backup->keeper = NULL;
    return ok;
}

/* SQLite knows files by path: the data folder is the working folder, the target has one. */
static bool copy_directory(struct backup *backup, const char *target)
{
    struct buf to = { 0 };
    char digest[COPY_DIGEST_SIZE];
    uint64_t size = 0;

    if (faccessat(backup->data, "directory.db", F_OK, 0) < 0 && errno == ENOENT)
        return true;
    buf_add_format(&to, "%s/directory.db%c", target, '\0');
    int error = directory_copy("directory.db", to.ptr);
    buf_fini(&to);
    if (error == 0)
        error = copy_digest(backup->folder, "directory.db", &size, digest);
    if (error < 0)
        return fail(backup, "directory.db", error);
    note_file(backup, "directory.db", size, digest);
    return true;
}

static bool copy_config(struct backup *backup)
{
    struct copy copy = { .from = AT_FDCWD, .to = backup->folder };
    char digest[COPY_DIGEST_SIZE];
    uint64_t size;

    int error =
        copy_file(&copy, cli_config_path(backup->cli), "holdfast.conf", UINT64_MAX, &size, digest);
    if (error < 0)
        return fail(backup, cli_config_path(backup->cli), error);
    note_file(backup, "holdfast.conf", size, digest);
    return true;
}

/* ---- the whole ---- */

static bool copy_all(struct backup *backup, const char *target, bool is_running)
{
    bool with_mail = !cli_has(backup->cli, OPTION_WITHOUT_MAIL);

    backup->data = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (backup->data < 0)
        return fail(backup, "the data folder", -errno);
    bool ok = copy_directory(backup, target) && (!with_mail || copy_spool(backup, is_running));
    (void)close(backup->data);
    if (!ok)
        return false;
    int error = manifest_write(backup->manifest, backup->folder);
    return error == 0 || fail(backup, "manifest.json", error);
}

static void tell(struct backup *backup, const char *target)
{
    struct buf *out = &backup->cli->out;

    if (cli_has(backup->cli, OPTION_JSON)) {
        buf_add_format(out, "{\"ok\":true,\"files\":%d,\"bytes\":%llu}\n", backup->files,
                       (unsigned long long)backup->bytes);
        return;
    }
    buf_add_format(out, text_in(backup->cli->language, "%s: %d files, "), target, backup->files);
    human_add_size(out, (int64_t)backup->bytes);
    buf_add_byte(out, '\n');
}

/* An absolute path, for the working folder becomes another one; NULL after having said why. */
static char *make_target(const char *name, int *out_folder)
{
    if (mkdir(name, 0700) < 0) {
        cli_say("%s: %s", name,
                errno == EEXIST ? "is there already; a backup goes into a new folder"
                                : strerror(errno));
        return NULL;
    }
    int fd = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char *path = realpath(name, NULL);
    if (fd >= 0 && path != NULL) {
        *out_folder = fd;
        return path;
    }
    cli_say("%s: %s", name, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    free(path);
    return NULL;
}

static int back_up(struct cli *cli, const struct config *config)
{
    struct backup backup = { .cli = cli, .config = config };
    int lock = place_try_lock(config);

    if (lock < 0 && lock != -EWOULDBLOCK) {
        cli_say("%.*s: %s", STR_FMT(config->data), strerror(-lock));
        return EXIT_REFUSED;
    }
    char *target = make_target(cli->argument[0], &backup.folder);
    if (target == NULL)
        return EXIT_REFUSED;
    backup.manifest = manifest_new(cli, config, !cli_has(cli, OPTION_WITHOUT_MAIL));
    bool ok = copy_config(&backup) && upkeep_enter(config) &&
              copy_all(&backup, target, lock == -EWOULDBLOCK);
    if (ok)
        tell(&backup, target);
    else
        cli_say("the backup in %s is not complete; remove it", target);
    json_decref(backup.manifest);
    (void)close(backup.folder);
    free(target);
    return ok ? EXIT_OK : EXIT_REFUSED;
}

int run_backup(struct cli *cli)
{
    struct config *config = upkeep_config(cli);
    int status = config != NULL ? back_up(cli, config) : EXIT_USAGE;

    config_free(config);
    return status;
}
