/* SPDX-License-Identifier: ISC */
/* str.c: see str.h. */
#include "base/str.h"

#include <string.h>

struct str str_from(const char *text)
{
    return text == NULL ? STR_NONE : (struct str){ text, strlen(text) };
}

struct str str_of(const void *bytes, size_t len)
{
    return (struct str){ bytes, len };
}

bool str_equals(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool ascii_is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool ascii_is_alnum(char c)
{
    return ascii_is_alpha(c) || ascii_is_digit(c);
}

bool ascii_is_hex(char c)
{
    return ascii_is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

bool str_equals_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.ptr[i]) != ascii_lower(b.ptr[i]))
            return false;
    return true;
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common > 0 ? memcmp(a.ptr, b.ptr, common) : 0;
    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

struct str str_first(struct str text, size_t len)
{
    return (struct str){ text.ptr, len < text.len ? len : text.len };
}

struct str str_skip(struct str text, size_t start)
{
    if (start > text.len)
        start = text.len;
    if (start == 0)
        return text;
    return (struct str){ text.ptr + start, text.len - start };
}

bool str_starts(struct str text, struct str prefix)
{
    return text.len >= prefix.len && str_equals(str_first(text, prefix.len), prefix);
}

bool str_starts_nocase(struct str text, struct str prefix)
{
    return text.len >= prefix.len && str_equals_nocase(str_first(text, prefix.len), prefix);
}

bool str_ends_nocase(struct str text, struct str suffix)
{
    return text.len >= suffix.len &&
           str_equals_nocase(str_skip(text, text.len - suffix.len), suffix);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

ptrdiff_t str_find(struct str text, char byte)
{
    const char *at = text.len > 0 ? memchr(text.ptr, byte, text.len) : NULL;
    return at == NULL ? -1 : at - text.ptr;
}

ptrdiff_t str_find_last(struct str text, char byte)
{
    const char *at = text.len > 0 ? memrchr(text.ptr, byte, text.len) : NULL;
    return at == NULL ? -1 : at - text.ptr;
}

bool str_cut(struct str *text, char separator, struct str *out_head)
{
    if (text->ptr == NULL)
        return false;
    ptrdiff_t at = str_find(*text, separator);
    if (at < 0) {
        *out_head = *text;
        *text = STR_NONE;
    } else {
        *out_head = str_first(*text, (size_t)at);
        *text = (struct str){ text->ptr + at + 1, text->len - (size_t)at - 1 };
    }
    return true;
}

bool str_to_u64(struct str text, uint64_t max, uint64_t *out_number)
{
    uint64_t number = 0;

    if (text.len == 0)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (!ascii_is_digit(text.ptr[i]))
            return false;
        uint64_t digit = (uint64_t)(text.ptr[i] - '0');
        if (number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    if (number > max)
        return false;
    *out_number = number;
    return true;
}
