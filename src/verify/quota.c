/* SPDX-License-Identifier: ISC */
/* quota.c: see quota.h. */
#include "verify/quota.h"

enum { PERCENT_NEAR = 80, PERCENT_FREE_AGAIN = 70, PERCENT_FULL = 100 };

static uint64_t value_of(const struct domain_settings *domain,
                         const struct domain_settings *defaults, enum setting setting)
{
    return (uint64_t)setting_value(domain, defaults, setting);
}

struct quota quota_of(const struct domain_settings *domain, const struct domain_settings *defaults)
{
    return (struct quota){
        .octets = value_of(domain, defaults, SETTING_QUOTA_BYTES),
        .messages = value_of(domain, defaults, SETTING_QUOTA_MESSAGES),
        .per_hour = value_of(domain, defaults, SETTING_QUOTA_PER_HOUR),
    };
}

bool quota_is_set(const struct quota *quota)
{
    return quota->octets > 0 || quota->messages > 0 || quota->per_hour > 0;
}

static unsigned percent(uint64_t used, uint64_t limit)
{
    if (limit == 0)
        return 0;
    return used >= limit ? PERCENT_FULL : (unsigned)((double)used * 100 / (double)limit);
}

static unsigned larger(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

enum quota_level quota_level(const struct quota *quota, const struct quota *used,
                             enum quota_level before)
{
    unsigned most = larger(
        percent(used->octets, quota->octets),
        larger(percent(used->messages, quota->messages), percent(used->per_hour, quota->per_hour)));

    if (most >= PERCENT_FULL)
        return QUOTA_FULL;
    if (most >= PERCENT_NEAR || (before != QUOTA_FREE && most >= PERCENT_FREE_AGAIN))
        return QUOTA_NEAR;
    return QUOTA_FREE;
}

struct verdict quota_refusal(struct str domain)
{
    return verdict_format(452, 3, 1,
                          "There is no room for more mail to %.*s at the moment; please "
                          "come back later",
                          STR_FMT(domain));
}
