/* SPDX-License-Identifier: ISC */
/* control.h: what people may ask of the node, JSON in, JSON out.
 *
 *     {"op":"domain.add","name":"example.org","primary":["127.0.0.1:2526"],"set":{"hold":"5d"}}
 *     {"ok":true,"domain":{…}}
 *     {"ok":false,"error":{"code":"no-such-domain","text":"example.com is not protected here; …"}}
 *
 * The command line, and later the portal, speak these operations; control.c holds
 * their table. Nothing here knows sockets: the keeper checks who asks, cuts the
 * stream into lines (line.h) and gives each line a ticket of its choice.
 *
 * An operation answers at once or, where the store must be asked, later; either
 * way through host->answer(), in whatever order they end. An export answers with
 * several lines; after each but the last, it waits for control_continue(), so that
 * no more than one piece is in memory.
 *
 * Times in answers are RFC 3339 in UTC, sizes are octets, settings are written as
 * in `domain add --set`.
 */
#pragma once

#include <sys/types.h>

#include "config/config.h"
#include "route/addresses.h"
#include "route/policies.h"
#include "schedule/schedule.h"
#include "store/directory/directory.h"
#include "store/store.h"

struct control;
struct verifier;
struct verifier_answer;

struct control_role {
    const char *name;   /* receiver-1; lives during the call */
    int64_t started_ms; /* Unix time */
    pid_t pid;
    uint32_t restarts;
};

enum { CONTROL_ROLES_MAX = 128 };

struct control_telling { /* of addresses */
    struct str domain;
    const struct endpoint *endpoint; /* port 0: the usual one */
    uint32_t count;                  /* 1 … ADDRESSES_TOLD_MAX */
};

typedef void control_bounced(void *context, int error, struct str why);

struct control_host {
    /* One line for the ticket, without newline, valid during the call. `more`: it waits for
     * control_continue(). May come from inside control_request() and control_continue(); must not
     * call back, only queue the bytes. */
    void (*answer)(void *context, uint64_t ticket, struct str line, bool more);
    /* Record it in the store and tell the scheduler. The host knows the time that holding times are
     * counted by, and stamps both with it. `after` is the entry as it will be: to be
     * scheduled if it was released, forgotten if nothing is pending. Both are valid during the
     * call. done() not from inside the call. */
    void (*settle)(void *context, const struct settlement *settlement, const struct entry *after,
                   store_done *done, void *done_context);
    /* As settle(), but the sender is told first that his mail was not delivered. done() says why he
     * was not, with a stable word ("unproved", "list" …), empty if he was; the word lives during
     * the call. */
    void (*bounce)(void *context, const struct settlement *settlement, const struct entry *after,
                   control_bounced *done, void *done_context);
    /* The directory has a new, a changed or no record of the domain: put or remove the route. */
    void (*domain_changed)(void *context, struct str domain);
    /* paused_until_ms as in the directory: 0 resumes and probes at once. */
    void (*domain_paused)(void *context, struct str domain, int64_t paused_until_ms);
    /* Probe and try now; empty: every domain. */
    void (*wake)(void *context, struct str domain);
    /* As schedule_status() and schedule_entry_status(). */
    bool (*route_status)(void *context, struct str domain, struct now now,
                         struct route_status *out_status);
    /* Why the domain has no route of its own making ("best-is-us", "null-mx" …; stable names);
     * NULL: it has one, or it is not known yet. */
    const char *(*route_problem)(void *context, struct str domain);
    /* Connections of its primary that wait here for its mail, or carry it (ATRN). */
    uint32_t (*line_count)(void *context, struct str domain);
    /* The MTA-STS policy of a domain whose hosts come from MX records; false: it was never wanted.
     */
    bool (*policy_status)(void *context, struct str domain, struct policy_status *out_status);
    bool (*entry_status)(void *context, struct str domain, struct message_id id, struct now now,
                         int64_t *out_next_ms, uint32_t *out_attempts, struct verdict *out_last);
    /* Makes a secret for the domain's webhook, and keeps it (notify/webhook.h). */
    void (*new_webhook_secret)(void *context, struct str domain, directory_done *done,
                               void *done_context);
    /* Makes a secret for the domain, by which its holder logs in; only its digest is kept, unless
     * it is for CRAM-MD5, too. */
    void (*new_secret)(void *context, struct str domain, bool for_cram, struct buf *out_secret,
                       directory_done *done, void *done_context);
    /* Addresses that the domain's primary is said to have now. TAKEN or SAME: done() comes when
     * that is durable. Anything else: *out_why says why, and done() does not come. */
    enum address_fate (*tell_addresses)(void *context, const struct control_telling *telling,
                                        struct buf *out_why, directory_done *done,
                                        void *done_context);
    /* False: there are none, and done() does not come. */
    bool (*forget_addresses)(void *context, struct str domain, directory_done *done,
                             void *done_context);
    /* NULL: there are none. */
    const struct addresses *(*addresses)(void *context, struct str domain);
    /* Asks the primary about a recipient, whatever is known; done() may come from inside the call,
     * and comes at the latest with the end of the host. */
    void (*verify)(void *context, struct str domain, struct str address,
                   void (*done)(void *context, const struct verifier_answer *answer),
                   void *done_context);
    /* Fills in at most CONTROL_ROLES_MAX; returns how many. */
    size_t (*roles)(void *context, struct control_role *out_role);
};

struct control_setup {
    const struct control_host *host;
    void *context;
    const struct config *config; /* outlives the control, or is replaced by control_set_config() */
    struct directory *directory;
    struct store *store;
    struct verifier *verifier; /* NULL: nobody is verified */
    int64_t started_ms;        /* Unix time */
};

struct control *control_new(const struct control_setup *setup);
/* Before the store and the directory are closed; what is still under way is done without an
 * answer. */
void control_free(struct control *control);
/* "null", or what "address" is in a domain's answer, as of now. For whoever asks otherwise. */
void control_add_addresses(struct buf *out, const struct addresses *addresses, struct now now);
void control_set_config(struct control *control, const struct config *config);

/* One request. The ticket must not be in use. */
void control_request(struct control *control, uint64_t ticket, struct str line, struct now now);
/* The line before has been written: the next piece may come. Harmless for a ticket that waits for
 * nothing. */
void control_continue(struct control *control, uint64_t ticket);
/* Nobody waits for the answer any more. What was asked for is done all the same, without an
 * answer; an export ends. Harmless for an unknown ticket. */
void control_cancel(struct control *control, uint64_t ticket);

/* For help and tests: calls with *cursor = 0, 1, …; false at the end. */
bool control_next_operation(size_t *cursor, const char **out_name, const char **out_help);
