/* SPDX-License-Identifier: ISC */
/* xclient.c: see xclient.h. */
#include "wire/xclient.h"

#include "wire/xtext.h"

enum { COMMAND_MAX = 510, VALUE_MAX = 400 }; /* without the line's end */

static const struct {
    struct str name;
    enum xclient_attribute attribute;
} attributes_known[] = {
    { { "NAME", 4 }, XCLIENT_NAME }, { { "ADDR", 4 }, XCLIENT_ADDR },
    { { "PORT", 4 }, XCLIENT_PORT }, { { "PROTO", 5 }, XCLIENT_PROTO },
    { { "HELO", 4 }, XCLIENT_HELO },
};

unsigned xclient_attributes_parse(struct str text)
{
    struct str word = STR_NONE;
    unsigned attributes = 0;

    while (text.len > 0 && str_cut(&text, ' ', &word))
        for (size_t i = 0; i < sizeof attributes_known / sizeof *attributes_known; i++)
            if (str_equals_nocase(word, attributes_known[i].name))
                attributes |= (unsigned)attributes_known[i].attribute;
    return attributes;
}

/* One that would fill the line says nothing that a filter could use. */
static void add_value(struct buf *out, struct str value)
{
    size_t before = out->len;

    xtext_add(out, value);
    if (value.len > 0 && out->len - before <= VALUE_MAX)
        return;
    out->len = before;
    buf_add(out, STR("[UNAVAILABLE]"));
}

static void add_address(struct buf *out, struct endpoint client)
{
    if (client.family == ENDPOINT_IP6)
        buf_add(out, STR("IPV6:"));
    endpoint_add_ip(out, client);
}

static void add_attribute(struct buf *out, enum xclient_attribute attribute,
                          const struct xclient *who)
{
    switch (attribute) {
    case XCLIENT_NAME:
        buf_add(out, STR(" NAME="));
        add_value(out, who->name);
        return;
    case XCLIENT_HELO:
        buf_add(out, STR(" HELO="));
        add_value(out, who->helo);
        return;
    case XCLIENT_PROTO:
        buf_add(out, who->is_extended ? STR(" PROTO=ESMTP") : STR(" PROTO=SMTP"));
        return;
    case XCLIENT_PORT:
        buf_add_format(out, " PORT=%u", (unsigned)who->client.port);
        return;
    case XCLIENT_ADDR:
        buf_add(out, STR(" ADDR="));
        add_address(out, who->client);
        return;
    }
}

void xclient_add_commands(struct buf *out, unsigned attributes, const struct xclient *who)
{
    static const enum xclient_attribute order[] = { XCLIENT_NAME, XCLIENT_HELO, XCLIENT_PROTO,
                                                    XCLIENT_PORT, XCLIENT_ADDR };
    struct buf line = { 0 };
    struct buf one = { 0 };

    if (!(attributes & XCLIENT_ADDR) || who->client.family == ENDPOINT_NONE)
        return;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        if (!(attributes & (unsigned)order[i]))
            continue;
        buf_reset(&one);
        add_attribute(&one, order[i], who);
        if (line.len > 0 && line.len + one.len > COMMAND_MAX) {
            buf_add(out, buf_str(&line));
            buf_add(out, STR("\r\n"));
            buf_reset(&line);
        }
        if (line.len == 0)
            buf_add(&line, STR("XCLIENT"));
        buf_add(&line, buf_str(&one));
    }
    buf_add(out, buf_str(&line));
    buf_add(out, STR("\r\n"));
    buf_fini(&line);
    buf_fini(&one);
}
