/* SPDX-License-Identifier: ISC */
/* child.c: a role's process: started, ready, dead, and started again.
 *
 *     WAITING ── delay, spawn() ──▶ STARTING ── take_ready() ──▶ RUNNING
 *        ▲                             │                           │
 *        └────────── bury() ───────────┴───────────────────────────┘
 *
 * A role that dies again and again waits longer each time (100 ms … 30 s); once it has run for a
 * minute, the count starts anew. When its stage of stopping has come (stopping.c), it is GONE
 * instead of WAITING.
 *
 * It executes our own program, with one end of a leash; all else comes over that (equipment.c).
 * Who lets go of the leash ends, or is ended: nobody runs without.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "net/socket.h"
#include "roles/place.h"
#include "roles/supervisor/private.h"

enum {
    DELAY_FIRST_MS = 100,
    DELAY_MAX_MS = 30 * SECOND_MS,
    SETTLED_MS = MINUTE_MS,
    PACKETS_PER_TURN_MAX = 16,
    LEASHLESS_MS = 5 * SECOND_MS,
};

bool supervisor_is_alive(const struct supervisor_child *child)
{
    return child->state == CHILD_STARTING || child->state == CHILD_RUNNING;
}

void supervisor_log_child(enum log_level level, const char *event,
                          const struct supervisor_child *child)
{
    log_event(level, event, LOG_TEXT("role", role_name(child->role)),
              LOG_INT("index", child->index), LOG_INT("pid", child->pid));
}

void supervisor_kill(struct supervisor_child *child)
{
    if (child->is_killed)
        return;
    child->is_killed = true;
    supervisor_log_child(LOG_ERROR, "role_killed", child);
    (void)kill(child->pid, SIGKILL);
}

/* ---- what it says ---- */

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

static void take_ready(struct supervisor_child *child)
{
    if (child->state != CHILD_STARTING)
        return;
    child->state = CHILD_RUNNING;
    supervisor_hear_alive(child);
    supervisor_log_child(LOG_INFO, "role_ready", child);
    supervisor_send_roster(child->supervisor);
    tell_ready(child->supervisor);
}

static void on_leash(void *context, unsigned what)
{
    struct supervisor_child *child = context;
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
        else if (packet.type == MESSAGE_alive)
            supervisor_hear_alive(child);
        else if (packet.type == MESSAGE_filter_ask)
            supervisor_answer_filter(child, packet.payload);
        else if (packet.type == MESSAGE_line_ask)
            supervisor_answer_line(child, packet.payload);
    }
    if (got == -EAGAIN || got == 1)
        return;
    watch_set(child->watch, 0); /* gone; waitpid tells the rest */
    child->let_go_ms = clock_kernel_ms();
    if (got == -EPROTO)
        supervisor_kill(child);
}

/* ---- started ---- */

static void become_role(const struct supervisor_child *child, int leash)
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

static int spawn_process(struct supervisor_child *child)
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

static void wait_and_spawn(struct supervisor_child *child, int64_t now_ms)
{
    int64_t delay = DELAY_FIRST_MS;
    for (unsigned i = 1; i < child->deaths && delay < DELAY_MAX_MS; i++)
        delay *= 2;
    if (delay > DELAY_MAX_MS)
        delay = DELAY_MAX_MS;
    child->state = CHILD_WAITING;
    child->spawn_at_ms = now_ms + delay;
}

static void spawn(struct supervisor_child *child, struct now now)
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
    child->let_go_ms = 0;
    child->is_killed = false;
    supervisor_hear_alive(child);
    child->ask_at_ms = now.mono_ms;
    child->started_ms = now.mono_ms;
    child->started_wall_ms = now.wall_ms;
    supervisor_log_child(LOG_INFO, "role_started", child);
    error = supervisor_equip(child);
    if (error != 0) { /* it is dying already, or will be: bury() sees to the rest */
        log_error("role_start_failed", LOG_TEXT("role", role_name(child->role)),
                  LOG_TEXT("error", strerror(-error)));
        supervisor_kill(child);
    }
}

int64_t supervisor_child_turn(struct supervisor_child *child, struct now now)
{
    if (child->state == CHILD_WAITING && child->spawn_at_ms <= now.mono_ms)
        spawn(child, now);
    if (child->state == CHILD_WAITING)
        return child->spawn_at_ms;
    if (!supervisor_is_alive(child) || child->is_killed)
        return NEVER_MS;
    if (child->let_go_ms == 0)
        return supervisor_watch_over(child, now);
    if (clock_kernel_ms() - child->let_go_ms >= LEASHLESS_MS)
        supervisor_kill(child);
    return now.mono_ms + SECOND_MS;
}

/* ---- dead ---- */

static void bury(struct supervisor_child *child, int status, struct now now)
{
    struct supervisor *supervisor = child->supervisor;
    bool expected = supervisor_was_told_to_end(child);
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
    supervisor_send_roster(supervisor);
}

void supervisor_on_child_signal(void *context, int number)
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
