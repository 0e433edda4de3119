/* SPDX-License-Identifier: ISC */
/* turn.c: see turn.h. */
#include "verify/turn.h"

uint32_t turn_networks(struct str list, struct network_range *out, uint32_t max)
{
    struct str one = STR_NONE;
    uint32_t count = 0;

    while (count < max && str_cut(&list, ',', &one))
        count += network_parse(one, &out[count]) ? 1 : 0;
    return count;
}

bool turn_may_ask(const struct turn_asker *asker, const struct turn_facts *facts)
{
    struct network_range network[SETTING_NETWORKS_MAX];
    uint32_t count = turn_networks(facts->networks, network, SETTING_NETWORKS_MAX);

    if (asker->user.len > 0 && str_equals(asker->user, facts->domain))
        return true;
    for (uint32_t i = 0; i < facts->primary_count; i++)
        if (endpoint_same_address(facts->primary[i], asker->client))
            return true;
    for (uint32_t i = 0; i < count; i++)
        if (network_has(network[i], asker->client))
            return true;
    return false;
}

struct verdict turn_reply(struct str node, const struct turn_outcome *outcome)
{
    if (outcome->started == 0 && outcome->paused > 0)
        return verdict_format(
            458, 3, 2, "Unable to queue messages for node %.*s: it is paused here", STR_FMT(node));
    if (outcome->started == 0)
        return verdict_format(
            459, 7, 1,
            "Node %.*s not allowed: log in as the domain, or come from an address "
            "that it has registered",
            STR_FMT(node));
    if (outcome->waiting == 0)
        return verdict_format(251, 0, 0, "OK, no messages waiting for node %.*s", STR_FMT(node));
    return verdict_format(253, 0, 0, "OK, %llu pending messages for node %.*s started",
                          (unsigned long long)outcome->waiting, STR_FMT(node));
}
