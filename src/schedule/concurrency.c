/* SPDX-License-Identifier: ISC */
/* concurrency.c: see concurrency.h. */
#include "schedule/concurrency.h"

#include "base/clock.h"

enum {
    CEILING_MIN_MS = 10 * MINUTE_MS,
    CEILING_MAX_MS = HOUR_MS,
    REST_MIN_MS = SECOND_MS,
    REST_MAX_MS = MINUTE_MS,
    DYING_MS = 2 * MINUTE_MS,
};

void concurrency_start(struct concurrency *concurrency, uint32_t start)
{
    if (concurrency->ceiling > 0 && start > concurrency->ceiling)
        start = concurrency->ceiling;
    concurrency->allowed = start;
    concurrency->answered = 0;
    concurrency->refusals = 0;
    concurrency->closed_until_ms = INT64_MIN;
}

bool concurrency_may_open(const struct concurrency *concurrency, uint32_t open, int64_t now_ms)
{
    return open < concurrency->allowed && now_ms >= concurrency->closed_until_ms;
}

void concurrency_ready(struct concurrency *concurrency, uint32_t standing)
{
    concurrency->refusals = 0;
    if (standing > concurrency->proven)
        concurrency->proven = standing;
    if (concurrency->ceiling > 0 && standing > concurrency->ceiling) {
        concurrency->ceiling = 0;
        concurrency->ceiling_for_ms = 0;
    }
}

static bool is_at_ceiling(const struct concurrency *concurrency, int64_t now_ms)
{
    return concurrency->ceiling > 0 && concurrency->allowed >= concurrency->ceiling &&
           now_ms < concurrency->ceiling_until_ms;
}

void concurrency_answered(struct concurrency *concurrency, uint32_t open, uint32_t limit,
                          int64_t now_ms)
{
    concurrency->barren = 0;
    if (open < concurrency->allowed)
        return;
    if (++concurrency->answered < concurrency->allowed)
        return;
    concurrency->answered = 0;
    if (concurrency->allowed < limit && !is_at_ceiling(concurrency, now_ms))
        concurrency->allowed++;
}

static void rest(struct concurrency *concurrency, uint32_t times, int64_t now_ms)
{
    int64_t wait = times < 7 ? (int64_t)REST_MIN_MS << (times - 1) : REST_MAX_MS;
    concurrency->closed_until_ms = now_ms + (wait < REST_MAX_MS ? wait : REST_MAX_MS);
}

void concurrency_barren(struct concurrency *concurrency, int64_t opened_ms, int64_t now_ms)
{
    if (concurrency->barren > 0 && opened_ms < concurrency->barren_ms)
        return;
    concurrency->barren_ms = now_ms;
    rest(concurrency, ++concurrency->barren, now_ms);
}

void concurrency_alone(struct concurrency *concurrency)
{
    concurrency->allowed = 1;
    concurrency->answered = 0;
}

static void lower_ceiling(struct concurrency *concurrency, uint32_t ceiling, int64_t now_ms)
{
    int64_t longer = concurrency->ceiling_for_ms * 2;

    if (longer < CEILING_MIN_MS)
        longer = CEILING_MIN_MS;
    concurrency->ceiling_for_ms = longer < CEILING_MAX_MS ? longer : CEILING_MAX_MS;
    concurrency->ceiling_until_ms = now_ms + concurrency->ceiling_for_ms;
    concurrency->ceiling = ceiling;
    concurrency->allowed = ceiling;
    concurrency->proven = ceiling;
    concurrency->answered = 0;
}

void concurrency_refused(struct concurrency *concurrency, uint32_t others, int64_t now_ms)
{
    rest(concurrency, ++concurrency->refusals, now_ms);
    if (others > 0 && (others >= concurrency->proven || concurrency->refusals >= 2))
        lower_ceiling(concurrency, others, now_ms);
}

void concurrency_died(struct concurrency *concurrency, int64_t now_ms)
{
    int64_t since_ms = concurrency->ceiling_until_ms - concurrency->ceiling_for_ms;

    if (concurrency->ceiling == 0 || now_ms - since_ms > DYING_MS)
        return;
    concurrency->ceiling = 0;
    concurrency->ceiling_for_ms = 0;
}
