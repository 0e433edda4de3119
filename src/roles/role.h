/* SPDX-License-Identifier: ISC */
/* role.h: what all roles but the supervisor have in common.
 *
 * A role starts on a leash: it is given its configuration, listeners and channels,
 * then the word to run. It prepares (the last chance to open anything outside),
 * confines itself (sandbox.h), starts, and says that it is ready. From then on its
 * loop turns until it is told to stop or the supervisor is gone.
 */
#pragma once

#include "base/random.h"
#include "config/config.h"
#include "net/loop.h"
#include "net/stream.h"
#include "roles/channel.h"
#include "roles/leash.h"

struct role_process {
    enum role role;
    unsigned index;
    struct loop *loop;
    struct stream_set streams; /* flushed at the end of each turn */
    struct random random;
    struct config *config; /* replaced at a reload */
    bool is_running;       /* confined and started */
    bool is_stopping;
    int64_t stop_deadline_ms; /* monotonic; leave then, finished or not */
    int64_t lonely_ms; /* monotonic; without the channel it lives by since then; 0: it has it */

    struct leash leash;
    struct watch *leash_watch;
    const struct role_hooks *hooks;
    void *state; /* the role's own */
};

struct role_hooks {
    void *(*create)(struct role_process *process); /* configured, nothing else yet */
    void (*destroy)(void *state);
    /* Takes over the descriptor. NULL where messages.def lets no listener come. */
    void (*listener)(void *state, unsigned kind, int fd); /* with its flags */
    void (*board)(void *state, int fd);                   /* receiver alone; may be NULL */
    void (*peer)(void *state, enum role role, unsigned index, int fd);
    /* Before confinement: 0 or a negative errno, which ends the role. May be NULL. */
    int (*prepare)(void *state);
    int (*start)(void *state);   /* confined; 0 or a negative errno; may be NULL */
    void (*reload)(void *state); /* process->config is new */
    /* Finish what must be finished, then role_finished(). */
    void (*stop)(void *state);
    void (*roster)(void *state, struct str roles); /* keeper alone; may be NULL */
    /* Receiver alone; may be NULL. The descriptor is connecting, and the receiver's now; -1: error.
     */
    void (*filter)(void *state, uint64_t ticket, int error, int fd);
    /* Receiver and deliverer; may be NULL. The descriptor is joined to the other one's; -1: error.
     */
    void (*line)(void *state, uint64_t number, int error, int fd);
    /* Receiver and portal; may be NULL. False: malformed. */
    bool (*certificates)(void *state, struct cursor payload);
    /* Keeper alone; may be NULL. False: malformed. */
    bool (*spool_keys)(void *state, struct cursor payload);
    bool (*certificate_ends)(void *state, struct cursor payload); /* the same */
    int64_t (*turn)(void *state, struct now now);                 /* as loop_turn */
};

extern const struct role_hooks receiver_hooks;
extern const struct role_hooks deliverer_hooks;
extern const struct role_hooks resolver_hooks;
extern const struct role_hooks keeper_hooks;
extern const struct role_hooks portal_hooks;

/* Runs the role until it ends; the process's exit status. */
int role_run(enum role role, unsigned index);
/* The end of each turn, as loop_turn; `context` is the struct role_process. role_run() makes the
 * loop call it; the simulator, which has a process and a loop of its own, does so itself. */
int64_t role_turn(void *context, struct now now);
void role_finished(struct role_process *process);
/* As many descriptors as the machine's administrator lets us have; before confinement. */
void role_want_descriptors(void);
/* Tells whether the role has the channel without which it is of no use. A channel that was cut
 * although both ends live comes back only with a new process: after two minutes the role leaves,
 * and the supervisor starts another. Once per turn. */
void role_has_keeper(struct role_process *process, bool has);
