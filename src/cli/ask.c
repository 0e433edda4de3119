/* SPDX-License-Identifier: ISC */
/* ask.c: the client's side of the control socket; blocking, with a time limit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/memory.h"
#include "cli/command.h"
#include "config/config.h"
#include "control/line.h"

enum { TIMEOUT_S = 30 };

struct connection {
    int fd;
    struct control_lines lines;
};

const char *cli_config_path(const struct cli *cli)
{
    const char *path = cli_value(cli, OPTION_CONFIG);
    const char *variable = getenv("HOLDFAST_CONFIG");

    if (path != NULL)
        return path;
    return variable != NULL && variable[0] != '\0' ? variable : "/etc/holdfast/holdfast.conf";
}

int cli_socket_path(const struct cli *cli, struct buf *out)
{
    struct config_problems problems = { 0 };
    struct config *config = NULL;
    const char *given = cli_value(cli, OPTION_SOCKET);

    if (given != NULL) {
        buf_add(out, str_from(given));
        return EXIT_OK;
    }
    int error = config_load(cli_config_path(cli), &config, &problems);
    if (error == 0)
        buf_add(out, config->control);
    else
        cli_say("the control socket is not known without the configuration; name it with "
                "--socket PATH\n%.*s",
                STR_FMT(str_first(buf_str(&problems.text), problems.text.len - 1)));
    config_free(config);
    config_problems_fini(&problems);
    return error == 0 ? EXIT_OK : EXIT_USAGE;
}

static int say_why_not(struct str path, int error)
{
    if (error == ENOENT || error == ECONNREFUSED)
        cli_say("nobody answers at %.*s; is holdfast running? start it with `systemctl start "
                "holdfast` or `holdfast run`",
                STR_FMT(path));
    else if (error == EACCES || error == EPERM)
        cli_say("you may not use %.*s; try again with sudo, or as the user that runs holdfast",
                STR_FMT(path));
    else
        cli_say("%.*s: %s", STR_FMT(path), strerror(error));
    return EXIT_REFUSED;
}

static int connect_to(struct str path, int *out_fd)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    const struct timeval timeout = { .tv_sec = TIMEOUT_S };

    if (path.len >= sizeof address.sun_path)
        return ENAMETOOLONG;
    memcpy(address.sun_path, path.ptr, path.len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        int error = errno;
        (void)close(fd);
        return error;
    }
    *out_fd = fd;
    return 0;
}

int connection_open(const struct cli *cli, struct connection **out_client)
{
    struct buf path = { 0 };
    int fd = -1;
    int status = cli_socket_path(cli, &path);

    if (status == EXIT_OK) {
        int error = connect_to(buf_str(&path), &fd);
        status = error == 0 ? EXIT_OK : say_why_not(buf_str(&path), error);
    }
    buf_fini(&path);
    if (status != EXIT_OK)
        return status;
    struct connection *client = memory_new(sizeof *client);
    client->fd = fd;
    client->lines.size_max = CONTROL_ANSWER_MAX;
    *out_client = client;
    return EXIT_OK;
}

void connection_close(struct connection *client)
{
    if (client == NULL)
        return;
    (void)close(client->fd);
    control_lines_fini(&client->lines);
    memory_free(client);
}

static int say_lost(ssize_t got)
{
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        cli_say("no answer within %d seconds; look at `journalctl -u holdfast`", TIMEOUT_S);
    else
        cli_say("the connection was closed before the answer; you may lack the right to ask, or "
                "holdfast is restarting: try again, or look at `journalctl -u holdfast`");
    return EXIT_REFUSED;
}

int connection_send(struct connection *client, json_t *request)
{
    char *text = json_dumps(request, JSON_COMPACT);
    struct buf line = { 0 };
    size_t sent = 0;
    ssize_t now = 0;

    buf_add(&line, str_from(text));
    buf_add_byte(&line, '\n');
    free(text);
    json_decref(request);
    while (sent < line.len &&
           (now = send(client->fd, line.ptr + sent, line.len - sent, MSG_NOSIGNAL)) > 0)
        sent += (size_t)now;
    bool ok = sent == line.len;
    buf_fini(&line);
    return ok ? EXIT_OK : say_lost(now);
}

int connection_read(struct connection *client, json_t **out_answer)
{
    char bytes[65536];
    struct str line;

    while (!control_lines_next(&client->lines, &line)) {
        ssize_t got =
            control_lines_too_long(&client->lines) ? 0 : recv(client->fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return say_lost(got);
        control_lines_feed(&client->lines, str_of(bytes, (size_t)got));
    }
    json_t *answer = json_loadb(line.ptr, line.len, 0, NULL);
    if (!json_is_object(answer)) {
        json_decref(answer);
        cli_say("the answer is not understood; do `holdfast version` and the running one differ?");
        return EXIT_REFUSED;
    }
    *out_answer = answer;
    return EXIT_OK;
}

int cli_ask(const struct cli *cli, json_t *request, json_t **out_answer)
{
    struct connection *client = NULL;
    int status = connection_open(cli, &client);

    if (status == EXIT_OK)
        status = connection_send(client, request);
    else
        json_decref(request);
    if (status == EXIT_OK)
        status = connection_read(client, out_answer);
    connection_close(client);
    return status;
}
