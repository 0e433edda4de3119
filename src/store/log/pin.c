/* SPDX-License-Identifier: ISC */
/* pin.c: files that may be copied while the store goes on.
 *
 * The log only grows at its end. So the state of a moment is: of every segment in use the
 * bytes up to its end at that moment, and the files of the large bodies that are in the index then.
 * Nothing else is needed (log_private.h: the segments alone always suffice; one that is dead
 * already is not missed). Only two things
 * could spoil it: a dead segment that is used again, and a body that is removed because its message
 * was settled. Both wait until the pin ends.
 *
 * An end comes in any case: whoever pinned must say within the span that it is still
 * needed. A copier that has died costs some room on the disk until then.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "store/log/log_private.h"

static void name_segments(const struct log_store *store, const struct store_pin_host *host)
{
    char name[FILE_NAME_SIZE];

    for (uint32_t i = 0; i < store->segments.count; i++) {
        const struct segment *segment = store->segments.item[i];
        if (segment->end == SEGMENT_HEADER_SIZE || segment->state == SEGMENT_DEAD)
            continue;
        segment_file_name(name, segment->number, SEGMENT_FILE);
        host->file(host->context, name, segment->end);
    }
}

/* Of a file that grows no more; what is missing is found missing by who copies it. */
static uint64_t size_of_body(const struct log_store *store, const char *name)
{
    const struct disk_driver *driver = store->disk->driver;
    int handle = driver->open(store->disk, name, DISK_READ);
    int64_t size = handle >= 0 ? driver->size(store->disk, handle) : 0;

    if (handle >= 0)
        driver->close(store->disk, handle);
    return size > 0 ? (uint64_t)size : 0;
}

/* A message has one body, whatever the number of its entries. */
static void name_bodies(const struct log_store *store, const struct store_pin_host *host)
{
    const struct index *index = &store->index;
    char name[FILE_NAME_SIZE];

    for (uint32_t number = 0; (number = index_next(index, number)) != 0;) {
        const struct index_entry *entry = index_entry(index, number);
        if (entry->state == 0 || !(entry->flags & INDEX_BODY_FILE) ||
            index_find(index, entry->id, 0) != number)
            continue;
        body_file_name(name, entry->id);
        host->file(host->context, name, size_of_body(store, name));
    }
}

int pin_begin(struct store *base, int64_t span_ms, const struct store_pin_host *host)
{
    struct log_store *store = log_of(base);

    if (store->pin.until_ms != 0)
        return -EBUSY;
    store->pin.until_ms = store->now.mono_ms + span_ms;
    name_segments(store, host);
    name_bodies(store, host);
    return 0;
}

bool pin_go_on(struct store *base, int64_t span_ms)
{
    struct log_store *store = log_of(base);

    if (store->pin.until_ms == 0)
        return false;
    store->pin.until_ms = store->now.mono_ms + span_ms;
    return true;
}

void pin_end(struct store *base)
{
    struct log_store *store = log_of(base);

    if (store->pin.until_ms == 0)
        return;
    store->pin.until_ms = 0;
    store->sweep = true;
    for (size_t at = 0; at < store->pin.bodies.len;) {
        const char *name = store->pin.bodies.ptr + at;
        log_remove_file(store, name);
        at += strlen(name) + 1;
    }
    buf_fini(&store->pin.bodies);
}

void pin_turn(struct log_store *store)
{
    if (store->pin.until_ms == 0 || store->now.mono_ms < store->pin.until_ms)
        return;
    log_warn("pin_expired", LOG_TEXT("hint", "a backup did not end; its copy is of no use"));
    pin_end(&store->store);
}

void pin_remove_body(struct log_store *store, const char *name)
{
    if (store->pin.until_ms == 0)
        log_remove_file(store, name);
    else
        buf_add_bytes(&store->pin.bodies, name, strlen(name) + 1);
}
