/* SPDX-License-Identifier: ISC */
/* cli.c: from main() to the command and back. */
#include "cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "cli/command.h"

bool cli_write(FILE *file, struct str bytes)
{
    return bytes.len == 0 || fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
}

void cli_say(const char *format, ...)
{
    struct buf text = { 0 };
    va_list arguments;

    buf_add(&text, STR("holdfast: "));
    va_start(arguments, format);
    buf_add_vformat(&text, format, arguments);
    va_end(arguments);
    buf_add_byte(&text, '\n');
    (void)cli_write(stderr, buf_str(&text));
    buf_fini(&text);
}

bool cli_read_file(const char *path, size_t size_max, struct buf *out)
{
    bool is_input = strcmp(path, "-") == 0;
    const char *name = is_input ? "standard input" : path;
    int error =
        is_input ? file_read_fd(STDIN_FILENO, size_max, out) : file_read(path, size_max, out);

    if (error == -EFBIG)
        cli_say("%s has more than %zu bytes, which is too much", name, size_max);
    else if (error != 0)
        cli_say("%s cannot be read (%s)", name, strerror(-error));
    return error == 0;
}

void cli_flush(struct cli *cli)
{
    (void)cli_write(stdout, buf_str(&cli->out));
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
        help_all(cli->language, &cli->out);
        return cli_has(cli, OPTION_HELP) ? EXIT_OK : EXIT_USAGE;
    }
    if (!cli_has(cli, OPTION_HELP))
        return cli->command->run(cli);
    if (cli->command->run == run_help)
        return run_help(cli);
    bool has_group = cli->command->group[0] != '\0';
    (void)help_about(cli->language, has_group ? cli->command->group : cli->command->name,
                     has_group ? cli->command->name : NULL, &cli->out);
    return EXIT_OK;
}

int cli_main(int argc, char **argv)
{
    struct cli cli = { .argc = argc, .argv = argv };
    struct buf why = { 0 };

    cli.now = clock_now();
    cli.use_color = wants_color();
    cli.language = language_from_environment();
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
