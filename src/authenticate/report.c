/* SPDX-License-Identifier: ISC */
/* report.c: see report.h.
 *
 * Note and lines are those of report_row.c. A line's row has an empty policy but for the domain, so
 * that its octets are its name: the same octets, the same line.
 */
#include "authenticate/report.h"

#include "base/check.h"
#include "base/cursor.h"

const struct tally_limits report_limits_usual = {
    .subjects_max = 2000,
    .lines_max = 1000,
    .size_max = (size_t)16 * 1024 * 1024,
};

void report_add(struct tally *report, const struct report_row *row)
{
    struct report_row bare = *row;
    struct buf policy = { 0 };
    struct buf bytes = { 0 };

    bare.policy.record = (struct dmarc_record){ 0 };
    report_row_encode(&bytes, &bare);
    report_policy_encode(&policy, &row->policy);
    tally_add(report, row->policy.domain, buf_str(&policy), buf_str(&bytes), 1);
    buf_fini(&policy);
    buf_fini(&bytes);
}

struct report_policy report_policy_of(const struct tally_subject *domain)
{
    struct cursor cursor = cursor_over(buf_str(&domain->note));
    struct report_policy policy;

    check(report_policy_decode(&cursor, &policy));
    return policy;
}

struct report_row report_row_of_line(const struct tally_subject *domain,
                                     const struct tally_line *line)
{
    struct cursor cursor = cursor_over(line->bytes);
    struct report_row row;

    check(report_row_decode(&cursor, &row));
    row.policy = report_policy_of(domain);
    return row;
}

static bool is_row(struct str name, struct str note, struct str bytes)
{
    struct cursor of_note = cursor_over(note);
    struct cursor of_row = cursor_over(bytes);
    struct report_policy policy;
    struct report_row row;

    return report_policy_decode(&of_note, &policy) && cursor_done(&of_note) &&
           str_equals(policy.domain, name) && report_row_decode(&of_row, &row) &&
           cursor_done(&of_row) && str_equals(row.policy.domain, name);
}

bool report_decode(struct str bytes, struct tally_limits limits, struct tally *out_report)
{
    return tally_decode(bytes, limits, is_row, out_report);
}
