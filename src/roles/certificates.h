/* SPDX-License-Identifier: ISC */
/* certificates.h: the certificates that the supervisor reads, and the keys of tickets, which it
 * makes: receivers share both, and may open no file.
 *
 * Where none is configured, or none can be used, one of our own making is shown: mail that would
 * come in the clear comes encrypted then, and who wants to know us cannot.
 */
#pragma once

#include "base/buf.h"
#include "base/clock.h"
#include "base/cursor.h"
#include "config/config.h"

struct certificates {
    struct buf pairs;      /* as in messages.def */
    struct buf files;      /* where they come from; certificates.c */
    struct buf ends;       /* of those that come from files, as in messages.def */
    struct buf ticket_key; /* the one that seals, and the one before; empty: there is none */
    struct buf ticket_key_before;
    int64_t ticket_ms;       /* monotonic, when the first was made */
    struct buf own;          /* the pair of our own making; empty: it was not needed yet */
    struct buf own_hostname; /* whom it names */
    int64_t warned_ms;       /* monotonic, when it was last said that one ends; 0: never */
    int64_t look_ms;         /* monotonic, when the files are looked at again */
};

/* Reads the files and tries what is in them. What cannot be used is logged: then what there was in
 * that file stays; where no file has anything of use, all stays as it was, or our own is made.
 * True: `pairs` are others than before. */
bool certificates_read(struct certificates *certificates, const struct config *config);
/* Now and then: new ticket keys, and files that have changed. True: receivers are to be told. */
bool certificates_turn(struct certificates *certificates, const struct config *config,
                       struct now now);
int64_t certificates_deadline(const struct certificates *certificates);
void certificates_fini(struct certificates *certificates);

/* In a role that shows them: what the supervisor has sent (the message `certificates`) takes the
 * place of *server, unless it cannot be used; NULL: there are none. False: malformed. */
struct tls_server;
bool certificates_take(struct cursor payload, struct tls_server **server);
