/* SPDX-License-Identifier: ISC */
/* tls.c: what the host of a session has to show, the handshake in which it does, and what
 * the keeper hears of that (RFC 8460): once a session, and nothing of questions about recipients.
 */
#include "base/check.h"
#include "notify/tls_row.h"
#include "roles/deliverer/deliverer.h"

void deliverer_tls_open(struct deliverer *deliverer, struct str anchors)
{
    deliverer->tls = tls_client_new(anchors);
}

/* It was looked at when it came. */
static struct security security_of(const struct session *session)
{
    struct cursor cursor = cursor_over(buf_str(&session->security));
    struct security security;

    check(security_decode(&cursor, &security));
    return security;
}

bool session_begins_secure(const struct session *session)
{
    return security_of(session).from_start;
}

enum deliver_tls session_tls(const struct session *session)
{
    enum security_level level = security_of(session).level;

    if (level == SECURITY_CLEAR)
        return DELIVER_TLS_NO;
    return level == SECURITY_MAY ? DELIVER_TLS_MAY : DELIVER_TLS_MUST;
}

/* Of an authority that is not there, something that holds no certificate: nothing would mean those
 * whom everybody trusts. */
static struct str anchors_of(const struct deliverer *deliverer, struct str name)
{
    for (uint32_t i = 0; i < deliverer->authority_count; i++)
        if (str_equals(buf_str(&deliverer->authority[i].name), name) &&
            deliverer->authority[i].anchors.len > 0)
            return buf_str(&deliverer->authority[i].anchors);
    return STR("no certificate");
}

void session_secure(struct session *session)
{
    struct security security = security_of(session);

    if (security.name_count == 0 && session->host.len > 0)
        security.name[security.name_count++] = buf_str(&session->host);
    struct str anchors = STR_NONE;
    if (security.authority.len > 0)
        anchors = anchors_of(session->deliverer, security.authority);
    session->is_shaking = true;
    stream_secure(session->stream, tls_connect(session->deliverer->tls, &security, anchors));
}

struct str session_key_shown(const struct session *session, struct security_pin *room)
{
    struct security_pin certificate;

    if (!session->is_secure || !tls_peer_pins(stream_tls(session->stream), room, &certificate))
        return STR_NONE;
    return str_of(room->digest, sizeof room->digest);
}

bool session_proves(const struct session *session)
{
    struct security security = security_of(session);

    return security.pin_count > 0 || security.level > SECURITY_MUST;
}

enum session_end session_end_insecure(const struct session *session)
{
    return session_proves(session) ? SESSION_END_STRANGER : SESSION_END_CONNECT;
}

/* ---- what came of it ---- */

/* Who calls for his mail is found by no policy. */
bool session_counts_tls(const struct session *session)
{
    return session->deliverer->process->config->report_tls && !session->is_callout &&
           session->line == 0;
}

static void tell(struct session *session, enum tls_result result, struct str why)
{
    struct deliverer *deliverer = session->deliverer;
    struct buf from = { 0 };

    if (session->tls_is_told || !session_counts_tls(session) || deliverer->keeper == NULL ||
        session->is_orphan)
        return;
    session->tls_is_told = true;
    endpoint_encode(&from, session->from);
    channel_send(deliverer->keeper, session_tls, .session = session->number,
                 .result = (uint64_t)result, .from = buf_str(&from),
                 .why = str_first(why, TLS_REASON_MAX));
    buf_fini(&from);
}

/* RFC 8460 4.3. That no TLSA record matches is no fault of the records, which is what it has the
 * other word for. */
static enum tls_result result_of(enum tls_fault fault)
{
    switch (fault) {
    case TLS_FAULT_NONE:
        return TLS_RESULT_SUCCESS;
    case TLS_FAULT_EXPIRED:
        return TLS_RESULT_EXPIRED;
    case TLS_FAULT_NAME:
        return TLS_RESULT_HOST_MISMATCH;
    case TLS_FAULT_UNTRUSTED:
        return TLS_RESULT_NOT_TRUSTED;
    case TLS_FAULT_HANDSHAKE:
    case TLS_FAULT_TLSA:
    case TLS_FAULT_PIN:
        break;
    }
    return TLS_RESULT_VALIDATION;
}

void session_tls_open(struct session *session)
{
    struct str why = STR_NONE;
    enum tls_fault doubt = tls_peer_doubt(stream_tls(session->stream), &why);

    tell(session, result_of(doubt), why);
}

void session_tls_missing(struct session *session)
{
    tell(session, TLS_RESULT_NO_STARTTLS, STR_NONE);
}

void session_tls_failed(struct session *session)
{
    const struct tls *tls = stream_tls(session->stream);

    tell(session, result_of(tls_fault(tls)), tls_why(tls));
}

/* In the middle of the handshake: many a server says so what it does not like. */
void session_tls_over(struct session *session, enum session_end how, struct str why)
{
    if (session->is_shaking && !session->is_secure && how != SESSION_END_QUIT)
        tell(session, TLS_RESULT_VALIDATION, why);
}
