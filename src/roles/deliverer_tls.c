/* SPDX-License-Identifier: ISC */
/* deliverer_tls.c: what the host of a session has to show, and the handshake in which it does. */
#include "base/check.h"
#include "base/file.h"
#include "base/log.h"
#include "roles/deliverer.h"

#include <string.h>

enum { ANCHORS_MAX = 4 * 1024 * 1024 };

void deliverer_tls_open(struct deliverer *deliverer)
{
    struct str name = deliverer->process->config->web_ca;
    struct buf path = { 0 };
    struct buf anchors = { 0 };

    buf_add(&path, name);
    buf_add_byte(&path, '\0');
    int error = name.len > 0 ? file_read(path.ptr, ANCHORS_MAX, &anchors) : 0;
    if (error < 0)
        log_warn("web_ca_unreadable", LOG_STR("file", name), LOG_TEXT("error", strerror(-error)),
                 LOG_TEXT("hint", "no certificate of a mail server is trusted either"));
    deliverer->tls = tls_client_new(buf_str(&anchors));
    buf_fini(&anchors);
    buf_fini(&path);
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

void session_secure(struct session *session)
{
    struct security security = security_of(session);

    if (security.name_count == 0 && session->host.len > 0)
        security.name[security.name_count++] = buf_str(&session->host);
    stream_secure(session->stream, tls_connect(session->deliverer->tls, &security, STR_NONE));
}

enum session_end session_end_insecure(const struct session *session)
{
    struct security security = security_of(session);
    bool should_prove = security.pin_count > 0 || security.level > SECURITY_MUST;

    return should_prove ? SESSION_END_STRANGER : SESSION_END_CONNECT;
}
