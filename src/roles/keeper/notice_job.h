/* SPDX-License-Identifier: ISC */
/* notice_job.h: one event that a sender may be told of, on its way to him.
 *
 *     queued ─▶ the message is opened and its content read ─▶ the notice is written (notify/)
 *            ─▶ stored as mail of our own ─▶ ended(): whoever waits for it goes on
 *
 *   notices.c         the events: who may be told, and what waits for it
 *   notice_jobs.c     the queue, and the way of a job
 *   notice_writing.c  from the event and the message to the words
 */
#pragma once

#include "notify/notice.h"
#include "roles/keeper/keeper.h"

enum { NOTICE_CONTENT_MAX = 256 * 1024 }; /* that is read of a message, and that comes back */

struct notice_job {
    struct link link; /* in a queue */
    struct keeper *keeper;
    enum notice_kind kind;
    struct message_id id;
    struct buf domain;
    uint32_t *recipient; /* indices in the envelope */
    struct verdict *verdict;
    uint32_t count; /* of both; 0: all who wait, and `verdict` is NULL or one for all */
    bool is_reply, is_expired, is_by_hand;
    struct buf remote;
    int64_t last_attempt_ms;
    int64_t age_ms; /* NOTICE_DELAYED */
    unsigned tries;

    struct store_reader *reader; /* while it is worked on */
    const struct stored_message *message;
    struct buf mail;
    struct message_id notice_id;
    struct notice_made made;

    void (*ended)(struct notice_job *job, enum notice_end end, struct str why);
    struct told_answers *answers; /* of a primary */
    uint64_t ticket;              /* of the scheduler */
    notice_done *done;            /* whoever else */
    void *context;
};

/* It is the caller's until it is queued; ended() has to be set then. */
struct notice_job *keeper_notice_new(struct keeper *keeper, enum notice_kind kind,
                                     struct message_id id, struct str domain);
void keeper_notice_drop(struct notice_job *job);
/* Delays wait until nothing else does. ended() is called once, and the job is gone then. */
void keeper_notice_queue(struct notice_job *job);

/* Mail is in the rescue store, and its sender will not hear of it: somebody else should.
 * `reason`: NULL where there is none. */
void keeper_notice_tell_owner(struct keeper *keeper, struct str domain,
                              const struct verdict *reason);

/* Why the message waits: what was said of it the last time, else what is wrong with its way. */
void keeper_notice_note_last_words(struct notice_job *job);
/* The notice into job->mail. `content`: of the message that is open, as much as was read. False:
 * there is none, and why. */
bool keeper_notice_write(struct notice_job *job, struct str content, struct str *out_why);
