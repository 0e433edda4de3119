/* SPDX-License-Identifier: ISC */
/* listeners.c: takes clients in.
 *
 * Each receiver has listeners of its own, to which the kernel deals clients out. It has its
 * neighbour's, too, and looks at them now and then: a client that was dealt to a receiver that does
 * not run waits no longer than that.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "net/socket.h"
#include "roles/receiver/receiver.h"

enum {
    ACCEPTS_PER_TURN_MAX = 64,    /* the sessions that are there come first */
    ACCEPT_AGAIN_MS = 100,        /* after descriptors ran out */
    NEIGHBOUR_MS = 2 * SECOND_MS, /* how long a client waits for a receiver that does not run */
};

static void watch_listeners(struct receiver *receiver, bool on)
{
    for (unsigned i = 0; i < receiver->own_count; i++)
        watch_set(receiver->own[i].watch, on ? WATCH_READ : 0);
}

static void accept_later(struct receiver *receiver, int error)
{
    log_error("accept_failed", LOG_TEXT("error", strerror(-error)));
    receiver->accept_again_ms = loop_now(receiver->process->loop).mono_ms + ACCEPT_AGAIN_MS;
    watch_listeners(receiver, false);
}

static void accept_some(struct receiver *receiver, const struct listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
        struct endpoint client;
        int fd = socket_accept(listener->fd, &client);
        if (fd >= 0)
            receiver_connection_open(receiver, listener, fd, client);
        else if (fd == -EAGAIN)
            return;
        else if (fd != -ECONNABORTED && fd != -EINTR) { /* those: the client was gone already */
            accept_later(receiver, fd);
            return;
        }
    }
}

static void on_listener(void *context, unsigned what)
{
    struct receiver *receiver = context;
    (void)what;
    for (unsigned i = 0; i < receiver->own_count; i++)
        accept_some(receiver, &receiver->own[i]);
}

void receiver_listener_take(struct receiver *receiver, unsigned kind, int fd)
{
    struct listener listener = { .fd = fd,
                                 .is_secure = (kind & LISTENER_SECURE) != 0,
                                 .is_for_turns = (kind & LISTENER_KIND) == LISTENER_ATRN };

    check((kind & LISTENER_KIND) == LISTENER_SMTP || listener.is_for_turns);
    if ((kind & LISTENER_NEIGHBOUR) != 0) {
        check(receiver->neighbour_count < RECEIVER_LISTENERS_MAX);
        receiver->neighbour[receiver->neighbour_count++] = listener;
        return;
    }
    check(receiver->own_count < RECEIVER_LISTENERS_MAX);
    listener.watch = watch_new(receiver->process->loop, fd, on_listener, receiver);
    receiver->own[receiver->own_count++] = listener;
}

void receiver_listeners_start(struct receiver *receiver)
{
    watch_listeners(receiver, true);
}

void receiver_listeners_turn(struct receiver *receiver, struct now now)
{
    if (receiver->accept_again_ms != 0 && now.mono_ms >= receiver->accept_again_ms) {
        receiver->accept_again_ms = 0;
        watch_listeners(receiver, true);
    }
    if (now.mono_ms >= receiver->neighbour_ms) {
        receiver->neighbour_ms = now.mono_ms + NEIGHBOUR_MS;
        for (unsigned i = 0; i < receiver->neighbour_count; i++)
            accept_some(receiver, &receiver->neighbour[i]);
    }
}

int64_t receiver_listeners_deadline(const struct receiver *receiver)
{
    int64_t deadline = receiver->accept_again_ms != 0 ? receiver->accept_again_ms : NEVER_MS;

    if (receiver->neighbour_count > 0 && receiver->neighbour_ms < deadline)
        return receiver->neighbour_ms;
    return deadline;
}

void receiver_listeners_stop(struct receiver *receiver)
{
    watch_listeners(receiver, false);
    receiver->accept_again_ms = 0;
    receiver->neighbour_ms = NEVER_MS;
}

void receiver_listeners_fini(struct receiver *receiver)
{
    for (unsigned i = 0; i < receiver->own_count; i++) {
        watch_free(receiver->own[i].watch);
        (void)close(receiver->own[i].fd);
    }
    for (unsigned i = 0; i < receiver->neighbour_count; i++)
        (void)close(receiver->neighbour[i].fd);
}
