/* SPDX-License-Identifier: ISC */
/* hand_loop.h: a loop that is turned by hand.
 *
 * hand_loop.c stands in the place of net/loop.c: a target that is linked with it runs a whole role
 * with a clock of its own, and says itself which descriptor is ready and when. Nothing here asks
 * the kernel for the time or waits for it.
 */
#pragma once

#include "base/endpoint.h"
#include "net/loop.h"

void hand_loop_pass(struct loop *loop, int64_t ms);
/* Calls ready() of the watch over this descriptor; false if none waits for any of `what`. */
bool hand_loop_ready(struct loop *loop, int fd, unsigned what);
/* Whom the newest watch calls. */
void *hand_loop_newest(const struct loop *loop);

/* hand_socket.c in the place of net/socket.c: connections come from the target too. */
struct hand_socket {
    int accepted; /* the next one that socket_accept() gives; -1: none waits */
    struct endpoint client;
    int connected; /* the next one that socket_connect() gives, or a negative errno */
    int error;     /* of socket_error() */
};
extern struct hand_socket hand_socket;
