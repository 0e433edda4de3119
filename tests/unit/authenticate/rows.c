/* SPDX-License-Identifier: ISC */
/* rows.c: see rows.h. */
#include "authenticate/rows.h"

#include "base/check.h"

struct report_row row_make(const char *domain, const char *source)
{
    struct report_row row = {
        .policy = { .domain = str_from(domain),
                    .record = { .policy = DMARC_POLICY_QUARANTINE,
                                .below = DMARC_POLICY_QUARANTINE,
                                .below_not_there = DMARC_POLICY_REJECT,
                                .is_spf_strict = true,
                                .reports = STR("mailto:dmarc@example.com") } },
        .disposition = REPORT_NONE,
        .override = REPORT_LOCAL_POLICY,
        .header_from = str_from(domain),
        .envelope_from = STR("bounce.example.net"),
        .spf_domain = STR("bounce.example.net"),
        .spf_result = SPF_PASS,
        .signature = { { STR("example.net"), STR("s1"), DKIM_PASS } },
        .signature_count = 1,
    };
    check(endpoint_from_ip(str_from(source), 0, &row.source));
    return row;
}
