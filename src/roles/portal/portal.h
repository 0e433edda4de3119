/* SPDX-License-Identifier: ISC */
/* portal.h: the portal's own structures; for this folder alone.
 *
 * A visitor is one client of the web: his connection, the request that he has sent, and the answer
 * that is being made. He has one request at a time; what he sends meanwhile waits in the kernel.
 *
 *     READING ── a whole request ──▶ ASKING ── the keeper has answered ──▶ READING, or
 *        │                              └── no: SLOWED ── a second ──▶ LEAVING
 *        └── none, or one that cannot be read ────────────────────────▶ LEAVING
 *
 * In each state he has a deadline that nothing of what he does puts off: whoever sends an octet a
 * second is let go as soon as one who sends nothing.
 */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "portal/portal.h"
#include "roles/role.h"

struct portal;

enum visitor_state { VISITOR_READING, VISITOR_ASKING, VISITOR_SLOWED, VISITOR_LEAVING };

struct visitor {
    struct portal *portal;
    struct link link;
    struct link touched; /* he is looked after at the turn's end */
    struct heap_node deadline;
    struct stream *stream;
    struct endpoint peer;
    struct buf network; /* the name that he is counted by */
    enum visitor_state state;
    struct buf input;
    unsigned requests;
    bool has_ended; /* he sends no more */
    bool is_over;   /* freed at the turn's end */
    /* Of his request: */
    struct endpoint client;  /* who he is for the keeper: the one before the proxy */
    struct portal_wish wish; /* ASKING */
    uint32_t asked;          /* of its domains, answered */
    uint64_t ticket;         /* 0: none is under way */
    struct portal_answer answer;
    bool keeps_alive, has_body;
};

struct portal_listener {
    int fd;
    struct watch *watch;
    bool is_secure;
};

struct portal {
    struct role_process *process;
    struct portal_listener listener[CONFIG_LIST_MAX];
    unsigned listener_count;
    struct tls_server *tls;
    struct link visitors;
    struct link touched;
    unsigned visitor_count;
    struct map networks; /* by name: struct network_count */
    struct heap deadlines;
    int64_t accept_again_ms; /* monotonic; 0: not waiting */
    struct channel *keeper;  /* NULL: gone */
    struct channel *dead;    /* freed at the turn's end */
    struct map asks;         /* by ticket: struct visitor */
    uint64_t last_ticket;
};

/* portal.c */
void portal_touch(struct visitor *visitor);
/* The answer for one of his domains has come. */
void portal_outcome(struct visitor *visitor, const struct portal_outcome *outcome);

/* keeper.c */
void portal_keeper_came(struct portal *portal, unsigned index, int fd);
void portal_ask(struct visitor *visitor); /* about the next of his domains */
void portal_ask_forget(struct visitor *visitor);
