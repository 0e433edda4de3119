/* SPDX-License-Identifier: ISC */
/* content.c: the octets of a message on their way to the host.
 *
 * They are decoded in pieces as large as they come and looked at once. The header is
 * gathered here (up to a limit) and given to the host whole, for what is found out
 * about the sender goes above it; the body is written to the host as it comes.
 *
 * Content that cannot be taken is given up at once, but its octets are swallowed
 * to their end, and only then is the refusal said: a client reads no reply before
 * it has sent everything.
 */
#include "receive/session_private.h"

#include "base/check.h"

/* Octets the host may still be given. */
static uint64_t room(const struct content *content)
{
    uint64_t ahead = content->written - content->taken + content->decoded.len;
    return ahead < RECEIVE_WINDOW ? RECEIVE_WINDOW - ahead : 0;
}

static bool is_content(enum session_state state)
{
    return state == SESSION_DATA || state == SESSION_CHUNK;
}

bool content_has_room(const struct receive_session *session)
{
    return !is_content(session->state) || !session->content.open ||
           room(&session->content) >= ROOM_MIN;
}

void content_abandon(struct receive_session *session)
{
    buf_fini(&session->content.decoded);
    buf_fini(&session->content.header);
    if (!session->content.open)
        return;
    session->content.open = false;
    session->host->content_abort(session->context);
}

void content_refuse(struct receive_session *session, struct str line)
{
    content_abandon(session);
    session->content.refused = line;
    session->content.stalled = false;
}

/* RFC 3848, RFC 6531 4.3 */
static struct str protocol_of(const struct receive_session *session)
{
    if (session->transaction.flags & ENVELOPE_SMTPUTF8)
        return session->tls.len > 0 ? STR("UTF8SMTPS") : STR("UTF8SMTP");
    if (session->tls.len > 0)
        return session->extended ? STR("ESMTPS") : STR("SMTPS");
    return session->extended ? STR("ESMTP") : STR("SMTP");
}

struct envelope content_envelope(const struct receive_session *session)
{
    return (struct envelope){
        .id = session->content.id,
        .received_ms = session->now.wall_ms,
        .body_type = session->transaction.body_type,
        .flags = session->transaction.flags,
        .client = session->client,
        .helo = buf_str(&session->helo),
        .client_name = buf_str(&session->client_name),
        .protocol = protocol_of(session),
        .sender = session->transaction.sender,
        .envelope_id = session->transaction.envelope_id,
        .ret = session->transaction.ret,
        .recipient = session->transaction.recipient,
        .recipient_count = session->transaction.recipient_count,
    };
}

static void add_received(const struct receive_session *session, const struct envelope *envelope,
                         struct buf *out)
{
    struct trace_stamp stamp = {
        .helo = envelope->helo,
        .client_name = envelope->client_name,
        .client = envelope->client,
        .node = session->settings->hostname,
        .protocol = envelope->protocol,
        .tls = buf_str(&session->tls),
        .id = envelope->id,
        .recipient = envelope->recipient_count == 1 ? envelope->recipient[0].address : STR_NONE,
        .wall_ms = envelope->received_ms,
    };
    trace_add_received(out, &stamp);
}

void content_open(struct receive_session *session, struct content_decoder decoder)
{
    struct content *content = &session->content;

    content->open = true;
    content->id = message_id_new(session->now.wall_ms, session->random);
    content->decoder = decoder;
    content->trace = trace_scanner_for(session->settings->hostname);
    content->in_body = false;
    session->host->content_open(session->context, content->id);
}

void content_watch_pace(struct receive_session *session)
{
    session->heard_ms = session->now.mono_ms;
    if (session->content.timed)
        return;
    session->content.timed = true;
    session->content.started_ms = session->now.mono_ms;
}

static void write_body(struct receive_session *session, struct str body)
{
    if (body.len == 0)
        return;
    session->host->content_write(session->context, body);
    session->content.written += body.len;
}

/* The header ends at `size` of what was gathered; the body begins behind. */
static void give_header(struct receive_session *session, size_t size)
{
    struct content *content = &session->content;
    struct str gathered = buf_str(&content->header);
    struct envelope envelope = content_envelope(session);
    struct buf received = { 0 };

    add_received(session, &envelope, &received);
    session->host->content_header(session->context, &envelope, buf_str(&received),
                                  str_first(gathered, size));
    content->in_body = true;
    write_body(session, str_skip(gathered, size));
    buf_fini(&received);
    buf_fini(&content->header);
}

/* The header's size, as far as it has come. */
static size_t gather_header(struct content *content, struct str fresh)
{
    struct buf *header = &content->header;
    size_t from = header->len > 3 ? header->len - 3 : 0; /* its end may lie across the seam */

    if (content->in_body)
        return 0;
    buf_add(header, fresh);
    return content_header_size(buf_str(header), from);
}

void content_finish(struct receive_session *session)
{
    if (!session->content.in_body)
        give_header(session, session->content.header.len);
    buf_fini(&session->content.decoded);
    session->content.open = false;
}

/* A recipient's primary gets our own fields as well. */
uint64_t content_octets_max(const struct receive_session *session)
{
    uint64_t ours = session->settings->message_size_max;
    uint64_t theirs = session->transaction.size_max;

    if (theirs > 2 * OWN_FIELDS_ROOM)
        theirs -= OWN_FIELDS_ROOM;
    return theirs > 0 && theirs < ours ? theirs : ours;
}

/* RFC 3030 3: bodies may be other than lines; who reads headers, here and behind us, counts on
 * those. */
static bool has_rough_header(const struct content *content, size_t header_size)
{
    struct str header = str_first(buf_str(&content->header), header_size);

    if (content->decoder.state != CONTENT_OCTETS || content->in_body)
        return false;
    if (header.len > 0 && header_size == content->header.len && header.ptr[header.len - 1] == '\r')
        header.len--; /* its LF may be on the way */
    return content_is_rough(header);
}

/* Why the content cannot be taken, or STR_NONE. */
static struct str find_refusal(const struct receive_session *session, size_t header_size)
{
    const struct content *content = &session->content;

    if (content->octets > content_octets_max(session))
        return STR("552 5.3.4 Message exceeds the size limit");
    if (trace_is_loop(&content->trace))
        return STR("554 5.4.6 Mail loop: too many hops, or it was here before");
    if (content->decoder.bare && session->settings->bare_newline_reject)
        return STR("550 5.5.2 Bare CR or LF in the message; end lines with CRLF");
    if (has_rough_header(content, header_size))
        return STR("554 5.6.0 NUL, bare CR or LF in the header; its lines end with CRLF");
    if (header_size > session->settings->header_size_max)
        return STR("552 5.3.4 The header of the message is too large");
    return STR_NONE;
}

static void look_at(struct receive_session *session, struct str fresh)
{
    struct content *content = &session->content;

    content->octets += fresh.len;
    content->trace.own_name = session->settings->hostname; /* a reload moves it */
    trace_scan(&content->trace, fresh);
    size_t header_size = gather_header(content, fresh);
    struct str refusal = find_refusal(session, header_size);
    if (refusal.ptr != NULL)
        content_refuse(session, refusal);
    else if (content->in_body)
        write_body(session, fresh);
    else if (header_size < content->header.len)
        give_header(session, header_size);
}

void content_pass_on(struct receive_session *session)
{
    struct content *content = &session->content;

    if (content->open)
        look_at(session, buf_str(&content->decoded));
    buf_reset(&content->decoded); /* or it is gone: refused */
}

/* As much of the input as belongs to the content and fits; decoding may double it. */
static struct str next_piece(const struct receive_session *session)
{
    const struct content *content = &session->content;
    uint64_t most = PIECE_MAX;

    if (!content_has_room(session))
        return STR_NONE;
    if (content->open && room(content) / 2 - 2 < most)
        most = room(content) / 2 - 2;
    if (session->state == SESSION_CHUNK && content->chunk_left < most)
        most = content->chunk_left;
    return str_first(session->input, (size_t)most);
}

static void stall(struct receive_session *session)
{
    if (session->content.stalled)
        return;
    session->content.stalled = true;
    session->content.stalled_ms = session->now.mono_ms;
}

/* Decodes a piece, or only swallows it. Returns how much of it was content. */
static size_t take_piece(struct receive_session *session, struct str piece)
{
    struct content *content = &session->content;

    if (session->state == SESSION_CHUNK && !content->open)
        return piece.len;
    size_t taken = content_decode(&content->decoder, piece, &content->decoded);
    content_pass_on(session);
    return taken;
}

enum step content_step(struct receive_session *session)
{
    struct content *content = &session->content;

    if (session->state == SESSION_CHUNK && content->chunk_left == 0) {
        chunk_end(session);
        return STEP_ON;
    }
    if (session->input.len == 0)
        return STEP_HUNGRY;
    struct str piece = next_piece(session);
    if (piece.len == 0) {
        stall(session);
        return STEP_WAIT;
    }
    size_t taken = take_piece(session, piece);
    session->input = str_skip(session->input, taken);
    content->received += taken;
    if (session->state == SESSION_CHUNK)
        content->chunk_left -= taken;
    else if (content_is_complete(&content->decoder))
        data_end(session);
    return STEP_ON;
}

void receive_content_taken(struct receive_session *session, struct message_id id, uint64_t octets,
                           struct now now)
{
    struct content *content = &session->content;

    if (!content->open || !message_id_equals(id, content->id))
        return; /* of content that is over */
    check(octets <= content->written - content->taken);
    content->taken += octets;
    session->now = now;
    if (content->stalled && content_has_room(session)) { /* the client did not lose this time */
        content->stalled = false;
        content->started_ms += now.mono_ms - content->stalled_ms;
        session->heard_ms = now.mono_ms;
    }
    session_run(session, STR_NONE);
}
