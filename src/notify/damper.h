/* SPDX-License-Identifier: ISC */
/* damper.h: when an owner is told, so that no word comes late and no storm comes at all.
 *
 * The state of the primary is told as pairs, a trouble and its end:
 *
 *     1  a trouble is told once it has lasted `after_ms`; where it comes and goes, three minutes
 *        after it began;
 *     2  its end is told, if the trouble was, once it has lasted `after_ms`;
 *     3  the same trouble is told once in ten minutes, with how often it happened meanwhile.
 *
 * Other events are told at once, and then once in 15 minutes (near-expiry: once a day), with what
 * has come together. That all is drained is told behind the end of a trouble that was told, else
 * not.
 *
 * Pure: events and Unix time come in (a clock that does not jump), and what is to be said goes out.
 */
#pragma once

#include "notify/alert.h"

enum {
    DAMPER_UNREST_MS = 3 * 60 * 1000,
    DAMPER_PAIR_MS = 10 * 60 * 1000,
    DAMPER_EVENT_MS = 15 * 60 * 1000,
};

struct damper_amounts {
    uint64_t delivered, failures;
    int64_t lasted_ms;
};

struct damper {
    int64_t after_ms; /* set by the owner of this */

    enum alert_condition told; /* what the owner believes */
    int64_t told_since_ms;     /* when that trouble began */
    enum alert_condition current;
    int64_t current_since_ms;
    int64_t
        unrest_since_ms; /* the current one differs from what was told, or did a moment ago; 0 */
    uint32_t troubles;   /* that began since one was told */

    int64_t last_ms[ALERT_COUNT]; /* when it was told; 0: never */
    int64_t drained_until_ms;     /* drained is worth telling until then */
    struct damper_waiting {
        uint32_t times; /* 0: nothing waits */
        int64_t since_ms;
        struct damper_amounts sum;
    } waiting[ALERT_COUNT];
};

struct damper_word { /* to be told now */
    enum alert alert;
    int64_t since_ms;
    uint32_t times;
    struct damper_amounts sum;
};

/* The primary is so, as of now. */
void damper_condition(struct damper *damper, enum alert_condition condition, int64_t now_ms);
/* Nobody looks at the primary for a while (it is paused): what was not told yet never was. */
void damper_rest(struct damper *damper, int64_t now_ms);
void damper_event(struct damper *damper, enum alert alert, const struct damper_amounts *amounts,
                  int64_t now_ms);
/* What is due, one at a time; it counts as told. */
bool damper_next(struct damper *damper, int64_t now_ms, struct damper_word *out_word);
int64_t damper_deadline(const struct damper *damper); /* NEVER_MS: nothing will be due */

/* What was told, for a file. Decoded, the primary is as it was told to be until somebody says
 * otherwise; false (and *damper is {0}): it is not understood. */
void damper_encode(struct buf *out, const struct damper *damper);
bool damper_decode(struct str bytes, struct damper *damper);
