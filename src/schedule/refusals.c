/* SPDX-License-Identifier: ISC */
/* refusals.c: see refusals.h. */
#include "schedule/refusals.h"

#include "base/clock.h"

static void move_on(struct refusals *refusals, int64_t now_ms)
{
    int64_t minute = now_ms / MINUTE_MS;

    if (minute - refusals->minute >= REFUSALS_MINUTES)
        refusals->minute = minute - REFUSALS_MINUTES;
    while (refusals->minute < minute)
        refusals->count[++refusals->minute % REFUSALS_MINUTES] = 0;
}

void refusals_add(struct refusals *refusals, uint32_t count, int64_t now_ms)
{
    move_on(refusals, now_ms);
    refusals->count[refusals->minute % REFUSALS_MINUTES] += count;
}

uint32_t refusals_recent(struct refusals *refusals, int64_t now_ms)
{
    uint32_t sum = 0;

    move_on(refusals, now_ms);
    for (int i = 0; i < REFUSALS_MINUTES; i++)
        sum += refusals->count[i];
    return sum;
}
