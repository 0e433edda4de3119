/* SPDX-License-Identifier: ISC */
/* socket.h: endpoints become descriptors here, and nowhere else.
 *
 * Every descriptor is non-blocking and closed on exec. Errors are negative errno.
 */
#pragma once

#include "base/endpoint.h"

enum { SOCKET_BACKLOG = 4096 };

/* Bound, listening; SO_REUSEADDR, IPV6_V6ONLY. A shared address can be listened at again, shared:
 * the kernel deals connections out among the sockets. One that is not shared is ours alone. */
int socket_listen(struct endpoint at, bool is_shared);
int socket_listen_unix(const char *path, unsigned mode); /* removes a stale socket first */
/* -EAGAIN when nobody waits; -ECONNABORTED and the like: try again. */
int socket_accept(int listener, struct endpoint *out_peer);
/* Begins to connect; writable when done, then socket_error(). */
int socket_connect(struct endpoint to);
int socket_connect_unix(struct str path);   /* done at once, or -EAGAIN: it is too busy */
void socket_keep_alive(int fd);             /* asks a silent peer now and then whether it lives */
int socket_error(int fd);                   /* SO_ERROR as 0 or negative errno */
struct endpoint socket_own_address(int fd); /* of its end here; ENDPOINT_NONE: not known */
int socket_pair(int type, int out_fd[2]);   /* AF_UNIX */
