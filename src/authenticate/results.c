/* SPDX-License-Identifier: ISC */
/* results.c: see results.h. */
#include "authenticate/results.h"

#define FOLD ";\r\n\t"

enum {
    VALUE_MAX = 320,      /* the longest address */
    LINE_SHARED_MAX = 60, /* longer ones have a line of their own: none reaches 998 octets */
};

static bool is_plain(char c)
{
    return ascii_is_alnum(c) || str_find(STR("!#$%&'*+-/=?^_`{|}~.@:[]"), c) >= 0;
}

/* A word, or a quoted string (2.2). What cannot be printed is not repeated. */
static void add_value(struct buf *out, struct str value)
{
    bool quotes = value.len == 0;

    for (size_t i = 0; i < value.len; i++)
        quotes = quotes || !is_plain(value.ptr[i]);
    if (!quotes) {
        buf_add(out, value);
        return;
    }
    buf_add_byte(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c == '"' || c == '\\')
            buf_add_byte(out, '\\');
        buf_add_byte(out, c < 0x20 || c >= 0x7f ? '?' : (char)c);
    }
    buf_add_byte(out, '"');
}

/* What a sender wrote may be of any length; a line of a header may not (RFC 5322 2.1.1). */
static void add_property(struct buf *out, const char *name, struct str value)
{
    if (value.len == 0 || value.len > VALUE_MAX)
        return;
    buf_add(out, value.len > LINE_SHARED_MAX ? STR("\r\n\t") : STR(" "));
    buf_add(out, str_from(name));
    buf_add_byte(out, '=');
    add_value(out, value);
}

static void add_reason(struct buf *out, struct str why)
{
    if (why.len == 0)
        return;
    buf_add(out, STR(" reason=\""));
    for (size_t i = 0; i < why.len; i++)
        if (why.ptr[i] >= ' ' && why.ptr[i] < 0x7f && why.ptr[i] != '"' && why.ptr[i] != '\\')
            buf_add_byte(out, why.ptr[i]);
    buf_add_byte(out, '"');
}

static void add_result(struct buf *out, const char *method, const char *result)
{
    buf_add(out, STR(FOLD));
    buf_add(out, str_from(method));
    buf_add_byte(out, '=');
    buf_add(out, str_from(result));
}

static void add_spf(struct buf *out, const struct results *results)
{
    add_result(out, "spf", spf_result_name(results->spf.result));
    if (results->sender.len > 0)
        add_property(out, "smtp.mailfrom", results->sender);
    else
        add_property(out, "smtp.helo", results->helo);
}

static void add_signature(struct buf *out, const struct dkim_verdict *verdict)
{
    add_result(out, "dkim", dkim_result_name(verdict->result));
    if (verdict->key_bits > 0)
        buf_add_format(out, " (%u-bit key%s)", verdict->key_bits,
                       verdict->is_testing ? ", testing" : "");
    add_reason(out, str_from(verdict->why));
    add_property(out, "header.d", verdict->domain);
    add_property(out, "header.i", verdict->identity);
    add_property(out, "header.s", verdict->selector);
    add_property(out, "header.a", verdict->algorithm);
    add_property(out, "header.b", verdict->start);
}

static void add_dmarc(struct buf *out, const struct results *results)
{
    const struct dmarc_verdict *verdict = &results->dmarc;

    add_result(out, "dmarc", dmarc_result_name(verdict->result));
    if (verdict->record_domain.len > 0)
        buf_add_format(out, " (p=%s)", dmarc_policy_name(verdict->published));
    add_property(out, "header.from", results->author);
}

static void add_arc(struct buf *out, const struct arc *arc)
{
    add_result(out, "arc", arc_result_name(arc->result));
    if (arc->result == ARC_PASS)
        buf_add_format(out, " (i=%u)", arc->count);
    add_reason(out, str_from(arc->why));
}

void results_add_value(struct buf *out, const struct results *results)
{
    buf_add(out, results->authserv_id);
    add_spf(out, results);
    for (unsigned i = 0; i < results->dkim->count; i++)
        add_signature(out, &results->dkim->verdict[i]);
    if (results->dkim->count == 0)
        buf_add(out, STR(FOLD "dkim=none"));
    add_dmarc(out, results);
    add_arc(out, results->arc);
}

void results_add_field(struct buf *out, const struct results *results)
{
    buf_add(out, STR("Authentication-Results: "));
    results_add_value(out, results);
    buf_add(out, STR("\r\n"));
}

/* ---- others' ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* White space and comments. */
static struct str skip_space(struct str text)
{
    unsigned depth = 0;
    size_t at = 0;

    for (; at < text.len; at++) {
        char c = text.ptr[at];
        if (c == '\\' && depth > 0)
            at++;
        else if (c == '(')
            depth++;
        else if (c == ')' && depth > 0)
            depth--;
        else if (depth == 0 && !is_space(c))
            break;
    }
    return str_skip(text, at);
}

bool results_claims(struct str value, struct str authserv_id)
{
    struct buf id = { 0 };
    struct str text = skip_space(value);
    bool is_quoted = text.len > 0 && text.ptr[0] == '"';

    for (size_t i = is_quoted ? 1 : 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (is_quoted ? c == '"' : is_space(c) || c == ';' || c == '(')
            break;
        if (is_quoted && c == '\\' && i + 1 < text.len)
            c = text.ptr[++i];
        buf_add_byte(&id, c);
    }
    if (id.len > 0 && id.ptr[id.len - 1] == '.')
        id.len--;
    bool claims = str_equals_nocase(buf_str(&id), authserv_id);
    buf_fini(&id);
    return claims;
}

bool results_are_forged(const struct header_field *field, struct str authserv_id)
{
    return header_is(field, STR("Authentication-Results")) &&
           results_claims(field->value, authserv_id);
}
