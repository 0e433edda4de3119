/* SPDX-License-Identifier: ISC */
/* hand_socket.c: see hand_loop.h. */
#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "hand_loop.h"
#include "net/socket.h"

struct hand_socket hand_socket;

int socket_accept(int listener, struct endpoint *out_peer)
{
    int fd = hand_socket.accepted;

    (void)listener;
    if (fd < 0)
        return -EAGAIN;
    hand_socket.accepted = -1;
    *out_peer = hand_socket.client;
    return fd;
}

int socket_connect(struct endpoint to)
{
    int fd = hand_socket.connected;

    check(to.family != ENDPOINT_NONE);
    hand_socket.connected = -ECONNREFUSED;
    return fd;
}

void socket_keep_alive(int fd)
{
    (void)fd;
}

int socket_error(int fd)
{
    (void)fd;
    return hand_socket.error;
}

struct endpoint socket_own_address(int fd)
{
    (void)fd;
    return (struct endpoint){ .family = ENDPOINT_IP4, .address = { 192, 0, 2, 25 } };
}

int socket_pair(int type, int out_fd[2])
{
    return socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_fd) < 0 ? -errno : 0;
}

int socket_listen(struct endpoint at, bool is_shared)
{
    (void)at;
    (void)is_shared;
    return -EACCES;
}

int socket_listen_unix(const char *path, unsigned mode)
{
    (void)path;
    (void)mode;
    return -EACCES;
}
