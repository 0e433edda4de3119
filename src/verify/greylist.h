/* SPDX-License-Identifier: ISC */
/* greylist.h: strangers are asked to come back (SPEC R8), while the primary is up.
 *
 * A path is client network, sender and recipient. Seen for the first time it has to wait; who comes
 * back after the pause, but within WINDOW, is let in, and may come again for KNOWN. That is all the
 * trust it earns: another recipient is another path, and nothing here lets a client in to where the
 * primary would not. While the primary is down nobody is sent away, and nothing is learned.
 *
 * Kept in memory, for PATHS_MAX paths; a restart forgets, which costs a stranger one more pause.
 */
#pragma once

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/str.h"

enum {
    GREYLIST_PATHS_MAX = 100000, /* one more, and the oldest half is forgotten */
    GREYLIST_WINDOW_MS = 12 * HOUR_MS,
};
#define GREYLIST_KNOWN_MS ((int64_t)35 * DAY_MS)

struct greylist;

struct greylist *greylist_new(void);
void greylist_free(struct greylist *greylist);
/* May it come in, at `now_ms` (monotonic)? If not, in how many ms. */
bool greylist_lets_in(struct greylist *greylist, struct endpoint client, struct str sender,
                      struct str recipient, int64_t pause_ms, int64_t now_ms, int64_t *out_wait_ms);

enum { INSISTS_TIMES = 3 }; /* the first time, and twice again */
#define INSISTS_SPAN_MS ((int64_t)15 * MINUTE_MS)
/* Of paths that lead to a primary which is up (SPEC R2): does it come again and again, so that it
 * cannot get there itself? One more time. Then it is let in, for WINDOW. A list of its own. */
bool greylist_insists(struct greylist *greylist, struct endpoint client, struct str sender,
                      struct str recipient, int64_t now_ms);
