/* SPDX-License-Identifier: ISC */
/* url.c: see url.h. */
#include "base/url.h"

enum { HOST_SIZE_MAX = 253, LABEL_SIZE_MAX = 63, HTTP_PORT = 80, HTTPS_PORT = 443 };

static bool cut_scheme(struct str *text, bool *out_is_tls)
{
    static const struct {
        struct str scheme;
        bool is_tls;
    } schemes[] = { { { "https://", 8 }, true }, { { "http://", 7 }, false } };

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (str_starts_nocase(*text, schemes[i].scheme)) {
            *text = str_skip(*text, schemes[i].scheme.len);
            *out_is_tls = schemes[i].is_tls;
            return true;
        }
    return false;
}

/* Characters of path and query (RFC 3986 3.3, 3.4); a percent sign has two digits behind it. */
static bool is_target(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '%' &&
            (i + 2 >= text.len || !ascii_is_hex(text.ptr[i + 1]) || !ascii_is_hex(text.ptr[i + 2])))
            return false;
        if (!ascii_is_alnum(c) && str_find(STR("-._~!&'()*+,;=:@/?%"), c) < 0)
            return false;
    }
    return text.len == 0 || text.ptr[0] == '/' || text.ptr[0] == '?';
}

static bool is_label(struct str label)
{
    for (size_t i = 0; i < label.len; i++)
        if (!ascii_is_alnum(label.ptr[i]) && label.ptr[i] != '-')
            return false;
    return label.len > 0 && label.len <= LABEL_SIZE_MAX && label.ptr[0] != '-' &&
           label.ptr[label.len - 1] != '-';
}

/* Of a name the last label begins with a letter and is no hexadecimal number: so no reader takes it
 * for an address. */
static bool is_name(struct str host)
{
    struct str rest = host;
    struct str label = STR_NONE;

    while (str_cut(&rest, '.', &label))
        if (!is_label(label))
            return false;
    return host.len > 0 && host.len <= HOST_SIZE_MAX && ascii_is_alpha(label.ptr[0]);
}

static bool take_host(struct str host, bool in_brackets, struct url *url)
{
    url->host = host;
    url->is_address = endpoint_from_ip(host, url->port, &url->endpoint);
    if (url->is_address)
        return in_brackets == (str_find(host, ':') >= 0);
    return !in_brackets && is_name(host);
}

static bool take_port(struct str text, struct url *url)
{
    uint64_t port = url->is_tls ? HTTPS_PORT : HTTP_PORT;

    if (text.len > 0 &&
        (text.ptr[0] != ':' || !str_to_u64(str_skip(text, 1), UINT16_MAX, &port) || port == 0))
        return false;
    url->port = (uint16_t)port;
    return true;
}

static bool take_authority(struct str text, struct url *url)
{
    bool in_brackets = text.len > 0 && text.ptr[0] == '[';
    ptrdiff_t end = str_find(text, in_brackets ? ']' : ':');

    if (in_brackets && end < 0)
        return false;
    struct str host = end < 0 ? text : str_first(text, (size_t)end);
    struct str port = str_skip(text, host.len + in_brackets);
    return take_port(port, url) && take_host(str_skip(host, in_brackets), in_brackets, url);
}

bool url_parse(struct str text, struct url *out_url)
{
    struct url url = { 0 };

    if (!cut_scheme(&text, &url.is_tls))
        return false;
    size_t authority = 0;
    while (authority < text.len && text.ptr[authority] != '/' && text.ptr[authority] != '?')
        authority++;
    url.target = str_skip(text, authority);
    if (!is_target(url.target) || !take_authority(str_first(text, authority), &url))
        return false;
    *out_url = url;
    return true;
}
