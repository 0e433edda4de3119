/* SPDX-License-Identifier: ISC */
/* pace.c: see pace.h. */
#include "schedule/pace.h"

#include "base/clock.h"

/* Postfix's minute ends when its second has changed once more. */
enum { REST_MIN_MS = 65 * SECOND_MS, REST_MAX_MS = 10 * MINUTE_MS, CLEAN_ENOUGH = 5 };

int64_t pace_ready_at(const struct pace *pace)
{
    return pace->until_ms;
}

static void rest(struct pace *pace, int64_t now_ms)
{
    pace->is_resting = true;
    pace->until_ms = now_ms + pace->rest_ms;
}

/* A quiet time is as good as a rest. */
static void begin_if_over(struct pace *pace, int64_t now_ms)
{
    bool was_quiet = !pace->is_resting && now_ms - pace->since_ms > pace->rest_ms;

    if (!was_quiet && (!pace->is_resting || now_ms < pace->until_ms))
        return;
    pace->is_resting = false;
    pace->is_told = false;
    pace->given = 0;
    pace->taken = 0;
    pace->since_ms = now_ms;
}

static void rest_by_ourselves(struct pace *pace, int64_t now_ms)
{
    if (pace->rest_ms > REST_MIN_MS && pace->taken > 0)
        pace->rest_ms = REST_MIN_MS;
    rest(pace, now_ms);
    if (++pace->clean < CLEAN_ENOUGH)
        return;
    pace->clean = 0;
    pace->burst = pace->burst < UINT32_MAX / 2 ? pace->burst * 2 : pace->burst;
}

void pace_given(struct pace *pace, int64_t now_ms)
{
    if (pace->burst == 0)
        return;
    begin_if_over(pace, now_ms);
    if (++pace->given >= pace->burst && !pace->is_resting)
        rest_by_ourselves(pace, now_ms);
}

/* What was given before the rest belongs to the time before. */
void pace_taken(struct pace *pace, int64_t given_ms)
{
    if (given_ms < pace->since_ms)
        return;
    pace->taken++;
    if (pace->is_told && pace->taken > pace->burst)
        pace->burst = pace->taken;
}

static int64_t rest_for(const struct pace *pace, int64_t hint_ms)
{
    int64_t longer = pace->rest_ms * 2 < REST_MAX_MS ? pace->rest_ms * 2 : REST_MAX_MS;

    if (hint_ms > 0)
        return hint_ms < REST_MAX_MS ? hint_ms : REST_MAX_MS;
    return pace->taken > 0 || longer < REST_MIN_MS ? REST_MIN_MS : longer;
}

int64_t pace_limited(struct pace *pace, int64_t hint_ms, int64_t now_ms)
{
    if (pace->is_told)
        return pace->until_ms;
    pace->is_told = true;
    pace->clean = 0;
    pace->burst = pace->taken > 0 ? pace->taken : 1;
    pace->rest_ms = rest_for(pace, hint_ms);
    if (!pace->is_resting || pace->taken == 0)
        rest(pace, now_ms);
    return pace->until_ms;
}
