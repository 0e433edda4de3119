/* SPDX-License-Identifier: ISC */
/* config.c: loading, dumping and handing on; see config.h. */
#include "config/config.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/check.h"
#include "base/file.h"
#include "base/memory.h"
#include "config/schema.h"

enum { FILE_SIZE_MAX = 256 * 1024, ENCODING_VERSION = 1 };

/* ---- problems ---- */

void config_problems_fini(struct config_problems *problems)
{
    buf_fini(&problems->text);
    *problems = (struct config_problems){ 0 };
}

static void __attribute__((format(printf, 5, 0)))
add_problem(struct config_problems *problems, struct str name, int line, const char *kind,
            const char *format, va_list arguments)
{
    buf_add(&problems->text, name);
    if (line > 0)
        buf_add_format(&problems->text, ":%d", line);
    buf_add_format(&problems->text, ": %s", kind);
    buf_add_vformat(&problems->text, format, arguments);
    buf_add_byte(&problems->text, '\n');
}

void config_error(struct config_problems *problems, struct str name, int line, const char *format,
                  ...)
{
    va_list arguments;

    problems->errors++;
    va_start(arguments, format);
    add_problem(problems, name, line, "", format, arguments);
    va_end(arguments);
}

void config_warning(struct config_problems *problems, struct str name, int line, const char *format,
                    ...)
{
    va_list arguments;

    problems->warnings++;
    va_start(arguments, format);
    add_problem(problems, name, line, "warning: ", format, arguments);
    va_end(arguments);
}

/* ---- loading ---- */

static bool is_text(struct str name, struct str text, struct config_problems *problems)
{
    if (text.len > FILE_SIZE_MAX)
        config_error(problems, name, 0, "this is larger than %d KiB; is it the right file?",
                     FILE_SIZE_MAX / 1024);
    else if (text.len > 0 && memchr(text.ptr, 0, text.len) != NULL)
        config_error(problems, name, 0, "this holds a zero byte; is it the right file?");
    else
        return true;
    return false;
}

static void set_fallbacks(struct config *config, const struct config_lines *lines)
{
    for (size_t i = 0; i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        if (lines->line[i] == 0)
            config_value_set_fallback(config, &item);
    }
}

int config_load_text(struct str name, struct str text, struct config **out_config,
                     struct config_problems *problems)
{
    struct config *config = memory_new(sizeof *config);
    struct config_lines lines = { 0 };

    if (is_text(name, text, problems)) {
        config_parse(name, text, config, &lines, problems);
        if (problems->errors == 0) {
            set_fallbacks(config, &lines);
            config_check(name, config, &lines, problems);
        }
    }
    if (problems->errors > 0) {
        config_free(config);
        return -EINVAL;
    }
    *out_config = config;
    return 0;
}

int config_load(const char *path, struct config **out_config, struct config_problems *problems)
{
    struct buf text = { 0 };
    struct str name = str_from(path);
    int error = file_read(path, FILE_SIZE_MAX, &text);

    if (error < 0 && error != -EFBIG)
        config_error(problems, name, 0,
                     "this cannot be read (%s); name another file with --config or "
                     "HOLDFAST_CONFIG",
                     strerror(-error));
    else
        error = config_load_text(name, buf_str(&text), out_config, problems);
    if (error == 0)
        config_check_files(name, *out_config, problems);
    buf_fini(&text);
    return error;
}

const struct config_authority *config_find_authority(const struct config *config, struct str name)
{
    const struct config_authorities *list = &config->tls_authorities;

    for (uint32_t i = 0; i < list->count; i++)
        if (str_equals(list->item[i].name, name))
            return &list->item[i];
    return NULL;
}

const struct config_milter *config_find_milter(const struct config *config, struct str name)
{
    const struct config_milters *list = &config->filter_milters;

    for (uint32_t i = 0; i < list->count; i++)
        if (str_equals(list->item[i].name, name))
            return &list->item[i];
    return NULL;
}

void config_free(struct config *config)
{
    if (config == NULL)
        return;
    arena_fini(&config->arena);
    memory_free(config);
}

/* ---- dumping ---- */

void config_dump(const struct config *config, struct buf *out)
{
    const char *section = "";

    for (size_t i = 0; i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        if (strcmp(item.section, section) != 0) {
            buf_add(out, section[0] != '\0' ? STR("}\n") : STR(""));
            buf_add_format(out, "%s {\n", item.section);
            section = item.section;
        }
        buf_add_format(out, "%s%s = ", section[0] != '\0' ? "    " : "", item.name);
        config_value_dump(config, &item, out);
        buf_add_byte(out, '\n');
    }
    buf_add(out, STR("}\n"));
}

/* ---- for the channel ---- */

void config_encode(const struct config *config, struct buf *out)
{
    buf_add_u8(out, ENCODING_VERSION);
    for (size_t i = 0; i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        config_value_encode(config, &item, out);
    }
}

bool config_decode(struct cursor *cursor, struct config **out_config)
{
    struct config *config = memory_new(sizeof *config);
    bool ok = cursor_u8(cursor) == ENCODING_VERSION;

    for (size_t i = 0; ok && i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        ok = config_value_decode(config, &item, cursor);
    }
    if (ok)
        *out_config = config;
    else
        config_free(config);
    return ok;
}

/* ---- reloading ---- */

static bool is_same(const struct config *a, const struct config *b, const struct config_item *item)
{
    struct buf one = { 0 };
    struct buf other = { 0 };

    config_value_encode(a, item, &one);
    config_value_encode(b, item, &other);
    bool same = str_equals(buf_str(&one), buf_str(&other));
    buf_fini(&one);
    buf_fini(&other);
    return same;
}

void config_restart_needed(const struct config *current, const struct config *next, struct buf *out)
{
    size_t before = out->len;

    for (size_t i = 0; i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        if (!item.takes_restart || is_same(current, next, &item))
            continue;
        buf_add(out, out->len > before ? STR(", ") : STR(""));
        buf_add(out, str_from(item.section));
        buf_add(out, item.section[0] != '\0' ? STR(" ") : STR(""));
        buf_add(out, str_from(item.name));
    }
}

void config_keep(const struct config *current, struct config *next)
{
    struct buf value = { 0 };

    for (size_t i = 0; i < config_item_count(); i++) {
        struct config_item item = config_item_at(i);
        if (!item.takes_restart || is_same(current, next, &item))
            continue;
        buf_reset(&value);
        config_value_encode(current, &item, &value);
        struct cursor cursor = cursor_over(buf_str(&value));
        check(config_value_decode(next, &item, &cursor));
    }
    buf_fini(&value);
}
