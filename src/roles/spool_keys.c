/* SPDX-License-Identifier: ISC */
/* spool_keys.c: see spool_keys.h. */
#include "roles/spool_keys.h"

#include <sodium.h>
#include <string.h>

#include "base/file.h"
#include "base/log.h"
#include "store/sealed/seal.h"

static void warn_of_others(const char *path)
{
    if (file_is_exposed(path))
        log_warn(
            "encryption_keys_exposed", LOG_TEXT("file", path),
            LOG_TEXT("hint", "others than root may read the file; chown root and chmod 600 it"));
}

void spool_keys_read(struct str name, struct buf *out)
{
    struct buf path = { 0 };

    if (name.len == 0)
        return;
    buf_add(&path, name);
    buf_add_byte(&path, '\0');
    int error = file_read(path.ptr, SPOOL_KEYS_FILE_MAX, out);
    if (error < 0) {
        log_error(
            "encryption_keys_unreadable", LOG_STR("file", name), LOG_TEXT("why", strerror(-error)),
            LOG_TEXT(
                "hint",
                "put the file back and reload; a keeper that starts without it takes no mail"));
        spool_keys_forget(out);
    } else {
        warn_of_others(path.ptr);
    }
    buf_fini(&path);
}

bool spool_keys_are_usable(struct str name, const char **out_why)
{
    struct buf path = { 0 };
    struct buf file = { 0 };
    struct seal_keys keys;

    buf_add(&path, name);
    buf_add_byte(&path, '\0');
    bool is_fine = file_read(path.ptr, SPOOL_KEYS_FILE_MAX, &file) < 0 ||
                   seal_keys_parse(buf_str(&file), &keys, out_why);
    seal_keys_wipe(&keys);
    spool_keys_forget(&file);
    buf_fini(&path);
    return is_fine;
}

void spool_keys_forget(struct buf *secret)
{
    if (secret->ptr != NULL)
        sodium_memzero(secret->ptr, secret->cap);
    buf_fini(secret);
}
