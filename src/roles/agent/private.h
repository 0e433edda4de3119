/* SPDX-License-Identifier: ISC */
/* private.h: the agent's own structures; for this folder alone.
 *
 *     agent.c      the process: its turns, what it says of trouble, how it comes to its end
 *     line.c       a line: its states, its pauses, what is done at the turn's end
 *     addresses.c  where the backup is
 *     backup.c     a line's connection to the backup: the call, then octets
 *     server.c     … and to the local server, through the adapter if there is one
 *     side.c       what these two connections have in common
 *
 * A line has two sides. Each side's file hears what its connection has to say and hands octets to
 * the other; none of them ends a line from there, for a stream cannot go while it calls us. They
 * say agent_line_over(), and the turn's end sees to it.
 */
#pragma once

#include "base/buf.h"
#include "base/random.h"
#include "base/worker.h"
#include "call/adapter.h"
#include "call/call.h"
#include "net/stream.h"
#include "roles/agent/agent.h"

enum { AGENT_ADDRESSES_MAX = 8 };

enum line_state {
    LINE_RESTING,
    LINE_LOOKING, /* is the local server there? */
    LINE_RESOLVING,
    LINE_CONNECTING, /* to the backup */
    LINE_CALLING,
    LINE_TURNED, /* the backup is the client, the local server the server */
    LINE_ENDING, /* last octets are on their way */
};

struct agent_side {
    int fd; /* while connecting; else -1 */
    struct watch *connecting;
    struct stream *stream; /* NULL: not yet, or no more */
};

struct agent_line {
    struct agent *agent;
    enum line_state state;
    int64_t deadline_ms; /* of the state; NEVER_MS: none */
    bool must_look;      /* the local server did not answer the last time */
    unsigned failures;   /* in a row */
    struct agent_side backup, server;
    unsigned address; /* of the backup: agent_addresses.next as it was for this call */
    struct call *call;
    struct adapter *adapter; /* NULL: octets go through as they are */
    struct buf early;        /* for the server, until it is connected */
    struct endpoint client;  /* for the PROXY header; ENDPOINT_NONE: none is known */
    bool is_due;             /* to be looked after at the turn's end */
    bool is_over;
    bool went_well;
    bool has_waited;     /* the backup has taken this call, … */
    int64_t waited_ms;   /* … then */
    bool server_spoke;   /* the local server has said something in this call */
    bool is_answered;    /* it was the last to speak, … */
    int64_t answered_ms; /* … then */
};

struct agent_addresses {
    struct worker *worker;
    struct watch *watch;
    struct worker_job job;
    char host[256];
    uint16_t port;
    unsigned next;     /* which of them is called next, of as many as there are */
    bool is_stale;     /* to be looked up again before the next call */
    bool is_under_way; /* then what follows is the worker's */
    struct endpoint address[AGENT_ADDRESSES_MAX];
    unsigned count; /* 0: none is known */
    int error;      /* of getaddrinfo() */
};

struct agent {
    const struct agent_settings *settings;
    struct call_settings call_settings;
    char instance[33];
    struct loop *loop;
    struct stream_set streams;
    struct random random;
    struct tls_client *tls;
    struct agent_addresses addresses;
    struct agent_line line[AGENT_LINES_MAX];
    int64_t stop_ms;  /* until when it stops; NEVER_MS: it has not been told to */
    bool has_waited;  /* once */
    const char *said; /* the last event of a failure, that it is not told every second */
};

/* agent.c */
int64_t agent_now_ms(const struct agent *agent);
/* The same trouble is told once, until something has gone well. `hint` may be NULL. */
void agent_say_trouble(struct agent *agent, const char *event, struct str why, const char *hint);
void agent_say_waits(struct agent *agent); /* something has gone well */

/* line.c */
void agent_line_init(struct agent_line *line, struct agent *agent);
/* The one place where a state changes. */
void agent_line_enter(struct agent_line *line, enum line_state state, int64_t deadline_ms);
/* Its connections are closed at once: not inside calls of its streams. It begins anew after `ms`,
 * … */
void agent_line_rest(struct agent_line *line, int64_t ms);
/* … or after a pause, with another address. */
void agent_line_fail(struct agent_line *line, const char *event, struct str why, const char *hint);
/* At the turn's end it begins anew: soon, if all went well. */
void agent_line_over(struct agent_line *line, bool went_well);
/* The side from which nothing comes any more has said its last: `other` is closed behind it. */
void agent_line_last_octets(struct agent_line *line, struct agent_side *other);
bool agent_line_drained(void *context); /* of both streams */
/* At the turn's end. Returns when it is to be called again. */
int64_t agent_line_turn(struct agent_line *line, struct now now);

/* addresses.c */
void agent_addresses_init(struct agent *agent);
void agent_addresses_fini(struct agent *agent); /* waits for what is under way */
/* The line goes on to the backup: now, or when they are known; or it fails, for there are none. */
void agent_addresses_resolve(struct agent_line *line);
/* Where the line is to connect to. */
struct endpoint agent_addresses_next(struct agent_line *line);
/* There it came to nothing. The next call goes to the next address, or to another one by now. */
void agent_addresses_look_elsewhere(const struct agent_line *line);

/* backup.c */
void agent_backup_connect(struct agent_line *line); /* an address is known */

/* server.c */
void agent_server_look(struct agent_line *line); /* is it there? If so, the line goes on */
/* The line is turned round: what comes from the backup is for the server. */
void agent_server_begin(struct agent_line *line, struct str early);
void agent_server_take(struct agent_line *line, struct str bytes); /* from the backup */
void agent_server_is_away(struct agent_line *line, int error);

/* side.c */
/* Begins to connect: ready(line) when that has come to something. Negative errno: it did not even
 * begin. */
int agent_side_connect(struct agent_line *line, struct agent_side *side, struct endpoint to,
                       watch_ready *ready);
int agent_side_connected(struct agent_side *side); /* what it came to; a negative errno: nothing */
void agent_side_open(struct agent_line *line, struct agent_side *side,
                     const struct stream_host *host);
void agent_side_close(struct agent_side *side); /* at once */
