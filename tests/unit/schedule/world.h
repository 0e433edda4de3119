/* SPDX-License-Identifier: ISC */
/* world.h: a store, primaries of several tempers and a clock, for tests of the scheduler.
 *
 * Domains are d0.example, d1.example …; a primary is known by its number and has
 * the endpoint 10.0.x.y:25. Everything that the scheduler asks for happens a little
 * later, in the order of a fake clock. While it runs, the world holds the
 * scheduler to its promises:
 *
 *   - an entry is on one session at a time, and only while its route hands mail over
 *   - only a refusal that is on trial is believed, and nothing while the breaker is tripped
 *   - a session carries no more than its window, a route no more than its limit
 *   - a deferred entry is not tried again before its time, unless somebody woke it
 */
#pragma once

#include "base/heap.h"
#include "schedule/schedule.h"

enum { WORLD_DOMAINS = 1100, WORLD_PRIMARIES = 1100, WORLD_AGES = 8 };

struct primary {
    bool is_alive;
    bool refuses;           /* while dead: refused at once, else connects hang */
    uint32_t session_limit; /* 421 above; 0: none */
    uint32_t window;
    int64_t latency_ms;  /* per message, one after the other on a session */
    int64_t greylist_ms; /* each message is deferred until so long after its first try */
    bool says_hint;      /* greylisting says how long */
    bool defers_all;
    bool loses_all;       /* drops the connection at the first message */
    uint16_t greets_with; /* instead of 220; 0: it does not */
    int64_t greets_after_ms;
    bool is_stranger;         /* it cannot show what it should */
    bool refuses_all;         /* every message, … */
    uint32_t refuses_percent; /* … or so many, … */
    enum stage refuses_at;    /* … there … */
    bool refuses_unknown;     /* … as if the recipients did not exist (RCPT) */
    uint32_t per_minute;      /* a rate limit; 0: none */
    int64_t minute_since_ms;
    uint32_t in_minute, limited;
    uint32_t defers_percent, loses_percent;

    uint32_t sessions, sessions_max;
    uint64_t connects, refused, connect_failed, delivered;
    int64_t answers_since_ms; /* set by primary_revive() */
};

struct mail {
    struct entry entry;
    uint32_t domain;
    int64_t first_try_ms, last_try_ms;
    uint32_t tries, deferrals, deliveries;
    uint32_t delays;    /* its sender was told */
    session_number on;  /* session that carries it, 0 */
    bool is_unreadable; /* what the store has of it */
    bool is_poison;     /* breaks every connection, … */
    bool is_told_421;   /* … with this for an answer */
    bool is_spam;       /* is refused for good, at its end */
    bool is_wrong;      /* its recipient does not exist */
    uint16_t forged;    /* its sender does not exist, which is said with this code; 0: it does */
    bool is_unsure;     /* and nobody could know */
    bool is_on_trial;
    bool is_stored;
    int64_t delivered_ms;
};

struct world_told { /* what the host keeps: how far senders were told */
    int64_t age_ms;
    int64_t until_ms;
};

struct world {
    struct schedule *schedule;
    struct domain_settings defaults, settings;
    struct schedule_settings schedule_settings;
    struct random random, scheduler_random;
    struct now now;
    struct heap events;
    struct primary primary[WORLD_PRIMARIES];
    uint32_t primary_of[WORLD_DOMAINS]; /* best target */
    uint32_t second_of[WORLD_DOMAINS];  /* worse, or equal if equals; UINT32_MAX: none */
    bool second_is_equal;
    bool dns_is_dead;
    bool disk_fails; /* no expiry can be recorded */
    enum route_state state[WORLD_DOMAINS];
    bool woken; /* retries may be early */
    struct mail *mail;
    uint32_t mail_count, mail_cap;
    uint32_t head; /* all before it are gone */
    struct link sessions;

    uint64_t dispatched, deferred, delivered, expired, discarded, probes, opened, drained, listings;
    uint64_t believed, doubted, controls, trips, closes, refused;
    enum control_answer control; /* what the host answers */
    bool is_tripped[WORLD_DOMAINS];
    int64_t refused_ms[1000]; /* when a primary refused, the first thousand times */
    uint64_t not_expired;     /* asked for while the disk failed */
    uint64_t state_changes;
    struct world_told told[WORLD_DOMAINS][WORLD_AGES];
    int64_t telling_ms; /* takes so long */
    uint64_t delayed, places;
    int64_t last_age_ms;
    int64_t first_dispatch_ms; /* since it was last set to -1 */
};

struct world *world_new(uint64_t seed);
void world_free(struct world *world);
struct str world_domain(uint32_t number);
void world_set(struct world *world, enum setting setting, int64_t value); /* for all domains */
void world_set_delays(struct world *world, const char *ages); /* for domains that come */
/* The scheduler is gone, and a new one knows nothing but what its host keeps. Domains are to be
 * added again; while nothing is on a session. */
void world_restart(struct world *world);
void world_add_domain(struct world *world, uint32_t domain, uint32_t primary);
/* Mail into the store without telling the scheduler (it was there before); returns its number. */
uint32_t world_hold(struct world *world, uint32_t domain);
uint32_t world_arrive(struct world *world, uint32_t domain);
void world_run(struct world *world, int64_t ms);
bool world_run_until_empty(struct world *world, int64_t ms_max);
void world_kill(struct world *world, uint32_t primary); /* sessions are lost */
void world_kill_deliverers(struct world *world);        /* all sessions are, and others come */
void world_revive(struct world *world, uint32_t primary);
void world_jump_clock(struct world *world, int64_t ms); /* the wall clock alone */
uint32_t world_held(const struct world *world, uint32_t domain);
struct route_status world_status(struct world *world, uint32_t domain);
struct endpoint world_endpoint(uint32_t primary);
