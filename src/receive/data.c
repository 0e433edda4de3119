/* SPDX-License-Identifier: ISC */
/* data.c: DATA, BDAT, and how a message ends.
 *
 * After content_commit() a message is in doubt until the host answers: it is never
 * aborted then. If no answer comes in time the client is told to try again; was
 * the message stored nevertheless, it comes twice, which is better than never.
 */
#include "receive/session_private.h"

void command_data(struct receive_session *session, struct str argument)
{
    if (argument.len > 0) {
        reply_error(session, STR("501 5.5.4 DATA takes no argument"));
        return;
    }
    if (session->transaction.recipient_count == 0) {
        reply_say(session, STR("554 5.5.1 No valid recipients"));
        return;
    }
    if (session->transaction.body_type == BODY_BINARYMIME) { /* RFC 3030 3 */
        reply_error(session, STR("503 5.5.1 With BODY=BINARYMIME content comes with BDAT"));
        return;
    }
    content_open(session, content_decoder_for_data());
    content_watch_pace(session);
    session_enter(session, SESSION_DATA);
    reply_say(session, STR("354 End data with <CR><LF>.<CR><LF>"));
}

/* Why this chunk cannot be taken, or STR_NONE. */
static struct str chunk_refusal(const struct receive_session *session, uint64_t size)
{
    if (!session->settings->chunking)
        return STR("502 5.5.1 BDAT is not offered here");
    if (session->state == SESSION_START || session->state == SESSION_READY)
        return STR("503 5.5.1 BDAT without MAIL");
    if (session->state == SESSION_FAILED)
        return STR("503 5.5.1 The transaction has failed; end it with RSET");
    if (session->transaction.recipient_count == 0)
        return STR("554 5.5.1 No valid recipients");
    uint64_t octets_max = content_octets_max(session);
    if (size > octets_max || session->content.octets > octets_max - size)
        return STR("552 5.3.4 Message exceeds the size limit");
    return STR_NONE;
}

void command_bdat(struct receive_session *session, struct str argument)
{
    struct content *content = &session->content;
    uint64_t size = 0;
    bool last = false;

    if (!smtp_chunk_parse(argument, &size, &last)) {
        reply_close(session, STR("501 5.5.4 Syntax: BDAT size [LAST]; closing, for where the "
                                 "chunk ends cannot be known"));
        return;
    }
    struct str refusal = chunk_refusal(session, size);
    if (refusal.ptr != NULL)
        content_refuse(session, refusal);
    else if (session->state == SESSION_MAIL)
        content_open(session, session->transaction.body_type == BODY_BINARYMIME
                                  ? content_decoder_for_octets()
                                  : content_decoder_for_chunks());
    content->chunk_left = size;
    content->chunk_last = last;
    content->before_chunk = session->state;
    content_watch_pace(session);
    session_enter(session, SESSION_CHUNK);
}

static void commit(struct receive_session *session)
{
    struct content *content = &session->content;
    struct envelope envelope = content_envelope(session);

    content_finish(session);
    content->stalled_ms = session->now.mono_ms;
    session_enter(session, SESSION_COMMIT);
    session->host->content_commit(session->context, &envelope);
}

static void end_transaction(struct receive_session *session)
{
    transaction_reset(session);
    session_enter(session, SESSION_READY);
}

void data_end(struct receive_session *session)
{
    struct str refused = session->content.refused;

    if (refused.ptr == NULL) {
        commit(session);
        return;
    }
    end_transaction(session);
    session->progress_ms = session->now.mono_ms;
    reply_say(session, refused);
}

static void end_refused_chunk(struct receive_session *session)
{
    struct str refused = session->content.refused;
    enum session_state before = session->content.before_chunk;

    if (before == SESSION_START || before == SESSION_READY) {
        transaction_reset(session);
        session_enter(session, before);
        reply_error(session, refused);
        return;
    }
    if (session->content.chunk_last)
        end_transaction(session);
    else
        session_enter(session, SESSION_FAILED);
    reply_say(session, refused);
}

void chunk_end(struct receive_session *session)
{
    struct content *content = &session->content;

    if (content->chunk_last && content->refused.ptr == NULL) {
        content_end_chunks(&content->decoder);
        content_pass_on(session); /* a CR held back was a bare one */
    }
    if (content->refused.ptr != NULL) {
        end_refused_chunk(session);
    } else if (content->chunk_last) {
        commit(session);
    } else {
        session_enter(session, SESSION_CHUNKED);
        reply_say(session, STR("250 2.0.0 Chunk OK"));
    }
}

static void end_commit(struct receive_session *session)
{
    end_transaction(session);
    session->progress_ms = session->now.mono_ms;
}

void commit_expire(struct receive_session *session)
{
    end_commit(session);
    reply_say(session, STR("451 4.3.0 The message could not be stored in time; try again later"));
}

void receive_content_answer(struct receive_session *session, struct message_id id,
                            const struct verdict *verdict, struct now now)
{
    if (session->state != SESSION_COMMIT || !message_id_equals(id, session->content.id))
        return; /* too late */
    session->now = now;
    if (verdict->fate == FATE_ACCEPT)
        session->errors = 0;
    end_commit(session);
    reply_verdict(session, verdict, false);
    session_run(session, STR_NONE);
}
