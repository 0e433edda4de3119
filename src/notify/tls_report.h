/* SPDX-License-Identifier: ISC */
/* tls_report.h: what is told of a domain's sessions, as JSON (RFC 8460 4.4).
 *
 * Rows under the same policy are summed up together. A policy that could not be had is told as a
 * failure's detail of each session that went without it, and is in no sum: the sums are of
 * sessions.
 */
#pragma once

#include "base/tally.h"
#include "notify/tls_row.h"

struct tls_report { /* who tells, and about when */
    struct str organisation;
    struct str contact; /* an address */
    struct str id;
    int64_t begin_s;
    int64_t end_s; /* the first second that it is not about */
};

/* `sessions`: of a domain, its lines as tls_row_encode() makes them. */
void tls_report_add(struct buf *out, const struct tls_report *report,
                    const struct tally_subject *sessions);
