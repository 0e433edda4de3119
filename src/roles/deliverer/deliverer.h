/* SPDX-License-Identifier: ISC */
/* deliverer.h: the deliverer's own structures; for this folder alone.
 *
 * A session connects, talks, ends; the keeper decides about all three. A message
 * in a session is an item: its first octets came with it, the rest is asked of the
 * keeper piece by piece. A result stays here until the keeper says that it is on
 * stable storage.
 *
 * When the keeper goes away, what can be finished without it is finished: messages
 * whose content is here entirely. The next keeper is told first which messages
 * these are (it must not hand them out again), then each result as it comes.
 */
#pragma once

#include "base/heap.h"
#include "base/map.h"
#include "deliver/client.h"
#include "net/web.h"
#include "roles/role.h"
#include "schedule/schedule.h"

enum { LINES_ENDED_MAX = 64 };

struct deliverer {
    struct role_process *process;
    struct channel *keeper; /* NULL: none at the moment */
    struct channel *dead;   /* freed at the turn's end */
    struct deliver_settings settings;
    struct deliver_settings callout_settings;
    struct deliver_settings line_settings;
    struct map sessions; /* by number: struct session */
    struct link all;     /* struct session.link */
    struct link over;    /* struct session.over_link: freed at the turn's end */
    struct link results; /* struct result.link: not yet noted */
    struct heap deadlines;
    struct tls_client *tls;
    struct authority { /* whom domains name, as they were when we began */
        struct buf name;
        struct buf anchors; /* PEM */
    } authority[CONFIG_AUTHORITIES_MAX];
    uint32_t authority_count;
    uint64_t line_ended[LINES_ENDED_MAX]; /* the last ones that were not here then */
    unsigned line_ended_next;
    struct web *web;       /* NULL: there is none; web.c */
    uint64_t keeper_count; /* that we had; names the one we have */
};

struct session {
    struct link link;
    struct link over_link;
    struct heap_node deadline;
    struct deliverer *deliverer;
    uint64_t number;
    struct endpoint endpoint;
    struct buf host;     /* whom it should be */
    struct buf security; /* what it has to show, encoded */
    bool is_probe;
    struct deliver_settings probe_settings; /* if it is one */
    bool is_callout;
    bool xclient;         /* the server is told whose mail it is */
    struct endpoint from; /* our end of it; not known unless TLS is counted */
    bool is_shaking;      /* the handshake has begun */
    bool is_secure;       /* the handshake is done */
    bool tls_is_told;     /* what came of it */
    bool is_orphan;       /* of a keeper that is gone */
    int fd;               /* while connecting; else -1 */
    struct watch *connecting;
    struct stream *stream;
    struct deliver_client *client; /* NULL while connecting */
    bool is_ready;
    unsigned window; /* messages at once, once it is ready; and what else it has said: */
    unsigned extensions;
    uint64_t size_max;
    struct buf name;
    uint64_t line;  /* that it goes over; 0: a connection of our own; lines.c */
    bool parks;     /* its line is kept when its work is done */
    bool is_parked; /* a line that is nobody's; the number is 0 */
    bool is_over;
    struct link items;
    struct link wants; /* struct item.want_link: content to be fed after the client's call */
};

struct item {
    struct link link;
    struct link want_link;
    struct message_id id;
    struct buf domain;
    struct buf recipients; /* indices, as they came */
    struct buf content;    /* the first octets */
    uint64_t size;
    uint64_t want_offset;
    size_t want_size;
    bool is_given_up; /* the keeper that had the rest of it is gone */
    uint64_t
        inquiry; /* 0: a message; else a question, which nobody waits for when the keeper ends */
};

struct result {
    struct link link;
    uint64_t session;
    struct message_id id;
    struct buf domain;
    struct buf recipients;
    struct buf verdicts;
    struct buf stages;
    bool in_doubt;
};

/* deliverer.c */
struct now deliverer_now(const struct deliverer *deliverer);

/* session.c */
struct str session_key(const uint64_t *number);
void session_connect(struct session *session, int64_t timeout_ms);
/* The connection did not come about: tells the keeper. */
void session_connect_failed(struct session *session, int error);
void session_quit(struct session *session); /* QUIT when what is under way is done */
/* After each call into the client: feeds it what is here, asks the keeper for what is not. */
void session_serve(struct session *session);
/* Gives the client octets of what it asked for. */
void session_feed(struct session *session, struct item *item, struct str bytes);
struct item *session_find_item(struct session *session, struct message_id id);
void session_free(struct session *session);
void result_send(struct deliverer *deliverer, const struct result *result);
void result_free(struct result *result);

struct session *session_new(struct deliverer *deliverer);
void session_use_line(struct session *session, int fd); /* takes it over */
void session_begin_line(struct session *session);       /* its server is to speak */
void session_tell_ready(const struct session *session);
void session_tell_ended(const struct session *session, enum session_end how,
                        const struct verdict *verdict);

/* lines.c: connections of primaries that call. */
void deliverer_line_came(struct deliverer *deliverer, uint64_t line, int fd); /* -1: none came */
/* False: the keeper is out of its mind. */
bool deliverer_open_on_line(struct deliverer *deliverer, const struct message_session_open *message,
                            uint64_t line);
void session_park_when_idle(struct session *session); /* if it is to */
/* The keeper needs it no more: its line is kept for the next, any other connection ends. */
void session_rest(struct session *session);
bool deliverer_take_line_end(struct deliverer *deliverer, struct cursor payload);

/* tls.c: what the host of a session has to show. */
void deliverer_tls_open(struct deliverer *deliverer, struct str anchors); /* before confinement */
enum deliver_tls session_tls(const struct session *session);
bool session_begins_secure(const struct session *session);
/* The server has to show who it is. */
bool session_proves(const struct session *session);
void session_secure(struct session *session); /* the handshake is next */
/* What the server's key was, in `room`; empty without TLS. */
struct str session_key_shown(const struct session *session, struct security_pin *room);
/* TLS was demanded and is not offered: who should have shown a key or a name is somebody else. */
enum session_end session_end_insecure(const struct session *session);

/* Is the keeper to hear what comes of TLS? */
bool session_counts_tls(const struct session *session);
void session_tls_open(struct session *session);    /* it is open */
void session_tls_missing(struct session *session); /* it is not offered, and is missed */
void session_tls_failed(struct session *session);  /* by stream_tls(), which has failed */
/* The session ends, `why`. */
void session_tls_over(struct session *session, enum session_end how, struct str why);

/* web.c: posts for the keeper. What a keeper that is gone has asked for is done, and told
 * to nobody. */
void deliverer_web_open(struct deliverer *deliverer, struct str anchors); /* before confinement */
bool deliverer_take_post(struct deliverer *deliverer, struct cursor payload);
bool deliverer_take_fetch(struct deliverer *deliverer, struct cursor payload);

/* keeper.c */
void deliverer_take_peer(void *state, enum role role, unsigned index, int fd);
void deliverer_free_dead(struct deliverer *deliverer);
