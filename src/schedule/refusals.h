/* SPDX-License-Identifier: ISC */
/* refusals.h: how many recipients a primary has refused within ten minutes.
 *
 * Whoever asks a server for people it does not have is taken for a harvester, and
 * locked out (fail2ban: five in ten minutes). Counted by the minute, so that what is
 * counted as recent may be up to eleven minutes old.
 */
#pragma once

#include <stdint.h>

enum { REFUSALS_MINUTES = 11 };

struct refusals {   /* {0}: none */
    int64_t minute; /* of the newest count */
    uint32_t count[REFUSALS_MINUTES];
};

void refusals_add(struct refusals *refusals, uint32_t count, int64_t now_ms);
uint32_t refusals_recent(struct refusals *refusals, int64_t now_ms);
