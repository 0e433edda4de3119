/* SPDX-License-Identifier: ISC */
/* private.h: the supervisor's own structures; for this folder alone.
 *
 *     supervisor.c  the whole: which roles there are, signals, turns
 *     child.c       a role's process: started, ready, dead, started again
 *     equipment.c   what a role is given: configuration, listeners, certificates, keys
 *     channels.c    who speaks with whom
 *     requests.c    what a receiver asks for: connections to filters, lines to deliverers
 *     roster.c      what `status` shows of the roles
 *     reload.c      the configuration is read again
 *     watchdog.c    who stands still is started again
 *     stopping.c    the end, by stages
 *
 * 1. The supervisor reads the configuration and no byte from the network; of its roles it hears
 *    what messages.def lists, and kills who says anything else.
 * 2. It keeps the listeners, so that a receiver that dies loses its own sessions and nothing else.
 * 3. A child has a process (`pid`) while it is STARTING or RUNNING, and a leash and its watch as
 *    long. A pid is ours until waitpid() has told of its end: whoever is killed is who was meant.
 */
#pragma once

#include <sys/types.h>

#include "base/log.h"
#include "net/loop.h"
#include "roles/certificates.h"
#include "roles/leash.h"
#include "roles/place.h"

enum child_state { CHILD_WAITING, CHILD_STARTING, CHILD_RUNNING, CHILD_GONE };

struct supervisor_child {
    struct supervisor *supervisor;
    enum role role;
    unsigned index;
    enum child_state state;
    pid_t pid; /* 0: no process */
    struct leash leash;
    struct watch *watch;
    int64_t started_ms;      /* monotonic */
    int64_t started_wall_ms; /* Unix time */
    int64_t spawn_at_ms;     /* monotonic, in CHILD_WAITING */
    int64_t let_go_ms;       /* of its leash, of the kernel's clock; 0: it has not */
    bool is_killed;
    int64_t ask_at_ms;       /* watchdog.c; monotonic */
    bool is_accused;         /* of standing still, in the log */
    unsigned asked;          /* times in a row, unanswered, … */
    int64_t silent_since_ms; /* … since then, of the kernel's clock */
    unsigned deaths;         /* in a row */
    unsigned restarts;       /* since the supervisor started, for `status` */
};

struct supervisor {
    const char *config_path;
    struct config *config;
    struct loop *loop;
    struct supervisor_child child[ROLE_PROCESSES_MAX];
    unsigned child_count;
    struct listeners listeners;
    struct certificates certificates;
    int board;           /* board.h */
    bool is_ready;       /* everybody was running once */
    unsigned stop_stage; /* stopping.c; 0: not stopping */
    int64_t stop_deadline_ms;
};

/* child.c */
bool supervisor_is_alive(const struct supervisor_child *child);
void supervisor_log_child(enum log_level level, const char *event,
                          const struct supervisor_child *child);
/* Starts it when it is due, and kills it when it is. Returns when it is to be called again. */
int64_t supervisor_child_turn(struct supervisor_child *child, struct now now);
void supervisor_kill(struct supervisor_child *child);       /* one that is alive; once is enough */
void supervisor_on_child_signal(void *context, int number); /* SIGCHLD */

/* equipment.c */
/* All that a new process is given, and the word to run. 0 or a negative errno. */
int supervisor_equip(struct supervisor_child *child);
/* What has changed, to all who have it. Sessions go on with what they began with. */
void supervisor_hand_out_certificates(struct supervisor *supervisor);
void supervisor_hand_out_certificate_ends(struct supervisor *supervisor);
void supervisor_hand_out_spool_keys(struct supervisor *supervisor);

/* channels.c */
/* A channel to each of its peers that is alive; these get the other end. */
void supervisor_join_peers(struct supervisor_child *child);

/* requests.c */
void supervisor_answer_filter(struct supervisor_child *child, struct cursor payload);
void supervisor_answer_line(struct supervisor_child *child, struct cursor payload);

/* roster.c */
void supervisor_send_roster(struct supervisor *supervisor);

/* reload.c */
void supervisor_on_hangup(void *context, int number); /* SIGHUP */

/* watchdog.c */
/* Of one that is alive. Returns when it is to be called again. */
int64_t supervisor_watch_over(struct supervisor_child *child, struct now now);
void supervisor_hear_alive(struct supervisor_child *child);

/* stopping.c */
/* Its stage has come: it is not started again. */
bool supervisor_was_told_to_end(const struct supervisor_child *child);
void supervisor_on_stop_signal(void *context, int number); /* SIGTERM, SIGINT */
void supervisor_go_on_stopping(struct supervisor *supervisor, struct now now);
