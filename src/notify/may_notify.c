/* SPDX-License-Identifier: ISC */
/* may_notify.c: see may_notify.h. */
#include "notify/may_notify.h"

const char *notice_kind_name(enum notice_kind kind)
{
    static const char *const name[] = { "delayed", "failed", "relayed", "arrived" };
    return name[kind];
}

const char *may_notify_name(enum may_notify why)
{
    static const char *const name[] = {
        "yes",  "own",        "no_sender", "unproved",  "automatic",    "bulk",
        "list", "suppressed", "unasked",   "held_back", "not_writable",
    };
    return name[why];
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The first word of a field's value: up to white space, a parameter or a comment. */
static struct str first_word(struct str value)
{
    size_t start = 0;
    size_t end;

    while (start < value.len && is_blank(value.ptr[start]))
        start++;
    for (end = start; end < value.len; end++)
        if (is_blank(value.ptr[end]) || str_find(STR(";(,"), value.ptr[end]) >= 0)
            break;
    return str_first(str_skip(value, start), end - start);
}

/* Anything but "no", be it ever so odd, was not typed by a person (RFC 3834 5). */
static bool says_automatic(struct str value)
{
    return !str_equals_nocase(first_word(value), STR("no"));
}

static bool says_report(struct str value)
{
    return str_equals_nocase(first_word(value), STR("multipart/report"));
}

static bool says_bulk(struct str value)
{
    struct str word = first_word(value);
    return str_equals_nocase(word, STR("bulk")) || str_equals_nocase(word, STR("list")) ||
           str_equals_nocase(word, STR("junk"));
}

static bool says_anything(struct str value)
{
    (void)value;
    return true;
}

/* A person's program does not set it to anything but None. */
static bool says_suppress(struct str value)
{
    struct str word = first_word(value);
    return word.len > 0 && !str_equals_nocase(word, STR("None"));
}

/* What a field says of who wrote. A name that ends with "-" is the beginning of several. */
static const struct {
    struct str name;
    bool (*says)(struct str value);
    enum may_notify why;
} signs[] = {
    { { "Auto-Submitted", 14 }, says_automatic, MAY_NOT_AUTOMATIC },
    { { "Content-Type", 12 }, says_report, MAY_NOT_AUTOMATIC },
    { { "Precedence", 10 }, says_bulk, MAY_NOT_BULK },
    { { "List-", 5 }, says_anything, MAY_NOT_LIST }, /* RFC 2369, 2919 */
    { { "Mailing-List", 12 }, says_anything, MAY_NOT_LIST },
    { { "X-Auto-Response-Suppress", 24 }, says_suppress, MAY_NOT_SUPPRESSED },
};

static bool is_named(const struct header_field *field, struct str name)
{
    if (name.ptr[name.len - 1] == '-')
        return str_starts_nocase(field->name, name);
    return header_is(field, name);
}

static enum may_notify look_at_field(const struct header_field *field)
{
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (is_named(field, signs[i].name) && signs[i].says(field->value))
            return signs[i].why;
    return MAY_NOTIFY;
}

enum may_notify may_notify_sender(enum notice_kind kind, const struct envelope *envelope,
                                  const struct header *header)
{
    if ((envelope->flags & ENVELOPE_OWN) != 0)
        return MAY_NOT_OWN;
    if (envelope->sender.len == 0)
        return MAY_NOT_NO_SENDER;
    if ((envelope->flags & ENVELOPE_PROVED) == 0)
        return MAY_NOT_UNPROVED;
    for (uint32_t i = 0; i < header->count && kind != NOTICE_FAILED; i++) {
        enum may_notify why = look_at_field(&header->field[i]);
        if (why != MAY_NOTIFY)
            return why;
    }
    return MAY_NOTIFY;
}

enum may_notify may_notify_of(enum notice_kind kind, const struct recipient *recipient)
{
    /* By kind: which word of NOTIFY= wants it, and whether it is told where nothing was said.
     * RFC 3464 2.3.3 would have "relayed" only for who asked; who was told of a delay and said
     * nothing is told its end. */
    static const struct {
        uint8_t wanted_by;
        bool by_default;
    } rule[] = {
        [NOTICE_DELAYED] = { NOTIFY_DELAY, true },
        [NOTICE_FAILED] = { NOTIFY_FAILURE, true },
        [NOTICE_RELAYED] = { NOTIFY_SUCCESS, false },
        [NOTICE_ARRIVED] = { NOTIFY_SUCCESS, true },
    };

    if (recipient->is_held_back)
        return MAY_NOT_HELD_BACK;
    if ((recipient->notify & NOTIFY_NEVER) != 0)
        return MAY_NOT_UNASKED;
    bool wants = recipient->notify == NOTIFY_DEFAULT
                     ? rule[kind].by_default
                     : (recipient->notify & rule[kind].wanted_by) != 0;
    return wants ? MAY_NOTIFY : MAY_NOT_UNASKED;
}
