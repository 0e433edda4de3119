/* SPDX-License-Identifier: ISC */
/* language.c: see language.h. */
#include "notify/language.h"

enum {
    LOOKED_AT = 500, /* octets of a field */
    QUALITY_ONE = 1000,
};

const char *language_tag(enum language language)
{
    static const char *const tag[] = { "en", "de" };
    return tag[language];
}

static struct str value_of(const struct header *header, struct str name)
{
    const struct header_field *field = header_find(header, name);
    return field != NULL ? str_first(field->value, LOOKED_AT) : STR_NONE;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct str trim(struct str text)
{
    while (text.len > 0 && is_blank(text.ptr[0]))
        text = str_skip(text, 1);
    while (text.len > 0 && is_blank(text.ptr[text.len - 1]))
        text.len--;
    return text;
}

/* "de", "de-AT", but not "den". */
static bool is_tag_of(struct str tag, struct str primary)
{
    return str_starts_nocase(tag, primary) &&
           (tag.len == primary.len || tag.ptr[primary.len] == '-');
}

static bool is_tag(struct str tag)
{
    return tag.len >= 2 && ascii_is_alpha(tag.ptr[0]) && ascii_is_alpha(tag.ptr[1]);
}

/* The first of its languages that is ours; a third one alone is English. */
static bool by_content_language(struct str value, enum language *out)
{
    struct str item;
    bool found = false;

    while (str_cut(&value, ',', &item)) {
        item = trim(item);
        if (is_tag_of(item, STR("de")) || is_tag_of(item, STR("en"))) {
            *out = is_tag_of(item, STR("de")) ? LANGUAGE_DE : LANGUAGE_EN;
            return true;
        }
        found |= is_tag(item);
    }
    if (found)
        *out = LANGUAGE_EN;
    return found;
}

/* ";q=0.7" in thousandths; 0 for what is none. */
static unsigned quality_of(struct str parameter)
{
    unsigned quality = 0;

    parameter = trim(parameter);
    if (parameter.len == 0)
        return QUALITY_ONE;
    if (!str_starts_nocase(parameter, STR("q=")) || parameter.len < 3)
        return 0;
    if (parameter.ptr[2] == '1')
        return QUALITY_ONE;
    for (size_t i = 4, weight = 100; i < parameter.len && weight > 0; i++, weight /= 10) {
        if (!ascii_is_digit(parameter.ptr[i]))
            return quality;
        quality += (unsigned)(parameter.ptr[i] - '0') * (unsigned)weight;
    }
    return quality;
}

/* The better liked of ours, the first of equals. */
static bool by_accept_language(struct str value, enum language *out)
{
    unsigned best = 0;
    bool found = false;
    struct str item;

    while (str_cut(&value, ',', &item)) {
        struct str tag = STR_NONE;
        if (!str_cut(&item, ';', &tag))
            continue;
        tag = trim(tag);
        unsigned quality = quality_of(item);
        bool is_german = is_tag_of(tag, STR("de"));
        if ((!is_german && !is_tag_of(tag, STR("en"))) || quality <= best)
            continue;
        best = quality;
        *out = is_german ? LANGUAGE_DE : LANGUAGE_EN;
        found = true;
    }
    return found;
}

/* The value of charset= in a Content-Type, without quotes. */
static struct str charset_of(struct str value)
{
    struct str parameter;

    (void)str_cut(&value, ';', &parameter); /* the type */
    while (str_cut(&value, ';', &parameter)) {
        parameter = trim(parameter);
        if (!str_starts_nocase(parameter, STR("charset=")))
            continue;
        parameter = str_skip(parameter, 8);
        if (parameter.len >= 2 && parameter.ptr[0] == '"')
            parameter = str_first(str_skip(parameter, 1), parameter.len - 2);
        return parameter;
    }
    return STR_NONE;
}

/* The charset of the first encoded word (RFC 2047), if there is one. */
static struct str charset_of_word(struct str value)
{
    for (size_t i = 0; i + 2 < value.len; i++) {
        struct str rest = str_skip(value, i);
        if (!str_starts(rest, STR("=?")))
            continue;
        rest = str_skip(rest, 2);
        ptrdiff_t end = str_find(rest, '?');
        return str_first(rest, end > 0 ? (size_t)end : 0);
    }
    return STR_NONE;
}

/* Western charsets and Unicode say nothing, for half the world writes in them. */
static bool by_charset(struct str charset, enum language *out)
{
    static const char *const foreign[] = {
        "koi8",       "windows-1251", "windows-1253", "windows-1255", "windows-1256", "windows-874",
        "iso-8859-5", "iso-8859-6",   "iso-8859-7",   "iso-8859-8",   "iso-8859-11",  "iso-2022",
        "gb",         "big5",         "euc-",         "shift_jis",    "ks_c",         "tis-620",
    };

    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
        if (str_starts_nocase(charset, str_from(foreign[i]))) {
            *out = LANGUAGE_EN;
            return true;
        }
    return false;
}

static bool by_domain(struct str sender, enum language *out)
{
    static const char *const german[] = { ".de", ".at", ".ch", ".li" };

    if (sender.len > 0 && sender.ptr[sender.len - 1] == '.')
        sender.len--;
    for (size_t i = 0; i < sizeof german / sizeof *german; i++)
        if (str_ends_nocase(sender, str_from(german[i]))) {
            *out = LANGUAGE_DE;
            return true;
        }
    return false;
}

enum language language_of(const struct header *header, struct str sender, enum language fallback)
{
    enum language language = fallback;

    if (by_content_language(value_of(header, STR("Content-Language")), &language) ||
        by_accept_language(value_of(header, STR("Accept-Language")), &language) ||
        by_charset(charset_of(value_of(header, STR("Content-Type"))), &language) ||
        by_charset(charset_of_word(value_of(header, STR("Subject"))), &language) ||
        by_domain(sender, &language))
        return language;
    return fallback;
}
