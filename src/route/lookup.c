/* SPDX-License-Identifier: ISC */
/* lookup.c: the addresses of one host, from the answers known so far.
 *
 * A host is *unknown* when a lookup failed and the other family brought no address.
 * It then may be anybody, ourselves included. When one family failed and the other
 * was found, the host is taken for what was found: broken name servers that fail
 * every AAAA question are common, and a node of ours that shows a stranger's
 * address in one family and its own in the other is not.
 */
#include "route/lookup.h"

#include "mail/domain.h"
#include "route/self.h"

struct family {
    struct endpoint address[DNS_RECORDS_MAX];
    uint32_t count;
};

static void gather(const struct dns_answer *answer, enum endpoint_family wanted,
                   struct family *family)
{
    if (answer->status != DNS_FOUND)
        return;
    for (uint32_t i = 0; i < answer->record_count && family->count < DNS_RECORDS_MAX; i++) {
        struct endpoint endpoint = answer->record[i].address;
        endpoint.port = 0;
        if (endpoint.family == wanted)
            family->address[family->count++] = endpoint;
    }
}

static void shuffle(struct family *family, struct random *random)
{
    for (uint32_t left = family->count; left > 1; left--) {
        uint32_t at = (uint32_t)random_below(random, left);
        struct endpoint last = family->address[left - 1];
        family->address[left - 1] = family->address[at];
        family->address[at] = last;
    }
}

static bool is_us(const struct family *family, const struct route_self *self)
{
    for (uint32_t i = 0; i < family->count; i++)
        if (route_self_has_address(self, family->address[i]))
            return true;
    return false;
}

static void interleave(const struct family *six, const struct family *four,
                       struct lookup_result *result)
{
    for (uint32_t i = 0; i < six->count || i < four->count; i++) {
        if (i < six->count && result->count < ROUTE_ADDRESSES_PER_HOST_MAX)
            result->address[result->count++] = six->address[i];
        if (i < four->count && result->count < ROUTE_ADDRESSES_PER_HOST_MAX)
            result->address[result->count++] = four->address[i];
    }
}

static enum lookup without_address(const struct dns_answer *six, const struct dns_answer *four)
{
    if (six->status == DNS_FAILED || four->status == DNS_FAILED)
        return LOOKUP_UNKNOWN;
    return four->status == DNS_NO_NAME ? LOOKUP_NO_NAME : LOOKUP_NONE;
}

enum lookup lookup_host(struct str name, const struct route_self *self,
                        const struct dns_answers *known, struct random *random,
                        struct dns_question *out_question, struct lookup_result *out_result)
{
    struct dns_question ask_four = { .name = name, .type = DNS_A };
    struct dns_question ask_six = { .name = name, .type = DNS_AAAA };
    const struct dns_answer *four = dns_answers_find(known, ask_four);
    const struct dns_answer *six = dns_answers_find(known, ask_six);
    struct family four_family = { .count = 0 };
    struct family six_family = { .count = 0 };

    if (!domain_is_valid(name)) { /* "192.0.2.1" as an MX target: no host has that name */
        *out_result = (struct lookup_result){ .ttl_s = UINT32_MAX };
        return LOOKUP_NONE;
    }
    if (four == NULL || six == NULL) {
        *out_question = four == NULL ? ask_four : ask_six;
        return LOOKUP_ASK;
    }
    gather(four, ENDPOINT_IP4, &four_family);
    gather(six, ENDPOINT_IP6, &six_family);
    gather(six, ENDPOINT_IP4, &four_family); /* an IPv4 address mapped into an AAAA record */

    struct lookup_result result = { .ttl_s = four->ttl_s < six->ttl_s ? four->ttl_s : six->ttl_s };
    result.is_secure =
        (four->status != DNS_FOUND || four->secure) && (six->status != DNS_FOUND || six->secure);
    result.canonical = four->canonical.len > 0 ? four->canonical : six->canonical;
    result.is_us = is_us(&four_family, self) || is_us(&six_family, self);
    shuffle(&four_family, random);
    shuffle(&six_family, random);
    interleave(&six_family, &four_family, &result);
    *out_result = result;
    return result.count > 0 ? LOOKUP_FOUND : without_address(six, four);
}
