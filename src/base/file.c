/* SPDX-License-Identifier: ISC */
/* file.c: see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PIECE = 64 * 1024 };

int file_read_fd(int fd, size_t size_max, struct buf *out)
{
    size_t left = size_max + 1; /* so that too much is noticed */
    ssize_t got = 1;

    while (got > 0 && left > 0) {
        size_t piece = left < PIECE ? left : PIECE;
        buf_reserve(out, piece);
        do
            got = read(fd, out->ptr + out->len, piece);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return -errno;
        out->len += (size_t)got;
        left -= (size_t)got;
    }
    return left == 0 ? -EFBIG : 0;
}

int file_read(const char *path, size_t size_max, struct buf *out)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return -errno;
    int error = file_read_fd(fd, size_max, out);
    (void)close(fd);
    return error;
}

bool file_is_exposed(const char *path)
{
    struct stat about;

    if (stat(path, &about) < 0)
        return false;
    return (about.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
           (about.st_uid != 0 && about.st_uid != geteuid());
}

static int write_all(int fd, struct str bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);
        if (put < 0 && errno != EINTR)
            return -errno;
        if (put > 0)
            bytes = str_skip(bytes, (size_t)put);
    }
    return 0;
}

int file_replace(const char *path, const char *new_path, struct str bytes)
{
    int fd = open(new_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0)
        return -errno;
    int error = write_all(fd, bytes);
    if (close(fd) < 0 && error == 0)
        error = -errno;
    if (error == 0 && rename(new_path, path) < 0)
        error = -errno;
    return error;
}
