/* SPDX-License-Identifier: ISC */
/* verifier_private.h: what the files of the verifier share. Not for others.
 *
 *     verifier.c     its domains, what they remember, time
 *     asker.c        who asks, and what he is told
 *     inquiry.c      what the primary is asked, and what its word comes to
 *
 *     domain ─┬─ inquiry ── asker, asker …     one address that the primary is asked about
 *             ├─ inquiry (the control) ── inquiries whose answer it decides
 *             └─ cache
 *
 * An asker waits for an inquiry, or for a moment (a refusal that came too fast would tell what is
 * remembered from what is asked). An inquiry is queued, or under way, or waits for the control.
 */
#pragma once

#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"
#include "verify/budget.h"
#include "verify/recipient_cache.h"
#include "verify/verifier.h"

#define CONTROL_HOLDS_MS  ((int64_t)MINUTE_MS)      /* the primary takes those it has */
#define WELCOME_AGAIN_MS  ((int64_t)15 * MINUTE_MS) /* one that refuses us is asked again */
#define REFUSALS_SPAN_MS  ((int64_t)10 * MINUTE_MS) /* as fail2ban counts them */
#define CALLOUT_TAKES_MAX ((int64_t)2 * SECOND_MS)

struct policy_of_domain { /* ms, and numbers in an hour */
    struct recipient_limits limits;
    enum setting_suspects suspects;
    uint32_t suspects_per_network, suspects_per_domain, unknown_per_network;
    uint32_t refusals; /* 0: no limit */
    int64_t callout_limit_ms;
};

struct verified { /* a domain */
    struct verifier *verifier;
    struct buf name;
    struct policy_of_domain policy;
    struct recipient_cache *cache;
    bool is_up;
    struct buf primary; /* empty: there is none */

    struct map by_address; /* struct inquiry, by folded address */
    struct link queue;     /* struct inquiry.link */
    uint32_t inquiry_count, under_way;
    struct link controlled;  /* struct inquiry.link: they wait for the control */
    struct inquiry *control; /* NULL: none is asked about */
    int64_t taken_ms;        /* somebody was taken; NEVER_MS_AGO */
    int64_t nothing_ms;      /* a control was asked about, and it said nothing */
    bool is_unwelcome;
    bool is_shut_out;      /* at the door */
    int64_t welcome_ms;    /* when it is asked whether we are still */
    int64_t callout_takes; /* ms, usually */
    uint64_t asked, refused;
};

#define NEVER_MS_AGO (INT64_MIN / 4)

struct inquiry {
    struct link link; /* in domain->queue or ->controlled; in none while under way */
    struct verified *domain;
    uint64_t number;    /* 0: not under way */
    struct buf address; /* as the primary is asked */
    struct buf key;     /* folded */
    struct buf charged; /* the primary whose tolerance it uses */
    struct link askers;
    int64_t began_ms;
    unsigned tries;
    bool is_random;  /* asks whether everything is taken */
    bool is_control; /* of one that the primary has; or postmaster, of whom that is only likely */
    bool is_sure;    /* a control that must be taken */
    enum reading reading;
    struct verdict said;
};

struct asker {
    struct link link; /* inquiry->askers, or verifier->uncredited */
    struct heap_node due;
    struct verifier *verifier;
    uint64_t id;
    struct inquiry *inquiry; /* NULL: none, or `answer` waits for its moment */
    struct buf domain, network, key;
    int64_t since_ms;
    struct buf address;
    bool is_charged; /* as unknown */
    struct verifier_answer answer;
};

struct verifier {
    const struct verifier_host *host;
    void *context;
    struct random *random;
    struct now now;
    struct map domains;   /* struct verified */
    struct map inquiries; /* those under way, by number */
    struct map askers;    /* by id */
    struct heap due;      /* struct asker.due */
    struct link
        uncredited; /* struct asker.link: their network has as many questions open as it may */
    uint32_t uncredited_count;
    struct map open;          /* struct open_questions, by network */
    struct budget *suspected; /* addresses that were accepted though nobody knows them */
    struct budget *unknown, *suspects_of_network, *suspects_of_domain, *refusals;
    uint64_t last_inquiry;
    int64_t look_ms, sweep_ms; /* monotonic */
};

/* verifier.c */
struct verified *verified_find(const struct verifier *verifier, struct str domain);
struct verified *verified_of_address(const struct verifier *verifier, struct str address);
void verified_event(struct verified *domain, enum verifier_event event, const struct verdict *said);
/* If its users have come or gone since. */
void verified_tell_users(struct verified *domain, bool were_gone);
/* Lower case, as which it is remembered. */
void address_fold(struct buf *out, struct str address);

/* asker.c */
/* What the primary said, or did not; `are_users_gone`: it says so of those it had, too. */
void asker_conclude(struct asker *asker, enum reading reading, bool are_users_gone,
                    const struct verdict *said);
void asker_free(struct asker *asker);
/* Those who waited for other questions of their network, where these are answered. The end of every
 * public call. */
void askers_admit(struct verifier *verifier);

/* inquiry.c */
enum inquiry_kind { INQUIRY_ADDRESS, INQUIRY_RANDOM, INQUIRY_CONTROL };
/* The one there is for the address, or a new one. NULL: there are too many. */
struct inquiry *inquiry_begin(struct verified *domain, struct str address, enum inquiry_kind kind);
void inquiry_run(struct verified *domain); /* those whose turn it is; after anything changed */
/* All that wait, and what is under way, come to this. */
void inquiry_end_all(struct verified *domain, enum reading reading, const struct verdict *said);
/* Somebody that the primary has, and who is not `but`; unless one is being asked about. */
void inquiry_ask_control(struct verified *domain, struct str but);
void inquiry_learn_invalid(struct verified *domain, struct str key, enum recipient_source source);
void inquiry_learn_valid(struct verified *domain, struct str key, enum reading reading,
                         enum recipient_source source);
