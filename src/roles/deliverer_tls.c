/* SPDX-License-Identifier: ISC */
/* deliverer_tls.c: what the host of a session has to show, and the handshake in which it does. */
#include "base/check.h"
#include "roles/deliverer.h"

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
