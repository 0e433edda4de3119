/* SPDX-License-Identifier: ISC */
/* recipient_cache.h: which addresses a primary has, as far as it has said (SPEC V2, V3, V5, V8).
 *
 * What was learned while the primary is up decides while it is down. Each domain has a clock of its
 * own, which stands still as long as its primary cannot be reached: nothing that could not have
 * been confirmed grows old.
 *
 *     not known ──250──▶ valid ──"no such user"──▶ valid, in doubt ──again, later──▶ invalid
 *         └──"no such user"──▶ invalid ──250──▶ valid       └──250──▶ valid
 *
 * One refusal does not make an address invalid that was valid lately. And where several of those
 * are refused at once, not they are gone but the primary's user database is dead: until one of them
 * is taken again nothing is learned from refusals, and whoever asks is told to come back.
 *
 * Pure but for memory: the owner keeps what `changed` names. Addresses are local@domain, the domain
 * in normal form; local parts are compared as they are written.
 */
#pragma once

#include "base/clock.h"
#include "base/str.h"
#include "mail/known_recipient.h"
#include "verify/reading.h"

enum {
    RECIPIENT_CACHE_VALID_MAX = 200000, /* of one domain; above it nothing more is learned */
    RECIPIENT_CACHE_INVALID_MAX =
        20000,                       /* of one domain: strangers make them; the oldest half goes */
    RECIPIENT_CACHE_DOUBTS_DEAD = 3, /* so many in DOUBTS_SPAN: the database is dead */
};
#define RECIPIENT_CACHE_DOUBTS_SPAN_MS ((int64_t)10 * MINUTE_MS)
#define RECIPIENT_CACHE_LATELY_MS      ((int64_t)30 * DAY_MS)
#define RECIPIENT_CACHE_FRESH_MS                                                                   \
    ((int64_t)5 * MINUTE_MS) /* a refusal that need not be asked again */
#define RECIPIENT_CACHE_CATCH_ALL_MS ((int64_t)7 * DAY_MS)

struct recipient_limits {
    int64_t refresh_ms;         /* a valid one is asked about again, 7 d */
    int64_t expiry_ms;          /* and forgotten, 31 d */
    int64_t negative_expiry_ms; /* 3 d */
};

struct recipient_cache_host {
    /* Keep it; or, if `is_gone`, forget it. */
    void (*changed)(void *context, const struct known_recipient *recipient, bool is_gone);
};

struct recipient_cache; /* of one domain */

struct recipient_cache *recipient_cache_new(const struct recipient_cache_host *host, void *context);
void recipient_cache_free(struct recipient_cache *cache);
/* One that was kept, at the start; in the order of confirmed_ms. */
void recipient_cache_restore(struct recipient_cache *cache,
                             const struct known_recipient *recipient);

/* The clock. */
void recipient_cache_set_reachable(struct recipient_cache *cache, bool is_reachable,
                                   int64_t wall_ms);
int64_t recipient_cache_clock(const struct recipient_cache *cache, int64_t wall_ms);
/* What of the cache itself is to be kept, and given back: the clock, and whether all is taken. */
void recipient_cache_save(const struct recipient_cache *cache, struct domain_memory *memory);
void recipient_cache_recall(struct recipient_cache *cache, const struct domain_memory *memory);

/* What an answer about an address teaches; readings that say nothing of it teach nothing. */
void recipient_cache_learn(struct recipient_cache *cache, struct str address, enum reading reading,
                           enum recipient_source source, int64_t wall_ms);
/* A random address was asked about: is everything taken? */
void recipient_cache_learn_catch_all(struct recipient_cache *cache, bool takes_all,
                                     int64_t wall_ms);
void recipient_cache_forget(struct recipient_cache *cache, struct str name);

enum known_answer {
    KNOWN_VALID,
    KNOWN_VALID_STALE, /* serve him, and ask again meanwhile */
    KNOWN_INVALID,
    KNOWN_DEAD, /* 451: the primary has lost its users, or is about to say the same of this one */
    KNOWN_NOTHING, /* ask; where nobody can be asked, he is a suspect */
};

/* `is_up`: the primary can be asked. */
enum known_answer recipient_cache_look(const struct recipient_cache *cache, struct str name,
                                       bool is_up, const struct recipient_limits *limits,
                                       int64_t wall_ms);
/* Valid ones who need not be asked about, for who wants to know more than he asked: the next in
 * turn, at most `max`. Lives until the next call that learns or forgets. */
size_t recipient_cache_company(struct recipient_cache *cache, bool is_up,
                               const struct recipient_limits *limits, int64_t wall_ms,
                               struct str *out, size_t max);
bool recipient_cache_is_dead(const struct recipient_cache *cache);
bool recipient_cache_is_catch_all(const struct recipient_cache *cache, int64_t wall_ms);
/* Was a random address asked about lately? */
bool recipient_cache_knows_catch_all(const struct recipient_cache *cache, int64_t wall_ms);
/* An address that was valid lately, to ask about as a control; not `but`. STR_NONE: there is none.
 */
struct str recipient_cache_control(const struct recipient_cache *cache, struct str but,
                                   int64_t wall_ms);
/* One that was refused and is in doubt, the last one; STR_NONE: there is none. */
struct str recipient_cache_doubtful(const struct recipient_cache *cache);
/* NULL: not known. Lives until the next call that learns or forgets. */
const struct known_recipient *recipient_cache_find(const struct recipient_cache *cache,
                                                   struct str name);
/* All of them, in no order. */
void recipient_cache_each(const struct recipient_cache *cache,
                          void (*each)(void *context, const struct known_recipient *recipient),
                          void *context);
/* Forgets what has expired. Now and then. */
void recipient_cache_sweep(struct recipient_cache *cache, const struct recipient_limits *limits,
                           int64_t wall_ms);
size_t recipient_cache_count(const struct recipient_cache *cache, bool is_valid);
