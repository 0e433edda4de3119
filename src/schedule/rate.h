/* SPDX-License-Identifier: ISC */
/* rate.h: so many a second, and a little credit after a rest.
 *
 * A leaky bucket kept as one number: the time at which the next one may go. What
 * is taken moves it on by its cost, so a large item is let pass and paid for
 * afterwards. {0} has its whole credit.
 */
#pragma once

#include <stdint.h>

struct rate {
    int64_t due_us;
};

/* Until when to wait (ms on the clock of `now_ms`); now_ms or less: not at all. */
int64_t rate_ready_at(const struct rate *rate);
/* `count` were taken where `per_second_milli` thousandths are allowed each second; with up to
 * `credit_ms` worth saved up while resting. */
void rate_take(struct rate *rate, uint64_t count, uint64_t per_second_milli, int64_t credit_ms,
               int64_t now_ms);
