/* SPDX-License-Identifier: ISC */
/* domain.c: see domain.h. */
#include "mail/domain.h"

#include <idn2.h>
#include <string.h>

static bool label_is_valid(struct str label)
{
    if (label.len == 0 || label.len > DOMAIN_LABEL_MAX)
        return false;
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-' && label.ptr[i] != '_')
            return false;
    return label.ptr[0] != '-' && label.ptr[label.len - 1] != '-';
}

static struct str without_final_dot(struct str name)
{
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    return name;
}

static bool is_numeric(struct str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_digit(label.ptr[i]))
            return false;
    return true;
}

bool domain_is_valid(struct str name)
{
    struct str rest = without_final_dot(name);
    struct str label = STR_NONE;

    if (rest.len == 0 || rest.len > DOMAIN_SIZE_MAX)
        return false;
    while (str_cut(&rest, '.', &label))
        if (!label_is_valid(label))
            return false;
    return !is_numeric(label); /* no top-level domain is a number: 192.0.2.1 is not a name */
}

static bool has_high_bytes(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] >= 0x80)
            return true;
    return false;
}

static bool add_a_labels(struct str name, struct buf *out)
{
    char zero_ended[4 * DOMAIN_SIZE_MAX];
    char *ascii = NULL;

    if (name.len >= sizeof zero_ended || memchr(name.ptr, 0, name.len) != NULL)
        return false;
    memcpy(zero_ended, name.ptr, name.len);
    zero_ended[name.len] = '\0';
    if (idn2_to_ascii_8z(zero_ended, &ascii, IDN2_NONTRANSITIONAL) != IDN2_OK)
        return false;
    buf_add(out, str_from(ascii));
    idn2_free(ascii);
    return true;
}

bool domain_normalise(struct str name, struct buf *out)
{
    buf_reset(out);
    name = without_final_dot(name);
    if (name.len == 0 || name.len > 4 * DOMAIN_SIZE_MAX)
        return false;
    if (!has_high_bytes(name))
        buf_add(out, name);
    else if (!add_a_labels(name, out))
        return false;
    for (size_t i = 0; i < out->len; i++)
        out->ptr[i] = ascii_lower(out->ptr[i]);
    /* "x.." has lost one dot already; a second one is not the root's. */
    return domain_is_valid(buf_str(out)) && out->ptr[out->len - 1] != '.';
}

bool domain_equals(struct str a, struct str b)
{
    return str_equals_nocase(without_final_dot(a), without_final_dot(b));
}
