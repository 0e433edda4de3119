/* SPDX-License-Identifier: ISC */
/* no_sync.c: a disk that says "durable" and has done nothing.
 *
 * The negative control of the power cuts (test_power.py): preloaded into holdfast, it swallows
 * every sync. What was acknowledged must then be lost, or the campaign would prove nothing.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved */

SEEN int fsync(int fd)
{
    (void)fd;
    return 0;
}

SEEN int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

SEEN int syncfs(int fd)
{
    (void)fd;
    return 0;
}

SEEN int sync_file_range(int fd, off64_t offset, off64_t size, unsigned flags)
{
    (void)fd;
    (void)offset;
    (void)size;
    (void)flags;
    return 0;
}

SEEN int msync(void *at, size_t size, int flags)
{
    (void)at;
    (void)size;
    (void)flags;
    return 0;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
