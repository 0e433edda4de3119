/* SPDX-License-Identifier: ISC */
/* resolver.c: one validating cache for all roles, by libunbound.
 *
 * Whoever has a channel here asks questions; answers come in whatever order they
 * are found. A question that nobody answers ends as DNS_FAILED after a while:
 * libunbound gives up by itself, and a deadline stands behind it.
 */
#include <arpa/nameser.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unbound-event.h>
#include <unbound.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "roles/role.h"
#include "wire/dns_packet.h"

enum { QUESTIONS_OPEN_MAX = 10000, PATIENCE_MS = 30 * SECOND_MS };

struct peer {
    struct channel *channel; /* NULL: nobody */
    uint64_t life;           /* a new channel in the same place is another asker */
};

struct resolver {
    struct role_process *process;
    struct ub_ctx *unbound;
    struct peer peer[ROLE_PROCESSES_MAX];
    uint64_t last_life;
    struct channel *dead[ROLE_PROCESSES_MAX];
    unsigned dead_count;
    struct link questions; /* on their way, oldest first */
    struct link overdue;   /* answered for libunbound, which still has them */
    unsigned question_count;
};

struct question {
    struct link link;
    struct resolver *resolver;
    const struct peer *asker;
    uint64_t life; /* of the asker when it asked */
    uint64_t ticket;
    enum dns_type type;
    int64_t deadline_ms;
    bool is_answered;
};

static void question_free(struct question *question)
{
    list_remove(&question->link);
    question->resolver->question_count--;
    memory_free(question);
}

static void answer(struct channel *asker, uint64_t ticket, const struct dns_answer *answer)
{
    struct buf bytes = { 0 };
    dns_answer_encode(&bytes, answer);
    channel_send(asker, dns_answer, .ticket = ticket, .answer = buf_str(&bytes));
    buf_fini(&bytes);
}

/* Once, and only to the one who asked. */
static void question_answer(struct question *question, const struct dns_answer *found)
{
    const struct peer *asker = question->asker;

    if (!question->is_answered && asker->channel != NULL && asker->life == question->life)
        answer(asker->channel, question->ticket, found);
    question->is_answered = true;
}

/* sec: 0 insecure, 1 bogus, 2 secure (unbound-event.h). */
static void on_resolved(void *context, int rcode, void *packet, int len, int sec, char *why_bogus,
                        int was_ratelimited)
{
    struct question *question = context;
    struct arena arena = { 0 };
    struct dns_answer found = { .status = DNS_FAILED };

    (void)was_ratelimited;
    /* Where nobody answered, the packet is the question; the code stands beside it. */
    if (packet != NULL && len > 0 && (rcode == ns_r_noerror || rcode == ns_r_nxdomain))
        dns_packet_parse(str_of(packet, (size_t)len), question->type, &arena, &found);
    found.secure = sec == 2;
    if (sec == 1) {
        log_debug("dns_bogus", LOG_TEXT("why", why_bogus));
        found = (struct dns_answer){ .status = DNS_FAILED, .bogus = true };
    }
    question_answer(question, &found);
    arena_fini(&arena);
    question_free(question);
}

static const struct peer *peer_of(const struct resolver *resolver, const struct channel *channel)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (resolver->peer[i].channel == channel)
            return &resolver->peer[i];
    check(false);
    return NULL;
}

static bool take_ask(struct resolver *resolver, struct channel *channel, struct cursor payload)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct message_dns_ask message;
    char name[DNS_NAME_MAX + 1];

    if (!message_get_dns_ask(payload, &message) || message.type > UINT16_MAX)
        return false;
    if (message.name.len > DNS_NAME_MAX || !dns_name_is_valid(message.name) ||
        resolver->question_count >= QUESTIONS_OPEN_MAX) {
        answer(channel, message.ticket, &failed);
        return true;
    }
    memcpy(name, message.name.ptr, message.name.len);
    name[message.name.len] = '\0';
    struct question *question = memory_new(sizeof *question);
    const struct peer *asker = peer_of(resolver, channel);
    *question =
        (struct question){ .resolver = resolver,
                           .asker = asker,
                           .life = asker->life,
                           .ticket = message.ticket,
                           .type = (enum dns_type)message.type,
                           .deadline_ms = loop_now(resolver->process->loop).mono_ms + PATIENCE_MS };
    list_append(&resolver->questions, &question->link);
    resolver->question_count++;
    if (ub_resolve_event(resolver->unbound, name, (int)message.type, 1, question, on_resolved,
                         NULL) != 0) {
        question_free(question);
        answer(channel, message.ticket, &failed);
    }
    return true;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    return type == MESSAGE_dns_ask && take_ask(context, channel, payload);
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct resolver *resolver = context;

    (void)why; /* the supervisor logs who died */
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (resolver->peer[i].channel == channel)
            resolver->peer[i].channel = NULL;
    check(resolver->dead_count < ROLE_PROCESSES_MAX);
    resolver->dead[resolver->dead_count++] = channel;
}

static const struct channel_host peer_host = { .message = on_message, .broken = on_broken };

static void take_peer(void *state, enum role role, unsigned index, int fd)
{
    struct resolver *resolver = state;

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        struct channel *old = resolver->peer[i].channel;
        if (old != NULL && channel_peer(old) == role && channel_peer_index(old) == index)
            channel_cut(old, "a new one came");
    }
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        if (resolver->peer[i].channel != NULL)
            continue;
        resolver->peer[i].channel = channel_new(ROLE_RESOLVER, role, index, &peer_host, resolver);
        resolver->peer[i].life = ++resolver->last_life;
        channel_attach(resolver->peer[i].channel, resolver->process->loop, fd);
        return;
    }
    check(false); /* the supervisor starts fewer roles than that */
}

/* ---- set up, before confinement ---- */

static void set_option(struct resolver *resolver, const char *name, const char *value)
{
    int error = ub_ctx_set_option(resolver->unbound, name, value);
    if (error != 0)
        log_warn("dns_option_refused", LOG_TEXT("option", name),
                 LOG_TEXT("error", ub_strerror(error)));
}

/* An address as unbound writes it: IP@PORT. */
static int forward_to(struct resolver *resolver, struct endpoint server)
{
    struct buf text = { 0 };

    endpoint_add_ip(&text, server);
    buf_add_format(&text, "@%u", (unsigned)server.port);
    buf_add_byte(&text, '\0');
    int error = ub_ctx_set_fwd(resolver->unbound, text.ptr);
    if (error != 0)
        log_error("dns_server_refused", LOG_TEXT("server", text.ptr),
                  LOG_TEXT("error", ub_strerror(error)));
    buf_fini(&text);
    return error;
}

static void use_system_servers(struct resolver *resolver)
{
    int error = ub_ctx_resolvconf(resolver->unbound, "/etc/resolv.conf");
    if (error != 0)
        log_warn("resolv_conf_unreadable", LOG_TEXT("error", ub_strerror(error)));
    error = ub_ctx_hosts(resolver->unbound, "/etc/hosts");
    if (error != 0)
        log_debug("hosts_unreadable", LOG_TEXT("error", ub_strerror(error)));
}

/* Line by line and now: libunbound would open the file only at the first question, when we are
 * confined. */
static void trust(struct resolver *resolver, struct str path)
{
    char name[4096];
    char line[4096];

    if (path.len == 0 || path.len >= sizeof name)
        return;
    memcpy(name, path.ptr, path.len);
    name[path.len] = '\0';
    FILE *file = fopen(name, "re");
    if (file == NULL) {
        log_warn("trust_anchor_unreadable", LOG_STR("file", path),
                 LOG_TEXT("error", strerror(errno)));
        return;
    }
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, ";\n")] = '\0';
        if (line[0] != '\0' && ub_ctx_add_ta(resolver->unbound, line) != 0)
            log_warn("trust_anchor_refused", LOG_TEXT("line", line));
    }
    (void)fclose(file);
}

static int prepare(void *state)
{
    struct resolver *resolver = state;
    const struct config *config = resolver->process->config;

    resolver->unbound = ub_ctx_create_event(loop_base(resolver->process->loop));
    if (resolver->unbound == NULL)
        return -ENOMEM;
    (void)ub_ctx_debuglevel(resolver->unbound, 0);
    set_option(resolver, "use-syslog:", "no");
    set_option(resolver, "do-not-query-localhost:", "no"); /* a server on this machine is usual */
    set_option(resolver, "qname-minimisation:", "yes");
    set_option(resolver, "outgoing-range:", "256");
    set_option(resolver, "num-queries-per-thread:", "1024");
    set_option(resolver, "msg-cache-size:", "4m");
    set_option(resolver, "rrset-cache-size:", "8m");
    set_option(resolver, "cache-max-negative-ttl:", "60");
    for (uint32_t i = 0; i < config->dns_servers.count; i++)
        if (forward_to(resolver, config->dns_servers.item[i]) != 0)
            return -EINVAL;
    if (config->dns_servers.count == 0)
        use_system_servers(resolver);
    trust(resolver, config->dns_trust_anchor);
    return 0;
}

/* ---- the role ---- */

static void *create(struct role_process *process)
{
    struct resolver *resolver = memory_new(sizeof *resolver);
    resolver->process = process;
    list_init(&resolver->questions);
    list_init(&resolver->overdue);
    return resolver;
}

static void free_dead(struct resolver *resolver)
{
    while (resolver->dead_count > 0)
        channel_free(resolver->dead[--resolver->dead_count]);
}

static void destroy(void *state)
{
    struct resolver *resolver = state;

    if (resolver->unbound != NULL)
        ub_ctx_delete(resolver->unbound);
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        channel_free(resolver->peer[i].channel);
    list_each_safe (link, &resolver->questions)
        question_free(container_of(link, struct question, link));
    list_each_safe (link, &resolver->overdue)
        question_free(container_of(link, struct question, link));
    free_dead(resolver);
    memory_free(resolver);
}

/* New servers take a new context, which cannot be had any more from in here: `dns` takes a
 * restart. */
static void reload(void *state)
{
    (void)state;
}

static void stop(void *state)
{
    struct resolver *resolver = state;
    role_finished(resolver->process);
}

/* Whoever waits for an answer that does not come must not wait for ever. The next deadline. */
static int64_t give_up_overdue(struct resolver *resolver, struct now now)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct link *first;

    while ((first = list_first(&resolver->questions)) != NULL) {
        struct question *question = container_of(first, struct question, link);
        if (question->deadline_ms > now.mono_ms)
            return question->deadline_ms;
        question_answer(question, &failed);
        list_remove(first);
        list_append(&resolver->overdue, first);
    }
    return NEVER_MS;
}

static int64_t turn(void *state, struct now now)
{
    struct resolver *resolver = state;
    int64_t deadline = give_up_overdue(resolver, now);

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (resolver->peer[i].channel != NULL)
            channel_flush(resolver->peer[i].channel);
    free_dead(resolver);
    return deadline;
}

const struct role_hooks resolver_hooks = {
    .create = create,
    .destroy = destroy,
    .peer = take_peer,
    .prepare = prepare,
    .reload = reload,
    .stop = stop,
    .turn = turn,
};
