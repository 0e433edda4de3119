/* SPDX-License-Identifier: ISC */
/* handover.h: from a stored message to a session, and back to a settlement.
 *
 * The scheduler says which entry goes to which session. The handover opens the
 * message, picks the recipients that still wait, hands out envelope and content,
 * and turns the session's answers into settlements. Only when these are durable
 * is the scheduler told; a settlement that fails is repeated until it is, and
 * meanwhile the message is not tried again (SPEC H1: nothing twice).
 *
 * Refusals are not settled: they are on trial (schedule/trial.c). Their recipients
 * stay pending, and what was said of each is kept here until the scheduler believes
 * it (then it is settled), doubts it, or has the message tried again. It is kept in
 * memory alone: after a crash the message is tried again.
 */
#pragma once

#include "store/store.h"

struct handover;

enum {
    HANDOVER_FIRST_MAX = 64 * 1024, /* octets of content that travel with the envelope */
    HANDOVER_PIECE_MAX = 64 * 1024,
    HANDOVER_RECIPIENTS_MAX = 100,
};

struct handover_message { /* valid during the call */
    struct str domain;
    const struct envelope *envelope; /* with the chosen recipients alone */
    const uint32_t *recipient;       /* their indices in the stored envelope */
    uint64_t size;
    struct str content; /* its first octets */
};

struct handover_result {
    uint64_t session;
    struct message_id id;
    struct str domain;
    bool was_answered;      /* false: nothing was left to hand over, or it could not be read */
    bool is_unreadable;     /* then: it waits, and `verdict` says why */
    bool is_unsent;         /* the session takes no more messages */
    uint32_t left;          /* recipients of the domain that still wait */
    uint32_t deferred;      /* of those: tried and told 4yz */
    uint32_t untried;       /* of those left: others of them came first, and there was no room */
    struct verdict verdict; /* of the first that was deferred */
    uint32_t taken;         /* recipients that have the message now */
    uint32_t accepted;      /* that the peer knows, whatever it said of the message */
    uint32_t refused;       /* of those left: on trial */
    uint32_t refused_known; /* of those: known to exist, or refused with the whole message */
    struct verdict refusal; /* of the first that was refused */
};

struct handover_answers { /* of one session, for one message; valid during the call */
    uint64_t session;     /* 0: what was believed, of a session that may be gone */
    struct message_id id;
    struct str domain;
    struct str remote; /* the host that said so, or empty */
    int64_t at_ms;     /* Unix time */
    bool is_believed;  /* the refusals, which were on trial; else those are still open */
    /* Of those who were tried; of what is believed, the sender and the flags alone. NULL: an
     * earlier keeper gave it out. */
    const struct envelope *envelope;
    const uint32_t *recipient; /* their indices in the stored envelope */
    const struct verdict *verdict;
    uint32_t count;
};

struct handover_telling; /* answers that somebody is being told of */

struct handover_host {
    void (*deliver)(void *context, uint64_t session, const struct handover_message *message);
    void (*content)(void *context, uint64_t session, struct message_id id, struct str bytes);
    /* The content cannot be read; the session must give the message up. */
    void (*content_failed)(void *context, uint64_t session, struct message_id id);
    /* Answers are about to be settled. True: somebody is told of them first, so that no crash in
     * between can lose the notice, and handover_told() goes on. False: nobody is. May be NULL. */
    bool (*tell)(void *context, const struct handover_answers *answers,
                 struct handover_telling *telling);
    /* The answers are settled (or there was nothing to hand over: left 0). */
    void (*settled)(void *context, const struct handover_result *result);
    /* What was believed is settled; only id, domain, refused and left are told. */
    void (*believed)(void *context, const struct handover_result *result);
    /* RCPT was refused: is it known that the primary has that recipient? Empty: nobody can tell any
     * more who it was. */
    bool (*is_known)(void *context, struct str recipient, const struct verdict *verdict);
};

struct handover *handover_new(struct store *store, const struct handover_host *host, void *context);
/* Before store_close(): lets go of the messages that sessions have. Answers are still settled. */
void handover_let_go(struct handover *handover);
void handover_free(struct handover *handover); /* after store_close() has answered everything */

/* The first so many recipients that wait are passed over, if there are more: they had their turn.
 */
void handover_dispatch(struct handover *handover, uint64_t session, const struct entry *entry,
                       uint32_t pass_over);
/* Was the session given that message for that domain, and has not answered yet? */
bool handover_is_out(const struct handover *handover, uint64_t session, struct message_id id,
                     struct str domain);
/* The address behind an index of what the session was given; empty: it was not. */
struct str handover_recipient(const struct handover *handover, uint64_t session,
                              struct message_id id, uint32_t index);
/* False where the session was never given that message, or waits for a piece of it already. */
bool handover_want(struct handover *handover, uint64_t session, struct message_id id,
                   uint64_t offset, size_t octets);
/* One verdict per recipient index. Also for messages that an earlier keeper handed out. `remote`:
 * the host that said so, or empty. */
void handover_answer(struct handover *handover, uint64_t session, struct message_id id,
                     struct str domain, struct str remote, const uint32_t *recipient,
                     const struct verdict *verdict, uint32_t count, struct now now);
/* The refusals of the entry that are on trial are true: settles them, and answers with believed().
 */
void handover_believe(struct handover *handover, struct message_id id, struct str domain,
                      struct now now);
/* They are not, or nobody wants to know: forgets them. Harmless where there are none. */
void handover_doubt(struct handover *handover, struct message_id id, struct str domain);
/* Not from inside tell(). */
void handover_told(struct handover *handover, struct handover_telling *telling);
/* The session is gone: what it was given and did not answer is closed. Calls each() for every such
 * message: it may have been delivered, nobody knows. */
void handover_session_gone(struct handover *handover, uint64_t session,
                           void (*each)(void *context, struct message_id id), void *context);
/* Repeats settlements that failed; once per turn. */
void handover_turn(struct handover *handover, struct now now);
int64_t handover_deadline(const struct handover *handover);
