/* SPDX-License-Identifier: ISC */
/* breaker.h: is this primary in its right mind? (SPEC P5)
 *
 * A server whose table of users is gone refuses everybody with 550, and means it. The
 * breaker watches the last messages that were taken or refused:
 *
 *     CLOSED ── of any 20 messages 5 refused that should have been taken ──▶ TRIPPED
 *        │  ├── 20 refused in a row, whoever their recipients were *───────▶    │
 *        │  └── 4 in a row, and then one who ought to be there ────────────▶    │
 *        ▲                                                                      │
 *        └────────────────── a message is taken that was given since ───────────┘
 *
 * While it is tripped, one message is tried at a time, after 30 s, 60 s … 5 min.
 * Where it trips again before 20 messages went well, the pauses go on from where
 * they were.
 *
 * Held mail is often spam, and a primary that filters refuses half of it at its end. So
 * where it tripped over content alone, and one of the first three canaries was taken,
 * it is seen to be like that: 10 of 20 are borne then, after the next time only 20 of 20
 * is too much, and pauses begin anew. It is back at 5 when 20 messages went well. No such
 * patience with recipients that are known to exist.
 *
 * (*) And two more for each message that is under way, for a refusal comes sooner than
 * a message is taken. Where it tripped over unknown recipients alone and the primary was
 * found to be sane, four times as many are borne from then on: somebody writes to
 * addresses that he made up. A refused control tells, should it lose its mind later.
 *
 * Deferred messages say nothing, and are not counted.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum breaker_note {
    BREAKER_TAKEN,
    BREAKER_REFUSED,  /* a recipient that is known to exist */
    BREAKER_DISLIKED, /* its content */
    BREAKER_UNKNOWN,  /* nobody took it, and nobody knows whether its recipients exist */
};

struct breaker {
    uint32_t refused, disliked; /* a bit per message, the last one lowest */
    uint32_t in_row;            /* nothing was taken since */
    uint32_t clean;             /* messages in a row that went well */
    uint32_t trust;             /* times that it was sane when it had refused unknown ones */
    uint32_t patience;          /* doublings of what is borne of DISLIKED */
    uint32_t canaries;          /* since it tripped */
    bool is_tripped;
    bool was_unknown;   /* it tripped over unknown recipients alone: a control may close it */
    int64_t tripped_ms; /* what was given before proves nothing */
    int64_t pause_ms;   /* until the next canary */
};

/* True if it trips with this message, of which `under_way` are left. While it is tripped, nothing
 * is noted. */
bool breaker_note(struct breaker *breaker, enum breaker_note note, uint32_t under_way,
                  int64_t now_ms);
/* A control was refused: one that is known to exist, or the postmaster. True if it trips. */
bool breaker_doubt(struct breaker *breaker, int64_t now_ms);
/* How long to wait before the next canary; longer each time. */
int64_t breaker_pause(struct breaker *breaker);
void breaker_close(struct breaker *breaker);
