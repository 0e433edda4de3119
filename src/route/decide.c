/* SPDX-License-Identifier: ISC */
/* decide.c: which hosts may take a domain's mail. See route.h.
 *
 * What is wrong with a zone never costs mail: every problem is a deferral, and the
 * words say what the domain's owner has to look at.
 */
#include "route/decide.h"

#include "route/plan.h"

void decide_ask(struct decision *decision, struct dns_question question)
{
    *decision->result = (struct route_result){ .step = ROUTE_ASK, .question = question };
}

void decide_plan(struct decision *decision, struct route_plan *plan)
{
    plan->ttl_s = route_plan_ttl(decision->ttl_s);
    *decision->result = (struct route_result){ .step = ROUTE_PLAN, .plan = *plan };
}

static struct verdict describe(enum route_problem problem, struct str domain, struct str host)
{
    switch (problem) {
    case ROUTE_DNS_FAILED:
        return verdict_format(451, 4, 3, "DNS gives no answer for %.*s", STR_FMT(host));
    case ROUTE_BEST_IS_US:
        return verdict_format(451, 4, 6, "The best mail host of %.*s is this server",
                              STR_FMT(domain));
    case ROUTE_NULL_MX:
        return verdict_format(451, 1, 10, "%.*s has a null MX", STR_FMT(domain));
    case ROUTE_NO_ADDRESS:
        return verdict_format(451, 4, 4, "No mail host of %.*s that may be used has an address",
                              STR_FMT(domain));
    case ROUTE_NO_DOMAIN:
        return verdict_format(451, 1, 2, "DNS says that %.*s does not exist", STR_FMT(domain));
    case ROUTE_UNNAMED:
        return verdict_format(451, 7, 5, "The MTA-STS policy of %.*s names none of its mail hosts",
                              STR_FMT(domain));
    case ROUTE_UNTRUSTED:
        return verdict_format(451, 7, 5,
                              "No mail host of %.*s may be trusted: the DNS does not say by which "
                              "key (TLSA) it is known",
                              STR_FMT(domain));
    }
    return verdict_make(451, 3, 0, STR("Internal error"));
}

void decide_none(struct decision *decision, enum route_problem problem, struct str host)
{
    *decision->result = (struct route_result){
        .step = ROUTE_NONE,
        .problem = problem,
        .verdict = describe(problem, decision->request->domain, host),
    };
}

enum lookup decide_lookup(struct decision *decision, struct str name,
                          struct lookup_result *out_result)
{
    struct dns_question question;
    enum lookup lookup = lookup_host(name, decision->request->self, decision->known,
                                     decision->random, &question, out_result);
    if (lookup == LOOKUP_ASK)
        decide_ask(decision, question);
    else if (out_result->ttl_s < decision->ttl_s)
        decision->ttl_s = out_result->ttl_s;
    return lookup;
}

void route_decide(const struct route_request *request, struct dns_answers *known,
                  struct random *random, struct route_result *out_result)
{
    struct decision decision = {
        .request = request,
        .known = known,
        .random = random,
        .result = out_result,
        .ttl_s = UINT32_MAX,
    };

    if (request->primary_count > 0)
        decide_from_primaries(&decision);
    else
        decide_from_mx(&decision);
}
