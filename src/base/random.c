/* SPDX-License-Identifier: ISC */
/* random.c: see random.h. */
#include "base/random.h"

#include <sys/random.h>

#include "base/check.h"

void random_from_kernel(struct random *random)
{
    check(getrandom(random->state, sizeof random->state, 0) == (ssize_t)sizeof random->state);
}

/* splitmix64, the seeding that the authors of xoshiro recommend. */
void random_from_seed(struct random *random, uint64_t seed)
{
    for (size_t i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        random->state[i] = z ^ (z >> 31);
    }
}

static uint64_t rotate(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t random_u64(struct random *random)
{
    uint64_t *s = random->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t random_below(struct random *random, uint64_t bound)
{
    check(bound > 0);
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
    uint64_t n = random_u64(random);
    while (n >= limit)
        n = random_u64(random);
    return n % bound;
}

int64_t random_around(struct random *random, int64_t middle, int64_t spread)
{
    check(spread >= 0);
    return middle - spread + (int64_t)random_below(random, (uint64_t)spread * 2 + 1);
}
