/* SPDX-License-Identifier: ISC */
/* outside.c: see outside.h. */
#include "sim/outside.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "sim/edge.h"

static struct loop *loop;

static struct loop *outside(void)
{
    if (loop == NULL)
        loop = loop_new();
    return loop;
}

static void listen_to(struct wire *wire)
{
    watch_set(wire->watch, (wire->is_deaf ? 0 : (unsigned)WATCH_READ) |
                               (wire->out.len > 0 ? (unsigned)WATCH_WRITE : 0));
}

/* What cannot be sent is lost: reading will tell. */
static void flush(struct wire *wire)
{
    ssize_t sent = send(wire->fd, wire->out.ptr, wire->out.len, MSG_NOSIGNAL);

    if (sent >= 0)
        buf_consume(&wire->out, (size_t)sent);
    else if (errno != EAGAIN)
        buf_reset(&wire->out);
    listen_to(wire);
}

static void on_ready(void *context, unsigned what)
{
    struct wire *wire = context;
    char bytes[8192];

    if (what & WATCH_WRITE)
        flush(wire);
    if (!(what & WATCH_READ))
        return;
    ssize_t got = recv(wire->fd, bytes, sizeof bytes, 0);
    if (got > 0) {
        buf_add_bytes(&wire->in, bytes, (size_t)got);
        wire->host->input(wire);
    } else if (got == 0 || errno != EAGAIN) {
        wire_set_deaf(wire, true);
        wire->host->end(wire);
    }
}

void wire_open(struct wire *wire, int fd, const struct wire_host *host)
{
    *wire = (struct wire){ .host = host, .fd = fd };
    wire->watch = watch_new(outside(), fd, on_ready, wire);
    listen_to(wire);
}

void wire_send(struct wire *wire, struct str bytes)
{
    check(wire->fd >= 0);
    buf_add(&wire->out, bytes);
    flush(wire);
}

void wire_set_deaf(struct wire *wire, bool is_deaf)
{
    wire->is_deaf = is_deaf;
    if (wire->fd >= 0)
        listen_to(wire);
}

bool wire_take_line(struct wire *wire, struct buf *out_line)
{
    ptrdiff_t end = str_find(buf_str(&wire->in), '\n');

    if (end < 1 || wire->in.ptr[end - 1] != '\r')
        return false;
    buf_reset(out_line);
    buf_add(out_line, str_first(buf_str(&wire->in), (size_t)end - 1));
    buf_consume(&wire->in, (size_t)end + 1);
    return true;
}

void wire_close(struct wire *wire)
{
    if (wire->fd < 0)
        return;
    watch_free(wire->watch);
    (void)close(wire->fd);
    wire->fd = -1;
    buf_fini(&wire->in);
    buf_fini(&wire->out);
}

bool outside_is_ready(void)
{
    return edge_is_ready(outside());
}

void outside_step(void)
{
    edge_dispatch_one(outside());
}
