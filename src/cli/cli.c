/* SPDX-License-Identifier: ISC */
/* cli.c: from main() to the command and back. */
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/command.h"

void cli_say(const char *format, ...)
{
    struct buf text = { 0 };
    va_list arguments;

    buf_add(&text, STR("holdfast: "));
    va_start(arguments, format);
    buf_add_vformat(&text, format, arguments);
    va_end(arguments);
    buf_add_byte(&text, '\n');
    (void)fwrite(text.ptr, 1, text.len, stderr);
    buf_fini(&text);
}

void cli_flush(struct cli *cli)
{
    (void)fwrite(cli->out.ptr, 1, cli->out.len, stdout);
    (void)fflush(stdout);
    buf_reset(&cli->out);
}

/* See no-color.org. */
static bool wants_color(void)
{
    const char *refused = getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) && (refused == NULL || refused[0] == '\0');
}

static int run(struct cli *cli)
{
    if (cli->command == NULL) {
        help_all(&cli->out);
        return cli_has(cli, OPTION_HELP) ? EXIT_OK : EXIT_USAGE;
    }
    if (!cli_has(cli, OPTION_HELP))
        return cli->command->run(cli);
    if (cli->command->run == run_help)
        return run_help(cli);
    bool has_group = cli->command->group[0] != '\0';
    (void)help_about(&cli->out, has_group ? cli->command->group : cli->command->name,
                     has_group ? cli->command->name : NULL);
    return EXIT_OK;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = { .argc = argc, .argv = argv };
    struct buf why = { 0 };

    cli.now = clock_now();
    cli.use_color = wants_color();
    int status = cli_parse(&cli, argc, argv, &why);
    if (status != EXIT_OK)
        cli_say("%.*s", STR_FMT(buf_str(&why)));
    else
        status = run(&cli);
    cli_flush(&cli);
    buf_fini(&cli.out);
    buf_fini(&why);
    return status;
}
