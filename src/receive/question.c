/* SPDX-License-Identifier: ISC */
/* question.c: what a client asks for himself, and only the host can answer: to be let in (AUTH), to
 * get the mail that waits for him (ETRN, ATRN).
 *
 * One question at a time; nothing is read until it is answered. An answer to an earlier one, which
 * was not waited for any longer, is ignored.
 */
#include "receive/session_private.h"

uint64_t question_ask(struct receive_session *session, enum question_kind kind)
{
    session_enter(session, SESSION_ASKING);
    session->question.kind = kind;
    session->question.deadline_ms = session->now.mono_ms + QUESTION_WAIT_MS;
    return ++session->question.ticket;
}

/* RFC 1985 5: a name, perhaps with all below it; "#" would be a queue of ours, and we name none. */
void command_etrn(struct receive_session *session, struct str argument)
{
    if (argument.len == 0) {
        reply_error(session, STR("501 5.5.4 Syntax: ETRN domain, or ETRN @domain"));
    } else if (str_find(argument, ' ') >= 0 || argument.len > NODE_SIZE_MAX) {
        reply_error(session, STR("501 5.5.4 ETRN takes one domain"));
    } else if (argument.ptr[0] == '#') {
        reply_error(session, STR("459 4.7.1 There are no queues with names here; say ETRN domain"));
    } else {
        uint64_t ticket = question_ask(session, QUESTION_TURN);
        session->host->ask_turn(session->context, ticket, buf_str(&session->user), argument);
    }
}

static void settle(struct receive_session *session, const struct verdict *verdict, struct str user)
{
    bool is_refused = verdict->fate != FATE_ACCEPT;

    if (session->question.kind == QUESTION_LINE) {
        turning_settle(session, verdict);
        return;
    }
    session_enter(session, SESSION_READY);
    if (session->question.kind == QUESTION_LOGIN && !is_refused)
        buf_add(&session->user, user);
    reply_verdict(session, verdict, is_refused);
}

void receive_question_answer(struct receive_session *session, uint64_t ticket,
                             const struct verdict *verdict, struct str user, struct now now)
{
    if (session->state != SESSION_ASKING || ticket != session->question.ticket)
        return;
    session->now = now;
    settle(session, verdict, user);
    session_run(session, STR_NONE);
}

void receive_question_unanswered(struct receive_session *session, uint64_t ticket, struct now now)
{
    if (session->state != SESSION_ASKING || ticket != session->question.ticket)
        return;
    session->now = now;
    question_expire(session);
    session_run(session, STR_NONE);
}

void question_expire(struct receive_session *session)
{
    static const struct {
        uint16_t code;
        uint8_t subject;
    } unknown[] = {
        [QUESTION_LOGIN] = { 454, 7 },
        [QUESTION_TURN] = { 458, 3 },
        [QUESTION_LINE] = { 451, 3 },
    };
    enum question_kind kind = session->question.kind;
    struct verdict verdict = verdict_make(unknown[kind].code, unknown[kind].subject, 0,
                                          STR("Cannot find out at the moment; try again later"));
    settle(session, &verdict, STR_NONE);
}
