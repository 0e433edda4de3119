/* SPDX-License-Identifier: ISC */
/* upkeep.h: the directory's file, looked at and copied from outside of the keeper.
 *
 * Both work beside a keeper that uses the file: SQLite sees to it.
 */
#pragma once

#include "base/buf.h"

/* 0: whole, or not there yet. -EBADMSG: damaged, *why says where; another error: not examined. */
int directory_examine(const char *path, struct buf *why);
/* The state of one moment, durable, into a new file that needs no other beside it. */
int directory_copy(const char *from, const char *to);
