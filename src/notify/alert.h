/* SPDX-License-Identifier: ISC */
/* alert.h: what the owner of a domain is told, and whom it reaches (SPEC N3, N6).
 *
 * One table in alert.c has a row for each event: its word, its text for people, the setting that
 * says who is told. Senders are told of their own mail alone (notice.h).
 */
#pragma once

#include "config/settings.h"
#include "notify/template.h"

enum alert {
    ALERT_DOWN,
    ALERT_BACK,
    ALERT_DRAINED,
    ALERT_BLOCKED,
    ALERT_HALF_UP,
    ALERT_STRANGER,
    ALERT_BREAKER,
    ALERT_USERS_GONE, /* the primary says "no such user" of those it had before */
    ALERT_NEAR_EXPIRY,
    ALERT_QUOTA,
    ALERT_REFUSED,          /* mail is in the rescue store, and its sender could not be told */
    ALERT_STRANGER_ADDRESS, /* somebody else answers where the primary is said to be now */
    ALERT_COUNT,
};
const char *alert_name(enum alert alert); /* "down", "half-up" … */
enum occasion alert_occasion(enum alert alert);

/* How the primary is, as far as its owner is concerned. */
enum alert_condition {
    CONDITION_FINE,
    CONDITION_DOWN,
    CONDITION_BLOCKED,
    CONDITION_HALF_UP,
    CONDITION_STRANGER,
    CONDITION_COUNT,
};
enum alert alert_of(enum alert_condition condition); /* FINE: ALERT_BACK */

/* Bits of enum setting_audience. An owner or a webhook that is not set is not told. */
unsigned alert_audiences(enum alert alert, const struct domain_settings *domain,
                         const struct domain_settings *defaults);

/* What is known; 0 and empty where it is not. Times are Unix time. */
struct alert_facts {
    int64_t since_ms;
    int64_t lasted_ms;
    int64_t oldest_ms; /* of what is held */
    int64_t until_ms;  /* NEAR_EXPIRY: when the first is given up */
    uint64_t held;
    uint64_t delivered, failures;
    uint64_t used, quota; /* octets, … */
    bool is_count;        /* … or messages */
    uint32_t times;       /* more than 1: so often since the owner was told the last time */
    struct str primary;
    struct str reason;
};

/* When the oldest held message is given up, if that is soon: within a day, or the last fifth of the
 * holding time where that is shorter. 0: it is not. */
int64_t alert_near_expiry(int64_t oldest_ms, int64_t hold_ms, int64_t now_ms);
