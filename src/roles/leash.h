/* SPDX-License-Identifier: ISC */
/* leash.h: how the supervisor holds a role.
 *
 * A SEQPACKET socket pair: one packet is one message of messages.def, with a
 * descriptor where the message hands one over (SCM_RIGHTS). The leash is also how
 * each side learns that the other is gone.
 */
#pragma once

#include "roles/messages.h"

enum { LEASH_FD = 3 }; /* of a role, when it starts */

struct leash {
    int fd; /* -1: none */
    struct buf out;
    struct buf in;
};

void leash_fini(struct leash *leash); /* closes */

/* leash_send(leash, descriptor, listener, .kind = LISTENER_SMTP) is 0 or a negative errno. A
 * descriptor of -1 hands none over; one that is handed over stays the caller's to close. */
#define leash_send(leash, descriptor, name, ...)                                                   \
    (leash_begin((leash), MESSAGE_##name),                                                         \
     message_put_##name(&(leash)->out, &(const struct message_##name){ __VA_ARGS__ }),             \
     leash_end((leash), (descriptor)))
void leash_begin(struct leash *leash, enum message_type type);
int leash_end(struct leash *leash, int descriptor);

struct leash_packet {
    enum message_type type;
    struct cursor payload; /* borrows from the leash until the next packet */
    int descriptor;        /* the caller's now; -1: none came */
};
/* 1 with a packet, 0 when the other side is gone, -EAGAIN when there is none, or another negative
 * errno. A packet that `sender` may not send to `taker` is -EPROTO. */
int leash_receive(struct leash *leash, enum role sender, enum role taker,
                  struct leash_packet *out_packet);
