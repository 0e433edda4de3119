/* SPDX-License-Identifier: ISC */
/* stopping.c: the end goes by stages: those who take mail in, those who hand it over, the rest.
 *
 * A role is told to end in its stage; until then it is started again if it dies: those who end
 * before it have something to tell it. A stage is over when all of it are gone. Whoever takes
 * longer than his grace is killed.
 */
#include <string.h>

#include "base/log.h"
#include "roles/place.h"
#include "roles/supervisor/private.h"

enum { GRACE_MS = 20 * SECOND_MS }; /* for each stage */

static unsigned stage_of(enum role role)
{
    static const unsigned stage[ROLE_COUNT] = {
        [ROLE_RECEIVER] = 1, [ROLE_PORTAL] = 1,   [ROLE_DELIVERER] = 2,
        [ROLE_KEEPER] = 3,   [ROLE_RESOLVER] = 3,
    };
    return stage[role];
}

bool supervisor_was_told_to_end(const struct supervisor_child *child)
{
    return child->supervisor->stop_stage >= stage_of(child->role);
}

static void enter_stage(struct supervisor *supervisor, unsigned stage, struct now now)
{
    supervisor->stop_stage = stage;
    supervisor->stop_deadline_ms = now.mono_ms + GRACE_MS + SECOND_MS;
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (stage_of(child->role) != stage)
            continue;
        if (child->pid == 0)
            child->state = CHILD_GONE;
        else
            (void)leash_send(&child->leash, -1, stop, .grace_ms = GRACE_MS);
    }
}

void supervisor_on_stop_signal(void *context, int number)
{
    struct supervisor *supervisor = context;

    if (supervisor->stop_stage > 0)
        return;
    log_info("stopping", LOG_TEXT("signal", strsignal(number)));
    place_notify("STOPPING=1");
    enter_stage(supervisor, 1, loop_now(supervisor->loop));
}

void supervisor_go_on_stopping(struct supervisor *supervisor, struct now now)
{
    bool stage_done = true;
    bool all_gone = true;

    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *child = &supervisor->child[i];
        if (child->pid == 0)
            continue;
        all_gone = false;
        stage_done = stage_done && stage_of(child->role) > supervisor->stop_stage;
        if (stage_of(child->role) <= supervisor->stop_stage &&
            now.mono_ms >= supervisor->stop_deadline_ms)
            supervisor_kill(child);
    }
    if (all_gone)
        loop_stop(supervisor->loop);
    else if (stage_done)
        enter_stage(supervisor, supervisor->stop_stage + 1, now);
}
