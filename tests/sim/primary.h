/* SPDX-License-Identifier: ISC */
/* primary.h: the primaries of the protected domains, with their tempers.
 *
 * Primary N answers at 192.0.2.(N+1):25 for every domain that leads there.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { PRIMARIES_MAX = 4 };

/* Each primary changes its temper now and then until `until_ms` (true time). */
void primaries_start(unsigned count, int64_t until_ms);
void primaries_know(bool (*knows)(const char *recipient)); /* whom; the others are refused */
void primaries_die(void);  /* connections are refused, until they are healed */
void primaries_heal(void); /* up, honest and quick from now on */
/* What the policy allows: the shortest pause between probes of a primary that does not answer, and
 * what sessions there may be at most. */
void primaries_set_policy(unsigned primary, int64_t probe_interval_ms, unsigned sessions);
/* Somebody asked for a try at once (flush, resume, a start, a change of a domain). */
void primaries_may_be_tried(void);
