/* SPDX-License-Identifier: ISC */
/* tls_row.h: one session as its domain's owner is told of it (RFC 8460 4): under which policy it
 * was opened, and what came of TLS.
 *
 * Rows that say the same are counted together (base/tally.h), under the domain that mail was for.
 * Of a session that went well nothing else is kept, so that all of them are one row.
 */
#pragma once

#include "base/buf.h"
#include "base/cursor.h"
#include "base/endpoint.h"
#include "mail/security.h"
#include "wire/mta_sts.h"

enum tls_policy { TLS_POLICY_NONE, TLS_POLICY_STS, TLS_POLICY_TLSA, TLS_POLICIES };

enum tls_result { /* RFC 8460 4.3 */
                  TLS_RESULT_SUCCESS,
                  TLS_RESULT_NO_STARTTLS,
                  TLS_RESULT_HOST_MISMATCH,
                  TLS_RESULT_EXPIRED,
                  TLS_RESULT_NOT_TRUSTED,
                  TLS_RESULT_VALIDATION,
                  TLS_RESULT_DNSSEC_INVALID,
                  /* These two lines: of the policy, whatever became of the session. */
                  TLS_RESULT_STS_FETCH,
                  TLS_RESULT_STS_INVALID,
                  TLS_RESULT_STS_WEBPKI,
                  TLS_RESULTS
};

enum { TLS_REASON_MAX = 200, TLS_POLICY_TEXT_MAX = 4096 };

struct tls_row {
    enum tls_policy policy;
    struct str policy_text; /* its lines, each with a newline: RFC 8460 4.4 policy-string */
    enum tls_result result;
    struct str host; /* of the MX */
    struct endpoint to;
    struct endpoint from; /* ours; family ENDPOINT_NONE: not known */
    struct str reason;    /* failure-reason-code: words, or empty */
};

const char *tls_policy_name(enum tls_policy policy); /* no-policy-found sts tlsa */
const char *tls_result_name(enum tls_result result); /* starttls-not-supported … */
bool tls_result_is_of_policy(enum tls_result result);

/* By what the session was opened: TLSA records, the MTA-STS policy that is in force (NULL: none
 * is), or neither; its text lies in `room`. Where a policy that is being tested does not name the
 * host, that is what went wrong. */
void tls_row_judge(struct tls_row *row, const struct security *security,
                   const struct sts_policy *policy, struct buf *room);

/* Leaves out what would tell one success from another, ports, and what is too long. */
void tls_row_encode(struct buf *out, const struct tls_row *row);
/* Borrows. False: those are not the octets of a row. */
bool tls_row_decode(struct str bytes, struct tls_row *out_row);
