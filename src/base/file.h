/* SPDX-License-Identifier: ISC */
/* file.h: a whole file in memory, if it is not too large; and back. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

/* Appends what is in the file, up to its end. 0; -EFBIG if that is more than `size_max` octets, of
 * which at most one more than those were added; or another negative errno. Blocks: not for an event
 * loop's busy hours. */
int file_read(const char *path, size_t size_max, struct buf *out);
/* The same of what is open already, which stays so; a pipe, too. */
int file_read_fd(int fd, size_t size_max, struct buf *out);
/* May others than root and the one we run as read or change it? False if there is none. */
bool file_is_exposed(const char *path);
/* Puts a file with these octets, for nobody else to read, in the place of the one that is there;
 * who dies on the way leaves that one. Not synced. `new_path` is used meanwhile. 0, or a negative
 * errno.
 */
int file_replace(const char *path, const char *new_path, struct str bytes);
