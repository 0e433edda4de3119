/* SPDX-License-Identifier: ISC */
/* tls_counts.h: what is counted for reports about TLS, in this period and, until all of it has been
 * told, in the one before.
 *
 * A period ends where the clock, in UTC, is a multiple of the interval. Strangers' domains are
 * among what is counted: there is an end to memory (base/tally.h). All of it can be written down,
 * so that a restart loses neither.
 */
#pragma once

#include "base/clock.h"
#include "base/tally.h"
#include "notify/tls_row.h"

struct tls_counts {
    struct tally *gathering; /* by domain: rows */
    struct tally *closing;   /* NULL: all has been told */
    int64_t end_s;           /* of what is closing: the first second that it is not about */
    int64_t start_ms;        /* Unix time: it is not told before; the caller's */
};

void tls_counts_init(struct tls_counts *counts, int64_t now_s, int64_t interval_s);
void tls_counts_fini(struct tls_counts *counts);
void tls_counts_add(struct tls_counts *counts, struct str domain, const struct tls_row *row);
/* Is the period over? True: it is closing now. Never while one is. */
bool tls_counts_close(struct tls_counts *counts, int64_t now_s, int64_t interval_s);
/* When that may be; INT64_MAX: there is nothing to tell. */
int64_t tls_counts_end(const struct tls_counts *counts, int64_t interval_s);
void tls_counts_told(struct tls_counts *counts); /* what was closing is forgotten */

void tls_counts_encode(struct buf *out, const struct tls_counts *counts);
/* Initialises *out_counts unless it returns false: those are not its octets. */
bool tls_counts_decode(struct str bytes, struct tls_counts *out_counts);
