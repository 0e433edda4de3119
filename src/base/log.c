/* SPDX-License-Identifier: ISC */
/* log.c: see log.h. */
#include "base/log.h"

#include <limits.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static struct {
    const char *process;
    enum log_level least;
    void (*sink)(void *context, struct str line);
    void *context;
} logger = { .process = "holdfast", .least = LOG_INFO };

enum { HELD_MAX = 64 * 1024 };

static _Thread_local struct {
    bool is_on;
    struct buf lines;
} held;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_init(const char *process, enum log_level least)
{
    logger.process = process;
    logger.least = least;
}

void log_set_level(enum log_level least)
{
    logger.least = least;
}

bool log_level_from(struct str name, enum log_level *out_level)
{
    for (int i = LOG_DEBUG; i <= LOG_ERROR; i++) {
        if (str_equals(name, str_from(level_names[i]))) {
            *out_level = (enum log_level)i;
            return true;
        }
    }
    return false;
}

void log_set_sink(void (*sink)(void *context, struct str line), void *context)
{
    logger.sink = sink;
    logger.context = context;
}

static bool is_plain(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '=')
            return false;
    }
    return text.len > 0;
}

/* Quotes as a JSON string would, so that any reader has a library for it. Bytes that are not
 * printable ASCII become \u00XX: a stranger's text cannot reach the operator's terminal raw. */
static void add_quoted(struct buf *line, struct str text)
{
    buf_add_byte(line, '"');
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\')
            buf_add_format(line, "\\%c", c);
        else if (c < ' ' || c >= 0x7f)
            buf_add_format(line, "\\u%04x", (unsigned)c);
        else
            buf_add_byte(line, (char)c);
    }
    buf_add_byte(line, '"');
}

static void add_number(struct buf *line, int64_t number)
{
    char digits[20];
    size_t at = sizeof digits;
    uint64_t rest = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;

    do
        digits[--at] = (char)('0' + rest % 10);
    while ((rest /= 10) > 0);
    if (number < 0)
        buf_add_byte(line, '-');
    buf_add_bytes(line, digits + at, sizeof digits - at);
}

static void add_word(struct buf *line, const char *word)
{
    buf_add_byte(line, ' ');
    buf_add(line, str_from(word));
}

static void add_field(struct buf *line, const struct log_field *field)
{
    add_word(line, field->name);
    buf_add_byte(line, '=');
    if (field->kind == LOG_FIELD_INT)
        add_number(line, field->number);
    else if (is_plain(field->text))
        buf_add(line, field->text);
    else
        add_quoted(line, field->text);
}

/* ---- out ---- */

static void put_out(struct str text)
{
    (void)!write(STDERR_FILENO, text.ptr, text.len); /* nobody is left to be told */
}

void log_hold(void)
{
    held.is_on = true;
}

/* Whole lines, in pieces that a pipe takes as one: other roles write to it too. */
void log_flush(void)
{
    struct str rest = buf_str(&held.lines);

    while (rest.len > 0) {
        ptrdiff_t end = str_find_last(str_first(rest, PIPE_BUF), '\n');
        if (end < 0) /* one line that is longer */
            end = str_find(rest, '\n');
        put_out(str_first(rest, (size_t)end + 1));
        rest = str_skip(rest, (size_t)end + 1);
    }
    buf_reset(&held.lines);
}

static void put_line(struct buf *line, enum log_level level)
{
    buf_add_byte(line, '\n');
    if (!held.is_on) {
        put_out(buf_str(line));
        return;
    }
    buf_add(&held.lines, buf_str(line));
    if (level >= LOG_WARN || held.lines.len >= HELD_MAX)
        log_flush();
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf line = { 0 };

    if (level < logger.least)
        return;
    clock_add_iso(&line, clock_now().wall_ms);
    add_word(&line, logger.process);
    add_word(&line, level_names[level]);
    add_word(&line, event);
    for (const struct log_field *field = fields; field->name != NULL; field++)
        add_field(&line, field);
    if (logger.sink != NULL)
        logger.sink(logger.context, buf_str(&line));
    else
        put_line(&line, level);
    buf_fini(&line);
}
