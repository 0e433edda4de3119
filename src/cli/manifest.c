/* SPDX-License-Identifier: ISC */
/* manifest.c: what a backup consists of; the form is in upkeep.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/upkeep.h"

static const char manifest_name[] = "manifest.json";
static const char manifest_format[] = "holdfast backup";

static void put(json_t *object, const char *name, json_t *value)
{
    (void)json_object_set_new(object, name, value);
}

static json_t *text_of(struct str text)
{
    return json_stringn(text.len > 0 ? text.ptr : "", text.len);
}

json_t *manifest_new(const struct cli *cli, const struct config *config, bool with_mail)
{
    json_t *manifest = json_object();
    struct buf made = { 0 };

    clock_add_iso(&made, cli->now.wall_ms);
    put(manifest, "format", json_string(manifest_format));
    put(manifest, "version", json_integer(BACKUP_VERSION));
    put(manifest, "holdfast", json_string(HOLDFAST_VERSION));
    put(manifest, "hostname", text_of(config->hostname));
    put(manifest, "made", text_of(buf_str(&made)));
    put(manifest, "with_mail", json_boolean(with_mail));
    put(manifest, "files", json_array());
    buf_fini(&made);
    return manifest;
}

void manifest_add(json_t *manifest, const char *name, uint64_t size, const char *digest)
{
    json_t *file = json_object();

    put(file, "name", json_string(name));
    put(file, "size", json_integer((json_int_t)size));
    put(file, "sha256", json_string(digest));
    (void)json_array_append_new(json_object_get(manifest, "files"), file);
}

int manifest_write(const json_t *manifest, int folder)
{
    static const char aside[] = "manifest.json.tmp";
    int fd = openat(folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    int error = json_dumpfd(manifest, fd, JSON_INDENT(1)) < 0 ? -EIO : 0;
    if (error == 0 && fsync(fd) < 0)
        error = -errno;
    (void)close(fd);
    if (error == 0 && renameat(folder, aside, folder, manifest_name) < 0)
        error = -errno;
    if (error == 0 && fsync(folder) < 0)
        error = -errno;
    return error;
}

static bool is_plain(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && len < COPY_NAME_MAX - sizeof "spool/" && name[0] != '.' &&
           strspn(name, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.-_") == len;
}

/* What a stranger's manifest names must not lead out of the folder. */
static bool is_allowed(const char *name)
{
    if (strcmp(name, "directory.db") == 0 || strcmp(name, "holdfast.conf") == 0)
        return true;
    return strncmp(name, "spool/", 6) == 0 && is_plain(name + 6);
}

bool manifest_file(const json_t *manifest, size_t i, const char **out_name, uint64_t *out_size,
                   const char **out_digest)
{
    const json_t *file = json_array_get(json_object_get(manifest, "files"), i);

    if (file == NULL)
        return false;
    *out_name = json_string_value(json_object_get(file, "name"));
    *out_size = (uint64_t)json_integer_value(json_object_get(file, "size"));
    *out_digest = json_string_value(json_object_get(file, "sha256"));
    return true;
}

static bool check_files(const json_t *manifest)
{
    const char *name;
    const char *digest;
    uint64_t size;

    if (!json_is_array(json_object_get(manifest, "files")))
        return false;
    for (size_t i = 0; manifest_file(manifest, i, &name, &size, &digest); i++)
        if (name == NULL || digest == NULL || size > INT64_MAX || !is_allowed(name))
            return false;
    return true;
}

json_t *manifest_read(int folder)
{
    int fd = openat(folder, manifest_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0) {
        cli_say("there is no %s; the folder is no backup, or one that was broken off",
                manifest_name);
        return NULL;
    }
    json_t *manifest = json_loadfd(fd, JSON_REJECT_DUPLICATES, NULL);
    (void)close(fd);
    const char *format = json_string_value(json_object_get(manifest, "format"));
    if (format == NULL || strcmp(format, manifest_format) != 0) {
        cli_say("%s is not that of a backup of holdfast", manifest_name);
    } else if (json_integer_value(json_object_get(manifest, "version")) > BACKUP_VERSION) {
        cli_say("the backup was made by a later version; restore it with that version");
    } else if (!check_files(manifest)) {
        cli_say("%s is damaged", manifest_name);
    } else {
        return manifest;
    }
    json_decref(manifest);
    return NULL;
}
