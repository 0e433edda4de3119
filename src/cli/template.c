/* SPDX-License-Identifier: ISC */
/* template.c: the texts that people get: shown, so that a file can be made of them, and taken from
 * a file. */
#include <unistd.h>

#include "base/check.h"
#include "base/printable.h"
#include "cli/show.h"

enum { TEXT_MAX = 64 * 1024 };

/* NULL after having said why. */
static json_t *text_of(const struct cli *cli)
{
    struct buf bytes = { 0 };
    const char *path = cli_value(cli, OPTION_FILE);
    json_t *text = NULL;

    if (path == NULL)
        return json_string("");
    bool is_read = cli_read_file(path, TEXT_MAX, &bytes);
    if (is_read && bytes.len == 0) {
        cli_say("%s is empty; --reset goes back to the built-in text", path);
    } else if (is_read) {
        text = json_stringn(bytes.ptr, bytes.len);
        if (text == NULL)
            cli_say("%s is no UTF-8; save the text as UTF-8", path);
    }
    buf_fini(&bytes);
    return text;
}

int run_template(struct cli *cli)
{
    bool is_change = cli_has(cli, OPTION_FILE) || cli_has(cli, OPTION_RESET);
    json_t *request = cli_make_request(cli);
    json_t *text = request != NULL && is_change ? text_of(cli) : NULL;

    if (request == NULL)
        return EXIT_USAGE;
    if (cli_has(cli, OPTION_FILE) && cli_has(cli, OPTION_RESET)) {
        cli_say("--file or --reset? give one of them");
        json_decref(text);
        text = NULL;
    }
    if (is_change && text == NULL) {
        json_decref(request);
        return EXIT_USAGE;
    }
    if (is_change) {
        check(json_object_set_new(request, "op", json_string("domain.template-set")) == 0);
        check(json_object_set_new(request, "text", text) == 0);
    }
    return cli_run_request(cli, request);
}

/* To a file as it is; to a terminal without what upsets one. */
void show_template(struct cli *cli, const json_t *answer)
{
    struct str text = show_text(answer, "text");
    struct str line = STR_NONE;

    if (isatty(STDOUT_FILENO) == 0) {
        buf_add(&cli->out, text);
        return;
    }
    while (text.len > 0 && str_cut(&text, '\n', &line)) {
        printable_add(&cli->out, line);
        buf_add_byte(&cli->out, '\n');
    }
}

void show_secret(struct cli *cli, const json_t *answer)
{
    printable_add(&cli->out, show_text(answer, "secret"));
    buf_add_byte(&cli->out, '\n');
}
