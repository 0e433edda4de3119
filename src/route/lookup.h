/* SPDX-License-Identifier: ISC */
/* lookup.h: the addresses of one host, from the answers known so far. */
#pragma once

#include "route/route.h"

enum lookup {
    LOOKUP_ASK,     /* *out_question first */
    LOOKUP_FOUND,   /* at least one address */
    LOOKUP_NONE,    /* the host has none */
    LOOKUP_NO_NAME, /* there is no such host */
    LOOKUP_UNKNOWN, /* the DNS did not say */
};

struct lookup_result {
    struct endpoint address[ROUTE_ADDRESSES_PER_HOST_MAX]; /* IPv6 and IPv4 in turn; port 0 */
    uint32_t count;
    struct str canonical; /* what the name is an alias of; empty: of none */
    bool is_secure;       /* all that was found was validated */
    bool is_us;           /* any of its addresses, kept or not, is ours */
    uint32_t ttl_s;
};

/* `name` in normal form; a question refers to it. */
enum lookup lookup_host(struct str name, const struct route_self *self,
                        const struct dns_answers *known, struct random *random,
                        struct dns_question *out_question, struct lookup_result *out_result);
