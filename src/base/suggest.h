/* SPDX-License-Identifier: ISC */
/* suggest.h: "did you mean …", for names that people type.
 *
 *     struct suggestion meant = { .given = word };
 *     for each known name: suggestion_offer(&meant, name);
 *     if (meant.best.len > 0) …
 *
 * Only a name at most two typing errors away (a letter added, lost, changed, or
 * two neighbours swapped) is close enough, and a short word must share at least as
 * much as it lacks.
 */
#pragma once

#include "base/str.h"

struct suggestion {
    struct str given;
    struct str best;   /* empty while nothing is close; borrowed from what was offered */
    unsigned distance; /* of best */
};

void suggestion_offer(struct suggestion *suggestion, struct str name);
/* Typing errors between two names, `limit` + 1 if there are more than `limit` or a name is long. */
unsigned suggest_distance(struct str a, struct str b, unsigned limit);
