/* SPDX-License-Identifier: ISC */
/* turn.h: who may ask that a domain's mail be handed over now, and what he is told (ETRN, RFC 1985;
 * SPEC P8).
 *
 * Whoever asks gets nothing but a try sooner than planned, at the primary that the domain has; yet
 * strangers shall neither make us try nor learn what waits. Pure.
 */
#pragma once

#include "base/network.h"
#include "config/settings.h"
#include "mail/security.h"
#include "mail/verdict.h"

struct turn_asker {
    struct endpoint client;
    struct str
        user; /* a domain in normal form, as whose holder he has logged in; empty: he has not */
    struct str shown; /* of his certificate (mail/security.h); empty: he has shown none */
};

struct turn_facts {                 /* of a domain that is protected here */
    const struct endpoint *primary; /* whereever it is known to be */
    uint32_t primary_count;
    struct str networks; /* the setting wake-from */
    struct str domain;
    struct str
        login; /* the setting login: another domain whose holder may have its mail; or empty */
    struct str pins;       /* the setting client-pin, … */
    struct str login_pins; /* … of that other domain */
};
/* Is the user that domain, or the one that it names? */
bool turn_is_holder(struct str user, struct str domain, struct str login);
/* Does one of the pins in a list with commas between them name it? */
bool turn_is_registered(struct str pins, struct str shown);
/* Logged in as the domain, known by its certificate, or calling from where its primary is. */
bool turn_may_ask(const struct turn_asker *asker, const struct turn_facts *facts);

/* What "ETRN node" came to, over all the domains that it stands for. */
struct turn_outcome {
    uint32_t refused; /* domains that are not his, or not protected here */
    uint32_t paused;
    uint32_t started;
    uint64_t waiting;  /* messages of those that were started */
    uint32_t too_many; /* of those for which a line has no room */
};
/* 250-class: 251 nothing waits, 253 so many do; 458 its operator has paused it; 459 not his. */
struct verdict turn_reply(struct str node, const struct turn_outcome *outcome);

/* What "ATRN" came to (RFC 2645 5.2.1): accepted, 450 a domain is not his, 451 its operator has
 * paused all, 453 nothing waits. `waits`: he has time, and more domains than a line has room for
 * would wait for ever (450); who has none gets those at his next call. */
struct verdict turn_line_reply(const struct turn_outcome *outcome, struct str refused, bool waits);
/* 451: there are enough lines, or another caller has one. */
struct verdict turn_line_busy(bool are_enough);

/* The networks in a list with commas between them. Returns how many there are, more than `max` of
 * which are left out. */
uint32_t turn_networks(struct str list, struct network_range *out, uint32_t max);
