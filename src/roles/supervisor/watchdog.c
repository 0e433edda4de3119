/* SPDX-License-Identifier: ISC */
/* watchdog.c: who stands still is started again.
 *
 * A role is asked over its leash whether it is alive, and its loop answers between two turns; one
 * that starts answers by being ready. Dead roles are buried by themselves (child.c); this finds
 * those that live and do nothing: caught in a loop, waiting for each other, or stopped. What they
 * held is taken up as after any other death.
 *
 * Judged by the kernel's clock, for a process is as quick as it is, whatever the time of a test;
 * and not before it was asked a few times, for the supervisor may have stood still itself. Somebody
 * who looks at a role with a debugger may take his time.
 */
#include <stdio.h>

#include "base/log.h"
#include "roles/supervisor/private.h"

enum { ASKS = 6, ASKS_MIN = 3 }; /* within the time that it may be silent */

static bool is_traced(pid_t pid)
{
    static const char head[] = "TracerPid:\t";
    char path[64];
    char line[128];
    bool is_traced = false;

    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    while (fgets(line, sizeof line, file) != NULL)
        if (str_starts(str_from(line), str_from(head)))
            is_traced = line[sizeof head - 1] != '0';
    (void)fclose(file);
    return is_traced;
}

static void end(struct supervisor_child *child)
{
    supervisor_log_child(LOG_ERROR, "role_stuck", child);
    supervisor_kill(child);
}

/* A leash that is full is not drained, and that is an answer, too. */
static void ask(struct supervisor_child *child)
{
    if (child->asked++ == 0)
        child->silent_since_ms = clock_kernel_ms();
    if (child->state == CHILD_RUNNING)
        (void)leash_send(&child->leash, -1, alive_ask, .count = child->asked);
}

/* A keeper that starts may have much to read. */
static bool is_watched(const struct supervisor_child *child)
{
    const struct supervisor *supervisor = child->supervisor;

    return supervisor->config->watchdog > 0 && supervisor->stop_stage == 0 &&
           (child->state == CHILD_RUNNING ||
            (child->state == CHILD_STARTING && child->role != ROLE_KEEPER));
}

void supervisor_hear_alive(struct supervisor_child *child)
{
    child->asked = 0;
}

int64_t supervisor_watch_over(struct supervisor_child *child, struct now now)
{
    int64_t patience_ms = child->supervisor->config->watchdog;

    if (!is_watched(child))
        return NEVER_MS;
    if (now.mono_ms < child->ask_at_ms)
        return child->ask_at_ms;
    bool is_silent =
        child->asked >= ASKS_MIN && clock_kernel_ms() - child->silent_since_ms >= patience_ms;
    if (is_silent && !is_traced(child->pid)) {
        end(child);
        return NEVER_MS;
    }
    ask(child);
    child->ask_at_ms = now.mono_ms + patience_ms / ASKS;
    return child->ask_at_ms;
}
