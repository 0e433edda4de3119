/* SPDX-License-Identifier: ISC */
/* report_row.c: see report_row.h.
 *
 *     row    = version:1 policy source disposition:1 override:1 flags:1
 *              header-from envelope-from spf-domain spf-result:1
 *              count:1 *( domain selector result:1 )
 *     policy = domain p:1 sp:1 np:1 flags:1 rua
 *
 * Texts are counted; the source is as endpoint_encode() has it.
 */
#include "authenticate/report_row.h"

#include "authenticate/authentication.h"
#include "mail/domain.h"

enum { ROW_VERSION = 1 };

enum { POLICY_SPF_STRICT = 1, POLICY_DKIM_STRICT = 2, POLICY_TESTING = 4, POLICY_FLAGS = 7 };

enum { ROW_DKIM_ALIGNED = 1, ROW_SPF_ALIGNED = 2, ROW_NULL_SENDER = 4, ROW_FLAGS = 7 };

/* ---- what a row may hold ---- */

/* In normal form. */
static bool is_name(struct str name)
{
    if (!domain_is_valid(name) || name.len > DOMAIN_SIZE_MAX || name.ptr[name.len - 1] == '.')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (ascii_lower(name.ptr[i]) != name.ptr[i])
            return false;
    return true;
}

static bool is_name_or_none(struct str name)
{
    return name.len == 0 || is_name(name);
}

static bool is_signature(const struct report_signature *signature)
{
    return is_name(signature->domain) && signature->selector.len > 0 &&
           signature->selector.len <= REPORT_SELECTOR_MAX;
}

static bool is_policy(const struct report_policy *policy)
{
    return is_name(policy->domain) && policy->record.reports.len <= REPORT_RUA_MAX;
}

static bool is_row(const struct report_row *row)
{
    for (uint32_t i = 0; i < row->signature_count; i++)
        if (!is_signature(&row->signature[i]))
            return false;
    return is_policy(&row->policy) && row->source.family != ENDPOINT_NONE &&
           row->source.port == 0 && is_name(row->header_from) &&
           is_name_or_none(row->envelope_from) && is_name_or_none(row->spf_domain);
}

/* ---- bytes ---- */

static unsigned flag(bool is_set, unsigned bit)
{
    return is_set ? bit : 0;
}

void report_policy_encode(struct buf *out, const struct report_policy *policy)
{
    const struct dmarc_record *record = &policy->record;

    buf_add_counted(out, policy->domain);
    buf_add_u8(out, (uint8_t)record->policy);
    buf_add_u8(out, (uint8_t)record->below);
    buf_add_u8(out, (uint8_t)record->below_not_there);
    buf_add_u8(out, (uint8_t)(flag(record->is_spf_strict, POLICY_SPF_STRICT) |
                              flag(record->is_dkim_strict, POLICY_DKIM_STRICT) |
                              flag(record->is_testing, POLICY_TESTING)));
    buf_add_counted(out, record->reports);
}

void report_row_encode(struct buf *out, const struct report_row *row)
{
    buf_add_u8(out, ROW_VERSION);
    report_policy_encode(out, &row->policy);
    endpoint_encode(out, row->source);
    buf_add_u8(out, (uint8_t)row->disposition);
    buf_add_u8(out, (uint8_t)row->override);
    buf_add_u8(out, (uint8_t)(flag(row->is_dkim_aligned, ROW_DKIM_ALIGNED) |
                              flag(row->is_spf_aligned, ROW_SPF_ALIGNED) |
                              flag(row->has_null_sender, ROW_NULL_SENDER)));
    buf_add_counted(out, row->header_from);
    buf_add_counted(out, row->envelope_from);
    buf_add_counted(out, row->spf_domain);
    buf_add_u8(out, (uint8_t)row->spf_result);
    buf_add_u8(out, (uint8_t)row->signature_count);
    for (uint32_t i = 0; i < row->signature_count; i++) {
        buf_add_counted(out, row->signature[i].domain);
        buf_add_counted(out, row->signature[i].selector);
        buf_add_u8(out, (uint8_t)row->signature[i].result);
    }
}

/* A number up to `max`; more fails the cursor. */
static uint8_t decode_up_to(struct cursor *cursor, unsigned max)
{
    uint8_t number = cursor_u8(cursor);
    if (number > max) {
        cursor->failed = true;
        return 0;
    }
    return number;
}

static enum dmarc_policy decode_action(struct cursor *cursor)
{
    return (enum dmarc_policy)decode_up_to(cursor, DMARC_POLICY_REJECT);
}

bool report_policy_decode(struct cursor *cursor, struct report_policy *out_policy)
{
    struct report_policy policy = { .domain = cursor_counted(cursor) };
    struct dmarc_record *record = &policy.record;

    record->policy = decode_action(cursor);
    record->below = decode_action(cursor);
    record->below_not_there = decode_action(cursor);
    unsigned flags = decode_up_to(cursor, POLICY_FLAGS);
    record->is_spf_strict = (flags & POLICY_SPF_STRICT) != 0;
    record->is_dkim_strict = (flags & POLICY_DKIM_STRICT) != 0;
    record->is_testing = (flags & POLICY_TESTING) != 0;
    record->reports = cursor_counted(cursor);
    if (!cursor_ok(cursor) || !is_policy(&policy))
        return false;
    *out_policy = policy;
    return true;
}

static void decode_signatures(struct cursor *cursor, struct report_row *row)
{
    row->signature_count = decode_up_to(cursor, REPORT_SIGNATURES_MAX);
    for (uint32_t i = 0; i < row->signature_count; i++) {
        row->signature[i].domain = cursor_counted(cursor);
        row->signature[i].selector = cursor_counted(cursor);
        row->signature[i].result = (enum dkim_result)decode_up_to(cursor, DKIM_PERMERROR);
    }
}

bool report_row_decode(struct cursor *cursor, struct report_row *out_row)
{
    struct report_row row = { 0 };

    if (cursor_u8(cursor) != ROW_VERSION || !report_policy_decode(cursor, &row.policy))
        return false;
    row.source = endpoint_decode(cursor);
    row.disposition = (enum report_disposition)decode_up_to(cursor, REPORT_REJECT);
    row.override = (enum report_override)decode_up_to(cursor, REPORT_TEST_MODE);
    unsigned flags = decode_up_to(cursor, ROW_FLAGS);
    row.is_dkim_aligned = (flags & ROW_DKIM_ALIGNED) != 0;
    row.is_spf_aligned = (flags & ROW_SPF_ALIGNED) != 0;
    row.has_null_sender = (flags & ROW_NULL_SENDER) != 0;
    row.header_from = cursor_counted(cursor);
    row.envelope_from = cursor_counted(cursor);
    row.spf_domain = cursor_counted(cursor);
    row.spf_result = (enum spf_result)decode_up_to(cursor, SPF_PERMERROR);
    decode_signatures(cursor, &row);
    if (!cursor_ok(cursor) || !is_row(&row))
        return false;
    *out_row = row;
    return true;
}

/* ---- a judged message ---- */

/* Only whole addresses, if there are more than we carry. */
static struct str cut_reports(struct str reports)
{
    if (reports.len <= REPORT_RUA_MAX)
        return reports;
    ptrdiff_t comma = str_find_last(str_first(reports, REPORT_RUA_MAX + 1), ',');
    return comma < 0 ? STR_NONE : str_first(reports, (size_t)comma);
}

static void take_signatures(const struct dkim *dkim, struct report_row *row)
{
    for (unsigned i = 0; i < dkim->count; i++) {
        struct report_signature *signature = &row->signature[row->signature_count];
        *signature = (struct report_signature){ .domain = dkim->verdict[i].domain,
                                                .selector = dkim->verdict[i].selector,
                                                .result = dkim->verdict[i].result };
        if (is_signature(signature)) /* else it cannot be read, and is nobody's */
            row->signature_count++;
    }
}

/* What the record asks for against what was done. */
static void explain(const struct dmarc_verdict *dmarc, enum report_disposition done,
                    struct report_row *row)
{
    static const enum report_disposition asked[] = {
        [DMARC_POLICY_NONE] = REPORT_NONE,
        [DMARC_POLICY_QUARANTINE] = REPORT_QUARANTINE,
        [DMARC_POLICY_REJECT] = REPORT_REJECT,
    };
    bool is_proved = row->is_dkim_aligned || row->is_spf_aligned;
    bool is_nothing = done == REPORT_NONE || done == REPORT_PASS;
    enum report_disposition published = is_proved ? REPORT_NONE : asked[dmarc->published];
    enum report_disposition wanted = is_proved ? REPORT_NONE : asked[dmarc->wanted];

    row->disposition = is_nothing ? REPORT_NONE : done;
    if (row->disposition != wanted)
        row->override = REPORT_LOCAL_POLICY;
    else if (wanted != published)
        row->override = REPORT_TEST_MODE;
    if (is_proved && is_nothing && dmarc->published != DMARC_POLICY_NONE)
        row->disposition = REPORT_PASS;
}

bool report_row_of(const struct authentication *authentication, enum report_disposition disposition,
                   struct report_row *out_row)
{
    const struct results *results = &authentication->results;
    const struct dmarc_verdict *dmarc = &results->dmarc;
    struct report_row row = {
        .policy = { .domain = dmarc->record_domain, .record = dmarc->record },
        .source = authentication->request.client,
        .is_dkim_aligned = dmarc->is_dkim_aligned,
        .is_spf_aligned = dmarc->is_spf_aligned,
        .header_from = results->author,
        .has_null_sender = authentication->request.sender.len == 0,
        .spf_domain = authentication->spf_domain,
        .spf_result = results->spf.result,
    };

    if (dmarc->record_domain.len == 0)
        return false;
    row.source.port = 0;
    row.policy.record.psd = DMARC_PSD_UNKNOWN;
    row.policy.record.reports = cut_reports(dmarc->record.reports);
    if (!row.has_null_sender)
        row.envelope_from = row.spf_domain;
    take_signatures(&authentication->dkim, &row);
    explain(dmarc, disposition, &row);
    if (row.policy.record.reports.len == 0 || !is_row(&row))
        return false;
    *out_row = row;
    return true;
}
