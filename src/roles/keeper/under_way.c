/* SPDX-License-Identifier: ISC */
/* under_way.c: see under_way.h. */
#include "roles/keeper/under_way.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/map.h"
#include "base/memory.h"

enum { HEAD_SIZE = 16, VERSION = 1, RUNNING = 1, ENDED = 2 };

static const char magic[8] = "HFUNDRWY";

struct mark {         /* a message that is under way */
    struct buf slots; /* uint32_t; one for each time that it was said */
};

struct under_way {
    int fd; /* -1: the file cannot be written */
    bool was_cut_off;
    struct buf left; /* ids */
    size_t left_at;
    struct map marks; /* by id: struct mark */
    struct message_id slot[UNDER_WAY_SLOTS];
    uint32_t free_slot[UNDER_WAY_SLOTS]; /* a stack, the lowest on top at first */
    uint32_t free_count;
    uint32_t changed_from; /* slots that are not in the file yet */
    uint32_t changed_to;
};

static struct str key_of(const struct message_id *id)
{
    return str_of(id->bytes, sizeof id->bytes);
}

static void mark_free(struct mark *mark)
{
    buf_fini(&mark->slots);
    memory_free(mark);
}

static void give_up(struct under_way *list, int error)
{
    log_warn("under_way_unwritten", LOG_TEXT("error", strerror(error)));
    if (list->fd >= 0)
        (void)close(list->fd);
    list->fd = -1;
}

static void write_at(struct under_way *list, const void *bytes, size_t size, off_t offset)
{
    ssize_t done = list->fd >= 0 ? pwrite(list->fd, bytes, size, offset) : (ssize_t)size;
    if (done != (ssize_t)size)
        give_up(list, done < 0 ? errno : ENOSPC);
}

static void write_head(struct under_way *list, uint32_t state)
{
    struct buf head = { 0 };

    buf_add_bytes(&head, magic, sizeof magic);
    buf_add_u32(&head, VERSION);
    buf_add_u32(&head, state);
    write_at(list, head.ptr, head.len, 0);
    buf_fini(&head);
}

/* ---- the earlier keeper's ---- */

/* What the last keeper said of its own end; 0: the file is not ours. */
static uint32_t read_head(const struct under_way *list)
{
    char head[HEAD_SIZE];

    if (pread(list->fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return 0;
    struct cursor cursor = cursor_over(str_of(head, sizeof head));
    struct str found = cursor_bytes(&cursor, sizeof magic);
    if (!str_equals(found, str_of(magic, sizeof magic)) || cursor_u32(&cursor) != VERSION)
        return 0;
    return cursor_u32(&cursor);
}

static void read_left(struct under_way *list)
{
    static const struct message_id none;
    uint32_t state = read_head(list);

    if (state == 0) {
        if (ftruncate(list->fd, 0) < 0)
            give_up(list, errno);
        return;
    }
    list->was_cut_off = state == RUNNING;
    ssize_t got = pread(list->fd, list->slot, sizeof list->slot, HEAD_SIZE);
    for (size_t i = 0; got > 0 && i < (size_t)got / sizeof list->slot[0]; i++)
        if (!message_id_equals(list->slot[i], none))
            buf_add_bytes(&list->left, list->slot[i].bytes, sizeof list->slot[i].bytes);
    memset(list->slot, 0, sizeof list->slot);
}

/* ---- ours ---- */

static void set_slot(struct under_way *list, uint32_t slot, struct message_id id)
{
    bool is_first = list->changed_to == list->changed_from;

    list->slot[slot] = id;
    if (is_first || slot < list->changed_from)
        list->changed_from = slot;
    if (is_first || slot >= list->changed_to)
        list->changed_to = slot + 1;
}

void under_way_add(struct under_way *list, struct message_id id)
{
    struct mark *mark = map_find(&list->marks, key_of(&id));

    if (list->free_count == 0)
        return;
    if (mark == NULL) {
        mark = memory_new(sizeof *mark);
        (void)map_put(&list->marks, key_of(&id), mark);
    }
    uint32_t slot = list->free_slot[--list->free_count];
    set_slot(list, slot, id);
    buf_add_bytes(&mark->slots, &slot, sizeof slot);
}

void under_way_remove(struct under_way *list, struct message_id id)
{
    static const struct message_id none;
    struct mark *mark = map_find(&list->marks, key_of(&id));
    uint32_t slot;

    if (mark == NULL)
        return;
    mark->slots.len -= sizeof slot;
    memcpy(&slot, mark->slots.ptr + mark->slots.len, sizeof slot);
    set_slot(list, slot, none);
    list->free_slot[list->free_count++] = slot;
    if (mark->slots.len == 0)
        mark_free(map_remove(&list->marks, key_of(&id)));
}

void under_way_write(struct under_way *list)
{
    uint32_t count = list->changed_to - list->changed_from;

    if (count > 0)
        write_at(list, list->slot + list->changed_from, count * sizeof list->slot[0],
                 HEAD_SIZE + (off_t)(list->changed_from * sizeof list->slot[0]));
    list->changed_from = list->changed_to = 0;
}

/* ---- beginning and end ---- */

/* Until somebody has asked for them they stay in the file. */
static void keep_left(struct under_way *list)
{
    struct message_id id;

    for (size_t at = 0; at < list->left.len; at += sizeof id.bytes) {
        memcpy(id.bytes, list->left.ptr + at, sizeof id.bytes);
        under_way_add(list, id);
    }
    list->changed_from = 0;
    list->changed_to = list->left.len > 0 ? UNDER_WAY_SLOTS : 0;
}

struct under_way *under_way_open(const char *path)
{
    struct under_way *list = memory_new(sizeof *list);

    map_init(&list->marks);
    while (list->free_count < UNDER_WAY_SLOTS) {
        list->free_slot[list->free_count] = UNDER_WAY_SLOTS - 1 - list->free_count;
        list->free_count++;
    }
    list->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (list->fd < 0) {
        give_up(list, errno);
        return list;
    }
    read_left(list);
    write_head(list, RUNNING);
    keep_left(list);
    return list;
}

void under_way_close(struct under_way *list)
{
    size_t cursor = 0;
    struct mark *mark;

    if (list == NULL)
        return;
    under_way_write(list);
    write_head(list, ENDED);
    while ((mark = map_next(&list->marks, &cursor, NULL)) != NULL)
        mark_free(mark);
    map_fini(&list->marks);
    buf_fini(&list->left);
    if (list->fd >= 0)
        (void)close(list->fd);
    memory_free(list);
}

bool under_way_was_cut_off(const struct under_way *list)
{
    return list->was_cut_off;
}

bool under_way_left(struct under_way *list, struct message_id *out_id)
{
    if (list->left_at == list->left.len)
        return false;
    memcpy(out_id->bytes, list->left.ptr + list->left_at, sizeof out_id->bytes);
    list->left_at += sizeof out_id->bytes;
    under_way_remove(list, *out_id);
    return true;
}
