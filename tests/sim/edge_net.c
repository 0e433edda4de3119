/* SPDX-License-Identifier: ISC */
/* edge_net.c: connections in the simulator: socket pairs, handed over by the world. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/memory.h"
#include "net/socket.h"
#include "sim/edge.h"

enum {
    DESCRIPTORS_MAX = 4096,
    FIRST_LISTENER = -1000,
    LISTENERS_MAX = 1000,
    BUFFER_SIZE = 32 * 1024, /* small, so that peers feel each other */
};

struct waiting {
    struct link link;
    int fd;
    struct endpoint client;
};

static struct {
    uint64_t connecting[DESCRIPTORS_MAX]; /* 0: not, else the connection's number */
    int error[DESCRIPTORS_MAX];
    uint64_t last_connection;
    struct link listener[LISTENERS_MAX];
    int listeners;
    edge_called *called;
} net;

void edge_pair(int out_fd[2])
{
    int size = BUFFER_SIZE;

    check(socket_pair(SOCK_STREAM, out_fd) == 0);
    for (int i = 0; i < 2; i++) {
        check(out_fd[i] < DESCRIPTORS_MAX);
        check(setsockopt(out_fd[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof size) == 0);
        net.connecting[out_fd[i]] = 0;
        net.error[out_fd[i]] = 0;
    }
}

/* ---- going out ---- */

void edge_on_connect(edge_called *called)
{
    net.called = called;
}

bool edge_is_connecting(int fd)
{
    return net.connecting[fd] != 0;
}

/* The descriptor may have been closed and used again since: then it is another connection's. */
void edge_connected(int fd, uint64_t connection, int error)
{
    if (net.connecting[fd] != connection)
        return;
    net.connecting[fd] = 0;
    net.error[fd] = error;
}

int __wrap_socket_connect(struct endpoint to);
int __wrap_socket_connect(struct endpoint to)
{
    int fd[2];

    edge_pair(fd);
    net.connecting[fd[0]] = ++net.last_connection;
    net.called(to, fd[0], net.last_connection, fd[1]);
    return fd[0];
}

int __wrap_socket_error(int fd);
int __wrap_socket_error(int fd)
{
    return net.error[fd];
}

/* ---- coming in ---- */

static struct link *listener_of(int listener)
{
    int i = FIRST_LISTENER - listener;
    return i >= 0 && i < net.listeners ? &net.listener[i] : NULL;
}

int edge_listener_new(void)
{
    check(net.listeners < LISTENERS_MAX);
    list_init(&net.listener[net.listeners]);
    return FIRST_LISTENER - net.listeners++;
}

void edge_listener_connect(int listener, int fd, struct endpoint client)
{
    struct waiting *waiting = memory_new(sizeof *waiting);

    waiting->fd = fd;
    waiting->client = client;
    list_append(listener_of(listener), &waiting->link);
}

bool edge_listener_is_ready(int listener)
{
    const struct link *waiting = listener_of(listener);
    return waiting != NULL && !list_is_empty(waiting);
}

static struct waiting *take(int listener)
{
    const struct link *waiting = listener_of(listener);
    struct link *first = waiting != NULL ? list_first(waiting) : NULL;
    if (first == NULL)
        return NULL;
    list_remove(first);
    return container_of(first, struct waiting, link);
}

void edge_listener_close(int listener)
{
    struct waiting *waiting;

    while ((waiting = take(listener)) != NULL) {
        (void)close(waiting->fd);
        memory_free(waiting);
    }
}

int __wrap_socket_accept(int listener, struct endpoint *out_peer);
int __wrap_socket_accept(int listener, struct endpoint *out_peer)
{
    struct waiting *waiting = take(listener);

    if (waiting == NULL)
        return -EAGAIN;
    int fd = waiting->fd;
    *out_peer = waiting->client;
    memory_free(waiting);
    return fd;
}
