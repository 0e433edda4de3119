/* SPDX-License-Identifier: ISC */
/* endpoint.h: an IP address with a port, by value, without sockets.
 *
 * Written 192.0.2.1:25 and [2001:db8::1]:25. An IPv4 address mapped into IPv6
 * is stored as IPv4, so that one host has one spelling.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

enum endpoint_family {
    ENDPOINT_NONE = 0,
    ENDPOINT_LINE = 1, /* no address: whoever it is calls us (RFC 2645), under this name */
    ENDPOINT_IP4 = 4,
    ENDPOINT_IP6 = 6,
};

struct endpoint {
    uint8_t family;      /* enum endpoint_family */
    uint8_t address[16]; /* network order; IPv4 uses the first four */
    uint16_t port;
};

enum { ENDPOINT_TEXT_MAX = 56 }; /* with port and brackets */

bool endpoint_equals(struct endpoint a, struct endpoint b);       /* address and port */
bool endpoint_same_address(struct endpoint a, struct endpoint b); /* address alone */
bool endpoint_is_loopback(struct endpoint endpoint);
/* How far away it is. The IPv4 address within a NAT64 or 6to4 one counts as itself. */
enum endpoint_reach {
    REACH_NOBODY,   /* no host of one's choice: unspecified, link-local, multicast, broadcast */
    REACH_LOOPBACK, /* this machine */
    REACH_PRIVATE,  /* somebody's own network (RFC 1918, 4193, 6598, 8215) */
    REACH_WORLD,
};
enum endpoint_reach endpoint_reach(struct endpoint endpoint);
/* Address alone; the port becomes `port`. */
bool endpoint_from_ip(struct str text, uint16_t port, struct endpoint *out_endpoint);
/* ADDRESS:PORT or [ADDRESS]:PORT; without a port, `default_port`. An IPv6 address without
 * brackets has no port. */
bool endpoint_from_text(struct str text, uint16_t default_port, struct endpoint *out_endpoint);
void endpoint_add_ip(struct buf *out, struct endpoint endpoint);   /* 192.0.2.1, 2001:db8::1 */
void endpoint_add_text(struct buf *out, struct endpoint endpoint); /* with port */
/* The client's network for limits: /24 for IPv4, /64 for IPv6; port 0. */
struct endpoint endpoint_network(struct endpoint endpoint);

/* Of a caller, by 16 octets at most; and of one call, by its number. */
struct endpoint endpoint_of_line(struct str name);
struct endpoint endpoint_of_line_number(uint64_t number);
uint64_t endpoint_line_number(struct endpoint endpoint); /* 0: it is none */

/* 19 bytes: family, address, port; for channels and disk. */
struct cursor;
void endpoint_encode(struct buf *out, struct endpoint endpoint);
struct endpoint endpoint_decode(struct cursor *cursor); /* a bad family fails the cursor */
