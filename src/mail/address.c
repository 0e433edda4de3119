/* SPDX-License-Identifier: ISC */
/* address.c: see address.h.
 *
 * The grammar of RFC 5321 4.1.2, read from left to right; each function below
 * measures one part at the front of the text and never looks behind its end.
 *
 *     path    = "<" [ "@" domain *( "," "@" domain ) ":" ] mailbox ">"
 *     mailbox = ( dot-string / quoted-string ) "@" ( domain / address literal )
 *
 * Let pass beyond the grammar, since real mail comes with it and no harm does:
 *   - dots at an end of a dot-string and two in a row (old mobile carriers);
 *   - local parts above 64 octets (VERP and SRS senders), within the whole's limit;
 *   - underscores and one final dot in the domain (domain.h).
 */
#include "mail/address.h"

#include <string.h>

#include "base/endpoint.h"
#include "mail/domain.h"

/* Length of the valid UTF-8 sequence at the front (RFC 3629), 0 if there is none. */
static size_t utf8_length(struct str text)
{
    /* By first byte: how long, and the least code point that may be spelled so long. */
    static const struct {
        uint8_t mask, lead;
        uint8_t len;
        uint32_t least;
    } forms[] = { { 0xe0, 0xc0, 2, 0x80 }, { 0xf0, 0xe0, 3, 0x800 }, { 0xf8, 0xf0, 4, 0x10000 } };

    for (size_t form = 0; form < 3 && text.len > 0; form++) {
        unsigned char first = (unsigned char)text.ptr[0];
        if ((first & forms[form].mask) != forms[form].lead)
            continue;
        if (text.len < forms[form].len)
            return 0;
        uint32_t point = first & (uint8_t)~forms[form].mask;
        for (size_t i = 1; i < forms[form].len; i++) {
            unsigned char next = (unsigned char)text.ptr[i];
            if ((next & 0xc0) != 0x80)
                return 0;
            point = point << 6 | (next & 0x3f);
        }
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        return point < forms[form].least || point > 0x10ffff || surrogate ? 0 : forms[form].len;
    }
    return 0;
}

static bool is_high(char c)
{
    return (unsigned char)c >= 0x80;
}

static bool is_printable(char c)
{
    return c >= ' ' && c <= '~';
}

/* A character of a dot-string: atext (RFC 5322 3.2.3) or a dot. */
static bool is_dotted_atom(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~.", c) != NULL);
}

static size_t dot_string_length(struct str text, unsigned flags)
{
    size_t at = 0;

    while (at < text.len) {
        size_t step = 1;
        if (is_high(text.ptr[at]))
            step = (flags & ADDRESS_MAY_BE_UTF8) != 0 ? utf8_length(str_skip(text, at)) : 0;
        else if (!is_dotted_atom(text.ptr[at]))
            break;
        if (step == 0)
            return 0;
        at += step;
    }
    return at;
}

/* With both quotes; 0 if it does not end or holds what may not be quoted. */
static size_t quoted_string_length(struct str text, unsigned flags)
{
    size_t at = 1;

    while (at < text.len && text.ptr[at] != '"') {
        size_t step = 1;
        if (text.ptr[at] == '\\')
            step = at + 1 < text.len && is_printable(text.ptr[at + 1]) ? 2 : 0;
        else if (is_high(text.ptr[at]))
            step = (flags & ADDRESS_MAY_BE_UTF8) != 0 ? utf8_length(str_skip(text, at)) : 0;
        else if (!is_printable(text.ptr[at]))
            step = 0;
        if (step == 0)
            return 0;
        at += step;
    }
    return at < text.len ? at + 1 : 0;
}

static size_t local_length(struct str text, unsigned flags)
{
    if (text.len > 0 && text.ptr[0] == '"')
        return quoted_string_length(text, flags);
    return dot_string_length(text, flags);
}

/* [192.0.2.1] or [IPv6:2001:db8::1] (RFC 5321 4.1.3), with the brackets. */
static bool is_address_literal(struct str text)
{
    struct endpoint endpoint;

    if (text.len < 2 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    struct str inner = str_first(str_skip(text, 1), text.len - 2);
    if (!str_starts_nocase(inner, STR("IPv6:")))
        return str_find(inner, ':') < 0 && endpoint_from_ip(inner, 0, &endpoint);
    inner = str_skip(inner, 5);
    return str_find(inner, ':') >= 0 && endpoint_from_ip(inner, 0, &endpoint);
}

/* How far a domain or literal reaches; what it is made of is looked at afterwards. */
static size_t domain_length(struct str text, unsigned flags)
{
    size_t at = 0;

    if (text.len > 0 && text.ptr[0] == '[') {
        ptrdiff_t end = str_find(text, ']');
        return end < 0 ? 0 : (size_t)end + 1;
    }
    while (at < text.len) {
        size_t step = 1;
        if (is_high(text.ptr[at]))
            step = (flags & ADDRESS_MAY_BE_UTF8) != 0 ? utf8_length(str_skip(text, at)) : 0;
        else if (!ascii_is_alnum(text.ptr[at]) && strchr("-._", text.ptr[at]) == NULL)
            break;
        if (step == 0 || text.ptr[at] == '\0')
            break;
        at += step;
    }
    return at;
}

static bool is_domain(struct str text)
{
    if (text.len > 0 && text.ptr[0] == '[')
        return is_address_literal(text);
    for (size_t i = 0; i < text.len; i++)
        if (is_high(text.ptr[i]))
            return true; /* its labels are judged when it is turned into A-labels */
    return domain_is_valid(text);
}

/* A mailbox at the front of *text; *text is left behind it. */
static bool cut_mailbox(struct str *text, unsigned flags, struct address *out_address)
{
    struct address address = { .local = str_first(*text, local_length(*text, flags)) };
    struct str rest = str_skip(*text, address.local.len);

    if (address.local.len == 0)
        return false;
    if (rest.len > 0 && rest.ptr[0] == '@') {
        rest = str_skip(rest, 1);
        address.domain = str_first(rest, domain_length(rest, flags));
        rest = str_skip(rest, address.domain.len);
        if (!is_domain(address.domain))
            return false;
    } else if ((flags & ADDRESS_MAY_LACK_DOMAIN) == 0 ||
               !str_equals_nocase(address.local, STR("postmaster"))) {
        return false;
    }
    address.whole = str_first(*text, text->len - rest.len);
    if (address.whole.len > ADDRESS_SIZE_MAX)
        return false;
    *text = rest;
    *out_address = address;
    return true;
}

/* @a,@b: at the front; false if what begins like one is none. */
static bool skip_route(struct str *text, unsigned flags)
{
    struct str rest = *text;

    while (rest.len > 0 && rest.ptr[0] == '@') {
        struct str domain = str_first(str_skip(rest, 1), domain_length(str_skip(rest, 1), flags));
        rest = str_skip(rest, 1 + domain.len);
        if (!is_domain(domain) || rest.len == 0)
            return false;
        bool last = rest.ptr[0] == ':';
        if (!last && rest.ptr[0] != ',')
            return false;
        rest = str_skip(rest, 1);
        if (last) {
            *text = rest;
            return true;
        }
    }
    return rest.ptr == text->ptr; /* there was none */
}

static bool cut_bracketed(struct str *text, unsigned flags, struct address *out_address)
{
    struct str rest = str_skip(*text, 1);
    struct address address = { 0 };

    if (rest.len > 0 && rest.ptr[0] == '>' && (flags & ADDRESS_MAY_BE_NULL) != 0) {
        *text = str_skip(rest, 1);
        *out_address = address;
        return true;
    }
    if (!skip_route(&rest, flags) || !cut_mailbox(&rest, flags, &address))
        return false;
    if (rest.len == 0 || rest.ptr[0] != '>')
        return false;
    *text = str_skip(rest, 1);
    *out_address = address;
    return true;
}

bool address_cut_path(struct str *text, unsigned flags, struct address *out_address)
{
    struct str rest = *text;
    struct address address;

    if (text->len > 0 && text->ptr[0] == '<')
        return cut_bracketed(text, flags, out_address);
    if (!cut_mailbox(&rest, flags, &address) || (rest.len > 0 && rest.ptr[0] != ' '))
        return false;
    *text = rest;
    *out_address = address;
    return true;
}

bool address_parse(struct str text, unsigned flags, struct address *out_address)
{
    struct address address = { 0 };

    if (text.len == 0 && (flags & ADDRESS_MAY_BE_NULL) != 0) {
        *out_address = address;
        return true;
    }
    if (!cut_mailbox(&text, flags, &address) || text.len != 0)
        return false;
    *out_address = address;
    return true;
}
