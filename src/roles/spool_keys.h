/* SPDX-License-Identifier: ISC */
/* spool_keys.h: the file of keys that seal kept mail, which the supervisor reads as root. */
#pragma once

#include "base/buf.h"

enum { SPOOL_KEYS_FILE_MAX = 8 * 1024 };

/* Adds what is in the file; what hinders is logged, and nothing added. No path: nothing. */
void spool_keys_read(struct str path, struct buf *out);
void spool_keys_forget(struct buf *secret); /* wipes and frees */
