/* SPDX-License-Identifier: ISC */
/* value_text.c: words, paths, names, yes and no; see value.h. */
#include "config/value.h"

#include "mail/address.h"
#include "mail/domain.h"

static void add_quoted(struct buf *out, struct str text)
{
    buf_add_byte(out, '"');
    buf_add(out, text); /* no text type lets a quotation mark, a backslash or a $ in */
    buf_add_byte(out, '"');
}

static void dump_text(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    add_quoted(out, *(const struct str *)at);
}

static void encode_text(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_counted(out, *(const struct str *)at);
}

static bool decode_text(struct place place, struct cursor *cursor)
{
    *(struct str *)place.at = arena_str(&place.config->arena, cursor_counted(cursor));
    return cursor_ok(cursor);
}

static void keep_text(struct place place, struct str text)
{
    *(struct str *)place.at = arena_str(&place.config->arena, text);
}

static bool parse_word(struct place place, struct str text, struct buf *why)
{
    bool ok = (text.len > 0 || place.item->may_be_empty) && text.len <= CONFIG_NAME_MAX;

    for (size_t i = 0; ok && i < text.len; i++)
        ok = ascii_is_alnum(text.ptr[i]) || str_find(STR("._-"), text.ptr[i]) >= 0;
    if (ok)
        keep_text(place, text);
    else
        buf_add(why, STR("a name of letters, digits and . _ -"));
    return ok;
}

static bool is_plain_path(struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || str_find(STR("\"\\$\x7f"), text.ptr[i]) >= 0)
            return false;
    return text.len <= 4000 && text.ptr[0] == '/';
}

static bool parse_path(struct place place, struct str text, struct buf *why)
{
    bool ok = text.len == 0 ? place.item->min == 0 : is_plain_path(text);

    if (ok)
        keep_text(place, text);
    else
        buf_add(why, STR("an absolute path such as /var/lib/holdfast"));
    return ok;
}

/* A host's name has a dot; "localhost" or a typo without one never is what others can reach. */
static bool normalise_host(struct str text, struct buf *out)
{
    return domain_normalise(text, out) && str_find(buf_str(out), '.') > 0;
}

static bool parse_domain(struct place place, struct str text, struct buf *why)
{
    struct buf name = { 0 };
    bool ok = normalise_host(text, &name) || (text.len == 0 && place.item->may_be_empty);

    if (ok)
        keep_text(place, buf_str(&name));
    else
        buf_add(why, STR("a full host name such as mx2.example.net"));
    buf_fini(&name);
    return ok;
}

/* What the file's syntax would read as something else. */
static bool needs_quoting(struct str text)
{
    return str_find(text, '"') >= 0 || str_find(text, '\\') >= 0 || str_find(text, '$') >= 0;
}

static bool parse_mailbox(struct place place, struct str text, struct buf *why)
{
    struct address address;
    struct buf mailbox = { 0 };
    struct buf domain = { 0 };
    bool ok = text.len == 0 || (!needs_quoting(text) && address_parse(text, 0, &address) &&
                                normalise_host(address.domain, &domain));

    if (ok && text.len > 0) {
        buf_add(&mailbox, address.local);
        buf_add_byte(&mailbox, '@');
        buf_add(&mailbox, buf_str(&domain));
    }
    if (ok)
        keep_text(place, buf_str(&mailbox));
    else
        buf_add(why, STR("an address such as admin@example.org"));
    buf_fini(&mailbox);
    buf_fini(&domain);
    return ok;
}

static bool parse_sender(struct place place, struct str text, struct buf *why)
{
    if (str_equals(text, STR("<>"))) {
        keep_text(place, text);
        return true;
    }
    if (parse_mailbox(place, text, why))
        return true;
    buf_add(why, STR(", or <>"));
    return false;
}

static bool parse_driver(struct place place, struct str text, struct buf *why)
{
    if (!str_equals(text, STR("log"))) {
        buf_add(why, STR("log"));
        return false;
    }
    keep_text(place, text);
    return true;
}

/* ---- yes and no ---- */

static const struct {
    const char *word;
    bool value;
} truths[] = {
    { "yes", true },    { "no", false }, { "true", true },
    { "false", false }, { "on", true },  { "off", false },
};

static bool parse_bool(struct place place, struct str text, struct buf *why)
{
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
        if (str_equals_nocase(text, str_from(truths[i].word))) {
            *(bool *)place.at = truths[i].value;
            return true;
        }
    }
    buf_add(why, STR("yes or no"));
    return false;
}

static void dump_bool(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add(out, *(const bool *)at ? STR("yes") : STR("no"));
}

static void encode_bool(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_u8(out, *(const bool *)at);
}

static bool decode_bool(struct place place, struct cursor *cursor)
{
    *(bool *)place.at = cursor_u8(cursor) != 0;
    return cursor_ok(cursor);
}

/* ---- log level ---- */

static const char *const level_names[] = { "debug", "info", "warn", "error" };

static bool parse_level(struct place place, struct str text, struct buf *why)
{
    enum log_level level;

    if (!log_level_from(text, &level)) {
        buf_add(why, STR("debug, info, warn or error"));
        return false;
    }
    *(enum log_level *)place.at = level;
    return true;
}

static void dump_level(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add(out, str_from(level_names[*(const enum log_level *)at]));
}

static void encode_level(const struct config_item *item, const void *at, struct buf *out)
{
    (void)item;
    buf_add_u8(out, (uint8_t) * (const enum log_level *)at);
}

static bool decode_level(struct place place, struct cursor *cursor)
{
    uint8_t level = cursor_u8(cursor);

    if (level > LOG_ERROR)
        return false;
    *(enum log_level *)place.at = (enum log_level)level;
    return cursor_ok(cursor);
}

/* ---- the types ---- */

#define TEXT(parse_text)                                                                           \
    {                                                                                              \
        .parse = (parse_text), .dump = dump_text, .encode = encode_text, .decode = decode_text     \
    }

const struct value_type value_mailbox = TEXT(parse_mailbox);
const struct value_type value_sender = TEXT(parse_sender);
const struct value_type value_word = TEXT(parse_word);
const struct value_type value_path = TEXT(parse_path);
const struct value_type value_domain = TEXT(parse_domain);
const struct value_type value_driver = TEXT(parse_driver);
const struct value_type value_bool = { false, parse_bool, dump_bool, encode_bool, decode_bool };
const struct value_type value_level = { false, parse_level, dump_level, encode_level,
                                        decode_level };
