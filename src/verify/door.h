/* SPDX-License-Identifier: ISC */
/* door.h: may this client come in with mail for this domain? (SPEC R8)
 *
 * A pure function of what is known of the client and of the DNS answers so far. It is asked at
 * RCPT, because what is wanted is the domain's to say. Blocklists are asked only for a domain that
 * cares; one that does not answer lists nobody.
 */
#pragma once

#include "config/config.h"
#include "mail/verdict.h"
#include "wire/dns.h"

struct door_policy { /* of one domain */
    enum setting_helo helo_check;
    bool needs_reverse_name;
    uint8_t dnsbl_threshold; /* 0: blocklists are not asked */
};

struct door_client {
    struct endpoint endpoint;
    struct str helo;                    /* as sent */
    struct str hostname;                /* ours, … */
    const struct config_strings *names; /* … and other names of ours */
    struct str domain;                  /* that the mail is for */
    const struct config_dnsbls *dnsbls;
    bool is_trusted; /* the domain's own primary: comes in */
};

void door_policy_encode(struct buf *out, const struct door_policy *policy);
bool door_policy_decode(struct cursor *cursor, struct door_policy *out_policy);

/* True with the verdict; false with the next question, whose name lives in `room`. */
bool door_decide(const struct door_policy *policy, const struct door_client *client,
                 const struct dns_answers *known, struct buf *room, struct verdict *out_verdict,
                 struct dns_question *out_question);
