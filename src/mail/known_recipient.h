/* SPDX-License-Identifier: ISC */
/* known_recipient.h: what is known of one address of a protected domain (SPEC V2).
 *
 * Learned from the primary, from deliveries, from a list, or settled by the operator. Made in
 * verify/, kept in the directory. Times are of the domain's clock, which stands still while its
 * primary cannot be reached; ms.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum recipient_source { LEARNED_BY_PROBE, LEARNED_BY_DELIVERY, LEARNED_FROM_LIST, PINNED };
enum { RECIPIENT_SOURCES = PINNED + 1 };
const char *recipient_source_name(enum recipient_source source); /* probe delivery list pinned */

struct known_recipient {
    struct str address; /* local@domain, the domain in normal form */
    bool is_valid;
    bool is_full; /* at the last answer */
    enum recipient_source source;
    int64_t since_ms;     /* in this state */
    int64_t confirmed_ms; /* the last answer that said so */
    int64_t valid_ms;     /* valid for the last time; 0: never */
    int64_t doubt_ms;     /* refused since, once; 0: not in doubt */
};

/* What is remembered of a domain's primary beside its addresses. */
struct domain_memory {
    struct str domain;
    int64_t behind_ms;    /* by which the domain's clock is behind the wall's */
    int64_t still_ms;     /* it has stood still since then (wall clock); 0: it goes */
    bool takes_all;       /* at the last look, whatever the address */
    int64_t takes_all_ms; /* of that look, domain's clock; 0: never */
    uint64_t extensions;  /* enum smtp_extension bits, as greeted with last */
    uint64_t size_max;    /* 0: none was announced */
    int64_t greeted_ms;   /* wall clock; 0: never */
};
