/* SPDX-License-Identifier: ISC */
/* primaries.c: the plan from primaries that the operator named.
 *
 * They are tried in the order given, so each has a preference of its own. A name
 * that cannot be resolved is passed over as long as another one can: the operator
 * has said that each of them may take the mail. Only our own listener is us, by
 * address and port; a mail server beside us on the same machine is a primary.
 */
#include "mail/domain.h"
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

/* "host" or "host:port"; the name in its normal form. */
static bool split_host(struct str text, struct buf *out_host, uint16_t *io_port)
{
    ptrdiff_t colon = str_find(text, ':');
    uint64_t port = *io_port;

    if (colon >= 0 &&
        (!str_to_u64(str_skip(text, (size_t)colon + 1), UINT16_MAX, &port) || port == 0))
        return false;
    *io_port = (uint16_t)port;
    return domain_normalise(colon >= 0 ? str_first(text, (size_t)colon) : text, out_host);
}

/* The name lives in the answers' arena. */
static bool read_host(struct decision *decision, struct str text, struct str *out_host,
                      uint16_t *out_port)
{
    struct buf normal = { 0 };

    *out_port = decision->request->port;
    bool valid = split_host(text, &normal, out_port);
    if (valid)
        *out_host = arena_str(&decision->known->arena, buf_str(&normal));
    buf_fini(&normal);
    return valid;
}

/* False if a question must be answered first. */
static bool add_host(struct decision *decision, struct outcome_so_far *so_far, struct str text,
                     uint16_t preference)
{
    struct lookup_result found;
    struct buf security = { 0 };
    struct str host;
    uint16_t port;

    if (!read_host(decision, text, &host, &port))
        return true; /* refused when it was entered; nothing to be reached by it */
    enum lookup lookup = decide_lookup(decision, host, &found);
    if (lookup == LOOKUP_ASK)
        return false;
    if (lookup == LOOKUP_UNKNOWN)
        so_far->unknown = host;
    const struct tlsa_host named = { host, found.canonical, port };
    bool demands = decision->request->demands_tlsa && found.count > 0;
    if (demands && !find_key(decision, so_far, named, found.is_secure, &security))
        return false;
    for (uint32_t i = 0; i < found.count && (!demands || security.len > 0); i++) {
        found.address[i].port = port;
        add(decision, so_far, host, found.address[i], preference, buf_str(&security));
    }
    buf_fini(&security);
    return true;
}

static bool add_primary(struct decision *decision, struct outcome_so_far *so_far, struct str text,
                        uint16_t preference)
{
    struct endpoint endpoint;
    struct buf name = { 0 };
    struct buf security = { 0 };

    if (!endpoint_from_text(text, decision->request->port, &endpoint))
        return add_host(decision, so_far, text, preference);
    const struct tlsa_host nameless = { .port = endpoint.port };
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

static bool is_named_by(struct str text, uint16_t port, const struct route_target *target)
{
    struct endpoint endpoint;
    struct buf host = { 0 };

    if (endpoint_from_text(text, port, &endpoint))
        return endpoint_equals(endpoint, target->endpoint);
    bool is = split_host(text, &host, &port) && domain_equals(buf_str(&host), target->host) &&
              port == target->endpoint.port;
    buf_fini(&host);
    return is;
}

static bool is_named(const struct str *primary, uint32_t primary_count, uint16_t port,
                     const struct route_target *target)
{
    for (uint32_t i = 0; i < primary_count; i++)
        if (is_named_by(primary[i], port, target))
            return true;
    return false;
}

void route_plan_keep_named(struct route_plan *plan, const struct str *primary,
                           uint32_t primary_count, uint16_t port)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->count; i++)
        if (is_named(primary, primary_count, port, &plan->target[i]))
            plan->target[kept++] = plan->target[i];
    plan->count = kept;
}
