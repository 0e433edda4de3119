/* SPDX-License-Identifier: ISC */
/* recent.h: messages that were stored here and are all settled.
 *
 * For tickets in doubt: "was it stored?" must be answered with yes even if the
 * message has been delivered meanwhile. Two sets of 64-bit values (the random
 * half of the id): when the young set is ten minutes old or has RECENT_MAX members
 * it becomes the old one. So an id is remembered for ten to twenty minutes, or
 * for the last million settlements, whatever ends first; 8 to 32 MB at the very
 * most, nothing on an idle store.
 */
#pragma once

#include "base/clock.h"
#include "mail/message_id.h"

enum { RECENT_MS = 10 * MINUTE_MS, RECENT_MAX = 500000 };

struct recent_set {
    uint64_t *slot; /* open addressing; 0: free */
    uint32_t count;
    uint32_t cap; /* a power of two, or 0 */
};

struct recent {
    struct recent_set young;
    struct recent_set old;
    int64_t since_ms; /* of the young one, on the monotonic clock */
};

void recent_fini(struct recent *recent);
void recent_add(struct recent *recent, struct message_id id);
bool recent_has(const struct recent *recent, struct message_id id);
void recent_turn(struct recent *recent, int64_t mono_ms);

void recent_encode(struct buf *out, const struct recent *recent); /* u32 n, n times u64 */
struct cursor;
void recent_decode(struct cursor *cursor, struct recent *recent);
