/* SPDX-License-Identifier: ISC */
/* primaries.c: the plan from primaries that the operator named.
 *
 * They are tried in the order given, so each has a preference of its own. A name
 * that cannot be resolved is passed over as long as another one can: the operator
 * has said that each of them may take the mail. Only our own listener is us, by
 * address and port; a mail server beside us on the same machine is a primary.
 */
#include "mail/domain.h"
#include "mail/named_primary.h"
#include "route/decide.h"
#include "route/plan.h"
#include "route/self.h"
#include "route/tlsa.h"

struct outcome_so_far {
    struct route_plan plan;
    bool saw_us;
    bool saw_untrusted; /* a host of which the DNS does not say by which key it is known */
    struct str unknown; /* a host the DNS did not answer for */
};

static void add(struct decision *decision, struct outcome_so_far *so_far, struct str host,
                struct endpoint endpoint, uint16_t preference, struct str security)
{
    if (route_self_listens_at(decision->request->self, endpoint))
        so_far->saw_us = true;
    else
        route_plan_add(&so_far->plan, host, endpoint, preference, security);
}

/* What the host has to show, where its domain demands keys that the DNS names: the operator's word
 * for it is as good as a signed MX record. Nothing is added for one that has none. False if a
 * question must be answered first. */
static bool find_key(struct decision *decision, struct outcome_so_far *so_far,
                     struct tlsa_host host, bool is_host_secure, struct buf *out_security)
{
    struct trust_facts facts = { .is_mx_secure = true, .is_host_secure = is_host_secure };
    struct security security = { .level = SECURITY_TLSA };

    if (!tlsa_find(decision, host, &facts, &security))
        return false;
    if (facts.tlsa == TRUST_TLSA_USABLE)
        security_encode(out_security, &security);
    else
        so_far->saw_untrusted = true;
    return true;
}

/* The name, in its normal form, lives in the answers' arena. */
static bool normalise_host(struct decision *decision, struct str name, struct str *out_host)
{
    struct buf normal = { 0 };
    bool valid = domain_normalise(name, &normal);

    if (valid)
        *out_host = arena_str(&decision->known->arena, buf_str(&normal));
    buf_fini(&normal);
    return valid;
}

/* False if a question must be answered first. */
static bool add_host(struct decision *decision, struct outcome_so_far *so_far,
                     const struct named_primary *primary, uint16_t preference)
{
    struct lookup_result found;
    struct buf security = { 0 };
    struct str host;

    if (!normalise_host(decision, primary->host, &host))
        return true; /* refused when it was entered; nothing to be reached by it */
    enum lookup lookup = decide_lookup(decision, host, &found);
    if (lookup == LOOKUP_ASK)
        return false;
    if (lookup == LOOKUP_UNKNOWN)
        so_far->unknown = host;
    const struct tlsa_host named = { host, found.canonical, primary->port, primary->tls_name };
    bool demands = decision->request->demands_tlsa && found.count > 0;
    if (demands && !find_key(decision, so_far, named, found.is_secure, &security))
        return false;
    for (uint32_t i = 0; i < found.count && (!demands || security.len > 0); i++) {
        found.address[i].port = primary->port;
        add(decision, so_far, host, found.address[i], preference, buf_str(&security));
    }
    buf_fini(&security);
    return true;
}

static bool add_address(struct decision *decision, struct outcome_so_far *so_far,
                        const struct named_primary *primary, uint16_t preference)
{
    struct endpoint endpoint = primary->endpoint;
    struct buf name = { 0 };
    struct buf security = { 0 };
    const struct tlsa_host nameless = { .port = endpoint.port, .given = primary->tls_name };
    bool demands = decision->request->demands_tlsa;

    if (demands && !find_key(decision, so_far, nameless, false, &security))
        return false;
    endpoint_add_ip(&name, endpoint);
    if (!demands || security.len > 0)
        add(decision, so_far, buf_str(&name), endpoint, preference, buf_str(&security));
    buf_fini(&name);
    buf_fini(&security);
    return true;
}

static bool add_primary(struct decision *decision, struct outcome_so_far *so_far, struct str text,
                        uint16_t preference)
{
    struct named_primary primary;

    if (named_primary_parse(text, &primary) != NAMED_PRIMARY_FINE)
        return true; /* refused when it was entered */
    if (primary.host.len > 0)
        return add_host(decision, so_far, &primary, preference);
    return add_address(decision, so_far, &primary, preference);
}

void decide_from_primaries(struct decision *decision)
{
    struct outcome_so_far so_far = { .saw_us = false };

    for (uint32_t i = 0; i < decision->request->primary_count; i++) {
        if (!add_primary(decision, &so_far, decision->request->primary[i], (uint16_t)i)) {
            route_plan_fini(&so_far.plan);
            return;
        }
    }
    if (so_far.plan.count > 0)
        decide_plan(decision, &so_far.plan);
    else if (so_far.unknown.len > 0)
        decide_none(decision, ROUTE_DNS_FAILED, so_far.unknown);
    else if (so_far.saw_untrusted)
        decide_none(decision, ROUTE_UNTRUSTED, STR_NONE);
    else
        decide_none(decision, so_far.saw_us ? ROUTE_BEST_IS_US : ROUTE_NO_ADDRESS, STR_NONE);
}

/* ---- who is named ---- */

static bool is_named(const struct str *primary, uint32_t primary_count,
                     const struct route_target *target)
{
    struct named_primary named;

    for (uint32_t i = 0; i < primary_count; i++)
        if (named_primary_parse(primary[i], &named) == NAMED_PRIMARY_FINE &&
            named_primary_is(&named, target->host, target->endpoint))
            return true;
    return false;
}

void route_plan_keep_named(struct route_plan *plan, const struct str *primary,
                           uint32_t primary_count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->count; i++)
        if (is_named(primary, primary_count, &plan->target[i]))
            plan->target[kept++] = plan->target[i];
    plan->count = kept;
}
