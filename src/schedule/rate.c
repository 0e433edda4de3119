/* SPDX-License-Identifier: ISC */
/* rate.c: see rate.h. */
#include "schedule/rate.h"

#include "base/check.h"

int64_t rate_ready_at(const struct rate *rate)
{
    return (rate->due_us + 999) / 1000;
}

void rate_take(struct rate *rate, uint64_t count, uint64_t per_second_milli, int64_t credit_ms,
               int64_t now_ms)
{
    check(per_second_milli > 0);
    int64_t earliest = (now_ms - credit_ms) * 1000;
    /* No message is larger than 2^33 octets; cut there, the product stays below 2^63. */
    uint64_t counted = count < UINT64_C(1) << 33 ? count : UINT64_C(1) << 33;

    if (rate->due_us < earliest)
        rate->due_us = earliest;
    rate->due_us += (int64_t)(counted * UINT64_C(1000000000) / per_second_milli);
}
