/* SPDX-License-Identifier: ISC */
/* reading.c: see reading.h. */
#include "verify/reading.h"

static bool is_enhanced(const struct verdict *verdict, uint8_t subject, uint8_t detail)
{
    return verdict->enhanced[0] != 0 && verdict->enhanced[1] == subject &&
           verdict->enhanced[2] == detail;
}

/* RFC 3463 3.2, RFC 7505: no such mailbox, or one that is switched off. */
static bool says_none(const struct verdict *verdict)
{
    return is_enhanced(verdict, 1, 1) || is_enhanced(verdict, 1, 2) || is_enhanced(verdict, 1, 3) ||
           is_enhanced(verdict, 1, 6) || is_enhanced(verdict, 1, 10) || is_enhanced(verdict, 2, 1);
}

/* For good. */
static enum reading read_rejection(const struct verdict *verdict)
{
    if (is_enhanced(verdict, 2, 2) || verdict->code == 552)
        return READING_FULL;
    if (verdict->code == 551) /* it has moved; we do not follow */
        return READING_INVALID;
    if (verdict->enhanced[0] != 0 && verdict->enhanced[1] == 7)
        return READING_REFUSED;
    if (says_none(verdict))
        return READING_INVALID;
    if (verdict->code == 550 && verdict->enhanced[0] == 0)
        return READING_UNSURE;
    if (verdict->code == 553 || verdict->code == 554 || verdict->code == 571)
        return READING_REFUSED;
    return READING_UNSURE;
}

/* For now. */
static enum reading read_deferral(const struct verdict *verdict)
{
    if (verdict_is_not_tried(verdict))
        return READING_NOT_TRIED;
    if (verdict_is_broken_off(verdict))
        return READING_SILENT;
    if (is_enhanced(verdict, 2, 2))
        return READING_FULL;
    return READING_LATER;
}

static enum reading read_recipient(const struct verdict *verdict)
{
    switch (verdict->fate) {
    case FATE_ACCEPT:
        return verdict->code == 252 ? READING_ANYTHING : READING_VALID;
    case FATE_DEFER:
        return read_deferral(verdict);
    case FATE_REJECT:
        break;
    }
    return read_rejection(verdict);
}

enum reading reading_of(enum probe_stage stage, const struct verdict *verdict)
{
    switch (stage) {
    case PROBE_CONNECT:
        return READING_SILENT;
    case PROBE_GREETING:
        return verdict_is_broken_off(verdict) ? READING_SILENT : READING_UNWELCOME;
    case PROBE_MAIL:
        if (verdict_is_broken_off(verdict))
            return READING_SILENT;
        return verdict->fate == FATE_DEFER ? READING_LATER : READING_UNWELCOME;
    case PROBE_RCPT:
        break;
    }
    return read_recipient(verdict);
}

enum reading reading_with_control(enum reading reading, enum reading control)
{
    bool is_taken = control == READING_VALID || control == READING_FULL;
    bool is_refused = control == READING_UNSURE || control == READING_REFUSED ||
                      control == READING_UNWELCOME || control == READING_INVALID;

    if (reading != READING_UNSURE && reading != READING_REFUSED)
        return reading;
    if (is_refused)
        return READING_UNWELCOME;
    return reading == READING_UNSURE && is_taken ? READING_INVALID : reading;
}

const char *reading_name(enum reading reading)
{
    static const char *const names[] = {
        [READING_VALID] = "valid",         [READING_FULL] = "full",
        [READING_INVALID] = "invalid",     [READING_ANYTHING] = "anything",
        [READING_UNSURE] = "unsure",       [READING_REFUSED] = "refused",
        [READING_LATER] = "later",         [READING_NOT_TRIED] = "not-tried",
        [READING_UNWELCOME] = "unwelcome", [READING_SILENT] = "silent",
    };
    return names[reading];
}
