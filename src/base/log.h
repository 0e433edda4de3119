/* SPDX-License-Identifier: ISC */
/* log.h: one event, one line, one place.
 *
 *     2026-11-21T21:40:49.123Z receiver info accepted id=01K… from=<a@b.example> size=4096
 *
 * The event's name and its field names are stable: operators write scripts on
 * them. Text from outside is quoted here, never by the caller, so that no peer
 * can forge a line. Secrets are never handed to the logger.
 *
 * Every event has at least one field. The logger is the one piece of global state in the program:
 * its process name, its level and its sink are set once at start.
 */
#pragma once

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
    const char *name; /* NULL ends the list */
    enum { LOG_FIELD_STR, LOG_FIELD_INT } kind;
    struct str text;
    int64_t number;
};

/* clang-format off */
#define LOG_STR(field, value)  { .name = (field), .kind = LOG_FIELD_STR, .text = (value) }
#define LOG_TEXT(field, value) { .name = (field), .kind = LOG_FIELD_STR, .text = str_from(value) }
#define LOG_INT(field, value)  { .name = (field), .kind = LOG_FIELD_INT, .number = (int64_t)(value) }
/* clang-format on */

#define log_event(level, event, ...)                                                               \
    log_write((level), (event), (const struct log_field[]){ __VA_ARGS__, { 0 } })
#define log_debug(event, ...) log_event(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...)  log_event(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...)  log_event(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_event(LOG_ERROR, event, __VA_ARGS__)

void log_write(enum log_level level, const char *event, const struct log_field *fields);

/* From now on the lines of this thread gather until log_flush(), so that a busy turn costs one call
 * of the system and not one a line; whoever holds must flush before anybody can see what the lines
 * tell of. Warnings and errors, and what was said before them, go out at once. */
void log_hold(void);
void log_flush(void); /* cheap where nothing waits */

/* Once, at the start of a process. `process` must live for ever ("receiver-1"). */
void log_init(const char *process, enum log_level least);
void log_set_level(enum log_level least);
bool log_level_from(struct str name, enum log_level *out_level); /* debug info warn error */
/* For tests and the simulator: lines go to `sink` (without newline) instead of descriptor 2. */
void log_set_sink(void (*sink)(void *context, struct str line), void *context);
