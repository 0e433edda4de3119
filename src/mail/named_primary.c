/* SPDX-License-Identifier: ISC */
/* named_primary.c: see named_primary.h. */
#include "mail/named_primary.h"

#include <inttypes.h>

#include "mail/domain.h"

static const char *const word_of[SECURITY_LEVELS] = {
    [SECURITY_CLEAR] = "no",
    [SECURITY_MAY] = "may",
    [SECURITY_MUST] = "must",
    [SECURITY_NAME] = "name",
};

/* ---- reading ---- */

static bool read_port(struct str text, uint16_t *out_port)
{
    uint64_t port;

    if (!str_to_u64(text, UINT16_MAX, &port) || port == 0)
        return false;
    *out_port = (uint16_t)port;
    return true;
}

static bool read_place(struct str text, struct named_primary *primary)
{
    ptrdiff_t colon = str_find_last(text, ':');

    primary->calls = str_equals_nocase(text, STR("agent"));
    if (primary->calls)
        return true;
    if (endpoint_from_text(text, primary->port, &primary->endpoint))
        return primary->endpoint.port > 0;
    primary->endpoint = (struct endpoint){ 0 };
    primary->host = colon >= 0 ? str_first(text, (size_t)colon) : text;
    return primary->host.len > 0 &&
           (colon < 0 || read_port(str_skip(text, (size_t)colon + 1), &primary->port));
}

static bool read_level(struct str value, struct named_primary *primary)
{
    for (int level = 0; level < SECURITY_LEVELS; level++)
        if (word_of[level] != NULL && str_equals(value, str_from(word_of[level]))) {
            primary->has_level = true;
            primary->level = (enum security_level)level;
            return true;
        }
    return false;
}

static bool read_from_start(struct str value, struct named_primary *primary)
{
    primary->has_from_start = true;
    primary->from_start = str_equals(value, STR("yes"));
    return primary->from_start || str_equals(value, STR("no"));
}

static bool read_pin(struct str value, struct named_primary *primary)
{
    primary->has_no_pins = str_equals(value, STR("none"));
    if (primary->has_no_pins)
        return primary->pin_count == 0;
    return primary->pin_count < NAMED_PRIMARY_PINS_MAX &&
           security_pin_parse(value, &primary->pin[primary->pin_count++]);
}

static bool read_setting(struct str text, struct named_primary *primary)
{
    struct str name;

    (void)str_cut(&text, '=', &name);
    if (str_equals(name, STR("tls")))
        return read_level(text, primary);
    if (str_equals(name, STR("tls-from-start")))
        return read_from_start(text, primary);
    if (str_equals(name, STR("tls-pin")))
        return read_pin(text, primary);
    primary->tls_name = text;
    return str_equals(name, STR("tls-name")) && text.len > 0;
}

enum named_primary_fault named_primary_parse(struct str text, struct named_primary *out_primary)
{
    struct str part = STR_NONE;

    *out_primary = (struct named_primary){ .port = SMTP_PORT };
    (void)str_cut(&text, ',', &part);
    if (!read_place(part, out_primary))
        return NAMED_PRIMARY_NO_HOST;
    if (out_primary->endpoint.family != ENDPOINT_NONE)
        out_primary->port = out_primary->endpoint.port;
    while (str_cut(&text, ',', &part))
        if (out_primary->calls || !read_setting(part, out_primary))
            return NAMED_PRIMARY_NO_SETTING;
    return NAMED_PRIMARY_FINE;
}

struct str named_primary_place(struct str text)
{
    struct str place = STR_NONE;

    (void)str_cut(&text, ',', &place);
    return place;
}

bool named_primary_is(const struct named_primary *primary, struct str host,
                      struct endpoint endpoint)
{
    if (primary->endpoint.family != ENDPOINT_NONE)
        return endpoint_equals(primary->endpoint, endpoint);
    return domain_equals(primary->host, host) && primary->port == endpoint.port;
}

/* ---- its one spelling ---- */

static bool add_name(struct buf *out, struct str name)
{
    struct buf normal = { 0 };
    bool valid = domain_normalise(name, &normal) && str_find(buf_str(&normal), '.') > 0;

    buf_add(out, buf_str(&normal));
    buf_fini(&normal);
    return valid;
}

/* The port as it was given. */
static bool add_place(struct buf *out, struct str place, const struct named_primary *primary)
{
    if (primary->calls)
        buf_add(out, STR("agent"));
    else if (primary->host.len == 0)
        buf_add(out, place);
    else if (!add_name(out, primary->host))
        return false;
    if (primary->host.len > 0 && primary->host.len < place.len)
        buf_add_format(out, ":%" PRIu16, primary->port);
    return true;
}

static bool add_settings(struct buf *out, const struct named_primary *primary)
{
    if (primary->has_level)
        buf_add_format(out, ",tls=%s", word_of[primary->level]);
    if (primary->has_from_start)
        buf_add_format(out, ",tls-from-start=%s", primary->from_start ? "yes" : "no");
    for (uint32_t i = 0; i < primary->pin_count; i++) {
        buf_add(out, STR(",tls-pin="));
        security_pin_add_text(out, &primary->pin[i]);
    }
    if (primary->tls_name.len == 0)
        return true;
    buf_add(out, STR(",tls-name="));
    return add_name(out, primary->tls_name);
}

enum named_primary_fault named_primary_normalise(struct str text, struct buf *out)
{
    struct named_primary primary;
    enum named_primary_fault fault = named_primary_parse(text, &primary);

    buf_reset(out);
    if (fault != NAMED_PRIMARY_FINE)
        return fault;
    if (!add_place(out, named_primary_place(text), &primary))
        return NAMED_PRIMARY_NO_HOST;
    return add_settings(out, &primary) ? NAMED_PRIMARY_FINE : NAMED_PRIMARY_NO_SETTING;
}

/* ---- pins that come later ---- */

void named_primary_add_pin(struct buf *text, const struct security_pin *pin)
{
    struct buf longer = { 0 };
    struct buf normal = { 0 };

    buf_add(&longer, buf_str(text));
    buf_add(&longer, STR(",tls-pin="));
    security_pin_add_text(&longer, pin);
    if (named_primary_normalise(buf_str(&longer), &normal) == NAMED_PRIMARY_FINE) {
        buf_reset(text);
        buf_add(text, buf_str(&normal));
    }
    buf_fini(&normal);
    buf_fini(&longer);
}

void named_primary_keep_pins(struct buf *text, struct str before)
{
    struct named_primary was;

    if (!str_equals(named_primary_place(buf_str(text)), named_primary_place(before)) ||
        named_primary_parse(before, &was) != NAMED_PRIMARY_FINE)
        return;
    for (uint32_t i = 0; i < was.pin_count; i++)
        named_primary_add_pin(text, &was.pin[i]);
}
