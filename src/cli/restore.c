/* SPDX-License-Identifier: ISC */
/* restore.c: `holdfast restore`: a backup becomes a data folder again.
 *
 *     copy beside, summing --> domains paused --> what is there aside --> the new names
 *
 * Nothing of the data folder is changed before every file of the backup has been copied
 * and found as the manifest says. The domains get their name before the mail, so that no node
 * that is started in between has mail without knowing that it shall wait.
 *
 * A backup is the state of a moment. What has been handed over since would be handed over
 * again. So the restored domains are paused, and the operator resumes them when he has made
 * up his mind; with --deliver he has.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "cli/table.h"
#include "cli/upkeep.h"
#include "roles/place.h"
#include "store/directory/directory.h"
#include "store/log/disk.h"

static const char new_spool[] = "spool.restoring";
static const char new_directory[] = "directory.db.restoring";

struct restore {
    struct cli *cli;
    const json_t *manifest;
    int backup; /* folder */
    int backup_spool;
    int data;
    int spool; /* the new one */
    uid_t user;
    gid_t group;
    bool with_mail;
    bool with_directory;
    int files;
    uint64_t bytes;
};

static bool fail(const char *what, int error)
{
    cli_say("%s: %s", what, strerror(-error));
    return false;
}

/* ---- beside ---- */

static void remove_one(void *context, const char *name)
{
    (void)unlinkat(*(const int *)context, name, 0);
}

/* Of a restore that was broken off. */
static void remove_old(struct restore *restore)
{
    int fd = openat(restore->data, new_spool, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int folder = fd;

    (void)unlinkat(restore->data, new_directory, 0);
    if (fd < 0)
        return;
    struct disk *disk = disk_posix_open(fd);
    (void)disk->driver->list(disk, remove_one, &folder);
    disk_posix_close(disk);
    (void)unlinkat(restore->data, new_spool, AT_REMOVEDIR);
}

static bool give(const struct restore *restore, int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 && (geteuid() != 0 || fchown(fd, restore->user, restore->group) == 0);

    if (!ok)
        (void)fail(name, -errno);
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

static bool copy_one(struct restore *restore, const char *name, uint64_t size, const char *digest)
{
    bool is_mail = strncmp(name, "spool/", 6) == 0;
    struct copy copy = { .from = is_mail ? restore->backup_spool : restore->backup,
                         .to = is_mail ? restore->spool : restore->data };
    const char *from = is_mail ? name + 6 : name;
    const char *to = is_mail ? from : new_directory;
    char found[COPY_DIGEST_SIZE];
    uint64_t copied = 0;

    if (strcmp(name, "holdfast.conf") == 0)
        return true; /* for a person to compare */
    int error = copy_file(&copy, from, to, UINT64_MAX, &copied, found);
    if (error < 0)
        return fail(name, error);
    if (copied != size || strcmp(found, digest) != 0) {
        cli_say("%s is not what was backed up: its checksum is another", name);
        return false;
    }
    restore->with_directory = restore->with_directory || !is_mail;
    restore->files++;
    restore->bytes += copied;
    return give(restore, copy.to, to);
}

static bool make_spool(struct restore *restore)
{
    if (mkdirat(restore->data, new_spool, 0700) < 0)
        return fail(new_spool, -errno);
    restore->spool =
        openat(restore->data, new_spool, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    restore->backup_spool = openat(restore->backup, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (restore->spool < 0)
        return fail(new_spool, -errno);
    return give(restore, restore->data, new_spool);
}

static bool copy_beside(struct restore *restore)
{
    const char *name;
    const char *digest;
    uint64_t size;
    bool ok = !restore->with_mail || make_spool(restore);

    for (size_t i = 0; ok && manifest_file(restore->manifest, i, &name, &size, &digest); i++)
        ok = (!restore->with_mail && strncmp(name, "spool/", 6) == 0) ||
             copy_one(restore, name, size, digest);
    if (ok && restore->with_mail && fsync(restore->spool) < 0)
        ok = fail(new_spool, -errno);
    return ok;
}

/* ---- domains ---- */

static void on_paused(void *context, int error)
{
    int *first = context;
    if (error < 0 && *first == 0)
        *first = error;
}

/* directory_close() waits until all of it is durable. */
static bool pause_domains(struct restore *restore)
{
    struct worker *worker = worker_new();
    struct directory *directory = NULL;
    const struct domain_record *record;
    size_t cursor = 0;
    int error = directory_open(new_directory, worker, &directory);

    if (error == 0) {
        while ((record = directory_next_domain(directory, &cursor)) != NULL) {
            struct domain_record paused = *record;
            paused.paused_until_ms = NEVER_MS;
            directory_put_domain(directory, &paused, on_paused, &error);
        }
        directory_close(directory);
    }
    worker_free(worker);
    if (error < 0)
        return fail("directory.db", error);
    return give(restore, restore->data, new_directory);
}

/* ---- the new names ---- */

static bool has_mail(int data)
{
    int fd = openat(data, "spool", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry;
    bool has = false;

    if (folder == NULL) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    while ((entry = readdir(folder)) != NULL)
        has = has || entry->d_name[0] != '.';
    (void)closedir(folder);
    return has;
}

static bool is_free(const struct restore *restore)
{
    bool has_directory = faccessat(restore->data, "directory.db", F_OK, AT_SYMLINK_NOFOLLOW) == 0;

    if (cli_has(restore->cli, OPTION_REPLACE) ||
        (!has_directory && (!restore->with_mail || !has_mail(restore->data))))
        return true;
    cli_say("the data folder is in use; --replace moves aside what is in it");
    return false;
}

static bool move_aside(const struct restore *restore, const char *name)
{
    struct buf aside = { 0 };

    buf_add_format(&aside, "%s.before-%lld%c", name, (long long)restore->cli->now.wall_ms, '\0');
    bool ok = renameat(restore->data, name, restore->data, aside.ptr) == 0 || errno == ENOENT ||
              fail(name, -errno);
    buf_fini(&aside);
    return ok;
}

static bool take_place(const struct restore *restore, const char *from, const char *to)
{
    return (renameat(restore->data, from, restore->data, to) == 0 || fail(to, -errno)) &&
           (fsync(restore->data) == 0 || fail(to, -errno));
}

static bool swap(const struct restore *restore)
{
    /* An empty folder goes without a trace. */
    if (restore->with_mail && unlinkat(restore->data, "spool", AT_REMOVEDIR) < 0 &&
        !move_aside(restore, "spool"))
        return false;
    if (restore->with_directory) {
        if (!move_aside(restore, "directory.db") || !move_aside(restore, "directory.db-wal") ||
            !move_aside(restore, "directory.db-shm") ||
            !take_place(restore, new_directory, "directory.db"))
            return false;
    }
    return !restore->with_mail || take_place(restore, new_spool, "spool");
}

/* ---- the whole ---- */

static void nothing(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static bool restore_all(struct restore *restore)
{
    bool pause = restore->with_mail && !cli_has(restore->cli, OPTION_DELIVER);

    log_set_sink(nothing, NULL);
    if (!is_free(restore))
        return false;
    remove_old(restore);
    bool ok = copy_beside(restore) &&
              (!pause || !restore->with_directory || pause_domains(restore)) && swap(restore);
    if (!ok)
        remove_old(restore);
    return ok;
}

static void tell(const struct restore *restore, int damages)
{
    struct buf *out = &restore->cli->out;
    enum language language = restore->cli->language;
    bool pause = restore->with_mail && !cli_has(restore->cli, OPTION_DELIVER);

    if (cli_has(restore->cli, OPTION_JSON)) {
        buf_add_format(
            out, "{\"ok\":true,\"files\":%d,\"bytes\":%llu,\"paused\":%s,\"damages\":%d}\n",
            restore->files, (unsigned long long)restore->bytes, pause ? "true" : "false", damages);
        return;
    }
    buf_add_format(out, text_in(language, "%d files restored, "), restore->files);
    human_add_size(out, (int64_t)restore->bytes);
    buf_add_byte(out, '\n');
    if (pause)
        buf_add(out, str_from(text_in(language,
                                      "all domains are paused, for what was handed over since the "
                                      "backup would be handed over again; `holdfast domain resume "
                                      "DOMAIN` lets one go\n")));
    if (damages > 0)
        buf_add(out,
                str_from(text_in(language, "the mail has damages, as it had when it was backed "
                                           "up; see `holdfast fsck`\n")));
}

static bool open_backup(struct restore *restore)
{
    const char *name = restore->cli->argument[0];
    restore->backup = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return restore->backup >= 0 || fail(name, -errno);
}

static int run(struct cli *cli, const struct config *config, struct restore *restore)
{
    if (!place_prepare(config) || !place_owner(config, &restore->user, &restore->group) ||
        !upkeep_enter(config))
        return EXIT_REFUSED;
    restore->data = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    restore->with_mail = json_is_true(json_object_get(restore->manifest, "with_mail"));
    if (restore->data < 0 || !restore_all(restore))
        return EXIT_REFUSED;
    int damages = place_become_owner(config) ? upkeep_examine(cli) : -EPERM;
    if (damages < 0) {
        cli_say("it is restored, but could not be examined: %s", strerror(-damages));
        return EXIT_REFUSED;
    }
    tell(restore, damages);
    return EXIT_OK;
}

int run_restore(struct cli *cli)
{
    struct restore restore = {
        .cli = cli, .backup = -1, .backup_spool = -1, .data = -1, .spool = -1
    };
    struct config *config = upkeep_config(cli);
    json_t *manifest = NULL;
    int status = EXIT_USAGE;

    if (config != NULL && open_backup(&restore)) {
        manifest = manifest_read(restore.backup);
        restore.manifest = manifest;
        status = manifest != NULL ? run(cli, config, &restore) : EXIT_REFUSED;
    }
    const int open_ones[] = { restore.backup, restore.backup_spool, restore.data, restore.spool };
    for (size_t i = 0; i < sizeof open_ones / sizeof *open_ones; i++)
        if (open_ones[i] >= 0)
            (void)close(open_ones[i]);
    json_decref(manifest);
    config_free(config);
    return status;
}
