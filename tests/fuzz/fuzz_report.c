/* SPDX-License-Identifier: ISC */
/* fuzz_report.c: what travels and what is kept of reports, and who is sent them, by the first
 * octet:
 *
 *   r  a row that decodes is written back byte by byte; gathered, it makes XML of one record.
 *   a  a whole report that decodes is the same after it was written and read again, is within its
 *      limits, and each of its domains makes a message.
 *   t  rua= up to a NUL, then answers: what may be written to stands in one header field, in the
 *      author's organisation or where it was asked, and the questions are bounded.
 */
#include "authenticate/report_mail.h"
#include "authenticate/report_target.h"
#include "authenticate/report_xml.h"
#include "base/check.h"
#include "stream_dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct tally_limits limits = { 4, 4, 20000 };
static const struct report_about about = {
    .organisation = { "Example", 7 }, .email = { "a@example.net", 13 }, .id = { "1", 1 }, .end_s = 1
};

static unsigned count(struct str text, struct str word)
{
    unsigned found = 0;
    for (size_t i = 0; i + word.len <= text.len; i++)
        found += str_starts(str_skip(text, i), word) ? 1 : 0;
    return found;
}

/* Every tag is one of ours, each is closed, and there is nothing that XML does not know. */
static void check_xml(struct str xml, uint32_t records)
{
    check(count(xml, STR("<record>")) == records && count(xml, STR("</record>")) == records);
    check(2 * count(xml, STR("</")) + 1 == count(xml, STR("<")));
    check(count(xml, STR("<")) == count(xml, STR(">")));
    for (size_t i = 0; i < xml.len; i++)
        check((unsigned char)xml.ptr[i] >= ' ' || xml.ptr[i] == '\n');
}

static void check_mail(struct str domain, struct str to, struct str xml)
{
    struct buf out = { 0 };
    struct report_mail mail = { .from = about.email,
                                .to = to,
                                .message_id = STR("<1@example.net>"),
                                .submitter = STR("mx.example.net"),
                                .domain = domain,
                                .id = about.id,
                                .end_s = 1,
                                .xml = xml };
    check(report_mail_add(&out, &mail));
    buf_fini(&out);
}

static void check_domains(const struct tally *report)
{
    check(report->size <= limits.size_max && report->subject_count <= limits.subjects_max);
    for (struct tally_subject *at = tally_first(report); at != NULL; at = tally_next(report, at)) {
        struct buf xml = { 0 };
        check(at->line_count > 0 && at->line_count <= limits.lines_max);
        report_xml_add(&xml, report, at, &about);
        check_xml(buf_str(&xml), at->line_count);
        check_mail(buf_str(&at->name), STR("a@example.com"), buf_str(&xml));
        buf_fini(&xml);
    }
}

static void try_row(struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct report_row row;
    struct tally report;
    struct buf again = { 0 };

    if (!report_row_decode(&cursor, &row))
        return;
    report_row_encode(&again, &row);
    check(str_equals(buf_str(&again), str_first(bytes, bytes.len - cursor.left.len)));
    tally_init(&report, limits, 0);
    report_add(&report, &row);
    report_add(&report, &row);
    check(tally_first(&report)->line_count == 1 && report.left_out == 0);
    check_domains(&report);
    tally_fini(&report);
    check(report.size == 0);
    buf_fini(&again);
}

static void try_report(struct str bytes)
{
    struct buf first = { 0 };
    struct buf second = { 0 };
    struct tally report;
    struct tally again;

    if (!report_decode(bytes, limits, &report))
        return;
    check_domains(&report);
    tally_encode(&first, &report);
    check(report_decode(buf_str(&first), limits, &again));
    tally_encode(&second, &again);
    check(str_equals(buf_str(&first), buf_str(&second)) && report.size == again.size);
    tally_fini(&report);
    tally_fini(&again);
    buf_fini(&first);
    buf_fini(&second);
}

static void try_targets(struct str bytes)
{
    struct stream_dns dns = { .left = bytes };
    struct report_policy policy = { .domain = STR("mail.example.com") };
    struct dns_answers known = { 0 };
    struct arena arena = { 0 };
    struct buf room = { 0 };
    struct dns_question question;
    struct report_targets targets;

    policy.record.reports = stream_cut(&dns.left);
    while (!report_targets_decide(&policy, &known, &arena, &room, &targets, &question)) {
        stream_dns_ask(&dns, question, &known);
        check(dns.asked <= REPORT_QUESTIONS_MAX);
    }
    check(targets.count <= REPORT_TARGETS_MAX);
    for (unsigned i = 0; i < targets.count; i++) {
        struct str host = targets.target[i].domain;
        check_mail(policy.domain, targets.target[i].address, STR("<feedback/>"));
        check(dns.asked > 0 || str_equals(host, policy.domain));
    }
    dns_answers_fini(&known);
    arena_fini(&arena);
    buf_fini(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_skip(str_of(data, size), 1);

    if (size == 0)
        return 0;
    if (data[0] == 'r')
        try_row(bytes);
    else if (data[0] == 'a')
        try_report(bytes);
    else
        try_targets(bytes);
    return 0;
}
