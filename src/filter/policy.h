/* SPDX-License-Identifier: ISC */
/* policy.h: which filters see a domain's mail, and what it wants done about what they say (SPEC
 * A8). */
#pragma once

#include "base/cursor.h"
#include "config/settings.h"
#include "filter/milter.h"
#include "mail/judgement.h"

struct filter_policy { /* of one domain */
    enum setting_action reject;
    enum setting_gone gone;
    struct setting_text names; /* "rspamd,clamav", in order */
};

void filter_policy_encode(struct buf *out, const struct filter_policy *policy);
bool filter_policy_decode(struct cursor *cursor, struct filter_policy *out_policy);
struct str filter_policy_names(const struct filter_policy *policy);
bool filter_policy_has(const struct filter_policy *policy, struct str name);

/* What the domain wants done with a recipient after a filter's result. The reason is set unless it
 * is GOOD. *out_is_marked: the mail is to say so. */
enum judgement filter_judge(const struct filter_policy *policy, struct str filter,
                            const struct milter_result *result, uint32_t recipient,
                            struct verdict *out_reason, bool *out_is_marked);
/* "X-Holdfast-Filter: rspamd=refused (550 5.7.1 Spam)", with CRLF: what speaks against a message
 * that goes on nevertheless. */
void filter_add_mark(struct buf *out, struct str filter, const struct milter_result *result);
/* Such a field of somebody else's. */
bool filter_is_mark(const struct header_field *field);
