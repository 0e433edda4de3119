/* SPDX-License-Identifier: ISC */
/* settings.c: the table of settings; see settings.h. */
#include "config/settings.h"

#include "base/check.h"
#include "base/clock.h"
#include "config/setting_text.h"
#include "config/unit.h"

#define SECONDS(n) ((int64_t)(n)*SECOND_MS)
#define MINUTES(n) ((int64_t)(n)*MINUTE_MS)
#define HOURS(n)   ((int64_t)(n)*HOUR_MS)
#define DAYS(n)    ((int64_t)(n)*DAY_MS)

static const char *const no_yes[] = { "no", "yes" };
static const char *const helos[] = { "no", "own", "strict" };
static const char *const actions[] = { "tag", "hold", "refuse" };
static const char *const accepts[] = { "always", "when-down" };
static const char *const suspects[] = { "accept", "defer", "refuse", "prove" };
static const char *const gones[] = { "tag", "hold", "defer" };
static const char *const tls_words[] = { "may", "no", "must", "name", "dane" };
static const char *const languages[] = { "en", "de" };
static const char *const audiences[] = { "postmaster", "owner", "webhook" };

#define TELL(name, help)                                                                           \
    {                                                                                              \
        "tell-" name, UNIT_WORDS, 0, TELL_POSTMASTER | TELL_OWNER | TELL_WEBHOOK,                  \
            TELL_OWNER | TELL_WEBHOOK, help, audiences                                             \
    }

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
    [SETTING_SUSPECTS] = { "suspects", UNIT_WORD, 0, SUSPECTS_PROVE, SUSPECTS_ACCEPT,
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
        "language of texts for people, where nothing else says", languages },
    [SETTING_TELL_AFTER] = { "tell-after", UNIT_DURATION, 0, MINUTES(3), MINUTES(1),
        "how long a trouble, or its end, must have lasted before it is told" },
    [SETTING_TELL_DOWN] = TELL("down", "who is told when the primary does not answer"),
    [SETTING_TELL_BACK] = TELL("back", "who is told when it does again"),
    [SETTING_TELL_DRAINED] = TELL("drained", "who is told when it has got what was held"),
    [SETTING_TELL_BLOCKED] = TELL("blocked", "who is told when the primary refuses us"),
    [SETTING_TELL_HALF_UP] = TELL("half-up", "who is told when it answers, but takes nothing"),
    [SETTING_TELL_STRANGER] = TELL("stranger", "who is told when another one answers in its place"),
    [SETTING_TELL_BREAKER] = TELL("breaker", "who is told when handing over stops, for too much is refused"),
    [SETTING_TELL_USERS_GONE] = TELL("users-gone", "who is told when it seems to know its users no more"),
    [SETTING_TELL_NEAR_EXPIRY] = TELL("near-expiry", "who is told when held mail reaches the end of its time"),
    [SETTING_TELL_QUOTA] = TELL("quota", "who is told when the room for held mail gets full"),
    [SETTING_TELL_STRANGER_ADDRESS] =
        TELL("stranger-address", "who is told when another one answers at its new address"),
    [SETTING_TELL_REFUSED] = TELL("refused", "who is told of refused mail whose sender is not told"),
    [SETTING_TLS] = { "tls", UNIT_WORD, 0, TLS_DANE, TLS_MAY,
        "whether the primary is spoken with over TLS: if it offers it (may), always (must), by name, by DANE", tls_words },
    [SETTING_XCLIENT] = { "xclient", UNIT_WORD, 0, 1, 0,
        "whether a primary that takes XCLIENT is told which client each message came from", no_yes },
    [SETTING_TLS_FROM_START] = { "tls-from-start", UNIT_WORD, 0, 1, 0,
        "whether TLS begins with the first octet, without STARTTLS", no_yes },
    [SETTING_TLS_LEARN] = { "tls-learn", UNIT_WORD, 0, 1, 0,
        "whether the first key that the primary shows becomes its tls-pin", no_yes },
    [SETTING_ENCRYPT] = { "encrypt", UNIT_WORD, 0, 1, 1,
        "whether kept mail is encrypted; takes a key, see encryption", no_yes },
    [SETTING_FILTERS] = { "filters", UNIT_NAMES, 0, 0, 0,
        "filters (milters) that see the mail, in this order; see filter" },
    [SETTING_NOTIFY_DELAY] = { "notify-delay", UNIT_DURATIONS, MINUTES(1), DAYS(30), 0,
        "ages at which the sender of mail that still waits is told so", NULL, "4h,2d" },
    [SETTING_CONTACT] = { "contact", UNIT_LINE, 0, 0, 0,
        "how the owner is reached, for people: a telephone number, a page" },
    [SETTING_OWNER] = { "owner", UNIT_MAILBOX, 0, 0, 0,
        "address of a person, outside of the domain, who is told of events" },
    [SETTING_WEBHOOK] = { "webhook", UNIT_URL, 0, 0, 0,
        "URL to which events are posted, signed; see domain webhook-secret" },
    [SETTING_TLS_PIN] = { "tls-pin", UNIT_PINS, 0, 0, 0,
        "keys or certificates, of which the primary has to show one" },
    [SETTING_TLS_NAME] = { "tls-name", UNIT_HOST, 0, 0, 0,
        "whom the primary's certificate has to name, or whose keys count, if not its host's (tls = name, dane)" },
    [SETTING_TLS_CA] = { "tls-ca", UNIT_NAME, 0, 0, 0,
        "authority that has signed its certificate, instead of public ones; see tls" },
    [SETTING_WAKE_FROM] = { "wake-from", UNIT_NETWORKS, 0, 0, 0,
        "networks from which its primary may come and ask for its mail (ETRN), beside its own address" },
    [SETTING_LOGIN] = { "login", UNIT_HOST, 0, 0, 0,
        "another domain whose holder may fetch its mail, too, when he logs in" },
    [SETTING_CLIENT_PIN] = { "client-pin", UNIT_PINS, 0, 0, 0,
        "keys or certificates by which its holder is known when he calls (AUTH EXTERNAL, ETRN)" },
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
    return setting >= SETTING_FIRST_TEXT;
}

bool setting_has_bounds(enum setting setting)
{
    enum setting_unit unit = setting_rule(setting)->unit;
    return unit == UNIT_NUMBER || unit == UNIT_DURATION || unit == UNIT_BYTES;
}

bool setting_put_number(struct domain_settings *settings, enum setting setting, int64_t value)
{
    const struct setting_rule *rule = setting_rule(setting);
    bool is_fine = !setting_is_text(setting) && value >= rule->min && value <= rule->max;

    settings->value[setting] = is_fine ? value : 0;
    settings->is_set[setting] = is_fine;
    return is_fine;
}

bool setting_put_text(struct domain_settings *settings, enum setting setting, struct str text)
{
    struct buf normal = { 0 };
    bool is_fine =
        setting_is_text(setting) && setting_text_normalise(setting_rule(setting), text, &normal);

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

/* Those of the bits of `value`. */
static void add_words(struct buf *out, const struct setting_rule *rule, int64_t value,
                      const char *separator)
{
    const char *before = "";

    for (int i = 0; value >> i != 0; i++)
        if ((value >> i & 1) != 0) {
            buf_add_format(out, "%s%s", before, rule->words[i]);
            before = separator;
        }
}

static void add_number(struct buf *out, const struct setting_rule *rule, int64_t value)
{
    if (rule->unit == UNIT_WORD)
        buf_add(out, str_from(rule->words[value]));
    else if (rule->unit == UNIT_WORDS && value == 0)
        buf_add(out, STR("none"));
    else if (rule->unit == UNIT_WORDS)
        add_words(out, rule, value, ",");
    else
        unit_add_text(out, rule->unit, value);
}

static bool parse_word(const struct setting_rule *rule, struct str text, int64_t *out_value)
{
    for (int64_t i = 0; i <= rule->max; i++) {
        if (!str_equals_nocase(text, str_from(rule->words[i])))
            continue;
        *out_value = i;
        return true;
    }
    return false;
}

static int64_t bit_of(const struct setting_rule *rule, struct str word)
{
    for (int i = 0; rule->max >> i != 0; i++)
        if (str_equals_nocase(str_trim(word), str_from(rule->words[i])))
            return INT64_C(1) << i;
    return 0;
}

static bool parse_words(const struct setting_rule *rule, struct str text, int64_t *out_value)
{
    struct str word = STR_NONE;
    int64_t value = 0;
    bool is_none = str_equals_nocase(str_trim(text), STR("none"));

    while (!is_none && str_cut(&text, ',', &word)) {
        int64_t bit = bit_of(rule, word);
        if (bit == 0)
            return false;
        value |= bit;
    }
    *out_value = value;
    return is_none || value != 0;
}

static bool parse_value(const struct setting_rule *rule, struct str text, int64_t *out_value)
{
    if (rule->unit == UNIT_WORD)
        return parse_word(rule, text, out_value);
    if (rule->unit == UNIT_WORDS)
        return parse_words(rule, text, out_value);
    return unit_parse(rule->unit, text, out_value);
}

static bool parse_number(struct domain_settings *settings, enum setting setting, struct str text,
                         struct buf *why)
{
    const struct setting_rule *rule = setting_rule(setting);
    int64_t value = 0;

    if (!parse_value(rule, text, &value)) {
        buf_add_format(why, "%s must be ", rule->name);
        if (setting_has_bounds(setting)) {
            buf_add(why, str_from(unit_example(rule->unit)));
            return false;
        }
        buf_add(why, rule->unit == UNIT_WORD ? STR("one of ") : STR(""));
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
    case UNIT_DURATIONS:
    case UNIT_LINE:
    case UNIT_MAILBOX:
    case UNIT_URL:
    case UNIT_PINS:
    case UNIT_HOST:
    case UNIT_NETWORKS:
    case UNIT_NAME:
        setting_text_add_range(out, rule);
        break;
    case UNIT_WORDS:
        buf_add(out, STR("none, or some of "));
        add_words(out, rule, rule->max, ",");
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
