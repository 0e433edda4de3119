/* SPDX-License-Identifier: ISC */
/* place.h: what the supervisor arranges on the machine before the roles start:
 * folders, listeners, our own addresses, and the service manager.
 */
#pragma once

#include <sys/types.h>

#include "config/config.h"

enum { RECEIVERS_MAX = 64 };

enum { LISTENERS_MAX = 4 * CONFIG_LIST_MAX }; /* of a receiver */

/* Each receiver listens with a socket of its own, so that a connection wakes one of them. */
struct listeners {
    int socket[RECEIVERS_MAX][LISTENERS_MAX];
    unsigned kind[LISTENERS_MAX]; /* as in messages.h */
    unsigned receivers;
    unsigned count; /* of each */
    int portal[CONFIG_LIST_MAX];
    unsigned portal_count;
    int control; /* -1: none */
};

/* The folders, owned by the roles' user; the lock that only one supervisor can hold. False with the
 * reason and what to do on standard error. */
bool place_prepare(const struct config *config);
/* The lock, without a word: 0, -EWOULDBLOCK if a node holds it, or another negative errno. */
int place_try_lock(const struct config *config);
/* The lock alone, for who works on a data folder that no node uses; until the process ends. */
bool place_lock(const struct config *config);
/* Whose the data folder's content is: the roles' user if we are root, else we. False with the
 * reason on standard error. */
bool place_owner(const struct config *config, uid_t *out_user, gid_t *out_group);
/* From root to the roles' user, for good. Nothing for others. */
bool place_become_owner(const struct config *config);
bool place_listen(const struct config *config, struct listeners *out_listeners);
void place_close(struct listeners *listeners);
/* What the configuration leaves to the machine: the number of receivers where it is 0 (one for each
 * processor, at most 8), and our addresses. A listener on all addresses means every address of this
 * machine: they are added to what is us (SPEC P6), as are the listeners' own. */
void place_fill_in(struct config *config);
/* To systemd where it started us; silently nothing elsewhere. */
void place_notify(const char *state);
