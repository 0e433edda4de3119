/* SPDX-License-Identifier: ISC */
/* mta_sts.h: MTA-STS (RFC 8461): the record that says that a domain has a policy, the policy, and
 * which hosts it names.
 */
#pragma once

#include "base/buf.h"

enum sts_mode { STS_NONE, STS_TESTING, STS_ENFORCE };

enum {
    STS_ID_MAX = 32,
    STS_MX_MAX = 512,             /* patterns; more are left out */
    STS_POLICY_MAX = 64 * 1024,   /* octets of a policy (RFC 8461 3.3) */
    STS_MAX_AGE_MAX_S = 31557600, /* a year; what is more counts as this */
};

struct sts_policy { /* borrowed from the text */
    enum sts_mode mode;
    uint32_t max_age_s;
    struct str mx[STS_MX_MAX]; /* patterns: a name, or "*." and one */
    uint32_t mx_count;
};

/* The TXT record of _mta-sts.DOMAIN, its strings joined (RFC 8461 3.1); *out_id is borrowed. */
bool sts_record_parse(struct str text, struct str *out_id);
/* RFC 8461 3.2. False: this is no policy, and none is in force by it. */
bool sts_policy_parse(struct str text, struct sts_policy *out_policy);
/* What there is in it, and no more; as sts_policy_parse() takes it. */
void sts_policy_add_text(struct buf *out, const struct sts_policy *policy);
const char *sts_mode_name(enum sts_mode mode); /* none testing enforce */
/* Of the web server's answer: text/plain, whatever its parameters (RFC 8461 3.2). */
bool sts_is_media_type(struct str type);
/* Is this host, in normal form, one of those that the policy names (RFC 8461 4.1)? */
bool sts_policy_names(const struct sts_policy *policy, struct str host);
