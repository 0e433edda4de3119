/* SPDX-License-Identifier: ISC */
/* unit.c: see unit.h. */
#include "config/unit.h"

#include "base/clock.h"

static const struct {
    char letter;
    int64_t ms;
} spans[] = {
    { 'w', 7LL * DAY_MS }, { 'd', DAY_MS },    { 'h', HOUR_MS },
    { 'm', MINUTE_MS },    { 's', SECOND_MS },
};
enum { SPANS = sizeof spans / sizeof *spans };

/* From most to least readable: of two that divide a size, the first is shown. */
static const struct {
    const char *name;
    int64_t bytes;
} sizes[] = {
    { "TB", 1000000000000 }, { "TiB", 1LL << 40 }, { "GB", 1000000000 }, { "GiB", 1LL << 30 },
    { "MB", 1000000 },       { "MiB", 1LL << 20 }, { "kB", 1000 },       { "KiB", 1LL << 10 },
};
enum { SIZES = sizeof sizes / sizeof *sizes };

/* The digits at the front of *text, which is left behind them. */
static bool cut_number(struct str *text, int64_t *out_number)
{
    size_t digits = 0;
    uint64_t number = 0;

    while (digits < text->len && ascii_is_digit(text->ptr[digits]))
        digits++;
    if (!str_to_u64(str_first(*text, digits), INT64_MAX, &number))
        return false;
    *text = str_skip(*text, digits);
    *out_number = (int64_t)number;
    return true;
}

/* *sum += number * factor, unless that is too large. */
static bool add_product(int64_t *sum, int64_t number, int64_t factor)
{
    int64_t product;
    return !__builtin_mul_overflow(number, factor, &product) &&
           !__builtin_add_overflow(*sum, product, sum);
}

bool duration_parse(struct str text, int64_t *out_ms)
{
    int64_t sum = 0;
    int next = 0; /* spans get smaller from left to right */

    if (text.len == 0)
        return false;
    while (text.len > 0) {
        int64_t number;
        if (!cut_number(&text, &number) || text.len == 0)
            return false;
        while (next < SPANS && spans[next].letter != ascii_lower(text.ptr[0]))
            next++;
        if (next == SPANS || !add_product(&sum, number, spans[next].ms))
            return false;
        next++;
        text = str_skip(text, 1);
    }
    *out_ms = sum;
    return true;
}

/* Weeks are understood but not shown: 30d is easier to compare than 4w2d. */
void duration_add_text(struct buf *out, int64_t ms)
{
    size_t before = out->len;

    for (int i = 1; i < SPANS; i++) {
        int64_t count = ms / spans[i].ms;
        if (count > 0)
            buf_add_format(out, "%lld%c", (long long)count, spans[i].letter);
        ms -= count * spans[i].ms;
    }
    if (out->len == before)
        buf_add(out, STR("0s"));
}

static int64_t size_factor(struct str suffix)
{
    if (suffix.len == 0 || str_equals_nocase(suffix, STR("B")))
        return 1;
    for (int i = 0; i < SIZES; i++) {
        struct str name = str_from(sizes[i].name);
        if (str_equals_nocase(suffix, name) ||
            str_equals_nocase(suffix, str_first(name, name.len - 1)))
            return sizes[i].bytes;
    }
    return 0;
}

bool bytes_parse(struct str text, int64_t *out_bytes)
{
    int64_t number;
    int64_t bytes = 0;

    if (!cut_number(&text, &number))
        return false;
    int64_t factor = size_factor(str_trim(text));
    if (factor == 0 || !add_product(&bytes, number, factor))
        return false;
    *out_bytes = bytes;
    return true;
}

void bytes_add_text(struct buf *out, int64_t bytes)
{
    for (int i = 0; i < SIZES && bytes > 0; i++) {
        if (bytes % sizes[i].bytes != 0)
            continue;
        buf_add_format(out, "%lld%s", (long long)(bytes / sizes[i].bytes), sizes[i].name);
        return;
    }
    buf_add_format(out, "%lld", (long long)bytes);
}

static bool number_parse(struct str text, int64_t *out_number)
{
    int64_t number;

    if (!cut_number(&text, &number) || text.len > 0)
        return false;
    *out_number = number;
    return true;
}

static void number_add_text(struct buf *out, int64_t number)
{
    buf_add_format(out, "%lld", (long long)number);
}

static const struct {
    bool (*parse)(struct str text, int64_t *out_value);
    void (*add_text)(struct buf *out, int64_t value);
    const char *example;
} units[] = {
    [UNIT_NUMBER] = { number_parse, number_add_text, "a whole number such as 20" },
    [UNIT_DURATION] = { duration_parse, duration_add_text, "a duration such as 90s, 1h30m or 5d" },
    [UNIT_BYTES] = { bytes_parse, bytes_add_text, "a size such as 10MB or 64KiB" },
};

bool unit_parse(enum setting_unit unit, struct str text, int64_t *out_value)
{
    return units[unit].parse(text, out_value);
}

void unit_add_text(struct buf *out, enum setting_unit unit, int64_t value)
{
    units[unit].add_text(out, value);
}

const char *unit_example(enum setting_unit unit)
{
    return units[unit].example;
}
