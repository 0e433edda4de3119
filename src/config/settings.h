/* SPDX-License-Identifier: ISC */
/* settings.h: what can be set per protected domain, in one table.
 *
 * The table (settings.c) names each setting once: its name in `domain add --set`,
 * in `defaults { }` of the configuration, in JSON and in the directory; its unit,
 * bounds and default. A domain_settings holds only what was set; the effective
 * value is the domain's, else the node's default, else the table's.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* clang-format off */
enum setting {
    SETTING_HOLD,             /* hold: holding time, ms; 1 h … 90 d, 5 d (SPEC H2) */
    SETTING_RESCUE,           /* rescue: kept after expiry or refusal, ms; 1 d … 365 d, 30 d (H3) */
    SETTING_SESSIONS,         /* sessions: at once to the primary, at most; 1 … 100, 20 (P4) */
    SETTING_SESSIONS_START,   /* sessions-start: slow start begins with; 1 … 20, 2 */
    SETTING_MESSAGES_PER_MINUTE, /* messages-per-minute; 0 … 1,000,000, 0 is no limit */
    SETTING_BYTES_PER_SECOND, /* bytes-per-second; 0 … 10 GB, 0 is no limit */
    SETTING_PROBE_INTERVAL,   /* probe-interval: while it does not answer, ms; 1 s … 1 h, 5 s (P1) */
    SETTING_PROBE_INTERVAL_UP, /* probe-interval-up: while up and quiet; 10 s … 1 d, 5 min */
    SETTING_PROBE_INTERVAL_MAX, /* probe-interval-max: grows up to; 0 … 1 d, 0 is not at all */
    SETTING_CONNECT_TIMEOUT,  /* connect-timeout, ms; 1 s … 60 s, 4 s */
    SETTING_PROBES_DOWN,      /* probes-down: bad ones until down; 1 … 10, 3 (P3) */
    SETTING_PROBES_UP,        /* probes-up: good ones until up; 1 … 10, 1 */
    SETTING_RETRY_FIRST,      /* retry-first: a message that was deferred waits, ms; 30 s … 1 d, 5 min */
    SETTING_RETRY_MAX,        /* retry-max; 1 min … 1 d, 1 h */
    SETTING_REFUSALS,         /* refusals: of unknown recipients in 10 min; 0 … 1,000, 4 (P12) */
    SETTING_CHECK_SENDERS,    /* check-senders: SPF, DKIM, DMARC, ARC; no, yes (A1, A2) */
    SETTING_DMARC_REJECT,     /* dmarc-reject: an action; refuse (A8) */
    SETTING_SPF_FAIL,         /* spf-fail: an action; tag (A8) */
    SETTING_OWN_SENDER,       /* own-sender: an action; refuse (R9) */
    SETTING_ARC_SEAL,         /* arc-seal; no, yes (A4) */
    SETTING_HELO_CHECK,       /* helo-check; no, own, strict (R8) */
    SETTING_REVERSE_DNS,      /* reverse-dns; no, needed (R8) */
    SETTING_DNSBL_THRESHOLD,  /* dnsbl-threshold: weights from which a client is refused; 0 … 100, 1 */
    SETTING_GREYLIST,         /* greylist: pause before a stranger is let in, ms; 0 … 1 h, 0 (R8) */
    SETTING_ACCEPT,           /* accept: always, when-down (R2) */
    SETTING_QUOTA_BYTES,      /* quota-bytes: kept for the domain, at most; 0 is no limit (H5) */
    SETTING_QUOTA_MESSAGES,   /* quota-messages: kept, at most; 0 is no limit */
    SETTING_QUOTA_PER_HOUR,   /* quota-per-hour: messages taken in, at most; 0 is no limit */
    SETTING_VERIFY_RECIPIENTS, /* verify-recipients: the primary is asked about them; no, yes (V1) */
    SETTING_SUSPECTS,         /* suspects: whom nobody knows and nobody can be asked about; accept (V4) */
    SETTING_SUSPECTS_PER_NETWORK, /* suspects-per-network, in an hour; 0 … 100,000, 200 */
    SETTING_SUSPECTS_PER_DOMAIN, /* suspects-per-domain, in an hour; 0 … 1,000,000, 1,000 */
    SETTING_UNKNOWN_PER_NETWORK, /* unknown-per-network: refusals in an hour; 1 … 100,000, 20 (V9) */
    SETTING_CALLOUT_LIMIT,    /* callout-limit: a client waits for the primary's word, ms; 1 s … 30 s, 6 s */
    SETTING_CALLOUT_REFUSALS, /* callout-refusals: in ten minutes, of one primary; 0 … 10,000, 100 */
    SETTING_RECIPIENT_REFRESH, /* recipient-refresh: asked again after, ms; 1 h … 90 d, 7 d (V2) */
    SETTING_RECIPIENT_EXPIRY, /* recipient-expiry; 1 d … 365 d, 31 d */
    SETTING_RECIPIENT_NEGATIVE, /* recipient-negative; 5 min … 30 d, 3 d */
    SETTING_FILTER_REJECT,    /* filter-reject: an action; refuse (A8) */
    SETTING_FILTER_GONE,      /* filter-gone: when a filter does not answer; tag, hold, defer */
    SETTING_NOTIFY_FAILURE,   /* notify-failure: senders are told of failures; no, yes (N4) */
    SETTING_NOTIFY_ARRIVED,   /* notify-arrived: and, after a delay, of the arrival; no, yes (N8) */
    SETTING_LANGUAGE,         /* language: en, de; where the mail does not say (N2) */
    SETTING_TELL_AFTER,       /* tell-after: trouble is told when it has lasted so long, ms; 0 … 3 min, 1 min */
    SETTING_TELL_DOWN,        /* tell-…: who is told of an event; owner,webhook (N3, N6) */
    SETTING_TELL_BACK,
    SETTING_TELL_DRAINED,
    SETTING_TELL_BLOCKED,
    SETTING_TELL_HALF_UP,
    SETTING_TELL_STRANGER,
    SETTING_TELL_BREAKER,
    SETTING_TELL_USERS_GONE,
    SETTING_TELL_NEAR_EXPIRY,
    SETTING_TELL_QUOTA,
    SETTING_TELL_REFUSED,
    SETTING_TELL_STRANGER_ADDRESS,
    SETTING_TLS,              /* tls: towards the primary; may, no, must, name, dane (X3) */
    SETTING_XCLIENT,          /* xclient: the primary is told whose mail it is; no, yes (A5) */
    SETTING_TLS_FROM_START,   /* tls-from-start: without STARTTLS; no, yes (D6) */
    SETTING_TLS_LEARN,        /* tls-learn: the first key that it shows becomes its pin; no, yes (D1) */
    SETTING_ENCRYPT,          /* encrypt: kept mail is encrypted if the node has a key; no, yes (H4) */
    SETTING_FILTERS,          /* filters: names of those that see the mail, in order (A8) */
    SETTING_NOTIFY_DELAY,     /* notify-delay: ages at which senders are told; 4h,2d (N1) */
    SETTING_CONTACT,          /* contact: how the owner is reached, for people (N2) */
    SETTING_OWNER,            /* owner: the address of a person, outside of the domain (N6) */
    SETTING_WEBHOOK,          /* webhook: URL that is told of events (N6) */
    SETTING_TLS_PIN,          /* tls-pin: keys or certificates, of which the primary has to show one (D1) */
    SETTING_TLS_NAME,         /* tls-name: whom its certificate has to name; its own host name (D1) */
    SETTING_TLS_CA,           /* tls-ca: name of the authority that has signed its certificate (D1) */
    SETTING_WAKE_FROM,        /* wake-from: networks from which its primary may ask for its mail (P8, P9) */
    SETTING_LOGIN,            /* login: another domain whose holder may have its mail, too (D2, D3) */
    SETTING_CLIENT_PIN,       /* client-pin: keys or certificates of its holder, when he calls (P8) */
    SETTING_COUNT,
    SETTING_FIRST_TEXT = SETTING_FILTERS
};
/* clang-format on */

/* Is mail taken while the primary is up? */
enum setting_accept { ACCEPT_ALWAYS, ACCEPT_WHEN_DOWN };

/* What is said to who writes to an address that nobody knows, while the primary cannot be asked. */
/* PROVE: accept, if SPF or DKIM passes. */
enum setting_suspects { SUSPECTS_ACCEPT, SUSPECTS_DEFER, SUSPECTS_REFUSE, SUSPECTS_PROVE };

/* What is done with mail that a filter could not look at. */
enum setting_gone { GONE_TAG, GONE_HOLD, GONE_DEFER };

/* Which greetings are refused: none, those with a name of ours, those too that are no full name. */
enum setting_helo { HELO_ANY, HELO_NOT_OURS, HELO_STRICT };

/* What is done about a message that the sender's domain does not stand behind. */
enum setting_action { ACTION_TAG, ACTION_HOLD, ACTION_REFUSE };

/* How the primary is spoken with: encrypted if it offers that, in the clear, encrypted or not at
 * all, and only if its certificate names it and somebody trusted has signed it. */
enum setting_tls { TLS_MAY, TLS_NO, TLS_MUST, TLS_NAME, TLS_DANE };

/* Who is told of an event: bits. */
enum setting_audience { TELL_POSTMASTER = 1, TELL_OWNER = 2, TELL_WEBHOOK = 4 };

enum {
    SETTING_TEXT_MAX = 200,
    SETTING_NAMES_MAX = 8,
    SETTING_NETWORKS_MAX = 8,
    SETTING_NAME_MAX = 32,
    SETTING_DURATIONS_MAX = 4,
};

struct setting_text {
    uint8_t len;
    char bytes[SETTING_TEXT_MAX];
};

struct domain_settings {
    int64_t value[SETTING_COUNT]; /* 0 of those that are texts */
    bool is_set[SETTING_COUNT];
    struct setting_text text[SETTING_COUNT - SETTING_FIRST_TEXT];
};

/* WORD is one word of several, WORDS any of them with commas between, or "none": a number with a
 * bit for each. The last ones are texts, and may be "none": NAMES has names with commas between
 * them, in order; DURATIONS growing ones, in the same way; LINE what people read, UTF-8; MAILBOX an
 * address; URL one that is safe to post to: https, or http to an address of this machine; PINS
 * digests of keys and certificates (mail/security.h); HOST the name of a host; NAME one of
 * the configuration; NETWORKS those of
 * addresses (base/network.h), with commas between them. */
enum setting_unit {
    UNIT_NUMBER,
    UNIT_DURATION,
    UNIT_BYTES,
    UNIT_WORD,
    UNIT_WORDS,
    UNIT_NAMES,
    UNIT_DURATIONS,
    UNIT_LINE,
    UNIT_MAILBOX,
    UNIT_URL,
    UNIT_PINS,
    UNIT_HOST,
    UNIT_NETWORKS,
    UNIT_NAME,
};

struct setting_rule {
    const char *name;
    enum setting_unit unit; /* durations are kept in ms */
    int64_t min, max, fallback;
    const char *help;         /* one line */
    const char *const *words; /* UNIT_WORD: those of the values from 0 to max; UNIT_WORDS: those
                               * of the bits of max */
    const char *text;         /* fallback of a text; NULL: none */
};

const struct setting_rule *setting_rule(enum setting setting);
bool setting_from_name(struct str name, enum setting *out_setting);
bool setting_is_text(enum setting setting);
bool setting_has_bounds(enum setting setting); /* it is a quantity; else words, or a text */
/* May something that a list of names names be called so? "none" is the empty list. */
bool setting_is_name(struct str name);
/* "5d", "90s", "1h30m", "20", "10MB"; false if malformed or out of bounds: then it is not set, and
 * the reason, for people ("hold must be between 1h and 90d"), is added to *why. */
bool setting_parse(struct domain_settings *settings, enum setting setting, struct str text,
                   struct buf *why);
/* A number, or a text as setting_text() gives it, from the disk or a channel; false: out of bounds.
 */
bool setting_put_number(struct domain_settings *settings, enum setting setting, int64_t value);
bool setting_put_text(struct domain_settings *settings, enum setting setting, struct str text);
void setting_add_range(struct buf *out, enum setting setting); /* "1h … 90d", "tag, hold" */
/* The domain's value, else the node's default, else the table's. Either may be NULL. */
int64_t setting_value(const struct domain_settings *domain, const struct domain_settings *defaults,
                      enum setting setting);
/* Of a text: "rspamd,clamav"; empty for none. Lives as long as the settings. */
struct str setting_text(const struct domain_settings *domain,
                        const struct domain_settings *defaults, enum setting setting);
/* Those of a UNIT_DURATIONS, ms; returns how many. */
unsigned setting_durations(struct str text, int64_t out_ms[SETTING_DURATIONS_MAX]);
/* The same as people write it: "5d", "none". */
void setting_add_text(struct buf *out, enum setting setting, const struct domain_settings *domain,
                      const struct domain_settings *defaults);

/* Durations elsewhere ("--hold 5d", "--until 2h"): s m h d w, combined from large to small. */
bool duration_parse(struct str text, int64_t *out_ms);
void duration_add_text(struct buf *out, int64_t ms);
