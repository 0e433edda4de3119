/* SPDX-License-Identifier: ISC */
/* when.h: times and spans as people say them, in their language and their time.
 *
 * Where the reader is, the mail itself says: its Date has the offset of his clock. It is written
 * with the time, so that it is right also where the clocks were changed in between.
 */
#pragma once

#include "base/buf.h"
#include "notify/language.h"

enum { WHEN_OFFSET_MAX = 14 * 60 }; /* minutes; Kiribati */

/* "Sunday, 29 November 2026, 14:05 (UTC+1)". A time beyond what an envelope may have is brought to
 * the nearest it may. */
void when_add(struct buf *out, enum language language, int64_t wall_ms, int offset_min);
/* "3 days 4 hours", "25 minutes"; two units at most. Negative: none. */
void when_add_span(struct buf *out, enum language language, int64_t span_ms);
/* Of the Date field, in minutes east of UTC; 0 if there is none or it makes no sense. */
int when_offset(const struct header *header);
