/* SPDX-License-Identifier: ISC */
/* run.c: what the commands do. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base64.h"
#include "base/printable.h"
#include "cli/command.h"
#include "config/config.h"
#include "roles/roles.h"
#include "roles/spool_keys.h"

int run_run(struct cli *cli)
{
    return roles_run(cli_config_path(cli));
}

int run_role(struct cli *cli)
{
    return roles_main(cli->argc, cli->argv);
}

int run_help(struct cli *cli)
{
    if (cli->argument_count == 0) {
        help_all(cli->language, &cli->out);
        return EXIT_OK;
    }
    const char *name = cli->argument_count > 1 ? cli->argument[1] : NULL;
    if (help_about(cli->language, cli->argument[0], name, &cli->out))
        return EXIT_OK;
    cli_say("there is no such command; `holdfast help` lists them");
    return EXIT_USAGE;
}

int run_version(struct cli *cli)
{
    if (cli_has(cli, OPTION_JSON))
        buf_add(&cli->out, STR("{\"name\":\"holdfast\",\"version\":\"" HOLDFAST_VERSION "\"}\n"));
    else
        buf_add(&cli->out, STR("holdfast " HOLDFAST_VERSION "\n"));
    return EXIT_OK;
}

static void warn_of_keys(const char *path, const struct config *config)
{
    const char *why = "";

    if (config->encryption_keys.len > 0 && !spool_keys_are_usable(config->encryption_keys, &why))
        cli_say("%s: encryption keys %.*s: %s; no mail would be taken", path,
                STR_FMT(config->encryption_keys), why);
}

int run_check_config(struct cli *cli)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    const char *path = cli_config_path(cli);
    int error = config_load(path, &config, &problems);

    (void)cli_write(stderr, buf_str(&problems.text));
    if (error == 0)
        warn_of_keys(path, config);
    if (error == 0 && cli_has(cli, OPTION_DUMP))
        config_dump(config, &cli->out);
    else if (error == 0)
        buf_add_format(&cli->out, text_in(cli->language, "%s: good\n"), path);
    config_free(config);
    config_problems_fini(&problems);
    return error == 0 ? EXIT_OK : EXIT_USAGE;
}

int run_check_sandbox(struct cli *cli)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    int status = EXIT_USAGE;

    if (config_load(cli_config_path(cli), &config, &problems) == 0)
        status =
            roles_check_sandbox(config, cli_has(cli, OPTION_JSON)) == 0 ? EXIT_OK : EXIT_REFUSED;
    else
        (void)fwrite(problems.text.ptr, 1, problems.text.len, stderr);
    config_free(config);
    config_problems_fini(&problems);
    return status;
}

/* ---- operations ---- */

static bool is_ok(const json_t *answer)
{
    if (json_is_true(json_object_get(answer, "ok")))
        return true;
    const char *text = json_string_value(json_object_get(json_object_get(answer, "error"), "text"));
    struct str rest = str_from(text != NULL ? text : "refused without a reason");
    struct str line = STR_NONE;
    struct buf shown = { 0 };
    for (bool is_first = true; str_cut(&rest, '\n', &line); is_first = false) {
        buf_add(&shown, is_first ? STR("") : STR("\n"));
        printable_add(&shown, line);
    }
    cli_say("%.*s", STR_FMT(buf_str(&shown)));
    buf_fini(&shown);
    return false;
}

static void print_answer(struct cli *cli, const json_t *answer)
{
    if (!cli_has(cli, OPTION_JSON)) {
        cli->command->show(cli, answer);
        return;
    }
    char *text = json_dumps(answer, JSON_COMPACT | JSON_ENSURE_ASCII);
    buf_add(&cli->out, str_from(text));
    buf_add_byte(&cli->out, '\n');
    free(text);
}

json_t *cli_make_request(const struct cli *cli)
{
    struct buf why = { 0 };
    json_t *request = cli_request(cli, &why);

    if (request == NULL)
        cli_say("%.*s", STR_FMT(buf_str(&why)));
    buf_fini(&why);
    return request;
}

int run_operation(struct cli *cli)
{
    json_t *request = cli_make_request(cli);
    return request != NULL ? cli_run_request(cli, request) : EXIT_USAGE;
}

int cli_show_answer(struct cli *cli, const json_t *answer)
{
    int status = is_ok(answer) ? EXIT_OK : EXIT_REFUSED;

    /* In JSON a refusal is an answer like any other, on standard output too. */
    if (status == EXIT_OK || cli_has(cli, OPTION_JSON))
        print_answer(cli, answer);
    return status;
}

int cli_run_request(struct cli *cli, json_t *request)
{
    json_t *answer = NULL;
    int status = cli_ask(cli, request, &answer);
    if (status != EXIT_OK)
        return status;
    status = cli_show_answer(cli, answer);
    json_decref(answer);
    return status;
}

/* Until interrupted, or holdfast is gone. */
int run_status(struct cli *cli)
{
    int status = run_operation(cli);

    while (status == EXIT_OK && cli_has(cli, OPTION_WATCH)) {
        cli_flush(cli);
        (void)sleep(2);
        if (cli->use_color)
            buf_add(&cli->out, STR("\033[H\033[2J"));
        cli->now = clock_now();
        status = run_operation(cli);
    }
    return status;
}

static bool write_piece(const json_t *answer)
{
    const json_t *data = json_object_get(answer, "data");
    struct buf bytes = { 0 };
    bool ok = base64_decode(&bytes, str_of(json_string_value(data), json_string_length(data))) &&
              cli_write(stdout, buf_str(&bytes));

    buf_fini(&bytes);
    if (!ok)
        cli_say("the content could not be written (%s)", strerror(errno));
    return ok;
}

/* All pieces, in the order in which they come. */
static int write_pieces(struct connection *client)
{
    bool more = true;

    while (more) {
        json_t *answer = NULL;
        int status = connection_read(client, &answer);
        if (status != EXIT_OK)
            return status;
        more = json_is_true(json_object_get(answer, "more"));
        bool ok = is_ok(answer) && write_piece(answer);
        json_decref(answer);
        if (!ok)
            return EXIT_REFUSED;
    }
    if (fflush(stdout) == 0)
        return EXIT_OK;
    cli_say("the content could not be written (%s)", strerror(errno));
    return EXIT_REFUSED;
}

int run_export(struct cli *cli)
{
    struct connection *client = NULL;

    if (isatty(STDOUT_FILENO)) {
        cli_say("a message may hold what upsets a terminal; write it to a file: holdfast queue "
                "export %.26s > message.eml",
                cli->argument[0]);
        return EXIT_USAGE;
    }
    json_t *request = cli_make_request(cli);
    if (request == NULL)
        return EXIT_USAGE;
    int status = connection_open(cli, &client);
    if (status != EXIT_OK) {
        json_decref(request);
        return status;
    }
    status = connection_send(client, request);
    if (status == EXIT_OK)
        status = write_pieces(client);
    connection_close(client);
    return status;
}
