/* SPDX-License-Identifier: ISC */
/* reply.c: what we say.
 *
 * Replies gather during a call and leave together. Each has an enhanced code
 * (RFC 2034), except the banner, those to EHLO and HELO, and 354.
 */
#include "receive/session_private.h"

#include "base/log.h"

static bool is_refusal(struct str line)
{
    return line.len > 0 && (line.ptr[0] == '4' || line.ptr[0] == '5');
}

static void log_refusal(const struct receive_session *session, struct str line)
{
    struct buf client = { 0 };
    endpoint_add_ip(&client, session->client);
    log_info("refused", LOG_STR("client", buf_str(&client)),
             LOG_STR("helo", buf_str(&session->helo)), LOG_STR("reply", line));
    buf_fini(&client);
}

void reply_say(struct receive_session *session, struct str line)
{
    if (is_refusal(line))
        log_refusal(session, line);
    buf_add(&session->output, line);
    buf_add(&session->output, STR("\r\n"));
}

/* Who guesses addresses or commands is not helped to do it fast. */
static void slow_down(struct receive_session *session)
{
    if (session->settings->tarpit_ms > 0 && session->errors + session->refusals > TARPIT_AFTER)
        session->tarpit_until_ms = session->now.mono_ms + session->settings->tarpit_ms;
}

static void count_error(struct receive_session *session)
{
    session->errors++;
    slow_down(session);
    if (session->errors >= session->settings->errors_max)
        reply_close(session, STR("421 4.7.0 Too many errors; closing"));
}

void reply_error(struct receive_session *session, struct str line)
{
    reply_say(session, line);
    count_error(session);
}

void reply_verdict(struct receive_session *session, const struct verdict *verdict, bool is_error)
{
    struct verdict full = *verdict;

    if (full.enhanced[0] == 0)
        full.enhanced[0] = (uint8_t)(full.code / 100);
    size_t start = session->output.len;
    verdict_add_line(&session->output, &full);
    if (is_error) /* the host logs its own words */
        log_refusal(session, str_skip(buf_str(&session->output), start));
    buf_add(&session->output, STR("\r\n"));
    if (is_error)
        count_error(session);
}

void reply_close(struct receive_session *session, struct str line)
{
    reply_say(session, line);
    session_close(session);
}

void reply_refuse_recipient(struct receive_session *session)
{
    session->refusals++;
    slow_down(session);
}

void reply_end_tarpit(struct receive_session *session)
{
    session->tarpit_until_ms = 0;
}

void reply_flush(struct receive_session *session)
{
    if (session->output.len == 0 || session->tarpit_until_ms != 0)
        return;
    session->host->send(session->context, buf_str(&session->output));
    session->spoke_ms = session->now.mono_ms;
    buf_reset(&session->output);
    if (session->output.cap > IDLE_BUFFER_MAX)
        buf_fini(&session->output);
}

void session_close(struct receive_session *session)
{
    content_abandon(session);
    recipients_free(session);
    session->tarpit_until_ms = session->greet_at_ms = 0; /* our last words leave now */
    reply_flush(session);
    session_enter(session, SESSION_CLOSED);
    session->host->close(session->context);
}
