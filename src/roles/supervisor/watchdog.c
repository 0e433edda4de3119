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

enum {
    ASKS = 6, /* within the time that it may be silent */
    ASKS_MIN = 3,
    PATIENCE_MIN_MS = 3 * SECOND_MS,
    LAST_CALL_MS = SECOND_MS,
};

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

/* Once more is listened: all of us may have waited for somebody who reads the log. */
static int64_t accuse(struct supervisor_child *child, struct now now)
{
    if (child->is_accused) {
        supervisor_kill(child);
        return NEVER_MS;
    }
    child->is_accused = true;
    supervisor_log_child(LOG_ERROR, "role_stuck", child);
    child->ask_at_ms = now.mono_ms + LAST_CALL_MS;
    return child->ask_at_ms;
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
    child->is_accused = false;
}

static bool is_silent(const struct supervisor_child *child, int64_t patience_ms)
{
    return child->asked >= ASKS_MIN && clock_kernel_ms() - child->silent_since_ms >= patience_ms &&
           !is_traced(child->pid);
}

int64_t supervisor_watch_over(struct supervisor_child *child, struct now now)
{
    int64_t patience_ms = child->supervisor->config->watchdog;

    if (!is_watched(child))
        return NEVER_MS;
    if (patience_ms < PATIENCE_MIN_MS)
        patience_ms = PATIENCE_MIN_MS;
    int64_t next_ms = now.mono_ms + patience_ms / ASKS;
    if (child->ask_at_ms > next_ms) /* it was longer, before a reload */
        child->ask_at_ms = next_ms;
    if (now.mono_ms < child->ask_at_ms)
        return child->ask_at_ms;
    if (is_silent(child, patience_ms))
        return accuse(child, now);
    ask(child);
    child->ask_at_ms = next_ms;
    return next_ms;
}
