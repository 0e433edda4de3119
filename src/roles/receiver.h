/* SPDX-License-Identifier: ISC */
/* receiver.h: the receiver's own structures; private to receiver*.c.
 *
 * A connection is one client: its stream, its session, its place in the lists. It
 * speaks with the keeper through tickets: one for each recipient asked about, one
 * for the content on its way. What the session asks for is carried out at once;
 * what comes back to the session, but was known inside a call of the session, waits
 * in the connection until the turn's end, because calls into a session never nest.
 *
 * When the keeper goes away
 *   - questions about recipients are asked again of the next one;
 *   - content on its way is lost: the client gets 451 at its end;
 *   - content that was committed is in doubt: the next keeper is asked for it by
 *     message id, and only "stored" becomes a 250.
 */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "receive/session.h"
#include "roles/board.h"
#include "roles/role.h"
#include "wire/dns.h"

enum content_state {
    CONTENT_NONE,
    CONTENT_NAMED,     /* nothing of it has come: the keeper need not be woken for its name */
    CONTENT_OPEN,      /* on its way to the keeper */
    CONTENT_LOST,      /* the keeper that had it is gone */
    CONTENT_COMMITTED, /* asked for a verdict, or in doubt */
};

struct receiver {
    struct role_process *process;
    struct receive_settings settings;
    struct channel *keeper; /* NULL: none at the moment */
    struct channel *resolver;
    struct board *board;             /* NULL until it is handed over, before the start */
    struct channel *dead_channel[4]; /* freed at the turn's end */
    unsigned dead_count;
    struct link connections;
    struct link touched; /* to be looked after at the turn's end */
    struct heap deadlines;
    struct map asks;     /* by ticket: struct ask */
    struct map contents; /* by ticket: struct connection */
    struct map lookups;  /* by ticket: struct connection */
    struct map networks; /* by client network: struct network */
    struct map answers;  /* by whom they hold for: struct verdict */
    struct map names;    /* by client address: struct known_name */
    uint64_t last_ticket;
    uint32_t session_count;
    struct verdict refusal; /* FATE_ACCEPT: mail is welcome */
    struct watch *listener[CONFIG_LIST_MAX];
    int listener_fd[CONFIG_LIST_MAX];
    unsigned listener_count;
    int neighbour_fd[CONFIG_LIST_MAX]; /* another receiver's listeners */
    unsigned neighbour_count;
    int64_t neighbour_ms;    /* when they are looked at again */
    int64_t accept_again_ms; /* 0: accepting */
};

struct network {
    uint32_t sessions;
    struct endpoint endpoint;
};

struct connection {
    struct link link;
    struct link touched;
    struct heap_node deadline;
    struct receiver *receiver;
    struct stream *stream; /* NULL once it has closed itself */
    struct receive_session *session;
    struct endpoint client;
    struct network *network;
    bool is_over;        /* the session is not called any more; the last replies may still go out */
    bool is_closed;      /* freed at the turn's end */
    bool has_ended;      /* the peer closed its side; told to the session at the turn's end */
    bool waits_for_room; /* nothing is read until the peer has read what was said */

    struct link asks; /* struct ask.link, not answered yet */

    enum content_state content;
    uint64_t content_ticket;
    struct message_id content_id;
    struct buf front; /* what will stand above the body */
    uint64_t owed_octets; /* written, and no credit has come for them yet */
    uint64_t lost_octets; /* of these, what nobody keeps any more; credit at the turn's end */
    bool lost_verdict;    /* the session waits for a verdict that no keeper will give */

    uint64_t lookup_ticket; /* 0: none */
    struct dns_answers names;
    struct dns_question name_question;
    struct buf name_room;
};

struct ask { /* may this recipient be served? */
    struct link link;
    struct connection *connection;
    uint64_t ticket;         /* ours, towards the keeper; 0: it need not be asked */
    uint64_t session_ticket; /* the session's */
    struct buf sender;
    struct buf recipient;
};

/* receiver_keeper.c */
extern const struct receive_host receiver_session_host;
void receiver_keeper_came(struct receiver *receiver, unsigned index, int fd);
void receiver_tell_session(struct connection *connection, struct now now); /* at the turn's end */
void receiver_forget_tickets(struct connection *connection);

/* receiver_answers.c */
const struct verdict *receiver_answer_find(const struct receiver *receiver, struct str recipient);
void receiver_answer_keep(struct receiver *receiver, struct str whom,
                          const struct verdict *verdict); /* copies */
void receiver_answers_forget(struct receiver *receiver);

/* receiver_names.c */
void receiver_resolver_came(struct receiver *receiver, unsigned index, int fd);
void receiver_name_ask(struct connection *connection);
void receiver_name_forget(struct connection *connection);
void receiver_names_forget(struct receiver *receiver); /* those that are known */

/* receiver.c */
void receiver_touch(struct connection *connection);
void receiver_bury_channel(struct receiver *receiver, struct channel *channel);
uint64_t receiver_ticket(struct receiver *receiver);
struct str receiver_ticket_key(const uint64_t *ticket);
