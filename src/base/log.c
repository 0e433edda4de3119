/* SPDX-License-Identifier: ISC */
/* log.c: see log.h. */
#include "base/log.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

static struct {
    const char *process;
    enum log_level least;
    void (*sink)(void *context, struct str line);
    void *context;
} logger = { .process = "holdfast", .least = LOG_INFO };

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

static void add_field(struct buf *line, const struct log_field *field)
{
    buf_add_format(line, " %s=", field->name);
    if (field->kind == LOG_FIELD_INT)
        buf_add_format(line, "%lld", (long long)field->number);
    else if (is_plain(field->text))
        buf_add(line, field->text);
    else
        add_quoted(line, field->text);
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buf line = { 0 };

    if (level < logger.least)
        return;
    clock_add_iso(&line, clock_now().wall_ms);
    buf_add_format(&line, " %s %s %s", logger.process, level_names[level], event);
    for (const struct log_field *field = fields; field->name != NULL; field++)
        add_field(&line, field);
    if (logger.sink != NULL) {
        logger.sink(logger.context, buf_str(&line));
    } else {
        buf_add_byte(&line, '\n');
        (void)!write(STDERR_FILENO, line.ptr, line.len); /* nobody is left to be told */
    }
    buf_fini(&line);
}
