/* SPDX-License-Identifier: ISC */
/* plan.c: the plan as a value, and its bytes in the directory.
 *
 *     u8 version (2)  u8 count (1 … ROUTE_TARGETS_MAX)  u32 ttl_s
 *     count times: counted host  endpoint  u16 preference  counted security
 *
 * A plan of another version, or one that could not have been made here, is no
 * plan: the DNS is asked, and mail waits.
 */
#include "route/plan.h"

#include "base/cursor.h"
#include "mail/domain.h"
#include "mail/security.h"

enum { PLAN_VERSION = 2, TTL_MIN_S = 60, TTL_MAX_S = 3600 };

void route_plan_fini(struct route_plan *plan)
{
    arena_fini(&plan->arena);
    *plan = (struct route_plan){ 0 };
}

uint32_t route_plan_ttl(uint32_t ttl_s)
{
    if (ttl_s < TTL_MIN_S)
        return TTL_MIN_S;
    return ttl_s > TTL_MAX_S ? TTL_MAX_S : ttl_s;
}

void route_plan_add(struct route_plan *plan, struct str host, struct endpoint endpoint,
                    uint16_t preference, struct str security)
{
    if (plan->count == ROUTE_TARGETS_MAX)
        return;
    for (uint32_t i = 0; i < plan->count; i++)
        if (endpoint_equals(plan->target[i].endpoint, endpoint))
            return;
    plan->target[plan->count++] = (struct route_target){
        .host = arena_str(&plan->arena, host),
        .endpoint = endpoint,
        .preference = preference,
        .security = arena_str(&plan->arena, security),
    };
}

void route_plan_encode(struct buf *out, const struct route_plan *plan)
{
    buf_add_u8(out, PLAN_VERSION);
    buf_add_u8(out, (uint8_t)plan->count);
    buf_add_u32(out, plan->ttl_s);
    for (uint32_t i = 0; i < plan->count; i++) {
        buf_add_counted(out, plan->target[i].host);
        endpoint_encode(out, plan->target[i].endpoint);
        buf_add_u16(out, plan->target[i].preference);
        buf_add_counted(out, plan->target[i].security);
    }
}

/* A static primary given as an address has that address for its name. */
static bool is_host(struct str name)
{
    struct endpoint ignored;
    return domain_is_valid(name) || endpoint_from_ip(name, 0, &ignored);
}

static bool is_security(struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct security ignored;
    return bytes.len == 0 || (security_decode(&cursor, &ignored) && cursor_done(&cursor));
}

static bool decode_target(struct cursor *cursor, struct route_plan *plan)
{
    struct str host = cursor_counted(cursor);
    struct endpoint endpoint = endpoint_decode(cursor);
    uint16_t preference = cursor_u16(cursor);
    struct str security = cursor_counted(cursor);

    if (!cursor_ok(cursor) || !is_host(host) || !is_security(security))
        return false;
    if (endpoint.family == ENDPOINT_NONE || endpoint.port == 0)
        return false;
    if (plan->count > 0 && preference < plan->target[plan->count - 1].preference)
        return false;
    route_plan_add(plan, host, endpoint, preference, security);
    return true;
}

bool route_plan_decode(struct str bytes, struct route_plan *out_plan)
{
    struct cursor cursor = cursor_over(bytes);
    unsigned version = cursor_u8(&cursor);
    unsigned count = cursor_u8(&cursor);
    struct route_plan plan = { .ttl_s = route_plan_ttl(cursor_u32(&cursor)) };

    if (version != PLAN_VERSION || count == 0 || count > ROUTE_TARGETS_MAX)
        return false;
    for (unsigned i = 0; i < count; i++) {
        if (!decode_target(&cursor, &plan)) {
            route_plan_fini(&plan);
            return false;
        }
    }
    if (!cursor_done(&cursor)) {
        route_plan_fini(&plan);
        return false;
    }
    *out_plan = plan;
    return true;
}

/* What DANE demands stands above the policy; where its records were of no use, TLS does (trust.h).
 */
static bool obeys(struct route_plan *plan, struct route_target *target,
                  const struct sts_policy *policy)
{
    struct cursor cursor = cursor_over(target->security);
    struct security security = { .level = SECURITY_MAY };
    struct buf bytes = { 0 };

    if (target->security.len > 0 && !security_decode(&cursor, &security))
        return false;
    if (security.level == SECURITY_TLSA)
        return true;
    if (!sts_policy_names(policy, target->host))
        return security.level == SECURITY_MUST;
    security.level = SECURITY_NAME;
    security.is_watched = false;
    security.name[0] = target->host;
    security.name_count = 1;
    security_encode(&bytes, &security);
    target->security = arena_str(&plan->arena, buf_str(&bytes));
    buf_fini(&bytes);
    return true;
}

void route_plan_obey(struct route_plan *plan, const struct sts_policy *policy)
{
    uint32_t kept = 0;

    if (policy->mode != STS_ENFORCE)
        return;
    for (uint32_t i = 0; i < plan->count; i++)
        if (obeys(plan, &plan->target[i], policy))
            plan->target[kept++] = plan->target[i];
    plan->count = kept;
}

static bool has_known_key(const struct route_target *target)
{
    struct cursor cursor = cursor_over(target->security);
    struct security security;

    return target->security.len > 0 && security_decode(&cursor, &security) &&
           security.level == SECURITY_TLSA;
}

void route_plan_keep_known_keys(struct route_plan *plan)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->count; i++)
        if (has_known_key(&plan->target[i]))
            plan->target[kept++] = plan->target[i];
    plan->count = kept;
}

const char *route_problem_name(enum route_problem problem)
{
    static const char *const name[] = {
        [ROUTE_DNS_FAILED] = "dns-failed", [ROUTE_BEST_IS_US] = "best-is-us",
        [ROUTE_NULL_MX] = "null-mx",       [ROUTE_NO_ADDRESS] = "no-address",
        [ROUTE_NO_DOMAIN] = "no-domain",   [ROUTE_UNNAMED] = "not-in-policy",
        [ROUTE_UNTRUSTED] = "untrusted",
    };
    return name[problem];
}
