/* SPDX-License-Identifier: ISC */
/* mx.c: the plan from MX records, or from the domain's own addresses.
 *
 * RFC 5321 5.1: of the sorted records, the best one that is us and everything
 * equal to it or worse is dropped; mail moves only towards the primary, so two
 * backups never pass it to and fro. "Us" is every node's name and address, hence
 * the addresses of each host that would be used are looked up before any is used.
 *
 *   preference   5        10        10         20
 *   host         a        b         c          d
 *   us?          no       no        by addr    -          plan: a
 *   us?          no       unknown   no         -          plan: a
 *   us?          unknown  -         -          -          none: the DNS failed
 *
 * What each host has to show is found out for those that are used alone (trust.h).
 *
 * A host whose lookup failed may be us, and is treated as if it were: the cut is
 * made at its preference as well. That costs reach only until its zone is whole
 * again, and the last known good plan bridges that time; the contrary could loop.
 */
#include "route/decide.h"

#include "mail/domain.h"
#include "route/plan.h"
#include "route/self.h"
#include "route/tlsa.h"

enum { NO_CUT = UINT16_MAX + 1 };

struct candidate {
    struct str name;
    uint32_t preference;
    struct lookup_result found;
    struct security security; /* its strings live in the answers */
    bool is_trusted;
    bool is_unnamed; /* and therefore not */
};

struct candidates {
    struct candidate item[DNS_RECORDS_MAX]; /* by preference */
    uint32_t count;
    uint32_t cut; /* only hosts below this preference may be used */
    bool saw_us;
    bool saw_untrusted; /* a host of which the DNS does not say what it has to show */
    bool saw_better;    /* a host below the cut, with or without address */
    struct str unknown; /* the host at which the DNS failed, if it made the cut */
};

static bool is_root(struct str name)
{
    return name.len == 0 || str_equals(name, STR("."));
}

/* Keeps the order of records among equals, so that questions repeat in the same order. */
static void insert(struct candidates *all, const struct dns_record *record)
{
    uint32_t at = all->count++;
    for (; at > 0 && all->item[at - 1].preference > record->preference; at--)
        all->item[at] = all->item[at - 1];
    all->item[at] = (struct candidate){ .name = record->name, .preference = record->preference };
}

static void sort(struct decision *decision, const struct dns_answer *answer, struct candidates *all)
{
    for (uint32_t i = 0; i < answer->record_count && i < DNS_RECORDS_MAX; i++) {
        const struct dns_record *record = &answer->record[i];
        if (is_root(record->name))
            continue;
        if (route_self_has_name(decision->request->self, record->name)) {
            all->saw_us = true;
            if (record->preference < all->cut)
                all->cut = record->preference;
        }
        insert(all, record);
    }
}

/* False if a question must be answered first. */
static bool look_up(struct decision *decision, struct candidates *all)
{
    for (uint32_t i = 0; i < all->count && all->item[i].preference < all->cut; i++) {
        struct candidate *host = &all->item[i];
        enum lookup lookup = decide_lookup(decision, host->name, &host->found);
        if (lookup == LOOKUP_ASK)
            return false;
        if (host->found.is_us) {
            all->saw_us = true;
            all->cut = host->preference;
        } else if (lookup == LOOKUP_UNKNOWN) {
            all->unknown = host->name;
            all->cut = host->preference;
        }
    }
    return true;
}

static uint32_t count_usable(struct candidates *all)
{
    uint32_t usable = 0;
    for (uint32_t i = 0; i < all->count && all->item[i].preference < all->cut; i++) {
        all->saw_better = true;
        if (all->item[i].found.count > 0)
            all->item[usable++] = all->item[i];
    }
    return usable;
}

static void shuffle_equals(struct candidates *all, uint32_t usable, struct random *random)
{
    for (uint32_t from = 0, to; from < usable; from = to) {
        to = from + 1;
        while (to < usable && all->item[to].preference == all->item[from].preference)
            to++;
        for (uint32_t left = to - from; left > 1; left--) {
            uint32_t at = from + (uint32_t)random_below(random, left);
            struct candidate last = all->item[from + left - 1];
            all->item[from + left - 1] = all->item[at];
            all->item[at] = last;
        }
    }
}

/* ---- what they have to show ---- */

/* What the domain's own policy says of the host (RFC 8461). */
static void look_at_policy(const struct sts_policy *policy, struct str host,
                           struct trust_facts *facts)
{
    if (policy == NULL || policy->mode == STS_NONE)
        return;
    facts->policy = policy->mode == STS_ENFORCE ? TRUST_POLICY_ENFORCE : TRUST_POLICY_TESTING;
    facts->policy_names_host = sts_policy_names(policy, host);
}

/* False if a question must be answered first. */
static bool find_trust(struct decision *decision, bool is_mx_secure, struct candidate *host)
{
    struct trust_facts facts = { .is_mx_secure = is_mx_secure,
                                 .is_host_secure = host->found.is_secure };

    const struct route_request *request = decision->request;
    struct tlsa_host named = { host->name, host->found.canonical, request->port };

    host->security = (struct security){ 0 };
    if (!request->demands_nothing && !tlsa_find(decision, named, &facts, &host->security))
        return false;
    look_at_policy(request->policy, host->name, &facts);
    struct trust trust = trust_decide(&facts);
    host->is_unnamed = !trust.may_be_used && facts.tlsa != TRUST_TLSA_UNKNOWN;
    host->is_trusted =
        trust.may_be_used && (!request->demands_tlsa || trust.level == SECURITY_TLSA);
    host->security.level = trust.level;
    host->security.is_watched = trust.is_watched;
    if (trust.level == SECURITY_TLSA)
        return true;
    host->security.tlsa_count = host->security.name_count = 0;
    if (trust.level == SECURITY_NAME || trust.is_watched)
        host->security.name[host->security.name_count++] = host->name;
    return true;
}

/* How many of them may be used; -1: a question must be answered first. */
static int keep_trusted(struct decision *decision, bool is_mx_secure, struct candidates *all,
                        uint32_t usable)
{
    int trusted = 0;

    if (usable > ROUTE_TARGETS_MAX)
        usable = ROUTE_TARGETS_MAX;
    for (uint32_t i = 0; i < usable; i++) {
        if (!find_trust(decision, is_mx_secure, &all->item[i]))
            return -1;
        all->saw_untrusted |= !all->item[i].is_trusted && !all->item[i].is_unnamed;
        if (all->item[i].is_trusted)
            all->item[trusted++] = all->item[i];
    }
    return trusted;
}

/* Two addresses of every host at least (RFC 5321 5.1), more where there are few hosts. */
static void make_plan(struct decision *decision, struct candidates *all, uint32_t usable)
{
    struct route_plan plan = { .count = 0 };
    struct buf security = { 0 };
    uint32_t each = ROUTE_TARGETS_MAX / usable;

    if (each < 2)
        each = 2;
    for (uint32_t i = 0; i < usable; i++) {
        const struct candidate *host = &all->item[i];
        buf_reset(&security);
        security_encode(&security, &host->security);
        for (uint32_t k = 0; k < host->found.count && k < each; k++) {
            struct endpoint endpoint = host->found.address[k];
            endpoint.port = decision->request->port;
            route_plan_add(&plan, host->name, endpoint, (uint16_t)host->preference,
                           buf_str(&security));
        }
    }
    buf_fini(&security);
    decide_plan(decision, &plan);
}

/* Of those that have addresses. */
static void use_trusted(struct decision *decision, bool is_mx_secure, struct candidates *all,
                        uint32_t usable)
{
    int trusted = keep_trusted(decision, is_mx_secure, all, usable);

    if (trusted == 0)
        decide_none(decision, all->saw_untrusted ? ROUTE_UNTRUSTED : ROUTE_UNNAMED, STR_NONE);
    if (trusted <= 0)
        return;
    shuffle_equals(all, (uint32_t)trusted, decision->random);
    make_plan(decision, all, (uint32_t)trusted);
}

static void choose(struct decision *decision, const struct dns_answer *answer)
{
    struct candidates all = { .cut = NO_CUT };

    sort(decision, answer, &all);
    if (all.count == 0) {
        decide_none(decision, ROUTE_NULL_MX, STR_NONE); /* RFC 7505 */
        return;
    }
    if (!look_up(decision, &all))
        return;
    uint32_t usable = count_usable(&all);
    if (usable > 0) {
        use_trusted(decision, answer->secure, &all, usable);
    } else if (all.unknown.len > 0) {
        decide_none(decision, ROUTE_DNS_FAILED, all.unknown);
    } else {
        bool best_is_us = all.saw_us && !all.saw_better;
        decide_none(decision, best_is_us ? ROUTE_BEST_IS_US : ROUTE_NO_ADDRESS, STR_NONE);
    }
}

/* RFC 5321 5.1: no MX at all means the host of the domain's own name. */
static void choose_implicit(struct decision *decision, bool is_secure)
{
    const struct dns_record own = { .name = decision->request->domain };
    struct candidates all = { .cut = NO_CUT };

    insert(&all, &own);
    enum lookup lookup = decide_lookup(decision, own.name, &all.item[0].found);
    if (lookup == LOOKUP_ASK)
        return;
    if (all.item[0].found.is_us || route_self_has_name(decision->request->self, own.name))
        decide_none(decision, ROUTE_BEST_IS_US, STR_NONE);
    else if (lookup == LOOKUP_FOUND)
        use_trusted(decision, is_secure, &all, 1);
    else if (lookup == LOOKUP_UNKNOWN)
        decide_none(decision, ROUTE_DNS_FAILED, own.name);
    else
        decide_none(decision, lookup == LOOKUP_NO_NAME ? ROUTE_NO_DOMAIN : ROUTE_NO_ADDRESS,
                    STR_NONE);
}

void decide_from_mx(struct decision *decision)
{
    struct str domain = decision->request->domain;
    struct dns_question question = { .name = domain, .type = DNS_MX };
    const struct dns_answer *answer = dns_answers_find(decision->known, question);

    if (answer == NULL) {
        decide_ask(decision, question);
        return;
    }
    decision->ttl_s = answer->ttl_s;
    switch (answer->status) {
    case DNS_FOUND:
        choose(decision, answer);
        return;
    case DNS_NODATA:
        choose_implicit(decision, answer->secure);
        return;
    case DNS_NO_NAME:
        decide_none(decision, ROUTE_NO_DOMAIN, STR_NONE);
        return;
    case DNS_FAILED:
        decide_none(decision, ROUTE_DNS_FAILED, domain);
        return;
    }
}
