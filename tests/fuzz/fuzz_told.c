/* SPDX-License-Identifier: ISC */
/* fuzz_told.c: what was told to owners and what waits to be posted, read from a file that
 * somebody has damaged. What is taken can be written and read again, and harms no clock. */
#include "base/check.h"
#include "base/clock.h"
#include "notify/damper.h"
#include "notify/post.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void live_on(struct damper *damper)
{
    struct damper_word word;

    for (int64_t now_ms = 1; now_ms < 40 * HOUR_MS; now_ms += 7 * MINUTE_MS) {
        (void)damper_deadline(damper);
        damper_condition(damper, (enum alert_condition)(now_ms % CONDITION_COUNT), now_ms);
        damper_event(damper, ALERT_REFUSED, NULL, now_ms);
        damper_event(damper, ALERT_DRAINED, NULL, now_ms);
        while (damper_next(damper, now_ms, &word))
            check(word.alert < ALERT_COUNT && word.times > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str bytes = str_of(data, size);
    struct post_waiting waiting;
    struct damper damper;
    struct buf again = { 0 };

    if (damper_decode(bytes, &damper))
        live_on(&damper);
    if (post_waiting_decode(bytes, &waiting)) {
        post_waiting_encode(&again, &waiting);
        check(str_equals(buf_str(&again), bytes));
    }
    buf_fini(&again);
    return 0;
}
