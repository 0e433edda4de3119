/* SPDX-License-Identifier: ISC */
/* roster.c: what `status` shows of the roles. The keeper is asked, so the keeper is told. */
#include "roles/supervisor/private.h"

void supervisor_send_roster(struct supervisor *supervisor)
{
    struct supervisor_child *keeper = NULL;
    struct buf json = { 0 };

    buf_add(&json, STR("["));
    for (unsigned i = 0; i < supervisor->child_count; i++) {
        const struct supervisor_child *child = &supervisor->child[i];
        if (child->role == ROLE_KEEPER)
            keeper = &supervisor->child[i];
        buf_add_format(&json,
                       "%s{\"role\":\"%s\",\"name\":\"%s-%u\",\"index\":%u,\"pid\":%d,"
                       "\"running\":%s,\"started_ms\":%lld,\"restarts\":%u}",
                       i > 0 ? "," : "", role_name(child->role), role_name(child->role),
                       child->index, child->index, (int)child->pid,
                       supervisor_is_alive(child) ? "true" : "false",
                       (long long)child->started_wall_ms, child->restarts);
    }
    buf_add(&json, STR("]"));
    if (keeper != NULL && supervisor_is_alive(keeper))
        (void)leash_send(&keeper->leash, -1, roster, .roles = buf_str(&json));
    buf_fini(&json);
}
