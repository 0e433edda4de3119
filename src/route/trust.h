/* SPDX-License-Identifier: ISC */
/* trust.h: how a host that the DNS names may be spoken with (RFC 7672, RFC 8461).
 *
 * MX RRset  addresses  TLSA            MTA-STS             what is demanded
 * secure    secure     usable          any                 one of the records
 *                      none of use     enforce, names it   TLS, and its name by the public CAs
 *                                      any other           TLS, with whomever
 *                      not to be had   any                 the host is not used now
 *                      proved absent   as below
 * secure    insecure   not looked up   as below
 * insecure  any        not looked up   enforce, names it   TLS, and its name by the public CAs
 *                                      enforce, does not   the host is not used
 *                                      testing or none     TLS where it is offered
 *
 * A host that a policy in testing mode names is watched, where less than its name is demanded.
 *
 * A pure function. An MX RRset that is bogus is no answer: it does not get here. What the owner of
 * the domain has set stands above all of it, and only ever demands more.
 */
#pragma once

#include "mail/security.h"
#include "wire/dns.h"

enum trust_tlsa {
    TRUST_TLSA_ABSENT,   /* it is proved that there is none, or nobody looked */
    TRUST_TLSA_USABLE,   /* at least one record is */
    TRUST_TLSA_UNUSABLE, /* there are some, and none is of use to SMTP (RFC 7672 3.1) */
    TRUST_TLSA_UNKNOWN,  /* the DNS did not say, or what it said is bogus */
};

enum trust_policy { TRUST_POLICY_NONE, TRUST_POLICY_TESTING, TRUST_POLICY_ENFORCE };

struct trust_facts {
    bool is_mx_secure;   /* validated; of a domain without MX: that there is none */
    bool is_host_secure; /* its addresses are, or the alias that led to them */
    enum trust_tlsa tlsa;
    enum trust_policy policy; /* of the domain (MTA-STS) */
    bool policy_names_host;
};

struct trust {
    bool may_be_used;          /* now */
    enum security_level level; /* if it may */
    bool is_watched;           /* its name and who has signed it are looked at, and told */
};

struct trust trust_decide(const struct trust_facts *facts);
/* Only what is secure itself can have TLSA records that mean something. */
bool trust_wants_tlsa(bool is_mx_secure, bool is_host_secure);
/* Takes the usable ones over, as far as there is room; they live as long as the answer. */
enum trust_tlsa trust_read_tlsa(const struct dns_answer *answer, struct security *security);
