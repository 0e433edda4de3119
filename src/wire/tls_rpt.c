/* SPDX-License-Identifier: ISC */
/* tls_rpt.c: see tls_rpt.h. */
#include "wire/tls_rpt.h"

#include "wire/txt_fields.h"

static const struct str version = { "v=TLSRPTv1", 10 };

/* RFC 3986, as far as it matters who reads it: a scheme, something behind it, nothing that is not
 * printable, and percent signs that mean something. */
static bool is_uri(struct str uri)
{
    ptrdiff_t colon = str_find(uri, ':');

    if (colon <= 0 || (size_t)colon + 1 == uri.len || !ascii_is_alpha(uri.ptr[0]))
        return false;
    for (size_t i = 0; i < (size_t)colon; i++)
        if (!ascii_is_alnum(uri.ptr[i]) && str_find(STR("+-."), uri.ptr[i]) < 0)
            return false;
    for (size_t i = (size_t)colon + 1; i < uri.len; i++) {
        char c = uri.ptr[i];
        if (c <= ' ' || c >= 0x7f)
            return false;
        if (c == '%' &&
            (uri.len - i < 3 || !ascii_is_hex(uri.ptr[i + 1]) || !ascii_is_hex(uri.ptr[i + 2])))
            return false;
    }
    return true;
}

bool tls_rpt_is_mail(struct str uri)
{
    return str_starts_nocase(uri, STR("mailto:"));
}

/* Schemes that nobody knows yet are passed over. */
static void take_target(struct str uri, struct tls_rpt_record *record)
{
    bool is_known = tls_rpt_is_mail(uri) || str_starts_nocase(uri, STR("https:"));

    if (is_known && uri.len <= TLS_RPT_URI_MAX && record->target_count < TLS_RPT_TARGETS_MAX)
        record->target[record->target_count++] = uri;
}

static bool take_targets(struct str list, struct tls_rpt_record *record)
{
    struct str uri = STR_NONE;

    while (str_cut(&list, ',', &uri)) {
        uri = str_trim(uri);
        if (!is_uri(uri))
            return false;
        take_target(uri, record);
    }
    return true;
}

bool tls_rpt_record_parse(struct str text, struct tls_rpt_record *out_record)
{
    struct tls_rpt_record record = { 0 };
    struct str fields = STR_NONE;
    struct str name = STR_NONE;
    struct str value = STR_NONE;
    enum txt_field field = TXT_FIELDS_BAD;
    bool has_targets = false;

    if (!txt_fields_open(text, version, &fields))
        return false;
    while ((field = txt_fields_next(&fields, &name, &value)) == TXT_FIELD) {
        bool is_rua = str_equals(name, STR("rua"));
        if (is_rua ? !take_targets(value, &record) : !txt_field_is_extension(value))
            return false;
        has_targets |= is_rua;
    }
    if (field == TXT_FIELDS_BAD || !has_targets)
        return false;
    *out_record = record;
    return true;
}

bool tls_rpt_record_is_meant(struct str text)
{
    return str_starts(text, version);
}
