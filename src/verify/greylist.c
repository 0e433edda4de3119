/* SPDX-License-Identifier: ISC */
/* greylist.c: see greylist.h.
 *
 * Two maps: the young one is looked into first and filled; when it is full, the old one is dropped
 * and the young one becomes old. What is used moves to the young one, so that it lives on.
 */
#include "verify/greylist.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/memory.h"

struct path {
    int64_t first_ms;
    int64_t passed_ms; /* let in last; 0: never */
    unsigned times;    /* it has come */
};

struct greylist {
    struct map young, old;
};

struct greylist *greylist_new(void)
{
    struct greylist *greylist = memory_new(sizeof *greylist);
    map_init(&greylist->young);
    map_init(&greylist->old);
    return greylist;
}

static void forget(struct map *map)
{
    size_t cursor = 0;
    void *path;

    while ((path = map_next(map, &cursor, NULL)) != NULL)
        memory_free(path);
    map_fini(map);
    map_init(map);
}

void greylist_free(struct greylist *greylist)
{
    if (greylist == NULL)
        return;
    forget(&greylist->young);
    forget(&greylist->old);
    map_fini(&greylist->young);
    map_fini(&greylist->old);
    memory_free(greylist);
}

/* Texts end with a zero, which none of them holds. */
static void make_key(struct buf *key, struct endpoint client, struct str sender,
                     struct str recipient)
{
    endpoint_encode(key, endpoint_network(client));
    buf_add(key, sender);
    buf_add_byte(key, '\0');
    buf_add(key, recipient);
}

static bool is_outdated(const struct path *path, int64_t now_ms)
{
    if (path->passed_ms != 0)
        return now_ms - path->passed_ms > GREYLIST_KNOWN_MS;
    return now_ms - path->first_ms > GREYLIST_WINDOW_MS;
}

static struct path *find(struct greylist *greylist, struct str key, int64_t now_ms)
{
    struct path *path = map_find(&greylist->young, key);

    if (path == NULL) {
        path = map_remove(&greylist->old, key);
        if (path == NULL) {
            path = memory_new(sizeof *path);
            path->first_ms = now_ms;
        }
        if (greylist->young.count >= GREYLIST_PATHS_MAX / 2) {
            forget(&greylist->old);
            map_fini(&greylist->old);
            greylist->old = greylist->young;
            map_init(&greylist->young);
        }
        (void)map_put(&greylist->young, key, path);
    }
    if (is_outdated(path, now_ms))
        *path = (struct path){ .first_ms = now_ms };
    return path;
}

bool greylist_lets_in(struct greylist *greylist, struct endpoint client, struct str sender,
                      struct str recipient, int64_t pause_ms, int64_t now_ms, int64_t *out_wait_ms)
{
    struct buf key = { 0 };

    make_key(&key, client, sender, recipient);
    struct path *path = find(greylist, buf_str(&key), now_ms);
    buf_fini(&key);
    int64_t waited_ms = now_ms - path->first_ms;
    if (path->passed_ms == 0 && waited_ms < pause_ms) {
        *out_wait_ms = pause_ms - waited_ms;
        return false;
    }
    path->passed_ms = now_ms > 0 ? now_ms : 1;
    return true;
}

bool greylist_insists(struct greylist *greylist, struct endpoint client, struct str sender,
                      struct str recipient, int64_t now_ms)
{
    struct buf key = { 0 };

    make_key(&key, client, sender, recipient);
    struct path *path = find(greylist, buf_str(&key), now_ms);
    buf_fini(&key);
    if (path->passed_ms != 0 && now_ms - path->passed_ms >= GREYLIST_WINDOW_MS)
        *path = (struct path){ .first_ms = now_ms };
    if (path->times < INSISTS_TIMES)
        path->times++;
    if (path->times < INSISTS_TIMES || now_ms - path->first_ms < INSISTS_SPAN_MS)
        return false;
    if (path->passed_ms == 0)
        path->passed_ms = now_ms > 0 ? now_ms : 1;
    return true;
}
