/* SPDX-License-Identifier: ISC */
/* alert.c: see alert.h. */
#include "notify/alert.h"

#include "base/check.h"
#include "base/clock.h"

/* clang-format off */
static const struct {
    const char *name;
    enum occasion occasion;
    enum setting setting;
} alerts[ALERT_COUNT] = {
    [ALERT_DOWN]        = { "down", OCCASION_DOWN, SETTING_TELL_DOWN },
    [ALERT_BACK]        = { "back", OCCASION_BACK, SETTING_TELL_BACK },
    [ALERT_DRAINED]     = { "drained", OCCASION_DRAINED, SETTING_TELL_DRAINED },
    [ALERT_BLOCKED]     = { "blocked", OCCASION_BLOCKED, SETTING_TELL_BLOCKED },
    [ALERT_HALF_UP]     = { "half-up", OCCASION_HALF_UP, SETTING_TELL_HALF_UP },
    [ALERT_STRANGER]    = { "stranger", OCCASION_STRANGER, SETTING_TELL_STRANGER },
    [ALERT_BREAKER]     = { "breaker", OCCASION_BREAKER, SETTING_TELL_BREAKER },
    [ALERT_USERS_GONE]  = { "users-gone", OCCASION_USERS_GONE, SETTING_TELL_USERS_GONE },
    [ALERT_NEAR_EXPIRY] = { "near-expiry", OCCASION_NEAR_EXPIRY, SETTING_TELL_NEAR_EXPIRY },
    [ALERT_QUOTA]       = { "quota", OCCASION_QUOTA, SETTING_TELL_QUOTA },
    [ALERT_REFUSED]     = { "refused", OCCASION_REFUSED_MAIL, SETTING_TELL_REFUSED },
    [ALERT_STRANGER_ADDRESS] = { "stranger-address", OCCASION_STRANGER_ADDRESS,
                                 SETTING_TELL_STRANGER_ADDRESS },
};
/* clang-format on */

const char *alert_name(enum alert alert)
{
    check((unsigned)alert < ALERT_COUNT);
    return alerts[alert].name;
}

enum occasion alert_occasion(enum alert alert)
{
    check((unsigned)alert < ALERT_COUNT);
    return alerts[alert].occasion;
}

enum alert alert_of(enum alert_condition condition)
{
    static const enum alert alert[CONDITION_COUNT] = {
        [CONDITION_FINE] = ALERT_BACK,         [CONDITION_DOWN] = ALERT_DOWN,
        [CONDITION_BLOCKED] = ALERT_BLOCKED,   [CONDITION_HALF_UP] = ALERT_HALF_UP,
        [CONDITION_STRANGER] = ALERT_STRANGER,
    };
    check((unsigned)condition < CONDITION_COUNT);
    return alert[condition];
}

unsigned alert_audiences(enum alert alert, const struct domain_settings *domain,
                         const struct domain_settings *defaults)
{
    unsigned wanted = (unsigned)setting_value(domain, defaults, alerts[alert].setting);
    unsigned there = TELL_POSTMASTER;

    if (setting_text(domain, defaults, SETTING_OWNER).len > 0)
        there |= TELL_OWNER;
    if (setting_text(domain, defaults, SETTING_WEBHOOK).len > 0)
        there |= TELL_WEBHOOK;
    return wanted & there;
}

int64_t alert_near_expiry(int64_t oldest_ms, int64_t hold_ms, int64_t now_ms)
{
    int64_t span_ms = hold_ms / 5 < DAY_MS ? hold_ms / 5 : DAY_MS;

    if (oldest_ms <= 0)
        return 0;
    return oldest_ms + hold_ms - now_ms <= span_ms ? oldest_ms + hold_ms : 0;
}
