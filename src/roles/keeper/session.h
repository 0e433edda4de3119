/* SPDX-License-Identifier: ISC */
/* session.h: sessions as the keeper knows them; for the files that work with them.
 *
 *   sessions.c    they come, end and are told of; what is left when a deliverer or a keeper dies
 *   schedule.c    the scheduler has them opened and ended
 *   handover.c    what the handover wants sent over them
 *   deliverers.c  what deliverers say of them
 *
 * A session lives here from the scheduler's open_session() until the scheduler has
 * been told of its end. That is told only when every answer of the session is
 * settled: an entry counts as not tried when the session ends before its answer,
 * and an answer that is still on its way to the disk must not look like none.
 *
 * After a restart of the keeper the deliverers first say which messages they still
 * have on their hands; until all have said so (or ten seconds have passed) no
 * session is opened, and a message that is on somebody's hands is parked instead
 * of being handed out a second time.
 */
#pragma once

#include "roles/keeper/keeper.h"

struct keeper_session {
    struct link opening; /* in keeper->openings while it waits to be opened */
    uint64_t number;
    uint32_t source; /* of the deliverer's channel; 0: not opened yet */
    struct buf domain;
    struct buf host;
    struct buf security; /* what it has to show, encoded */
    bool xclient;        /* it is told whose mail it is */
    struct endpoint endpoint;
    bool is_probe;
    int64_t connect_timeout_ms;
    int64_t greeting_timeout_ms;
    uint64_t line;       /* that it goes over; 0: none */
    bool tls_is_counted; /* once is enough */
    bool is_greeted;     /* so that what it offers is known: */
    unsigned extensions; /* enum smtp_extension, … */
    struct buf tls;      /* … and how it is encrypted, for the log; empty: it is not */
    unsigned reports;    /* answers that are being settled */
    bool has_ended;
    enum session_end how;
    struct verdict verdict;
};

/* On the hands of a deliverer since before the keeper's restart. A message may be there once for
 * each of its domains. */
struct unfinished {
    uint32_t source;
    struct message_id id;
    struct buf key;
    uint64_t parked_session; /* 0: nobody waits for it */
    bool was_left;           /* the keeper before has listed it */
    struct entry entry;      /* what was to be handed out; its domain lives with the store */
};

struct keeper_session *keeper_session_find(const struct keeper *keeper, uint64_t number);
void keeper_session_add(struct keeper *keeper, struct keeper_session *session);
void keeper_session_free(struct keeper *keeper, struct keeper_session *session);
/* The deliverer that has it; NULL: it is not opened yet, or its deliverer is gone. */
struct channel *keeper_session_channel(const struct keeper *keeper, uint64_t number);
/* Tells the scheduler, now or when its answers are settled. */
void keeper_session_ended(struct keeper *keeper, struct keeper_session *session,
                          enum session_end how, const struct verdict *verdict);
/* One of its answers is. */
void keeper_session_settled(struct keeper *keeper, struct keeper_session *session);

/* deliverers.c: all of them hear that an answer is durable, or will not be looked at. */
void keeper_note_delivered(const struct keeper *keeper, uint64_t session, struct message_id id);

/* schedule.c; a session of the scheduler's, or of a callout */
void keeper_session_has_line(struct keeper *keeper, uint64_t number,
                             const struct keeper_peer *deliverer, uint64_t line);
void keeper_session_without_line(struct keeper *keeper, uint64_t number, enum session_end how);

struct unfinished *keeper_unfinished_find(const struct keeper *keeper, struct message_id id,
                                          struct str domain);
void keeper_unfinished_add(struct keeper *keeper, uint32_t source, struct message_id id,
                           struct str domain);
void keeper_unfinished_free(struct unfinished *unfinished); /* NULL is fine */
