/* SPDX-License-Identifier: ISC */
/* value_list.c: lists of names and of addresses; see value.h. */
#include "config/value.h"

/* ---- names and paths ---- */

static bool parse_one(struct place place, const struct value_type *type, struct str text,
                      struct buf *why)
{
    struct config_strings *list = place.at;

    if (list->count == CONFIG_LIST_MAX) {
        buf_add_format(why, "at most %d of them", CONFIG_LIST_MAX);
        return false;
    }
    place.at = &list->item[list->count];
    if (!type->parse(place, text, why))
        return false;
    list->count++;
    return true;
}

static bool parse_domains(struct place place, struct str text, struct buf *why)
{
    return parse_one(place, &value_domain, text, why);
}

static bool parse_paths(struct place place, struct str text, struct buf *why)
{
    return parse_one(place, &value_path, text, why);
}

static void dump_strings(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_strings *list = at;

    buf_add_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add(out, i > 0 ? STR(", ") : STR(""));
        value_domain.dump(item, &list->item[i], out);
    }
    buf_add_byte(out, '}');
}

static void encode_strings(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_strings *list = at;
    (void)item;
    buf_add_u8(out, (uint8_t)list->count);
    for (uint32_t i = 0; i < list->count; i++)
        buf_add_counted(out, list->item[i]);
}

static bool decode_strings(struct place place, struct cursor *cursor)
{
    struct config_strings *list = place.at;
    uint8_t count = cursor_u8(cursor);

    if (count > CONFIG_LIST_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++)
        list->item[i] = arena_str(&place.config->arena, cursor_counted(cursor));
    list->count = count;
    return cursor_ok(cursor);
}

/* ---- addresses ---- */

static bool parse_endpoint(const struct config_item *item, struct str text,
                           struct endpoint *out_endpoint, struct buf *why)
{
    if (item->type == CONFIG_ADDRESSES) {
        if (endpoint_from_ip(text, 0, out_endpoint))
            return true;
        buf_add(why, STR("an address such as 192.0.2.7 or 2001:db8::7"));
        return false;
    }
    if (!endpoint_from_text(text, item->port, out_endpoint))
        buf_add(why, STR("an address with a port such as 192.0.2.7:25 or [2001:db8::7]:25"));
    else if (out_endpoint->port == 0)
        buf_add(why, STR("the port behind the address, such as 192.0.2.7:25 or [2001:db8::7]:25"));
    else
        return true;
    return false;
}

static bool parse_endpoints(struct place place, struct str text, struct buf *why)
{
    struct config_endpoints *list = place.at;
    struct endpoint endpoint;

    if (list->count == CONFIG_LIST_MAX) {
        buf_add_format(why, "at most %d of them", CONFIG_LIST_MAX);
        return false;
    }
    if (!parse_endpoint(place.item, text, &endpoint, why))
        return false;
    for (uint32_t i = 0; i < list->count; i++) {
        if (endpoint_equals(list->item[i], endpoint)) {
            buf_add(why, STR("each address only once"));
            return false;
        }
    }
    list->item[list->count++] = endpoint;
    return true;
}

static void dump_endpoints(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_endpoints *list = at;

    buf_add_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add(out, i > 0 ? STR(", \"") : STR("\""));
        if (item->type == CONFIG_ADDRESSES)
            endpoint_add_ip(out, list->item[i]);
        else
            endpoint_add_text(out, list->item[i]);
        buf_add_byte(out, '"');
    }
    buf_add_byte(out, '}');
}

static void encode_endpoints(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_endpoints *list = at;
    (void)item;
    buf_add_u8(out, (uint8_t)list->count);
    for (uint32_t i = 0; i < list->count; i++)
        endpoint_encode(out, list->item[i]);
}

static bool decode_endpoints(struct place place, struct cursor *cursor)
{
    struct config_endpoints *list = place.at;
    uint8_t count = cursor_u8(cursor);

    if (count > CONFIG_LIST_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++)
        list->item[i] = endpoint_decode(cursor);
    list->count = count;
    return cursor_ok(cursor);
}

/* ---- blocklists ---- */

static bool cut_octet(struct str *text, uint8_t *out_octet)
{
    uint64_t number;
    size_t digits = 0;

    while (digits < text->len && ascii_is_digit(text->ptr[digits]))
        digits++;
    if (!str_to_u64(str_first(*text, digits), UINT8_MAX, &number))
        return false;
    *text = str_skip(*text, digits);
    *out_octet = (uint8_t)number;
    return true;
}

/* "=127.0.0.LOW", "=127.0.0.LOW-HIGH", "*WEIGHT" behind the zone. */
static bool parse_rest(struct str rest, struct config_dnsbl *dnsbl)
{
    if (str_starts(rest, STR("=127.0.0."))) {
        rest = str_skip(rest, 9);
        if (!cut_octet(&rest, &dnsbl->low))
            return false;
        dnsbl->high = dnsbl->low;
        if (str_starts(rest, STR("-"))) {
            rest = str_skip(rest, 1);
            if (!cut_octet(&rest, &dnsbl->high))
                return false;
        }
    }
    if (str_starts(rest, STR("*"))) {
        rest = str_skip(rest, 1);
        if (!cut_octet(&rest, &dnsbl->weight))
            return false;
    }
    return rest.len == 0 && dnsbl->low <= dnsbl->high && dnsbl->weight > 0;
}

static bool parse_dnsbls(struct place place, struct str text, struct buf *why)
{
    struct config_dnsbls *list = place.at;
    struct config_dnsbl dnsbl = { .low = 2, .high = 254, .weight = 1 };
    size_t end = 0;

    if (list->count == CONFIG_DNSBL_MAX) {
        buf_add_format(why, "at most %d of them", CONFIG_DNSBL_MAX);
        return false;
    }
    while (end < text.len && text.ptr[end] != '=' && text.ptr[end] != '*')
        end++;
    place.at = &dnsbl.zone;
    if (!value_domain.parse(place, str_first(text, end), why))
        return false;
    if (!parse_rest(str_skip(text, end), &dnsbl)) {
        buf_add(why, STR("a zone such as bl.example.org, bl.example.org=127.0.0.2-11 or "
                         "bl.example.org*2"));
        return false;
    }
    list->item[list->count++] = dnsbl;
    return true;
}

static void dump_dnsbls(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_dnsbls *list = at;

    (void)item;
    buf_add_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        const struct config_dnsbl *dnsbl = &list->item[i];
        buf_add_format(out, "%s\"%.*s=127.0.0.%u-%u*%u\"", i > 0 ? ", " : "", STR_FMT(dnsbl->zone),
                       dnsbl->low, dnsbl->high, dnsbl->weight);
    }
    buf_add_byte(out, '}');
}

static void encode_dnsbls(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_dnsbls *list = at;

    (void)item;
    buf_add_u8(out, (uint8_t)list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add_counted(out, list->item[i].zone);
        buf_add_u8(out, list->item[i].low);
        buf_add_u8(out, list->item[i].high);
        buf_add_u8(out, list->item[i].weight);
    }
}

static bool decode_dnsbls(struct place place, struct cursor *cursor)
{
    struct config_dnsbls *list = place.at;
    uint8_t count = cursor_u8(cursor);

    if (count > CONFIG_DNSBL_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        list->item[i].zone = arena_str(&place.config->arena, cursor_counted(cursor));
        list->item[i].low = cursor_u8(cursor);
        list->item[i].high = cursor_u8(cursor);
        list->item[i].weight = cursor_u8(cursor);
    }
    list->count = count;
    return cursor_ok(cursor);
}

/* ---- filters ---- */

/* As long as a socket's path may be (unix(7)), with its end. */
static bool is_socket_path(struct str path)
{
    return path.len > 1 && path.len < 108 && path.ptr[0] == '/' && str_find(path, '\0') < 0;
}

static bool parse_milters(struct place place, struct str text, struct buf *why)
{
    struct config_milters *list = place.at;
    struct config_milter milter = { 0 };
    struct str socket = text;
    struct str name = STR_NONE;

    if (list->count == CONFIG_MILTERS_MAX) {
        buf_add_format(why, "at most %d of them", CONFIG_MILTERS_MAX);
        return false;
    }
    (void)str_cut(&socket, '=', &name);
    bool is_unix = str_starts(socket, STR("unix:"));
    if (!setting_is_name(name) ||
        (is_unix ? !is_socket_path(str_skip(socket, 5))
                 : !endpoint_from_text(socket, 0, &milter.endpoint) || milter.endpoint.port == 0)) {
        buf_add(why, STR("a filter such as rspamd=unix:/run/rspamd/milter.sock or "
                         "clamav=127.0.0.1:7357"));
        return false;
    }
    if (config_find_milter(place.config, name) != NULL) {
        buf_add(why, STR("each name once"));
        return false;
    }
    milter.name = arena_str(&place.config->arena, name);
    if (is_unix)
        milter.path = arena_str(&place.config->arena, str_skip(socket, 5));
    list->item[list->count++] = milter;
    return true;
}

static void dump_milters(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_milters *list = at;

    (void)item;
    buf_add_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++) {
        const struct config_milter *milter = &list->item[i];
        buf_add_format(out, "%s\"%.*s=", i > 0 ? ", " : "", STR_FMT(milter->name));
        if (milter->path.len > 0)
            buf_add_format(out, "unix:%.*s", STR_FMT(milter->path));
        else
            endpoint_add_text(out, milter->endpoint);
        buf_add_byte(out, '"');
    }
    buf_add_byte(out, '}');
}

static void encode_milters(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_milters *list = at;

    (void)item;
    buf_add_u8(out, (uint8_t)list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add_counted(out, list->item[i].name);
        buf_add_counted(out, list->item[i].path);
        endpoint_encode(out, list->item[i].endpoint);
    }
}

static bool decode_milters(struct place place, struct cursor *cursor)
{
    struct config_milters *list = place.at;
    struct arena *arena = &place.config->arena;
    uint8_t count = cursor_u8(cursor);

    if (count > CONFIG_MILTERS_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        struct str name = cursor_counted(cursor);
        struct str path = cursor_counted(cursor);
        list->item[i] = (struct config_milter){ arena_str(arena, name), arena_str(arena, path),
                                                endpoint_decode(cursor) };
        if (!setting_is_name(name) || (path.len > 0 && !is_socket_path(path)))
            return false;
    }
    list->count = count;
    return cursor_ok(cursor);
}

/* ---- authorities ---- */

static bool is_file_path(struct str path)
{
    return path.len > 1 && path.len < 4096 && path.ptr[0] == '/' && str_find(path, '\0') < 0;
}

static bool parse_authorities(struct place place, struct str text, struct buf *why)
{
    struct config_authorities *list = place.at;
    struct str path = text;
    struct str name = STR_NONE;

    if (list->count == CONFIG_AUTHORITIES_MAX) {
        buf_add_format(why, "at most %d of them", CONFIG_AUTHORITIES_MAX);
        return false;
    }
    (void)str_cut(&path, '=', &name);
    if (!setting_is_name(name) || !is_file_path(path)) {
        buf_add(why, STR("an authority such as office=/etc/holdfast/office-ca.pem"));
        return false;
    }
    if (config_find_authority(place.config, name) != NULL) {
        buf_add(why, STR("each name once"));
        return false;
    }
    list->item[list->count++] = (struct config_authority){ arena_str(&place.config->arena, name),
                                                           arena_str(&place.config->arena, path) };
    return true;
}

static void dump_authorities(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_authorities *list = at;

    (void)item;
    buf_add_byte(out, '{');
    for (uint32_t i = 0; i < list->count; i++)
        buf_add_format(out, "%s\"%.*s=%.*s\"", i > 0 ? ", " : "", STR_FMT(list->item[i].name),
                       STR_FMT(list->item[i].path));
    buf_add_byte(out, '}');
}

static void encode_authorities(const struct config_item *item, const void *at, struct buf *out)
{
    const struct config_authorities *list = at;

    (void)item;
    buf_add_u8(out, (uint8_t)list->count);
    for (uint32_t i = 0; i < list->count; i++) {
        buf_add_counted(out, list->item[i].name);
        buf_add_counted(out, list->item[i].path);
    }
}

static bool decode_authorities(struct place place, struct cursor *cursor)
{
    struct config_authorities *list = place.at;
    struct arena *arena = &place.config->arena;
    uint8_t count = cursor_u8(cursor);

    if (count > CONFIG_AUTHORITIES_MAX)
        return false;
    for (uint8_t i = 0; i < count; i++) {
        struct str name = cursor_counted(cursor);
        struct str path = cursor_counted(cursor);
        list->item[i] = (struct config_authority){ arena_str(arena, name), arena_str(arena, path) };
        if (!setting_is_name(name) || !is_file_path(path))
            return false;
    }
    list->count = count;
    return cursor_ok(cursor);
}

/* ---- the types ---- */

const struct value_type value_domains = { true, parse_domains, dump_strings, encode_strings,
                                          decode_strings };
const struct value_type value_paths = { true, parse_paths, dump_strings, encode_strings,
                                        decode_strings };
const struct value_type value_endpoints = { true, parse_endpoints, dump_endpoints, encode_endpoints,
                                            decode_endpoints };
const struct value_type value_dnsbls = { true, parse_dnsbls, dump_dnsbls, encode_dnsbls,
                                         decode_dnsbls };
const struct value_type value_milters = { true, parse_milters, dump_milters, encode_milters,
                                          decode_milters };
const struct value_type value_authorities = { true, parse_authorities, dump_authorities,
                                              encode_authorities, decode_authorities };
