/* SPDX-License-Identifier: ISC */
/* route.h: which hosts may take a domain's mail (SPEC P6, P7, Z7; FACTS 4.4).
 *
 * A pure function of the domain, our own names and addresses, and the DNS answers
 * known so far. It gives a plan, or the next question, or the reason why there is
 * no plan, in which case mail is held, never returned and never looped.
 *
 *   static primaries given    those, in order; names are looked up (A, AAAA, not MX)
 *   MX records                all strictly better than the best one that is us, by name
 *                             or by address; equal ones in random order
 *   no MX at all              the domain's own addresses (implicit MX), unless they are us
 *   null MX, only us, nothing usable, DNS failed    no plan
 */
#pragma once

#include "base/random.h"
#include "mail/verdict.h"
#include "wire/dns.h"
#include "wire/mta_sts.h"

enum { ROUTE_TARGETS_MAX = 20, ROUTE_ADDRESSES_PER_HOST_MAX = 5 };

/* One address of one host that may take the mail, in the order they are to be tried. */
struct route_target {
    struct str host;          /* MX name or given name; normal form */
    struct endpoint endpoint; /* with port */
    uint16_t preference;      /* equal ones share the load */
    struct str security;      /* what it has to show, encoded (mail/security.h); empty: nothing */
};

struct route_plan {
    struct arena arena; /* owns the hosts' names */
    struct route_target target[ROUTE_TARGETS_MAX];
    uint32_t count;
    uint32_t ttl_s; /* ask again after this time (bounded to 1 min … 1 h) */
};
void route_plan_fini(struct route_plan *plan);

/* Who we are: every name and address of every node. */
struct route_self {
    const struct str *name; /* normal form */
    uint32_t name_count;
    const struct endpoint *address; /* port 0; compared by address alone for MX hosts */
    uint32_t address_count;
    const struct endpoint *listener; /* with port: a static primary is us only if it is one */
    uint32_t listener_count;
};

struct route_request {
    struct str domain;
    const struct str *primary; /* static primaries as given; see directory.h */
    uint32_t primary_count;
    uint16_t port; /* for hosts from MX; 25 */
    const struct route_self *self;
    const struct sts_policy *policy; /* of the domain, for hosts from MX; NULL: none is in force */
    bool demands_nothing;            /* of hosts from MX: TLSA records are not looked for */
    bool demands_tlsa;    /* of all: without usable TLSA records, validated, none is used */
    struct str tlsa_name; /* with demands_tlsa: whose records; empty: those of each host */
};

enum route_step { ROUTE_ASK, ROUTE_PLAN, ROUTE_NONE };
enum route_problem {
    ROUTE_DNS_FAILED, /* temporary: last-known-good may serve */
    ROUTE_BEST_IS_US,
    ROUTE_NULL_MX,
    ROUTE_NO_ADDRESS,
    ROUTE_NO_DOMAIN, /* NXDOMAIN */
    ROUTE_UNNAMED,   /* there are hosts, and none that the domain's policy names (MTA-STS) */
    ROUTE_UNTRUSTED, /* there are hosts, and none that may be trusted now (trust.h) */
};

struct route_result {
    enum route_step step;
    struct dns_question question; /* ROUTE_ASK; name: the answers' arena or the request */
    struct route_plan plan;       /* ROUTE_PLAN; the caller frees it */
    enum route_problem problem;   /* ROUTE_NONE */
    struct verdict verdict;       /* ROUTE_NONE: for logs and `domain show` */
};

void route_decide(const struct route_request *request, struct dns_answers *known,
                  struct random *random, struct route_result *out_result);
const char *route_problem_name(enum route_problem problem); /* dns-failed best-is-us … */

/* Of a plan that was made before the policy: the hosts that it does not name are dropped, the
 * others have to show what it demands. It may leave none. */
void route_plan_obey(struct route_plan *plan, const struct sts_policy *policy);
/* Of a plan that was made when the DNS still said what hosts have to show: those whose key it said.
 * That it said of none is no proof that there is none now (RFC 7672 2.1.2). It may leave none. */
void route_plan_keep_known_keys(struct route_plan *plan);
/* Of a plan of named primaries: those that are named now. It may leave none. */
void route_plan_keep_named(struct route_plan *plan, const struct str *primary,
                           uint32_t primary_count);

/* The last known good plan, for the directory (versioned). */
void route_plan_encode(struct buf *out, const struct route_plan *plan);
bool route_plan_decode(struct str bytes, struct route_plan *out_plan);
