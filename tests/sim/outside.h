/* SPDX-License-Identifier: ISC */
/* outside.h: everybody who is not the machine: senders, primaries, the operator.
 *
 * They share a loop, which the world lets handle one event at a time. A wire is
 * their end of a connection.
 */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "net/loop.h"

struct wire;

struct wire_host {
    void (*input)(struct wire *wire); /* more is in wire->in */
    void (*end)(struct wire *wire);   /* the other side is gone; nothing comes any more */
};

struct wire { /* part of whoever holds it */
    const struct wire_host *host;
    int fd; /* -1: closed */
    struct watch *watch;
    struct buf in;
    struct buf out; /* not yet taken by the other side */
    bool is_deaf;   /* does not read at the moment */
};

void wire_open(struct wire *wire, int fd, const struct wire_host *host);
void wire_send(struct wire *wire, struct str bytes);
void wire_set_deaf(struct wire *wire, bool is_deaf);
bool wire_take_line(struct wire *wire, struct buf *out_line); /* without its CRLF */
void wire_close(struct wire *wire);                           /* also inside host calls; twice */

bool outside_is_ready(void);
void outside_step(void);
