/* SPDX-License-Identifier: ISC */
/* spf_macro.c: see spf_macro.h.
 *
 *     macro-expand = "%{" letter [digits] ["r"] *delimiter "}" / "%%" / "%_" / "%-"
 */
#include "authenticate/spf_macro.h"

#include "base/check.h"
#include "wire/dns.h"

enum { PARTS_MAX = 128, NAME_MAX_HERE = 253 };

static const struct str letters_anywhere = { "slodiphv", 8 };
static const struct str letters_explaining = { "slodiphvcrt", 11 };
static const struct str delimiters = { ".-+,/_=", 7 };

struct macro {
    char letter;   /* as written: capitals ask for escapes */
    unsigned keep; /* of the right-most parts; 0: all */
    bool is_reversed;
    struct str delimiters; /* empty: the dot */
};

/* The digits between letter and "r". More than there can be parts is as good as all. */
static bool cut_keep(struct str *text, unsigned *out_keep)
{
    unsigned keep = 0;
    size_t len = 0;

    for (; len < text->len && ascii_is_digit(text->ptr[len]); len++)
        keep = keep < PARTS_MAX ? keep * 10 + (unsigned)(text->ptr[len] - '0') : keep;
    *text = str_skip(*text, len);
    *out_keep = keep;
    return len == 0 || keep > 0; /* "%{d0}" keeps nothing: an error (7.1) */
}

/* What stands between the braces. */
static bool parse_macro(struct str inside, struct str letters, struct macro *out_macro)
{
    if (inside.len == 0 || str_find(letters, ascii_lower(inside.ptr[0])) < 0)
        return false;
    *out_macro = (struct macro){ .letter = inside.ptr[0] };
    inside = str_skip(inside, 1);
    if (!cut_keep(&inside, &out_macro->keep))
        return false;
    if (inside.len > 0 && ascii_lower(inside.ptr[0]) == 'r') {
        out_macro->is_reversed = true;
        inside = str_skip(inside, 1);
    }
    for (size_t i = 0; i < inside.len; i++)
        if (str_find(delimiters, inside.ptr[i]) < 0)
            return false;
    out_macro->delimiters = inside;
    return true;
}

/* Cuts the macro at the front of *text, which begins with "%". Letter 0: one of the short ones,
 * whose second character is *out_short. */
static bool cut_macro(struct str *text, struct str letters, struct macro *out_macro,
                      char *out_short)
{
    if (text->len < 2)
        return false;
    *out_short = text->ptr[1];
    if (str_find(STR("%_-"), text->ptr[1]) >= 0) {
        out_macro->letter = '\0';
        *text = str_skip(*text, 2);
        return true;
    }
    ptrdiff_t end = str_find(*text, '}');
    if (text->ptr[1] != '{' || end < 0)
        return false;
    struct str inside = str_of(text->ptr + 2, (size_t)end - 2);
    *text = str_skip(*text, (size_t)end + 1);
    return parse_macro(inside, letters, out_macro);
}

/* Goes over a macro-string. *out_tail: what stands behind its last macro. */
static bool walk(struct str text, struct str letters, bool spaces, bool *out_has_macro,
                 struct str *out_tail)
{
    struct macro macro;
    char which;

    *out_has_macro = false;
    *out_tail = text;
    while (text.len > 0) {
        unsigned char c = (unsigned char)text.ptr[0];
        if (c == '%') {
            if (!cut_macro(&text, letters, &macro, &which))
                return false;
            *out_has_macro = true;
            *out_tail = text;
        } else if ((c > 0x20 && c < 0x7f) || (spaces && c == ' ')) {
            text = str_skip(text, 1);
        } else {
            return false;
        }
    }
    return true;
}

/* toplabel: letters, digits, hyphens within, and not digits alone (12). */
static bool is_top_label(struct str label)
{
    bool has_other = false;

    if (label.len == 0 || !ascii_is_alnum(label.ptr[0]) ||
        !ascii_is_alnum(label.ptr[label.len - 1]))
        return false;
    for (size_t i = 0; i < label.len; i++) {
        if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
            return false;
        has_other = has_other || !ascii_is_digit(label.ptr[i]);
    }
    return has_other;
}

bool spf_domain_spec_is_valid(struct str text)
{
    struct str tail;
    bool has_macro;

    if (!walk(text, letters_anywhere, false, &has_macro, &tail))
        return false;
    if (tail.len == 0)
        return has_macro;
    if (tail.ptr[tail.len - 1] == '.')
        tail.len--;
    ptrdiff_t dot = str_find_last(tail, '.');
    return dot >= 0 && is_top_label(str_skip(tail, (size_t)dot + 1));
}

bool spf_macro_string_is_valid(struct str text)
{
    struct str tail;
    bool has_macro;
    return walk(text, letters_anywhere, false, &has_macro, &tail);
}

bool spf_explanation_is_valid(struct str text)
{
    struct str tail;
    bool has_macro;
    return walk(text, letters_explaining, true, &has_macro, &tail);
}

bool spf_macro_wants_validated(struct str text)
{
    for (size_t i = 0; i + 2 < text.len; i++)
        if (text.ptr[i] == '%' && text.ptr[i + 1] == '{' && ascii_lower(text.ptr[i + 2]) == 'p')
            return true;
    return false;
}

/* ---- expanding ---- */

/* %{i}: dots between the bytes of IPv4, between the half bytes of IPv6. */
static void add_dotted(struct buf *out, struct endpoint client)
{
    if (client.family != ENDPOINT_IP6) {
        endpoint_add_ip(out, client);
        return;
    }
    for (unsigned i = 0; i < 32; i++) {
        unsigned half = (unsigned)client.address[i / 2] >> (i % 2 == 0 ? 4 : 0) & 15;
        buf_add_format(out, i == 0 ? "%X" : ".%X", half);
    }
}

static void add_sender(struct buf *out, const struct spf_values *values)
{
    buf_add(out, values->sender_local);
    buf_add_byte(out, '@');
    buf_add(out, values->sender_domain);
}

static void add_value(struct buf *out, char letter, const struct spf_values *values)
{
    switch (ascii_lower(letter)) {
    case 's':
        add_sender(out, values);
        break;
    case 'l':
        buf_add(out, values->sender_local);
        break;
    case 'o':
        buf_add(out, values->sender_domain);
        break;
    case 'd':
        buf_add(out, values->domain);
        break;
    case 'i':
        add_dotted(out, values->client);
        break;
    case 'p':
        buf_add(out, values->validated.len > 0 ? values->validated : STR("unknown"));
        break;
    case 'h':
        buf_add(out, values->helo);
        break;
    case 'v':
        buf_add(out, values->client.family == ENDPOINT_IP6 ? STR("ip6") : STR("in-addr"));
        break;
    case 'c':
        endpoint_add_ip(out, values->client);
        break;
    case 'r':
        buf_add(out, values->receiver.len > 0 ? values->receiver : STR("unknown"));
        break;
    default: /* t */
        buf_add_format(out, "%lld", (long long)values->now_s);
    }
}

/* Capitals: everything but RFC 3986's unreserved characters is escaped (7.3). */
static void add_part(struct buf *out, struct str part, bool escapes)
{
    for (size_t i = 0; i < part.len; i++) {
        char c = part.ptr[i];
        if (escapes && !ascii_is_alnum(c) && str_find(STR("-._~"), c) < 0)
            buf_add_format(out, "%%%02X", (unsigned)(unsigned char)c);
        else
            buf_add_byte(out, c);
    }
}

static bool is_delimiter(const struct macro *macro, char c)
{
    return macro->delimiters.len > 0 ? str_find(macro->delimiters, c) >= 0 : c == '.';
}

/* More parts than there is room for stay together in the last one. */
static unsigned split(const struct macro *macro, struct str value, struct str *part)
{
    unsigned count = 0;
    size_t start = 0;

    for (size_t i = 0; i <= value.len; i++) {
        bool ends = i == value.len || (is_delimiter(macro, value.ptr[i]) && count < PARTS_MAX - 1);
        if (!ends)
            continue;
        part[count++] = str_first(str_skip(value, start), i - start);
        start = i + 1;
    }
    return count;
}

static void expand_macro(const struct macro *macro, const struct spf_values *values,
                         struct buf *out)
{
    struct str part[PARTS_MAX];
    struct buf value = { 0 };
    bool escapes = macro->letter != ascii_lower(macro->letter);

    add_value(&value, macro->letter, values);
    unsigned count = split(macro, buf_str(&value), part);
    unsigned kept = macro->keep > 0 && macro->keep < count ? macro->keep : count;
    for (unsigned i = count - kept; i < count; i++) {
        if (i > count - kept)
            add_part(out, STR("."), escapes);
        add_part(out, part[macro->is_reversed ? count - 1 - i : i], escapes);
    }
    buf_fini(&value);
}

void spf_macro_expand(struct str text, const struct spf_values *values, struct buf *out)
{
    struct macro macro;
    char which;

    while (text.len > 0) {
        if (text.ptr[0] != '%') {
            buf_add_byte(out, text.ptr[0]);
            text = str_skip(text, 1);
            continue;
        }
        check(cut_macro(&text, letters_explaining, &macro, &which));
        if (macro.letter != '\0')
            expand_macro(&macro, values, out);
        else if (which == '-')
            buf_add(out, STR("%20"));
        else
            buf_add_byte(out, which == '_' ? ' ' : '%');
    }
}

void spf_macro_expand_name(struct str text, const struct spf_values *values, struct buf *out)
{
    size_t from = out->len;

    spf_macro_expand(text, values, out);
    if (out->len > from && out->ptr[out->len - 1] == '.')
        out->len--;
    struct str name = str_skip(buf_str(out), from);
    while (name.len > NAME_MAX_HERE) {
        ptrdiff_t dot = str_find(name, '.');
        if (dot < 0)
            break;
        name = str_skip(name, (size_t)dot + 1);
    }
    size_t drop = out->len - from - name.len;
    for (size_t i = 0; i < name.len; i++)
        out->ptr[from + i] = ascii_lower(out->ptr[from + drop + i]);
    out->len -= drop;
}
