/* SPDX-License-Identifier: ISC */
/* fuzz_tls_row.c: what was counted in an earlier life, from its file. What is read is within its
 * limits, is written as it was read, and can be told as JSON. */
#include <jansson.h>

#include "base/check.h"
#include "notify/tls_counts.h"
#include "notify/tls_report.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_row(struct str name, struct str note, struct str bytes)
{
    struct tls_row row;

    (void)name;
    (void)note;
    return tls_row_decode(bytes, &row);
}

static void tell(const struct tally_subject *sessions)
{
    const struct tls_report report = { .organisation = STR("us"), .end_s = 1 };
    struct buf bytes = { 0 };

    tls_report_add(&bytes, &report, sessions);
    json_t *json = json_loadb(bytes.ptr, bytes.len, 0, NULL);
    check(json != NULL);
    json_decref(json);
    buf_fini(&bytes);
}

/* The file itself, with what was closing. */
static void read_file(struct str bytes)
{
    struct tls_counts counts;
    struct tls_counts again;
    struct buf once = { 0 };
    struct buf twice = { 0 };

    if (!tls_counts_decode(bytes, &counts))
        return;
    tls_counts_encode(&once, &counts);
    check(tls_counts_decode(buf_str(&once), &again));
    tls_counts_encode(&twice, &again);
    check(str_equals(buf_str(&once), buf_str(&twice)));
    tls_counts_fini(&again);
    (void)tls_counts_close(&counts, 1795886400, 86400);
    (void)tls_counts_end(&counts, 86400);
    tls_counts_fini(&counts);
    buf_fini(&once);
    buf_fini(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct tally_limits limits = { 4, 8, 64 * 1024 };
    struct tally tally;
    struct tally again;
    struct buf bytes = { 0 };
    struct buf twice = { 0 };

    read_file(str_of(data, size));
    if (!tally_decode(str_of(data, size), limits, is_row, &tally))
        return 0;
    check(tally.size <= limits.size_max && tally.subject_count <= limits.subjects_max);
    tally_encode(&bytes, &tally);
    check(tally_decode(buf_str(&bytes), limits, is_row, &again));
    tally_encode(&twice, &again);
    check(str_equals(buf_str(&bytes), buf_str(&twice)));
    for (const struct tally_subject *at = tally_first(&tally); at != NULL;
         at = tally_next(&tally, at)) {
        check(at->line_count > 0 && at->line_count <= limits.lines_max);
        tell(at);
    }
    tally_fini(&tally);
    tally_fini(&again);
    buf_fini(&bytes);
    buf_fini(&twice);
    return 0;
}
