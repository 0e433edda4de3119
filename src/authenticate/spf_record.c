/* SPDX-License-Identifier: ISC */
/* spf_record.c: see spf_record.h. */
#include "authenticate/spf_record.h"

#include "authenticate/spf_macro.h"

enum { TERMS_MAX = 1000 }; /* what fits a TXT record that can be asked for is far below */

enum argument { NOTHING, TARGET, TARGET_MAYBE, TARGET_AND_PREFIX, NETWORK4, NETWORK6 };

static const struct {
    struct str name;
    enum spf_mechanism mechanism;
    enum argument argument;
} mechanisms[] = {
    { { "all", 3 }, SPF_ALL, NOTHING },       { { "include", 7 }, SPF_INCLUDE, TARGET },
    { { "a", 1 }, SPF_A, TARGET_AND_PREFIX }, { { "mx", 2 }, SPF_MX, TARGET_AND_PREFIX },
    { { "ptr", 3 }, SPF_PTR, TARGET_MAYBE },  { { "ip4", 3 }, SPF_IP4, NETWORK4 },
    { { "ip6", 3 }, SPF_IP6, NETWORK6 },      { { "exists", 6 }, SPF_EXISTS, TARGET },
};

static const struct str version = { "v=spf1", 6 };

bool spf_record_is_meant(struct str text)
{
    if (!str_starts_nocase(text, version))
        return false;
    return text.len == version.len || text.ptr[version.len] == ' ';
}

/* ---- directives ---- */

/* "0", or digits without a leading zero (12, ip4-cidr-length). */
static bool parse_prefix(struct str digits, unsigned max, unsigned *out_bits)
{
    uint64_t bits;
    if (digits.len > 1 && digits.ptr[0] == '0')
        return false;
    if (!str_to_u64(digits, max, &bits))
        return false;
    *out_bits = (unsigned)bits;
    return true;
}

/* Takes "/digits" off the end, behind `slashes` slashes. 1: it was there; 0: it was not; -1: it is
 * wrong. The slash may also be a delimiter in a macro, which ends in "}". */
static int cut_prefix(struct str *text, size_t slashes, unsigned max, unsigned *out_bits)
{
    size_t at = text->len;

    while (at > 0 && ascii_is_digit(text->ptr[at - 1]))
        at--;
    if (at < slashes || at == text->len)
        return 0;
    for (size_t i = 1; i <= slashes; i++)
        if (text->ptr[at - i] != '/')
            return 0;
    if (!parse_prefix(str_skip(*text, at), max, out_bits))
        return -1;
    *text = str_first(*text, at - slashes);
    return 1;
}

static bool parse_target(struct str text, struct spf_directive *directive)
{
    directive->target = str_skip(text, 1);
    return text.len > 0 && text.ptr[0] == ':' && spf_domain_spec_is_valid(directive->target);
}

static bool parse_target_and_prefix(struct str text, struct spf_directive *directive)
{
    if (cut_prefix(&text, 2, 128, &directive->prefix6) < 0 ||
        cut_prefix(&text, 1, 32, &directive->prefix4) < 0)
        return false;
    return text.len == 0 || parse_target(text, directive);
}

static bool parse_network(struct str text, enum endpoint_family family,
                          struct spf_directive *directive)
{
    bool is_ip4 = family == ENDPOINT_IP4;
    unsigned *bits = is_ip4 ? &directive->prefix4 : &directive->prefix6;

    if (text.len == 0 || text.ptr[0] != ':' || cut_prefix(&text, 1, is_ip4 ? 32 : 128, bits) < 0)
        return false;
    struct str address = str_skip(text, 1);
    bool looks_like_ip6 = str_find(address, ':') >= 0;
    return looks_like_ip6 != is_ip4 && endpoint_from_ip(address, 0, &directive->network);
}

static bool parse_argument(enum argument argument, struct str text, struct spf_directive *directive)
{
    switch (argument) {
    case NOTHING:
        return text.len == 0;
    case TARGET:
        return parse_target(text, directive);
    case TARGET_MAYBE:
        return text.len == 0 || parse_target(text, directive);
    case TARGET_AND_PREFIX:
        return parse_target_and_prefix(text, directive);
    case NETWORK4:
        return parse_network(text, ENDPOINT_IP4, directive);
    case NETWORK6:
        return parse_network(text, ENDPOINT_IP6, directive);
    }
    return false;
}

static bool parse_directive(struct str text, struct spf_directive *directive)
{
    *directive = (struct spf_directive){ .qualifier = '+', .prefix4 = 32, .prefix6 = 128 };
    directive->text = text;
    if (text.len > 0 && str_find(STR("+-~?"), text.ptr[0]) >= 0) {
        directive->qualifier = text.ptr[0];
        text = str_skip(text, 1);
    }
    size_t len = 0;
    while (len < text.len && text.ptr[len] != ':' && text.ptr[len] != '/')
        len++;
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (!str_equals_nocase(str_first(text, len), mechanisms[i].name))
            continue;
        directive->mechanism = mechanisms[i].mechanism;
        return parse_argument(mechanisms[i].argument, str_skip(text, len), directive);
    }
    return false;
}

/* ---- modifiers ---- */

/* name "=" at the front (12)? Then *out_name is the name. */
static bool is_modifier(struct str term, struct str *out_name)
{
    size_t len = 0;

    if (term.len == 0 || !ascii_is_alpha(term.ptr[0]))
        return false;
    while (len < term.len &&
           (ascii_is_alnum(term.ptr[len]) || str_find(STR("-_."), term.ptr[len]) >= 0))
        len++;
    *out_name = str_first(term, len);
    return len < term.len && term.ptr[len] == '=';
}

/* redirect and exp may stand once each (6). */
static bool parse_modifier(struct str name, struct str value, struct spf_record *record)
{
    struct str *known = NULL;

    if (str_equals_nocase(name, STR("redirect")))
        known = &record->redirect;
    else if (str_equals_nocase(name, STR("exp")))
        known = &record->explain;
    if (known == NULL)
        return spf_macro_string_is_valid(value);
    if (known->len > 0)
        return false;
    *known = value;
    return spf_domain_spec_is_valid(value);
}

bool spf_record_parse(struct str text, struct arena *arena, struct spf_record *out_record)
{
    struct spf_record record = { 0 };
    struct str rest = str_skip(text, version.len);
    unsigned spaces = 0;
    struct str term;

    for (size_t i = 0; i < rest.len; i++)
        spaces += rest.ptr[i] == ' ' ? 1 : 0;
    if (!spf_record_is_meant(text) || spaces > TERMS_MAX)
        return false;
    record.directive = arena_new(arena, (spaces + 1) * sizeof *record.directive);
    while (str_cut(&rest, ' ', &term)) {
        struct str name;
        if (term.len == 0)
            continue;
        bool is_good = is_modifier(term, &name)
                           ? parse_modifier(name, str_skip(term, name.len + 1), &record)
                           : parse_directive(term, &record.directive[record.count++]);
        if (!is_good)
            return false;
    }
    *out_record = record;
    return true;
}
