/* SPDX-License-Identifier: ISC */
/* report_target.h: who may be sent the reports of a domain (RFC 9989 4.7, RFC 9990 4).
 *
 * A record names addresses (rua=). One in another organisation must have said that it wants them,
 * in a record of its own below _report._dmarc: else anybody could have reports sent to anybody. A
 * pure function of the answers known so far, which asks at most REPORT_QUESTIONS_MAX questions.
 */
#pragma once

#include "authenticate/report_row.h"
#include "wire/dns.h"

enum {
    REPORT_TARGETS_MAX = 5, /* the first of a record; the others are as if they were not there */
    REPORT_QUESTIONS_MAX = 8 + REPORT_TARGETS_MAX * (8 + 1), /* our walk; each's walk and consent */
};

struct report_target {
    struct str address; /* local@domain */
    struct str domain;  /* of it, in normal form */
    uint64_t size_max;  /* octets that a report may have; UINT64_MAX: not said */
};

struct report_targets {
    struct report_target target[REPORT_TARGETS_MAX]; /* no address twice */
    unsigned count;
    bool is_unsure; /* the DNS did not answer about one more; asked later, there may be more */
};

/* One URI, with nothing around it; its texts live in the arena. False: not one that we can write
 * to; then *out_target means nothing. */
bool report_target_parse(struct str uri, struct arena *arena, struct report_target *out_target);
/* The addresses of a rua= that we can write to: mailto, ASCII, a domain. "!10m" is the limit of RFC
 * 7489 6.2. Texts live in the arena. */
void report_targets_parse(struct str reports, struct arena *arena,
                          struct report_targets *out_targets);
/* True with those that may be written to, whose texts live in the arena; false with the next
 * question, whose name lives in `room`. */
bool report_targets_decide(const struct report_policy *policy, const struct dns_answers *known,
                           struct arena *arena, struct buf *room,
                           struct report_targets *out_targets, struct dns_question *out_question);
