/* SPDX-License-Identifier: ISC */
/* intake.h: from a receiver's octets to a stored message.
 *
 * Receivers stream content; the intake puts it into the store, grants credit so
 * that memory stays below its budget, and answers once the store says that the
 * message is durable. Everything is addressed by a key: the source (one life of
 * one receiver's channel) and the receiver's ticket.
 *
 * Back-pressure: while the store's memory is above the budget, credit is given to
 * the oldest upload alone. That one always goes on, or is complete and waits for the
 * receiver's judgement, which ends by itself: so half-arrived uploads cannot wait for
 * each other for ever, and no more than one is let in above the budget. Where that may take long
 * (filters), complete uploads leave memory instead.
 */
#pragma once

#include "store/store.h"

struct intake;

struct intake_key {
    uint32_t source;
    uint64_t ticket;
};

struct intake_host {
    /* So many octets were taken; the receiver may send as many more. */
    void (*taken)(void *context, struct intake_key key, uint64_t octets);
    /* The message's fate: 250 only when it is durable. */
    void (*answer)(void *context, struct intake_key key, const struct verdict *verdict);
    /* May a receiver bring this? False: it has been taken over, for no rule of ours lets it. */
    bool (*may_bring)(void *context, const struct envelope *envelope);
    /* A stored message's share for one domain waits now. */
    void (*arrived)(void *context, const struct entry *entry);
};

struct intake *intake_new(struct store *store, uint64_t memory_budget,
                          const struct intake_host *host, void *context);
void intake_free(struct intake *intake); /* before the store is closed; aborts uploads */

/* Octets of one upload for which no credit was given yet. */
enum { INTAKE_AHEAD_MAX = 128 * 1024, INTAKE_READ_MAX = 64 * 1024 };

/* False: the receiver broke the rules (an unknown or doubled ticket, more octets than it had credit
 * for, an envelope that does not decode, or is marked as only the store may); its channel should be
 * cut. */
bool intake_open(struct intake *intake, struct intake_key key, struct message_id id);
bool intake_write(struct intake *intake, struct intake_key key, struct str bytes);
/* Adds what was written, from `offset` on, to *out; nothing if it cannot be read. */
bool intake_read(struct intake *intake, struct intake_key key, uint64_t offset, uint64_t size,
                 struct buf *out);
bool intake_restart(struct intake *intake, struct intake_key key); /* other content follows */
/* It has all come, and will be a while yet: it leaves memory, and keeps nobody's place. */
bool intake_whole(struct intake *intake, struct intake_key key);
/* `front` stands in front of what was written (store.h). The message counts as received at
 * `received_ms`, whatever the receiver's clock wrote into the envelope. `tls` is for the log. */
bool intake_commit(struct intake *intake, struct intake_key key, struct str envelope,
                   struct str front, struct str tls, int64_t received_ms);
bool intake_abort(struct intake *intake, struct intake_key key);
/* After a restart: was this message stored? Answers 250 or 451. */
void intake_ask(struct intake *intake, struct intake_key key, struct message_id id);
/* The source is gone: what it had not committed is dropped, what it had is stored unanswered. */
void intake_drop_source(struct intake *intake, uint32_t source);
/* Once per turn, after store_turn(): grants credit that was held back. */
void intake_turn(struct intake *intake);
