/* SPDX-License-Identifier: ISC */
/* when.c: see when.h. */
#include "control/when.h"

#include <time.h>

#include "config/settings.h"

/* Digits of fixed width at the front of *text, followed by `end` ('\0': by anything). */
static bool cut_digits(struct str *text, size_t width, char end, int *out_number)
{
    uint64_t number;

    if (text->len < width || !str_to_u64(str_first(*text, width), 9999, &number))
        return false;
    *text = str_skip(*text, width);
    if (end != '\0') {
        if (text->len == 0 || text->ptr[0] != end)
            return false;
        *text = str_skip(*text, 1);
    }
    *out_number = (int)number;
    return true;
}

static bool cut_date(struct str *text, struct tm *tm)
{
    if (!cut_digits(text, 4, '-', &tm->tm_year) || !cut_digits(text, 2, '-', &tm->tm_mon) ||
        !cut_digits(text, 2, '\0', &tm->tm_mday) || text->len == 0 ||
        (text->ptr[0] != 'T' && text->ptr[0] != 't' && text->ptr[0] != ' '))
        return false;
    *text = str_skip(*text, 1);
    tm->tm_year -= 1900;
    tm->tm_mon -= 1;
    return true;
}

/* hh:mm[:ss[.fraction]] */
static bool cut_time(struct str *text, struct tm *tm)
{
    if (!cut_digits(text, 2, ':', &tm->tm_hour) || !cut_digits(text, 2, '\0', &tm->tm_min))
        return false;
    if (text->len == 0 || text->ptr[0] != ':')
        return true;
    *text = str_skip(*text, 1);
    if (!cut_digits(text, 2, '\0', &tm->tm_sec))
        return false;
    if (text->len > 0 && text->ptr[0] == '.') {
        *text = str_skip(*text, 1);
        while (text->len > 0 && ascii_is_digit(text->ptr[0]))
            *text = str_skip(*text, 1);
    }
    return true;
}

/* Z, nothing (UTC), +hh:mm or -hh:mm; nothing may follow. */
static bool parse_zone(struct str text, int *out_minutes)
{
    int hours = 0;
    int minutes = 0;

    *out_minutes = 0;
    if (text.len == 0 || str_equals_nocase(text, STR("Z")))
        return true;
    char sign = text.ptr[0];
    text = str_skip(text, 1);
    if ((sign != '+' && sign != '-') || !cut_digits(&text, 2, ':', &hours) ||
        !cut_digits(&text, 2, '\0', &minutes) || text.len > 0 || hours > 23 || minutes > 59)
        return false;
    *out_minutes = (sign == '+' ? 1 : -1) * (60 * hours + minutes);
    return true;
}

static bool is_real(const struct tm *tm)
{
    struct tm same = *tm;

    if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 60 || tm->tm_year < 70)
        return false;
    (void)timegm(&same); /* turns 31 February into 3 March */
    return same.tm_mon == tm->tm_mon && (tm->tm_sec == 60 || same.tm_mday == tm->tm_mday);
}

bool when_parse(struct str text, struct now now, int64_t *out_wall_ms)
{
    struct tm tm = { 0 };
    int64_t duration;
    int zone;

    if (duration_parse(text, &duration)) {
        if (duration > 3660LL * DAY_MS)
            return false;
        *out_wall_ms = now.wall_ms + duration;
        return true;
    }
    if (!cut_date(&text, &tm) || !cut_time(&text, &tm) || !parse_zone(text, &zone) || !is_real(&tm))
        return false;
    *out_wall_ms = ((int64_t)timegm(&tm) - (int64_t)zone * 60) * SECOND_MS;
    return true;
}
