/* SPDX-License-Identifier: ISC */
/* txt_fields.c: see txt_fields.h. */
#include "wire/txt_fields.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool txt_field_is_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool is_mark = i > 0 && (c == '_' || c == '-' || c == '.');
        if (!ascii_is_alnum(c) && !is_mark)
            return false;
    }
    return name.len > 0 && name.len <= TXT_FIELD_NAME_MAX;
}

bool txt_field_is_extension(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '=' || c == ';')
            return false;
    }
    return value.len > 0;
}

bool txt_fields_open(struct str text, struct str version, struct str *out_fields)
{
    struct str field = STR_NONE;

    if (!str_cut(&text, ';', &field) || !str_equals(str_trim(field), version) ||
        is_blank(field.len > 0 ? field.ptr[0] : 'v'))
        return false;
    *out_fields = text;
    return true;
}

enum txt_field txt_fields_next(struct str *fields, struct str *out_name, struct str *out_value)
{
    struct str field = STR_NONE;
    struct str name = STR_NONE;

    if (fields->len == 0)
        return TXT_FIELDS_END;
    bool is_last = str_find(*fields, ';') < 0;
    (void)str_cut(fields, ';', &field);
    field = str_trim(field);
    if (field.len == 0 && is_last)
        return TXT_FIELDS_END;
    if (str_find(field, '=') < 0 || !str_cut(&field, '=', &name) || !txt_field_is_name(name))
        return TXT_FIELDS_BAD;
    *out_name = name;
    *out_value = field;
    return TXT_FIELD;
}
