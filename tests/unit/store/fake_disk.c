/* SPDX-License-Identifier: ISC */
/* fake_disk.c: see fake_disk.h. */
#include "store/fake_disk.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/list.h"
#include "base/map.h"
#include "base/memory.h"

enum { SECTOR = 512, HANDLES_MAX = 1024 };

struct unsynced { /* one write */
    struct unsynced *next;
    uint64_t offset;
    size_t size;
    char bytes[];
};

struct file {
    struct link link; /* of all files, named or not */
    struct buf cache;
    struct buf medium;
    struct unsynced *first;
    struct unsynced *last;
};

struct name_change { /* not yet durable: name -> file, or NULL for removed */
    struct name_change *next;
    struct name_change *with; /* of a rename: both or neither */
    bool is_first;
    char *name;
    struct file *file;
};

struct fake_disk {
    struct disk disk;
    struct random random;
    struct link files;
    struct map cache;  /* names */
    struct map medium; /* names */
    struct name_change *first;
    struct name_change *last;
    struct file *handle[HANDLES_MAX];
    uint64_t die_at; /* 0: not */
    bool dead;
    uint64_t fail_write;
    uint64_t fail_sync;
    int write_error;
    int sync_error;
    int always;
    const struct file *broken; /* reads of these bytes fail */
    uint64_t broken_from;
    uint64_t broken_to;
    uint64_t capacity;
    uint64_t written;
    unsigned forgotten;
    unsigned cold;
    bool lies;
};

static struct fake_disk *fake_of(struct disk *disk)
{
    return (struct fake_disk *)disk;
}

/* ---- bytes ---- */

static void put_bytes(struct buf *buf, uint64_t offset, const char *bytes, size_t size)
{
    if (buf->len < offset + size) {
        size_t more = (size_t)(offset + size) - buf->len;
        buf_reserve(buf, more);
        memset(buf->ptr + buf->len, 0, more);
        buf->len += more;
    }
    memcpy(buf->ptr + offset, bytes, size);
}

static void drop_unsynced(struct file *file)
{
    while (file->first != NULL) {
        struct unsynced *write = file->first;
        file->first = write->next;
        memory_free(write);
    }
    file->last = NULL;
}

/* Any subset of the sectors reaches the medium; the size grows as they do. */
static void tear(struct fake_disk *fake, struct file *file)
{
    unsigned chance = (unsigned)random_below(&fake->random, 101); /* 0: nothing, 100: all */

    for (struct unsynced *write = file->first; write != NULL; write = write->next) {
        for (size_t at = 0; at < write->size;) {
            size_t size = SECTOR - (size_t)((write->offset + at) % SECTOR);
            size = size < write->size - at ? size : write->size - at;
            if (random_below(&fake->random, 100) < chance)
                put_bytes(&file->medium, write->offset + at, write->bytes + at, size);
            at += size;
        }
    }
    drop_unsynced(file);
}

static void flush(struct file *file)
{
    for (struct unsynced *write = file->first; write != NULL; write = write->next)
        put_bytes(&file->medium, write->offset, write->bytes, write->size);
    drop_unsynced(file);
}

/* ---- names ---- */

static void set_name(struct map *names, const char *name, struct file *file)
{
    if (file != NULL)
        (void)map_put(names, str_from(name), file);
    else
        (void)map_remove(names, str_from(name));
}

static struct name_change *change_name(struct fake_disk *fake, const char *name, struct file *file)
{
    struct name_change *change = memory_new(sizeof *change);

    change->name = memory_copy(name, strlen(name) + 1);
    change->file = file;
    if (fake->last != NULL)
        fake->last->next = change;
    else
        fake->first = change;
    fake->last = change;
    set_name(&fake->cache, name, file);
    return change;
}

static void settle_names(struct fake_disk *fake, unsigned chance)
{
    while (fake->first != NULL) {
        struct name_change *change = fake->first;
        struct name_change *with = change->with;
        bool is_taken = random_below(&fake->random, 100) < chance;
        if (is_taken)
            set_name(&fake->medium, change->name, change->file);
        if (is_taken && with != NULL)
            set_name(&fake->medium, with->name, with->file);
        fake->first = with != NULL ? with->next : change->next;
        if (with != NULL)
            memory_free(with->name);
        memory_free(with);
        memory_free(change->name);
        memory_free(change);
    }
    fake->last = NULL;
}

/* ---- trouble ---- */

static bool dies(struct fake_disk *fake)
{
    if (!fake->dead && fake->die_at > 0 && --fake->die_at == 0)
        fake->dead = true;
    return fake->dead;
}

static uint64_t used(const struct fake_disk *fake)
{
    uint64_t bytes = 0;
    size_t cursor = 0;
    const struct file *file;

    while ((file = map_next(&fake->cache, &cursor, NULL)) != NULL)
        bytes += file->cache.len;
    return bytes;
}

/* ---- the driver ---- */

static int fake_open(struct disk *disk, const char *name, unsigned flags)
{
    struct fake_disk *fake = fake_of(disk);
    struct file *file = map_find(&fake->cache, str_from(name));
    int handle = 0;

    if (fake->dead)
        return -EIO;
    if (flags & DISK_CREATE) {
        if (dies(fake))
            return -EIO;
        if (file != NULL)
            return -EEXIST;
        file = memory_new(sizeof *file);
        list_append(&fake->files, &file->link);
        (void)change_name(fake, name, file);
    }
    if (file == NULL)
        return -ENOENT;
    while (handle < HANDLES_MAX && fake->handle[handle] != NULL)
        handle++;
    check(handle < HANDLES_MAX);
    fake->handle[handle] = file;
    return handle;
}

static struct file *file_of(struct fake_disk *fake, int handle)
{
    check(handle >= 0 && handle < HANDLES_MAX);
    return fake->handle[handle];
}

static void fake_close(struct disk *disk, int handle)
{
    struct fake_disk *fake = fake_of(disk);
    check(file_of(fake, handle) != NULL || fake->dead);
    fake->handle[handle] = NULL;
}

static ssize_t fake_read(struct disk *disk, int handle, void *to, size_t size, uint64_t offset)
{
    struct fake_disk *fake = fake_of(disk);
    const struct file *file = file_of(fake, handle);

    if (fake->dead)
        return -EIO;
    check(file != NULL);
    if (file == fake->broken && offset < fake->broken_to && offset + size > fake->broken_from)
        return -EIO;
    struct str bytes = str_first(str_skip(buf_str(&file->cache), (size_t)offset), size);
    if (bytes.len > 0)
        memcpy(to, bytes.ptr, bytes.len);
    return (ssize_t)bytes.len;
}

static ssize_t fake_read_cached(struct disk *disk, int handle, void *to, size_t size,
                                uint64_t offset)
{
    struct fake_disk *fake = fake_of(disk);
    if (random_below(&fake->random, 100) < fake->cold)
        return -EAGAIN;
    return fake_read(disk, handle, to, size, offset);
}

static void write_part(struct fake_disk *fake, struct file *file, const char *bytes, size_t size,
                       uint64_t offset)
{
    struct unsynced *write = memory_new(sizeof *write + size);

    write->offset = offset;
    write->size = size;
    memcpy(write->bytes, bytes, size);
    if (file->last != NULL)
        file->last->next = write;
    else
        file->first = write;
    file->last = write;
    put_bytes(&file->cache, offset, bytes, size);
    fake->written += size;
}

static int write_trouble(struct fake_disk *fake, bool *out_half)
{
    bool was_dead = fake->dead;

    *out_half = false;
    if (dies(fake)) {
        *out_half = !was_dead;
        return -EIO;
    }
    if (fake->fail_write > 0 && --fake->fail_write == 0) {
        *out_half = true;
        return fake->write_error;
    }
    return fake->always;
}

static int fake_write(struct disk *disk, int handle, const struct iovec *part, int count,
                      uint64_t offset)
{
    struct fake_disk *fake = fake_of(disk);
    struct file *file = file_of(fake, handle);
    bool half;
    int error = write_trouble(fake, &half);
    uint64_t size = 0;

    if (error < 0 && !half)
        return error;
    for (int i = 0; i < count; i++)
        size += part[i].iov_len;
    uint64_t more = offset + size > file->cache.len ? offset + size - file->cache.len : 0;
    if (fake->capacity > 0 && more > 0 && used(fake) + more > fake->capacity)
        return -ENOSPC;
    for (int i = 0; i < (half ? (count + 1) / 2 : count); i++) {
        if (part[i].iov_len > 0)
            write_part(fake, file, part[i].iov_base, part[i].iov_len, offset);
        offset += part[i].iov_len;
    }
    return error;
}

static int fake_sync(struct disk *disk, int handle)
{
    struct fake_disk *fake = fake_of(disk);
    struct file *file = file_of(fake, handle);

    if (dies(fake))
        return -EIO;
    if (fake->always < 0 || (fake->fail_sync > 0 && --fake->fail_sync == 0)) {
        tear(fake, file); /* the pages are clean now, on the medium or not */
        return fake->always < 0 ? fake->always : fake->sync_error;
    }
    if (!fake->lies)
        flush(file);
    return 0;
}

static void fake_forget(struct disk *disk, int handle)
{
    check(fake_of(disk)->dead || file_of(fake_of(disk), handle) != NULL);
    fake_of(disk)->forgotten++;
}

static int fake_sync_names(struct disk *disk)
{
    struct fake_disk *fake = fake_of(disk);

    if (dies(fake))
        return -EIO;
    if (!fake->lies)
        settle_names(fake, 100);
    return 0;
}

static int fake_rename(struct disk *disk, const char *from, const char *to)
{
    struct fake_disk *fake = fake_of(disk);
    struct file *file = map_find(&fake->cache, str_from(from));

    if (dies(fake))
        return -EIO;
    if (file == NULL)
        return -ENOENT;
    struct name_change *change = change_name(fake, from, NULL);
    change->with = change_name(fake, to, file);
    return 0;
}

static int fake_remove(struct disk *disk, const char *name)
{
    struct fake_disk *fake = fake_of(disk);

    if (dies(fake))
        return -EIO;
    if (map_find(&fake->cache, str_from(name)) == NULL)
        return -ENOENT;
    (void)change_name(fake, name, NULL);
    return 0;
}

static int64_t fake_size(struct disk *disk, int handle)
{
    return (int64_t)file_of(fake_of(disk), handle)->cache.len;
}

static int fake_list(struct disk *disk, void (*each)(void *context, const char *name),
                     void *context)
{
    struct fake_disk *fake = fake_of(disk);
    size_t cursor = 0;
    struct str name;

    if (fake->dead)
        return -EIO;
    while (map_next(&fake->cache, &cursor, &name) != NULL) {
        char text[64] = { 0 };
        check(name.len < sizeof text);
        memcpy(text, name.ptr, name.len);
        each(context, text);
    }
    return 0;
}

static uint64_t fake_free_bytes(struct disk *disk)
{
    const struct fake_disk *fake = fake_of(disk);
    uint64_t in_use = fake->capacity > 0 ? used(fake) : 0;
    if (fake->capacity == 0)
        return UINT64_C(1) << 40;
    return fake->capacity > in_use ? fake->capacity - in_use : 0;
}

static int fake_zero(struct disk *disk, int handle, uint64_t offset, uint64_t size)
{
    static const char zeros[65536];
    struct iovec part[16];
    int count = 0;

    check(size <= sizeof zeros * 16);
    for (uint64_t left = size; left > 0; left -= part[count++].iov_len)
        part[count] = (struct iovec){ (void *)(uintptr_t)zeros,
                                      left < sizeof zeros ? (size_t)left : sizeof zeros };
    return fake_write(disk, handle, part, count, offset);
}

static const struct disk_driver fake_driver = {

    .open = fake_open,
    .close = fake_close,
    .read = fake_read,
    .read_cached = fake_read_cached,
    .write = fake_write,
    .zero = fake_zero,
    .sync = fake_sync,
    .forget = fake_forget,
    .sync_names = fake_sync_names,
    .rename = fake_rename,
    .remove = fake_remove,
    .size = fake_size,
    .list = fake_list,
    .free_bytes = fake_free_bytes,
};

/* ---- */

struct fake_disk *fake_disk_new(uint64_t seed)
{
    struct fake_disk *fake = memory_new(sizeof *fake);

    fake->disk.driver = &fake_driver;
    random_from_seed(&fake->random, seed);
    list_init(&fake->files);
    map_init(&fake->cache);
    map_init(&fake->medium);
    return fake;
}

static void file_free(struct file *file)
{
    list_remove(&file->link);
    drop_unsynced(file);
    buf_fini(&file->cache);
    buf_fini(&file->medium);
    memory_free(file);
}

void fake_disk_free(struct fake_disk *fake)
{
    settle_names(fake, 0);
    list_each_safe (link, &fake->files)
        file_free(container_of(link, struct file, link));
    map_fini(&fake->cache);
    map_fini(&fake->medium);
    memory_free(fake);
}

struct disk *fake_disk_use(struct fake_disk *fake)
{
    return &fake->disk;
}

void fake_disk_die_at(struct fake_disk *fake, uint64_t n)
{
    fake->die_at = n;
}

bool fake_disk_is_dead(const struct fake_disk *fake)
{
    return fake->dead;
}

static bool is_named(const struct fake_disk *fake, const struct file *file)
{
    size_t cursor = 0;
    const struct file *named;
    while ((named = map_next(&fake->medium, &cursor, NULL)) != NULL)
        if (named == file)
            return true;
    return false;
}

void fake_disk_cut_power(struct fake_disk *fake)
{
    size_t cursor = 0;
    struct str name;
    struct file *file;

    settle_names(fake, (unsigned)random_below(&fake->random, 101));
    memset(fake->handle, 0, sizeof fake->handle);
    map_fini(&fake->cache);
    map_init(&fake->cache);
    while ((file = map_next(&fake->medium, &cursor, &name)) != NULL)
        (void)map_put(&fake->cache, name, file);
    list_each_safe (link, &fake->files) {
        file = container_of(link, struct file, link);
        tear(fake, file);
        buf_reset(&file->cache);
        buf_add(&file->cache, buf_str(&file->medium));
        if (!is_named(fake, file))
            file_free(file);
    }
    fake->dead = false;
    fake->die_at = 0;
    fake->fail_sync = fake->fail_write = 0;
    fake->always = 0;
}

void fake_disk_close_all(struct fake_disk *fake)
{
    memset(fake->handle, 0, sizeof fake->handle);
    fake->dead = false;
    fake->die_at = 0;
}

void fake_disk_fail_write(struct fake_disk *fake, uint64_t n, int error)
{
    fake->fail_write = n;
    fake->write_error = error;
}

void fake_disk_fail_sync(struct fake_disk *fake, uint64_t n, int error)
{
    fake->fail_sync = n;
    fake->sync_error = error;
}

void fake_disk_break(struct fake_disk *fake, const char *name, uint64_t offset, uint64_t size)
{
    fake->broken = name != NULL ? map_find(&fake->cache, str_from(name)) : NULL;
    fake->broken_from = offset;
    fake->broken_to = offset + size;
}

void fake_disk_fail_always(struct fake_disk *fake, int error)
{
    fake->always = error;
}

void fake_disk_set_capacity(struct fake_disk *fake, uint64_t bytes)
{
    fake->capacity = bytes;
}

void fake_disk_lie(struct fake_disk *fake, bool lies)
{
    fake->lies = lies;
}

void fake_disk_be_cold(struct fake_disk *fake, unsigned percent)
{
    fake->cold = percent;
}

struct buf *fake_disk_file(struct fake_disk *fake, const char *name)
{
    struct file *file = map_find(&fake->cache, str_from(name));
    return file != NULL ? &file->cache : NULL;
}

void fake_disk_put(struct fake_disk *fake, const char *name, struct str content)
{
    struct file *file = map_find(&fake->cache, str_from(name));
    struct str copy = str_of(memory_copy(content.ptr, content.len), content.len);

    if (file == NULL) {
        file = memory_new(sizeof *file);
        list_append(&fake->files, &file->link);
    }
    set_name(&fake->cache, name, file);
    set_name(&fake->medium, name, file);
    drop_unsynced(file);
    buf_reset(&file->cache);
    buf_reset(&file->medium);
    buf_add(&file->cache, copy);
    buf_add(&file->medium, copy);
    memory_free((char *)(uintptr_t)copy.ptr);
}

unsigned fake_disk_forgotten(const struct fake_disk *fake)
{
    return fake->forgotten;
}

uint64_t fake_disk_written(const struct fake_disk *fake)
{
    return fake->written;
}

unsigned fake_disk_count(struct fake_disk *fake, const char *ending)
{
    size_t cursor = 0;
    struct str name;
    unsigned count = 0;

    while (map_next(&fake->cache, &cursor, &name) != NULL)
        count += str_ends_nocase(name, str_from(ending)) ? 1 : 0;
    return count;
}
