/* SPDX-License-Identifier: ISC */
/* machine.h: the machine that holdfast runs on, and the supervisor's part in it.
 *
 * Its processes are the real roles, each with a loop of its own, in one process of
 * ours. One that is killed loses what it had in memory and its connections; it is
 * started again as the supervisor would. When the power is cut all are killed, and
 * the disk keeps what was synced and an arbitrary part of the rest.
 */
#pragma once

#include "config/config.h"
#include "roles/messages.h"

struct process;
struct keeper;
struct fake_disk;

enum { MACHINE_STORE_MEMORY = 256 * 1024 }; /* for content on its way to the disk */

struct machine_counts { /* since the beginning; what may excuse a mail that comes twice */
    unsigned keeper_deaths;
    unsigned deliverer_deaths;
    unsigned power_cuts;
};

/* The configuration is encoded for each role as the supervisor does; `folder` is its data. */
void machine_init(struct config *config);
void machine_boot(void);

void machine_kill(enum role role, unsigned index); /* harmless if it is dead */
void machine_kill_all(void);                       /* the supervisor too; the disk lives */
void machine_end(enum role role, unsigned index);  /* asked to stop, then started again */
void machine_cut_power(void);
/* The n-th call that changes the disk from now on is the last one, perhaps half done: the power
 * goes, or the keeper alone is killed. */
void machine_die_at(uint64_t n, bool only_keeper);
void machine_reload_keys(void);  /* to a keeper that is there */
void machine_look_at_disk(void); /* after everything that touches it */

/* Those who have something to do now. */
unsigned machine_runnable(struct process **out_process, unsigned max);
void machine_step(struct process *process);
int64_t machine_deadline(void); /* true time; NEVER_MS */

struct keeper *machine_keeper(void); /* NULL: none is running */
void machine_wake_keeper(void);      /* for a turn, for it was asked something from outside */
bool machine_is_whole(void);         /* all run */
struct fake_disk *machine_disk(void);
const struct machine_counts *machine_counts(void);
int machine_smtp_listener(void); /* of one of the receivers */
int machine_control_listener(void);
