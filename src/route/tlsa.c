/* SPDX-License-Identifier: ISC */
/* tlsa.c: see tlsa.h.
 *
 *     host, addresses secure               its own records
 *     alias, secure to the end             those of what it stands for, or else its own (2.2.3)
 *     alias, secure, leads into the open   its own (2.1.3, 2.2.2)
 *     a name that the domain's holder gave   those of that name, whatever else is secure
 *     anything else                        nobody looks
 */
#include "route/tlsa.h"

static struct dns_question question_for(struct decision *decision, struct str name, uint16_t port)
{
    struct buf text = { 0 };

    buf_add_format(&text, "_%u._tcp.%.*s", (unsigned)port, STR_FMT(name));
    struct dns_question question = { .name = arena_str(&decision->known->arena, buf_str(&text)),
                                     .type = DNS_TLSA };
    buf_fini(&text);
    return question;
}

/* Its answer; NULL for a name that cannot be asked for. False if it must be answered first. */
static bool look_at(struct decision *decision, struct dns_question question,
                    const struct dns_answer **out_answer)
{
    bool can_be_asked = dns_name_is_valid(question.name);

    *out_answer = can_be_asked ? dns_answers_find(decision->known, question) : NULL;
    if (*out_answer == NULL && can_be_asked) {
        decide_ask(decision, question);
        return false;
    }
    if (*out_answer != NULL && (*out_answer)->ttl_s < decision->ttl_s)
        decision->ttl_s = (*out_answer)->ttl_s;
    return true;
}

static bool has_anchor(const struct security *security)
{
    for (uint32_t i = 0; i < security->tlsa_count; i++)
        if (security->tlsa[i].usage == 2)
            return true;
    return false;
}

/* Of this name. False if a question must be answered first. */
static bool look_at_name(struct decision *decision, struct str name, uint16_t port,
                         struct trust_facts *facts, struct security *security)
{
    const struct dns_answer *answer;

    if (!look_at(decision, question_for(decision, name, port), &answer))
        return false;
    if (answer == NULL)
        return true;
    facts->tlsa = trust_read_tlsa(answer, security);
    if (security->tlsa_count == 0)
        return true;
    security->name[security->name_count++] = name;
    if (has_anchor(security)) /* RFC 7672 3.2.2 */
        security->name[security->name_count++] = decision->request->domain;
    return true;
}

/* Where it is not to be had whether the alias is signed, nobody knows whether its records count. */
static bool look_at_alias(struct decision *decision, struct tlsa_host host,
                          struct trust_facts *facts, struct security *security)
{
    const struct dns_question question = { .name = host.name, .type = DNS_CNAME };
    const struct dns_answer *answer;

    if (!look_at(decision, question, &answer))
        return false;
    if (answer == NULL || (answer->status != DNS_FAILED && !answer->secure))
        return true;
    facts->is_host_secure = true;
    if (answer->status != DNS_FAILED)
        return look_at_name(decision, host.name, host.port, facts, security);
    facts->tlsa = TRUST_TLSA_UNKNOWN;
    return true;
}

bool tlsa_find(struct decision *decision, struct tlsa_host host, struct trust_facts *facts,
               struct security *security)
{
    struct str given = host.given.len > 0 ? host.given : decision->request->tlsa_name;

    if (given.len > 0) {
        facts->is_mx_secure = facts->is_host_secure = true;
        return look_at_name(decision, given, host.port, facts, security);
    }
    if (host.name.len == 0)
        return true;
    if (facts->is_mx_secure && !facts->is_host_secure && host.canonical.len > 0)
        return look_at_alias(decision, host, facts, security);
    if (!trust_wants_tlsa(facts->is_mx_secure, facts->is_host_secure))
        return true;
    if (host.canonical.len > 0 &&
        !look_at_name(decision, host.canonical, host.port, facts, security))
        return false;
    return facts->tlsa != TRUST_TLSA_ABSENT ||
           look_at_name(decision, host.name, host.port, facts, security);
}
