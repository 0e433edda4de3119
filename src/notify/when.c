/* SPDX-License-Identifier: ISC */
/* when.c: see when.h. */
#include "notify/when.h"

#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/clock.h"
#include "mail/envelope.h"

static const char *const days[LANGUAGE_COUNT][7] = {
    { "Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday" },
    { "Sonntag", "Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag" },
};

static const char *const months[LANGUAGE_COUNT][12] = {
    { "January", "February", "March", "April", "May", "June", "July", "August", "September",
      "October", "November", "December" },
    { "Januar", "Februar", "März", "April", "Mai", "Juni", "Juli", "August", "September", "Oktober",
      "November", "Dezember" },
};

static void add_offset(struct buf *out, int offset_min)
{
    buf_add(out, STR(" (UTC"));
    if (offset_min != 0)
        buf_add_format(out, "%c%d", offset_min < 0 ? '-' : '+', abs(offset_min) / 60);
    if (offset_min % 60 != 0)
        buf_add_format(out, ":%02d", abs(offset_min) % 60);
    buf_add_byte(out, ')');
}

void when_add(struct buf *out, enum language language, int64_t wall_ms, int offset_min)
{
    struct tm tm = { 0 };

    check(abs(offset_min) <= WHEN_OFFSET_MAX);
    wall_ms = wall_ms < 0 ? 0 : wall_ms > ENVELOPE_TIME_MAX ? ENVELOPE_TIME_MAX : wall_ms;
    time_t seconds = (time_t)(wall_ms / SECOND_MS) + 60 * (time_t)offset_min;
    check(gmtime_r(&seconds, &tm) != NULL);
    buf_add_format(
        out, language == LANGUAGE_DE ? "%s, %d. %s %d, %02d:%02d Uhr" : "%s, %d %s %d, %02d:%02d",
        days[language][tm.tm_wday], tm.tm_mday, months[language][tm.tm_mon], tm.tm_year + 1900,
        tm.tm_hour, tm.tm_min);
    add_offset(out, offset_min);
}

void when_add_span(struct buf *out, enum language language, int64_t span_ms)
{
    static const struct {
        int64_t ms;
        const char *one[LANGUAGE_COUNT];
        const char *many[LANGUAGE_COUNT];
    } units[] = {
        { DAY_MS, { "day", "Tag" }, { "days", "Tage" } },
        { HOUR_MS, { "hour", "Stunde" }, { "hours", "Stunden" } },
        { MINUTE_MS, { "minute", "Minute" }, { "minutes", "Minuten" } },
        { SECOND_MS, { "second", "Sekunde" }, { "seconds", "Sekunden" } },
    };
    size_t unit = 0;

    span_ms = span_ms < 0 ? 0 : span_ms;
    while (unit < 3 && span_ms < units[unit].ms)
        unit++;
    for (size_t last = unit < 3 ? unit + 1 : unit, first = unit; unit <= last; unit++) {
        long long count = span_ms / units[unit].ms;
        span_ms %= units[unit].ms;
        if (count == 0 && unit > first)
            continue;
        buf_add_format(out, "%s%lld %s", unit > first ? " " : "", count,
                       count == 1 ? units[unit].one[language] : units[unit].many[language]);
    }
}

/* "+0100" and what is like it (RFC 5322 3.3); false for names of zones, of which most are
 * ambiguous. */
static bool parse_offset(struct str word, int *out_min)
{
    if (word.len != 5 || (word.ptr[0] != '+' && word.ptr[0] != '-'))
        return false;
    for (size_t i = 1; i < 5; i++)
        if (!ascii_is_digit(word.ptr[i]))
            return false;
    int hours = 10 * (word.ptr[1] - '0') + (word.ptr[2] - '0');
    int minutes = 10 * (word.ptr[3] - '0') + (word.ptr[4] - '0');
    int offset = 60 * hours + minutes;
    if (minutes > 59 || offset > WHEN_OFFSET_MAX)
        return false;
    *out_min = word.ptr[0] == '-' ? -offset : offset;
    return true;
}

int when_offset(const struct header *header)
{
    const struct header_field *field = header_find(header, STR("Date"));
    struct str rest = field != NULL ? str_first(field->value, 100) : STR_NONE;
    struct str word;
    int offset = 0;

    while (str_cut(&rest, ' ', &word)) {
        while (word.len > 0 && (word.ptr[word.len - 1] == '\r' || word.ptr[word.len - 1] == '\n'))
            word.len--;
        if (parse_offset(word, &offset))
            break;
    }
    return offset;
}
