/* SPDX-License-Identifier: ISC */
/* complain.c: what libconfuse finds wrong, in words that help. */
#include "config/parse.h"

#include <string.h>

#include "base/printable.h"
#include "base/suggest.h"

struct str parse_first_word(struct str section)
{
    struct str word = STR_NONE;
    (void)str_cut(&section, ' ', &word);
    return word;
}

static bool is_at_top(const cfg_t *cfg)
{
    return strcmp(cfg->name, "root") == 0;
}

/* The section as people write it: "", "dns", "listen smtp". */
void parse_add_section(struct buf *out, cfg_t *cfg)
{
    if (is_at_top(cfg))
        return;
    buf_add(out, str_from(cfg->name));
    if (cfg_title(cfg) != NULL) {
        buf_add_byte(out, ' ');
        buf_add(out, str_from(cfg_title(cfg)));
    }
}

/* Calls with *cursor = 0, 1, …: the names that are known in a section, those of sections at the
 * top among them. */
static bool next_known(const cfg_t *cfg, size_t *cursor, struct str *out_name)
{
    while (*cursor < config_item_count()) {
        struct config_item item = config_item_at((*cursor)++);
        bool in_top = item.section[0] == '\0';
        if (is_at_top(cfg)) {
            *out_name = in_top ? str_from(item.name) : str_from(item.section);
            return true;
        }
        if (str_equals(parse_first_word(str_from(item.section)), str_from(cfg->name))) {
            *out_name = str_from(item.name);
            return true;
        }
    }
    return false;
}

static void add_known(struct buf *out, const cfg_t *cfg)
{
    struct str before = STR_NONE;
    struct str name;
    size_t cursor = 0;

    while (next_known(cfg, &cursor, &name)) {
        if (str_equals(name, before)) /* one section's items stand together */
            continue;
        buf_add(out, before.ptr != NULL ? STR(", ") : STR(""));
        buf_add(out, name);
        before = name;
    }
}

static void report_unknown(struct parse *parse, cfg_t *cfg, struct str given)
{
    struct suggestion meant = { .given = given };
    struct buf text = { 0 };
    struct str name;
    size_t cursor = 0;

    while (next_known(cfg, &cursor, &name))
        suggestion_offer(&meant, parse_first_word(name));
    buf_add(&text, STR("unknown name "));
    printable_add_quoted(&text, given);
    if (!is_at_top(cfg)) {
        buf_add(&text, STR(" in section "));
        parse_add_section(&text, cfg);
    }
    if (meant.best.len > 0) {
        buf_add_format(&text, "; did you mean \"%.*s\"?", STR_FMT(meant.best));
    } else {
        buf_add(&text, STR("; known here are "));
        add_known(&text, cfg);
    }
    config_error(parse->problems, parse->name, cfg->line, "%.*s", STR_FMT(buf_str(&text)));
    buf_fini(&text);
}

static void report_end(struct parse *parse, cfg_t *cfg)
{
    struct buf section = { 0 };

    parse_add_section(&section, cfg);
    config_error(parse->problems, parse->name, 0,
                 "the file ends within section %.*s; write } behind its last line",
                 STR_FMT(buf_str(&section)));
    buf_fini(&section);
}

void complain_of_end(struct parse *parse)
{
    config_error(parse->problems, parse->name, 0,
                 "the file ends within a comment or a string; close it with */ or \"");
}

struct parse *parse_of(const cfg_t *cfg)
{
    return ((struct binding *)cfg->opts[0].simple_value.ptr)->parse;
}

/* libconfuse's own complaints. Its wording is our only way to tell them apart. */
void complain(cfg_t *cfg, const char *format, va_list arguments)
{
    struct parse *parse = parse_of(cfg);
    struct buf text = { 0 };
    struct buf shown = { 0 };

    buf_add_vformat(&text, format, arguments);
    struct str message = buf_str(&text);
    struct str prefix = STR("no such option '");
    if (str_starts(message, prefix)) {
        struct str given = str_skip(message, prefix.len);
        given.len -= given.len > 0; /* the closing quotation mark */
        if (str_equals(given, STR(CONFIG_END_MARK)))
            report_end(parse, cfg);
        else
            report_unknown(parse, cfg, given);
    } else if (str_starts(message, STR("missing title"))) {
        config_error(parse->problems, parse->name, cfg->line,
                     "section listen lacks what to listen for; write listen smtp { … } instead");
    } else if (str_starts(message, STR("premature end of file"))) {
        complain_of_end(parse);
    } else {
        printable_add(&shown, message);
        config_error(parse->problems, parse->name, cfg->line,
                     "%.*s; write name = value or section { name = value } instead",
                     STR_FMT(buf_str(&shown)));
    }
    buf_fini(&shown);
    buf_fini(&text);
}

void complain_of_title(struct parse *parse, cfg_t *cfg)
{
    struct buf title = { 0 };

    printable_add_quoted(&title, str_from(cfg_title(cfg)));
    config_error(parse->problems, parse->name, cfg->line,
                 "section %s %.*s is not known; write listen smtp, smtps, atrn, atrns or portal "
                 "instead",
                 cfg->name, STR_FMT(buf_str(&title)));
    buf_fini(&title);
}
