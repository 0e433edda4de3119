/* SPDX-License-Identifier: ISC */
/* deferral.c: what a 4yz answer asks of us.
 *
 * Greylisting is told by its name, by a time to come back in, or by 4.7.1 (RFC 6647
 * 2.7, postgrey, milter-greylist, rspamd). A text that speaks of rates or limits
 * under 4.7.x, or of too much mail or too many messages under any code, is a rate limit
 * (Postfix: "450 4.7.1 Error: too much mail from …"): it is about us, not about the
 * message. Too many recipients at once, 452 4.5.3 or just 452 in older servers (RFC 5321
 * 4.5.3.1.10), and servers that want one recipient, or one domain, at a time: the others go
 * again as soon as some were taken. The hint is "in 300 seconds", "5 minutes", "00:04:59"; it is
 * honoured within bounds.
 */
#include "schedule/deferral.h"

#include "base/clock.h"

enum { HINT_MIN_MS = 5 * SECOND_MS };

static bool contains(struct str text, struct str word)
{
    for (; text.len >= word.len; text = str_skip(text, 1))
        if (str_starts_nocase(text, word))
            return true;
    return false;
}

static bool contains_any(struct str text, const struct str *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (contains(text, word[i]))
            return true;
    return false;
}

static int64_t unit_ms(struct str text)
{
    static const struct {
        struct str word;
        int64_t ms;
    } units[] = {
        { { "sec", 3 }, SECOND_MS },
        { { "min", 3 }, MINUTE_MS },
        { { "hour", 4 }, HOUR_MS },
    };

    text = str_trim(text);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (str_starts_nocase(text, units[i].word))
            return units[i].ms;
    bool is_alone = text.len == 1 || (text.len > 1 && !ascii_is_alnum(text.ptr[1]));
    if (!is_alone)
        return 0;
    char unit = ascii_lower(text.ptr[0]);
    return unit == 's' ? SECOND_MS : unit == 'm' ? MINUTE_MS : 0;
}

static bool cut_number(struct str *text, int64_t *out_number)
{
    size_t digits = 0;
    uint64_t number = 0;

    while (digits < text->len && ascii_is_digit(text->ptr[digits]))
        digits++;
    if (!str_to_u64(str_first(*text, digits), 1000000, &number))
        return false;
    *text = str_skip(*text, digits);
    *out_number = (int64_t)number;
    return true;
}

/* "04:59" or "59" after "00:" in 00:04:59; 0 if it is no clock. */
static int64_t clock_ms(int64_t hours, struct str text)
{
    int64_t minutes, seconds;

    text = str_skip(text, 1);
    if (!cut_number(&text, &minutes) || !str_starts(text, STR(":")))
        return 0;
    text = str_skip(text, 1);
    if (!cut_number(&text, &seconds) || minutes > 59 || seconds > 59)
        return 0;
    return hours * HOUR_MS + minutes * MINUTE_MS + seconds * SECOND_MS;
}

static int64_t find_hint(struct str text)
{
    while (text.len > 0) {
        int64_t number, hint = 0;
        if (!ascii_is_digit(text.ptr[0])) {
            text = str_skip(text, 1);
            continue;
        }
        if (!cut_number(&text, &number)) { /* longer than any time */
            while (text.len > 0 && ascii_is_digit(text.ptr[0]))
                text = str_skip(text, 1);
            continue;
        }
        hint = str_starts(text, STR(":")) ? clock_ms(number, text) : number * unit_ms(text);
        if (hint > 0)
            return hint;
    }
    return 0;
}

static bool is_enhanced(const struct verdict *verdict, uint8_t subject, uint8_t detail)
{
    return verdict->enhanced[0] == 4 && verdict->enhanced[1] == subject &&
           verdict->enhanced[2] == detail;
}

struct deferral deferral_read(const struct verdict *verdict)
{
    static const struct str grey[] = { { "greylist", 8 },
                                       { "graylist", 8 },
                                       { "grey-list", 9 },
                                       { "gray-list", 9 },
                                       { "grey list", 9 } };
    static const struct str rate[] = {
        { "rate", 4 },     { "limit", 5 },   { "too many", 8 },
        { "too much", 8 }, { "throttl", 7 }, { "slow down", 9 },
    };
    static const struct str rate_of_any_code[] = {
        { "too much mail", 13 },
        { "too many messages", 17 },
        { "too many connections", 20 },
        { "sending rate", 12 },
        { "rate limit", 10 },
        { "ratelimit", 9 },
        { "too many recipients from", 24 },
        { "slow down", 9 },
    };
    static const struct str recipients[] = {
        { "too many recipients", 19 }, { "too many rcpt", 13 },        { "one recipient", 13 },
        { "multiple recipients", 19 }, { "multiple destination", 20 },
    };
    struct str text = verdict_text(verdict);
    struct deferral deferral = { .kind = DEFERRAL_ORDINARY, .hint_ms = find_hint(text) };

    bool says_grey = contains_any(text, grey, sizeof grey / sizeof *grey);
    bool says_rate = contains_any(text, rate, sizeof rate / sizeof *rate);
    bool is_rate =
        (says_rate && verdict->enhanced[0] == 4 && verdict->enhanced[1] == 7) ||
        contains_any(text, rate_of_any_code, sizeof rate_of_any_code / sizeof *rate_of_any_code);
    bool looks_grey = (is_enhanced(verdict, 7, 1) || deferral.hint_ms > 0) && !says_rate;

    bool says_recipients = contains_any(text, recipients, sizeof recipients / sizeof *recipients);

    if (is_enhanced(verdict, 5, 3) || (says_recipients && !is_rate))
        deferral.kind = DEFERRAL_RECIPIENTS;
    else if (says_grey || looks_grey)
        deferral.kind = DEFERRAL_GREYLIST;
    else if (is_rate)
        deferral.kind = DEFERRAL_RATE;
    return deferral;
}

int64_t deferral_wait(struct deferral deferral, uint32_t attempts, int64_t first_ms, int64_t max_ms,
                      struct random *random)
{
    int64_t wait = first_ms;

    if (deferral.hint_ms > 0) {
        wait = deferral.hint_ms > HINT_MIN_MS ? deferral.hint_ms : HINT_MIN_MS;
        wait = wait < max_ms ? wait : max_ms;
        return wait + (int64_t)random_below(random, (uint64_t)wait / 10 + 1); /* never too early */
    }
    for (uint32_t i = 1; i < attempts && wait < max_ms && deferral.kind != DEFERRAL_GREYLIST; i++)
        wait *= 2;
    wait = wait < max_ms ? wait : max_ms;
    return random_around(random, wait, wait / 10);
}
