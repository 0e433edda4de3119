/* SPDX-License-Identifier: ISC */
/* pace.h: so many, then a rest: what a primary with a rate limit teaches us (SPEC P12).
 *
 * "450 too much mail from you": a server counts what comes from us within a time of
 * its own, usually a minute. We rest for as long as it says, else for a good minute,
 * and remember how many it took since the last rest: after so many we rest by
 * ourselves, before it has to say so again. When that went well five times it is twice
 * as many: the limit may be another by now. Where it takes nothing at all between two rests, they
 * become longer, up to ten minutes.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct pace {              /* {0}: no limit is known */
    uint32_t burst;        /* so many between two rests; 0: nobody complained */
    uint32_t given, taken; /* since the last rest */
    uint32_t clean;        /* rests in a row that were of our own will */
    bool is_told;          /* somebody complained since the last rest, or while it lasts */
    bool is_resting;
    int64_t since_ms; /* the end of the last rest */
    int64_t rest_ms;
    int64_t until_ms; /* it rests */
};

int64_t pace_ready_at(const struct pace *pace);
void pace_given(struct pace *pace, int64_t now_ms);
void pace_taken(struct pace *pace, int64_t given_ms);
/* A message was deferred for the rate; `hint_ms`: come back in …, or 0. Returns until when to rest.
 * What comes while it rests was under way before. */
int64_t pace_limited(struct pace *pace, int64_t hint_ms, int64_t now_ms);
