/* SPDX-License-Identifier: ISC */
/* parse.c: the words of the command line, sorted by the tables. */
#include <string.h>

#include "base/printable.h"
#include "base/suggest.h"
#include "cli/command.h"

static bool find_option(struct str name, enum option *out_option)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (str_equals(name, str_from(option_rule((enum option)i)->name))) {
            *out_option = (enum option)i;
            return true;
        }
    }
    return false;
}

static int fail_option(const struct cli *cli, struct str name, struct buf *why)
{
    struct suggestion meant = { .given = name };

    for (int i = 0; i < OPTION_COUNT; i++)
        if (cli->command == NULL || command_takes(cli->command, (enum option)i))
            suggestion_offer(&meant, str_from(option_rule((enum option)i)->name));
    buf_add(why, STR("there is no option --"));
    printable_add(why, name);
    if (cli->command != NULL) {
        buf_add_format(why, " for `holdfast %s%s%s`", cli->command->group,
                       cli->command->group[0] != '\0' ? " " : "", cli->command->name);
    }
    if (meant.best.len > 0)
        buf_add_format(why, "; did you mean --%.*s?", STR_FMT(meant.best));
    else
        buf_add(why, STR("; add --help to see those there are"));
    return EXIT_USAGE;
}

/* --name=value, --name value or --name; *index moves over a value of its own. */
static int take_option(struct cli *cli, int argc, char **argv, int *index, struct buf *why)
{
    struct str word = str_skip(str_from(argv[*index]), 2);
    struct str name = STR_NONE;
    enum option option;
    bool has_value = str_find(word, '=') >= 0;
    const char *value = argv[*index];

    (void)str_cut(&word, '=', &name);
    if (!find_option(name, &option) ||
        (cli->command != NULL && !command_takes(cli->command, option)))
        return fail_option(cli, name, why);
    const struct option_rule *rule = option_rule(option);
    if (rule->value == NULL && has_value) {
        buf_add_format(why, "--%s takes no value; leave out what stands behind the =", rule->name);
        return EXIT_USAGE;
    }
    if (rule->value != NULL && !has_value && *index + 1 == argc) {
        buf_add_format(why, "--%s needs a value: --%s %s", rule->name, rule->name, rule->value);
        return EXIT_USAGE;
    }
    if (rule->value != NULL)
        value = has_value ? word.ptr : argv[++*index]; /* word ends where the argument does */
    if (cli->value_count[option] == VALUES_MAX) {
        buf_add_format(why, "--%s may be given at most %d times", rule->name, VALUES_MAX);
        return EXIT_USAGE;
    }
    cli->value[option][cli->value_count[option]++] = value;
    return EXIT_OK;
}

static bool is_group(const char *word)
{
    size_t cursor = 0;
    const struct command *command;

    while ((command = command_next(&cursor)) != NULL)
        if (command->group[0] != '\0' && strcmp(command->group, word) == 0)
            return true;
    return false;
}

static const struct command *find_command(const char *group, const char *name)
{
    size_t cursor = 0;
    const struct command *command;

    while ((command = command_next(&cursor)) != NULL)
        if (strcmp(command->group, group) == 0 && strcmp(command->name, name) == 0)
            return command;
    return NULL;
}

static int fail_command(const char *group, const char *word, struct buf *why)
{
    struct suggestion meant = { .given = str_from(word) };
    const struct command *command;
    size_t cursor = 0;

    while ((command = command_next(&cursor)) != NULL) {
        if (command->is_hidden)
            continue;
        if (strcmp(command->group, group) == 0)
            suggestion_offer(&meant, str_from(command->name));
        else if (group[0] == '\0')
            suggestion_offer(&meant, str_from(command->group));
    }
    buf_add_format(why, "there is no command `holdfast %s%s", group, group[0] != '\0' ? " " : "");
    printable_add(why, str_first(str_from(word), 60));
    buf_add_byte(why, '`');
    if (meant.best.len > 0)
        buf_add_format(why, "; did you mean %.*s?", STR_FMT(meant.best));
    else
        buf_add_format(why, "; see `holdfast help%s%s`", group[0] != '\0' ? " " : "", group);
    return EXIT_USAGE;
}

/* May another word follow those that are there? */
static bool has_place(const struct command *command, int count)
{
    if (count < ARGUMENTS_MAX && command->argument[count].shown != NULL)
        return true;
    int last = count < ARGUMENTS_MAX ? count : ARGUMENTS_MAX;
    while (last > 0 && command->argument[last - 1].shown == NULL)
        last--;
    return last > 0 && command->argument[last - 1].is_list && count < ARGUMENT_WORDS_MAX;
}

static int take_argument(struct cli *cli, const char *word, struct buf *why)
{
    const struct command *command = cli->command;

    if (!has_place(command, cli->argument_count)) {
        printable_add_quoted(why, str_from(word));
        buf_add_format(why, " is one word too many; see `holdfast help %s%s%s`", command->group,
                       command->group[0] != '\0' ? " " : "", command->name);
        return EXIT_USAGE;
    }
    cli->argument[cli->argument_count++] = word;
    return EXIT_OK;
}

/* A word that is no option: first the command, in one word or two, then its arguments. */
static int take_word(struct cli *cli, const char **group, const char *word, struct buf *why)
{
    if (cli->command != NULL)
        return take_argument(cli, word, why);
    if (*group == NULL && is_group(word)) {
        *group = word;
        return EXIT_OK;
    }
    cli->command = find_command(*group != NULL ? *group : "", word);
    return cli->command != NULL ? EXIT_OK : fail_command(*group != NULL ? *group : "", word, why);
}

static int check_complete(const struct cli *cli, struct buf *why)
{
    const struct command *command = cli->command;
    int next = cli->argument_count;

    if (cli_has(cli, OPTION_HELP) || next >= ARGUMENTS_MAX ||
        command->argument[next].shown == NULL || command->argument[next].is_optional)
        return EXIT_OK;
    buf_add_format(why, "%s is missing: holdfast %s%s%s %s", command->argument[next].shown,
                   command->group, command->group[0] != '\0' ? " " : "", command->name,
                   command->argument[next].shown);
    return EXIT_USAGE;
}

/* Options that stood in front of the command are known only now to fit it or not. */
static int check_options(const struct cli *cli, struct buf *why)
{
    for (int i = 0; i < OPTION_COUNT; i++)
        if (cli_has(cli, (enum option)i) && !command_takes(cli->command, (enum option)i))
            return fail_option(cli, str_from(option_rule((enum option)i)->name), why);
    return EXIT_OK;
}

int cli_parse(struct cli *cli, int argc, char **argv, struct buf *why)
{
    const char *group = NULL;
    bool only_words = false;
    int status = EXIT_OK;

    for (int i = 1; i < argc && status == EXIT_OK; i++) {
        if (!only_words && strcmp(argv[i], "--") == 0)
            only_words = true;
        else if (!only_words && strncmp(argv[i], "--", 2) == 0)
            status = take_option(cli, argc, argv, &i, why);
        else
            status = take_word(cli, &group, argv[i], why);
        if (cli->command != NULL && cli->command->run == run_role)
            return EXIT_OK; /* the rest is the role's own */
    }
    if (status != EXIT_OK)
        return status;
    if (cli->command == NULL && group != NULL) { /* `holdfast domain` asks what there is */
        cli->command = find_command("", "help");
        cli->argument[cli->argument_count++] = group;
    }
    if (cli->command == NULL)
        return EXIT_OK;
    status = check_options(cli, why);
    return status == EXIT_OK ? check_complete(cli, why) : status;
}
