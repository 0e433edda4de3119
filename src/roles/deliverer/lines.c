/* SPDX-License-Identifier: ISC */
/* lines.c: sessions over lines, the connections of primaries that call
 * (schedule/lines.h).
 *
 *     parked ── session_open ──▶ a session of the keeper's
 *        │  ◀── session_end ───────────────┘
 *        └── line_end ──▶ QUIT
 *
 * A line is one SMTP conversation for as long as it lives, and one session of the keeper's after
 * the other. Between them it is parked: nobody's, and silent. It speaks when the first session
 * comes.
 */
#include <unistd.h>

#include "base/log.h"
#include "base/memory.h"
#include "roles/deliverer/deliverer.h"

enum {
    LINES_HERE_MAX = 256,          /* that no session has come for */
    UNCLAIMED_MS = 60 * SECOND_MS, /* how long such a one is kept */
};

static struct session *find_line(const struct deliverer *deliverer, uint64_t line)
{
    list_each (link, &deliverer->all) {
        struct session *session = container_of(link, struct session, link);
        if (session->line == line && !session->is_over && !session->is_orphan)
            return session;
    }
    return NULL;
}

/* The keeper's word came first, and the connection is on its way. */
static bool has_ended(const struct deliverer *deliverer, uint64_t line)
{
    for (unsigned i = 0; i < LINES_ENDED_MAX; i++)
        if (deliverer->line_ended[i] == line)
            return true;
    return false;
}

static unsigned count_unclaimed(const struct deliverer *deliverer)
{
    unsigned count = 0;

    list_each (link, &deliverer->all) {
        const struct session *session = container_of(link, struct session, link);
        count += session->is_parked && session->client == NULL;
    }
    return count;
}

void deliverer_line_came(struct deliverer *deliverer, uint64_t line, int fd)
{
    struct session *session = find_line(deliverer, line);

    if (fd < 0)
        return;
    if (deliverer->process->is_stopping || has_ended(deliverer, line) ||
        (session != NULL && session->stream != NULL) ||
        (session == NULL && count_unclaimed(deliverer) >= LINES_HERE_MAX)) {
        (void)close(fd);
        return;
    }
    bool is_awaited = session != NULL;
    if (!is_awaited) {
        session = session_new(deliverer);
        session->line = line;
        session->is_parked = true;
    }
    session->endpoint = endpoint_of_line_number(line);
    session_use_line(session, fd);
    if (is_awaited)
        session_begin_line(session);
    else
        heap_put(&deliverer->deadlines, &session->deadline,
                 deliverer_now(deliverer).mono_ms + UNCLAIMED_MS);
}

/* ---- one session after another ---- */

static void adopt(struct session *session, const struct message_session_open *message)
{
    session->number = message->session;
    session->is_callout = message->is_callout != 0;
    session->is_parked = false;
    session->parks = false;
    buf_reset(&session->host);
    buf_reset(&session->security);
    buf_add(&session->host, message->host);
    buf_add(&session->security, message->security);
    (void)map_put(&session->deliverer->sessions, session_key(&session->number), session);
}

/* For the keeper the session is over; the line goes on. */
static void disown(struct session *session, enum session_end how)
{
    struct verdict verdict = verdict_accept();

    if (how != SESSION_END_QUIT)
        verdict = verdict_make(451, 3, 0, STR("The line was used for another domain"));
    session->parks = how == SESSION_END_QUIT;
    session_tell_ended(session, how, &verdict);
    (void)map_remove(&session->deliverer->sessions, session_key(&session->number));
    session->number = 0;
    session->parks = false;
    session->is_parked = true;
}

bool deliverer_open_on_line(struct deliverer *deliverer, const struct message_session_open *message,
                            uint64_t line)
{
    struct session *session = find_line(deliverer, line);
    bool xclient = message->xclient != 0;

    if (session != NULL && !session->is_parked)
        return false;      /* it is the keeper who says whose it is */
    if (session == NULL) { /* what the supervisor hands over is on its way, or the line is gone */
        session = session_new(deliverer);
        session->line = line;
        session->endpoint = endpoint_of_line_number(line);
        heap_put(&deliverer->deadlines, &session->deadline,
                 deliverer_now(deliverer).mono_ms + (int64_t)message->connect_timeout_ms);
    }
    adopt(session, message);
    if (session->stream == NULL) {
        session->xclient = xclient;
    } else if (session->client == NULL) {
        session->xclient = xclient;
        session_begin_line(session);
    } else if (session->xclient != xclient) { /* whose name it goes by cannot be taken back */
        disown(session, SESSION_END_INTERNAL);
        session_quit(session);
    } else {
        session_tell_ready(session);
    }
    return true;
}

void session_park_when_idle(struct session *session)
{
    if (!session->parks || session->is_over || !list_is_empty(&session->items) ||
        !deliver_is_idle(session->client))
        return;
    disown(session, SESSION_END_QUIT);
}

void session_rest(struct session *session)
{
    if (session->line == 0 || session->client == NULL || !session->is_ready) {
        session_quit(session);
        return;
    }
    session->parks = true;
    session_park_when_idle(session);
}

bool deliverer_take_line_end(struct deliverer *deliverer, struct cursor payload)
{
    struct message_line_end message;

    if (!message_get_line_end(payload, &message))
        return false;
    struct session *session = find_line(deliverer, message.line);
    if (session != NULL && session->stream != NULL) {
        session_quit(session);
        return true;
    }
    deliverer->line_ended[deliverer->line_ended_next] = message.line;
    deliverer->line_ended_next = (deliverer->line_ended_next + 1) % LINES_ENDED_MAX;
    return true;
}
