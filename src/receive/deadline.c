/* SPDX-License-Identifier: ISC */
/* deadline.c: what happens when nothing happens (RFC 5321 4.5.3.2).
 *
 * At any time exactly one thing is due next. Who keeps us waiting decides what:
 *
 *   the host, for a recipient      451 for it after a minute; a late answer is ignored
 *   the host, for the client name  we go on without it
 *   the host, for a question       45z after a minute; a late answer is ignored
 *   the store                      451; what was committed stays in doubt, not aborted
 *   the client, for a command      421 after command_timeout without one, however many
 *                                  octets of it have come, or after session_timeout
 *                                  without a message
 *   the client, for content        421 after data_timeout of silence, or when the pace
 *                                  since the start, less a minute, falls below
 *                                  data_rate_min
 */
#include "receive/session_private.h"

struct due {
    int64_t at_ms;
    void (*act)(struct receive_session *session);
};

static void time_out(struct receive_session *session)
{
    reply_close(session, STR("421 4.4.2 Timeout; closing"));
}

static void cut_slow_client(struct receive_session *session)
{
    reply_close(session, STR("421 4.4.2 Content comes too slowly; closing"));
}

static void give_up_stalled(struct receive_session *session)
{
    content_refuse(session, STR("451 4.3.0 The store takes no more; try again later"));
    session->heard_ms = session->now.mono_ms;
}

static void go_on_without_name(struct receive_session *session)
{
    session->client_named = true;
}

static struct due earlier(struct due a, struct due b)
{
    return a.at_ms <= b.at_ms ? a : b;
}

/* When the average pace would fall below the least, did nothing more come. */
static struct due slow_client(const struct receive_session *session)
{
    const struct content *content = &session->content;
    uint64_t rate = session->settings->data_rate_min;

    if (!content->timed || rate == 0)
        return (struct due){ NEVER_MS, NULL };
    uint64_t paid_ms =
        content->received / rate * SECOND_MS + content->received % rate * SECOND_MS / rate;
    if (paid_ms < RATE_GRACE_MS)
        paid_ms = RATE_GRACE_MS;
    return (struct due){ content->started_ms + (int64_t)paid_ms, cut_slow_client };
}

static struct due due_in_content(const struct receive_session *session)
{
    if (session->content.stalled)
        return (struct due){ session->content.stalled_ms + STORE_WAIT_MS, give_up_stalled };
    struct due silence = { session->heard_ms + session->settings->data_timeout_ms, time_out };
    return earlier(silence, slow_client(session));
}

static struct due due_between_commands(const struct receive_session *session)
{
    const struct receive_settings *settings = session->settings;
    struct due due = { session->spoke_ms + settings->command_timeout_ms, time_out };

    if (session->content.timed)
        due = earlier(due, slow_client(session));
    else
        due = earlier(
            due, (struct due){ session->progress_ms + settings->session_timeout_ms, time_out });
    if (!session->client_named && session->held.len > 0)
        due = earlier(due, (struct due){ session->name_deadline_ms, go_on_without_name });
    return due;
}

static struct due next_due(const struct receive_session *session)
{
    const struct link *first = list_first(&session->pending);

    switch (session->state) {
    case SESSION_TURNED:
    case SESSION_CLOSED:
        return (struct due){ NEVER_MS, NULL };
    case SESSION_COMMIT:
        return (struct due){ session->content.stalled_ms + STORE_WAIT_MS, commit_expire };
    case SESSION_DATA:
    case SESSION_CHUNK:
        return due_in_content(session);
    case SESSION_ASKING:
        return (struct due){ session->question.deadline_ms, question_expire };
    case SESSION_LOGIN:
    case SESSION_SECURING:
    case SESSION_START:
    case SESSION_READY:
    case SESSION_MAIL:
    case SESSION_CHUNKED:
    case SESSION_FAILED:
        break;
    }
    if (session->greet_at_ms != 0)
        return (struct due){ session->greet_at_ms, session_greet };
    if (session->tarpit_until_ms != 0)
        return (struct due){ session->tarpit_until_ms, reply_end_tarpit };
    if (first == NULL)
        return due_between_commands(session);
    /* All wait equally long, so the first asked is the first due. */
    const struct pending_recipient *pending = container_of(first, struct pending_recipient, link);
    return (struct due){ pending->deadline_ms, recipients_expire };
}

int64_t receive_deadline(const struct receive_session *session)
{
    return next_due(session).at_ms;
}

/* What was due may leave something else overdue behind it; each act ends its own cause. */
void receive_tick(struct receive_session *session, struct now now)
{
    struct due due = next_due(session);

    while (due.at_ms <= now.mono_ms && due.act != NULL) {
        session->now = now;
        due.act(session);
        session_run(session, STR_NONE);
        due = next_due(session);
    }
}
