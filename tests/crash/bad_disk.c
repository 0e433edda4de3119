/* SPDX-License-Identifier: ISC */
/* bad_disk.c: a disk that fails and a clock that jumps, when a test says so.
 *
 * Preloaded into holdfast. The file that BAD_DISK names is a page of orders, mapped before main()
 * and thus before a role confines itself; the test writes to it (faults.py):
 *     0  i32  errno of writes to the store's files; 0: they work
 *     4  i32  errno of syncs
 *     8  i64  milliseconds that the wall clock is ahead
 *    16  u32  calls that failed so, of both kinds
 * A failed write has written nothing; a failed sync may have synced: here it has not.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SEEN __attribute__((visibility("default")))
/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): the C library's are reserved */

struct orders {
    int32_t write_error;
    int32_t sync_error;
    int64_t ahead_ms;
    _Atomic uint32_t failed;
};

typedef ssize_t write_call(int fd, const struct iovec *part, int count, off_t offset);
typedef int sync_call(int fd);
typedef int clock_call(clockid_t id, struct timespec *out_at);

static struct orders nothing;
static volatile struct orders *orders = &nothing;
static write_call *real_pwritev;
static sync_call *real_fdatasync;
static sync_call *real_fsync;
static clock_call *real_clock_gettime;

static void *find(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL)
        abort();
    return found;
}

__attribute__((constructor)) static void start(void)
{
    const char *path = getenv("BAD_DISK");
    int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

    /* ISO C has no pointers to functions that are pointers to data; POSIX has. */
    *(void **)&real_pwritev = find("pwritev");
    *(void **)&real_fdatasync = find("fdatasync");
    *(void **)&real_fsync = find("fsync");
    *(void **)&real_clock_gettime = find("clock_gettime");
    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof *orders, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page == MAP_FAILED)
        abort();
    orders = page;
    (void)close(fd);
}

static int fail(int error)
{
    orders->failed++;
    errno = error;
    return -1;
}

SEEN ssize_t pwritev(int fd, const struct iovec *part, int count, off_t offset)
{
    int error = orders->write_error;
    return error != 0 ? fail(error) : real_pwritev(fd, part, count, offset);
}

SEEN int fdatasync(int fd)
{
    int error = orders->sync_error;
    return error != 0 ? fail(error) : real_fdatasync(fd);
}

SEEN int fsync(int fd)
{
    int error = orders->sync_error;
    return error != 0 ? fail(error) : real_fsync(fd);
}

SEEN int clock_gettime(clockid_t id, struct timespec *out_at)
{
    int result = real_clock_gettime(id, out_at);
    if (result == 0 && id == CLOCK_REALTIME) {
        int64_t ns = out_at->tv_nsec + orders->ahead_ms % 1000 * 1000000;
        out_at->tv_sec += (time_t)(orders->ahead_ms / 1000 + (ns < 0 ? -1 : ns / 1000000000));
        out_at->tv_nsec = (long)((ns + 1000000000) % 1000000000);
    }
    return result;
}
/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */
