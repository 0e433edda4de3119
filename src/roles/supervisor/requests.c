/* SPDX-License-Identifier: ISC */
/* requests.c: what a receiver asks for because it may open no connection: one to a filter, and a
 * line to a deliverer, for a client's connection that is turned round (roles/receiver/lines.c).
 *
 * It says which one by a name or a number, never an address, so that one that has been taken over
 * reaches nobody else. An answer has the descriptor or an error.
 */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/socket.h"
#include "roles/supervisor/private.h"

/* ---- a connection to a filter ---- */

/* Which filters there are is ours to know, not theirs to say. */
static int connect_filter(const struct supervisor *supervisor, struct str name)
{
    const struct config_milter *milter = config_find_milter(supervisor->config, name);

    if (milter == NULL)
        return -ESRCH;
    return milter->path.len > 0 ? socket_connect_unix(milter->path)
                                : socket_connect(milter->endpoint);
}

void supervisor_answer_filter(struct supervisor_child *child, struct cursor payload)
{
    struct message_filter_ask message;

    if (!message_get_filter_ask(payload, &message)) {
        supervisor_kill(child);
        return;
    }
    int fd = connect_filter(child->supervisor, message.name);
    int error = leash_send(&child->leash, fd >= 0 ? fd : -1, filter_answer,
                           .ticket = message.ticket, .error = fd < 0 ? (uint64_t)-fd : 0);
    if (error != 0) /* it gives up by itself */
        supervisor_log_child(LOG_WARN, "filter_not_handed_over", child);
    if (fd >= 0)
        (void)close(fd);
}

/* ---- a line ---- */

static struct supervisor_child *find_child(struct supervisor *supervisor, enum role role,
                                           uint64_t index)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->child[i].role == role && supervisor->child[i].index == index)
            return &supervisor->child[i];
    return NULL;
}

/* Both ends of a line, for the receiver that asks and for the deliverer that it names. */
static int join_line(struct supervisor_child *receiver, const struct message_line_ask *ask)
{
    struct supervisor_child *deliverer =
        find_child(receiver->supervisor, ROLE_DELIVERER, ask->deliverer);
    int pair[2];

    if (deliverer == NULL || deliverer->state != CHILD_RUNNING)
        return -ESRCH;
    int error = socket_pair(SOCK_STREAM, pair);
    if (error != 0)
        return error;
    error = leash_send(&deliverer->leash, pair[0], line_answer, .line = ask->line);
    if (error == 0)
        error = leash_send(&receiver->leash, pair[1], line_answer, .line = ask->line);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return error;
}

void supervisor_answer_line(struct supervisor_child *child, struct cursor payload)
{
    struct message_line_ask message;

    if (!message_get_line_ask(payload, &message)) {
        supervisor_kill(child);
        return;
    }
    int error = join_line(child, &message);
    if (error != 0 && leash_send(&child->leash, -1, line_answer, .line = message.line,
                                 .error = (uint64_t)-error) != 0)
        supervisor_log_child(LOG_WARN, "line_not_handed_over", child);
}
