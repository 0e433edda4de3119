/* SPDX-License-Identifier: ISC */
/* input.c: command lines out of the bytes, and what they must wait for.
 *
 * Only CRLF ends a command. A bare LF ends the line too, but as a mistake that is
 * answered: whoever sends nothing else shall not wait for ever, and what follows
 * must not be taken for a part of the line.
 *
 * A command is taken when its reply can be given at once or, for RCPT, queued. So
 * these wait in the input:
 *   - RCPT, while PIPELINE_MAX recipients are being asked about;
 *   - anything else, while one is;
 *   - DATA and BDAT, until the client's name is known, for our Received field
 *     comes first.
 */
#include "receive/session_private.h"

static enum line_fault fault_of(struct str text)
{
    if (str_find(text, '\0') >= 0)
        return LINE_NUL;
    /* Without an LF in it: the first CR must be the last octet. */
    if (text.len == 0 || str_find(text, '\r') != (ptrdiff_t)text.len - 1)
        return LINE_NEWLINE;
    return LINE_FINE;
}

bool input_find_line(struct receive_session *session, struct command_line *out_line)
{
    ptrdiff_t end = str_find(session->input, '\n');

    if (end < 0) {
        if (session->input.len >= COMMAND_LINE_MAX)
            session->discarding_line = true;
        if (session->discarding_line)
            session->input = str_skip(session->input, session->input.len);
        return false;
    }
    struct str text = str_first(session->input, (size_t)end);
    out_line->size = text.len + 1;
    out_line->fault =
        session->discarding_line || text.len >= COMMAND_LINE_MAX ? LINE_LONG : fault_of(text);
    out_line->text = out_line->fault == LINE_FINE ? str_first(text, text.len - 1) : STR_NONE;
    return true;
}

void input_take_line(struct receive_session *session, const struct command_line *line)
{
    session->discarding_line = false;
    session->input = str_skip(session->input, line->size);
}

bool input_must_wait(const struct receive_session *session, enum smtp_verb verb)
{
    if (verb == SMTP_RCPT)
        return session->pending_count >= PIPELINE_MAX;
    if (session->pending_count > 0)
        return true;
    return (verb == SMTP_DATA || verb == SMTP_BDAT) && !session->client_named &&
           session->transaction.recipient_count > 0;
}

bool input_is_out_of_turn(const struct receive_session *session, enum smtp_verb verb)
{
    if (session->input.len == 0 || verb == SMTP_BDAT || verb == SMTP_QUIT)
        return false;
    if (verb == SMTP_DATA || verb == SMTP_EHLO || verb == SMTP_HELO || verb == SMTP_STARTTLS ||
        verb == SMTP_ATRN)
        return true; /* the last of its group, whatever was agreed */
    return !session->extended;
}
