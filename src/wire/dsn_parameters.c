/* SPDX-License-Identifier: ISC */
/* dsn_parameters.c: see dsn_parameters.h. */
#include "wire/dsn_parameters.h"

#include "wire/xtext.h"

bool dsn_notify_parse(struct str value, uint8_t *out_notify)
{
    static const struct {
        struct str word;
        uint8_t bit;
    } words[] = {
        { { "SUCCESS", 7 }, NOTIFY_SUCCESS },
        { { "FAILURE", 7 }, NOTIFY_FAILURE },
        { { "DELAY", 5 }, NOTIFY_DELAY },
    };
    struct str word = STR_NONE;
    uint8_t notify = 0;

    if (str_equals_nocase(value, STR("NEVER"))) { /* stands alone */
        *out_notify = NOTIFY_NEVER;
        return true;
    }
    if (value.len == 0 || value.ptr[value.len - 1] == ',')
        return false;
    while (str_cut(&value, ',', &word)) {
        uint8_t bit = 0;
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            bit |= str_equals_nocase(word, words[i].word) ? words[i].bit : 0;
        if (bit == 0)
            return false;
        notify |= bit;
    }
    *out_notify = notify;
    return true;
}

bool dsn_ret_parse(struct str value, uint8_t *out_ret)
{
    bool is_full = str_equals_nocase(value, STR("FULL"));

    if (!is_full && !str_equals_nocase(value, STR("HDRS")))
        return false;
    *out_ret = is_full ? 1 : 2;
    return true;
}

static bool is_ascii(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool is_printable(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] > '~')
            return false;
    return text.len > 0;
}

static bool is_xtext(struct str text)
{
    struct buf decoded = { 0 };
    bool is = xtext_decode(&decoded, text) && is_printable(buf_str(&decoded));

    buf_fini(&decoded);
    return is;
}

static bool is_unitext(struct str text, bool may_be_utf8)
{
    struct buf decoded = { 0 };
    bool is = (may_be_utf8 || is_ascii(text)) && unitext_decode(&decoded, text) && decoded.len > 0;

    buf_fini(&decoded);
    return is;
}

bool dsn_envelope_id_is_fine(struct str value)
{
    return value.len <= DSN_ENVELOPE_ID_MAX && is_xtext(value);
}

/* An atom (RFC 3461 4.2); no registered type has anything else. */
static bool is_type(struct str type)
{
    for (size_t i = 0; i < type.len; i++)
        if (!ascii_is_alnum(type.ptr[i]) && type.ptr[i] != '-')
            return false;
    return type.len > 0;
}

bool dsn_original_is_fine(struct str value, bool may_be_utf8)
{
    struct str type = STR_NONE;

    if (value.len > DSN_ORIGINAL_MAX || str_find(value, ';') < 0)
        return false;
    (void)str_cut(&value, ';', &type);
    if (!is_type(type))
        return false;
    return str_equals_nocase(type, STR("utf-8")) ? is_unitext(value, may_be_utf8) : is_xtext(value);
}

uint8_t dsn_notify_join(uint8_t a, uint8_t b)
{
    static const uint8_t usual = NOTIFY_FAILURE | NOTIFY_DELAY; /* where nothing was said */

    if (a == b || b == NOTIFY_NEVER)
        return a;
    if (a == NOTIFY_NEVER)
        return b;
    return (uint8_t)((a == NOTIFY_DEFAULT ? usual : a) | (b == NOTIFY_DEFAULT ? usual : b));
}
