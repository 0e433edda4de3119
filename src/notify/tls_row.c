/* SPDX-License-Identifier: ISC */
/* tls_row.c: see tls_row.h.
 *
 *     row = version:1 policy:1 result:1 policy-text host to from reason
 *
 * Texts are counted; endpoints are as endpoint_encode() has them, without port.
 */
#include "notify/tls_row.h"

enum { VERSION = 1, HOST_MAX = 255 };

const char *tls_policy_name(enum tls_policy policy)
{
    static const char *const names[] = {
        [TLS_POLICY_NONE] = "no-policy-found",
        [TLS_POLICY_STS] = "sts",
        [TLS_POLICY_TLSA] = "tlsa",
    };
    return names[policy];
}

const char *tls_result_name(enum tls_result result)
{
    static const char *const names[] = {
        [TLS_RESULT_SUCCESS] = "success",
        [TLS_RESULT_NO_STARTTLS] = "starttls-not-supported",
        [TLS_RESULT_HOST_MISMATCH] = "certificate-host-mismatch",
        [TLS_RESULT_EXPIRED] = "certificate-expired",
        [TLS_RESULT_NOT_TRUSTED] = "certificate-not-trusted",
        [TLS_RESULT_VALIDATION] = "validation-failure",
        [TLS_RESULT_DNSSEC_INVALID] = "dnssec-invalid",
        [TLS_RESULT_STS_FETCH] = "sts-policy-fetch-error",
        [TLS_RESULT_STS_INVALID] = "sts-policy-invalid",
        [TLS_RESULT_STS_WEBPKI] = "sts-webpki-invalid",
    };
    return names[result];
}

bool tls_result_is_of_policy(enum tls_result result)
{
    return result >= TLS_RESULT_STS_FETCH;
}

/* ---- under which policy ---- */

/* As a zone file has it: "3 1 1 0f3a…" */
static void add_record(struct buf *out, const struct security_tlsa *record)
{
    buf_add_format(out, "%u %u %u ", record->usage, record->selector, record->matching);
    for (size_t i = 0; i < record->data.len; i++)
        buf_add_format(out, "%02x", (unsigned char)record->data.ptr[i]);
    buf_add_byte(out, '\n');
}

void tls_row_judge(struct tls_row *row, const struct security *security,
                   const struct sts_policy *policy, struct buf *room)
{
    buf_reset(room);
    if (security->level == SECURITY_TLSA && security->tlsa_count > 0) {
        row->policy = TLS_POLICY_TLSA;
        for (uint32_t i = 0; i < security->tlsa_count; i++)
            add_record(room, &security->tlsa[i]);
    } else if (policy != NULL && policy->mode != STS_NONE) {
        row->policy = TLS_POLICY_STS;
        sts_policy_add_text(room, policy);
        if (row->result == TLS_RESULT_SUCCESS && policy->mode == STS_TESTING &&
            !sts_policy_names(policy, row->host)) {
            row->result = TLS_RESULT_VALIDATION;
            row->reason = STR("the policy does not name this host");
        }
    }
    row->policy_text = buf_str(room);
}

/* ---- octets ---- */

static void add_address(struct buf *out, struct endpoint endpoint)
{
    endpoint.port = 0;
    endpoint_encode(out, endpoint);
}

/* Whole lines alone. */
static struct str cut_policy(struct str text)
{
    if (text.len <= TLS_POLICY_TEXT_MAX)
        return text;
    text = str_first(text, TLS_POLICY_TEXT_MAX);
    return str_first(text, (size_t)(str_find_last(text, '\n') + 1));
}

void tls_row_encode(struct buf *out, const struct tls_row *row)
{
    static const struct endpoint nowhere = { 0 };
    bool tells_who = row->result != TLS_RESULT_SUCCESS && !tls_result_is_of_policy(row->result);
    bool tells_host =
        tells_who || row->policy == TLS_POLICY_TLSA; /* it is whose records they are */

    buf_add_u8(out, VERSION);
    buf_add_u8(out, (uint8_t)row->policy);
    buf_add_u8(out, (uint8_t)row->result);
    buf_add_counted(out, cut_policy(row->policy_text));
    buf_add_counted(out, tells_host ? str_first(row->host, HOST_MAX) : STR_NONE);
    add_address(out, tells_who ? row->to : nowhere);
    add_address(out, tells_who ? row->from : nowhere);
    buf_add_counted(out, row->result != TLS_RESULT_SUCCESS ? str_first(row->reason, TLS_REASON_MAX)
                                                           : STR_NONE);
}

static bool is_row(const struct tls_row *row)
{
    return row->policy_text.len <= TLS_POLICY_TEXT_MAX && row->host.len <= HOST_MAX &&
           row->reason.len <= TLS_REASON_MAX;
}

bool tls_row_decode(struct str bytes, struct tls_row *out_row)
{
    struct cursor cursor = cursor_over(bytes);
    unsigned version = cursor_u8(&cursor);
    unsigned policy = cursor_u8(&cursor);
    unsigned result = cursor_u8(&cursor);

    if (version != VERSION || policy >= TLS_POLICIES || result >= TLS_RESULTS)
        return false;
    struct tls_row row = { .policy = (enum tls_policy)policy, .result = (enum tls_result)result };
    row.policy_text = cursor_counted(&cursor);
    row.host = cursor_counted(&cursor);
    row.to = endpoint_decode(&cursor);
    row.from = endpoint_decode(&cursor);
    row.reason = cursor_counted(&cursor);
    if (!cursor_done(&cursor) || !is_row(&row))
        return false;
    *out_row = row;
    return true;
}
