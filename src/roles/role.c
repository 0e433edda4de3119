/* SPDX-License-Identifier: ISC */
/* role.c: see role.h. */
#include "roles/role.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/sandbox.h"
#include "roles/spool_keys.h"

enum { LONELY_MS_MAX = 2 * MINUTE_MS };

static const struct role_hooks *const hooks_of[ROLE_COUNT] = {
    [ROLE_RECEIVER] = &receiver_hooks, [ROLE_DELIVERER] = &deliverer_hooks,
    [ROLE_RESOLVER] = &resolver_hooks, [ROLE_KEEPER] = &keeper_hooks,
    [ROLE_PORTAL] = &portal_hooks,
};

static void leave(struct role_process *process, const char *event, int error)
{
    log_error(event, LOG_TEXT("error", strerror(-error)));
    process->is_stopping = true;
    loop_stop(process->loop);
}

void role_finished(struct role_process *process)
{
    loop_stop(process->loop);
}

void role_want_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit); /* else what we have must do */
}

void role_has_keeper(struct role_process *process, bool has)
{
    if (has)
        process->lonely_ms = 0;
    else if (process->lonely_ms == 0)
        process->lonely_ms = loop_now(process->loop).mono_ms;
}

static void set_config(struct role_process *process, struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct config *next;

    check(config_decode(&cursor, &next));
    if (process->config != NULL)
        config_free(process->config);
    process->config = next;
    log_set_level(next->log_level);
}

static void configure(struct role_process *process, struct cursor payload)
{
    struct message_configure message;
    check(message_get_configure(payload, &message));
    set_config(process, message.config);
    check(process->state == NULL);
    process->state = process->hooks->create(process);
}

static void run(struct role_process *process)
{
    int error = process->hooks->prepare != NULL ? process->hooks->prepare(process->state) : 0;
    if (error == 0)
        error = sandbox_enter(process->role, process->config);
    if (error == 0 && process->hooks->start != NULL)
        error = process->hooks->start(process->state);
    if (error != 0) {
        leave(process, "role_start_failed", error);
        return;
    }
    process->is_running = true;
    error = leash_send(&process->leash, -1, ready, .index = process->index);
    if (error != 0)
        leave(process, "leash_broken", error);
}

static void take_listener(struct role_process *process, const struct leash_packet *packet)
{
    struct message_listener message;
    check(process->hooks->listener != NULL);
    check(message_get_listener(packet->payload, &message) && packet->descriptor >= 0);
    process->hooks->listener(process->state, (unsigned)message.kind, packet->descriptor);
}

static void take_peer(struct role_process *process, const struct leash_packet *packet)
{
    struct message_peer message;
    check(message_get_peer(packet->payload, &message) && packet->descriptor >= 0);
    process->hooks->peer(process->state, (enum role)message.role, (unsigned)message.index,
                         packet->descriptor);
}

static void take_reload(struct role_process *process, struct cursor payload)
{
    struct message_reload message;
    check(message_get_reload(payload, &message));
    set_config(process, message.config);
    process->hooks->reload(process->state);
}

static void take_stop(struct role_process *process, struct cursor payload)
{
    struct message_stop message;
    check(message_get_stop(payload, &message));
    if (process->is_stopping)
        return;
    process->is_stopping = true;
    process->stop_deadline_ms = clock_now().mono_ms + (int64_t)message.grace_ms;
    if (process->state != NULL)
        process->hooks->stop(process->state);
    else
        role_finished(process);
}

/* Who can answer has a loop that turns. */
static void take_alive_ask(struct role_process *process, struct cursor payload)
{
    struct message_alive_ask message;
    check(message_get_alive_ask(payload, &message));
    (void)leash_send(&process->leash, -1, alive, .index = process->index, .count = message.count);
}

static void take_roster(struct role_process *process, struct cursor payload)
{
    struct message_roster message;
    check(message_get_roster(payload, &message));
    if (process->hooks->roster != NULL)
        process->hooks->roster(process->state, message.roles);
}

static void take_filter(struct role_process *process, const struct leash_packet *packet)
{
    struct message_filter_answer message;
    check(message_get_filter_answer(packet->payload, &message));
    check(process->hooks->filter != NULL && (message.error == 0 || packet->descriptor < 0));
    int error = message.error != 0 ? -(int)message.error : packet->descriptor < 0 ? -EMFILE : 0;
    process->hooks->filter(process->state, message.ticket, error, packet->descriptor);
}

static void take_line(struct role_process *process, const struct leash_packet *packet)
{
    struct message_line_answer message;
    check(message_get_line_answer(packet->payload, &message));
    check(process->hooks->line != NULL && (message.error == 0 || packet->descriptor < 0));
    int error = message.error != 0 ? -(int)message.error : packet->descriptor < 0 ? -EMFILE : 0;
    process->hooks->line(process->state, message.line, error, packet->descriptor);
}

static void take_packet(struct role_process *process, const struct leash_packet *packet)
{
    switch (packet->type) {
    case MESSAGE_configure:
        configure(process, packet->payload);
        break;
    case MESSAGE_listener:
        take_listener(process, packet);
        break;
    case MESSAGE_peer:
        take_peer(process, packet);
        break;
    case MESSAGE_board:
        check(packet->descriptor >= 0);
        process->hooks->board(process->state, packet->descriptor);
        break;
    case MESSAGE_run:
        run(process);
        break;
    case MESSAGE_reload:
        take_reload(process, packet->payload);
        break;
    case MESSAGE_stop:
        take_stop(process, packet->payload);
        break;
    case MESSAGE_alive_ask:
        take_alive_ask(process, packet->payload);
        break;
    case MESSAGE_roster:
        take_roster(process, packet->payload);
        break;
    case MESSAGE_filter_answer:
        take_filter(process, packet);
        break;
    case MESSAGE_line_answer:
        take_line(process, packet);
        break;
    case MESSAGE_certificates:
        check(process->hooks->certificates != NULL &&
              process->hooks->certificates(process->state, packet->payload));
        break;
    case MESSAGE_certificate_ends:
        check(process->hooks->certificate_ends != NULL &&
              process->hooks->certificate_ends(process->state, packet->payload));
        break;
    case MESSAGE_spool_keys:
        check(process->hooks->spool_keys != NULL &&
              process->hooks->spool_keys(process->state, packet->payload));
        spool_keys_forget(&process->leash.in);
        break;
    default:
        break; /* message_is_allowed() has let nothing else pass */
    }
}

static void on_leash(void *context, unsigned what)
{
    struct role_process *process = context;
    struct leash_packet packet;
    int got;

    (void)what;
    while ((got = leash_receive(&process->leash, ROLE_SUPERVISOR, process->role, &packet)) == 1)
        take_packet(process, &packet);
    if (got == 0) /* the supervisor is gone: nobody would start us again */
        loop_stop(process->loop);
    else if (got != -EAGAIN)
        leave(process, "leash_broken", got);
}

int64_t role_turn(void *context, struct now now)
{
    struct role_process *process = context;
    int64_t deadline = NEVER_MS;

    if (process->is_running) {
        deadline = process->hooks->turn(process->state, now);
        log_flush();
        if (stream_set_flush(&process->streams))
            deadline = now.mono_ms; /* the hosts that were called may want to go on */
    }
    if (process->lonely_ms != 0 && !process->is_stopping) {
        int64_t leave_ms = process->lonely_ms + LONELY_MS_MAX;
        if (now.mono_ms >= leave_ms)
            leave(process, "keeper_missing", -ETIMEDOUT);
        deadline = leave_ms < deadline ? leave_ms : deadline;
    }
    log_flush();
    if (process->is_stopping && now.mono_ms >= process->stop_deadline_ms)
        loop_stop(process->loop);
    if (process->is_stopping && process->stop_deadline_ms < deadline)
        deadline = process->stop_deadline_ms;
    return deadline;
}

/* Until the word to run, the leash is all that is looked at: a peer may speak on its channel as
 * soon as it has its end, and that must find us confined and started. */
static void wait_for_the_word(struct role_process *process)
{
    while (!process->is_running && !process->is_stopping && !loop_is_stopped(process->loop)) {
        struct pollfd leash = { .fd = process->leash.fd, .events = POLLIN };
        if (poll(&leash, 1, -1) > 0)
            on_leash(process, WATCH_READ);
    }
}

static void ignore_signals(void)
{
    /* The terminal's Ctrl-C reaches all processes; only the supervisor decides what it means. */
    static const int ignored[] = { SIGPIPE, SIGINT, SIGHUP, SIGTERM };
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        check(signal(ignored[i], SIG_IGN) != SIG_ERR);
}

/* Whoever is woken waits until the one that woke him has done his turn, instead of interrupting it
 * for a single message: what came meanwhile is worked off together. */
static void work_in_batches(void)
{
    const struct sched_param none = { 0 };
    (void)sched_setscheduler(0, SCHED_BATCH, &none); /* else it is only slower */
}

int role_run(enum role role, unsigned index)
{
    static char name[32];
    struct role_process process = { .role = role, .index = index, .leash = { .fd = LEASH_FD } };

    (void)snprintf(name, sizeof name, "%s-%u", role_name(role), index);
    log_init(name, LOG_INFO);
    log_hold();
    (void)prctl(PR_SET_NAME, "holdfast"); /* not "exe", which is what was executed */
    ignore_signals();
    work_in_batches();
    process.hooks = hooks_of[role];
    random_from_kernel(&process.random);
    stream_set_init(&process.streams);
    process.loop = loop_new();
    process.leash_watch = watch_new(process.loop, LEASH_FD, on_leash, &process);
    watch_set(process.leash_watch, WATCH_READ);
    wait_for_the_word(&process);
    loop_run(process.loop, role_turn, &process);
    bool was_running = process.is_running;
    if (process.state != NULL)
        process.hooks->destroy(process.state);
    watch_free(process.leash_watch);
    leash_fini(&process.leash);
    if (process.config != NULL)
        config_free(process.config);
    loop_free(process.loop);
    log_flush();
    return was_running ? 0 : 1;
}
