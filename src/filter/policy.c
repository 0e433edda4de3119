/* SPDX-License-Identifier: ISC */
/* policy.c: see policy.h. */
#include "filter/policy.h"

enum { FILTER_POLICY_VERSION = 1 };

#define MARK "X-Holdfast-Filter"

void filter_policy_encode(struct buf *out, const struct filter_policy *policy)
{
    buf_add_u8(out, FILTER_POLICY_VERSION);
    buf_add_u8(out, (uint8_t)policy->reject);
    buf_add_u8(out, (uint8_t)policy->gone);
    buf_add_counted(out, filter_policy_names(policy));
}

bool filter_policy_decode(struct cursor *cursor, struct filter_policy *out_policy)
{
    struct filter_policy policy = { 0 };
    uint8_t version = cursor_u8(cursor);
    uint8_t reject = cursor_u8(cursor);
    uint8_t gone = cursor_u8(cursor);
    struct str names = cursor_counted(cursor);

    if (!cursor_ok(cursor) || version != FILTER_POLICY_VERSION || reject > ACTION_REFUSE ||
        gone > GONE_DEFER || names.len > sizeof policy.names.bytes)
        return false;
    policy.reject = (enum setting_action)reject;
    policy.gone = (enum setting_gone)gone;
    policy.names.len = (uint8_t)names.len;
    for (size_t i = 0; i < names.len; i++)
        policy.names.bytes[i] = names.ptr[i];
    *out_policy = policy;
    return true;
}

struct str filter_policy_names(const struct filter_policy *policy)
{
    return str_of(policy->names.bytes, policy->names.len);
}

bool filter_policy_has(const struct filter_policy *policy, struct str name)
{
    struct str names = filter_policy_names(policy);
    struct str one = STR_NONE;

    while (str_cut(&names, ',', &one))
        if (one.len > 0 && str_equals(one, name))
            return true;
    return false;
}

/* ---- judging ---- */

static enum judgement judge_refusal(const struct filter_policy *policy, bool *out_is_marked)
{
    switch (policy->reject) {
    case ACTION_REFUSE:
        return JUDGED_TO_REFUSE;
    case ACTION_HOLD:
        return JUDGED_TO_HOLD;
    case ACTION_TAG:
        break;
    }
    *out_is_marked = true;
    return JUDGED_GOOD;
}

static enum judgement judge_gone(const struct filter_policy *policy, struct str filter,
                                 struct verdict *out_reason, bool *out_is_marked)
{
    switch (policy->gone) {
    case GONE_DEFER:
        *out_reason = verdict_make(
            451, 7, 1, STR("The message cannot be looked at now; please try again later"));
        return JUDGED_UNSURE;
    case GONE_HOLD:
        *out_reason = verdict_format(451, 7, 1, "The filter %.*s did not answer", STR_FMT(filter));
        break;
    case GONE_TAG:
        break;
    }
    *out_is_marked = true;
    return policy->gone == GONE_HOLD ? JUDGED_TO_HOLD : JUDGED_GOOD;
}

static enum judgement judge_outcome(const struct filter_policy *policy, struct str filter,
                                    enum milter_outcome outcome, struct verdict *reason,
                                    bool *out_is_marked)
{
    switch (outcome) {
    case MILTER_REFUSED:
        return judge_refusal(policy, out_is_marked);
    case MILTER_DEFERRED:
        return JUDGED_UNSURE;
    case MILTER_TO_HOLD:
        return JUDGED_TO_HOLD;
    case MILTER_BROKEN:
        return judge_gone(policy, filter, reason, out_is_marked);
    case MILTER_OPEN:
    case MILTER_PASSED:
        break;
    }
    return JUDGED_GOOD;
}

/* What was said of him alone counts beside what was said, or not said any more, of all. */
enum judgement filter_judge(const struct filter_policy *policy, struct str filter,
                            const struct milter_result *result, uint32_t recipient,
                            struct verdict *out_reason, bool *out_is_marked)
{
    struct verdict his = result->verdict;
    enum judgement of_him = JUDGED_GOOD;

    *out_reason = result->verdict;
    if (recipient < result->recipient_count)
        of_him = judge_outcome(policy, filter, result->recipient[recipient], &his, out_is_marked);
    enum judgement of_all =
        judge_outcome(policy, filter, result->outcome, out_reason, out_is_marked);
    if (of_him <= of_all)
        return of_all;
    *out_reason = his;
    return of_him;
}

void filter_add_mark(struct buf *out, struct str filter, const struct milter_result *result)
{
    if (result->outcome == MILTER_BROKEN) {
        buf_add_format(out, MARK ": %.*s=gone (%s)\r\n", STR_FMT(filter), result->why);
        return;
    }
    buf_add_format(out, MARK ": %.*s=refused (", STR_FMT(filter));
    struct str text = verdict_text(&result->verdict);
    buf_add_format(out, "%u ", result->verdict.code);
    for (size_t i = 0; i < text.len; i++) { /* a comment (RFC 5322 3.2.2) */
        if (text.ptr[i] == '(' || text.ptr[i] == ')' || text.ptr[i] == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, text.ptr[i]);
    }
    buf_add(out, STR(")\r\n"));
}

bool filter_is_mark(const struct header_field *field)
{
    return header_is(field, STR(MARK));
}
