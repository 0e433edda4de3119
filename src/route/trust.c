/* SPDX-License-Identifier: ISC */
/* trust.c: see trust.h. */
#include "route/trust.h"

enum { HEAD = 3 }; /* octets: usage, selector, matching type (RFC 6698 2.1) */

bool trust_wants_tlsa(bool is_mx_secure, bool is_host_secure)
{
    return is_mx_secure && is_host_secure;
}

static struct trust demand(enum security_level level, const struct trust_facts *facts)
{
    bool is_tested = facts->policy == TRUST_POLICY_TESTING && facts->policy_names_host;

    return (struct trust){ .may_be_used = true,
                           .level = level,
                           .is_watched = is_tested && level < SECURITY_NAME };
}

/* Without TLSA records the policy decides. */
static struct trust decide_by_policy(const struct trust_facts *facts)
{
    if (facts->policy != TRUST_POLICY_ENFORCE)
        return demand(SECURITY_MAY, facts);
    if (!facts->policy_names_host)
        return (struct trust){ .may_be_used = false };
    return demand(SECURITY_NAME, facts);
}

struct trust trust_decide(const struct trust_facts *facts)
{
    bool is_named = facts->policy == TRUST_POLICY_ENFORCE && facts->policy_names_host;

    if (!trust_wants_tlsa(facts->is_mx_secure, facts->is_host_secure))
        return decide_by_policy(facts);
    switch (facts->tlsa) {
    case TRUST_TLSA_USABLE:
        return demand(SECURITY_TLSA, facts);
    case TRUST_TLSA_UNUSABLE:
        return demand(is_named ? SECURITY_NAME : SECURITY_MUST, facts);
    case TRUST_TLSA_UNKNOWN:
        return (struct trust){ .may_be_used = false };
    case TRUST_TLSA_ABSENT:
        break;
    }
    return decide_by_policy(facts);
}

/* ---- records ---- */

static bool is_usable(const struct security_tlsa *tlsa)
{
    static const size_t digest_size[] = { 0, 32, 64 };

    if (tlsa->usage != 2 && tlsa->usage != 3) /* RFC 7672 3.1.3 */
        return false;
    if (tlsa->selector > 1 || tlsa->matching > 2 || tlsa->data.len == 0)
        return false;
    return tlsa->matching == 0 || tlsa->data.len == digest_size[tlsa->matching];
}

enum trust_tlsa trust_read_tlsa(const struct dns_answer *answer, struct security *security)
{
    if (answer->status == DNS_FAILED)
        return TRUST_TLSA_UNKNOWN;
    if (answer->status != DNS_FOUND || !answer->secure) /* RFC 7672 2.1.1 */
        return TRUST_TLSA_ABSENT;
    for (uint32_t i = 0; i < answer->record_count && security->tlsa_count < SECURITY_TLSA_MAX;
         i++) {
        struct str data = answer->record[i].data;
        if (data.len < HEAD)
            continue;
        const struct security_tlsa tlsa = {
            .usage = (uint8_t)data.ptr[0],
            .selector = (uint8_t)data.ptr[1],
            .matching = (uint8_t)data.ptr[2],
            .data = str_skip(data, HEAD),
        };
        if (is_usable(&tlsa))
            security->tlsa[security->tlsa_count++] = tlsa;
    }
    return security->tlsa_count > 0 ? TRUST_TLSA_USABLE : TRUST_TLSA_UNUSABLE;
}
