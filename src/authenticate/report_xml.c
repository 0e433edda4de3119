/* SPDX-License-Identifier: ISC */
/* report_xml.c: see report_xml.h.
 *
 * RFC 7489 had the same elements without a name space, and some that are gone (pct); readers of
 * either look for elements by name.
 */
#include "authenticate/report_xml.h"

#include <inttypes.h>

#include "base/printable.h"

#define NAMESPACE "urn:ietf:params:xml:ns:dmarc-2.0"

/* ---- text ---- */

/* XML 1.0 2.2, without what it discourages and the control characters that it lets pass. */
static bool is_character(uint32_t code)
{
    return code >= 0x20 && (code < 0x7f || code > 0x9f) && (code & 0xfffe) != 0xfffe &&
           (code < 0xfdd0 || code > 0xfdef);
}

static struct str entity(char c)
{
    switch (c) {
    case '&':
        return STR("&amp;");
    case '<':
        return STR("&lt;");
    case '>':
        return STR("&gt;");
    case '"':
        return STR("&quot;");
    case '\'':
        return STR("&apos;");
    default:
        return STR_NONE;
    }
}

void report_xml_add_text(struct buf *out, struct str text)
{
    while (text.len > 0) {
        uint32_t code;
        size_t len = printable_utf8(text, &code);
        struct str instead = entity(text.ptr[0]);

        if (len == 0 || !is_character(code))
            instead = STR("?");
        buf_add(out, instead.len > 0 ? instead : str_first(text, len));
        text = str_skip(text, len > 0 ? len : 1);
    }
}

/* ---- elements ---- */

enum { INDENT = 2 };

static void add_line(struct buf *out, unsigned depth, const char *line)
{
    buf_add_format(out, "%*s%s\n", (int)(depth * INDENT), "", line);
}

static void add_element(struct buf *out, unsigned depth, const char *name, struct str text)
{
    buf_add_format(out, "%*s<%s>", (int)(depth * INDENT), "", name);
    report_xml_add_text(out, text);
    buf_add_format(out, "</%s>\n", name);
}

static void add_word(struct buf *out, unsigned depth, const char *name, const char *word)
{
    add_element(out, depth, name, str_from(word));
}

static void add_number(struct buf *out, unsigned depth, const char *name, uint64_t number)
{
    buf_add_format(out, "%*s<%s>%" PRIu64 "</%s>\n", (int)(depth * INDENT), "", name, number, name);
}

/* ---- head ---- */

static void add_left_out(struct buf *out, uint64_t count)
{
    if (count == 0)
        return;
    buf_add_format(out,
                   "    <error>%" PRIu64 " message%s left out: there was no room for more rows "
                   "in this report.</error>\n",
                   count, count == 1 ? " is" : "s are");
}

static void add_metadata(struct buf *out, const struct tally *report,
                         const struct tally_subject *domain, const struct report_about *about)
{
    add_line(out, 1, "<report_metadata>");
    add_element(out, 2, "org_name", about->organisation);
    add_element(out, 2, "email", about->email);
    if (about->contact.len > 0)
        add_element(out, 2, "extra_contact_info", about->contact);
    add_element(out, 2, "report_id", about->id);
    add_line(out, 2, "<date_range>");
    add_number(out, 3, "begin", (uint64_t)report->begin_s);
    add_number(out, 3, "end", (uint64_t)about->end_s);
    add_line(out, 2, "</date_range>");
    add_left_out(out, domain->left_out);
    add_word(out, 2, "generator", "holdfast " HOLDFAST_VERSION);
    add_line(out, 1, "</report_metadata>");
}

/* The walk up the tree is the only way in which we look for a record. */
static void add_policy(struct buf *out, const struct report_policy *policy)
{
    const struct dmarc_record *record = &policy->record;

    add_line(out, 1, "<policy_published>");
    add_element(out, 2, "domain", policy->domain);
    add_word(out, 2, "discovery_method", "treewalk");
    add_word(out, 2, "p", dmarc_policy_name(record->policy));
    add_word(out, 2, "sp", dmarc_policy_name(record->below));
    add_word(out, 2, "np", dmarc_policy_name(record->below_not_there));
    add_word(out, 2, "adkim", record->is_dkim_strict ? "s" : "r");
    add_word(out, 2, "aspf", record->is_spf_strict ? "s" : "r");
    add_word(out, 2, "testing", record->is_testing ? "y" : "n");
    add_line(out, 1, "</policy_published>");
}

/* ---- rows ---- */

static void add_evaluated(struct buf *out, const struct report_row *row)
{
    static const char *const disposition[] = {
        [REPORT_NONE] = "none",
        [REPORT_PASS] = "pass",
        [REPORT_QUARANTINE] = "quarantine",
        [REPORT_REJECT] = "reject",
    };
    static const char *const override[] = {
        [REPORT_AS_ASKED] = NULL,
        [REPORT_LOCAL_POLICY] = "local_policy",
        [REPORT_TEST_MODE] = "policy_test_mode",
    };

    add_line(out, 3, "<policy_evaluated>");
    add_word(out, 4, "disposition", disposition[row->disposition]);
    add_word(out, 4, "dkim", row->is_dkim_aligned ? "pass" : "fail");
    add_word(out, 4, "spf", row->is_spf_aligned ? "pass" : "fail");
    if (override[row->override] != NULL) {
        add_line(out, 4, "<reason>");
        add_word(out, 5, "type", override[row->override]);
        add_line(out, 4, "</reason>");
    }
    add_line(out, 3, "</policy_evaluated>");
}

static void add_row(struct buf *out, const struct report_row *row, uint64_t count)
{
    struct buf source = { 0 };

    endpoint_add_ip(&source, row->source);
    add_line(out, 2, "<row>");
    add_element(out, 3, "source_ip", buf_str(&source));
    add_number(out, 3, "count", count);
    add_evaluated(out, row);
    add_line(out, 2, "</row>");
    buf_fini(&source);
}

/* An empty envelope_from is a null sender. */
static void add_identifiers(struct buf *out, const struct report_row *row)
{
    add_line(out, 2, "<identifiers>");
    add_element(out, 3, "header_from", row->header_from);
    if (row->envelope_from.len > 0 || row->has_null_sender)
        add_element(out, 3, "envelope_from", row->envelope_from);
    add_line(out, 2, "</identifiers>");
}

static void add_signature(struct buf *out, const struct report_signature *signature)
{
    add_line(out, 3, "<dkim>");
    add_element(out, 4, "domain", signature->domain);
    add_element(out, 4, "selector", signature->selector);
    add_word(out, 4, "result", dkim_result_name(signature->result));
    add_line(out, 3, "</dkim>");
}

/* A HELO name that stands for a null sender is a MAIL FROM identity, too (RFC 7208 2.4), and RFC
 * 9990 knows no other scope. */
static void add_spf(struct buf *out, const struct report_row *row)
{
    if (row->spf_domain.len == 0)
        return;
    add_line(out, 3, "<spf>");
    add_element(out, 4, "domain", row->spf_domain);
    add_word(out, 4, "scope", "mfrom");
    add_word(out, 4, "result", spf_result_name(row->spf_result));
    add_line(out, 3, "</spf>");
}

static void add_record(struct buf *out, const struct report_row *row, uint64_t count)
{
    add_line(out, 1, "<record>");
    add_row(out, row, count);
    add_identifiers(out, row);
    add_line(out, 2, "<auth_results>");
    for (uint32_t i = 0; i < row->signature_count; i++)
        add_signature(out, &row->signature[i]);
    add_spf(out, row);
    add_line(out, 2, "</auth_results>");
    add_line(out, 1, "</record>");
}

void report_xml_add(struct buf *out, const struct tally *report, const struct tally_subject *domain,
                    const struct report_about *about)
{
    const struct report_policy policy = report_policy_of(domain);

    add_line(out, 0, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    add_line(out, 0, "<feedback xmlns=\"" NAMESPACE "\">");
    add_line(out, 1, "<version>1.0</version>");
    add_metadata(out, report, domain, about);
    add_policy(out, &policy);
    list_each (at, &domain->lines) {
        const struct tally_line *line = container_of(at, struct tally_line, link);
        const struct report_row row = report_row_of_line(domain, line);
        add_record(out, &row, line->count);
    }
    add_line(out, 0, "</feedback>");
}
