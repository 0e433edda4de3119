/* SPDX-License-Identifier: ISC */
/* server.c: a line's connection to the local server, who takes the mail.
 *
 * He is looked for before the backup is called, if he was not there the last time: a connection
 * that is closed at once. Each line that is turned round has a connection of its own, which begins
 * when the line is; what has come from the backup before it is there, waits for it (`early`).
 *
 * Between the two stands the adapter (call/adapter.h), if the server wants LMTP or the PROXY
 * protocol; with the latter the connection is made anew for each client that the backup names, and
 * begins with a header.
 */
#include <string.h>

#include "base/log.h"
#include "roles/agent/private.h"

enum {
    CONNECT_MS = 10 * SECOND_MS,
    AGAIN_MS = 2 * SECOND_MS, /* when it is looked for again */
};

void agent_server_is_away(struct agent_line *line, int error)
{
    line->must_look = true;
    agent_say_trouble(line->agent, "server_away", str_from(strerror(-error)),
                      "the local mail server does not take connections; the backup is not called "
                      "until it does");
    if (line->state == LINE_TURNED) /* perhaps from within a call of the backup's stream */
        agent_line_over(line, false);
    else
        agent_line_rest(line, AGAIN_MS);
}

/* ---- the stream ---- */

static void on_input(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->is_over || line->backup.stream == NULL)
        return;
    line->server_spoke = line->is_answered = true;
    line->answered_ms = agent_now_ms(line->agent);
    if (line->adapter != NULL)
        adapter_from_server(line->adapter, bytes);
    else
        stream_output(line->backup.stream, bytes);
    line->is_due = true;
}

static void on_end(void *context, int error)
{
    struct agent_line *line = context;

    (void)error;
    if (line->is_over || line->state != LINE_TURNED)
        return;
    if (line->server_spoke) {
        agent_line_last_octets(line, &line->backup);
        return;
    }
    line->must_look = true; /* somebody takes connections there, and nobody is behind him */
    agent_say_trouble(line->agent, "server_away", STR("it hangs up before it has said a word"),
                      NULL);
    agent_line_over(line, false);
}

static void on_closed(void *context)
{
    struct agent_line *line = context;

    line->server.stream = NULL;
    agent_line_over(line, true);
}

static const struct stream_host stream_hooks = {
    .input = on_input, .end = on_end, .drained = agent_line_drained, .closed = on_closed
};

/* ---- connecting ---- */

static void open_server(struct agent_line *line)
{
    const struct agent_settings *settings = line->agent->settings;
    struct buf header = { 0 };

    line->deadline_ms = NEVER_MS;
    agent_side_open(line, &line->server, &stream_hooks);
    if (settings->is_proxied)
        adapter_add_proxy_header(&header, line->client, settings->server);
    stream_output(line->server.stream, buf_str(&header));
    stream_output(line->server.stream, buf_str(&line->early));
    buf_fini(&header);
    buf_fini(&line->early);
    line->is_due = true;
}

static void on_connected(void *context, unsigned what)
{
    struct agent_line *line = context;
    int error = agent_side_connected(&line->server);

    (void)what;
    if (error != 0) {
        agent_server_is_away(line, error);
        return;
    }
    line->must_look = false;
    if (line->state == LINE_LOOKING) {
        agent_side_close(&line->server);
        agent_addresses_resolve(line);
        return;
    }
    open_server(line);
}

static void connect_server(struct agent_line *line)
{
    const struct agent *agent = line->agent;
    int error = agent_side_connect(line, &line->server, agent->settings->server, on_connected);

    if (error != 0)
        agent_server_is_away(line, error);
    else
        line->deadline_ms = agent_now_ms(agent) + CONNECT_MS;
}

void agent_server_look(struct agent_line *line)
{
    agent_line_enter(line, LINE_LOOKING, NEVER_MS);
    connect_server(line);
}

/* ---- the adapter ---- */

static void on_to_server(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->server.stream != NULL)
        stream_output(line->server.stream, bytes);
    else
        buf_add(&line->early, bytes);
}

static void on_to_backup(void *context, struct str bytes)
{
    const struct agent_line *line = context;
    stream_output(line->backup.stream, bytes);
}

static void on_reconnect(void *context, struct endpoint client)
{
    struct agent_line *line = context;

    line->client = client;
    agent_side_close(&line->server); /* a command has come from the backup: it is not calling */
    connect_server(line);
}

static void on_broken(void *context, const char *why)
{
    struct agent_line *line = context;

    agent_say_trouble(line->agent, "line_broken", str_from(why), NULL);
    agent_line_over(line, false);
}

static const struct adapter_host adapter_hooks = { .to_server = on_to_server,
                                                   .to_backup = on_to_backup,
                                                   .reconnect = on_reconnect,
                                                   .broken = on_broken };

/* ---- turned round ---- */

void agent_server_begin(struct agent_line *line, struct str early)
{
    const struct agent_settings *settings = line->agent->settings;
    const struct adapter_settings wishes = { settings->is_lmtp, settings->is_proxied };

    line->client = (struct endpoint){ 0 };
    if (wishes.is_lmtp || wishes.is_proxied)
        line->adapter = adapter_new(&wishes, &adapter_hooks, line);
    buf_add(&line->early, early);
    connect_server(line);
}

void agent_server_take(struct agent_line *line, struct str bytes)
{
    if (line->adapter != NULL)
        adapter_from_backup(line->adapter, bytes);
    else
        on_to_server(line, bytes);
}
