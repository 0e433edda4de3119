/* SPDX-License-Identifier: ISC */
/* supervisor.c: starts the roles, hands them what they need, and restarts what dies: see private.h
 * for the parts.
 *
 * Here are the beginning, the signals and the turn: stopping goes on if it has begun, certificates
 * are looked at, and whoever is due is started.
 */
#include <signal.h>
#include <stdio.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/board.h"
#include "roles/roles.h"
#include "roles/supervisor/private.h"

static int64_t turn(void *context, struct now now)
{
    struct supervisor *supervisor = context;
    int64_t deadline = NEVER_MS;

    if (supervisor->stop_stage > 0) {
        supervisor_go_on_stopping(supervisor, now);
        deadline = now.mono_ms + SECOND_MS;
    }
    if (loop_is_stopped(supervisor->loop))
        return NEVER_MS;
    if (certificates_turn(&supervisor->certificates, supervisor->config, now)) {
        supervisor_hand_out_certificates(supervisor);
        supervisor_hand_out_certificate_ends(supervisor);
    }
    if (certificates_deadline(&supervisor->certificates) < deadline)
        deadline = certificates_deadline(&supervisor->certificates);
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        int64_t due_ms = supervisor_child_turn(&supervisor->child[i], now);
        if (due_ms < deadline)
            deadline = due_ms;
    }
    return deadline;
}

static void add_children(struct supervisor *supervisor, enum role role, unsigned count)
{
    for (unsigned i = 0; i < count && supervisor->child_count < ROLE_PROCESSES_MAX; i++) {
        struct supervisor_child *child = &supervisor->child[supervisor->child_count++];
        *child =
            (struct supervisor_child){ .supervisor = supervisor, .role = role, .index = i + 1 };
        child->leash.fd = -1;
    }
}

static void supervise(struct supervisor *supervisor)
{
    static const int stop[] = { SIGTERM, SIGINT };
    struct watch *signals[4];

    supervisor->loop = loop_new();
    signals[0] = watch_signal(supervisor->loop, SIGCHLD, supervisor_on_child_signal, supervisor);
    signals[1] = watch_signal(supervisor->loop, SIGHUP, supervisor_on_hangup, supervisor);
    for (int i = 0; i < 2; i++)
        signals[2 + i] =
            watch_signal(supervisor->loop, stop[i], supervisor_on_stop_signal, supervisor);
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
