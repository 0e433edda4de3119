/* SPDX-License-Identifier: ISC */
/* socket.c: see socket.h. */
#include "net/socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/check.h"

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_storage room;
};

static socklen_t to_address(struct endpoint endpoint, union address *address)
{
    memset(address, 0, sizeof *address);
    if (endpoint.family == ENDPOINT_IP4) {
        address->four.sin_family = AF_INET;
        address->four.sin_port = htons(endpoint.port);
        memcpy(&address->four.sin_addr, endpoint.address, 4);
        return sizeof address->four;
    }
    address->six.sin6_family = AF_INET6;
    address->six.sin6_port = htons(endpoint.port);
    memcpy(&address->six.sin6_addr, endpoint.address, 16);
    return sizeof address->six;
}

static struct endpoint from_address(const union address *address)
{
    static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
    struct endpoint endpoint = { 0 };

    if (address->any.sa_family == AF_INET) {
        endpoint.family = ENDPOINT_IP4;
        endpoint.port = ntohs(address->four.sin_port);
        memcpy(endpoint.address, &address->four.sin_addr, 4);
    } else if (address->any.sa_family == AF_INET6) {
        const uint8_t *bytes = address->six.sin6_addr.s6_addr;
        endpoint.port = ntohs(address->six.sin6_port);
        if (memcmp(bytes, mapped, sizeof mapped) == 0) {
            endpoint.family = ENDPOINT_IP4;
            memcpy(endpoint.address, bytes + 12, 4);
        } else {
            endpoint.family = ENDPOINT_IP6;
            memcpy(endpoint.address, bytes, 16);
        }
    }
    return endpoint;
}

static int new_socket(int domain)
{
    int fd = socket(domain, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    return fd < 0 ? -errno : fd;
}

static void set_option(int fd, int level, int name)
{
    int on = 1;
    (void)setsockopt(fd, level, name, &on, sizeof on); /* a refinement, never a condition */
}

static int domain_of(struct endpoint endpoint)
{
    check(endpoint.family != ENDPOINT_NONE);
    return endpoint.family == ENDPOINT_IP4 ? AF_INET : AF_INET6;
}

int socket_listen(struct endpoint at, bool is_shared)
{
    union address address;
    socklen_t len = to_address(at, &address);
    int fd = new_socket(domain_of(at));

    if (fd < 0)
        return fd;
    set_option(fd, SOL_SOCKET, SO_REUSEADDR);
    if (is_shared)
        set_option(fd, SOL_SOCKET, SO_REUSEPORT);
    if (at.family == ENDPOINT_IP6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY); /* what it accepts has it too */
    if (bind(fd, &address.any, len) < 0 || listen(fd, SOCKET_BACKLOG) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

int socket_listen_unix(const char *path, unsigned mode)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);

    if (len >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path, len);
    (void)unlink(path);
    int fd = new_socket(AF_UNIX);
    if (fd < 0)
        return fd;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || chmod(path, mode) < 0 ||
        listen(fd, SOCKET_BACKLOG) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

int socket_accept(int listener, struct endpoint *out_peer)
{
    union address address = { 0 };
    socklen_t len = sizeof address;
    int fd = accept4(listener, &address.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd < 0)
        return -errno;
    *out_peer = from_address(&address);
    return fd;
}

int socket_connect(struct endpoint to)
{
    union address address;
    socklen_t len = to_address(to, &address);
    int fd = new_socket(domain_of(to));

    if (fd < 0)
        return fd;
    set_option(fd, IPPROTO_TCP, TCP_NODELAY);
    if (connect(fd, &address.any, len) < 0 && errno != EINPROGRESS) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

int socket_connect_unix(struct str path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    if (path.len == 0 || path.len >= sizeof address.sun_path)
        return -ENAMETOOLONG;
    memcpy(address.sun_path, path.ptr, path.len);
    int fd = new_socket(AF_UNIX);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        int error = -errno;
        (void)close(fd);
        return error;
    }
    return fd;
}

static void set_number(int fd, int level, int name, int number)
{
    (void)setsockopt(fd, level, name, &number, sizeof number);
}

/* A translator of addresses (NAT) forgets a silent connection, some after a minute. */
void socket_keep_alive(int fd)
{
    enum { IDLE_S = 20, EVERY_S = 5, TIMES = 4 };

    set_option(fd, SOL_SOCKET, SO_KEEPALIVE);
    set_number(fd, IPPROTO_TCP, TCP_KEEPIDLE, IDLE_S);
    set_number(fd, IPPROTO_TCP, TCP_KEEPINTVL, EVERY_S);
    set_number(fd, IPPROTO_TCP, TCP_KEEPCNT, TIMES);
}

int socket_error(int fd)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        return -errno;
    return -error;
}

struct endpoint socket_own_address(int fd)
{
    union address address = { 0 };
    socklen_t len = sizeof address;

    if (getsockname(fd, &address.any, &len) < 0)
        return (struct endpoint){ 0 };
    return from_address(&address);
}

int socket_pair(int type, int out_fd[2])
{
    return socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, out_fd) < 0 ? -errno : 0;
}
