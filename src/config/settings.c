/* SPDX-License-Identifier: ISC */
/* settings.c: the table of settings; see settings.h. */
#include "config/settings.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/printable.h"
#include "config/unit.h"

#define SECONDS(n) ((int64_t)(n)*SECOND_MS)
#define MINUTES(n) ((int64_t)(n)*MINUTE_MS)
#define HOURS(n)   ((int64_t)(n)*HOUR_MS)
#define DAYS(n)    ((int64_t)(n)*DAY_MS)

static const char *const no_yes[] = { "no", "yes" };
static const char *const helos[] = { "no", "own", "strict" };
static const char *const actions[] = { "tag", "hold", "refuse" };
static const char *const accepts[] = { "always", "when-down" };
static const char *const suspects[] = { "accept", "defer", "refuse" };
static const char *const languages[] = { "en", "de" };
static const char *const gones[] = { "tag", "hold", "defer" };

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
    [SETTING_PROBE_INTERVAL_MAX] = { "probe-interval-max", UNIT_DURATION, 0, DAYS(1), 0,
        "the pause doubles up to this while it stays away; 0s: it does not grow" },
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
    [SETTING_REFUSALS] = { "refusals", UNIT_NUMBER, 0, 1000, 4,
        "refused recipients that the primary sees from us in 10 minutes; 0 is no limit" },
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
    [SETTING_ACCEPT] = { "accept", UNIT_WORD, 0, ACCEPT_WHEN_DOWN, ACCEPT_ALWAYS,
        "when mail is taken: always, or only while the primary is down", accepts },
    [SETTING_QUOTA_BYTES] = { "quota-bytes", UNIT_BYTES, 0, 1000000000000000, 0,
        "bytes of mail that are kept for the domain, at most; 0 is no limit" },
    [SETTING_QUOTA_MESSAGES] = { "quota-messages", UNIT_NUMBER, 0, 1000000000, 0,
        "messages that are kept for the domain, at most; 0 is no limit" },
    [SETTING_QUOTA_PER_HOUR] = { "quota-per-hour", UNIT_NUMBER, 0, 1000000000, 0,
        "messages that are taken in for the domain in an hour, at most; 0 is no limit" },
    [SETTING_VERIFY_RECIPIENTS] = { "verify-recipients", UNIT_WORD, 0, 1, 1,
        "whether the primary is asked about recipients, and its answers remembered", no_yes },
    [SETTING_SUSPECTS] = { "suspects", UNIT_WORD, 0, SUSPECTS_REFUSE, SUSPECTS_ACCEPT,
        "recipients that nobody knows while the primary cannot be asked", suspects },
    [SETTING_SUSPECTS_PER_NETWORK] = { "suspects-per-network", UNIT_NUMBER, 0, 100000, 200,
        "of these, how many are accepted from one client network in an hour" },
    [SETTING_SUSPECTS_PER_DOMAIN] = { "suspects-per-domain", UNIT_NUMBER, 0, 1000000, 1000,
        "of these, how many are accepted for the domain in an hour" },
    [SETTING_UNKNOWN_PER_NETWORK] = { "unknown-per-network", UNIT_NUMBER, 1, 100000, 20,
        "unknown recipients that a client network is told of in an hour; then it has to wait" },
    [SETTING_CALLOUT_LIMIT] = { "callout-limit", UNIT_DURATION, SECONDS(1), SECONDS(30), SECONDS(6),
        "how long a client waits for the primary's word on a recipient" },
    [SETTING_CALLOUT_REFUSALS] = { "callout-refusals", UNIT_NUMBER, 0, 10000, 100,
        "refusals that a primary sees from our questions in ten minutes; 0 is no limit; 4 stays below "
        "the stock jails of fail2ban" },
    [SETTING_RECIPIENT_REFRESH] = { "recipient-refresh", UNIT_DURATION, HOURS(1), DAYS(90), DAYS(7),
        "the primary is asked again about a recipient it has, after" },
    [SETTING_RECIPIENT_EXPIRY] = { "recipient-expiry", UNIT_DURATION, DAYS(1), DAYS(365), DAYS(31),
        "a recipient that was not confirmed is forgotten after" },
    [SETTING_RECIPIENT_NEGATIVE] = { "recipient-negative", UNIT_DURATION, MINUTES(5), DAYS(30),
        DAYS(3), "that there is no such recipient is remembered for" },
    [SETTING_FILTER_REJECT] = { "filter-reject", UNIT_WORD, 0, ACTION_REFUSE, ACTION_REFUSE,
        "what is done when a filter refuses the mail", actions },
    [SETTING_FILTER_GONE] = { "filter-gone", UNIT_WORD, 0, GONE_DEFER, GONE_TAG,
        "what is done when a filter does not answer", gones },
    [SETTING_NOTIFY_FAILURE] = { "notify-failure", UNIT_WORD, 0, 1, 1,
        "whether senders who were proved are told that their mail was refused or expired", no_yes },
    [SETTING_NOTIFY_ARRIVED] = { "notify-arrived", UNIT_WORD, 0, 1, 0,
        "whether who was told of a delay is told of the arrival too", no_yes },
    [SETTING_LANGUAGE] = { "language", UNIT_WORD, 0, 1, 0,
        "the language of notices where the mail does not say one", languages },
    [SETTING_FILTERS] = { "filters", UNIT_NAMES, 0, 0, 0,
        "filters (milters) that see the mail, in this order; see filter" },
    [SETTING_NOTIFY_DELAY] = { "notify-delay", UNIT_DURATIONS, MINUTES(1), DAYS(30), 0,
        "ages at which the sender of mail that still waits is told so", NULL, "4h,2d" },
    [SETTING_CONTACT] = { "contact", UNIT_LINE, 0, 0, 0,
        "how the owner is reached, for people: a telephone number, a page" },
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

bool setting_is_text(enum setting setting)
{
    return setting_rule(setting)->unit >= UNIT_NAMES;
}

bool setting_put_number(struct domain_settings *settings, enum setting setting, int64_t value)
{
    const struct setting_rule *rule = setting_rule(setting);
    bool is_fine = !setting_is_text(setting) && value >= rule->min && value <= rule->max;

    settings->value[setting] = is_fine ? value : 0;
    settings->is_set[setting] = is_fine;
    return is_fine;
}

/* ---- texts ---- */

static bool is_none(struct str text)
{
    return str_trim(text).len == 0 || str_equals_nocase(str_trim(text), STR("none"));
}

bool setting_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '-' && name.ptr[i] != '_')
            return false;
    return name.len > 0 && name.len <= SETTING_NAME_MAX && !str_equals_nocase(name, STR("none"));
}

static bool has_name(struct str list, struct str name)
{
    struct str one = STR_NONE;

    while (str_cut(&list, ',', &one))
        if (str_equals(one, name))
            return true;
    return false;
}

/* Without blanks; false if one is no name, is there twice, or they are too many. */
static bool add_names(struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        one = str_trim(one);
        if (!setting_is_name(one) || has_name(buf_str(out), one) || ++count > SETTING_NAMES_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        buf_add(out, one);
    }
    return true;
}

/* Each within the bounds, and longer than the one before. */
static bool add_durations(const struct setting_rule *rule, struct str text, struct buf *out)
{
    struct str one = STR_NONE;
    int64_t last_ms = rule->min - 1;
    unsigned count = 0;

    while (str_cut(&text, ',', &one)) {
        int64_t ms;
        if (!duration_parse(str_trim(one), &ms) || ms <= last_ms || ms > rule->max ||
            ++count > SETTING_DURATIONS_MAX)
            return false;
        buf_add(out, count > 1 ? STR(",") : STR(""));
        duration_add_text(out, ms);
        last_ms = ms;
    }
    return true;
}

/* Printable, and nothing that means something in the configuration's strings. */
static bool add_line(struct str text, struct buf *out)
{
    struct buf shown = { 0 };

    text = str_trim(text);
    printable_add(&shown, text);
    bool is_fine = str_equals(buf_str(&shown), text);
    for (size_t i = 0; i < text.len; i++)
        is_fine = is_fine && str_find(STR("\"\\$"), text.ptr[i]) < 0;
    if (is_fine)
        buf_add(out, text);
    buf_fini(&shown);
    return is_fine;
}

static bool add_text(const struct setting_rule *rule, struct str text, struct buf *out)
{
    if (is_none(text))
        return true;
    bool is_fine = rule->unit == UNIT_NAMES       ? add_names(text, out)
                   : rule->unit == UNIT_DURATIONS ? add_durations(rule, text, out)
                                                  : add_line(text, out);
    return is_fine && out->len <= SETTING_TEXT_MAX;
}

bool setting_put_text(struct domain_settings *settings, enum setting setting, struct str text)
{
    struct buf normal = { 0 };
    bool is_fine = setting_is_text(setting) && add_text(setting_rule(setting), text, &normal);

    settings->is_set[setting] = is_fine;
    if (is_fine) {
        struct setting_text *to = &settings->text[setting - SETTING_FIRST_TEXT];
        to->len = (uint8_t)normal.len;
        for (size_t i = 0; i < normal.len; i++)
            to->bytes[i] = normal.ptr[i];
    }
    buf_fini(&normal);
    return is_fine;
}

unsigned setting_durations(struct str text, int64_t out_ms[SETTING_DURATIONS_MAX])
{
    struct str one = STR_NONE;
    unsigned count = 0;

    while (count < SETTING_DURATIONS_MAX && str_cut(&text, ',', &one))
        if (duration_parse(one, &out_ms[count]))
            count++;
    return count;
}

/* ---- as people write it ---- */

static void add_number(struct buf *out, const struct setting_rule *rule, int64_t value)
{
    if (rule->unit == UNIT_WORD)
        buf_add(out, str_from(rule->words[value]));
    else
        unit_add_text(out, rule->unit, value);
}

static bool setting_word(const struct setting_rule *rule, struct str text, int64_t *out_value)
{
    for (int64_t i = 0; i <= rule->max; i++) {
        if (!str_equals_nocase(text, str_from(rule->words[i])))
            continue;
        *out_value = i;
        return true;
    }
    return false;
}

static bool parse_number(struct domain_settings *settings, enum setting setting, struct str text,
                         struct buf *why)
{
    const struct setting_rule *rule = setting_rule(setting);
    int64_t value = 0;

    if (rule->unit == UNIT_WORD ? !setting_word(rule, text, &value)
                                : !unit_parse(rule->unit, text, &value)) {
        if (rule->unit != UNIT_WORD) {
            buf_add_format(why, "%s must be %s", rule->name, unit_example(rule->unit));
            return false;
        }
        buf_add_format(why, "%s must be one of ", rule->name);
        setting_add_range(why, setting);
        return false;
    }
    if (setting_put_number(settings, setting, value))
        return true;
    buf_add_format(why, "%s must be between ", rule->name);
    add_number(why, rule, rule->min);
    buf_add(why, STR(" and "));
    add_number(why, rule, rule->max);
    return false;
}

bool setting_parse(struct domain_settings *settings, enum setting setting, struct str text,
                   struct buf *why)
{
    settings->is_set[setting] = false;
    settings->value[setting] = 0;
    if (!setting_is_text(setting))
        return parse_number(settings, setting, text, why);
    if (setting_put_text(settings, setting, text))
        return true;
    buf_add_format(why, "%s must be ", setting_rule(setting)->name);
    setting_add_range(why, setting);
    return false;
}

void setting_add_range(struct buf *out, enum setting setting)
{
    const struct setting_rule *rule = setting_rule(setting);

    switch (rule->unit) {
    case UNIT_NAMES:
        buf_add_format(out, "none, NAME,NAME,... (%d)", SETTING_NAMES_MAX);
        break;
    case UNIT_DURATIONS:
        buf_add_format(out, "none, TIME,TIME,... (%d, growing, ", SETTING_DURATIONS_MAX);
        duration_add_text(out, rule->min);
        buf_add(out, STR(" … "));
        duration_add_text(out, rule->max);
        buf_add(out, STR(")"));
        break;
    case UNIT_LINE:
        buf_add_format(out, "none, or a line of %d octets without \" \\ $", SETTING_TEXT_MAX);
        break;
    case UNIT_WORD:
        for (int64_t i = 0; i <= rule->max; i++)
            buf_add_format(out, "%s%s", i > 0 ? ", " : "", rule->words[i]);
        break;
    case UNIT_NUMBER:
    case UNIT_DURATION:
    case UNIT_BYTES:
        add_number(out, rule, rule->min);
        buf_add(out, STR(" … "));
        add_number(out, rule, rule->max);
        break;
    }
}

/* ---- what is in effect ---- */

int64_t setting_value(const struct domain_settings *domain, const struct domain_settings *defaults,
                      enum setting setting)
{
    if (domain != NULL && domain->is_set[setting])
        return domain->value[setting];
    if (defaults != NULL && defaults->is_set[setting])
        return defaults->value[setting];
    return setting_rule(setting)->fallback;
}

struct str setting_text(const struct domain_settings *domain,
                        const struct domain_settings *defaults, enum setting setting)
{
    const struct domain_settings *from =
        domain != NULL && domain->is_set[setting] ? domain : defaults;

    if (from == NULL || !from->is_set[setting])
        return setting_rule(setting)->text != NULL ? str_from(setting_rule(setting)->text)
                                                   : STR("");
    const struct setting_text *text = &from->text[setting - SETTING_FIRST_TEXT];
    return str_of(text->bytes, text->len);
}

void setting_add_text(struct buf *out, enum setting setting, const struct domain_settings *domain,
                      const struct domain_settings *defaults)
{
    if (!setting_is_text(setting)) {
        add_number(out, setting_rule(setting), setting_value(domain, defaults, setting));
        return;
    }
    struct str text = setting_text(domain, defaults, setting);
    buf_add(out, text.len > 0 ? text : STR("none"));
}
