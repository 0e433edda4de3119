/* SPDX-License-Identifier: ISC */
/* side.c: one side of a line: a descriptor that connects, then a stream.
 *
 * A side is closed, connecting, connected (for a look, or a moment), or open; its descriptor is its
 * own until it is open, then the stream's.
 */
#include <unistd.h>

#include "net/socket.h"
#include "roles/agent/private.h"

int agent_side_connect(struct agent_line *line, struct agent_side *side, struct endpoint to,
                       watch_ready *ready)
{
    int fd = socket_connect(to);

    if (fd < 0)
        return fd;
    side->fd = fd;
    side->connecting = watch_new(line->agent->loop, fd, ready, line);
    watch_set(side->connecting, WATCH_WRITE);
    return 0;
}

int agent_side_connected(struct agent_side *side)
{
    watch_free(side->connecting);
    side->connecting = NULL;
    return socket_error(side->fd);
}

void agent_side_open(struct agent_line *line, struct agent_side *side,
                     const struct stream_host *host)
{
    struct agent *agent = line->agent;

    side->stream = stream_new(agent->loop, &agent->streams, side->fd, host, line);
    side->fd = -1;
}

void agent_side_close(struct agent_side *side)
{
    watch_free(side->connecting);
    side->connecting = NULL;
    if (side->fd >= 0)
        (void)close(side->fd);
    side->fd = -1;
    stream_free(side->stream);
    side->stream = NULL;
}
