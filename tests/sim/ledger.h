/* SPDX-License-Identifier: ISC */
/* ledger.h: what was promised, and whether it is kept.
 *
 * The ledger learns from both ends: from senders what they were told, from
 * primaries what they took. Of the product it hears three things: what the store
 * was asked to keep and to settle and what it answered (it stands before
 * store_append() and store_settle()), and the log. It knows none of the product's
 * rules but the promises:
 *
 *   1  What a sender was told 250 for is, for each recipient, held, taken by a
 *      primary, in the rescue store, or gone by the operator's order. So it is
 *      after every start of the keeper, from time to time, and at the end.
 *   2  What a primary takes is octet for octet what a sender sent, for a recipient
 *      that the sender named, behind one field of ours.
 *   3  It is taken once. It may come again only before the settlement was durable,
 *      and then the log says delivery_in_doubt, or whoever knew was killed: keeper
 *      and deliverer both, or the whole machine.
 *   4  Nothing is settled as delivered that no primary took, nothing as refused
 *      that none refused, nothing as expired before its holding time is over.
 *   5  What was never sent whole is never handed over.
 *   6  Memory for content on its way stays within its budget.
 *   7  Whose sender was proved is not settled as refused or expired before a notice
 *      that says so is stored; and it says so once, unless the keeper died since and
 *      its store had forgotten. (Which senders were proved, the ledger decides: it
 *      writes it into the envelope on the way to the store.) Whose sender was not, of
 *      that nobody is told.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "sim/letter.h"
#include "sim/machine.h"

struct store;

/* ---- what senders tell ---- */
void ledger_promised(const struct letter *letter, struct str id, const bool *recipient_accepted);

/* ---- what primaries tell ---- */
struct ledger_stamp { /* the beginning of a session */
    int64_t at_ms;    /* true time */
    struct machine_counts deaths;
};
struct ledger_stamp ledger_stamp(void);
/* They have the content and are about to say 250, or to hang up without a word. What they take may
 * have been on its way when its sender died: the session's beginning counts. */
void ledger_taken(struct str content, struct str recipient, const struct ledger_stamp *session);
/* A 5yz was said to this recipient of this domain (RCPT, or after the content). */
void ledger_refused(struct str recipient);
void ledger_refused_sender(void); /* a 5yz to MAIL: whoever the message was for */

/* ---- what the operator tells ---- */
void ledger_discard_asked(struct str id);

/* ---- what the edge tells ---- */
void ledger_store_opened(struct store *store);
void ledger_keeper_died(void);
void ledger_read_log(struct str line); /* from the process's name on */
void ledger_clock_is_wrong(bool is_wrong);

void ledger_init(unsigned domains, const int64_t *hold_ms, uint64_t memory_max);
void ledger_check_step(void); /* after every step; cheap */
/* Asks the store what it holds and compares, now and then. */
void ledger_check_store(void);
/* A keeper could not make stable what it found, and the power has not gone since: a sync that fails
 * leaves pages that look clean, so only then it is seen what the medium has. */
bool ledger_is_unsure(void);
/* Is everything that was promised taken, rescued or discarded? */
bool ledger_is_balanced(void);
void ledger_check_end(void);

struct ledger_counts {
    unsigned promised, taken, twice, expired, refused, discarded, checks;
};
struct ledger_counts ledger_counts(void);
/* The id of some message that was promised; false if there is none. */
bool ledger_choose(struct str *out_id);
