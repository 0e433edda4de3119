/* SPDX-License-Identifier: ISC */
/* damper.c: see damper.h. */
#include "notify/damper.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/cursor.h"

enum { CODE_VERSION = 1 };

static int64_t spacing_of(enum alert alert)
{
    return alert == ALERT_NEAR_EXPIRY ? DAY_MS : alert == ALERT_DRAINED ? 0 : DAMPER_EVENT_MS;
}

static bool is_state(enum alert alert)
{
    for (int i = 0; i < CONDITION_COUNT; i++)
        if (alert_of((enum alert_condition)i) == alert)
            return true;
    return false;
}

/* ---- the state of the primary ---- */

/* What was told has been true for long enough: whatever comes next begins anew. */
static void settle(struct damper *damper, int64_t now_ms)
{
    if (damper->current != damper->told || now_ms - damper->current_since_ms < damper->after_ms)
        return;
    damper->unrest_since_ms = 0;
    damper->troubles = 0;
}

void damper_condition(struct damper *damper, enum alert_condition condition, int64_t now_ms)
{
    check((unsigned)condition < CONDITION_COUNT);
    if (condition == damper->current)
        return;
    settle(damper, now_ms);
    if (damper->unrest_since_ms == 0)
        damper->unrest_since_ms = now_ms;
    if (condition != CONDITION_FINE && damper->current == CONDITION_FINE)
        damper->troubles++;
    damper->current = condition;
    damper->current_since_ms = now_ms;
}

void damper_rest(struct damper *damper, int64_t now_ms)
{
    damper->current = damper->told;
    damper->current_since_ms = now_ms;
    damper->unrest_since_ms = 0;
    damper->troubles = 0;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t state_due(const struct damper *damper)
{
    int64_t due_ms = damper->current_since_ms + damper->after_ms;
    int64_t last_ms = damper->last_ms[alert_of(damper->current)];

    if (damper->current == damper->told)
        return NEVER_MS;
    if (damper->current == CONDITION_FINE)
        return due_ms;
    if (damper->unrest_since_ms + DAMPER_UNREST_MS < due_ms)
        due_ms = later(damper->unrest_since_ms + DAMPER_UNREST_MS, damper->current_since_ms);
    return last_ms > 0 ? later(due_ms, last_ms + DAMPER_PAIR_MS) : due_ms;
}

static struct damper_word tell_state(struct damper *damper, int64_t now_ms)
{
    struct damper_word word = { .alert = alert_of(damper->current),
                                .since_ms = damper->current_since_ms,
                                .times = damper->troubles > 0 ? damper->troubles : 1 };

    if (damper->current == CONDITION_FINE) {
        word.times = 1;
        word.since_ms = damper->told_since_ms;
        word.sum.lasted_ms = damper->current_since_ms - damper->told_since_ms;
        damper->drained_until_ms = now_ms + DAY_MS;
    } else {
        if (damper->told == CONDITION_FINE)
            damper->told_since_ms = damper->current_since_ms;
        damper->troubles = 0;
        damper->drained_until_ms = NEVER_MS;
    }
    damper->told = damper->current;
    damper->unrest_since_ms = 0;
    damper->last_ms[word.alert] = now_ms;
    return word;
}

/* ---- other events ---- */

void damper_event(struct damper *damper, enum alert alert, const struct damper_amounts *amounts,
                  int64_t now_ms)
{
    struct damper_waiting *waiting = &damper->waiting[alert];

    check((unsigned)alert < ALERT_COUNT && !is_state(alert));
    if (alert == ALERT_DRAINED && now_ms >= damper->drained_until_ms)
        return;
    if (waiting->times++ == 0)
        waiting->since_ms = now_ms;
    if (amounts == NULL)
        return;
    waiting->sum.delivered += amounts->delivered;
    waiting->sum.failures += amounts->failures;
    waiting->sum.lasted_ms += amounts->lasted_ms;
}

static int64_t event_due(const struct damper *damper, enum alert alert)
{
    const struct damper_waiting *waiting = &damper->waiting[alert];
    int64_t last_ms = damper->last_ms[alert];

    if (waiting->times == 0 || (alert == ALERT_DRAINED && damper->told != CONDITION_FINE))
        return NEVER_MS;
    return last_ms > 0 ? later(waiting->since_ms, last_ms + spacing_of(alert)) : waiting->since_ms;
}

static struct damper_word tell_event(struct damper *damper, enum alert alert, int64_t now_ms)
{
    struct damper_waiting *waiting = &damper->waiting[alert];
    struct damper_word word = {
        .alert = alert, .since_ms = waiting->since_ms, .times = waiting->times, .sum = waiting->sum
    };

    *waiting = (struct damper_waiting){ 0 };
    damper->last_ms[alert] = now_ms;
    if (alert == ALERT_DRAINED)
        damper->drained_until_ms = 0;
    return word;
}

/* ---- what is due ---- */

bool damper_next(struct damper *damper, int64_t now_ms, struct damper_word *out_word)
{
    if (state_due(damper) <= now_ms) {
        *out_word = tell_state(damper, now_ms);
        return true;
    }
    for (int i = 0; i < ALERT_COUNT; i++)
        if (event_due(damper, (enum alert)i) <= now_ms) {
            *out_word = tell_event(damper, (enum alert)i, now_ms);
            return true;
        }
    return false;
}

int64_t damper_deadline(const struct damper *damper)
{
    int64_t deadline_ms = state_due(damper);

    for (int i = 0; i < ALERT_COUNT; i++) {
        int64_t due_ms = event_due(damper, (enum alert)i);
        deadline_ms = due_ms < deadline_ms ? due_ms : deadline_ms;
    }
    return deadline_ms;
}

/* ---- for a file ----
 *
 *     u8 version, u8 told, u64 told_since_ms, u64 drained_until_ms, u8 count, count × u64 last_ms
 */

void damper_encode(struct buf *out, const struct damper *damper)
{
    buf_add_u8(out, CODE_VERSION);
    buf_add_u8(out, (uint8_t)damper->told);
    buf_add_u64(out, (uint64_t)damper->told_since_ms);
    buf_add_u64(out, (uint64_t)damper->drained_until_ms);
    buf_add_u8(out, ALERT_COUNT);
    for (int i = 0; i < ALERT_COUNT; i++)
        buf_add_u64(out, (uint64_t)damper->last_ms[i]);
}

/* A time that cannot be is none. */
static int64_t cut_time(struct cursor *cursor)
{
    int64_t time_ms = (int64_t)cursor_u64(cursor);
    return time_ms < 0 || (time_ms > INT64_MAX / 2 && time_ms != NEVER_MS) ? 0 : time_ms;
}

bool damper_decode(struct str bytes, struct damper *damper)
{
    struct cursor cursor = cursor_over(bytes);
    struct damper read = { 0 };
    uint8_t version = cursor_u8(&cursor);
    uint8_t told = cursor_u8(&cursor);

    read.told_since_ms = cut_time(&cursor);
    read.drained_until_ms = cut_time(&cursor);
    unsigned count = cursor_u8(&cursor);
    for (unsigned i = 0; i < count; i++) { /* a later version may have more of them */
        int64_t last_ms = cut_time(&cursor);
        if (i < ALERT_COUNT)
            read.last_ms[i] = last_ms == NEVER_MS ? 0 : last_ms;
    }
    bool is_fine = cursor_done(&cursor) && version == CODE_VERSION && told < CONDITION_COUNT;
    *damper = (struct damper){ 0 };
    if (is_fine) {
        *damper = read;
        damper->told = (enum alert_condition)told;
        damper->current = damper->told;
    }
    return is_fine;
}
