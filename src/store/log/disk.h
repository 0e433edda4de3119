/* SPDX-License-Identifier: ISC */
/* disk.h: the few things the segment log asks of a disk.
 *
 * disk_posix.c does them with system calls below one directory; tests and the
 * simulator have a disk that forgets what was not synced, tears writes, fills up
 * and fails. Calls block; those marked (W) may be made on the worker's thread.
 * Names are plain file names without '/'. Every int is 0 (or a count) or a negative errno.
 */
#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include "base/str.h"

struct disk;

enum disk_open {
    DISK_READ = 0,
    DISK_WRITE = 1,  /* read and write */
    DISK_CREATE = 2, /* with DISK_WRITE: must not exist yet */
};

struct disk_driver {
    int (*open)(struct disk *, const char *name, unsigned flags); /* a handle >= 0 (W) */
    void (*close)(struct disk *, int handle);                     /* (W) */
    ssize_t (*read)(struct disk *, int handle, void *to, size_t size, uint64_t offset); /* (W) */
    /* As read, but -EAGAIN where it would have to wait for the medium. */
    ssize_t (*read_cached)(struct disk *, int handle, void *to, size_t size, uint64_t offset);
    /* All of it or an error (W). */
    int (*write)(struct disk *, int handle, const struct iovec *part, int count, uint64_t offset);
    /* Zeros, past the cache where the disk can: nobody reads them. In multiples of 4096 (W). */
    int (*zero)(struct disk *, int handle, uint64_t offset, uint64_t size);
    int (*sync)(struct disk *, int handle); /* data and size (W) */
    /* Nobody reads the file soon: its room in the cache is for others (W). */
    void (*forget)(struct disk *, int handle);
    int (*sync_names)(struct disk *);                               /* the directory (W) */
    int (*rename)(struct disk *, const char *from, const char *to); /* replaces (W) */
    int (*remove)(struct disk *, const char *name);                 /* (W) */
    int64_t (*size)(struct disk *, int handle);
    int (*list)(struct disk *, void (*each)(void *context, const char *name), void *context);
    uint64_t (*free_bytes)(struct disk *); /* for unprivileged use */
};

struct disk {
    const struct disk_driver *driver; /* the first member of every driver's disk */
};

/* Takes over `directory` (an open descriptor), which disk_posix_close() closes. */
struct disk *disk_posix_open(int directory);
void disk_posix_close(struct disk *base);
