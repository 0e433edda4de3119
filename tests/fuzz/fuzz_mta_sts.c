/* SPDX-License-Identifier: ISC */
/* fuzz_mta_sts.c: what a web server or the DNS says of a domain's policy. What was read is part of
 * the text, keeps its bounds, and names only what it says; what is kept of it reads the same. */
#include "base/check.h"
#include "mail/domain.h"
#include "wire/mta_sts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct str part, struct str whole)
{
    check(part.ptr >= whole.ptr && part.ptr + part.len <= whole.ptr + whole.len);
}

static void keep(const struct sts_policy *policy)
{
    struct sts_policy again;
    struct buf kept = { 0 };

    sts_policy_add_text(&kept, policy);
    check(sts_policy_parse(buf_str(&kept), &again));
    check(again.mode == policy->mode && again.max_age_s == policy->max_age_s);
    check(again.mx_count == policy->mx_count);
    for (uint32_t i = 0; i < policy->mx_count; i++)
        check(str_equals(again.mx[i], policy->mx[i]));
    buf_fini(&kept);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = str_of(data, size);
    struct sts_policy policy;
    struct str id;

    if (sts_record_parse(text, &id)) {
        check_inside(id, text);
        check(id.len > 0 && id.len <= STS_ID_MAX);
    }
    if (!sts_policy_parse(text, &policy))
        return 0;
    check(policy.mx_count <= STS_MX_MAX && policy.max_age_s <= STS_MAX_AGE_MAX_S);
    check(policy.mode == STS_NONE || policy.mx_count > 0);
    for (uint32_t i = 0; i < policy.mx_count; i++) {
        check_inside(policy.mx[i], text);
        bool is_wild = str_starts(policy.mx[i], STR("*."));
        check(sts_policy_names(&policy, policy.mx[i]) || is_wild);
        check(domain_is_valid(is_wild ? str_skip(policy.mx[i], 2) : policy.mx[i]));
    }
    keep(&policy);
    (void)sts_is_media_type(text);
    return 0;
}
