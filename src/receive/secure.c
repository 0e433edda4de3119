/* SPDX-License-Identifier: ISC */
/* secure.c: STARTTLS (RFC 3207), and what is known of a connection that is secure.
 *
 * Whoever is on the line may have put in what came before: of that nothing is kept but the count of
 * mistakes, and octets that came behind STARTTLS end the connection (input_is_out_of_turn()).
 */
#include "receive/session_private.h"

void command_starttls(struct receive_session *session, struct str argument)
{
    if (argument.len > 0) {
        reply_error(session, STR("501 5.5.4 STARTTLS takes no argument"));
        return;
    }
    if (session->tls.len > 0) {
        reply_error(session, STR("503 5.5.1 TLS is on already"));
        return;
    }
    if (!session->settings->has_tls) {
        reply_error(session, STR("454 4.7.0 TLS is not available at the moment"));
        return;
    }
    reply_say(session, STR("220 2.0.0 Go ahead"));
    session_enter(session, SESSION_SECURING);
    session->must_start_tls = true;
}

/* Our reply must be on its way before the host may take what comes for a handshake. */
void secure_when_said(struct receive_session *session)
{
    if (!session->must_start_tls || session->output.len > 0)
        return;
    session->must_start_tls = false;
    if (session->state == SESSION_SECURING)
        session->host->start_tls(session->context);
}

void receive_secured(struct receive_session *session, struct str how, bool has_certificate,
                     struct now now)
{
    session->now = session->state == SESSION_CLOSED ? session->now : now;
    buf_reset(&session->tls);
    buf_add(&session->tls, how);
    session->has_certificate = has_certificate;
    if (session->state != SESSION_SECURING)
        return; /* from the beginning, or too late */
    transaction_reset(session);
    buf_reset(&session->helo);
    session->extended = false;
    session->spoke_ms = now.mono_ms;
    session_enter(session, SESSION_START);
    session_run(session, STR_NONE);
}
