/* SPDX-License-Identifier: ISC */
/* greeting.c: EHLO, HELO and the commands that change nothing. */
#include "receive/session_private.h"

enum { HELO_SIZE_MAX = 255 };

/* Any one word: what a client calls itself is often no domain, and that is no reason to refuse it
 * (RFC 5321 4.1.4). */
static bool is_greeting_word(struct str argument)
{
    for (size_t i = 0; i < argument.len; i++) {
        unsigned char c = (unsigned char)argument.ptr[i];
        if (c <= ' ' || c == 0x7f)
            return false;
    }
    return argument.len > 0 && argument.len <= HELO_SIZE_MAX;
}

static bool greet(struct receive_session *session, struct str argument, bool extended)
{
    if (!is_greeting_word(argument)) {
        reply_error(session, STR("501 5.5.4 Say EHLO or HELO with your host name"));
        return false;
    }
    transaction_reset(session);
    session->extended = extended;
    buf_reset(&session->helo);
    buf_add(&session->helo, argument);
    session_enter(session, SESSION_READY);
    return true;
}

static void offer_logins(struct receive_session *session)
{
    struct buf mechanisms = { 0 };

    login_add_mechanisms(session, &mechanisms);
    if (mechanisms.len > 0) /* RFC 4954 */
        buf_add_format(&session->output, "250-AUTH%.*s\r\n", STR_FMT(buf_str(&mechanisms)));
    buf_fini(&mechanisms);
}

/* To who comes for mail. */
static void offer_turns(struct receive_session *session)
{
    buf_add(&session->output, STR("\r\n"));
    if (session->settings->has_tls && session->tls.len == 0)
        buf_add(&session->output, STR("250-STARTTLS\r\n")); /* RFC 3207 */
    offer_logins(session);
    buf_add(&session->output, STR("250-ATRN WAIT\r\n")); /* RFC 2645; turning.c */
    reply_say(session, STR("250 ENHANCEDSTATUSCODES"));  /* RFC 2034 */
}

void command_ehlo(struct receive_session *session, struct str argument)
{
    const struct receive_settings *settings = session->settings;

    if (!greet(session, argument, true))
        return;
    buf_add(&session->output, STR("250-"));
    buf_add(&session->output, settings->hostname);
    if (settings->is_for_turns) {
        offer_turns(session);
        return;
    }
    buf_add(&session->output, STR("\r\n250-PIPELINING\r\n")); /* RFC 2920 */
    buf_add_format(&session->output, "250-SIZE %llu\r\n",     /* RFC 1870 */
                   (unsigned long long)settings->message_size_max);
    buf_add(&session->output, STR("250-8BITMIME\r\n")); /* RFC 6152 */
    buf_add(&session->output, STR("250-SMTPUTF8\r\n")); /* RFC 6531 */
    buf_add(&session->output, STR("250-DSN\r\n"));      /* RFC 3461 */
    if (settings->has_tls && session->tls.len == 0)
        buf_add(&session->output, STR("250-STARTTLS\r\n")); /* RFC 3207 */
    if (session->tls.len > 0)
        buf_add(&session->output, STR("250-REQUIRETLS\r\n")); /* RFC 8689 */
    offer_logins(session);
    buf_add(&session->output, STR("250-ETRN\r\n")); /* RFC 1985 */
    if (settings->chunking)
        buf_add(&session->output, STR("250-CHUNKING\r\n")); /* RFC 3030 */
    if (settings->chunking && settings->binarymime)
        buf_add(&session->output, STR("250-BINARYMIME\r\n"));     /* RFC 3030 3 */
    buf_add_format(&session->output, "250-LIMITS RCPTMAX=%u\r\n", /* RFC 9422 */
                   (unsigned)settings->recipients_max);
    reply_say(session, STR("250 ENHANCEDSTATUSCODES")); /* RFC 2034 */
}

void command_helo(struct receive_session *session, struct str argument)
{
    if (!greet(session, argument, false))
        return;
    buf_add(&session->output, STR("250 "));
    reply_say(session, session->settings->hostname);
}

void command_rset(struct receive_session *session, struct str argument)
{
    if (argument.len > 0) {
        reply_error(session, STR("501 5.5.4 RSET takes no argument"));
        return;
    }
    transaction_reset(session);
    if (session->state != SESSION_START)
        session_enter(session, SESSION_READY);
    reply_say(session, STR("250 2.0.0 OK"));
}

void command_noop(struct receive_session *session, struct str argument)
{
    (void)argument; /* RFC 5321 4.1.1.9: ignored */
    reply_say(session, STR("250 2.0.0 OK"));
}

void command_quit(struct receive_session *session, struct str argument)
{
    if (argument.len > 0)
        reply_error(session, STR("501 5.5.4 QUIT takes no argument"));
    else
        reply_close(session, STR("221 2.0.0 Bye"));
}

/* RFC 5321 7.3: who exists is told at RCPT, where it can be watched and limited. */
void command_vrfy(struct receive_session *session, struct str argument)
{
    if (argument.len == 0)
        reply_error(session, STR("501 5.5.4 Syntax: VRFY address"));
    else
        reply_say(session, STR("252 2.5.0 Cannot say; send a message and see"));
}

void command_help(struct receive_session *session, struct str argument)
{
    (void)argument;
    if (session->settings->is_for_turns)
        reply_say(session, STR("214 2.0.0 EHLO HELO STARTTLS AUTH ATRN RSET NOOP HELP QUIT"));
    else
        reply_say(session, STR("214 2.0.0 EHLO HELO STARTTLS AUTH ETRN MAIL RCPT DATA BDAT RSET "
                               "NOOP VRFY HELP QUIT"));
}
