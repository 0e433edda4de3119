/* SPDX-License-Identifier: ISC */
/* url.h: where a web server is and what it is asked for (RFC 3986, http and https alone).
 *
 * Strict: what two programs could read in two ways is refused. No user or password, no fragment,
 * no host that looks like a number without being an address ("127.1", "0x7f.1").
 */
#pragma once

#include "base/endpoint.h"

struct url {
    bool is_tls;
    struct str host;          /* a name, or an address without brackets; as given */
    bool is_address;          /* the host is an address, and this is where it leads: */
    struct endpoint endpoint; /* with the port */
    uint16_t port;
    struct str target; /* path and query; empty stands for "/" */
};

bool url_parse(struct str text, struct url *out_url); /* borrows */
