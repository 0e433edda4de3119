/* SPDX-License-Identifier: ISC */
/* letter.c: see letter.h. */
#include "sim/letter.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "sim/world.h"

static struct {
    struct letter *letter[LETTERS_MAX];
    unsigned count;
} letters;

/* Lines of every kind that a dot or a buffer's end could hurt. */
static void add_line(struct buf *content)
{
    size_t length = (size_t)chance_below(chance_percent(10) ? 900 : 80);

    if (chance_percent(10))
        buf_add(content, STR("."));
    if (chance_percent(5))
        buf_add(content, STR("."));
    for (size_t i = 0; i < length; i++)
        buf_add_byte(content, (char)(' ' + (length * 7 + i * 13) % 94));
    buf_add(content, STR("\r\n"));
}

static void write_content(struct letter *letter)
{
    size_t size = (size_t)chance_between(0, 3000);

    if (chance_percent(10))
        size = (size_t)chance_between(0, 60 * 1024);
    if (chance_percent(2))
        size = (size_t)chance_between(0, 250 * 1024);
    buf_add_format(&letter->content, "X-Letter: %u\r\nSubject: of size %zu\r\n\r\n", letter->number,
                   size);
    while (letter->content.len < size)
        add_line(&letter->content);
}

static bool has_recipient(const struct letter *letter, const char *address)
{
    for (unsigned i = 0; i < letter->recipient_count; i++)
        if (strcmp(letter->recipient[i], address) == 0)
            return true;
    return false;
}

static void choose_recipients(struct letter *letter, unsigned domains)
{
    unsigned wanted = chance_percent(60) ? 1 : (unsigned)chance_between(2, LETTER_RECIPIENTS_MAX);
    unsigned home = (unsigned)chance_below(domains);

    while (wanted-- > 0) {
        char address[64];
        unsigned domain = chance_percent(70) ? home : (unsigned)chance_below(domains);
        (void)snprintf(address, sizeof address, "user%u@d%u.example", (unsigned)chance_below(12),
                       domain);
        if (!has_recipient(letter, address))
            memcpy(letter->recipient[letter->recipient_count++], address, sizeof address);
    }
}

static struct letter *add_letter(void)
{
    check(letters.count < LETTERS_MAX);
    struct letter *letter = memory_new(sizeof *letter);

    letter->number = letters.count;
    letters.letter[letters.count++] = letter;
    return letter;
}

static void choose_sender(struct letter *letter)
{
    (void)snprintf(letter->sender, sizeof letter->sender, "sender%u@elsewhere.example",
                   (unsigned)chance_below(5));
}

struct letter *letter_new(unsigned domains)
{
    struct letter *letter = add_letter();

    if (!chance_percent(10)) /* the rest has the empty sender, as bounces do */
        choose_sender(letter);
    choose_recipients(letter, domains);
    write_content(letter);
    return letter;
}

struct letter *letter_to(const char *recipient)
{
    struct letter *letter = add_letter();

    choose_sender(letter);
    (void)snprintf(letter->recipient[0], sizeof letter->recipient[0], "%s", recipient);
    letter->recipient_count = 1;
    write_content(letter);
    return letter;
}

void letter_stuff(const struct letter *letter, struct buf *out)
{
    struct str rest = buf_str(&letter->content);

    while (rest.len > 0) {
        size_t length = (size_t)str_find(rest, '\n') + 1;
        if (rest.ptr[0] == '.')
            buf_add_byte(out, '.');
        buf_add(out, str_first(rest, length));
        rest = str_skip(rest, length);
    }
    buf_add(out, STR(".\r\n"));
}

struct letter *letter_find(unsigned number)
{
    return number < letters.count ? letters.letter[number] : NULL;
}

/* Cuts a field of ours off: its first line, and those that begin with white space. */
static struct str cut_field(struct str *content, struct str name)
{
    struct str whole = *content;
    struct str rest = *content;

    if (!str_starts(rest, name))
        return STR_NONE;
    do {
        ptrdiff_t end = str_find(rest, '\n');
        if (end < 0)
            return STR_NONE;
        rest = str_skip(rest, (size_t)end + 1);
    } while (rest.len > 0 && (rest.ptr[0] == ' ' || rest.ptr[0] == '\t'));
    *content = rest;
    return str_first(whole, whole.len - rest.len);
}

static bool find_id(struct str trace, struct str *out_id)
{
    for (; trace.len > 4; trace = str_skip(trace, 1)) {
        if (!str_starts(trace, STR(" id ")))
            continue;
        trace = str_skip(trace, 4);
        size_t length = 0;
        while (length < trace.len && ascii_is_alnum(trace.ptr[length]))
            length++;
        *out_id = str_first(trace, length);
        return true;
    }
    return false;
}

const struct letter *letter_read(struct str content, struct str *out_id)
{
    struct str id;
    struct str line;
    uint64_t number;

    (void)cut_field(&content, STR("Authentication-Results: "));
    struct str trace = cut_field(&content, STR("Received: "));

    if (trace.len == 0 || !find_id(trace, &id))
        return NULL;
    struct str rest = content;
    if (!str_cut(&rest, '\r', &line) || !str_starts(line, STR("X-Letter: ")) ||
        !str_to_u64(str_skip(line, 10), LETTERS_MAX, &number))
        return NULL;
    const struct letter *letter = letter_find((unsigned)number);
    if (letter == NULL || !str_equals(content, buf_str(&letter->content)))
        return NULL;
    *out_id = id;
    return letter;
}
