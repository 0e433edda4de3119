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

bool turn_is_holder(struct str user, struct str domain, struct str login)
{
    return user.len > 0 && (str_equals(user, domain) || str_equals(user, login));
}

bool turn_is_registered(struct str pins, struct str shown)
{
    struct str one = STR_NONE;
    struct security_pin pin;

    while (shown.len > 0 && str_cut(&pins, ',', &one))
        if (security_pin_parse(one, &pin) && security_pin_is_shown(&pin, shown))
            return true;
    return false;
}

bool turn_may_ask(const struct turn_asker *asker, const struct turn_facts *facts)
{
    struct network_range network[SETTING_NETWORKS_MAX];
    uint32_t count = turn_networks(facts->networks, network, SETTING_NETWORKS_MAX);

    if (turn_is_holder(asker->user, facts->domain, facts->login) ||
        turn_is_registered(facts->pins, asker->shown) ||
        turn_is_registered(facts->login_pins, asker->shown))
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

struct verdict turn_line_reply(const struct turn_outcome *outcome, struct str refused, bool waits)
{
    if (outcome->refused > 0)
        return verdict_format(450, 7, 1, "ATRN request refused: %.*s is not yours, or not here",
                              STR_FMT(str_first(refused, 255)));
    if (outcome->started == 0 && outcome->paused > 0)
        return verdict_make(451, 3, 2,
                            STR("Unable to process ATRN request now: it is paused here"));
    if (outcome->started == 0)
        return verdict_make(450, 7, 1,
                            STR("ATRN request refused: there is no domain of yours here"));
    if (outcome->too_many > 0 && waits)
        return verdict_format(
            450, 5, 3,
            "ATRN request refused: that is %u domains too many for one line; name "
            "them, in several calls",
            outcome->too_many);
    if (outcome->waiting == 0 && !waits)
        return verdict_make(453, 0, 0, STR("You have no mail"));
    return verdict_accept();
}

struct verdict turn_line_busy(bool are_enough)
{
    if (are_enough)
        return verdict_make(451, 3, 2, STR("You have called often enough; use the lines you have"));
    return verdict_make(
        451, 3, 0,
        STR("Unable to process ATRN request now: its mail is being handed to another "
            "caller; call again in a minute"));
}
