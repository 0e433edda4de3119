/* SPDX-License-Identifier: ISC */
/* inner.h: what the files of this room share. Not for others.
 *
 *     schedule  ─┬─ route ─┬─ way ───── target      a way: one target of one route
 *                │         ├─ waiting ─ item        an item: an entry kept in memory
 *                │         ├─ expiry (held, rescued)
 *                │         └─ handover ┬─ item      a handover: one session, with the
 *                └─ target ────────────┘            items that are in flight on it
 *
 *   schedule.c     the node: its clock, what is due, and what the host tells
 *   routes.c       routes come, are resolved, paused, woken, and go
 *   route_state.c  up, shaky, down, half-up, blocked, paused
 *   ways.c         the plan: a route's targets, and which of them to use now
 *   target.c       one address and port, shared by routes; what its answers mean to them
 *   probing.c      when a target is probed
 *   handover.c     a session from opening to end
 *   ahead.c        which entries come into memory
 *   drain.c        which entry goes next, on which session
 *   answer.c       what an answer means to the entry and to the pace
 *   trial.c        refusals that are not believed yet
 *   waiting.c      the entries kept in memory
 *   expire.c       the end of the holding time
 *   delays.c       when senders are told that their mail waits
 *   status.c       looking in
 *   concurrency.c rate.c pace.c refusals.c breaker.c deferral.c steady.c    small pure parts
 *
 * Every public call notes the time in schedule->now; nothing below reads a clock.
 */
#pragma once

#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "schedule/breaker.h"
#include "schedule/concurrency.h"
#include "schedule/pace.h"
#include "schedule/rate.h"
#include "schedule/refusals.h"
#include "schedule/schedule.h"
#include "schedule/steady.h"

enum { WAYS_NONE = UINT16_MAX + 1 }; /* a preference worse than any */
enum { UNWELCOME_IN_ROW_MAX = 3 };   /* messages that MAIL was refused for: it is meant for us */

struct timer {
    struct heap_node node;
    void (*fire)(struct timer *timer);
};

struct schedule {
    struct schedule_settings settings;
    const struct schedule_host *host;
    void *context;
    struct random *random;
    struct now now;
    struct steady steady;
    struct map routes;    /* by domain */
    struct map targets;   /* by encoded endpoint and what it has to show */
    struct map handovers; /* by session number */
    struct map tickets;   /* of listings under way: struct listing */
    struct heap timers;
    struct heap probes; /* targets by the time of their next probe */
    struct rate probe_budget;
    uint64_t last_number; /* of sessions and tickets */
};

/* Every public function that brings the time begins with it. */
void schedule_begin(struct schedule *schedule, struct now now);
void timer_set(struct schedule *schedule, struct timer *timer, int64_t at_ms);
void timer_stop(struct schedule *schedule, struct timer *timer);

/* ---- listings under way ---- */

enum listing_kind { LISTING_AHEAD, LISTING_SAMPLE, LISTING_HELD, LISTING_RESCUED, LISTING_DELAYED };

struct listing {
    uint64_t ticket;
    struct route *route;
    enum listing_kind kind;
    uint64_t arrivals;   /* route->arrivals when it was asked for */
    struct delay *delay; /* LISTING_DELAYED */
};

struct listing *listing_ask(struct route *route, enum listing_kind kind,
                            const struct store_query *query);
void listing_forget(struct schedule *schedule, struct listing **listing); /* NULL is fine */

/* ---- waiting.c ---- */

enum item_place {
    ITEM_WINDOW,   /* listed ahead of need, oldest first */
    ITEM_FRESH,    /* arrived while the route was up */
    ITEM_AGAIN,    /* to be handed over again at once */
    ITEM_FLIGHT,   /* handed to a session */
    ITEM_DEFERRED, /* waits for a time of its own */
    ITEM_TRIAL,    /* it was refused, which is not believed yet */
    ITEM_EXPIRING, /* its holding time is over; the host was told */
    ITEM_DONE,     /* settled, but a listing asked for before may still name it */
    ITEM_PLACES
};

enum {
    WAITING_FRESH_MAX = 1000,
    WAITING_DEFERRED_MAX = 10000,
    WAITING_TRIAL_MAX = 4000,
    WAITING_REASONS = 8,
};

struct trial {   /* see trial.c */
    uint64_t at; /* route->answers, this one included */
    int64_t since_ms;
    int64_t until_ms;  /* then it is tried again */
    bool is_whole;     /* the message was refused, not its recipients */
    bool is_known;     /* it should have been taken */
    bool is_between;   /* the message before was taken, a moment ago */
    bool is_proved;    /* nothing more needs to be heard of the primary */
    bool was_deferred; /* others of its recipients were: they wait until then too */
    bool is_believed;  /* being settled */
};

struct item {
    struct link link;     /* in the list of its place, or in its handover's */
    struct heap_node due; /* ITEM_DEFERRED */
    struct entry entry;
    struct store_position position; /* ITEM_WINDOW */
    enum item_place place;
    uint32_t attempts;      /* that ended in a deferral */
    uint32_t reason_number; /* of the last answer; 0: none */
    struct trial trial;     /* ITEM_TRIAL */
    uint32_t refusals;      /* in a row, since … */
    int64_t refused_ms;     /* … the first one */
    uint64_t refused_at;    /* the last one, by route->answers; 0: never */
    bool was_doubted;       /* the breaker tripped meanwhile: two are not enough */
    int64_t repeated_ms;    /* it is tried again because the primary was seen to be sane; 0: not */
    int64_t given_ms;       /* to a session */
    uint16_t passed_over;   /* recipients that were deferred in this round: the others come first */
    uint8_t lost_alone;     /* sessions that were lost with nothing but this in flight */
    uint8_t no_progress;    /* answers in a row that settled nothing and deferred nothing */
    bool is_suspect;        /* was in flight when a session was lost: goes alone */
    bool is_backlog;        /* waited in the store when its turn came */
    bool is_gone;           /* settled by others while in flight, or while it is settled */
    bool is_unsure;         /* in flight: its recipients may not exist */
};

struct waiting {
    struct map known; /* every item, by message id */
    struct link list[ITEM_PLACES];
    uint32_t count[ITEM_PLACES];
    struct heap deferred;
    bool more;                   /* the store may have entries behind `after` */
    struct store_position after; /* what was listed last */
    struct store_position taken; /* what left the window last */
    struct listing *listing;
    unsigned turn; /* backlog, new, backlog, new … */
    uint32_t backlog_in_flight;
    struct verdict *reason; /* the last WAITING_REASONS answers, by number; NULL before the first */
    uint32_t reason_count;
};

void waiting_init(struct waiting *waiting);
void waiting_fini(struct waiting *waiting, struct schedule *schedule);
struct item *waiting_find(const struct waiting *waiting, struct message_id id);
struct item *waiting_add(struct waiting *waiting, const struct entry *entry, enum item_place place);
void waiting_move(struct waiting *waiting, struct item *item, enum item_place place);
void waiting_defer(struct waiting *waiting, struct item *item, int64_t due_ms);
void waiting_finish(struct waiting *waiting, struct item *item); /* done with; may free */
/* What can be found again in the store is forgotten. */
void waiting_forget_window(struct waiting *waiting);
void waiting_forget_ahead(
    struct waiting *waiting);                 /* the window, new mail, the place in the store */
void waiting_rewind(struct waiting *waiting); /* read the store from its beginning */
void waiting_retry_all(struct waiting *waiting, int64_t now_ms);
void waiting_listing_over(struct waiting *waiting);   /* answered, or not awaited any more */
bool waiting_has_mail(const struct waiting *waiting); /* or may have */
/* The next one to go, still in its place; NULL: none is ready. Suspects only if `alone`; what was
 * tried before comes last if it goes `as_canary`. */
struct item *waiting_next(struct waiting *waiting, bool alone, bool as_canary, int64_t now_ms);
bool waiting_has_suspect(const struct waiting *waiting);
uint32_t waiting_ready_count(struct waiting *waiting, int64_t now_ms);
void waiting_note_reason(struct waiting *waiting, struct item *item, const struct verdict *verdict);
const struct verdict *waiting_reason(const struct waiting *waiting, const struct item *item);

/* ---- routes ---- */

enum drain_phase {
    DRAIN_CANARY,  /* one message, and the next only when it is answered */
    DRAIN_OPEN,    /* as many as sessions allow */
    DRAIN_CRAWL,   /* everything is deferred: one message at growing intervals */
    DRAIN_TRIPPED, /* the breaker is: the same */
};

struct way {
    struct route *route;
    struct target *target;
    struct str host;
    uint16_t preference;
    bool failed;      /* in this round of probes */
    struct link link; /* target->ways */
    struct link hungry;
};

struct expiry {
    enum entry_state state;
    struct timer timer;
    struct listing *listing;
    uint32_t outstanding; /* items in ITEM_EXPIRING of this state */
    bool is_failing;      /* one of them could not be settled: the timer says when to go on */
};

struct delay {
    struct route *route;
    int64_t age_ms;
    struct store_position told; /* the last that was looked at */
    struct timer timer;
    struct listing *listing;
    uint64_t ticket;      /* of those that the host is seeing to */
    uint32_t outstanding; /* so many */
    bool is_moved;        /* `told` has, since the host was told the place */
    int64_t next_ms;      /* when to look again once they are seen to */
};

struct route {
    struct schedule *schedule;
    struct str name;
    struct domain_settings settings;

    enum route_state state;
    int64_t state_since_ms; /* Unix time */
    struct verdict reason;
    uint32_t good, bad;        /* rounds in a row */
    uint32_t turned_away;      /* tries in a row, while it is half-up or blocked */
    uint32_t unwelcome_in_row; /* messages that MAIL was refused for */
    bool is_greeting_refused;  /* that is what made it half-up or blocked */
    int64_t paused_until_ms;
    struct timer pause;

    struct arena plan; /* owns the ways and their host names */
    struct way *way;
    uint32_t way_count;
    uint32_t best; /* preference that is used now, or WAYS_NONE */
    bool plan_is_old;
    bool is_resolving;
    struct timer resolve;

    struct link handovers;
    struct link room; /* handovers that can take another entry */
    uint32_t handover_count;
    uint32_t opening_count;
    struct rate messages, bytes;

    struct waiting waiting;
    enum drain_phase phase;
    int64_t canary_at_ms;
    uint32_t sampled; /* breaker.canaries, when a sample was last looked for */
    int64_t crawl_ms;
    uint32_t deferred_in_row;
    struct timer work;

    struct breaker breaker;
    int64_t tripped_wall_ms;
    uint64_t answers;     /* messages taken or refused, ever; the clock of trials */
    uint64_t taken_at;    /* of those, the last that was taken, … */
    uint64_t accepted_at; /* … the last with a recipient that was accepted */
    int64_t taken_ms;
    bool was_taken_before; /* the message before the one that is looked at, a moment ago */
    uint64_t control_at;   /* answers, when the host was asked for a control, … */
    int64_t control_ms;    /* … and when that was */
    bool is_controlling;
    int64_t lost_trust_ms; /* the breaker tripped, the route went down … */
    struct timer trials;

    bool is_draining; /* drained() is still to be told */
    int64_t drain_since_ms;
    uint64_t drain_delivered;
    int64_t woken_ms;
    bool is_wake_due;   /* it came too soon behind the one before, and waits */
    int64_t list_at_ms; /* not before, after the store failed */

    uint64_t arrivals;
    uint64_t delivered;
    uint64_t attempts;
    struct expiry held, rescued;
    struct delay delay[SETTING_DURATIONS_MAX];
    unsigned delay_count;
};

int64_t route_value(const struct route *route, enum setting setting);
struct route *route_find(const struct schedule *schedule, struct str domain);
void route_free(struct route *route);
void route_settings_changed(struct route *route);

/* ---- route_state.c ---- */

enum route_event {
    ROUTE_EVENT_ANSWERED,  /* one of its targets lets us in */
    ROUTE_EVENT_FAILED,    /* every one of its targets, in this round */
    ROUTE_EVENT_PUT_OFF,   /* the same, and one said 4yz instead of a greeting */
    ROUTE_EVENT_UNWELCOME, /* the same, and one said 5yz; or that was said to what we brought */
    ROUTE_EVENT_STRANGER,  /* the same, and one was not who it should be */
    ROUTE_EVENT_DEFERRED,  /* message after message */
    ROUTE_EVENT_TAKEN,     /* a message, or at least seen for the first time (greylisting) */
    ROUTE_EVENT_WELCOME,   /* somebody else found out that it takes what we bring */
    ROUTE_EVENT_NO_PLAN,
    ROUTE_EVENT_PAUSE,
    ROUTE_EVENT_RESUME,
    ROUTE_EVENTS
};
void route_state_event(struct route *route, enum route_event event, const struct verdict *verdict);
/* Mail is handed over: as much as there is, or a canary. */
bool route_hands_over(const struct route *route);

/* ---- ways.c ---- */

void ways_set_plan(struct route *route, const struct route_plan *plan); /* copies */
void ways_clear(struct route *route);
void ways_find_best(struct route *route); /* after a target changed */
/* One of the best with room for another session, at random; NULL: none now. */
struct way *ways_choose(struct route *route);
/* One of the best that has room and no session of this route at all; NULL: none. */
struct way *ways_unused(struct route *route);
uint32_t ways_preference(const struct route *route, const struct target *target);
void ways_stay_hungry(struct route *route); /* for room at the best */
void ways_sate(struct route *route);

/* ---- target.c ---- */

enum target_state { TARGET_UNKNOWN, TARGET_ANSWERS, TARGET_FAILS };

enum target_failure {                   /* why it fails */
                      FAILURE_SILENT,   /* no connection, no greeting, 421 */
                      FAILURE_PUTS_OFF, /* another 4yz for a greeting */
                      FAILURE_REFUSES,  /* 5yz for a greeting */
                      FAILURE_STRANGER, /* it is somebody else */
};

struct target {
    struct schedule *schedule;
    struct endpoint endpoint;
    struct buf security; /* as in the plan: who asks for less of a host does not answer for who asks
                          * for more */
    struct link ways;
    struct link hungry;  /* ways of routes with mail and no session */
    uint32_t user_count; /* ways and handovers */
    enum target_state state;
    enum target_failure failure;
    struct verdict verdict;
    int64_t tried_ms; /* NEVER_TRIED_MS */
    int64_t tried_wall_ms;
    int64_t answered_ms;
    uint32_t slow;  /* probes in a row that it has not greeted in time */
    int64_t jitter; /* of this interval, per thousand */
    bool is_urgent; /* a sign of life */
    struct handover *probe;
    struct heap_node probe_due;
    struct concurrency concurrency;
    struct pace pace;
    struct refusals refusals;  /* of recipients that nobody knew */
    uint32_t unsure_in_flight; /* items that may add to them */
    uint32_t session_count, ready_count;
    struct timer serve;
};

#define NEVER_TRIED_MS (INT64_MIN / 4)

struct target *target_use(struct schedule *schedule, struct endpoint endpoint, struct str security);
void target_release(struct target *target);
void target_answered(struct target *target, uint32_t start, bool is_probe);
void target_failed(struct target *target, enum session_end how, const struct verdict *verdict,
                   bool is_probe);
/* Gives room to routes that wait for it, or sets a timer for when there will be. */
void target_serve(struct target *target);

/* ---- probing.c ---- */

void probing_plan(struct target *target);     /* after a try */
void probing_plan_route(struct route *route); /* after a change of the route */
void probing_wake(struct target *target);
int64_t probing_patience(const struct target *target); /* for its greeting */
/* A probe was greeted after so long; NEVER_MS: not in time. */
void probing_greeted(struct target *target, int64_t after_ms);
void probing_doubt(struct target *target); /* as soon as it may be, also while it is up */
void probing_run(struct schedule *schedule);
int64_t probing_deadline(const struct schedule *schedule);
int64_t probing_next(const struct route *route); /* mono; NEVER_MS */

/* ---- handover.c ---- */

enum handover_state { HANDOVER_OPENING, HANDOVER_READY, HANDOVER_CLOSING };

struct handover {
    struct schedule *schedule;
    session_number number;
    enum handover_state state;
    struct route *route; /* NULL: removed meanwhile */
    struct target *target;
    uint32_t preference;
    struct link link;   /* route->handovers */
    struct link room;   /* route->room */
    struct link flight; /* items */
    uint32_t in_flight;
    uint32_t window;
    bool is_probe;
    bool is_alone;  /* takes nothing more until what is in flight is answered */
    bool was_given; /* an entry */
    bool did_work;  /* at least one was answered */
    bool is_spent;  /* takes nothing more, it says, or is not to */
    int64_t opened_ms, ready_ms;
    struct timer idle;
};

void handover_open(struct route *route, struct way *way, bool is_probe);
void handover_give(struct handover *handover, struct item *item);
void handover_end(struct handover *handover);  /* asks for QUIT; what is in flight may be lost */
void handover_rest(struct handover *handover); /* nothing to do: end soon */
bool handover_may_take(const struct handover *handover);
void handover_yield(struct schedule *schedule, session_number number);
void handover_abandon_all(struct route *route); /* the route goes */
void handover_ready(struct schedule *schedule, session_number number, uint32_t window);
bool handover_answered(struct schedule *schedule, session_number number, struct message_id id,
                       const struct schedule_answer *answer);
void handover_ended(struct schedule *schedule, session_number number, enum session_end how,
                    const struct verdict *verdict);

/* ---- ahead.c; each but the first ends with drain_work() ---- */

void ahead_look(struct route *route); /* is it time to list more? */
void ahead_arrived(struct route *route, const struct entry *entry);
/* NULL: the store failed. */
void ahead_listed(struct route *route, const struct store_listing *listing);
void ahead_sampled(struct route *route, const struct store_listing *listing);

/* ---- drain.c ---- */

void drain_work(struct route *route);
/* It hands mail over now; `from`: the state before. */
void drain_start(struct route *route, enum route_state from);
void drain_stop(struct route *route); /* it does not any more */
void drain_wake(struct route *route);
void drain_trip(struct route *route, const struct verdict *reason);
void drain_untrip(struct route *route);

/* ---- answer.c ---- */

void answer_come(struct route *route, struct target *target, struct item *item,
                 const struct schedule_answer *answer);
/* The session ended before the item was answered; `alone`: no other was in flight on it. */
void answer_lost(struct route *route, struct item *item, bool alone, enum session_end how,
                 const struct verdict *verdict);

/* ---- trial.c ---- */

/* Notes what a message that was taken or refused says about the primary; before trial_begin(). */
void trial_note(struct route *route, const struct schedule_answer *answer);
/* False: it was refused before, and since then the primary was seen to be sane; this one refusal
 * says nothing more about it. */
bool trial_begin(struct route *route, struct item *item, const struct schedule_answer *answer);
/* The item leaves its place, which the caller has in mind for it: the host may forget. */
void trial_end(struct route *route, struct item *item);
/* Nothing is believed any more: all are to be tried again. */
void trial_drop_all(struct route *route);
void trial_look(struct route *route); /* the timer's doing; does drain_work() */
void trial_fini(struct route *route);
void trial_believed(struct route *route, struct item *item, uint32_t left);
void trial_controlled(struct route *route, enum control_answer control);

/* ---- expire.c ---- */

/* When what is here since then is `life_ms` old, on the monotonic clock. */
int64_t expire_time(const struct route *route, int64_t life_ms, int64_t since_ms);
void expire_init(struct route *route);
void expire_fini(struct route *route);
void expire_look(struct route *route, struct expiry *expiry); /* at the oldest, now */
void expire_arm(struct route *route, struct expiry *expiry, int64_t since_ms);
void expire_listed(struct route *route, struct expiry *expiry, uint64_t arrivals,
                   const struct store_listing *listing);
void expire_settled(struct route *route, struct item *item);
void expire_failed(struct route *route, struct item *item);

/* ---- delays.c ---- */

void delays_settings_changed(struct route *route);
void delays_fini(struct route *route);
void delays_arrived(struct route *route, int64_t since_ms);
void delays_listed(struct delay *delay, uint64_t arrivals, const struct store_listing *listing);
