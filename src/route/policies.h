/* SPDX-License-Identifier: ISC */
/* policies.h: the MTA-STS policies of the domains that mail goes to (RFC 8461): which is in force,
 * and when to look for another one.
 *
 *     idle ── wanted, and a look is due ──▶ record ── another id, or nearly over ──▶ fetch
 *       ▲                                     │                                        │
 *       └──────────── nothing new ────────────┴────────── one has come, or not ────────┘
 *
 * 1. A policy is in force until its time is over or another one has come, whatever fails meanwhile.
 * 2. What failed is let alone for some minutes (RFC 8461 3.3).
 * 3. There is an end to how many are kept: the one that was wanted longest ago makes room.
 *
 * The host asks the DNS and the web server; it is called from within, and answers in a later turn.
 * What it is given to keep, it gives back after a restart.
 */
#pragma once

#include "base/clock.h"
#include "wire/dns.h"
#include "wire/mta_sts.h"

enum {
    POLICIES_MAX = 2000,
    POLICIES_PAUSE_MS = 5 * MINUTE_MS, /* behind what failed */
};

struct policies_host {
    void (*ask)(void *context, struct str domain);   /* then policies_record() */
    void (*fetch)(void *context, struct str domain); /* then policies_fetched() */
    /* Nothing is under way any more: who waits for it may go on. `is_new`: another one is in force.
     */
    void (*settled)(void *context, struct str domain, bool is_new);
    void (*keep)(void *context, struct str domain, struct str bytes); /* empty: forget it */
};

enum policy_failure { /* of the last look; RFC 8460 4.3 has the names */
                      POLICY_FINE,
                      POLICY_DNS_FAILED,
                      POLICY_NO_RECORD,   /* no failure unless there was one before */
                      POLICY_NOT_FETCHED, /* sts-policy-fetch-error */
                      POLICY_UNTRUSTED,   /* sts-webpki-invalid */
                      POLICY_INVALID,     /* sts-policy-invalid */
};
const char *policy_failure_name(enum policy_failure failure);

enum policy_state {
    POLICY_ABSENT,   /* as far as we know */
    POLICY_IN_FORCE, /* even while another one is looked for */
    POLICY_SOUGHT,   /* wait for settled() */
};

struct policies;
struct policies *policies_new(const struct policies_host *host, void *context);
void policies_free(struct policies *policies); /* NULL is fine */

/* Mail goes there: what is in force? May begin a look. *out_policy, if one is, is borrowed until
 * the next call. */
enum policy_state policies_want(struct policies *policies, struct str domain, struct now now,
                                struct sts_policy *out_policy);
/* What the DNS says of _mta-sts.DOMAIN, TXT. */
void policies_record(struct policies *policies, struct str domain, const struct dns_answer *answer,
                     struct now now);
/* The text, or why there is none: POLICY_FINE, POLICY_NOT_FETCHED or POLICY_UNTRUSTED; or
 * POLICY_INVALID, where it is not text. */
void policies_fetched(struct policies *policies, struct str domain, enum policy_failure failure,
                      struct str text, struct now now);

struct policy_status {
    bool is_in_force; /* else only `failure` says something */
    struct sts_policy policy;
    struct str id;
    int64_t expires_ms; /* Unix time */
    enum policy_failure failure;
};
/* Begins nothing. False: it was never wanted. Borrowed until the next call. */
bool policies_find(const struct policies *policies, struct str domain, struct now now,
                   struct policy_status *out_status);

/* Before the first is wanted. False: those are not what keep() was given. */
bool policies_restore(struct policies *policies, struct str domain, struct str bytes);
