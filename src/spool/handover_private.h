/* SPDX-License-Identifier: ISC */
/* handover_private.h: what the files of the handover share. Not for others.
 *
 *     dispatch ─▶ parcel ─▶ the session's answers ─▶ report ─▶ settled, and the scheduler is told
 *                                    │ refusals           ▲
 *                                    └──────▶ trial ──────┘ believed
 *
 *   handover.c          the whole, and claims: who is at work on an entry
 *   handover_parcels.c  a message that a session is given: who of it, and its content
 *   handover_reports.c  one set of answers on its way to the store
 *   handover_trials.c   refusals that nobody has believed yet
 */
#pragma once

#include "base/list.h"
#include "base/map.h"
#include "spool/handover.h"

struct handover {
    struct store *store;
    const struct handover_host *host;
    void *context;
    struct map parcels; /* by session and id */
    struct map trials;  /* by id and domain: struct trial */
    struct map claims;  /* by id and domain: struct claim */
    struct link all;    /* struct parcel.link */
    struct link failed; /* struct report.link: to be settled again */
    struct link told;   /* struct report.link: the host tells somebody */
    unsigned held_back; /* parcels that wait for a claim to end */
    struct now now;
    uint32_t turns; /* moves on where a message has more recipients than one session takes */
};

struct parcel {
    struct link link;
    struct handover *handover; /* NULL once the session is gone: free it when the store answers */
    uint64_t session;
    struct message_id id;
    struct buf domain;
    struct store_reader *reader;
    struct arena arena;
    struct envelope envelope;
    uint32_t *recipient;
    uint64_t size;
    unsigned reading;   /* store calls that have not answered */
    uint32_t pass_over; /* so many recipients that wait have had their turn */
    bool is_held_back;
};

struct trial {
    uint32_t count; /* recipients that were refused, and what was said of each */
    uint32_t *recipient;
    struct verdict *verdict;
    struct buf remote, sender; /* for whom it is told of */
    uint8_t flags;             /* of the envelope */
    bool has_envelope;
    int64_t at_ms;
};

/* handover.c */
struct buf handover_entry_key(struct message_id id, struct str domain);
bool handover_is_claimed(const struct handover *handover, struct message_id id, struct str domain);
void handover_claim(struct handover *handover, struct message_id id, struct str domain);
/* handover_release() follows where others may wait for it. */
void handover_claim_end(struct handover *handover, struct message_id id, struct str domain);

/* handover_parcels.c */
/* NULL: the session was not given it, or has answered. */
struct parcel *handover_parcel_find(const struct handover *handover, uint64_t session,
                                    struct message_id id);
/* The address behind an index of the stored envelope; empty: it is not among the parcel's, or there
 * is no parcel. */
struct str handover_parcel_recipient(const struct parcel *parcel, uint32_t index);
/* Out of sight at once; the memory goes when the store owes no more answers. */
void handover_parcel_drop(struct parcel *parcel);
void handover_release(struct handover *handover); /* opens what was held back and need not be */

/* handover_reports.c */
void handover_reports_fini(struct handover *handover); /* what is not settled stays open */

/* handover_trials.c */
bool handover_is_doubtful(const struct verdict *verdict);
/* Of the answers, those that are doubtful; result->refused says how many. */
void handover_trial_begin(struct handover *handover, const struct handover_result *result,
                          const struct handover_answers *answers);
/* NULL: there is none. It is the caller's. */
struct trial *handover_trial_take(struct handover *handover, struct message_id id,
                                  struct str domain);
void handover_trial_free(struct trial *trial);
void handover_trials_fini(struct handover *handover);
