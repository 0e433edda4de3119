/* SPDX-License-Identifier: ISC */
/* agent.c: the agent's process: see agent.h, and private.h for its parts.
 *
 * Lines go round by themselves (line.c); here is what they share: the loop and its turns, and
 * what is said of trouble. All lines have the same backup and the same server, so their troubles
 * are the same, and told once.
 *
 * When it is told to stop, no line is called for any more, and those that are turned round have
 * time to come to the end of what is under way: whatever were cut there would be in doubt.
 */
#include "roles/agent/agent.h"

#include <signal.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/agent/private.h"

enum {
    STOP_MS = 20 * SECOND_MS, /* for what is under way when it is told to stop, … */
    QUIET_MS = SECOND_MS,     /* … which is nothing when the server was the last to speak */
};

int64_t agent_now_ms(const struct agent *agent)
{
    return loop_now(agent->loop).mono_ms;
}

/* ---- what is said ---- */

void agent_say_trouble(struct agent *agent, const char *event, struct str why, const char *hint)
{
    if (agent->said != NULL && strcmp(agent->said, event) == 0)
        return;
    agent->said = event;
    if (hint != NULL)
        log_warn(event, LOG_STR("why", why), LOG_TEXT("hint", hint));
    else
        log_warn(event, LOG_STR("why", why));
}

void agent_say_waits(struct agent *agent)
{
    if (agent->said != NULL || !agent->has_waited)
        log_info("agent_waits", LOG_STR("backup", agent->settings->backup));
    agent->said = NULL;
    agent->has_waited = true;
}

/* ---- the end ---- */

static bool is_stopping(const struct agent *agent)
{
    return agent->stop_ms != NEVER_MS;
}

/* Until when something may be under way on it. */
static int64_t under_way_until(const struct agent_line *line)
{
    int64_t stop_ms = line->agent->stop_ms;
    bool is_up = line->state == LINE_TURNED || line->state == LINE_ENDING;

    if (!is_up || line->is_over)
        return 0;
    return line->is_answered && line->answered_ms + QUIET_MS < stop_ms
               ? line->answered_ms + QUIET_MS
               : stop_ms;
}

/* Returns when it is to be called again. */
static int64_t stop_when_done(struct agent *agent, struct now now)
{
    int64_t deadline = NEVER_MS;

    for (unsigned i = 0; i < agent->settings->lines; i++) {
        int64_t until = under_way_until(&agent->line[i]);
        if (until <= now.mono_ms)
            agent_line_rest(&agent->line[i], NEVER_MS - now.mono_ms);
        else
            deadline = until < deadline ? until : deadline;
    }
    if (deadline == NEVER_MS)
        loop_stop(agent->loop);
    return deadline;
}

static void on_stop(void *context, int number)
{
    struct agent *agent = context;

    log_info("stopping", LOG_TEXT("signal", strsignal(number)));
    if (is_stopping(agent)) /* told twice */
        loop_stop(agent->loop);
    else
        agent->stop_ms = agent_now_ms(agent) + STOP_MS;
}

/* ---- turns ---- */

static int64_t turn(void *context, struct now now)
{
    struct agent *agent = context;
    int64_t deadline = is_stopping(agent) ? stop_when_done(agent, now) : NEVER_MS;

    for (unsigned i = 0; i < agent->settings->lines; i++) {
        int64_t of_line = agent_line_turn(&agent->line[i], now);
        deadline = of_line < deadline ? of_line : deadline;
    }
    log_flush();
    if (stream_set_flush(&agent->streams))
        deadline = now.mono_ms;
    for (unsigned i = 0; i < agent->settings->lines; i++)
        if (agent->line[i].is_due)
            deadline = now.mono_ms;
    return deadline;
}

/* ---- the whole ---- */

/* By this the backup knows lines of one agent from those of another. */
static void name_instance(struct agent *agent)
{
    struct buf instance = { 0 };

    for (int i = 0; i < 2; i++)
        buf_add_format(&instance, "%016llx", (unsigned long long)random_u64(&agent->random));
    memcpy(agent->instance, instance.ptr, sizeof agent->instance - 1);
    buf_fini(&instance);
}

static void set_up(struct agent *agent, const struct agent_settings *settings)
{
    agent->settings = settings;
    agent->stop_ms = NEVER_MS;
    random_from_kernel(&agent->random);
    name_instance(agent);
    agent->call_settings = (struct call_settings){ .hostname = settings->hostname,
                                                   .user = settings->user,
                                                   .secret = settings->secret,
                                                   .domains = settings->domains,
                                                   .instance = str_from(agent->instance) };
    stream_set_init(&agent->streams);
    agent->loop = loop_new();
    agent->tls = tls_client_new(settings->anchors);
    agent_addresses_init(agent);
    for (unsigned i = 0; i < settings->lines; i++)
        agent_line_init(&agent->line[i], agent);
}

static void tear_down(struct agent *agent)
{
    for (unsigned i = 0; i < agent->settings->lines; i++)
        agent_line_rest(&agent->line[i], 0); /* none waits for an address any more */
    agent_addresses_fini(agent);
    tls_client_free(agent->tls);
    loop_free(agent->loop);
    log_flush();
    memory_free(agent);
}

static bool show_certificate(const struct agent *agent)
{
    struct tls_certificate certificate = agent->settings->certificate;

    if (certificate.chain.len == 0 || tls_client_show(agent->tls, certificate))
        return true;
    log_error("certificate_unusable",
              LOG_TEXT("hint", "the file holds a certificate and its key (PEM, no passphrase)"));
    return false;
}

static void run(struct agent *agent)
{
    static const int stop[] = { SIGTERM, SIGINT };
    struct watch *signals[2];

    for (int i = 0; i < 2; i++)
        signals[i] = watch_signal(agent->loop, stop[i], on_stop, agent);
    loop_run(agent->loop, turn, agent);
    for (int i = 0; i < 2; i++)
        watch_free(signals[i]);
}

int agent_run(const struct agent_settings *settings)
{
    struct agent *agent = memory_new(sizeof *agent);
    int status = 2;

    check(settings->lines <= AGENT_LINES_MAX);
    log_init("agent", LOG_INFO);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    set_up(agent, settings);
    if (show_certificate(agent)) {
        run(agent);
        status = 0;
    }
    tear_down(agent);
    return status;
}
