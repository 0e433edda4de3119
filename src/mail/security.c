/* SPDX-License-Identifier: ISC */
/* security.c: see security.h.
 *
 *     u8 version (1)  u8 level  u8: 1 from_start, 2 is_watched
 *     u8 names, each counted  u8 records, each u8 usage, selector, matching, counted data
 *     u8 pins, each u8 is_of_certificate and its digest  counted authority
 */
#include "mail/security.h"

#include <string.h>

enum { VERSION = 1, FROM_START = 1, IS_WATCHED = 2 };

/* ---- octets ---- */

void security_encode(struct buf *out, const struct security *security)
{
    buf_add_u8(out, VERSION);
    buf_add_u8(out, (uint8_t)security->level);
    buf_add_u8(out, (uint8_t)((security->from_start ? FROM_START : 0) |
                              (security->is_watched ? IS_WATCHED : 0)));
    buf_add_u8(out, (uint8_t)security->name_count);
    for (uint32_t i = 0; i < security->name_count; i++)
        buf_add_counted(out, security->name[i]);
    buf_add_u8(out, (uint8_t)security->tlsa_count);
    for (uint32_t i = 0; i < security->tlsa_count; i++) {
        const struct security_tlsa *tlsa = &security->tlsa[i];
        buf_add_u8(out, tlsa->usage);
        buf_add_u8(out, tlsa->selector);
        buf_add_u8(out, tlsa->matching);
        buf_add_counted(out, tlsa->data);
    }
    buf_add_u8(out, (uint8_t)security->pin_count);
    for (uint32_t i = 0; i < security->pin_count; i++) {
        buf_add_u8(out, security->pin[i].is_of_certificate);
        buf_add_bytes(out, security->pin[i].digest, SECURITY_DIGEST_SIZE);
    }
    buf_add_counted(out, security->authority);
}

static bool take_names(struct cursor *cursor, struct security *security)
{
    security->name_count = cursor_u8(cursor);
    if (security->name_count > SECURITY_NAMES_MAX)
        return false;
    for (uint32_t i = 0; i < security->name_count; i++)
        security->name[i] = cursor_counted(cursor);
    return cursor_ok(cursor);
}

static bool take_records(struct cursor *cursor, struct security *security)
{
    security->tlsa_count = cursor_u8(cursor);
    if (security->tlsa_count > SECURITY_TLSA_MAX)
        return false;
    for (uint32_t i = 0; i < security->tlsa_count; i++) {
        struct security_tlsa *tlsa = &security->tlsa[i];
        tlsa->usage = cursor_u8(cursor);
        tlsa->selector = cursor_u8(cursor);
        tlsa->matching = cursor_u8(cursor);
        tlsa->data = cursor_counted(cursor);
    }
    return cursor_ok(cursor);
}

static bool take_pins(struct cursor *cursor, struct security *security)
{
    security->pin_count = cursor_u8(cursor);
    if (security->pin_count > SECURITY_PINS_MAX)
        return false;
    for (uint32_t i = 0; i < security->pin_count; i++) {
        security->pin[i].is_of_certificate = cursor_u8(cursor) != 0;
        struct str digest = cursor_bytes(cursor, SECURITY_DIGEST_SIZE);
        if (cursor_ok(cursor))
            memcpy(security->pin[i].digest, digest.ptr, SECURITY_DIGEST_SIZE);
    }
    return cursor_ok(cursor);
}

bool security_decode(struct cursor *cursor, struct security *out_security)
{
    struct security security = { 0 };
    unsigned version = cursor_u8(cursor);
    unsigned level = cursor_u8(cursor);

    unsigned bits = cursor_u8(cursor);
    if (version != VERSION || level >= SECURITY_LEVELS || bits > (FROM_START | IS_WATCHED))
        return false;
    security.from_start = (bits & FROM_START) != 0;
    security.is_watched = (bits & IS_WATCHED) != 0;
    security.level = (enum security_level)level;
    if (!take_names(cursor, &security) || !take_records(cursor, &security) ||
        !take_pins(cursor, &security))
        return false;
    security.authority = cursor_counted(cursor);
    *out_security = security;
    return cursor_ok(cursor);
}

const char *security_level_name(enum security_level level)
{
    static const char *const name[SECURITY_LEVELS] = {
        [SECURITY_CLEAR] = "clear", [SECURITY_MAY] = "may",   [SECURITY_MUST] = "must",
        [SECURITY_NAME] = "name",   [SECURITY_TLSA] = "tlsa",
    };
    return name[level];
}

/* ---- pins ---- */

static int digit_of(char c)
{
    c = ascii_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool parse_digest(struct str text, uint8_t *out_digest)
{
    size_t digits = 0;

    for (size_t i = 0; i < text.len; i++) {
        int digit = digit_of(text.ptr[i]);
        if (text.ptr[i] == ':' && digits % 2 == 0)
            continue;
        if (digit < 0 || digits >= 2 * (size_t)SECURITY_DIGEST_SIZE)
            return false;
        uint8_t before = digits % 2 == 0 ? 0 : out_digest[digits / 2];
        out_digest[digits / 2] = (uint8_t)(before << 4 | digit);
        digits++;
    }
    return digits == 2 * (size_t)SECURITY_DIGEST_SIZE;
}

bool security_pin_parse(struct str text, struct security_pin *out_pin)
{
    struct str kind = STR_NONE;

    text = str_trim(text);
    *out_pin = (struct security_pin){ 0 };
    if (str_find(text, ':') < 0 || !str_cut(&text, ':', &kind))
        return false;
    out_pin->is_of_certificate = str_equals_nocase(kind, STR("certificate"));
    return (out_pin->is_of_certificate || str_equals_nocase(kind, STR("key"))) &&
           parse_digest(text, out_pin->digest);
}

void security_pin_add_text(struct buf *out, const struct security_pin *pin)
{
    buf_add(out, pin->is_of_certificate ? STR("certificate:") : STR("key:"));
    for (size_t i = 0; i < SECURITY_DIGEST_SIZE; i++)
        buf_add_format(out, "%02x", pin->digest[i]);
}

static bool has_pin(const struct security *security, const struct security_pin *pin)
{
    for (uint32_t i = 0; i < security->pin_count; i++)
        if (security->pin[i].is_of_certificate == pin->is_of_certificate &&
            memcmp(security->pin[i].digest, pin->digest, sizeof pin->digest) == 0)
            return true;
    return false;
}

void security_add_pin(struct security *security, const struct security_pin *pin)
{
    if (security->pin_count < SECURITY_PINS_MAX && !has_pin(security, pin))
        security->pin[security->pin_count++] = *pin;
}

void security_add_pins(struct security *security, struct str list)
{
    struct security_pin pin;
    struct str one = STR_NONE;

    while (str_cut(&list, ',', &one))
        if (security_pin_parse(one, &pin))
            security_add_pin(security, &pin);
}

bool security_pin_is_shown(const struct security_pin *pin, struct str shown)
{
    return shown.len == SECURITY_SHOWN_SIZE &&
           memcmp(pin->digest, shown.ptr + (pin->is_of_certificate ? SECURITY_DIGEST_SIZE : 0),
                  SECURITY_DIGEST_SIZE) == 0;
}
