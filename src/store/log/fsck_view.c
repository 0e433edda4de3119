/* SPDX-License-Identifier: ISC */
/* fsck_view.c: a disk as it is, which nobody can change.
 *
 * Every change is refused with -EROFS; a sync has nothing to do. The store lives with that: what it
 * wants at a start beside reading (to erase a torn tail, to remove what a crash left) is not needed
 * to see what is there. What it wanted to remove is remembered.
 *
 * A file seems to end at size_max, so that one of a wrong size costs no memory.
 */
#include <errno.h>
#include <string.h>

#include "store/log/fsck_private.h"

static struct fsck_view *view_of(struct disk *disk)
{
    return container_of(disk, struct fsck_view, disk);
}

static struct disk *below(struct disk *disk)
{
    return view_of(disk)->below;
}

static int view_open(struct disk *disk, const char *name, unsigned flags)
{
    if (flags & DISK_CREATE)
        return -EROFS;
    if (view_of(disk)->hides_checkpoint && strcmp(name, "checkpoint") == 0)
        return -ENOENT;
    return below(disk)->driver->open(below(disk), name, DISK_READ);
}

static void view_close(struct disk *disk, int handle)
{
    below(disk)->driver->close(below(disk), handle);
}

static ssize_t view_read(struct disk *disk, int handle, void *to, size_t size, uint64_t offset)
{
    uint64_t size_max = view_of(disk)->size_max;

    if (offset >= size_max)
        return 0;
    if (size > size_max - offset)
        size = (size_t)(size_max - offset);
    return below(disk)->driver->read(below(disk), handle, to, size, offset);
}

static int view_write(struct disk *disk, int handle, const struct iovec *part, int count,
                      uint64_t offset)
{
    (void)disk;
    (void)handle;
    (void)part;
    (void)count;
    (void)offset;
    return -EROFS;
}

static int view_zero(struct disk *disk, int handle, uint64_t offset, uint64_t size)
{
    (void)disk;
    (void)handle;
    (void)offset;
    (void)size;
    return -EROFS;
}

static void view_forget(struct disk *disk, int handle)
{
    (void)disk;
    (void)handle;
}

static int view_sync(struct disk *disk, int handle)
{
    (void)disk;
    (void)handle;
    return 0;
}

static int view_sync_names(struct disk *disk)
{
    (void)disk;
    return 0;
}

static void note_removed(struct disk *disk, const char *name)
{
    struct fsck_view *view = view_of(disk);
    int handle = view->removed == NULL ? -1 : view_open(disk, name, DISK_READ);

    if (handle < 0)
        return;
    view_close(disk, handle);
    (void)map_put(view->removed, str_from(name), view);
}

static int view_remove(struct disk *disk, const char *name)
{
    note_removed(disk, name);
    return -EROFS;
}

/* A start renames what it does not need, and segments without a header, which are told of by
 * others. */
static int view_rename(struct disk *disk, const char *from, const char *to)
{
    if (str_ends_nocase(str_from(to), STR(".lost")))
        note_removed(disk, from);
    return -EROFS;
}

static int64_t view_size(struct disk *disk, int handle)
{
    int64_t size = below(disk)->driver->size(below(disk), handle);
    int64_t size_max = (int64_t)view_of(disk)->size_max;
    return size > size_max ? size_max : size;
}

static int view_list(struct disk *disk, void (*each)(void *context, const char *name),
                     void *context)
{
    return below(disk)->driver->list(below(disk), each, context);
}

/* The store shall not want to grow. */
static uint64_t view_free_bytes(struct disk *disk)
{
    (void)disk;
    return 0;
}

static const struct disk_driver view_driver = {
    .open = view_open,
    .close = view_close,
    .read = view_read,
    .read_cached = view_read,
    .write = view_write,
    .zero = view_zero,
    .sync = view_sync,
    .forget = view_forget,
    .sync_names = view_sync_names,
    .rename = view_rename,
    .remove = view_remove,
    .size = view_size,
    .list = view_list,
    .free_bytes = view_free_bytes,
};

void fsck_view_init(struct fsck_view *view, struct disk *below_it, uint64_t size_max)
{
    *view = (struct fsck_view){ .below = below_it, .size_max = size_max };
    view->disk.driver = &view_driver;
}
