/* SPDX-License-Identifier: ISC */
/* random.h: chance, handed in by whoever calls.
 *
 * xoshiro256** (Blackman, Vigna 2018). Good for jitter, shuffling and message
 * ids; not for secrets. A role seeds it from the kernel, a test from a number.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};

void random_from_kernel(struct random *random);
void random_from_seed(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0 … bound-1; bound > 0 */
/* `middle` moved by up to `spread` either way. */
int64_t random_around(struct random *random, int64_t middle, int64_t spread);
