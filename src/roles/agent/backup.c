/* SPDX-License-Identifier: ISC */
/* backup.c: a line's connection to the backup.
 *
 *     connecting ─▶ the call (call/call.h), over TLS ── 250 ──▶ octets for the local server
 *
 * Until the line is turned round, what comes in is the call's; from then on it is the server's
 * (server.c), and what the server says goes out here. What came of a call is said once, with
 * a hint where a person has to do something about it.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "roles/agent/private.h"

enum { CONNECT_MS = 15 * SECOND_MS };

static struct now now(const struct agent_line *line)
{
    return loop_now(line->agent->loop);
}

/* ---- the call ---- */

static void on_call_send(void *context, struct str bytes)
{
    const struct agent_line *line = context;
    stream_output(line->backup.stream, bytes);
}

static void secure(struct agent_line *line)
{
    const struct agent *agent = line->agent;
    stream_secure(line->backup.stream,
                  tls_connect(agent->tls, &agent->settings->security, STR_NONE));
}

static void on_call_start_tls(void *context)
{
    secure(context);
}

static void on_call_waits(void *context)
{
    struct agent_line *line = context;

    line->has_waited = true;
    line->waited_ms = agent_now_ms(line->agent);
    agent_say_waits(line->agent);
}

static void on_call_turned(void *context, struct str rest)
{
    struct agent_line *line = context;

    log_info("agent_turned", LOG_STR("backup", line->agent->settings->backup));
    agent_line_enter(line, LINE_TURNED, NEVER_MS);
    agent_server_begin(line, rest);
}

static void on_call_over(void *context, enum call_end end, struct str why)
{
    static const char *const event[] = { [CALL_LOST] = "backup_lost",
                                         [CALL_LATER] = "backup_busy",
                                         [CALL_REFUSED] = "backup_refuses",
                                         [CALL_STRANGER] = "backup_unsuitable" };
    struct agent_line *line = context;

    agent_say_trouble(line->agent, event[end], why,
                      end == CALL_REFUSED
                          ? "look at --user, --secret-file and --domains; `holdfast domain "
                            "secret` on the backup makes a secret"
                          : NULL);
    if (end == CALL_REFUSED || end == CALL_STRANGER)
        line->failures += 4; /* it will not be better in a second */
    agent_line_over(line, false);
}

static const struct call_host call_hooks = { .send = on_call_send,
                                             .start_tls = on_call_start_tls,
                                             .waits = on_call_waits,
                                             .turned = on_call_turned,
                                             .over = on_call_over };

/* ---- the stream ---- */

static void on_input(void *context, struct str bytes)
{
    struct agent_line *line = context;

    if (line->is_over)
        return;
    line->is_due = true;
    line->is_answered = false;
    if (line->state == LINE_CALLING)
        call_feed(line->call, bytes, now(line));
    else
        agent_server_take(line, bytes);
}

static void on_secured(void *context)
{
    struct agent_line *line = context;

    if (line->call != NULL && !line->is_over)
        call_secured(line->call, now(line));
}

static void on_end(void *context, int error)
{
    struct agent_line *line = context;

    if (line->is_over)
        return;
    if (error == -EPROTO) {
        agent_say_trouble(
            line->agent, "backup_stranger", tls_why(stream_tls(line->backup.stream)),
            line->agent->settings->security.from_start
                ? "who answers there has not shown that he is the backup; nothing was said to him; "
                  "if its port begins in the clear, leave --tls-from-start away"
                : "who answers there has not shown that he is the backup; nothing was said to him");
        agent_line_over(line, false);
    } else if (line->state == LINE_CALLING) {
        call_lost(line->call);
    } else if (line->state == LINE_TURNED && line->server.stream != NULL && error == 0) {
        agent_line_last_octets(line, &line->server); /* it hears the QUIT that came before */
    } else {
        agent_line_over(line, line->state != LINE_CALLING);
    }
}

static void on_closed(void *context)
{
    struct agent_line *line = context;

    line->backup.stream = NULL;
    agent_line_over(line, true);
}

static const struct stream_host stream_hooks = { .input = on_input,
                                                 .end = on_end,
                                                 .secured = on_secured,
                                                 .drained = agent_line_drained,
                                                 .closed = on_closed };

/* ---- connecting ---- */

static void call_backup(struct agent_line *line)
{
    struct agent *agent = line->agent;
    bool from_start = agent->settings->security.from_start;

    agent_line_enter(line, LINE_CALLING, NEVER_MS); /* the call has its own */
    line->has_waited = line->server_spoke = line->is_answered = false;
    agent_side_open(line, &line->backup, &stream_hooks);
    stream_keep_alive(line->backup.stream);
    line->call = call_new(&agent->call_settings, &call_hooks, line, from_start, now(line));
    if (from_start)
        secure(line);
}

static void on_connected(void *context, unsigned what)
{
    struct agent_line *line = context;
    int error = agent_side_connected(&line->backup);

    (void)what;
    if (error == 0)
        call_backup(line);
    else
        agent_line_fail(line, "backup_away", str_from(strerror(-error)), NULL);
}

void agent_backup_connect(struct agent_line *line)
{
    agent_line_enter(line, LINE_CONNECTING, agent_now_ms(line->agent) + CONNECT_MS);
    int error = agent_side_connect(line, &line->backup, agent_addresses_next(line), on_connected);
    if (error != 0)
        agent_line_fail(line, "backup_away", str_from(strerror(-error)), NULL);
}
