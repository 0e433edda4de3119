/* SPDX-License-Identifier: ISC */
/* spool_keys.h: the file of keys that seal kept mail, which the supervisor reads as root. */
#pragma once

#include "base/buf.h"

enum { SPOOL_KEYS_FILE_MAX = 8 * 1024 };

/* Adds what is in the file; what hinders is logged, and nothing added. No name: nothing. */
void spool_keys_read(struct str name, struct buf *out);
/* For who looks at the configuration; false: *out_why says what is wrong with the content. What
 * cannot be read at all is not looked at. */
bool spool_keys_are_usable(struct str name, const char **out_why);
void spool_keys_forget(struct buf *secret); /* wipes and frees */
