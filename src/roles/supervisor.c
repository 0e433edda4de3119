/* SPDX-License-Identifier: ISC */
/* supervisor.c: starts the roles, hands them what they need, and restarts what dies.
 *
 * It reads the configuration and no byte from the network. It keeps the listeners,
 * so that a receiver that dies loses its own sessions and nothing else. When a role
 * starts, it gets a channel to each role that it speaks with, and these get the
 * other end.
 *
 *   EMPTY --spawn--> STARTING --ready--> RUNNING --died--> WAITING --delay--> STARTING …
 *
 * A role that dies again and again waits longer each time (100 ms … 30 s); once it
 * has run for a minute, the count starts anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "net/socket.h"
#include "roles/board.h"
#include "roles/certificates.h"
#include "roles/spool_keys.h"
#include "roles/leash.h"
#include "roles/place.h"
#include "roles/roles.h"
#include "net/loop.h"

enum {
    DELAY_FIRST_MS = 100,
    DELAY_MAX_MS = 30 * SECOND_MS,
    SETTLED_MS = MINUTE_MS,
    GRACE_MS = 20 * SECOND_MS, /* for each stage of stopping */
    PACKETS_PER_TURN_MAX = 16,
};

enum child_state { CHILD_WAITING, CHILD_STARTING, CHILD_RUNNING, CHILD_GONE };

struct supervisor;

struct child {
    struct supervisor *supervisor;
    enum role role;
    unsigned index;
    enum child_state state;
    pid_t pid; /* 0: no process */
    struct leash leash;
    struct watch *watch;
    int64_t started_ms;      /* monotonic */
    int64_t started_wall_ms; /* Unix time */
    int64_t spawn_at_ms;     /* monotonic, in CHILD_WAITING */
    unsigned deaths;         /* in a row */
    unsigned restarts;       /* since the supervisor started, for `status` */
};

struct supervisor {
    const char *config_path;
    struct config *config;
    struct loop *loop;
    struct child child[ROLE_PROCESSES_MAX];
    unsigned child_count;
    struct listeners listeners;
    struct certificates certificates;
    int board;     /* board.h */
    bool is_ready; /* everybody was running once */
    /* Stopping goes by stages: those who take mail in, those who hand it over, the rest. */
    unsigned stop_stage; /* 0: not stopping */
    int64_t stop_deadline_ms;
    int status;
};

/* When stopping, a role is told to end in its stage; until then it is started again if it dies:
 * those who end before it have something to tell it. */
static unsigned stage_of(enum role role)
{
    static const unsigned stage[ROLE_COUNT] = {
        [ROLE_RECEIVER] = 1, [ROLE_PORTAL] = 1,   [ROLE_DELIVERER] = 2,
        [ROLE_KEEPER] = 3,   [ROLE_RESOLVER] = 3,
    };
    return stage[role];
}

/* Who speaks with whom. */
static bool are_peers(enum role a, enum role b)
{
    unsigned pair = 1u << a | 1u << b;
    return pair == (1u << ROLE_KEEPER | 1u << ROLE_RECEIVER) ||
           pair == (1u << ROLE_KEEPER | 1u << ROLE_DELIVERER) ||
           pair == (1u << ROLE_KEEPER | 1u << ROLE_PORTAL) ||
           pair == (1u << ROLE_RESOLVER | 1u << ROLE_KEEPER) ||
           pair == (1u << ROLE_RESOLVER | 1u << ROLE_RECEIVER);
}

static bool is_alive(const struct child *child)
{
    return child->state == CHILD_STARTING || child->state == CHILD_RUNNING;
}

static void log_child(enum log_level level, const char *event, const struct child *child)
{
    log_event(level, event, LOG_TEXT("role", role_name(child->role)),
              LOG_INT("index", child->index), LOG_INT("pid", child->pid));
}

/* ---- starting a role ---- */

static void become_role(const struct child *child, int leash)
{
    char index[16];
    char name[16];
    char program[] = "holdfast";
    char word[] = "role";
    char *const arguments[] = { program, word, name, index, NULL };

    (void)snprintf(index, sizeof index, "%u", child->index);
    (void)snprintf(name, sizeof name, "%s", role_name(child->role));
    if (leash == LEASH_FD) {
        (void)fcntl(leash, F_SETFD, 0);
    } else if (dup2(leash, LEASH_FD) < 0) {
        _exit(127);
    }
    (void)execv("/proc/self/exe", arguments);
    _exit(127);
}

static void on_leash(void *context, unsigned what);

static int spawn_process(struct child *child)
{
    int pair[2];
    int room = 512 * 1024; /* a configuration in one packet */
    int error = socket_pair(SOCK_SEQPACKET, pair);

    if (error != 0)
        return error;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    pid_t pid = fork();
    if (pid == 0)
        become_role(child, pair[1]);
    (void)close(pair[1]);
    if (pid < 0) {
        error = -errno;
        (void)close(pair[0]);
        return error;
    }
    child->pid = pid;
    child->leash.fd = pair[0];
    child->watch = watch_new(child->supervisor->loop, pair[0], on_leash, child);
    watch_set(child->watch, WATCH_READ);
    return 0;
}

static int send_config(struct child *child)
{
    struct buf bytes = { 0 };
    config_encode(child->supervisor->config, &bytes);
    int error = leash_send(&child->leash, -1, configure, .config = buf_str(&bytes));
    buf_fini(&bytes);
    return error;
}

/* A receiver's own sockets, and those of the next one: should that one be in trouble, whoever waits
 * there is seen to. */
static int send_smtp_listeners(struct child *child)
{
    const struct listeners *listeners = &child->supervisor->listeners;
    unsigned own = child->index - 1;
    unsigned next = (own + 1) % listeners->receivers;
    int error = 0;

    for (unsigned i = 0; i < listeners->count && error == 0; i++) {
        error = leash_send(&child->leash, listeners->socket[own][i], listener,
                           .kind = listeners->kind[i]);
        if (error == 0 && next != own)
            error = leash_send(&child->leash, listeners->socket[next][i], listener,
                               .kind = listeners->kind[i] | LISTENER_NEIGHBOUR);
    }
    return error;
}

static int send_certificates(struct child *child)
{
    const struct certificates *certificates = &child->supervisor->certificates;

    return leash_send(&child->leash, -1, certificates, .pairs = buf_str(&certificates->pairs),
                      .ticket_key = buf_str(&certificates->ticket_key),
                      .ticket_key_before = buf_str(&certificates->ticket_key_before));
}

static bool shows_certificates(const struct child *child)
{
    return child->role == ROLE_RECEIVER || child->role == ROLE_PORTAL;
}

/* Sessions go on with what they began with. */
static void hand_out_certificates(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (shows_certificates(child) && is_alive(child) && send_certificates(child) != 0)
            log_child(LOG_WARN, "certificates_not_handed_over", child);
    }
}

static int send_certificate_ends(struct child *child)
{
    return leash_send(&child->leash, -1, certificate_ends,
                      .ends = buf_str(&child->supervisor->certificates.ends));
}

static void hand_out_certificate_ends(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER && is_alive(child) && send_certificate_ends(child) != 0)
            log_child(LOG_WARN, "certificate_ends_not_handed_over", child);
    }
}

/* Read anew for each keeper, and forgotten at once. */
static int send_spool_keys(struct child *child)
{
    struct str path = child->supervisor->config->encryption_keys;
    struct buf file = { 0 };

    spool_keys_read(path, &file);
    int error = leash_send(&child->leash, -1, spool_keys, .file = buf_str(&file),
                           .is_wanted = path.len > 0);
    spool_keys_forget(&file);
    spool_keys_forget(&child->leash.out);
    return error;
}

static void hand_out_spool_keys(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER && is_alive(child) && send_spool_keys(child) != 0)
            log_child(LOG_WARN, "spool_keys_not_handed_over", child);
    }
}

static int send_portal_listeners(struct child *child)
{
    const struct supervisor *supervisor = child->supervisor;
    const struct listeners *listeners = &supervisor->listeners;
    int error = 0;

    for (unsigned i = 0; i < listeners->portal_count && error == 0; i++)
        error = leash_send(&child->leash, listeners->portal[i], listener,
                           .kind = LISTENER_PORTAL |
                                   (supervisor->config->portal_tls ? LISTENER_SECURE : 0U));
    return error;
}

static int send_listeners(struct child *child)
{
    const struct listeners *listeners = &child->supervisor->listeners;
    int error = 0;

    if (child->role == ROLE_KEEPER && listeners->control >= 0)
        error = leash_send(&child->leash, listeners->control, listener, .kind = LISTENER_CONTROL);
    if (error == 0 && child->role == ROLE_KEEPER)
        error = send_spool_keys(child);
    if (error == 0 && child->role == ROLE_KEEPER)
        error = send_certificate_ends(child);
    if (child->role == ROLE_RECEIVER)
        error = send_smtp_listeners(child);
    if (error == 0 && child->role == ROLE_RECEIVER)
        error = leash_send(&child->leash, child->supervisor->board, board,
                           .slots = child->supervisor->config->receivers);
    if (child->role == ROLE_PORTAL)
        error = send_portal_listeners(child);
    if (error == 0 && shows_certificates(child))
        error = send_certificates(child);
    return error;
}

static void join(struct child *a, struct child *b)
{
    int pair[2];

    if (socket_pair(SOCK_STREAM, pair) != 0) {
        log_child(LOG_ERROR, "channel_failed", a);
        return;
    }
    for (int i = 0; i < 2; i++) {
        int room = 1024 * 1024;
        (void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    }
    int error = leash_send(&a->leash, pair[0], peer, .role = b->role, .index = b->index);
    if (error == 0)
        error = leash_send(&b->leash, pair[1], peer, .role = a->role, .index = a->index);
    if (error != 0)
        log_child(LOG_ERROR, "channel_failed", a);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

static void join_peers(struct child *child)
{
    struct supervisor *supervisor = child->supervisor;

    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *other = &supervisor->child[i];
        if (other != child && is_alive(other) && are_peers(child->role, other->role))
            join(child, other);
    }
}

static void wait_and_spawn(struct child *child, int64_t now_ms)
{
    int64_t delay = DELAY_FIRST_MS;
    for (unsigned i = 1; i < child->deaths && delay < DELAY_MAX_MS; i++)
        delay *= 2;
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    child->state = CHILD_WAITING;
    child->spawn_at_ms = now_ms + (child->deaths > 0 ? delay : 0);
}

/* All that a new process is given. */
static int equip(struct child *child)
{
    int error = send_config(child);
    if (error == 0)
        error = send_listeners(child);
    if (error != 0)
        return error;
    join_peers(child);
    return leash_send(&child->leash, -1, run, .index = child->index);
}

static void spawn(struct child *child, struct now now)
{
    int error = spawn_process(child);

    if (error != 0) {
        log_error("role_start_failed", LOG_TEXT("role", role_name(child->role)),
                  LOG_TEXT("error", strerror(-error)));
        child->deaths++;
        wait_and_spawn(child, now.mono_ms);
        return;
    }
    child->state = CHILD_STARTING;
    child->started_ms = now.mono_ms;
    child->started_wall_ms = now.wall_ms;
    log_child(LOG_INFO, "role_started", child);
    error = equip(child);
    if (error != 0) { /* it is dying already, or will be: bury() sees to the rest */
        log_error("role_start_failed", LOG_TEXT("role", role_name(child->role)),
                  LOG_TEXT("error", strerror(-error)));
        (void)kill(child->pid, SIGKILL);
    }
}

/* ---- what `status` shows of the roles ---- */

static void send_roster(struct supervisor *supervisor)
{
    struct child *keeper = NULL;
    struct buf json = { 0 };

    buf_add(&json, STR("["));
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        const struct child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER)
            keeper = &supervisor->child[i];
        buf_add_format(&json,
                       "%s{\"role\":\"%s\",\"name\":\"%s-%u\",\"index\":%u,\"pid\":%d,"
                       "\"running\":%s,\"started_ms\":%lld,\"restarts\":%u}",
                       i > 0 ? "," : "", role_name(child->role), role_name(child->role),
                       child->index, child->index, (int)child->pid,
                       is_alive(child) ? "true" : "false", (long long)child->started_wall_ms,
                       child->restarts);
    }
    buf_add(&json, STR("]"));
    if (keeper != NULL && is_alive(keeper))
        (void)leash_send(&keeper->leash, -1, roster, .roles = buf_str(&json));
    buf_fini(&json);
}

/* ---- ready, dead ---- */

static void tell_ready(struct supervisor *supervisor)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->child[i].state != CHILD_RUNNING)
            return;
    if (!supervisor->is_ready) {
        log_info("ready", LOG_STR("hostname", supervisor->config->hostname));
        place_notify("READY=1");
    }
    supervisor->is_ready = true;
}

/* Receivers may open no connection. Which filters there are is ours to know, not theirs to say. */
static int connect_filter(const struct supervisor *supervisor, struct str name)
{
    const struct config_milter *milter = config_find_milter(supervisor->config, name);

    if (milter == NULL)
        return -ESRCH;
    return milter->path.len > 0 ? socket_connect_unix(milter->path)
                                : socket_connect(milter->endpoint);
}

static void answer_filter(struct child *child, struct cursor payload)
{
    struct message_filter_ask message;

    if (!message_get_filter_ask(payload, &message)) {
        (void)kill(child->pid, SIGKILL);
        return;
    }
    int fd = connect_filter(child->supervisor, message.name);
    int error = leash_send(&child->leash, fd >= 0 ? fd : -1, filter_answer,
                           .ticket = message.ticket, .error = fd < 0 ? (uint64_t)-fd : 0);
    if (error != 0) /* it gives up by itself */
        log_child(LOG_WARN, "filter_not_handed_over", child);
    if (fd >= 0)
        (void)close(fd);
}

static struct child *find_child(struct supervisor *supervisor, enum role role, uint64_t index)
{
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (supervisor->child[i].role == role && supervisor->child[i].index == index)
            return &supervisor->child[i];
    return NULL;
}

/* Both ends of a line, for the receiver that asks and for the deliverer that it names. */
static int join_line(struct child *receiver, const struct message_line_ask *ask)
{
    struct child *deliverer = find_child(receiver->supervisor, ROLE_DELIVERER, ask->deliverer);
    int pair[2];

    if (deliverer == NULL || deliverer->state != CHILD_RUNNING)
        return -ESRCH;
    int error = socket_pair(SOCK_STREAM, pair);
    if (error != 0)
        return error;
    error = leash_send(&deliverer->leash, pair[0], line_answer, .line = ask->line);
    if (error == 0)
        error = leash_send(&receiver->leash, pair[1], line_answer, .line = ask->line);
    (void)close(pair[0]);
    (void)close(pair[1]);
    return error;
}

static void answer_line(struct child *child, struct cursor payload)
{
    struct message_line_ask message;

    if (!message_get_line_ask(payload, &message)) {
        (void)kill(child->pid, SIGKILL);
        return;
    }
    int error = join_line(child, &message);
    if (error != 0 && leash_send(&child->leash, -1, line_answer, .line = message.line,
                                 .error = (uint64_t)-error) != 0)
        log_child(LOG_WARN, "line_not_handed_over", child);
}

static void take_ready(struct child *child)
{
    if (child->state != CHILD_STARTING)
        return;
    child->state = CHILD_RUNNING;
    log_child(LOG_INFO, "role_ready", child);
    send_roster(child->supervisor);
    tell_ready(child->supervisor);
}

static void on_leash(void *context, unsigned what)
{
    struct child *child = context;
    struct leash_packet packet;
    int got = -EAGAIN;

    (void)what; /* a role that says more than that at once waits until the others have been heard */
    for (int i = 0; i < PACKETS_PER_TURN_MAX; i++) {
        got = leash_receive(&child->leash, child->role, ROLE_SUPERVISOR, &packet);
        if (got != 1)
            break;
        if (packet.descriptor >= 0)
            (void)close(packet.descriptor);
        if (packet.type == MESSAGE_ready)
            take_ready(child);
        else if (packet.type == MESSAGE_filter_ask)
            answer_filter(child, packet.payload);
        else if (packet.type == MESSAGE_line_ask)
            answer_line(child, packet.payload);
    }
    if (got != -EAGAIN && got != 1)
        watch_set(child->watch, 0); /* gone; waitpid tells the rest */
    if (got == -EPROTO)
        (void)kill(child->pid, SIGKILL);
}

static void bury(struct child *child, int status, struct now now)
{
    struct supervisor *supervisor = child->supervisor;
    bool expected = supervisor->stop_stage >= stage_of(child->role);
    const char *how = WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "exit";

    log_event(expected ? LOG_INFO : LOG_ERROR, "role_ended",
              LOG_TEXT("role", role_name(child->role)), LOG_INT("index", child->index),
              LOG_INT("pid", child->pid), LOG_TEXT("how", how),
              LOG_INT("status", WIFEXITED(status) ? WEXITSTATUS(status) : -1));
    watch_free(child->watch);
    child->watch = NULL;
    leash_fini(&child->leash);
    child->pid = 0;
    if (expected) {
        child->state = CHILD_GONE;
        return;
    }
    if (now.mono_ms - child->started_ms > SETTLED_MS)
        child->deaths = 0;
    child->deaths++;
    child->restarts++;
    wait_and_spawn(child, now.mono_ms);
    send_roster(supervisor);
}

static void on_child_signal(void *context, int number)
{
    struct supervisor *supervisor = context;
    pid_t pid;
    int status;

    (void)number;
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (unsigned i = 0; i < supervisor->child_count; i++)
            if (supervisor->child[i].pid == pid)
                bury(&supervisor->child[i], status, loop_now(supervisor->loop));
}

/* ---- reload ---- */

static void log_problems(struct str text)
{
    struct str line = STR_NONE;
    while (str_cut(&text, '\n', &line))
        if (line.len > 0)
            log_warn("config_problem", LOG_STR("text", line));
}

static void hand_out_config(struct supervisor *supervisor)
{
    struct buf bytes = { 0 };
    config_encode(supervisor->config, &bytes);
    for (unsigned i = 0; i < supervisor->child_count; i++)
        if (is_alive(&supervisor->child[i]))
            (void)leash_send(&supervisor->child[i].leash, -1, reload, .config = buf_str(&bytes));
    buf_fini(&bytes);
}

static void on_hangup(void *context, int number)
{
    struct supervisor *supervisor = context;
    struct config_problems problems = { 0 };
    struct config *next = NULL;
    struct buf needs_restart = { 0 };

    (void)number;
    place_notify("RELOADING=1");
    int error = config_load(supervisor->config_path, &next, &problems);
    log_problems(buf_str(&problems.text));
    if (error != 0) {
        log_error("reload_refused", LOG_TEXT("file", supervisor->config_path),
                  LOG_INT("errors", problems.errors));
    } else {
        place_fill_in(next);
        config_restart_needed(supervisor->config, next, &needs_restart);
        if (needs_restart.len > 0)
            log_warn("reload_incomplete", LOG_STR("takes_a_restart", buf_str(&needs_restart)));
        config_keep(supervisor->config, next);
        place_fill_in(next); /* once more: the listeners are those that there were */
        config_free(supervisor->config);
        supervisor->config = next;
        log_set_level(next->log_level);
        hand_out_config(supervisor);
        if (certificates_read(&supervisor->certificates, next))
            hand_out_certificates(supervisor);
        hand_out_certificate_ends(supervisor);
        hand_out_spool_keys(supervisor);
        log_info("reloaded", LOG_TEXT("file", supervisor->config_path));
    }
    place_notify("READY=1");
    buf_fini(&needs_restart);
    config_problems_fini(&problems);
}

/* ---- stopping ---- */

static void enter_stage(struct supervisor *supervisor, unsigned stage, struct now now)
{
    supervisor->stop_stage = stage;
    supervisor->stop_deadline_ms = now.mono_ms + GRACE_MS + SECOND_MS;
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (stage_of(child->role) != stage)
            continue;
        if (child->pid == 0)
            child->state = CHILD_GONE;
        else
            (void)leash_send(&child->leash, -1, stop, .grace_ms = GRACE_MS);
    }
}

static void on_stop_signal(void *context, int number)
{
    struct supervisor *supervisor = context;

    if (supervisor->stop_stage > 0)
        return;
    log_info("stopping", LOG_TEXT("signal", strsignal(number)));
    place_notify("STOPPING=1");
    enter_stage(supervisor, 1, loop_now(supervisor->loop));
}

static void go_on_stopping(struct supervisor *supervisor, struct now now)
{
    bool stage_done = true;
    bool all_gone = true;

    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (child->pid == 0)
            continue;
        all_gone = false;
        stage_done = stage_done && stage_of(child->role) > supervisor->stop_stage;
        if (stage_of(child->role) <= supervisor->stop_stage &&
            now.mono_ms >= supervisor->stop_deadline_ms) {
            log_child(LOG_ERROR, "role_killed", child);
            (void)kill(child->pid, SIGKILL);
        }
    }
    if (all_gone)
        loop_stop(supervisor->loop);
    else if (stage_done)
        enter_stage(supervisor, supervisor->stop_stage + 1, now);
}

static int64_t turn(void *context, struct now now)
{
    struct supervisor *supervisor = context;
    int64_t deadline = NEVER_MS;

    if (supervisor->stop_stage > 0) {
        go_on_stopping(supervisor, now);
        deadline = now.mono_ms + SECOND_MS;
    }
    if (loop_is_stopped(supervisor->loop))
        return NEVER_MS;
    if (certificates_turn(&supervisor->certificates, supervisor->config, now)) {
        hand_out_certificates(supervisor);
        hand_out_certificate_ends(supervisor);
    }
    if (certificates_deadline(&supervisor->certificates) < deadline)
        deadline = certificates_deadline(&supervisor->certificates);
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct child *child = &supervisor->child[i];
        if (child->state == CHILD_WAITING && child->spawn_at_ms <= now.mono_ms)
            spawn(child, now);
        if (child->state == CHILD_WAITING && child->spawn_at_ms < deadline)
            deadline = child->spawn_at_ms;
    }
    return deadline;
}

/* ---- the whole ---- */

static void add_children(struct supervisor *supervisor, enum role role, unsigned count)
{
    for (unsigned i = 0; i < count && supervisor->child_count < ROLE_PROCESSES_MAX; i++) {
        struct child *child = &supervisor->child[supervisor->child_count++];
        *child = (struct child){ .supervisor = supervisor, .role = role, .index = i + 1 };
        child->leash.fd = -1;
    }
}

static void supervise(struct supervisor *supervisor)
{
    static const int stop[] = { SIGTERM, SIGINT };
    struct watch *signals[4];

    supervisor->loop = loop_new();
    signals[0] = watch_signal(supervisor->loop, SIGCHLD, on_child_signal, supervisor);
    signals[1] = watch_signal(supervisor->loop, SIGHUP, on_hangup, supervisor);
    for (int i = 0; i < 2; i++)
        signals[2 + i] = watch_signal(supervisor->loop, stop[i], on_stop_signal, supervisor);
    add_children(supervisor, ROLE_KEEPER, 1);
    add_children(supervisor, ROLE_RESOLVER, 1);
    add_children(supervisor, ROLE_DELIVERER, supervisor->config->deliverers);
    add_children(supervisor, ROLE_RECEIVER, supervisor->config->receivers);
    add_children(supervisor, ROLE_PORTAL, supervisor->listeners.portal_count > 0);
    loop_run(supervisor->loop, turn, supervisor);
    for (int i = 0; i < 4; i++)
        watch_free(signals[i]);
    loop_free(supervisor->loop);
}

int roles_run(const char *config_path)
{
    struct config_problems problems = { 0 };
    struct supervisor *supervisor = memory_new(sizeof *supervisor);
    int status = 2;

    log_init("supervisor", LOG_INFO);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    supervisor->config_path = config_path;
    supervisor->listeners.control = -1;
    int error = config_load(config_path, &supervisor->config, &problems);
    if (problems.text.len > 0)
        (void)fwrite(problems.text.ptr, 1, problems.text.len, stderr);
    if (error == 0) {
        log_set_level(supervisor->config->log_level);
        place_fill_in(supervisor->config);
        status = 1;
        supervisor->board = board_make();
        if (supervisor->board >= 0 && place_prepare(supervisor->config) &&
            place_listen(supervisor->config, &supervisor->listeners)) {
            supervise(supervisor);
            status = 0;
        }
        place_close(&supervisor->listeners);
        certificates_fini(&supervisor->certificates);
        config_free(supervisor->config);
    }
    if (status == 0)
        log_info("stopped", LOG_TEXT("file", config_path));
    config_problems_fini(&problems);
    memory_free(supervisor);
    return status;
}
