/* SPDX-License-Identifier: ISC */
/* segment.c: the table of segments, sorted by number. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/log_private.h"

void segment_file_name(char name[FILE_NAME_SIZE], uint32_t number, enum segment_name kind)
{
    static const char *const ending[] = {
        [SEGMENT_FILE] = "seg",          [SEGMENT_NEW] = "new", [SEGMENT_INDEX] = "idx",
        [SEGMENT_INDEX_NEW] = "idx.tmp", [SEGMENT_BAD] = "bad",
    };
    (void)snprintf(name, FILE_NAME_SIZE, "%08u.%s", number, ending[kind]);
}

void body_file_name(char name[FILE_NAME_SIZE], struct message_id id)
{
    (void)snprintf(name, FILE_NAME_SIZE, "%s.body", message_id_to_text(id).text);
}

uint32_t segment_number_from(struct str name, struct str ending)
{
    uint64_t number;
    struct str digits;

    if (!str_cut(&name, '.', &digits) || !str_equals(name, ending) || digits.len < 8 ||
        !str_to_u64(digits, UINT32_MAX - 1, &number))
        return 0;
    return (uint32_t)number;
}

/* Index of the first segment whose number is not below. */
static uint32_t seek(const struct segments *segments, uint32_t number)
{
    uint32_t low = 0;
    uint32_t high = segments->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (segments->item[middle]->number < number)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct segment *segment_find(const struct segments *segments, uint32_t number)
{
    uint32_t at = seek(segments, number);
    if (at == segments->count || segments->item[at]->number != number)
        return NULL;
    return segments->item[at];
}

struct segment *segment_add(struct segments *segments, uint32_t number, uint64_t generation)
{
    uint32_t at = seek(segments, number);
    struct segment *segment = memory_new(sizeof *segment);

    check(number > 0 && (at == segments->count || segments->item[at]->number != number));
    *segment = (struct segment){ .number = number,
                                 .generation = generation,
                                 .state = SEGMENT_SPARE,
                                 .end = SEGMENT_HEADER_SIZE,
                                 .handle = -1,
                                 .dirty = true };
    segments->item =
        memory_resize(segments->item, (segments->count + 1) * sizeof(struct segment *));
    memmove(segments->item + at + 1, segments->item + at,
            (segments->count - at) * sizeof(struct segment *));
    segments->item[at] = segment;
    segments->count++;
    if (number >= segments->number_next)
        segments->number_next = number + 1;
    return segment;
}

static void close_handle(struct log_store *store, struct segment *segment)
{
    if (segment->handle < 0)
        return;
    store->disk->driver->close(store->disk, segment->handle);
    segment->handle = -1;
    store->segments.open_handles--;
}

void segment_drop(struct log_store *store, struct segment *segment)
{
    struct segments *segments = &store->segments;
    uint32_t at = seek(segments, segment->number);

    check(segments->item[at] == segment && segment != segments->current);
    close_handle(store, segment);
    segments->count--;
    memmove(segments->item + at, segments->item + at + 1,
            (segments->count - at) * sizeof(struct segment *));
    memory_free(segment->spoken);
    memory_free(segment);
}

struct segment *segment_first_spare(const struct segments *segments)
{
    for (uint32_t i = 0; i < segments->count; i++)
        if (segments->item[i]->state == SEGMENT_SPARE)
            return segments->item[i];
    return NULL;
}

uint32_t segment_spares(const struct segments *segments)
{
    uint32_t spares = 0; /* they are the last ones */
    while (spares < segments->count &&
           segments->item[segments->count - 1 - spares]->state == SEGMENT_SPARE)
        spares++;
    return spares;
}

void segment_speaks_of(struct segment *segment, uint32_t number)
{
    uint32_t at = segment->spoken_count;

    if (number >= segment->number || number == 0)
        return;
    while (at > 0 && segment->spoken[at - 1] > number)
        at--;
    if (at > 0 && segment->spoken[at - 1] == number)
        return;
    segment->spoken =
        memory_resize(segment->spoken, (segment->spoken_count + 1) * sizeof(uint32_t));
    memmove(segment->spoken + at + 1, segment->spoken + at,
            (segment->spoken_count - at) * sizeof(uint32_t));
    segment->spoken[at] = number;
    segment->spoken_count++;
}

bool segment_speaks(const struct segments *segments, const struct segment *segment)
{
    for (uint32_t i = 0; i < segment->spoken_count; i++)
        if (segment_find(segments, segment->spoken[i]) != NULL)
            return true;
    return false;
}

bool segment_is_forgettable(const struct segments *segments, const struct segment *segment)
{
    return segment->state == SEGMENT_SEALED && segment->live == 0 && segment->readers == 0 &&
           !segment_speaks(segments, segment);
}

/* Many open segments: closes one that nobody uses. */
static void limit_handles(struct log_store *store)
{
    struct segments *segments = &store->segments;

    for (uint32_t tries = segments->count; tries > 0; tries--) {
        if (segments->open_handles < SEGMENT_HANDLES_MAX)
            return;
        struct segment *segment = segments->item[segments->close_hint++ % segments->count];
        if (segment->state == SEGMENT_SEALED && segment->readers == 0)
            close_handle(store, segment);
    }
}

int segment_open(struct log_store *store, struct segment *segment)
{
    char name[FILE_NAME_SIZE];

    if (segment->handle >= 0)
        return 0;
    limit_handles(store);
    segment_file_name(name, segment->number, SEGMENT_FILE);
    int handle = store->disk->driver->open(store->disk, name, DISK_WRITE);
    if (handle < 0)
        return handle;
    segment->handle = handle;
    store->segments.open_handles++;
    return 0;
}

void segments_fini(struct log_store *store)
{
    struct segments *segments = &store->segments;

    segments->current = NULL;
    while (segments->count > 0)
        segment_drop(store, segments->item[segments->count - 1]);
    memory_free(segments->item);
}
