/* SPDX-License-Identifier: ISC */
/* verifier.h: may this recipient be served? (SPEC V1–V10)
 *
 * What the primary has said is remembered (recipient_cache.h); what it has not said yet it is
 * asked, as long as it can be: an inquiry, whose answer all get who wait for it (reading.h). When
 * it cannot be asked, what is remembered decides, and who is not known is a suspect: accepted, so
 * many an hour.
 *
 *                     the primary can be asked               it cannot
 *     known           250; now and then asked again          250
 *     known not       550; asked again after 5 min           550
 *     not known       asked: 250, 550, or 450 in time        suspects: 250, beyond the budget 450
 *
 * Strangers who try names one by one are told of twenty that are not there, then of none. What the
 * primary says of an address is believed only as long as it still takes those that it had: a
 * control.
 *
 * A state machine over memory. Host functions must not call back. Addresses are local@domain with
 * the domain in normal form; they are told apart without regard to case, as all primaries do.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "config/settings.h"
#include "mail/known_recipient.h"
#include "mail/verdict.h"
#include "verify/reading.h"

struct verifier;

enum {
    VERIFIER_INQUIRIES_MAX =
        1000,                    /* of a domain, waiting or under way; beyond it "later" is said */
    VERIFIER_UNDER_WAY_MAX = 16, /* of a domain, at the primary */
};

struct verifier_answer {
    struct verdict verdict;
    bool holds;           /* it is the same for this address until the host is told otherwise */
    bool is_suspect;      /* accepted although nobody knows him … */
    bool needs_proof;     /* … if SPF or DKIM passes */
    enum reading reading; /* of what the primary said, if it was asked just now */
    struct verdict said;  /* code 0: it was not */
};

enum verifier_event {
    VERIFIER_UNWELCOME, /* the primary refuses us, or those whom it had; `said` */
    VERIFIER_WELCOME,   /* not any more */
    VERIFIER_SILENT,    /* it could not be asked after all: is it up? */
    VERIFIER_USERS_GONE,
    VERIFIER_USERS_BACK,
};

struct verifier_host {
    /* To who asked and was told to wait. */
    void (*answered)(void *context, uint64_t asker, const struct verifier_answer *answer);
    /* Ask the domain's primary about this address; the answer goes to verifier_told(). */
    void (*inquire)(void *context, uint64_t inquiry, struct str domain, struct str address);
    /* Keep it; or, if `is_gone`, forget it. */
    void (*recipient_changed)(void *context, const struct known_recipient *recipient, bool is_gone);
    /* As above; of a domain's memory this room knows the clock and whether all is taken. */
    void (*memory_changed)(void *context, struct str domain);
    /* Answers that hold do not any more. */
    void (*answers_void)(void *context, struct str domain);
    void (*event)(void *context, struct str domain, enum verifier_event event,
                  const struct verdict *said);
};

struct verifier *verifier_new(const struct verifier_host *host, void *context,
                              struct random *random);
void verifier_free(struct verifier *verifier);

/* ---- domains ---- */

/* Adds one, or changes its settings (copied). What was asked for one that is removed is answered.
 */
void verifier_put_domain(struct verifier *verifier, struct str domain,
                         const struct domain_settings *settings,
                         const struct domain_settings *defaults, struct now now);
void verifier_remove_domain(struct verifier *verifier, struct str domain, struct now now);
/* Can its primary be asked? `primary` tells primaries apart (several domains may have one). */
void verifier_set_primary(struct verifier *verifier, struct str domain, bool is_up,
                          struct str primary, struct now now);
/* At the start, in the order of confirmed_ms; what belongs to no domain is left out. */
void verifier_restore(struct verifier *verifier, const struct known_recipient *recipient);
void verifier_recall(struct verifier *verifier, const struct domain_memory *memory);
/* Fills in what this room knows. False: no such domain. */
bool verifier_save(const struct verifier *verifier, struct str domain,
                   struct domain_memory *memory);

/* ---- questions ---- */

struct verifier_question {
    uint64_t asker;     /* given back with the answer; never 0 */
    struct str domain;  /* that was put */
    struct str network; /* of the client, for the budgets; empty: an operator, who has none */
    struct str address;
    bool is_forced; /* the primary is asked whatever is known */
};

/* True: *out_answer is filled. False: answered() comes, at the soonest from within this call. */
bool verifier_ask(struct verifier *verifier, const struct verifier_question *question,
                  struct now now, struct verifier_answer *out_answer);
/* Its answer is not wanted any more. */
void verifier_forget_asker(struct verifier *verifier, uint64_t asker);
/* Is the answer still waited for? */
bool verifier_wants(const struct verifier *verifier, uint64_t inquiry);
/* What the primary said, or what kept it from being asked. */
void verifier_told(struct verifier *verifier, uint64_t number, enum probe_stage stage,
                   const struct verdict *verdict, struct now now);

/* ---- what else teaches ---- */

/* A delivery: the primary's word on a recipient at RCPT; or, accepted, at the end of the content.
 */
void verifier_delivered(struct verifier *verifier, struct str address,
                        const struct verdict *verdict, struct now now);
/* By the operator, or from a list; READING_VALID or READING_INVALID. */
void verifier_learn(struct verifier *verifier, struct str address, enum reading reading,
                    enum recipient_source source, struct now now);
void verifier_forget(struct verifier *verifier, struct str address);
/* Is it known that the primary has him? For who judges what the primary says later. */
bool verifier_is_valid(const struct verifier *verifier, struct str address, struct now now);
/* Some of the domain of whom is known that they are valid, each time the next ones; at most `max`.
 * Borrowed until the next call that learns or forgets. */
size_t verifier_company(struct verifier *verifier, struct str domain, struct now now,
                        struct str *out, size_t max);
/* Does the primary take somebody that it is known to have? Answered as a question is: reading. */
bool verifier_ask_control(struct verifier *verifier, struct str domain, uint64_t asker,
                          struct now now);

/* ---- time, and looking in ---- */

int64_t verifier_deadline(const struct verifier *verifier);
void verifier_tick(struct verifier *verifier, struct now now);

struct verifier_status {
    size_t valid, invalid;
    bool is_up;              /* the primary is asked */
    bool takes_all;          /* whatever the address */
    bool users_gone;         /* it says that those it had are not there */
    bool is_unwelcome;       /* it refuses us */
    uint32_t suspects;       /* accepted in this hour */
    uint32_t inquiries;      /* waiting or under way */
    uint64_t asked, refused; /* inquiries since the start, and those that it refused */
};
bool verifier_status(const struct verifier *verifier, struct str domain, struct now now,
                     struct verifier_status *out_status);
/* NULL: not known. Lives until the next call. */
const struct known_recipient *verifier_find(const struct verifier *verifier, struct str address);
/* All of a domain, in no order; not while changing them. */
void verifier_each(const struct verifier *verifier, struct str domain,
                   void (*each)(void *context, const struct known_recipient *recipient),
                   void *context);
/* Of the domain's clock: the age of something known, ms. */
int64_t verifier_age(const struct verifier *verifier, struct str domain, int64_t clock_ms,
                     struct now now);
