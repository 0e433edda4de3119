/* SPDX-License-Identifier: ISC */
/* turning.c: ATRN (RFC 2645): the client becomes the server, and is handed his mail on the
 * connection that he has opened. Where he has no address that anybody could connect to, this is how
 * mail reaches him.
 *
 *     ATRN [domain{,domain}]               now, or he is told that there is nothing
 *     ATRN [domain{,domain}] WAIT=name     as soon as there is something
 *
 * WAIT is ours, offered behind ATRN in our greeting: the reply comes when it is his turn, be it in
 * hours. Its name tells one caller from another, so that a domain is not served to two of them.
 *
 * What he sends before he is told to turn round would be read as his first words as a server;
 * nobody who knows the protocol does that, so it ends the connection.
 */
#include "receive/session_private.h"

bool turning_waits(const struct receive_session *session)
{
    return session->state == SESSION_ASKING && session->question.kind == QUESTION_LINE &&
           session->question.deadline_ms == NEVER_MS;
}

/* A name of letters and digits; false: it is none. */
static bool take_wait(struct str word, struct str *out_instance)
{
    struct str key = STR("WAIT=");

    if (!str_equals_nocase(str_first(word, key.len), key))
        return false;
    word = str_skip(word, key.len);
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        bool is_fine =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
        if (!is_fine)
            return false;
    }
    if (word.len == 0 || word.len > INSTANCE_SIZE_MAX)
        return false;
    *out_instance = word;
    return true;
}

void command_atrn(struct receive_session *session, struct str argument)
{
    ptrdiff_t blank = str_find_last(argument, ' ');
    struct str last = str_skip(argument, blank >= 0 ? (size_t)blank + 1 : 0);
    struct str domains = argument;
    struct str instance = STR_NONE;

    bool is_wait = str_equals_nocase(str_first(last, 5), STR("WAIT="));
    if (take_wait(last, &instance))
        domains = str_trim(str_first(argument, argument.len - last.len));
    if (session->user.len == 0) {
        reply_error(session, STR("530 5.7.0 Authentication required: say AUTH first"));
    } else if ((is_wait && instance.len == 0) || str_find(domains, ' ') >= 0 ||
               domains.len > DOMAINS_SIZE_MAX) {
        reply_error(session, STR("501 5.5.4 Syntax: ATRN domain,domain [WAIT=name]"));
    } else {
        uint64_t ticket = question_ask(session, QUESTION_LINE);
        if (instance.len > 0)
            session->question.deadline_ms = NEVER_MS;
        session->host->offer_line(session->context, ticket, buf_str(&session->user), domains,
                                  instance);
    }
}

void turning_settle(struct receive_session *session, const struct verdict *verdict)
{
    if (verdict->fate != FATE_ACCEPT) {
        session_enter(session, SESSION_READY);
        session->spoke_ms = session->progress_ms =
            session->now.mono_ms; /* he may have waited long */
        reply_verdict(session, verdict, false);
    } else if (session->held.len > 0) {
        reply_close(session, STR("503 5.5.0 Data sent before it was its turn; closing"));
    } else {
        reply_verdict(session, verdict, false);
        session_enter(session, SESSION_TURNED);
        session->must_turn = true;
    }
}

void turn_when_said(struct receive_session *session)
{
    if (!session->must_turn || session->output.len > 0)
        return;
    session->must_turn = false;
    session->host->turn_round(session->context);
}
