/* SPDX-License-Identifier: ISC */
/* upkeep.h: what fsck, backup and restore share.
 *
 * A backup is a folder with the files of a data folder and manifest.json, which is written last: a
 * folder without it is no backup.
 *
 *     {"format":"holdfast backup","version":1,"holdfast":"0.1.0","hostname":"…","made":"…",
 *      "with_mail":true,
 *      "files":[{"name":"spool/00000001.seg","size":81920,"sha256":"…"},…]}
 *
 * Names are "directory.db", "holdfast.conf" and "spool/NAME".
 */
#pragma once

#include "cli/command.h"
#include "config/config.h"

enum { BACKUP_VERSION = 1, COPY_DIGEST_SIZE = 65, COPY_NAME_MAX = 80 };

/* The configuration, or NULL after having said what is wrong. */
struct config *upkeep_config(const struct cli *cli);
/* Makes the data folder the working folder. */
bool upkeep_enter(const struct config *config);

/* copy.c: whole files by name, with their SHA-256 in hexadecimal. */
struct copy {
    int from; /* folders */
    int to;
    void (*tick)(void *context); /* now and then in a long copy; or NULL */
    void *context;
};
/* At most `size` bytes into a new file, durable but for its name; what is zero becomes a hole. 0 or
 * a negative errno. */
int copy_file(const struct copy *copy, const char *from, const char *to, uint64_t size,
              uint64_t *out_size, char digest[COPY_DIGEST_SIZE]);
/* The digest of a file that is there already. */
int copy_digest(int folder, const char *name, uint64_t *out_size, char digest[COPY_DIGEST_SIZE]);

/* manifest.c */
json_t *manifest_new(const struct cli *cli, const struct config *config, bool with_mail);
void manifest_add(json_t *manifest, const char *name, uint64_t size, const char *digest);
int manifest_write(const json_t *manifest, int folder);
/* NULL after having said what is wrong with it. */
json_t *manifest_read(int folder);
/* The i-th file; false at the end. */
bool manifest_file(const json_t *manifest, size_t i, const char **out_name, uint64_t *out_size,
                   const char **out_digest);

/* fsck.c: looks at the data folder, which is the working folder and locked, without a word. The
 * number of damages, or a negative errno. */
int upkeep_examine(struct cli *cli);
