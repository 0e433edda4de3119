/* SPDX-License-Identifier: ISC */
/* disk_posix.c: the segment log's disk is one directory. A handle is a descriptor. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/disk.h"

enum {
    PARTS_MAX = 1024, /* IOV_MAX of Linux */
    ZEROS_SIZE = 65536,
    ZEROS_ALIGN = 4096, /* what a disk wants that reads our memory by itself */
};

struct disk_posix {
    struct disk disk;
    int directory;
};

static int directory_of(const struct disk *disk)
{
    return ((const struct disk_posix *)(const void *)disk)->directory;
}

static int posix_open(struct disk *disk, const char *name, unsigned flags)
{
    int how = O_CLOEXEC | O_NOFOLLOW | (flags & DISK_WRITE ? O_RDWR : O_RDONLY);
    if (flags & DISK_CREATE)
        how |= O_CREAT | O_EXCL;
    int fd = openat(directory_of(disk), name, how, 0600);
    return fd < 0 ? -errno : fd;
}

static void posix_close(struct disk *disk, int handle)
{
    (void)disk;
    (void)close(handle);
}

static ssize_t posix_read(struct disk *disk, int handle, void *to, size_t size, uint64_t offset)
{
    ssize_t got;

    (void)disk;
    do
        got = pread(handle, to, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    return got < 0 ? -errno : got;
}

/* A file system that cannot tell is treated as one that would wait. */
static ssize_t posix_read_cached(struct disk *disk, int handle, void *to, size_t size,
                                 uint64_t offset)
{
    struct iovec part = { to, size };

    (void)disk;
    ssize_t got = preadv2(handle, &part, 1, (off_t)offset, RWF_NOWAIT);
    if (got >= 0)
        return got;
    return errno == EOPNOTSUPP || errno == EINTR || errno == ENOSYS ? -EAGAIN : -errno;
}

/* Drops what was written from the front of the parts; returns how many parts are done with. */
static int skip_written(struct iovec *part, int count, size_t written)
{
    int done = 0;
    while (done < count && written >= part[done].iov_len)
        written -= part[done++].iov_len;
    if (done < count) {
        part[done].iov_base = (char *)part[done].iov_base + written;
        part[done].iov_len -= written;
    }
    return done;
}

static int write_parts(int handle, struct iovec *part, int count, uint64_t offset)
{
    while (count > 0) {
        ssize_t written = pwritev(handle, part, count, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -errno;
        if (written == 0)
            return -EIO;
        offset += (uint64_t)written;
        int done = skip_written(part, count, (size_t)written);
        part += done;
        count -= done;
    }
    return 0;
}

static int posix_write(struct disk *disk, int handle, const struct iovec *part, int count,
                       uint64_t offset)
{
    struct iovec copy[PARTS_MAX]; /* a short write changes it */

    (void)disk;
    while (count > 0) {
        int some = count < PARTS_MAX ? count : PARTS_MAX;
        uint64_t size = 0;
        for (int i = 0; i < some; i++) {
            copy[i] = part[i];
            size += part[i].iov_len;
        }
        int rc = write_parts(handle, copy, some, offset);
        if (rc < 0)
            return rc;
        offset += size;
        part += some;
        count -= some;
    }
    return 0;
}

/* False: this file system has no way past its cache. */
static bool set_direct(int handle, bool is_direct)
{
    int flags = fcntl(handle, F_GETFL);
    return flags >= 0 &&
           fcntl(handle, F_SETFL, is_direct ? flags | O_DIRECT : flags & ~O_DIRECT) == 0;
}

static int write_zeros(int handle, uint64_t offset, uint64_t size)
{
    static _Alignas(ZEROS_ALIGN) const char zeros[ZEROS_SIZE];
    struct iovec part[PARTS_MAX];
    int count = 0;

    check(size % ZEROS_ALIGN == 0 && size <= (uint64_t)PARTS_MAX * ZEROS_SIZE);
    for (uint64_t left = size; left > 0; left -= part[count++].iov_len)
        part[count] = (struct iovec){ (void *)(uintptr_t)zeros,
                                      left < ZEROS_SIZE ? (size_t)left : ZEROS_SIZE };
    return write_parts(handle, part, count, offset);
}

static int posix_zero(struct disk *disk, int handle, uint64_t offset, uint64_t size)
{
    int rc = -EINVAL;

    (void)disk;
    if (set_direct(handle, true)) {
        rc = write_zeros(handle, offset, size);
        (void)set_direct(handle, false);
    }
    return rc == -EINVAL ? write_zeros(handle, offset, size) : rc;
}

static int posix_sync(struct disk *disk, int handle)
{
    (void)disk;
    return fdatasync(handle) < 0 ? -errno : 0;
}

static void posix_forget(struct disk *disk, int handle)
{
    (void)disk;
    (void)posix_fadvise(handle, 0, 0, POSIX_FADV_DONTNEED);
}

static int posix_sync_names(struct disk *disk)
{
    return fsync(directory_of(disk)) < 0 ? -errno : 0;
}

static int posix_rename(struct disk *disk, const char *from, const char *to)
{
    int directory = directory_of(disk);
    return renameat(directory, from, directory, to) < 0 ? -errno : 0;
}

static int posix_remove(struct disk *disk, const char *name)
{
    return unlinkat(directory_of(disk), name, 0) < 0 ? -errno : 0;
}

static int64_t posix_size(struct disk *disk, int handle)
{
    struct stat status;

    (void)disk;
    return fstat(handle, &status) < 0 ? -errno : status.st_size;
}

static int posix_list(struct disk *disk, void (*each)(void *context, const char *name),
                      void *context)
{
    /* A descriptor of its own, because reading a directory moves its offset. */
    int fd = openat(directory_of(disk), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    if (directory == NULL) {
        int rc = -errno;
        if (fd >= 0)
            (void)close(fd);
        return rc;
    }
    errno = 0;
    while ((entry = readdir(directory)) != NULL)
        if (entry->d_name[0] != '.')
            each(context, entry->d_name);
    int rc = -errno;
    (void)closedir(directory);
    return rc;
}

static uint64_t posix_free_bytes(struct disk *disk)
{
    struct statvfs status;
    if (fstatvfs(directory_of(disk), &status) < 0)
        return 0;
    return (uint64_t)status.f_bavail * status.f_frsize;
}

static const struct disk_driver posix_driver = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .read_cached = posix_read_cached,
    .write = posix_write,
    .zero = posix_zero,
    .sync = posix_sync,
    .forget = posix_forget,
    .sync_names = posix_sync_names,
    .rename = posix_rename,
    .remove = posix_remove,
    .size = posix_size,
    .list = posix_list,
    .free_bytes = posix_free_bytes,
};

struct disk *disk_posix_open(int directory)
{
    struct disk_posix *disk = memory_new(sizeof *disk);

    check(directory >= 0);
    disk->disk.driver = &posix_driver;
    disk->directory = directory;
    return &disk->disk;
}

void disk_posix_close(struct disk *base)
{
    if (base == NULL)
        return;
    (void)close(directory_of(base));
    memory_free(base);
}
