/* SPDX-License-Identifier: ISC */
/* tag_list.c: see tag_list.h.
 *
 *     tag-list = tag-spec *( ";" tag-spec ) [ ";" ]
 *     tag-spec = [FWS] tag-name [FWS] "=" [FWS] tag-value [FWS]
 */
#include "authenticate/tag_list.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str text)
{
    while (text.len > 0 && is_space(text.ptr[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_space(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool is_tag_name(struct str name)
{
    if (name.len == 0 || !ascii_is_alpha(name.ptr[0]))
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!ascii_is_alnum(name.ptr[i]) && name.ptr[i] != '_')
            return false;
    return true;
}

/* VALCHAR is printable ASCII; UTF-8 is let pass, for identities (RFC 8616). */
static bool is_tag_value(struct str value)
{
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        if (!is_space(value.ptr[i]) && (c < 0x21 || c == 0x7f))
            return false;
    }
    return true;
}

bool tag_list_parse(struct str text, struct tag_list *out_list)
{
    struct str spec;

    out_list->count = 0;
    text = trim(text);
    if (text.len > 0 && text.ptr[text.len - 1] == ';')
        text.len--;
    while (str_cut(&text, ';', &spec)) {
        ptrdiff_t equals = str_find(spec, '=');
        if (equals < 0 || out_list->count == TAGS_MAX)
            return false;
        struct str name = trim(str_first(spec, (size_t)equals));
        struct str value = trim(str_skip(spec, (size_t)equals + 1));
        for (unsigned i = 0; i < out_list->count; i++)
            if (str_equals(out_list->tag[i].name, name))
                return false;
        if (!is_tag_name(name) || !is_tag_value(value))
            return false;
        out_list->tag[out_list->count].name = name;
        out_list->tag[out_list->count].value = value;
        out_list->count++;
    }
    return out_list->count > 0;
}

static int find(const struct tag_list *list, const char *name)
{
    for (unsigned i = 0; i < list->count; i++)
        if (str_equals(list->tag[i].name, str_from(name)))
            return (int)i;
    return -1;
}

bool tag_list_has(const struct tag_list *list, const char *name)
{
    return find(list, name) >= 0;
}

struct str tag_list_get(const struct tag_list *list, const char *name)
{
    int at = find(list, name);
    return at < 0 ? STR_NONE : list->tag[at].value;
}

void tag_add_packed(struct buf *out, struct str value)
{
    for (size_t i = 0; i < value.len; i++)
        if (!is_space(value.ptr[i]))
            buf_add_byte(out, value.ptr[i]);
}

bool tag_cut_word(struct str *list, char separator, struct str *out_word)
{
    if (!str_cut(list, separator, out_word))
        return false;
    *out_word = trim(*out_word);
    return true;
}

static bool is_in(struct str list, struct str word, bool (*same)(struct str, struct str))
{
    struct str item;
    while (tag_cut_word(&list, ':', &item))
        if (same(item, word))
            return true;
    return false;
}

bool tag_names(struct str list, struct str word)
{
    return is_in(list, word, str_equals);
}

bool tag_names_nocase(struct str list, struct str word)
{
    return is_in(list, word, str_equals_nocase);
}
