/* SPDX-License-Identifier: ISC */
/* rig.h: a store with what it needs around it, for tests of any driver.
 *
 * The rig owns the clock. Messages are made from a number: the same number gives
 * the same envelope and content, so that what comes back can be compared.
 */
#pragma once

#include "base/random.h"
#include "base/worker.h"
#include "store/store.h"

struct rig;

struct rig_driver { /* how a store comes into being; context is the factory's */
    int (*open)(struct rig *rig, struct store **out_store);
    void *context;
};

struct rig {
    struct rig_driver driver;
    struct worker *worker; /* the store's */
    struct worker *upkeep; /* NULL: there is but one */
    struct store *store;
    struct now now;
    struct random random;
    unsigned restarts; /* of each upload, before what counts */
    uint64_t added[2]; /* octets kept besides a small content, of even and of odd messages */
};

struct rig_answer {
    bool is_there;
    int error;
};

enum { RIG_RECIPIENTS_MAX = 6, RIG_DOMAINS = 3 };

struct rig_message {
    uint32_t number;
    uint64_t size;
    uint32_t recipient_count;
    uint32_t domains; /* recipient i is in domain i % domains */
    int64_t received_ms;
    uint32_t front; /* octets of the content that are given at the end; at most RIG_FRONT_MAX */
};
enum { RIG_FRONT_MAX = 20000 };

#define RIG_RECEIVED_MS INT64_C(1700000000000) /* of rig_add() */

extern const struct str rig_domain[RIG_DOMAINS];

void rig_open(struct rig *rig);  /* asserts that it works */
void rig_close(struct rig *rig); /* the store; harmless without */
void rig_turn(struct rig *rig);  /* one turn, and what the worker has done */
void rig_pass(struct rig *rig, int64_t ms);
/* Turns until it is answered; asserts that this comes to an end. */
int rig_wait(struct rig *rig, const struct rig_answer *answer);
void rig_idle(struct rig *rig); /* until nothing is left to do at once */

void rig_answered(void *context, int error); /* a store_done for a struct rig_answer */
struct message_id rig_id(uint32_t number);
void rig_append(struct rig *rig, const struct rig_message *message, struct rig_answer *answer);
int rig_append_now(struct rig *rig, const struct rig_message *message);
int rig_add(struct rig *rig, uint32_t number, uint64_t size); /* one recipient in domain 0 */
void rig_settle(struct rig *rig, uint32_t number, struct str domain, enum outcome outcome,
                const uint32_t *recipient, uint32_t count, struct rig_answer *answer);
int rig_settle_now(struct rig *rig, uint32_t number, struct str domain, enum outcome outcome);
int rig_ask(struct rig *rig, uint32_t number);

struct rig_content { /* what an open gave */
    int error;
    uint32_t recipient_count;
    enum recipient_state state[RIG_RECIPIENTS_MAX];
    struct verdict reason;
    bool is_same; /* envelope and content are as they were given */
    int read_error;
};
/* Opens, reads in pieces, compares, closes. */
void rig_look(struct rig *rig, const struct rig_message *message, struct str domain,
              struct rig_content *out_content);

enum { RIG_LIST_MAX = 2000 };
struct rig_list {
    struct rig_answer answer;
    uint32_t count;
    bool more;
    uint32_t number[RIG_LIST_MAX]; /* of the messages */
    struct entry entry[RIG_LIST_MAX];
    struct store_position position[RIG_LIST_MAX];
};
int rig_list_some(struct rig *rig, const struct store_query *query, struct rig_list *list);
/* All of it, by pages of `page`. */
void rig_list_all(struct rig *rig, struct store_query query, uint32_t page, struct rig_list *list);
