/* SPDX-License-Identifier: ISC */
/* template.c: the texts that people get: shown, so that a file can be made of them, and taken from
 * a file. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/printable.h"
#include "cli/show.h"

enum { TEXT_MAX = 64 * 1024, PIECE = 8 * 1024 };

/* All of a file; false after having said why. */
static bool read_text(const char *path, struct buf *out)
{
    int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;

    while (fd >= 0 && got > 0 && out->len <= TEXT_MAX) {
        buf_reserve(out, PIECE);
        got = read(fd, out->ptr + out->len, PIECE);
        out->len += got > 0 ? (size_t)got : 0;
    }
    bool is_read = fd >= 0 && got >= 0;
    if (!is_read)
        cli_say("%s cannot be read (%s)", path, strerror(errno));
    else if (out->len > TEXT_MAX)
        cli_say("%s is too large for a text", path);
    else if (out->len == 0)
        cli_say("%s is empty; --reset goes back to the built-in text", path);
    if (fd >= 0)
        (void)close(fd);
    return is_read && out->len > 0 && out->len <= TEXT_MAX;
}

/* NULL after having said why. */
static json_t *text_of(const struct cli *cli)
{
    struct buf bytes = { 0 };
    const char *path = cli_value(cli, OPTION_FILE);
    json_t *text = NULL;

    if (path == NULL)
        return json_string("");
    if (read_text(path, &bytes)) {
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
