/* SPDX-License-Identifier: ISC */
/* steady.c: see steady.h. */
#include "schedule/steady.h"

enum {
    SLEW_MS = 2 * SECOND_MS, /* what NTP or a leap second does between two turns */
    STAND_MS = HOUR_MS,
    SETTLE_MS = 10 * MINUTE_MS,
};

void steady_init(struct steady *steady, struct now now)
{
    *steady = (struct steady){ .offset = now.wall_ms - now.mono_ms, .settling_ms = now.mono_ms };
}

static bool is_near(int64_t a, int64_t b)
{
    return a - b <= SLEW_MS && b - a <= SLEW_MS;
}

/* All that was received up to now was stamped by the old offset. */
static void believe(struct steady *steady, int64_t mono_ms)
{
    int64_t jump = steady->doubt_offset - steady->offset;
    int64_t old_wall_ms = mono_ms + steady->offset;

    steady->offset = steady->doubt_offset;
    steady->doubting = false;
    steady->extra_ms += jump;
    if (steady->extra_ms <= 0) {
        steady->extra_ms = 0;
        steady->extra_before = 0;
    } else if (jump > 0) {
        steady->extra_before = old_wall_ms + 1;
    } else if (steady->extra_before > old_wall_ms + jump) {
        steady->extra_before = old_wall_ms + jump; /* what comes now skipped nothing */
    }
}

static void doubt(struct steady *steady, int64_t offset, int64_t mono_ms)
{
    if (!steady->doubting || !is_near(offset, steady->doubt_offset)) {
        steady->doubting = true;
        steady->doubt_since = mono_ms;
    }
    steady->doubt_offset = offset;
    if (mono_ms - steady->doubt_since >= STAND_MS)
        believe(steady, mono_ms);
}

void steady_observe(struct steady *steady, struct now now)
{
    int64_t offset = now.wall_ms - now.mono_ms;
    bool near = is_near(offset, steady->offset);

    if (steady->is_settled && !near) {
        doubt(steady, offset, now.mono_ms);
        return;
    }
    if (!near)
        steady->settling_ms = now.mono_ms;
    if (now.mono_ms >= steady_trusted_at(steady))
        steady->is_settled = true;
    steady->offset = offset;
    steady->doubting = false;
}

int64_t steady_wall(const struct steady *steady, struct now now)
{
    return now.mono_ms + steady->offset;
}

int64_t steady_trusted_at(const struct steady *steady)
{
    return steady->settling_ms + SETTLE_MS;
}

int64_t steady_extra(const struct steady *steady, int64_t since_ms)
{
    return since_ms < steady->extra_before ? steady->extra_ms : 0;
}
