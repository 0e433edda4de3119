/* SPDX-License-Identifier: ISC */
/* recipient_list.c: see recipient_list.h.
 *
 * Every format comes to texts that ought to be addresses, each with the line it is from; take() is
 * where they all meet.
 */
#include "cli/recipient_list.h"

#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/memory.h"
#include "base/printable.h"
#include "mail/address.h"
#include "mail/domain.h"

enum { SHOWN_OCTETS = 60 };

struct reading {
    struct recipient_list *list;
    struct str domain;
    unsigned line;
};

/* ---- addresses ---- */

static void note_fault(struct reading *reading, struct str text)
{
    struct recipient_list *list = reading->list;
    struct buf shown = { 0 };

    if (list->faults++ >= LIST_FAULTS_MAX)
        return;
    printable_add(&shown, str_first(text, text.len < SHOWN_OCTETS ? text.len : SHOWN_OCTETS));
    list->fault[list->faults - 1] =
        (struct list_fault){ reading->line, arena_str(&list->arena, buf_str(&shown)) };
    buf_fini(&shown);
}

static void add(struct recipient_list *list, struct str local, struct str domain)
{
    struct buf text = { 0 };

    if (list->count == list->cap) {
        list->cap = list->cap > 0 ? 2 * list->cap : 1024;
        list->address = memory_resize(list->address, list->cap * sizeof *list->address);
    }
    for (size_t i = 0; i < local.len; i++)
        buf_add_byte(&text, ascii_lower(local.ptr[i]));
    buf_add_byte(&text, '@');
    buf_add(&text, domain);
    list->address[list->count++] = arena_str(&list->arena, buf_str(&text));
    buf_fini(&text);
}

static void take(struct reading *reading, struct str text)
{
    struct recipient_list *list = reading->list;
    struct buf domain = { 0 };
    struct address address;

    text = str_trim(text);
    if (text.len > 1 && text.ptr[0] == '@') {
        list->catch_alls++;
        return;
    }
    if (list->count >= LIST_ADDRESSES_MAX || !address_parse(text, 0, &address) ||
        !domain_normalise(address.domain, &domain))
        note_fault(reading, text);
    else if (!str_equals(buf_str(&domain), reading->domain))
        list->others++;
    else
        add(list, address.local, buf_str(&domain));
    buf_fini(&domain);
}

/* ---- lines ---- */

static struct str without_cr(struct str line)
{
    return line.len > 0 && line.ptr[line.len - 1] == '\r' ? str_first(line, line.len - 1) : line;
}

/* The next one; false at the end. Lines that are too long are faults, and passed over. */
static bool next_line(struct reading *reading, struct str *text, struct str *out_line)
{
    while (text->len > 0 && str_cut(text, '\n', out_line)) {
        reading->line++;
        *out_line = without_cr(*out_line);
        if (out_line->len <= LIST_LINE_MAX)
            return true;
        note_fault(reading, *out_line);
    }
    return false;
}

static bool is_comment(struct str line)
{
    line = str_trim(line);
    return line.len == 0 || line.ptr[0] == '#';
}

/* ---- one a line; a Postfix map's source ---- */

static void read_plain(struct reading *reading, struct str text)
{
    struct str line = STR_NONE;

    while (next_line(reading, &text, &line))
        if (!is_comment(line))
            take(reading, line);
}

/* "key value"; a line that begins with a blank goes on with the value before. */
static void read_postfix(struct reading *reading, struct str text)
{
    struct str line = STR_NONE;

    while (next_line(reading, &text, &line)) {
        size_t end = 0;
        if (is_comment(line) || line.ptr[0] == ' ' || line.ptr[0] == '\t')
            continue;
        while (end < line.len && line.ptr[end] != ' ' && line.ptr[end] != '\t')
            end++;
        take(reading, str_first(line, end));
    }
}

/* ---- CSV ---- */

static char separator_of(struct str line)
{
    static const char separators[] = { '\t', ';', ',' };

    for (size_t i = 0; i < sizeof separators; i++)
        if (str_find(line, separators[i]) >= 0)
            return separators[i];
    return ',';
}

/* One field off the line's front, without its quotes; into `room`. */
static struct str cut_field(struct str *line, char separator, struct buf *room)
{
    bool is_quoted = line->len > 0 && line->ptr[0] == '"';
    size_t at = is_quoted ? 1 : 0;

    buf_reset(room);
    for (; at < line->len; at++) {
        char c = line->ptr[at];
        bool is_double = is_quoted && c == '"' && at + 1 < line->len && line->ptr[at + 1] == '"';
        if (is_double) {
            at++;
        } else if (is_quoted && c == '"') {
            is_quoted = false;
            continue;
        } else if (!is_quoted && c == separator) {
            at++;
            break;
        }
        buf_add_byte(room, c);
    }
    *line = str_skip(*line, at < line->len ? at : line->len);
    return str_trim(buf_str(room));
}

static bool is_header_word(struct str field)
{
    static const char *const words[] = {
        "email",   "e-mail",    "mail",          "address",
        "mailbox", "recipient", "email address", "e-mail address"
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (str_equals_nocase(field, str_from(words[i])))
            return true;
    return false;
}

/* The number of the first field that is meant; -1: none. */
static int find_field(struct str line, char separator, bool (*is_meant)(struct str field))
{
    struct buf room = { 0 };
    int found = -1;

    for (int i = 0; found < 0 && line.len > 0; i++)
        if (is_meant(cut_field(&line, separator, &room)))
            found = i;
    buf_fini(&room);
    return found;
}

static bool has_at(struct str field)
{
    return str_find(field, '@') > 0;
}

static void take_field(struct reading *reading, struct str line, char separator, int number)
{
    struct buf room = { 0 };
    struct str field = STR_NONE;

    for (int i = 0; i <= number; i++)
        field = cut_field(&line, separator, &room);
    take(reading, field);
    buf_fini(&room);
}

static void read_csv(struct reading *reading, struct str text)
{
    struct str line = STR_NONE;
    char separator = 0;
    int column = -1;

    while (next_line(reading, &text, &line)) {
        bool is_first = separator == 0;
        if (is_comment(line))
            continue;
        if (is_first)
            separator = separator_of(line);
        if (is_first && find_field(line, separator, has_at) < 0) {
            column = find_field(line, separator, is_header_word);
            continue; /* the names of the columns */
        }
        if (column < 0)
            column = find_field(line, separator, has_at);
        take_field(reading, line, separator, column < 0 ? 0 : column);
    }
}

/* ---- LDIF (RFC 2849) ---- */

static bool is_address_attribute(struct str name)
{
    static const char *const names[] = { "mail",
                                         "proxyAddresses",
                                         "mailAlternateAddress",
                                         "mailAlternativeAddress",
                                         "mailLocalAddress",
                                         "email",
                                         "rfc822Mailbox",
                                         "otherMailbox" };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_equals_nocase(name, str_from(names[i])))
            return true;
    return false;
}

static void take_attribute(struct reading *reading, struct str line)
{
    struct str value = line;
    struct str name = STR_NONE;
    struct buf bytes = { 0 };

    if (!str_cut(&value, ':', &name) || name.len == 0 ||
        !(is_address_attribute(name) || str_equals_nocase(name, reading->list->attribute)))
        return;
    bool is_encoded = value.len > 0 && value.ptr[0] == ':';
    value = str_trim(is_encoded ? str_skip(value, 1) : value);
    if (is_encoded && base64_decode(&bytes, value))
        value = buf_str(&bytes);
    bool is_typed = str_equals_nocase(name, STR("proxyAddresses"));
    if (str_starts_nocase(value, STR("smtp:")))
        take(reading, str_skip(value, 5));
    else if (!is_typed) /* X500:, sip: … are no mail */
        take(reading, value);
    buf_fini(&bytes);
}

static void read_ldif(struct reading *reading, struct str text)
{
    struct str line = STR_NONE;
    struct buf whole = { 0 };

    while (next_line(reading, &text, &line)) {
        bool goes_on = line.len > 0 && line.ptr[0] == ' ';
        if (goes_on && whole.len + line.len <= LIST_LINE_MAX) {
            buf_add(&whole, str_skip(line, 1));
            continue;
        }
        take_attribute(reading, buf_str(&whole));
        buf_reset(&whole);
        if (line.len > 0 && line.ptr[0] != '#')
            buf_add(&whole, line);
    }
    take_attribute(reading, buf_str(&whole));
    buf_fini(&whole);
}

/* ---- all of them ---- */

bool list_format_from_name(struct str name, enum list_format *out_format)
{
    static const struct {
        const char *name;
        enum list_format format;
    } formats[] = { { "plain", LIST_PLAIN },
                    { "csv", LIST_CSV },
                    { "postfix", LIST_POSTFIX },
                    { "ldif", LIST_LDIF } };

    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!str_equals(name, str_from(formats[i].name)))
            continue;
        *out_format = formats[i].format;
        return true;
    }
    return false;
}

/* By the first line that says something. */
static enum list_format guess(struct str text)
{
    struct str line = STR_NONE;

    while (text.len > 0 && str_cut(&text, '\n', &line)) {
        line = str_trim(without_cr(line));
        if (is_comment(line))
            continue;
        if (str_starts_nocase(line, STR("dn:")) || str_starts_nocase(line, STR("version:")))
            return LIST_LDIF;
        if (str_find(line, ',') >= 0 || str_find(line, ';') >= 0 || line.ptr[0] == '"' ||
            is_header_word(line))
            return LIST_CSV;
        if (str_find(line, '\t') >= 0 || str_find(line, ' ') >= 0)
            return str_find(line, '@') >= 0 ? LIST_POSTFIX : LIST_CSV;
        return LIST_PLAIN;
    }
    return LIST_PLAIN;
}

static int compare(const void *a, const void *b)
{
    const struct str *left = a;
    const struct str *right = b;
    return str_compare(*left, *right);
}

static void sort(struct recipient_list *list)
{
    size_t kept = 0;

    if (list->count > 0)
        qsort(list->address, list->count, sizeof *list->address, compare);
    for (size_t i = 0; i < list->count; i++)
        if (kept == 0 || !str_equals(list->address[kept - 1], list->address[i]))
            list->address[kept++] = list->address[i];
    list->count = kept;
}

void recipient_list_read(struct recipient_list *list, struct str text, enum list_format format,
                         struct str domain)
{
    static void (*const read[])(struct reading *, struct str) = {
        [LIST_PLAIN] = read_plain,
        [LIST_CSV] = read_csv,
        [LIST_POSTFIX] = read_postfix,
        [LIST_LDIF] = read_ldif,
    };
    struct reading reading = { .list = list, .domain = domain };

    if (str_starts(text, STR("\xef\xbb\xbf")))
        text = str_skip(text, 3);
    if (format == LIST_GUESS)
        format = guess(text);
    read[format](&reading, text);
    sort(list);
}

void recipient_list_fini(struct recipient_list *list)
{
    arena_fini(&list->arena);
    memory_free(list->address);
    *list = (struct recipient_list){ 0 };
}
