/* SPDX-License-Identifier: ISC */
/* schedule.h: who is tried when, and how hard (SPEC P1–P5, P9, P11, P12).
 *
 * What is scheduled is the route: a protected domain's way to its primary. A
 * million messages for a dead primary cost no attempts, no timers and no disk: one
 * probe decides for all. The scheduler knows routes, targets (one address and
 * port, shared by all routes that lead there) and sessions; messages it sees only
 * as entries that the store lists, a few ahead of need.
 *
 * It is a pure state machine: its host (the keeper, a test, the simulator) calls
 * it with events and the time, and carries out what it asks for through struct
 * schedule_host. Host functions must not call back into the scheduler; what they
 * start is answered by a schedule_…() call in this or any later turn.
 */
#pragma once

#include "base/clock.h"
#include "base/random.h"
#include "config/settings.h"
#include "mail/verdict.h"
#include "route/route.h"
#include "store/store.h"

struct schedule;

enum route_state {
    ROUTE_STATE_UP,
    ROUTE_STATE_SHAKY,    /* it failed, or nobody knows yet */
    ROUTE_STATE_DOWN,     /* it does not answer */
    ROUTE_STATE_HALF_UP,  /* it answers and defers everything */
    ROUTE_STATE_BLOCKED,  /* it refuses us, whatever we bring */
    ROUTE_STATE_STRANGER, /* who answers is not who should */
    ROUTE_STATE_PAUSED,
    ROUTE_STATES
};
const char *route_state_name(
    enum route_state state); /* up shaky down half-up blocked stranger paused */

typedef uint64_t session_number; /* never reused while the keeper runs; never 0 */

/* How a session ended or failed to begin; decides what it means for the target. */
enum session_end {
    SESSION_END_QUIT,     /* as asked for */
    SESSION_END_CONNECT,  /* no connection: refused, unreachable, timed out */
    SESSION_END_GREETING, /* banner or EHLO refused in the server's own words, or a 421 later */
    SESSION_END_LOST,     /* reset, end of stream, timeout, no SMTP */
    SESSION_END_SLOW,     /* connected, and not greeted in time */
    SESSION_END_STRANGER, /* who answered is not who should */
    SESSION_END_INTERNAL, /* our own doing: the deliverer died */
};

struct session_plan {
    session_number number;
    struct str domain; /* of the route that opens it */
    struct str host;
    struct endpoint endpoint;
    struct str security; /* as in the plan */
    bool is_probe;
    int64_t connect_timeout_ms;
    int64_t greeting_timeout_ms; /* of a probe: for each answer until it is ready */
};

struct schedule_host {
    /* Find out where the domain's mail goes; answer with schedule_resolved(). */
    void (*resolve)(void *context, struct str domain);
    /* Open a session; answer with schedule_session_ready() or schedule_session_ended(). */
    void (*open_session)(void *context, const struct session_plan *plan);
    /* QUIT; one that is still opening is given up. Answer with schedule_session_ended(). */
    void (*end_session)(void *context, session_number session);
    /* Hand this entry to the session: its pending recipients, DELIVER_RECIPIENTS_MAX at most;
     * answer with schedule_delivered(). */
    void (*dispatch)(void *context, session_number session, const struct entry *entry,
                     uint32_t pass_over);
    /* Next entries of the domain; answer with schedule_listed(), passing `ticket` back. */
    void (*list)(void *context, const struct store_query *query, uint64_t ticket);
    /* The entry has been held for its holding time (ENTRY_HELD) or kept for its rescue time
     * (ENTRY_RESCUED): settle it as rescued or discarded. Answer with schedule_settled() or
     * schedule_not_expired(). */
    void (*expire)(void *context, const struct entry *entry);
    /* The entry has waited for one of the domain's notify-delay ages: its sender is to hear of it.
     * Answer with schedule_told(), now or much later, passing `ticket` back: no more are asked for
     * until all with this ticket are seen to. */
    void (*delayed)(void *context, const struct entry *entry, int64_t age_ms, uint64_t ticket);
    /* Of this age, all that came up to until_ms have been seen to: keep it (Unix time) … */
    void (*told)(void *context, struct str domain, int64_t age_ms, int64_t until_ms);
    /* … for this question; 0: it is not known. */
    int64_t (*told_until)(void *context, struct str domain, int64_t age_ms);
    /* A route changed its state. */
    void (*state_changed)(void *context, struct str domain, enum route_state from,
                          enum route_state to, const struct verdict *reason);
    /* Refusals of this entry, told by schedule_delivered(), are true: settle them. Answer with
     * schedule_believed(). */
    void (*believe)(void *context, const struct entry *entry);
    /* They may be false, and are not waited for any more: the entry is tried again later. */
    void (*doubt)(void *context, const struct entry *entry);
    /* Does the primary take a recipient of this domain who is known to exist? Answer with
     * schedule_controlled(). Asked once a minute at most. */
    void (*control)(void *context, struct str domain);
    /* The drain breaker: this primary refuses what it should take, and is given nothing but a
     * canary now and then; or it is in its right mind again. The reason is the last refusal. */
    void (*breaker)(void *context, struct str domain, bool is_tripped,
                    const struct verdict *reason);
    /* Was the entry taken in without knowing whether its recipients exist? Then it may be refused,
     * and waits where the primary has seen too many of its kind (the setting `refusals`). */
    bool (*is_unsure)(void *context, const struct entry *entry);
    /* All that was held when the primary came back has been tried; so much was handed over. */
    void (*drained)(void *context, struct str domain, uint64_t delivered, int64_t took_ms);
};

struct schedule_settings {
    int64_t probes_per_second;              /* budget of the node */
    const struct domain_settings *defaults; /* of the node; outlives the scheduler */
};

struct schedule *schedule_new(const struct schedule_settings *settings,
                              const struct schedule_host *host, void *context,
                              struct random *random, struct now now);
void schedule_free(struct schedule *schedule); /* asks the host to end its sessions */
void schedule_set_settings(struct schedule *schedule, const struct schedule_settings *settings,
                           struct now now);

/* ---- routes ---- */

/* Adds a route or changes its settings and primaries (which are then resolved anew). */
void schedule_put_route(struct schedule *schedule, struct str domain,
                        const struct domain_settings *settings, int64_t paused_until_ms,
                        struct now now);
/* Sessions are ended; mail of the domain stays in the store. */
void schedule_remove_route(struct schedule *schedule, struct str domain, struct now now);
/* The plan is copied. With a reason it is the last known good one, used while the DNS is silent.
 * NULL: none, for the reason given; it is asked again. 4.4.3 (the DNS was silent) keeps the plan
 * there was, unless it is to be forgotten before; any other reason is an answer, and ends it: mail
 * is held. */
void schedule_resolved(struct schedule *schedule, struct str domain, const struct route_plan *plan,
                       const struct verdict *reason, struct now now);
void schedule_forget_plan(struct schedule *schedule, struct str domain, struct now now);
/* paused_until_ms as in the directory: 0 resumes and probes at once. */
void schedule_pause(struct schedule *schedule, struct str domain, int64_t paused_until_ms,
                    struct now now);
/* Probe now, try deferred messages now (ETRN, `queue flush`, a sign of life). Empty: all. */
void schedule_wake(struct schedule *schedule, struct str domain, struct now now);

/* Somebody could not reach its primary: is it up? Probes now, whatever the state. */
void schedule_doubt(struct schedule *schedule, struct str domain, struct now now);

/* ---- mail ---- */

/* The store took a message in or released one: this entry waits now. */
void schedule_arrived(struct schedule *schedule, const struct entry *entry, struct now now);
/* The operator settled or released it by hand, or an expiry is done. */
void schedule_settled(struct schedule *schedule, struct str domain, struct message_id id,
                      struct now now);
/* The expiry could not be recorded: the entry is as it was, and is looked at again soon. */
void schedule_not_expired(struct schedule *schedule, struct str domain, struct message_id id,
                          struct now now);
/* One of those that were delayed() is seen to. */
void schedule_told(struct schedule *schedule, struct str domain, uint64_t ticket, struct now now);
void schedule_listed(struct schedule *schedule, uint64_t ticket, int error,
                     const struct store_listing *listing, struct now now);

/* ---- sessions ---- */

void schedule_session_ready(struct schedule *schedule, session_number session, unsigned window,
                            struct now now);
struct schedule_answer {
    uint32_t left;          /* recipients still pending: more than one transaction could carry,
                             * deferred, or refused; 0: the store does not list it any more */
    uint32_t deferred;      /* of those, tried and told 4yz */
    uint32_t untried;       /* of those, who had no turn: too many for one transaction */
    uint32_t taken;         /* recipients that have it now */
    uint32_t accepted;      /* recipients that RCPT was granted for, whatever came then */
    uint32_t refused;       /* of those left, told 5yz; the host keeps what each was told */
    uint32_t refused_known; /* of those, known to exist, or refused with the message as a whole */
    bool is_unreadable;     /* it was not tried at all: nothing is learned of the primary */
    bool is_unsent;         /* nor was this: the session takes no more */
    struct verdict verdict; /* of the first that was deferred, if any was; why it is unreadable */
    struct verdict refusal; /* of the first that was refused, with its stage, if any was */
};

/* What became of a dispatched entry. The host has recorded deliveries before; refusals it keeps
 * until it is told to believe() or to doubt() them, or is given the entry again. False: nobody
 * waits for this answer any more; the host forgets. */
bool schedule_delivered(struct schedule *schedule, session_number session, struct message_id id,
                        const struct schedule_answer *answer, struct now now);
/* What was believed is settled; so many recipients are still pending. */
void schedule_believed(struct schedule *schedule, struct str domain, struct message_id id,
                       uint32_t left, struct now now);
/* Entries dispatched to it that were not answered count as not tried. */
void schedule_session_ended(struct schedule *schedule, session_number session, enum session_end how,
                            const struct verdict *verdict, struct now now);

/* Somebody else waits for its connection: it is given nothing more, and ends when what it has is
 * answered. */
void schedule_yield(struct schedule *schedule, session_number session, struct now now);

/* ---- what others find out about the primary ---- */

enum control_answer {
    CONTROL_TAKEN,   /* a recipient who is known to exist was accepted */
    CONTROL_REFUSED, /* … was refused with 5yz */
    CONTROL_ABSENT,  /* nobody is known, and the postmaster, who ought to exist, was refused */
    CONTROL_UNKNOWN, /* nobody is known, or it could not be found out */
};

void schedule_controlled(struct schedule *schedule, struct str domain, enum control_answer control,
                         struct now now);
/* It refuses us: a question of ours, whatever it was about, was answered with a word against us. */
void schedule_unwelcome(struct schedule *schedule, struct str domain, const struct verdict *verdict,
                        struct now now);
/* It does not: somebody who is known to exist was accepted. */
void schedule_welcome(struct schedule *schedule, struct str domain, struct now now);

/* ---- time, and looking in ---- */

/* The wall clock by which holding times are counted: a jump of the kernel's is not believed at once
 * (steady.h). What goes to the store is stamped with it; mail that came in while the clock stood a
 * month back would otherwise look a month old when it is right again. */
int64_t schedule_wall(const struct schedule *schedule, struct now now);

int64_t schedule_deadline(const struct schedule *schedule);
void schedule_tick(struct schedule *schedule, struct now now);

struct route_target_status {
    struct str host;
    struct endpoint endpoint;
    uint16_t preference;
    struct str security;    /* as in the plan; lives as long as the plan */
    bool answers;           /* at the last try */
    int64_t last_tried_ms;  /* Unix time; 0: never */
    struct verdict verdict; /* of the last try */
};

struct route_status {
    enum route_state state;
    int64_t state_since_ms;    /* Unix time */
    struct verdict reason;     /* why it is not up, or the last answer */
    uint32_t sessions;         /* open */
    uint32_t sessions_allowed; /* by slow start and feedback, now */
    uint32_t in_flight;        /* entries handed to sessions */
    uint64_t deferred;         /* entries that wait for a later try of their own */
    uint64_t on_trial;         /* entries that were refused, which is not believed yet */
    bool is_tripped;           /* the drain breaker, … */
    int64_t tripped_ms;        /* … since (Unix time) */
    uint64_t delivered;        /* messages since the start */
    uint64_t attempts;
    int64_t next_probe_ms; /* Unix time; 0: none is due */
    bool plan_known;
    bool plan_is_old; /* last-known-good, DNS does not answer */
    uint32_t target_count;
    struct route_target_status target[ROUTE_TARGETS_MAX];
};
bool schedule_status(const struct schedule *schedule, struct str domain, struct now now,
                     struct route_status *out_status);
/* For `queue show`: when a deferred entry is tried next (Unix time; 0: as soon as the route
 * allows), how often it was tried, and the last answer. False if nothing is known of it. */
bool schedule_entry_status(const struct schedule *schedule, struct str domain, struct message_id id,
                           struct now now, int64_t *out_next_ms, uint32_t *out_attempts,
                           struct verdict *out_last);
