/* SPDX-License-Identifier: ISC */
/* keys.c: see keys.h. */
#include "sim/keys.h"

#include "base/buf.h"
#include "base/check.h"
#include "roles/role.h"
#include "sim/machine.h"
#include "sim/world.h"
#include "store/sealed/seal.h"

enum away { AWAY_NOT, AWAY_UNREADABLE, AWAY_REPLACED, AWAY_OFF, AWAY_COUNT };

static struct {
    bool are_wanted;
    struct buf file; /* all that ever sealed, the newest first */
    unsigned count;
    enum away away;
    struct buf other; /* the file while they are replaced */
} keys;

static void add_key(struct buf *file)
{
    struct buf more = { 0 };

    seal_key_make(&more);
    buf_add(&more, buf_str(file));
    buf_fini(file);
    *file = more;
}

void keys_init(bool are_wanted)
{
    keys.are_wanted = are_wanted;
    keys.count = 1;
    if (are_wanted)
        add_key(&keys.file);
}

bool keys_are_wanted(void)
{
    return keys.are_wanted;
}

void keys_hand_over(const struct role_hooks *hooks, void *state)
{
    struct message_spool_keys message = { .is_wanted = keys.are_wanted && keys.away != AWAY_OFF };
    struct buf packet = { 0 };

    if (keys.away == AWAY_NOT)
        message.file = buf_str(&keys.file);
    else if (keys.away == AWAY_REPLACED)
        message.file = buf_str(&keys.other);
    message_put_spool_keys(&packet, &message);
    check(hooks->spool_keys(state, cursor_over(buf_str(&packet))));
    buf_fini(&packet);
}

void keys_change(void)
{
    if (!keys.are_wanted || keys.count == SEAL_KEYS_MAX)
        return;
    world_trace("-- another key seals");
    add_key(&keys.file);
    keys.count++;
    if (keys.away == AWAY_NOT)
        machine_reload_keys();
}

/* What comes under the other keys is in the file, too, once it is back. */
void keys_go(void)
{
    if (!keys.are_wanted || keys.away != AWAY_NOT || keys.count == SEAL_KEYS_MAX)
        return;
    keys.away = (enum away)chance_between(AWAY_NOT + 1, AWAY_COUNT - 1);
    world_trace("-- the keys are away (%d)", (int)keys.away);
    if (keys.away == AWAY_REPLACED) {
        buf_reset(&keys.other);
        add_key(&keys.other);
        keys.count++;
    }
    machine_reload_keys();
}

void keys_come_back(void)
{
    if (keys.away == AWAY_NOT)
        return;
    world_trace("-- the keys are back");
    if (keys.away == AWAY_REPLACED)
        buf_add(&keys.file, buf_str(&keys.other));
    keys.away = AWAY_NOT;
    machine_reload_keys();
}
