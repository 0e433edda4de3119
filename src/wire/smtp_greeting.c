/* SPDX-License-Identifier: ISC */
/* smtp_greeting.c: see smtp_greeting.h. */
#include "wire/smtp_greeting.h"

#include "wire/xclient.h"

enum { LIMIT_MAX = 999999 }; /* RFC 9422 3: six digits at most */

/* SIZE alone and SIZE 0 mean that there is no fixed limit (RFC 1870 3). */
static bool parse_size(struct smtp_greeting *greeting, struct str parameters)
{
    uint64_t size = 0;

    if (parameters.len > 0 && !str_to_u64(parameters, UINT64_MAX, &size))
        return false;
    greeting->size_max = size;
    return true;
}

static bool parse_limits(struct smtp_greeting *greeting, struct str parameters)
{
    struct str limit, name;

    while (str_cut(&parameters, ' ', &limit)) {
        uint64_t most;
        if (!str_cut(&limit, '=', &name) || !str_to_u64(limit, LIMIT_MAX, &most))
            continue;
        if (str_equals_nocase(name, STR("RCPTMAX")))
            greeting->recipients_max = (uint32_t)most;
        if (str_equals_nocase(name, STR("MAILMAX")))
            greeting->messages_max = (uint32_t)most;
    }
    return true;
}

static bool parse_xclient(struct smtp_greeting *greeting, struct str parameters)
{
    greeting->xclient = xclient_attributes_parse(parameters);
    return true;
}

static const struct keyword {
    const char *name;
    enum smtp_extension extension;
    bool (*parse)(struct smtp_greeting *greeting, struct str parameters); /* NULL: takes none */
} keywords[] = {
    { "PIPELINING", EXTENSION_PIPELINING, NULL },
    { "CHUNKING", EXTENSION_CHUNKING, NULL },
    { "8BITMIME", EXTENSION_8BITMIME, NULL },
    { "SIZE", EXTENSION_SIZE, parse_size },
    { "STARTTLS", EXTENSION_STARTTLS, NULL },
    { "SMTPUTF8", EXTENSION_SMTPUTF8, NULL },
    { "DSN", EXTENSION_DSN, NULL },
    { "ENHANCEDSTATUSCODES", EXTENSION_ENHANCEDSTATUSCODES, NULL },
    { "REQUIRETLS", EXTENSION_REQUIRETLS, NULL },
    { "XCLIENT", EXTENSION_XCLIENT, parse_xclient },
    { "BINARYMIME", EXTENSION_BINARYMIME, NULL },
    { "LIMITS", EXTENSION_LIMITS, parse_limits },
};

static void parse_line(struct smtp_greeting *greeting, struct str line)
{
    struct str name = STR_NONE;
    struct str parameters = str_trim(line);

    (void)str_cut(&parameters, ' ', &name);
    parameters = str_trim(parameters);
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        const struct keyword *keyword = &keywords[i];
        if (!str_equals_nocase(name, str_from(keyword->name)))
            continue;
        if (keyword->parse == NULL || keyword->parse(greeting, parameters))
            greeting->extensions |= (unsigned)keyword->extension;
    }
}

struct smtp_greeting smtp_greeting_parse(const struct smtp_reply *reply)
{
    struct smtp_greeting greeting = { 0 };
    struct str text = reply->text;
    struct str line = STR_NONE;

    (void)str_cut(&text, '\n', &line);
    (void)str_cut(&line, ' ', &greeting.name);
    while (str_cut(&text, '\n', &line))
        parse_line(&greeting, line);
    return greeting;
}
