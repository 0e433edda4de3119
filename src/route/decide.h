/* SPDX-License-Identifier: ISC */
/* decide.h: what the two ways to a plan share. */
#pragma once

#include "route/lookup.h"
#include "route/route.h"

struct decision {
    const struct route_request *request;
    struct dns_answers *known;
    struct random *random;
    struct route_result *result;
    uint32_t ttl_s; /* the shortest of all answers that took part */
};

void decide_from_mx(struct decision *decision);
void decide_from_primaries(struct decision *decision); /* request->primary_count > 0 */

/* The three ways it ends. */
void decide_ask(struct decision *decision, struct dns_question question);
void decide_plan(struct decision *decision, struct route_plan *plan); /* takes it over */
void decide_none(struct decision *decision, enum route_problem problem, struct str host);

/* lookup_host() for the decision: notes the TTL, and asks where it must. */
enum lookup decide_lookup(struct decision *decision, struct str name,
                          struct lookup_result *out_result);
