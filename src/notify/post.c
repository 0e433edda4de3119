/* SPDX-License-Identifier: ISC */
/* post.c: see post.h.
 *
 *     u64 made_ms, u64 next_ms, u32 tries, the octets */
#include "notify/post.h"

#include "base/clock.h"
#include "base/cursor.h"

enum { PAUSE_FIRST_MS = MINUTE_MS, PAUSE_MAX_MS = HOUR_MS };

int64_t post_pause(uint32_t tries)
{
    int64_t pause_ms = PAUSE_FIRST_MS;

    for (; tries > 1 && pause_ms < PAUSE_MAX_MS; tries--)
        pause_ms *= 2;
    return pause_ms < PAUSE_MAX_MS ? pause_ms : PAUSE_MAX_MS;
}

void post_waiting_encode(struct buf *out, const struct post_waiting *waiting)
{
    buf_add_u64(out, (uint64_t)waiting->made_ms);
    buf_add_u64(out, (uint64_t)waiting->next_ms);
    buf_add_u32(out, waiting->tries);
    buf_add(out, waiting->octets);
}

bool post_waiting_decode(struct str bytes, struct post_waiting *out_waiting)
{
    struct cursor cursor = cursor_over(bytes);
    struct post_waiting waiting = {
        .made_ms = (int64_t)cursor_u64(&cursor),
        .next_ms = (int64_t)cursor_u64(&cursor),
        .tries = cursor_u32(&cursor),
    };

    waiting.octets = cursor.left;
    if (!cursor_ok(&cursor) || waiting.octets.len == 0 || waiting.octets.len > POST_OCTETS_MAX ||
        waiting.made_ms < 0 || waiting.next_ms < 0)
        return false;
    *out_waiting = waiting;
    return true;
}
