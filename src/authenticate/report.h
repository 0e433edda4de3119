/* SPDX-License-Identifier: ISC */
/* report.h: what is to be told to the owners of domains about a period (RFC 9990 3).
 *
 * Rows are gathered by the domain that holds the record; those that say the same are one line with
 * a count. Strangers make rows, so there is an end to domains, to lines of a domain, and to memory;
 * what comes after that is counted as left out, which the report says. A report speaks of one
 * policy: the last that was seen (3.3).
 *
 * The whole can be written down and read back, also under other limits.
 */
#pragma once

#include "authenticate/report_row.h"
#include "base/list.h"
#include "base/map.h"

struct report_limits {
    uint32_t domains_max;
    uint32_t lines_max; /* of a domain */
    size_t size_max;    /* of all that is kept, in memory */
};

extern const struct report_limits report_limits_usual;

struct report_line {
    struct link link; /* in report_domain.lines */
    struct buf bytes; /* a row without what is published */
    uint64_t count;   /* of messages; it stops at its largest value, as all counts here */
};

struct report_domain {
    struct link link; /* in report.domains */
    struct report_policy policy;
    struct buf policy_room; /* where its texts live */
    struct link lines;      /* struct report_line, as they came; at least one */
    uint32_t line_count;
    uint64_t left_out; /* messages for which there was no room */
};

struct report {
    struct report_limits limits;
    int64_t begin_s;     /* of the period */
    struct link domains; /* struct report_domain, as they came */
    uint32_t domain_count;
    struct map by_name;
    struct map by_bytes; /* lines */
    size_t size;
    uint64_t left_out; /* messages of domains for which there was no room at all */
};

void report_init(struct report *report, struct report_limits limits, int64_t begin_s);
void report_fini(struct report *report);
void report_add(struct report *report, const struct report_row *row); /* copies */
struct report_domain *report_first(const struct report *report);      /* NULL: there is none */
struct report_domain *report_next(const struct report *report, const struct report_domain *domain);
struct report_domain *report_find(const struct report *report, struct str domain);
/* The row of a line, under what its domain has published; its texts are the domain's. */
void report_line_row(const struct report_domain *domain, const struct report_line *line,
                     struct report_row *out_row);
/* Forgets a domain, which has been told or never will be. */
void report_drop(struct report *report, struct report_domain *domain);

void report_encode(struct buf *out, const struct report *report);
/* Initialises *out_report unless it returns false: these bytes are no report. What is above the
 * limits is left out as if it came now. */
bool report_decode(struct str bytes, struct report_limits limits, struct report *out_report);
