/* SPDX-License-Identifier: ISC */
/* report.c: see report.h.
 *
 *     report = version:1 begin:8 left-out:8 count:4 *domain
 *     domain = policy left-out:8 count:4 *line
 *     line   = row (counted) count:8
 *
 * Policy and row are those of report_row.c. A line's row has an empty policy but for the domain, so
 * that its bytes are its name: the same bytes, the same line.
 */
#include "authenticate/report.h"

#include "base/check.h"
#include "base/cursor.h"
#include "base/memory.h"

enum {
    REPORT_VERSION = 1,
    SLOT_SIZE = 96, /* about what a map needs beside the name */
};
static const uint64_t BEGIN_MAX = 253402300799; /* the year 9999 ends */

const struct report_limits report_limits_usual = {
    .domains_max = 2000,
    .lines_max = 1000,
    .size_max = (size_t)16 * 1024 * 1024,
};

static void add_up(uint64_t *sum, uint64_t more)
{
    *sum = more > UINT64_MAX - *sum ? UINT64_MAX : *sum + more;
}

/* ---- its parts ---- */

static size_t line_size(size_t len) /* twice, for the map has a copy */
{
    return sizeof(struct report_line) + 2 * len + SLOT_SIZE;
}

static size_t domain_size(size_t name_len, size_t policy_len)
{
    return sizeof(struct report_domain) + name_len + policy_len + SLOT_SIZE;
}

static void free_line(struct report *report, struct report_line *line)
{
    report->size -= line_size(line->bytes.len);
    (void)map_remove(&report->by_bytes, buf_str(&line->bytes));
    list_remove(&line->link);
    buf_fini(&line->bytes);
    memory_free(line);
}

void report_drop(struct report *report, struct report_domain *domain)
{
    list_each_safe (at, &domain->lines)
        free_line(report, container_of(at, struct report_line, link));
    report->size -= domain_size(domain->policy.domain.len, domain->policy_room.len);
    report->domain_count--;
    (void)map_remove(&report->by_name, domain->policy.domain);
    list_remove(&domain->link);
    buf_fini(&domain->policy_room);
    memory_free(domain);
}

/* Takes over `bytes`, a policy. */
static void take_policy(struct report_domain *domain, struct buf *bytes)
{
    buf_fini(&domain->policy_room);
    domain->policy_room = *bytes;
    *bytes = (struct buf){ 0 };
    struct cursor cursor = cursor_over(buf_str(&domain->policy_room));
    check(report_policy_decode(&cursor, &domain->policy));
}

static struct report_domain *add_domain(struct report *report, struct buf *policy)
{
    struct report_domain *domain = memory_new(sizeof *domain);

    list_init(&domain->lines);
    take_policy(domain, policy);
    report->size += domain_size(domain->policy.domain.len, domain->policy_room.len);
    report->domain_count++;
    list_append(&report->domains, &domain->link);
    check(map_put(&report->by_name, domain->policy.domain, domain) == NULL);
    return domain;
}

static struct report_line *add_line(struct report *report, struct report_domain *domain,
                                    struct str bytes)
{
    struct report_line *line = memory_new(sizeof *line);

    buf_add(&line->bytes, bytes);
    report->size += line_size(bytes.len);
    domain->line_count++;
    list_append(&domain->lines, &line->link);
    check(map_put(&report->by_bytes, bytes, line) == NULL);
    return line;
}

/* ---- gathering ---- */

static void add_name(struct buf *out, const struct report_row *row)
{
    struct report_row bare = *row;

    bare.policy.record = (struct dmarc_record){ 0 };
    report_row_encode(out, &bare);
}

/* NULL: no room. */
static struct report_line *make_room(struct report *report, struct report_domain *domain,
                                     struct buf *policy, struct str name, size_t domain_len)
{
    size_t left = report->limits.size_max - report->size; /* it never grows beyond */
    size_t need = line_size(name.len);

    if (domain == NULL)
        need += domain_size(domain_len, policy->len);
    if (need > left || (domain == NULL ? report->domain_count >= report->limits.domains_max ||
                                             report->limits.lines_max == 0
                                       : domain->line_count >= report->limits.lines_max))
        return NULL;
    if (domain == NULL)
        domain = add_domain(report, policy);
    return add_line(report, domain, name);
}

static void count_left_out(struct report *report, struct report_domain *domain, uint64_t count)
{
    add_up(domain != NULL ? &domain->left_out : &report->left_out, count);
}

static void count_row(struct report *report, const struct report_policy *policy,
                      const struct report_row *row, uint64_t count)
{
    struct report_domain *domain = report_find(report, policy->domain);
    struct buf policy_bytes = { 0 };
    struct buf name = { 0 };

    add_name(&name, row);
    struct report_line *line = map_find(&report->by_bytes, buf_str(&name));
    if (line == NULL) {
        report_policy_encode(&policy_bytes, policy);
        line = make_room(report, domain, &policy_bytes, buf_str(&name), policy->domain.len);
    }
    if (line != NULL)
        add_up(&line->count, count);
    else
        count_left_out(report, domain, count);
    buf_fini(&policy_bytes);
    buf_fini(&name);
}

/* Its owner may have changed it meanwhile. */
static void keep_policy(struct report *report, struct report_domain *domain,
                        const struct report_policy *policy)
{
    struct buf bytes = { 0 };

    report_policy_encode(&bytes, policy);
    size_t size = report->size - domain->policy_room.len + bytes.len;
    if (!str_equals(buf_str(&bytes), buf_str(&domain->policy_room)) &&
        size <= report->limits.size_max) {
        take_policy(domain, &bytes);
        report->size = size;
    }
    buf_fini(&bytes);
}

void report_add(struct report *report, const struct report_row *row)
{
    count_row(report, &row->policy, row, 1);
    struct report_domain *domain = report_find(report, row->policy.domain);
    if (domain != NULL)
        keep_policy(report, domain, &row->policy);
}

void report_init(struct report *report, struct report_limits limits, int64_t begin_s)
{
    *report = (struct report){ .limits = limits, .begin_s = begin_s };
    list_init(&report->domains);
    map_init(&report->by_name);
    map_init(&report->by_bytes);
}

void report_fini(struct report *report)
{
    list_each_safe (at, &report->domains)
        report_drop(report, container_of(at, struct report_domain, link));
    map_fini(&report->by_name);
    map_fini(&report->by_bytes);
}

/* ---- looking ---- */

static struct report_domain *domain_at(const struct report *report, struct link *at)
{
    return at == &report->domains ? NULL : container_of(at, struct report_domain, link);
}

struct report_domain *report_first(const struct report *report)
{
    return domain_at(report, report->domains.next);
}

struct report_domain *report_next(const struct report *report, const struct report_domain *domain)
{
    return domain_at(report, domain->link.next);
}

struct report_domain *report_find(const struct report *report, struct str domain)
{
    return map_find(&report->by_name, domain);
}

void report_line_row(const struct report_domain *domain, const struct report_line *line,
                     struct report_row *out_row)
{
    struct cursor cursor = cursor_over(buf_str(&line->bytes));
    check(report_row_decode(&cursor, out_row));
    out_row->policy = domain->policy;
}

/* ---- bytes ---- */

static void encode_domain(struct buf *out, const struct report_domain *domain)
{
    report_policy_encode(out, &domain->policy);
    buf_add_u64(out, domain->left_out);
    buf_add_u32(out, domain->line_count);
    list_each (at, &domain->lines) {
        const struct report_line *line = container_of(at, struct report_line, link);
        buf_add_counted(out, buf_str(&line->bytes));
        buf_add_u64(out, line->count);
    }
}

void report_encode(struct buf *out, const struct report *report)
{
    buf_add_u8(out, REPORT_VERSION);
    buf_add_u64(out, (uint64_t)report->begin_s);
    buf_add_u64(out, report->left_out);
    buf_add_u32(out, report->domain_count);
    for (const struct report_domain *at = report_first(report); at != NULL;
         at = report_next(report, at))
        encode_domain(out, at);
}

static bool decode_line(struct cursor *cursor, const struct report_policy *policy,
                        struct report *report)
{
    struct cursor bytes = cursor_over(cursor_counted(cursor));
    uint64_t count = cursor_u64(cursor);
    struct report_row row;

    if (!cursor_ok(cursor) || count == 0 || !report_row_decode(&bytes, &row) ||
        !cursor_done(&bytes) || !str_equals(row.policy.domain, policy->domain))
        return false;
    count_row(report, policy, &row, count);
    return true;
}

static bool decode_domain(struct cursor *cursor, struct report *report)
{
    struct report_policy policy;

    if (!report_policy_decode(cursor, &policy))
        return false;
    uint64_t left_out = cursor_u64(cursor);
    uint32_t count = cursor_u32(cursor);
    for (uint32_t i = 0; i < count; i++)
        if (!decode_line(cursor, &policy, report))
            return false;
    count_left_out(report, report_find(report, policy.domain), left_out);
    return cursor_ok(cursor);
}

bool report_decode(struct str bytes, struct report_limits limits, struct report *out_report)
{
    struct cursor cursor = cursor_over(bytes);

    if (cursor_u8(&cursor) != REPORT_VERSION)
        return false;
    uint64_t begin_s = cursor_u64(&cursor);
    uint64_t left_out = cursor_u64(&cursor);
    uint32_t count = cursor_u32(&cursor);
    if (!cursor_ok(&cursor) || begin_s > BEGIN_MAX)
        return false;
    report_init(out_report, limits, (int64_t)begin_s);
    out_report->left_out = left_out;
    for (uint32_t i = 0; i < count; i++)
        if (!decode_domain(&cursor, out_report))
            goto fail;
    if (cursor_done(&cursor))
        return true;
fail:
    report_fini(out_report);
    return false;
}
