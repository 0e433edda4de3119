/* SPDX-License-Identifier: ISC */
/* parse.c: the text of the configuration file, read by libconfuse.
 *
 * libconfuse knows the syntax and the line numbers; what a value may be is our
 * table's business. So every item is an option of the pointer type, whose "place
 * to store the pointer" is a struct binding: that brings our context to the
 * callback, which gets each value as text. libconfuse itself stores nothing.
 *
 * Values that are wrong are all reported in one run; libconfuse stops only at an
 * unknown name or a broken syntax. It is content with a file that ends within a
 * section or a comment, so a last line of ours must be seen at the top level.
 */
#include "config/parse.h"

#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "base/printable.h"

enum { SECTIONS_MAX = 16, TITLE = CFGF_TITLE | CFGF_MULTI | CFGF_NO_TITLE_DUPES };

static bool is_same_name(struct str item, struct str written)
{
    if (item.len != written.len)
        return false;
    for (size_t i = 0; i < item.len; i++)
        if (item.ptr[i] != (written.ptr[i] == '_' ? '-' : written.ptr[i]))
            return false;
    return true;
}

/* ---- values ---- */

static bool find_item(cfg_t *cfg, const char *name, size_t *out_index)
{
    struct buf section = { 0 };
    bool found = false;

    parse_add_section(&section, cfg);
    for (size_t i = 0; i < config_item_count() && !found; i++) {
        struct config_item item = config_item_at(i);
        found = str_equals(str_from(item.section), buf_str(&section)) &&
                is_same_name(str_from(item.name), str_from(name));
        if (found)
            *out_index = i;
    }
    buf_fini(&section);
    return found;
}

static void take_value(struct parse *parse, int line, const struct config_item *item,
                       struct str text)
{
    struct buf why = { 0 };
    struct buf given = { 0 };

    if (!config_value_parse(parse->config, item, text, &why)) {
        printable_add_quoted(&given, text);
        config_error(parse->problems, parse->name, line, "%s cannot be %.*s; write %.*s instead",
                     item->name, STR_FMT(buf_str(&given)), STR_FMT(buf_str(&why)));
    }
    buf_fini(&given);
    buf_fini(&why);
}

/* CFGF_RESET is set by libconfuse at each "name =", and cleared here: the items of one list come
 * without it, a second "name =" with it. */
static int on_value(cfg_t *cfg, cfg_opt_t *option, const char *value, void *result)
{
    struct parse *parse = parse_of(cfg);
    bool is_first = (option->flags & CFGF_RESET) != 0;
    size_t index;

    option->flags &= ~CFGF_RESET;
    *(void **)result = NULL;
    if (strcmp(option->name, CONFIG_END_MARK) == 0) {
        parse->reached_end = true;
        return 0;
    }
    if (!find_item(cfg, option->name, &index)) {
        complain_of_title(parse, cfg);
        return 0;
    }
    struct config_item item = config_item_at(index);
    int *line = &parse->lines->line[index];
    if (is_first && *line > 0)
        config_error(parse->problems, parse->name, cfg->line,
                     "%s is given twice, first in line %d; write it once instead", item.name,
                     *line);
    else
        take_value(parse, cfg->line, &item, str_from(value));
    *line = *line > 0 ? *line : cfg->line;
    return 0;
}

/* ---- what libconfuse is told ---- */

/* Options of all sections, and the names with underscores; freed when the parser has copied them.
 */
struct options {
    cfg_opt_t top[2 * CONFIG_ITEMS_MAX];
    cfg_opt_t in[SECTIONS_MAX][2 * CONFIG_ITEMS_MAX];
    struct str section[SECTIONS_MAX];
    char alias[CONFIG_ITEMS_MAX][CONFIG_NAME_MAX];
    size_t sections;
};

/* Sections of one kind share their options: which of them is meant, the title tells. */
static void add_option(cfg_opt_t *options, cfg_opt_t option)
{
    while (options->name != NULL && strcmp(options->name, option.name) != 0)
        options++;
    if (options->name == NULL)
        *options = option;
}

static cfg_opt_t *options_of(struct options *options, struct str section)
{
    if (section.len == 0)
        return options->top;
    for (size_t i = 0; i < options->sections; i++)
        if (str_equals(options->section[i], section))
            return options->in[i];
    options->section[options->sections] = section;
    return options->in[options->sections++];
}

static cfg_opt_t value_option(const char *name, bool is_list, struct binding *binding)
{
    return (cfg_opt_t){
        .name = name,
        .type = CFGT_PTR,
        .flags = (is_list ? CFGF_LIST : CFGF_NONE),
        .parsecb = on_value,
        .simple_value.ptr = &binding->stored,
    };
}

static void add_item(struct options *options, size_t index, struct binding *binding)
{
    struct config_item item = config_item_at(index);
    cfg_opt_t *section = options_of(options, parse_first_word(str_from(item.section)));
    bool is_list = config_type_is_list(item.type);
    char *alias = options->alias[index];

    add_option(section, value_option(item.name, is_list, binding));
    for (size_t i = 0; item.name[i] != '\0'; i++) {
        alias[i] = item.name[i];
        if (alias[i] == '-')
            alias[i] = '_';
    }
    if (strcmp(alias, item.name) != 0)
        add_option(section, value_option(alias, is_list, binding));
}

/* Sections are known to libconfuse by the first word; their names come from string constants, cut
 * where a title begins. */
static void add_sections(struct options *options, char names[SECTIONS_MAX][CONFIG_NAME_MAX])
{
    for (size_t i = 0; i < options->sections; i++) {
        struct str name = options->section[i];
        bool has_title = name.ptr[name.len] == ' ';
        cfg_opt_t section = CFG_SEC(names[i], options->in[i], CFGF_NONE);

        memcpy(names[i], name.ptr, name.len);
        section.flags = has_title ? (cfg_flag_t)TITLE : CFGF_NONE;
        add_option(options->top, section);
    }
}

static cfg_t *open_parser(struct binding *binding)
{
    struct options *options = memory_new(sizeof *options);
    char names[SECTIONS_MAX][CONFIG_NAME_MAX] = { 0 };

    for (size_t i = 0; i < config_item_count(); i++)
        add_item(options, i, binding);
    add_option(options->top, value_option(CONFIG_END_MARK, false, binding));
    add_sections(options, names);
    cfg_t *cfg = cfg_init(options->top, CFGF_NONE);
    memory_free(options);
    return cfg;
}

static bool is_known_section(cfg_t *cfg)
{
    struct buf section = { 0 };
    bool is_known = false;

    parse_add_section(&section, cfg);
    for (size_t i = 0; i < config_item_count() && !is_known; i++)
        is_known = str_equals(str_from(config_item_at(i).section), buf_str(&section));
    buf_fini(&section);
    return is_known;
}

/* What calls no callback: sections without items and empty lists. Those are given nevertheless. */
static void look_at_empty_ones(struct parse *parse, cfg_t *cfg)
{
    size_t index;

    if (cfg_title(cfg) != NULL && !is_known_section(cfg) && parse->problems->errors == 0)
        complain_of_title(parse, cfg);
    for (cfg_opt_t *option = cfg->opts; option->name != NULL; option++) {
        if (option->type == CFGT_SEC)
            for (unsigned i = 0; i < cfg_opt_size(option); i++)
                look_at_empty_ones(parse, cfg_opt_getnsec(option, i));
        else if ((option->flags & CFGF_RESET) != 0 && find_item(cfg, option->name, &index) &&
                 parse->lines->line[index] == 0)
            parse->lines->line[index] = cfg->line;
    }
}

void config_parse(struct str name, struct str text, struct config *config,
                  struct config_lines *lines, struct config_problems *problems)
{
    struct parse parse = { name, config, lines, problems, false };
    struct binding binding = { NULL, &parse };
    struct buf whole = { 0 };
    cfg_t *cfg = open_parser(&binding);

    buf_add(&whole, text);
    buf_add(&whole, STR("\n" CONFIG_END_MARK " = yes\n"));
    buf_add_byte(&whole, '\0');
    (void)cfg_set_error_function(cfg, complain);
    bool ok = cfg_parse_buf(cfg, whole.ptr) == CFG_SUCCESS;
    if (ok && !parse.reached_end)
        complain_of_end(&parse);
    else if (!ok && problems->errors == 0)
        config_error(problems, name, cfg->line,
                     "this is not understood; write name = value instead");
    if (ok)
        look_at_empty_ones(&parse, cfg);
    (void)cfg_free(cfg);
    buf_fini(&whole);
}
