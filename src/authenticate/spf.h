/* SPDX-License-Identifier: ISC */
/* spf.h: may this client speak for this domain? (RFC 7208)
 *
 * A pure function of the answers known so far. It begins anew with each answer; what it does is
 * bounded by the limits of 4.6.4, whatever the DNS says: ten terms that ask, two answers without
 * records, ten names of an MX or a PTR.
 */
#pragma once

#include "wire/dns.h"

enum spf_result {
    SPF_NONE,
    SPF_NEUTRAL,
    SPF_PASS,
    SPF_FAIL,
    SPF_SOFTFAIL,
    SPF_TEMPERROR,
    SPF_PERMERROR,
};

struct spf_request {
    struct endpoint client;
    struct str helo;          /* as said */
    struct str sender_local;  /* empty: "postmaster" (4.3) */
    struct str sender_domain; /* the domain that is checked: of MAIL FROM, or the HELO name */
    struct str receiver;      /* our name, for explanations */
    int64_t now_s;
};

struct spf_verdict {
    enum spf_result result;
    struct str mechanism;   /* the directive that decided, as written; empty: none did */
    struct str explanation; /* of the domain's owner, for FAIL; empty: none */
};

/* True with the verdict, whose texts live in `room`; false with the next question, whose name
 * does. */
bool spf_decide(const struct spf_request *request, const struct dns_answers *known,
                struct buf *room, struct spf_verdict *out_verdict,
                struct dns_question *out_question);
/* "pass", "softfail" … as RFC 8601 2.7.2 writes them. */
const char *spf_result_name(enum spf_result result);
