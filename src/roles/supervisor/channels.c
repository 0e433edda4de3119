/* SPDX-License-Identifier: ISC */
/* channels.c: who speaks with whom.
 *
 * When a role starts, it gets a channel to each role that it speaks with and that is alive, and
 * these get the other end. A channel is a pair of sockets of which nothing stays here: when one of
 * the two dies, the other sees its end, and gets another one with the next life.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "net/socket.h"
#include "roles/supervisor/private.h"

static bool are_peers(enum role a, enum role b)
{
    unsigned pair = 1u << a | 1u << b;
    return pair == (1u << ROLE_KEEPER | 1u << ROLE_RECEIVER) ||
           pair == (1u << ROLE_KEEPER | 1u << ROLE_DELIVERER) ||
           pair == (1u << ROLE_KEEPER | 1u << ROLE_PORTAL) ||
           pair == (1u << ROLE_RESOLVER | 1u << ROLE_KEEPER) ||
           pair == (1u << ROLE_RESOLVER | 1u << ROLE_RECEIVER);
}

static void join(struct supervisor_child *a, struct supervisor_child *b)
{
    int pair[2];

    if (socket_pair(SOCK_STREAM, pair) != 0) {
        supervisor_log_child(LOG_ERROR, "channel_failed", a);
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
        supervisor_log_child(LOG_ERROR, "channel_failed", a);
    (void)close(pair[0]);
    (void)close(pair[1]);
}

void supervisor_join_peers(struct supervisor_child *child)
{
    struct supervisor *supervisor = child->supervisor;

    for (unsigned i = 0; i < supervisor->child_count; i++) {
        struct supervisor_child *other = &supervisor->child[i];
        if (other != child && supervisor_is_alive(other) && are_peers(child->role, other->role))
            join(child, other);
    }
}
