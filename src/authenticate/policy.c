/* SPDX-License-Identifier: ISC */
/* policy.c: see policy.h. */
#include "authenticate/policy.h"

#include "base/cursor.h"

enum { POLICY_VERSION = 1 };

void policy_encode(struct buf *out, const struct policy *policy)
{
    buf_add_u8(out, POLICY_VERSION);
    buf_add_u8(out, policy->is_protected);
    buf_add_u8(out, policy->checks_senders);
    buf_add_u8(out, policy->seals);
    buf_add_u8(out, (uint8_t)policy->dmarc_reject);
    buf_add_u8(out, (uint8_t)policy->spf_fail);
    buf_add_u8(out, (uint8_t)policy->own_sender);
    buf_add_u8(out, (uint8_t)policy->primary_count);
    for (uint32_t i = 0; i < policy->primary_count; i++)
        endpoint_encode(out, policy->primary[i]);
}

static enum setting_action decode_action(struct cursor *cursor)
{
    uint8_t action = cursor_u8(cursor);
    if (action > ACTION_REFUSE)
        cursor->failed = true;
    return (enum setting_action)action;
}

bool policy_decode(struct cursor *cursor, struct policy *out_policy)
{
    struct policy policy = { 0 };

    if (cursor_u8(cursor) != POLICY_VERSION)
        return false;
    policy.is_protected = cursor_u8(cursor) != 0;
    policy.checks_senders = cursor_u8(cursor) != 0;
    policy.seals = cursor_u8(cursor) != 0;
    policy.dmarc_reject = decode_action(cursor);
    policy.spf_fail = decode_action(cursor);
    policy.own_sender = decode_action(cursor);
    policy.primary_count = cursor_u8(cursor);
    if (!cursor_ok(cursor) || policy.primary_count > POLICY_PRIMARIES_MAX)
        return false;
    for (uint32_t i = 0; i < policy.primary_count; i++)
        policy.primary[i] = endpoint_decode(cursor);
    *out_policy = policy;
    return cursor_ok(cursor);
}

/* ---- judging ---- */

static enum judgement judgement_of(enum setting_action action)
{
    switch (action) {
    case ACTION_REFUSE:
        return JUDGED_TO_REFUSE;
    case ACTION_HOLD:
        return JUDGED_TO_HOLD;
    case ACTION_TAG:
        break;
    }
    return JUDGED_GOOD;
}

bool policy_is_primary(const struct policy *policy, struct endpoint client)
{
    for (uint32_t i = 0; i < policy->primary_count; i++)
        if (endpoint_same_address(policy->primary[i], client))
            return true;
    return false;
}

/* Might an answer that did not come have proved the sender? */
static bool might_be_proved(const struct authentication *authentication)
{
    bool might = authentication->results.spf.result == SPF_TEMPERROR;

    for (unsigned i = 0; i < authentication->dkim.count; i++)
        might |= authentication->dkim.verdict[i].result == DKIM_TEMPERROR;
    return might;
}

static enum judgement judge_own_sender(const struct policy *of_sender,
                                       const struct authentication *authentication,
                                       struct verdict *out_reason)
{
    if (!of_sender->is_protected || of_sender->own_sender == ACTION_TAG ||
        policy_is_primary(of_sender, authentication->request.client) ||
        authentication_proves_sender(authentication))
        return JUDGED_GOOD;
    if (might_be_proved(authentication)) {
        *out_reason = verdict_make(451, 7, 1,
                                   STR("Whether you may send for this domain cannot be checked "
                                       "now; please try again later"));
        return JUDGED_UNSURE;
    }
    *out_reason = verdict_make(550, 7, 1,
                               STR("You give a domain as your sender whose mail we take: only its "
                                   "own servers may (SPF or DKIM must say so)"));
    return judgement_of(of_sender->own_sender);
}

/* RFC 7372 3.2 has the code. */
static enum judgement judge_spf(const struct policy *policy,
                                const struct authentication *authentication,
                                struct verdict *out_reason)
{
    if (authentication->results.spf.result != SPF_FAIL || policy->spf_fail == ACTION_TAG)
        return JUDGED_GOOD;
    *out_reason = verdict_make(550, 7, 23,
                               STR("SPF of your sender's domain says that your server may not "
                                   "send for it"));
    return judgement_of(policy->spf_fail);
}

static enum judgement judge_dmarc(const struct policy *policy,
                                  const struct authentication *authentication,
                                  struct verdict *out_reason)
{
    const struct dmarc_verdict *dmarc = &authentication->results.dmarc;

    if (dmarc->wanted != DMARC_POLICY_REJECT || policy->dmarc_reject == ACTION_TAG)
        return JUDGED_GOOD;
    if (dmarc->result == DMARC_TEMPERROR) { /* its policy is known, and what may prove it is not */
        *out_reason = verdict_make(451, 7, 1,
                                   STR("Whether this is from where it says it is cannot be checked "
                                       "now; please try again later"));
        return JUDGED_UNSURE;
    }
    if (dmarc->result != DMARC_FAIL)
        return JUDGED_GOOD;
    *out_reason = verdict_format(550, 7, 1,
                                 "Refused as the DMARC policy of %.*s demands: neither SPF nor "
                                 "DKIM proves that this is from there",
                                 STR_FMT(dmarc->record_domain));
    return judgement_of(policy->dmarc_reject);
}

enum judgement policy_judge(const struct policy *policy, const struct policy *of_sender,
                            const struct authentication *authentication, struct verdict *out_reason)
{
    enum judgement judgement = judge_own_sender(of_sender, authentication, out_reason);

    if (judgement == JUDGED_GOOD && policy->checks_senders)
        judgement = judge_spf(policy, authentication, out_reason);
    if (judgement == JUDGED_GOOD && policy->checks_senders)
        judgement = judge_dmarc(policy, authentication, out_reason);
    return judgement;
}

/* Does somebody answer for it, whoever that is? */
static bool passes_anything(const struct authentication *authentication)
{
    bool passes = authentication->results.spf.result == SPF_PASS;

    for (unsigned i = 0; i < authentication->dkim.count; i++)
        passes |= authentication->dkim.verdict[i].result == DKIM_PASS;
    return passes;
}

/* Not for good: he may well exist. */
enum judgement policy_judge_suspect(const struct authentication *authentication,
                                    struct verdict *out_reason)
{
    if (passes_anything(authentication))
        return JUDGED_GOOD;
    *out_reason = verdict_make(450, 7, 1,
                               STR("Whether the recipient exists cannot be asked now, and neither "
                                   "SPF nor DKIM answers for you; please try again later"));
    return JUDGED_TO_REFUSE;
}
