/* SPDX-License-Identifier: ISC */
/* quota.h: how much of a domain's mail we keep (SPEC H5).
 *
 * One domain's flood must not take the room of the others: at its quota its mail is put off, and
 * nobody else's. Before that, at four fifths, its owner is told. Pure.
 */
#pragma once

#include "config/settings.h"
#include "mail/verdict.h"

struct quota {
    uint64_t octets;   /* of all that is kept, held and rescued; 0: no limit, as the others */
    uint64_t messages; /* of these */
    uint64_t per_hour; /* taken in */
};

struct quota quota_of(const struct domain_settings *domain, const struct domain_settings *defaults);
bool quota_is_set(const struct quota *quota);

enum quota_level { QUOTA_FREE, QUOTA_NEAR, QUOTA_FULL };

/* `used` as of now. The level of the fullest of the three; once near, it is so until a tenth less
 * is used: `before` is the level as it was. */
enum quota_level quota_level(const struct quota *quota, const struct quota *used,
                             enum quota_level before);
struct verdict quota_refusal(struct str domain); /* 452 4.3.1 */
