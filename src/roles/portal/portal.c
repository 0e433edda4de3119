/* SPDX-License-Identifier: ISC */
/* portal.c: serves clients of the web (HTTP/1.1), by TLS or behind a proxy on this machine.
 *
 * What the requests mean is in portal/. Bounds: visitors in all and per network, octets and time of
 * each request, requests of each connection. A proxy on this machine brings many clients from one
 * address: it is not bounded as a network, and believed in who they are.
 */
#include "roles/portal/portal.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/socket.h"
#include "roles/certificates.h"

enum {
    VISITORS_MAX = 512,
    VISITORS_PER_NETWORK_MAX = 16,
    ACCEPTS_PER_TURN_MAX = 32,
    REQUESTS_MAX = 100,          /* of one connection */
    REQUEST_MS = 15 * SECOND_MS, /* until a request is whole, the handshake and silence included */
    ANSWER_MS = 10 * SECOND_MS,  /* of the keeper */
    SLOW_MS = SECOND_MS,       /* that who has no right, or asks too often, waits for his answer */
    LEAVE_MS = 10 * SECOND_MS, /* to take the last answer */
    ACCEPT_AGAIN_MS = 100,     /* after descriptors ran out */
};

struct network_count {
    unsigned visitors;
};

void portal_touch(struct visitor *visitor)
{
    if (!link_is_listed(&visitor->touched))
        list_append(&visitor->portal->touched, &visitor->touched);
}

static struct now now_of(const struct portal *portal)
{
    return loop_now(portal->process->loop);
}

static void give_time(struct visitor *visitor, int64_t ms)
{
    heap_put(&visitor->portal->deadlines, &visitor->deadline, now_of(visitor->portal).mono_ms + ms);
}

/* ---- networks ---- */

/* False: there are enough from there. */
static bool enter_network(struct visitor *visitor)
{
    struct map *networks = &visitor->portal->networks;

    if (endpoint_is_loopback(visitor->peer))
        return true;
    endpoint_encode(&visitor->network, endpoint_network(visitor->peer));
    struct network_count *count = map_find(networks, buf_str(&visitor->network));
    if (count == NULL) {
        count = memory_new(sizeof *count);
        (void)map_put(networks, buf_str(&visitor->network), count);
    }
    return ++count->visitors <= VISITORS_PER_NETWORK_MAX;
}

static void leave_network(const struct visitor *visitor)
{
    struct map *networks = &visitor->portal->networks;
    struct network_count *count =
        visitor->network.len > 0 ? map_find(networks, buf_str(&visitor->network)) : NULL;

    if (count != NULL && --count->visitors == 0)
        memory_free(map_remove(networks, buf_str(&visitor->network)));
}

/* ---- answers ---- */

static void leave(struct visitor *visitor)
{
    visitor->state = VISITOR_LEAVING;
    give_time(visitor, LEAVE_MS);
    stream_close_after_flush(visitor->stream);
}

static void reply(struct visitor *visitor)
{
    struct buf out = { 0 };

    visitor->keeps_alive = visitor->keeps_alive && visitor->requests < REQUESTS_MAX &&
                           !visitor->portal->process->is_stopping;
    portal_answer_add(&out, &visitor->answer, visitor->keeps_alive, visitor->has_body);
    stream_output(visitor->stream, buf_str(&out));
    buf_fini(&out);
    portal_answer_fini(&visitor->answer);
    visitor->answer = (struct portal_answer){ 0 };
    if (!visitor->keeps_alive) {
        leave(visitor);
        return;
    }
    visitor->state = VISITOR_READING;
    give_time(visitor, REQUEST_MS);
    portal_touch(visitor); /* the next one may be here already */
}

static void refuse(struct visitor *visitor, unsigned status)
{
    portal_refuse(&visitor->answer, status, "bad-request", str_from(http_reason(status)));
    visitor->keeps_alive = false;
    visitor->has_body = true;
    reply(visitor);
}

void portal_outcome(struct visitor *visitor, const struct portal_outcome *outcome)
{
    struct str domain = visitor->wish.domain[visitor->asked++];
    bool goes_on = portal_told(&visitor->wish, domain, outcome, &visitor->answer);

    if (goes_on && visitor->asked < visitor->wish.domain_count) {
        portal_ask(visitor);
        return;
    }
    portal_wish_fini(&visitor->wish);
    visitor->wish = (struct portal_wish){ 0 };
    if (outcome->fate != ADDRESS_BAD_LOGIN && outcome->fate != ADDRESS_TOO_OFTEN) {
        reply(visitor);
        return;
    }
    visitor->keeps_alive = false;
    visitor->state = VISITOR_SLOWED;
    give_time(visitor, SLOW_MS);
}

/* ---- requests ---- */

static struct endpoint client_of(const struct visitor *visitor, const struct http_request *request)
{
    struct endpoint client = visitor->peer;

    if (endpoint_is_loopback(visitor->peer))
        (void)http_forwarded_for(request, &client);
    client.port = 0;
    return client;
}

static void serve(struct visitor *visitor, const struct http_request *request)
{
    visitor->requests++;
    visitor->keeps_alive = request->keeps_alive;
    visitor->has_body = !str_equals(request->method, STR("HEAD"));
    visitor->client = client_of(visitor, request);
    bool is_wish = portal_read(request, visitor->client, &visitor->wish, &visitor->answer);
    explicit_bzero(visitor->input.ptr, request->size); /* it may hold a secret */
    buf_consume(&visitor->input, request->size);
    if (!is_wish) {
        reply(visitor);
        return;
    }
    visitor->state = VISITOR_ASKING;
    visitor->asked = 0;
    give_time(visitor, ANSWER_MS);
    portal_ask(visitor);
}

static void read_request(struct visitor *visitor)
{
    struct http_request request;
    unsigned status = http_request_read(buf_str(&visitor->input), &request);

    if (status == 200)
        serve(visitor, &request);
    else if (status != 0)
        refuse(visitor, status);
    else if (visitor->has_ended)
        leave(visitor); /* the last answer may still be on its way */
}

/* ---- one visitor ---- */

static void on_input(void *context, struct str bytes)
{
    struct visitor *visitor = context;

    if (visitor->is_over || visitor->state == VISITOR_LEAVING)
        return;
    buf_add(&visitor->input, bytes); /* no more is wanted while he has that much */
    portal_touch(visitor);
}

static void on_end(void *context, int error)
{
    struct visitor *visitor = context;

    visitor->has_ended = true;
    visitor->is_over = visitor->is_over || error != 0;
    portal_touch(visitor);
}

static void on_closed(void *context)
{
    struct visitor *visitor = context;

    visitor->stream = NULL;
    visitor->is_over = true;
    portal_touch(visitor);
}

static const struct stream_host stream_hooks = { .input = on_input,
                                                 .end = on_end,
                                                 .closed = on_closed };

static void visitor_free(struct visitor *visitor)
{
    struct portal *portal = visitor->portal;

    portal_ask_forget(visitor);
    stream_free(visitor->stream);
    heap_remove(&portal->deadlines, &visitor->deadline);
    list_remove(&visitor->touched);
    list_remove(&visitor->link);
    leave_network(visitor);
    portal->visitor_count--;
    portal_wish_fini(&visitor->wish);
    portal_answer_fini(&visitor->answer);
    if (visitor->input.ptr != NULL)
        explicit_bzero(visitor->input.ptr, visitor->input.cap);
    buf_fini(&visitor->input);
    buf_fini(&visitor->network);
    memory_free(visitor);
}

static void look_after(struct visitor *visitor)
{
    if (!visitor->is_over && visitor->state == VISITOR_READING)
        read_request(visitor);
    if (visitor->is_over) {
        visitor_free(visitor);
        return;
    }
    if (visitor->state != VISITOR_LEAVING)
        stream_want_input(visitor->stream, visitor->state == VISITOR_READING &&
                                               visitor->input.len < HTTP_REQUEST_MAX);
}

static void run_out(struct visitor *visitor)
{
    const struct portal_outcome late = { .fate = ADDRESS_FAILED,
                                         .text = STR("not now; try again in a minute") };

    switch (visitor->state) {
    case VISITOR_READING:
        if (visitor->input.len > 0)
            refuse(visitor, 408);
        else
            visitor->is_over = true;
        break;
    case VISITOR_ASKING:
        portal_ask_forget(visitor);
        visitor->asked = visitor->wish.domain_count - 1;
        portal_outcome(visitor, &late);
        break;
    case VISITOR_SLOWED:
        reply(visitor);
        break;
    case VISITOR_LEAVING:
        visitor->is_over = true;
        break;
    }
    portal_touch(visitor);
}

/* ---- accepting ---- */

static void take_visitor(struct portal *portal, const struct portal_listener *listener, int fd,
                         struct endpoint peer)
{
    if ((listener->is_secure && portal->tls == NULL) || portal->visitor_count >= VISITORS_MAX) {
        (void)close(fd);
        return;
    }
    struct visitor *visitor = memory_new(sizeof *visitor);
    visitor->portal = portal;
    visitor->peer = peer;
    portal->visitor_count++;
    list_append(&portal->visitors, &visitor->link);
    visitor->stream =
        stream_new(portal->process->loop, &portal->process->streams, fd, &stream_hooks, visitor);
    if (listener->is_secure)
        stream_secure(visitor->stream, tls_accept(portal->tls, false));
    give_time(visitor, REQUEST_MS);
    if (!enter_network(visitor)) {
        visitor->is_over = true;
        portal_touch(visitor);
    }
}

static void watch_listeners(struct portal *portal, bool on)
{
    for (unsigned i = 0; i < portal->listener_count; i++)
        watch_set(portal->listener[i].watch, on ? WATCH_READ : 0);
}

static void accept_some(struct portal *portal, const struct portal_listener *listener)
{
    for (int i = 0; i < ACCEPTS_PER_TURN_MAX; i++) {
        struct endpoint peer;
        int fd = socket_accept(listener->fd, &peer);
        if (fd >= 0) {
            take_visitor(portal, listener, fd, peer);
        } else if (fd == -EAGAIN) {
            return;
        } else if (fd != -ECONNABORTED && fd != -EINTR) {
            log_error("accept_failed", LOG_TEXT("error", strerror(-fd)));
            portal->accept_again_ms = now_of(portal).mono_ms + ACCEPT_AGAIN_MS;
            watch_listeners(portal, false);
            return;
        }
    }
}

static void on_listener(void *context, unsigned what)
{
    struct portal *portal = context;

    (void)what;
    for (unsigned i = 0; i < portal->listener_count; i++)
        accept_some(portal, &portal->listener[i]);
}

/* ---- the role ---- */

static void *create(struct role_process *process)
{
    struct portal *portal = memory_new(sizeof *portal);

    portal->process = process;
    list_init(&portal->visitors);
    list_init(&portal->touched);
    map_init(&portal->networks);
    map_init(&portal->asks);
    return portal;
}

static void destroy(void *state)
{
    struct portal *portal = state;

    list_each_safe (link, &portal->visitors)
        visitor_free(container_of(link, struct visitor, link));
    for (unsigned i = 0; i < portal->listener_count; i++) {
        watch_free(portal->listener[i].watch);
        (void)close(portal->listener[i].fd);
    }
    tls_server_free(portal->tls);
    channel_free(portal->dead);
    channel_free(portal->keeper);
    map_fini(&portal->networks);
    map_fini(&portal->asks);
    heap_fini(&portal->deadlines);
    memory_free(portal);
}

static void take_listener(void *state, unsigned kind, int fd)
{
    struct portal *portal = state;

    check((kind & LISTENER_KIND) == LISTENER_PORTAL);
    check(portal->listener_count < CONFIG_LIST_MAX);
    portal->listener[portal->listener_count++] =
        (struct portal_listener){ .fd = fd,
                                  .watch =
                                      watch_new(portal->process->loop, fd, on_listener, portal),
                                  .is_secure = (kind & LISTENER_SECURE) != 0 };
}

static void take_peer(void *state, enum role role, unsigned index, int fd)
{
    check(role == ROLE_KEEPER);
    portal_keeper_came(state, index, fd);
}

static bool take_certificates(void *state, struct cursor payload)
{
    struct portal *portal = state;
    return certificates_take(payload, &portal->tls);
}

static int prepare(void *state)
{
    (void)state;
    role_want_descriptors();
    return 0;
}

static int start(void *state)
{
    watch_listeners(state, true);
    return 0;
}

static void reload(void *state)
{
    (void)state; /* what it listens at takes a restart; certificates come by themselves */
}

static void stop(void *state)
{
    struct portal *portal = state;

    watch_listeners(portal, false);
    portal->accept_again_ms = 0;
    list_each (link, &portal->visitors) {
        struct visitor *visitor = container_of(link, struct visitor, link);
        if (visitor->state == VISITOR_READING)
            visitor->is_over = true;
        portal_touch(visitor);
    }
}

static void tick(struct portal *portal, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&portal->deadlines, now.mono_ms)) != NULL)
        run_out(container_of(node, struct visitor, deadline));
    if (portal->accept_again_ms != 0 && now.mono_ms >= portal->accept_again_ms) {
        portal->accept_again_ms = 0;
        watch_listeners(portal, true);
    }
}

static int64_t turn(void *state, struct now now)
{
    struct portal *portal = state;

    tick(portal, now);
    while (!list_is_empty(&portal->touched)) {
        struct link *link = list_first(&portal->touched);
        list_remove(link);
        look_after(container_of(link, struct visitor, touched));
    }
    if (portal->keeper != NULL)
        channel_flush(portal->keeper);
    role_has_keeper(portal->process, portal->keeper != NULL);
    channel_free(portal->dead);
    portal->dead = NULL;
    if (portal->process->is_stopping && list_is_empty(&portal->visitors))
        role_finished(portal->process);
    const struct heap_node *first = heap_first(&portal->deadlines);
    int64_t deadline = first != NULL ? first->key : NEVER_MS;
    if (portal->accept_again_ms != 0 && portal->accept_again_ms < deadline)
        deadline = portal->accept_again_ms;
    return deadline;
}

const struct role_hooks portal_hooks = {
    .create = create,
    .destroy = destroy,
    .listener = take_listener,
    .peer = take_peer,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .certificates = take_certificates,
    .turn = turn,
};
