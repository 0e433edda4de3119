/* SPDX-License-Identifier: ISC */
/* policy.h: what a domain wants done about a message after what was found out about its sender.
 *
 * Three things speak against a message, in this order: a stranger who gives a protected domain as
 * its sender (SPEC R9), an SPF failure, and a From domain whose DMARC policy says reject.
 */
#pragma once

#include "authenticate/authentication.h"
#include "config/settings.h"
#include "mail/judgement.h"

enum { POLICY_PRIMARIES_MAX = 16 };

struct policy { /* of one domain */
    bool is_protected;
    bool checks_senders;
    bool seals; /* ARC; what was checked */
    enum setting_action dmarc_reject;
    enum setting_action spf_fail;
    enum setting_action own_sender;
    struct endpoint primary[POLICY_PRIMARIES_MAX]; /* of it; port 0 */
    uint32_t primary_count;
};

bool policy_is_primary(const struct policy *policy, struct endpoint client); /* one of its own */
void policy_encode(struct buf *out, const struct policy *policy);
bool policy_decode(struct cursor *cursor, struct policy *out_policy);

/* What a recipient's domain wants done; `of_sender` is the policy of the domain in MAIL FROM, with
 * is_protected false if it is none of ours. UNSURE: the DNS did not answer what decides it. The
 * reason is set unless it is GOOD. */
enum judgement policy_judge(const struct policy *policy, const struct policy *of_sender,
                            const struct authentication *authentication,
                            struct verdict *out_reason);
/* Of a recipient whom nobody knows, and who gets only mail that passes SPF or DKIM (SPEC V4). */
enum judgement policy_judge_suspect(const struct authentication *authentication,
                                    struct verdict *out_reason);
