/* SPDX-License-Identifier: ISC */
/* copy.c: copies files and sums them on the way. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/upkeep.h"

enum { PIECE = 1 << 20 };

struct copying {
    const struct copy *copy;
    int source;
    int target; /* -1: only the sum is wanted */
    struct sha256_ctx sum;
    uint64_t size;
    char *piece;
};

static bool is_zero(const char *bytes, size_t size)
{
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

static int write_all(int fd, const char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t put = pwrite(fd, bytes, size, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return put < 0 ? -errno : -EIO;
        bytes += put;
        offset += (uint64_t)put;
        size -= (size_t)put;
    }
    return 0;
}

static int take_piece(struct copying *copying, size_t size)
{
    sha256_update(&copying->sum, size, (const uint8_t *)copying->piece);
    int error = 0;
    if (copying->target >= 0 && !is_zero(copying->piece, size))
        error = write_all(copying->target, copying->piece, size, copying->size);
    copying->size += size;
    return error;
}

static int run(struct copying *copying, uint64_t limit)
{
    const struct copy *copy = copying->copy;
    int error = 0;

    while (error == 0 && copying->size < limit) {
        uint64_t left = limit - copying->size;
        ssize_t got = pread(copying->source, copying->piece, left < PIECE ? (size_t)left : PIECE,
                            (off_t)copying->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        error = take_piece(copying, (size_t)got);
        if (copy != NULL && copy->tick != NULL)
            copy->tick(copy->context);
    }
    return error;
}

static void tell_digest(struct copying *copying, char digest[COPY_DIGEST_SIZE])
{
    uint8_t raw[SHA256_DIGEST_SIZE];

    sha256_digest(&copying->sum, sizeof raw, raw);
    for (size_t i = 0; i < sizeof raw; i++)
        (void)snprintf(digest + 2 * i, 3, "%02x", raw[i]);
}

static int open_regular(int folder, const char *name)
{
    struct stat status;
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode))
        return fd;
    (void)close(fd);
    return -EINVAL;
}

static int sum(struct copying *copying, uint64_t limit, uint64_t *out_size,
               char digest[COPY_DIGEST_SIZE])
{
    sha256_init(&copying->sum);
    copying->piece = memory_new(PIECE);
    int error = run(copying, limit);
    memory_free(copying->piece);
    if (error == 0) {
        tell_digest(copying, digest);
        *out_size = copying->size;
    }
    return error;
}

int copy_file(const struct copy *copy, const char *from, const char *to, uint64_t size,
              uint64_t *out_size, char digest[COPY_DIGEST_SIZE])
{
    struct copying copying = { .copy = copy, .target = -1 };

    copying.source = open_regular(copy->from, from);
    if (copying.source < 0)
        return copying.source;
    copying.target =
        openat(copy->to, to, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = copying.target < 0 ? -errno : 0;
    if (error == 0)
        error = sum(&copying, size, out_size, digest);
    if (error == 0 &&
        (ftruncate(copying.target, (off_t)copying.size) < 0 || fsync(copying.target) < 0))
        error = -errno;
    if (copying.target >= 0)
        (void)close(copying.target);
    (void)close(copying.source);
    return error;
}

int copy_digest(int folder, const char *name, uint64_t *out_size, char digest[COPY_DIGEST_SIZE])
{
    struct copying copying = { .target = -1 };

    copying.source = open_regular(folder, name);
    if (copying.source < 0)
        return copying.source;
    int error = sum(&copying, UINT64_MAX, out_size, digest);
    (void)close(copying.source);
    return error;
}
