/* SPDX-License-Identifier: ISC */
/* help.c: the tables, as text. */
#include <string.h>

#include "cli/command.h"
#include "config/settings.h"

static void add_name(struct buf *out, const struct command *command)
{
    if (command->group[0] != '\0')
        buf_add_format(out, "%s ", command->group);
    buf_add(out, str_from(command->name));
    for (int i = 0; i < ARGUMENTS_MAX && command->argument[i].shown != NULL; i++)
        buf_add_format(out, command->argument[i].is_optional ? " [%s%s]" : " %s%s",
                       command->argument[i].shown, command->argument[i].is_list ? "…" : "");
}

static void add_line(struct buf *out, struct str left, const char *right)
{
    buf_add_format(out, "  %.*s%*s%s\n", STR_FMT(left), left.len < 30 ? 30 - (int)left.len : 2, "",
                   right);
}

static void add_command(enum language language, struct buf *out, const struct command *command)
{
    struct buf name = { 0 };

    add_name(&name, command);
    add_line(out, buf_str(&name), text_in(language, command->help));
    buf_fini(&name);
}

static void add_group(enum language language, struct buf *out, const char *group)
{
    const struct command *command;
    size_t cursor = 0;

    while ((command = command_next(&cursor)) != NULL)
        if (strcmp(command->group, group) == 0 && !command->is_hidden)
            add_command(language, out, command);
}

void help_all(enum language language, struct buf *out)
{
    static const char *const groups[] = { "", "domain", "queue" };

    buf_add(out, str_from(text_in(
                     language,
                     "holdfast keeps the mail of your domains while their mail server is away.\n\n"
                     "usage: holdfast COMMAND [ARGUMENT]… [--option]…\n")));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        buf_add_byte(out, '\n');
        add_group(language, out, groups[i]);
    }
    buf_add(out, str_from(text_in(language, "\n`holdfast help COMMAND` explains one of them.\n")));
}

static void add_options(enum language language, struct buf *out, const struct command *command)
{
    struct buf name = { 0 };

    buf_add_byte(out, '\n');
    for (int i = 0; i < OPTION_COUNT; i++) {
        const struct option_rule *rule = option_rule((enum option)i);
        if (!command_takes(command, (enum option)i))
            continue;
        buf_reset(&name);
        buf_add_format(&name, "--%s%s%s", rule->name, rule->value != NULL ? " " : "",
                       rule->value != NULL ? rule->value : "");
        add_line(out, buf_str(&name), text_in(language, rule->help));
    }
    buf_fini(&name);
}

static void add_settings(enum language language, struct buf *out)
{
    struct buf range = { 0 };

    buf_add(out,
            str_from(text_in(
                language,
                "\nsettings for --set, with their bounds and what the node has by itself:\n")));
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_rule *rule = setting_rule((enum setting)i);
        buf_reset(&range);
        setting_add_range(&range, (enum setting)i);
        buf_add(&range, STR(", "));
        setting_add_text(&range, (enum setting)i, NULL, NULL);
        buf_add_format(out, "  %-20s %.*s\n  %20s   %s\n", rule->name, STR_FMT(buf_str(&range)), "",
                       text_in(language, rule->help));
    }
    buf_fini(&range);
}

static void about_command(enum language language, struct buf *out, const struct command *command)
{
    buf_add_format(out, "%s: holdfast ", text_in(language, "usage"));
    add_name(out, command);
    buf_add_format(out, " [--option]…\n\n%s\n", text_in(language, command->help));
    add_options(language, out, command);
    if (command_takes(command, OPTION_SET))
        add_settings(language, out);
}

bool help_about(enum language language, const char *group_or_name, const char *name,
                struct buf *out)
{
    const struct command *command;
    size_t cursor = 0;
    bool is_group = false;

    while ((command = command_next(&cursor)) != NULL) {
        bool in_group = command->group[0] != '\0' && strcmp(command->group, group_or_name) == 0;
        is_group = is_group || in_group;
        bool is_it = name != NULL
                         ? in_group && strcmp(command->name, name) == 0
                         : command->group[0] == '\0' && strcmp(command->name, group_or_name) == 0;
        if (is_it) {
            about_command(language, out, command);
            return true;
        }
    }
    if (!is_group || name != NULL)
        return false;
    buf_add_format(out, text_in(language, "usage: holdfast %s COMMAND [ARGUMENT]… [--option]…\n\n"),
                   group_or_name);
    add_group(language, out, group_or_name);
    buf_add_format(out, text_in(language, "\n`holdfast help %s COMMAND` explains one of them.\n"),
                   group_or_name);
    if (strcmp(group_or_name, "domain") == 0)
        add_settings(language, out);
    return true;
}
