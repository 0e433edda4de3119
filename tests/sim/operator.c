/* SPDX-License-Identifier: ISC */
/* operator.c: one request, one connection, one answer. */
#include "sim/operator.h"

#include "base/buf.h"
#include "base/memory.h"
#include "base/list.h"
#include "sim/edge.h"
#include "sim/machine.h"
#include "sim/outside.h"
#include "sim/world.h"

enum { AGAIN_MS = 10 * SECOND_MS };

struct errand {
    struct wire wire;
    struct happening next;
    struct buf request;
    bool again;
    bool is_over;
};

static void end(struct errand *errand, bool is_answered)
{
    wire_close(&errand->wire);
    if (errand->again && !is_answered)
        world_in(&errand->next, AGAIN_MS);
    else
        errand->is_over = true; /* what is left of it goes with the run */
}

static void on_input(struct wire *wire)
{
    struct errand *errand = container_of(wire, struct errand, wire);
    ptrdiff_t line_end = str_find(buf_str(&wire->in), '\n');

    if (line_end < 0)
        return;
    world_trace("   operator: %.*s %.*s", STR_FMT(buf_str(&errand->request)),
                line_end < 120 ? (int)line_end : 120, wire->in.ptr);
    end(errand, true);
}

static void on_end(struct wire *wire)
{
    end(container_of(wire, struct errand, wire), false);
}

static const struct wire_host wire_hooks = { .input = on_input, .end = on_end };

static void on_next(struct happening *happening)
{
    struct errand *errand = container_of(happening, struct errand, next);
    int listener = machine_control_listener();
    int fd[2];

    if (listener == -1) {
        end(errand, false);
        return;
    }
    edge_pair(fd);
    edge_listener_connect(listener, fd[1], (struct endpoint){ 0 });
    wire_open(&errand->wire, fd[0], &wire_hooks);
    wire_send(&errand->wire, buf_str(&errand->request));
    wire_send(&errand->wire, STR("\n"));
}

void operator_say(struct str request, bool again)
{
    struct errand *errand = memory_new(sizeof *errand);

    errand->again = again;
    errand->wire.fd = -1;
    errand->next.happen = on_next;
    buf_add(&errand->request, request);
    on_next(&errand->next);
}
