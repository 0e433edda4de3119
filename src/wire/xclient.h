/* SPDX-License-Identifier: ISC */
/* xclient.h: handing a client's identity on to the next server (Postfix, XCLIENT_README), so that
 * its filters judge the client and not us.
 */
#pragma once

#include "base/buf.h"
#include "base/endpoint.h"

enum xclient_attribute { /* what a server takes, as it says in its reply to EHLO */
                         XCLIENT_NAME = 1,
                         XCLIENT_ADDR = 2,
                         XCLIENT_PORT = 4,
                         XCLIENT_PROTO = 8,
                         XCLIENT_HELO = 16,
};

struct xclient {
    struct endpoint client;
    struct str name; /* confirmed reverse name; empty: there is none */
    struct str helo; /* as it was said; may be empty */
    bool is_extended;
};

/* "NAME ADDR PROTO" as bits; what is not known is left out. */
unsigned xclient_attributes_parse(struct str text);
/* Commands with their line ends, of 512 octets each at most: the address comes last, for with it we
 * may lose the right to go on. Nothing, unless the server takes addresses. */
void xclient_add_commands(struct buf *out, unsigned attributes, const struct xclient *who);
