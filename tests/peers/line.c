/* SPDX-License-Identifier: ISC */
/* line.c: a long line between two programs of one machine.
 *
 *     line --listen IP:PORT --to IP:PORT --delay MS
 *
 * Every octet takes so long in each direction, in order, without a limit to how many are under way;
 * a connection takes as long as the packets that open one would. A side that closes is heard of by
 * the other after the delay. Prints "ready" once it listens. Ends at SIGTERM.
 */
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "base/endpoint.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/memory.h"

enum { PIECE_SIZE = 64 * 1024 };

struct line {
    struct sockaddr_in to;
    int64_t delay_us;
    int epoll;
    int listener;
    struct heap due;  /* whatever arrives later: struct event.node */
    struct link gone; /* connections to be freed at the end of the turn */
};

struct connection {
    struct link gone;
    struct line *line;
    struct end {
        struct connection *connection;
        struct end *other;
        int fd;           /* -1: not connected yet */
        bool is_over;     /* nothing more comes from it */
        int64_t last_us;  /* when the last of what it said arrives; later ones are later */
        struct link late; /* struct event: due, but the kernel's buffer is full */
    } end[2];
    unsigned events; /* on their way */
    bool is_closed;
};

/* Octets, or the end, or (of no end) that the other side must be connected. */
struct event {
    struct heap_node node;
    struct link link;
    struct connection *connection;
    struct end *to;
    bool connects;
    size_t size; /* 0: the end */
    size_t sent;
    char bytes[];
};

static int64_t now_us(void)
{
    struct timespec now;
    check(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static struct event *event_new(struct connection *connection, struct end *to, size_t room)
{
    struct event *event = memory_resize(NULL, sizeof *event + room);
    *event = (struct event){ .connection = connection, .to = to };
    connection->events++;
    return event;
}

static void event_free(struct event *event)
{
    event->connection->events--;
    memory_free(event);
}

static void watch(struct line *line, struct end *end, int how)
{
    bool wants_room = !list_is_empty(&end->late);
    struct epoll_event event = { .events =
                                     (end->is_over ? 0 : EPOLLIN) | (wants_room ? EPOLLOUT : 0u),
                                 .data.ptr = end };
    check(epoll_ctl(line->epoll, how, end->fd, &event) == 0);
}

static void finish(struct connection *connection)
{
    if (connection->is_closed)
        return;
    connection->is_closed = true;
    for (int i = 0; i < 2; i++)
        if (connection->end[i].fd >= 0)
            (void)close(connection->end[i].fd);
    list_append(&connection->line->gone, &connection->gone);
}

static void connect_on(struct connection *connection)
{
    struct line *line = connection->line;
    struct end *end = &connection->end[1];
    int one = 1;

    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(fd >= 0);
    if (connect(fd, (struct sockaddr *)&line->to, sizeof line->to) <
        0) { /* this machine: at once */
        (void)close(fd);
        finish(connection);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    end->fd = fd;
    watch(line, end, EPOLL_CTL_ADD);
}

/* True: all of it has arrived. */
static bool arrive(struct event *event)
{
    struct end *to = event->to;

    if (event->size == 0) {
        (void)shutdown(to->fd, SHUT_WR);
        if (to->is_over)
            finish(event->connection);
        return true;
    }
    while (event->sent < event->size) {
        ssize_t sent = send(to->fd, event->bytes + event->sent, event->size - event->sent,
                            MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN)
            return false;
        if (sent < 0) {
            finish(event->connection);
            return true;
        }
        event->sent += (size_t)sent;
    }
    return true;
}

static void take_due(struct line *line)
{
    struct heap_node *node;

    while ((node = heap_take_due(&line->due, now_us())) != NULL) {
        struct event *event = container_of(node, struct event, node);
        struct connection *connection = event->connection;
        bool waits = false;
        if (event->connects && !connection->is_closed) {
            connect_on(connection);
        } else if (!connection->is_closed) {
            waits = !list_is_empty(&event->to->late) || !arrive(event);
        }
        if (!waits) {
            event_free(event);
            continue;
        }
        list_append(&event->to->late, &event->link);
        watch(line, event->to, EPOLL_CTL_MOD);
    }
}

static void on_room(struct end *end)
{
    list_each_safe (link, &end->late) {
        struct event *event = container_of(link, struct event, link);
        if (end->connection->is_closed || !arrive(event))
            break;
        list_remove(link);
        event_free(event);
    }
    if (!end->connection->is_closed)
        watch(end->connection->line, end, EPOLL_CTL_MOD);
}

static void on_readable(struct end *end)
{
    struct connection *connection = end->connection;
    struct line *line = connection->line;
    struct event *event = event_new(connection, end->other, PIECE_SIZE);
    ssize_t got = recv(end->fd, event->bytes, PIECE_SIZE, MSG_DONTWAIT);

    if (got < 0 && errno == EAGAIN) {
        event_free(event);
        return;
    }
    if (got <= 0) {
        end->is_over = true;
        watch(line, end, EPOLL_CTL_MOD);
    }
    event->size = got > 0 ? (size_t)got : 0;
    event = memory_resize(event, sizeof *event + event->size);
    int64_t due_us = now_us() + line->delay_us;
    end->last_us = due_us > end->last_us ? due_us : end->last_us + 1;
    heap_put(&line->due, &event->node, end->last_us);
}

static void on_accept(struct line *line)
{
    int one = 1;
    int fd = accept4(line->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct connection *connection = memory_new(sizeof *connection);
    connection->line = line;
    for (int i = 0; i < 2; i++) {
        connection->end[i] = (struct end){ .connection = connection, .fd = -1 };
        connection->end[i].other = &connection->end[1 - i];
        list_init(&connection->end[i].late);
    }
    connection->end[0].fd = fd;
    struct event *event = event_new(connection, NULL, 0);
    event->connects = true;
    /* SYN, its answer and the answer to that are three ways; the banner's is the fourth. */
    heap_put(&line->due, &event->node, now_us() + 3 * line->delay_us);
    struct epoll_event none = { .events = 0, .data.ptr = &connection->end[0] };
    check(epoll_ctl(line->epoll, EPOLL_CTL_ADD, fd, &none) == 0);
    watch(line, &connection->end[0], EPOLL_CTL_MOD);
}

static void free_gone(struct line *line)
{
    list_each_safe (link, &line->gone) {
        struct connection *connection = container_of(link, struct connection, gone);
        for (int i = 0; i < 2; i++) {
            list_each_safe (late, &connection->end[i].late) {
                list_remove(late);
                event_free(container_of(late, struct event, link));
            }
        }
        if (connection->events > 0) /* those in the heap come back once */
            continue;
        list_remove(link);
        memory_free(connection);
    }
}

static _Noreturn void serve(struct line *line)
{
    struct epoll_event event[64];

    for (;;) {
        const struct heap_node *first = heap_first(&line->due);
        int64_t left_us = first != NULL ? first->key - now_us() : 1000000;
        struct timespec wait = { .tv_sec = left_us > 0 ? left_us / 1000000 : 0,
                                 .tv_nsec = left_us > 0 ? left_us % 1000000 * 1000 : 0 };
        int count = epoll_pwait2(line->epoll, event, 64, &wait, NULL);
        for (int i = 0; i < count; i++) {
            struct end *end = event[i].data.ptr;
            if (event[i].data.ptr == line) {
                on_accept(line);
                continue;
            }
            if (!end->connection->is_closed && (event[i].events & EPOLLOUT) != 0)
                on_room(end);
            if (!end->connection->is_closed && !end->is_over &&
                (event[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
                on_readable(end);
        }
        take_due(line);
        free_gone(line);
    }
}

/* ---- start ---- */

static _Noreturn void usage(const char *why)
{
    (void)fprintf(stderr, "line: %s; its head comment lists the options\n", why);
    exit(2);
}

static struct sockaddr_in address_of(const char *text)
{
    struct endpoint endpoint;
    if (!endpoint_from_text(str_from(text), 0, &endpoint) || endpoint.family != ENDPOINT_IP4)
        usage(text);
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(endpoint.port) };
    memcpy(&address.sin_addr, endpoint.address, 4);
    return address;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "listen", 1, NULL, 'l' }, { "to", 1, NULL, 't' }, { "delay", 1, NULL, 'd' }, { 0 }
    };
    struct line line = { 0 };
    struct sockaddr_in here = { 0 };
    int option;
    int one = 1;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'l')
            here = address_of(optarg);
        else if (option == 't')
            line.to = address_of(optarg);
        else if (option == 'd')
            line.delay_us = strtol(optarg, NULL, 10) * 1000;
        else
            usage("no such option");
    }
    if (here.sin_port == 0 || line.to.sin_port == 0)
        usage("--listen and --to are needed");
    list_init(&line.gone);
    line.epoll = epoll_create1(EPOLL_CLOEXEC);
    line.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    check(line.epoll >= 0 && line.listener >= 0);
    (void)setsockopt(line.listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(line.listener, (struct sockaddr *)&here, sizeof here) < 0 ||
        listen(line.listener, 1024) < 0) {
        perror("line");
        return 1;
    }
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = &line };
    check(epoll_ctl(line.epoll, EPOLL_CTL_ADD, line.listener, &event) == 0);
    (void)puts("ready");
    (void)fflush(stdout);
    serve(&line);
}
