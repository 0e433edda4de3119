/* SPDX-License-Identifier: ISC */
/* breaker.c: see breaker.h. */
#include "schedule/breaker.h"

#include "base/clock.h"

enum {
    MESSAGES = 20,
    REFUSED_MAX = 5,
    DOUBTED_MAX = 4,
    TRUST_MAX = 6,    /* 4^6 times as many in a row */
    PATIENCE_MAX = 2, /* 20 of 20 */
    CANARIES_MAX = 3,
    PAUSE_MIN_MS = 30 * SECOND_MS,
    PAUSE_MAX_MS = 5 * MINUTE_MS,
};

static uint32_t count_bits(uint32_t bits)
{
    uint32_t count = 0;

    for (; bits != 0; bits &= bits - 1)
        count++;
    return count;
}

static void note_taken(struct breaker *breaker)
{
    breaker->in_row = 0;
    if (++breaker->clean < MESSAGES)
        return;
    breaker->pause_ms = 0;
    breaker->patience = 0;
}

static uint32_t add_bit(uint32_t bits, bool bit)
{
    return (bits << 1 | bit) & ((1U << MESSAGES) - 1);
}

static bool is_too_much(const struct breaker *breaker, uint32_t under_way)
{
    uint32_t borne = (uint32_t)REFUSED_MAX << breaker->patience;
    uint32_t borne_in_row = ((uint32_t)MESSAGES << 2 * breaker->trust) + 2 * under_way;

    return count_bits(breaker->refused) >= REFUSED_MAX ||
           count_bits(breaker->refused | breaker->disliked) >= borne ||
           breaker->in_row >= borne_in_row;
}

bool breaker_note(struct breaker *breaker, enum breaker_note note, uint32_t under_way,
                  int64_t now_ms)
{
    if (breaker->is_tripped)
        return false;
    breaker->refused = add_bit(breaker->refused, note == BREAKER_REFUSED);
    breaker->disliked = add_bit(breaker->disliked, note == BREAKER_DISLIKED);
    if (note == BREAKER_TAKEN) {
        note_taken(breaker);
        return false;
    }
    breaker->clean = 0;
    breaker->in_row++;
    breaker->is_tripped = is_too_much(breaker, under_way);
    if (breaker->is_tripped) {
        breaker->was_unknown = (breaker->refused | breaker->disliked) == 0;
        breaker->tripped_ms = now_ms;
    }
    return breaker->is_tripped;
}

bool breaker_doubt(struct breaker *breaker, int64_t now_ms)
{
    if (breaker->is_tripped || breaker->in_row < DOUBTED_MAX)
        return false;
    breaker->is_tripped = true;
    breaker->was_unknown = true;
    breaker->trust = 0;
    breaker->tripped_ms = now_ms;
    return true;
}

int64_t breaker_pause(struct breaker *breaker)
{
    int64_t next = breaker->pause_ms > 0 ? breaker->pause_ms * 2 : PAUSE_MIN_MS;

    breaker->canaries++;
    breaker->pause_ms = next < PAUSE_MAX_MS ? next : PAUSE_MAX_MS;
    return breaker->pause_ms;
}

void breaker_close(struct breaker *breaker)
{
    bool is_like_that =
        breaker->refused == 0 && breaker->disliked != 0 && breaker->canaries <= CANARIES_MAX;
    uint32_t patience = is_like_that ? breaker->patience + 1 : breaker->patience;
    uint32_t trust = breaker->was_unknown ? breaker->trust + 1 : 0;

    *breaker = (struct breaker){
        .pause_ms = is_like_that ? 0 : breaker->pause_ms,
        .patience = patience < PATIENCE_MAX ? patience : PATIENCE_MAX,
        .trust = trust < TRUST_MAX ? trust : TRUST_MAX,
    };
}
