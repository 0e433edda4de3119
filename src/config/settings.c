/* SPDX-License-Identifier: ISC */
/* settings.c: the table of settings; see settings.h. */
#include "config/settings.h"

#include "base/check.h"
#include "base/clock.h"
#include "config/unit.h"

#define SECONDS(n) ((int64_t)(n)*SECOND_MS)
#define MINUTES(n) ((int64_t)(n)*MINUTE_MS)
#define HOURS(n)   ((int64_t)(n)*HOUR_MS)
#define DAYS(n)    ((int64_t)(n)*DAY_MS)

static const char *const no_yes[] = { "no", "yes" };
static const char *const helos[] = { "no", "own", "strict" };
static const char *const actions[] = { "tag", "hold", "refuse" };

/* clang-format off */
static const struct setting_rule rules[SETTING_COUNT] = {
    [SETTING_HOLD] = { "hold", UNIT_DURATION, HOURS(1), DAYS(90), DAYS(5),
        "how long mail waits for the primary before it goes to the rescue store" },
    [SETTING_RESCUE] = { "rescue", UNIT_DURATION, DAYS(1), DAYS(365), DAYS(30),
        "how long expired and refused mail is kept in the rescue store" },
    [SETTING_SESSIONS] = { "sessions", UNIT_NUMBER, 1, 100, 20,
        "sessions to the primary at once, at most" },
    [SETTING_SESSIONS_START] = { "sessions-start", UNIT_NUMBER, 1, 20, 2,
        "sessions a drain begins with" },
    [SETTING_MESSAGES_PER_MINUTE] = { "messages-per-minute", UNIT_NUMBER, 0, 1000000, 0,
        "messages handed over per minute, at most; 0 is no limit" },
    [SETTING_BYTES_PER_SECOND] = { "bytes-per-second", UNIT_BYTES, 0, 10000000000, 0,
        "bytes handed over per second, at most; 0 is no limit" },
    [SETTING_PROBE_INTERVAL] = { "probe-interval", UNIT_DURATION, SECONDS(1), HOURS(1), SECONDS(5),
        "pause between probes while the primary does not answer" },
    [SETTING_PROBE_INTERVAL_UP] = { "probe-interval-up", UNIT_DURATION, SECONDS(10), DAYS(1),
        MINUTES(5), "pause between probes while it answers and nothing is handed over" },
    [SETTING_CONNECT_TIMEOUT] = { "connect-timeout", UNIT_DURATION, SECONDS(1), SECONDS(60),
        SECONDS(4), "time to wait for a connection to the primary" },
    [SETTING_PROBES_DOWN] = { "probes-down", UNIT_NUMBER, 1, 10, 3,
        "bad probes in a row until the primary counts as down" },
    [SETTING_PROBES_UP] = { "probes-up", UNIT_NUMBER, 1, 10, 1,
        "good probes in a row until it counts as up again" },
    [SETTING_RETRY_FIRST] = { "retry-first", UNIT_DURATION, SECONDS(30), DAYS(1), MINUTES(5),
        "pause before the second try of a message the primary deferred" },
    [SETTING_RETRY_MAX] = { "retry-max", UNIT_DURATION, MINUTES(1), DAYS(1), HOURS(1),
        "longest pause between tries of a deferred message" },
    [SETTING_CHECK_SENDERS] = { "check-senders", UNIT_WORD, 0, 1, 1,
        "whether senders are checked: SPF, DKIM, DMARC, ARC", no_yes },
    [SETTING_DMARC_REJECT] = { "dmarc-reject", UNIT_WORD, 0, ACTION_REFUSE, ACTION_REFUSE,
        "what is done when the From domain's DMARC policy says reject", actions },
    [SETTING_SPF_FAIL] = { "spf-fail", UNIT_WORD, 0, ACTION_REFUSE, ACTION_TAG,
        "what is done when SPF says that the client may not send for the domain", actions },
    [SETTING_OWN_SENDER] = { "own-sender", UNIT_WORD, 0, ACTION_REFUSE, ACTION_REFUSE,
        "what is done when a stranger gives the domain as its sender", actions },
    [SETTING_ARC_SEAL] = { "arc-seal", UNIT_WORD, 0, 1, 0,
        "whether mail for the domain is sealed (ARC); takes a key, see sign", no_yes },
    [SETTING_HELO_CHECK] = { "helo-check", UNIT_WORD, 0, HELO_STRICT, HELO_NOT_OURS,
        "clients that greet with a name of ours are refused; strict: with half a name too", helos },
    [SETTING_REVERSE_DNS] = { "reverse-dns", UNIT_WORD, 0, 1, 0,
        "whether a client needs a reverse name that leads back to it", no_yes },
    [SETTING_DNSBL_THRESHOLD] = { "dnsbl-threshold", UNIT_NUMBER, 0, 100, 1,
        "clients whose blocklists weigh so much together are refused; 0: none are" },
    [SETTING_GREYLIST] = { "greylist", UNIT_DURATION, 0, HOURS(1), 0,
        "how long a stranger is sent away for while the primary is up; 0s: not at all" },
};
/* clang-format on */

const struct setting_rule *setting_rule(enum setting setting)
{
    check((unsigned)setting < SETTING_COUNT);
    return &rules[setting];
}

bool setting_from_name(struct str name, enum setting *out_setting)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (str_equals(name, str_from(rules[i].name))) {
            *out_setting = (enum setting)i;
            return true;
        }
    }
    return false;
}

bool setting_parse(enum setting setting, struct str text, int64_t *out_value, struct buf *why)
{
    const struct setting_rule *rule = setting_rule(setting);
    int64_t value;

    if (rule->unit == UNIT_WORD) {
        if (setting_word(setting, text, out_value))
            return true;
        buf_add_format(why, "%s must be one of ", rule->name);
        setting_add_range(why, setting);
        return false;
    }
    if (!unit_parse(rule->unit, text, &value)) {
        buf_add_format(why, "%s must be %s", rule->name, unit_example(rule->unit));
        return false;
    }
    if (value < rule->min || value > rule->max) {
        buf_add_format(why, "%s must be between ", rule->name);
        setting_add_text(why, setting, rule->min);
        buf_add(why, STR(" and "));
        setting_add_text(why, setting, rule->max);
        return false;
    }
    *out_value = value;
    return true;
}

bool setting_word(enum setting setting, struct str text, int64_t *out_value)
{
    const struct setting_rule *rule = setting_rule(setting);

    for (int64_t i = 0; i <= rule->max; i++) {
        if (!str_equals_nocase(text, str_from(rule->words[i])))
            continue;
        *out_value = i;
        return true;
    }
    return false;
}

void setting_add_range(struct buf *out, enum setting setting)
{
    const struct setting_rule *rule = setting_rule(setting);

    if (rule->unit != UNIT_WORD) {
        setting_add_text(out, setting, rule->min);
        buf_add(out, STR(" … "));
        setting_add_text(out, setting, rule->max);
        return;
    }
    for (int64_t i = 0; i <= rule->max; i++)
        buf_add_format(out, "%s%s", i > 0 ? ", " : "", rule->words[i]);
}

void setting_add_text(struct buf *out, enum setting setting, int64_t value)
{
    const struct setting_rule *rule = setting_rule(setting);

    if (rule->unit == UNIT_WORD)
        buf_add(out, str_from(rule->words[value]));
    else
        unit_add_text(out, rule->unit, value);
}

int64_t setting_value(const struct domain_settings *domain, const struct domain_settings *defaults,
                      enum setting setting)
{
    if (domain != NULL && domain->is_set[setting])
        return domain->value[setting];
    if (defaults != NULL && defaults->is_set[setting])
        return defaults->value[setting];
    return setting_rule(setting)->fallback;
}
