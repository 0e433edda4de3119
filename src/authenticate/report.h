/* SPDX-License-Identifier: ISC */
/* report.h: what is to be told to the owners of domains about a period (RFC 9990 3): a tally
 * (base/tally.h) of rows.
 *
 * Its subjects are the domains that hold the records, its lines the rows that say the same, without
 * what is published; that is the subject's note. A report speaks of one policy: the last that was
 * seen (3.3).
 */
#pragma once

#include "authenticate/report_row.h"
#include "base/tally.h"

extern const struct tally_limits report_limits_usual;

void report_add(struct tally *report, const struct report_row *row); /* copies */
/* What the domain has published; its texts are the domain's. */
struct report_policy report_policy_of(const struct tally_subject *domain);
/* The row of a line, under what its domain has published; its texts are theirs. */
struct report_row report_row_of_line(const struct tally_subject *domain,
                                     const struct tally_line *line);
/* As tally_decode(). */
bool report_decode(struct str bytes, struct tally_limits limits, struct tally *out_report);
