/* SPDX-License-Identifier: ISC */
/* clock.c: see clock.h. */
#include "base/clock.h"

#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/check.h"

static int64_t read_ms(clockid_t id)
{
    struct timespec at;
    check(clock_gettime(id, &at) == 0);
    return (int64_t)at.tv_sec * SECOND_MS + at.tv_nsec / 1000000;
}

struct now clock_now(void)
{
    return (struct now){ .mono_ms = read_ms(CLOCK_MONOTONIC), .wall_ms = read_ms(CLOCK_REALTIME) };
}

int64_t clock_kernel_ms(void)
{
    int64_t at[2];         /* seconds, nanoseconds */
#ifdef SYS_clock_gettime64 /* of a kernel of 32 bits */
    check(syscall(SYS_clock_gettime64, CLOCK_MONOTONIC, at) == 0);
#else
    check(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, at) == 0);
#endif
    return at[0] * SECOND_MS + at[1] / 1000000;
}

/* Milliseconds within the second, also before 1970 (a machine whose clock was never set). */
static int64_t millisecond(int64_t wall_ms)
{
    int64_t rest = wall_ms % SECOND_MS;
    return rest < 0 ? rest + SECOND_MS : rest;
}

static struct tm broken_down(int64_t wall_ms)
{
    time_t seconds = (time_t)(wall_ms / SECOND_MS - (wall_ms % SECOND_MS < 0));
    struct tm tm = { 0 };
    check(gmtime_r(&seconds, &tm) != NULL);
    return tm;
}

void clock_add_iso(struct buf *out, int64_t wall_ms)
{
    struct tm tm = broken_down(wall_ms);
    buf_add_format(out, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)millisecond(wall_ms));
}

void clock_add_rfc5322(struct buf *out, int64_t wall_ms)
{
    static const char day[][4] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char month[][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct tm tm = broken_down(wall_ms);
    buf_add_format(out, "%s, %d %s %04d %02d:%02d:%02d +0000", day[tm.tm_wday], tm.tm_mday,
                   month[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}
