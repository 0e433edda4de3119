/* SPDX-License-Identifier: ISC */
/* author.c: see author.h.
 *
 * Reads a list of mailboxes as far as their domains: comments and quoted strings are passed over,
 * "<" to ">" is an address, and so is what has an "@" outside of it. Nested comments are counted,
 * not followed.
 */
#include "authenticate/author.h"

#include "mail/domain.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind a quoted string or a comment that begins at `at`. */
static size_t skip_quoted(struct str text, size_t at)
{
    for (at++; at < text.len; at++) {
        if (text.ptr[at] == '\\')
            at++;
        else if (text.ptr[at] == '"')
            return at + 1;
    }
    return text.len;
}

static size_t skip_comment(struct str text, size_t at)
{
    unsigned depth = 0;

    for (; at < text.len; at++) {
        if (text.ptr[at] == '\\')
            at++;
        else if (text.ptr[at] == '(')
            depth++;
        else if (text.ptr[at] == ')' && --depth == 0)
            return at + 1;
    }
    return text.len;
}

/* One mailbox, or what is left of a group's name: its text without comments, quoted strings and
 * white space, and the domain behind the last "@" of what counts. */
struct reader {
    struct buf address; /* outside or inside the brackets */
    bool has_brackets;
    bool is_inside;
};

static void add(struct reader *reader, char c)
{
    if (!reader->has_brackets || reader->is_inside)
        buf_add_byte(&reader->address, c);
}

static void open_bracket(struct reader *reader)
{
    buf_reset(&reader->address); /* what stood before was a display name */
    reader->has_brackets = reader->is_inside = true;
}

/* Ends a mailbox. False: its domain is another than the one that was found before. */
static bool end_mailbox(struct reader *reader, struct buf *domain)
{
    struct buf found = { 0 };
    struct str address = buf_str(&reader->address);
    ptrdiff_t at = str_find_last(address, '@');
    bool is_good = at >= 0 && domain_normalise(str_skip(address, (size_t)at + 1), &found);
    bool fits = !is_good || domain->len == 0 || str_equals(buf_str(domain), buf_str(&found));

    if (is_good && domain->len == 0)
        buf_add(domain, buf_str(&found));
    buf_fini(&found);
    buf_reset(&reader->address);
    reader->has_brackets = reader->is_inside = false;
    return fits;
}

/* False: several domains. */
static bool read_mailboxes(struct str text, struct reader *reader, struct buf *domain)
{
    size_t at = 0;

    while (at < text.len) {
        char c = text.ptr[at];
        if (c == '"') {
            at = skip_quoted(text, at);
            add(reader, 'q'); /* a local part may be quoted */
            continue;
        }
        if (c == '(') {
            at = skip_comment(text, at);
            continue;
        }
        at++;
        if (c == '<' && reader->has_brackets && !end_mailbox(reader, domain))
            return false; /* two addresses without a comma: readers may show either */
        if (c == '<')
            open_bracket(reader);
        else if (c == '>')
            reader->is_inside = false;
        else if (c == ':' || ((c == ',' || c == ';') && reader->is_inside))
            buf_reset(&reader->address); /* a route, or a group's name: the address follows */
        else if ((c == ',' || c == ';') && !end_mailbox(reader, domain))
            return false;
        else if (c != ',' && c != ';' && !is_space(c))
            add(reader, c);
    }
    return end_mailbox(reader, domain);
}

enum author_state author_domain(const struct header *header, struct buf *out)
{
    struct reader reader = { 0 };
    const struct header_field *from = header_find(header, STR("From"));

    buf_reset(out);
    if (from == NULL)
        return AUTHOR_NONE;
    if (header_count(header, STR("From")) > 1)
        return AUTHOR_SEVERAL;
    bool is_one = read_mailboxes(from->value, &reader, out);
    buf_fini(&reader.address);
    if (!is_one)
        return AUTHOR_SEVERAL;
    return out->len > 0 ? AUTHOR_FOUND : AUTHOR_NONE;
}
