/* SPDX-License-Identifier: ISC */
/* fsck.c: the order of an examination; see fsck.h.
 *
 *     1  headers, and what can be done about them: all else depends on them
 *     2  two starts over a disk that cannot be written: from the segments, from the shortcuts
 *     3  what the first one heard: gaps are filled
 *     4  the two compared
 *     5  content: damaged in a record, or in a file of its own
 *     6  files that nobody needs
 *     7  entries that may go are discarded, by a real start of the store, which does it as for
 *        an operator
 *
 * Both starts are done before the disk is changed, so that they speak of the same spool.
 */
#include "store/log/fsck.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/fsck_private.h"

enum { SIZE_FACTOR = 4, PIECE = 256 << 10, TURNS_MAX = 100000 };

bool fsck_is_damage(enum fsck_kind kind)
{
    return kind != FSCK_SETTLEMENT && kind != FSCK_TORN && kind != FSCK_SETTLED &&
           kind != FSCK_LEFTOVER;
}

void fsck_tell(struct fsck *fsck, const struct fsck_finding *finding)
{
    bool is_damage = fsck_is_damage(finding->kind);

    fsck->result.damages += is_damage ? 1 : 0;
    fsck->result.open += is_damage && !finding->is_repaired ? 1 : 0;
    fsck->result.notes += is_damage ? 0 : 1;
    fsck->host->finding(fsck->context, finding);
}

/* ---- messages ---- */

struct opening {
    bool is_done;
    int error;
    struct store_reader *reader;
    const struct stored_message *message;
};

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct opening *opening = context;
    *opening =
        (struct opening){ .is_done = true, .error = error, .reader = reader, .message = message };
}

static void on_read(void *context, int error, struct str bytes)
{
    struct opening *opening = context;
    (void)bytes;
    opening->is_done = true;
    opening->error = error;
}

/* The worker is inline: every turn brings it on. */
static void turn_until(struct fsck *fsck, struct store *store, const bool *is_done)
{
    for (int i = 0; !*is_done; i++) {
        check(i < TURNS_MAX);
        store_turn(store, fsck->settings.now);
        (void)worker_collect(fsck->worker);
    }
}

static struct opening open_message(struct fsck *fsck, struct message_id id)
{
    struct opening opening = { 0 };

    store_open(fsck->store, id, STR_NONE, on_opened, &opening);
    turn_until(fsck, fsck->store, &opening.is_done);
    return opening;
}

/* To its end, so that its checksum is compared. */
static bool content_is_good(struct fsck *fsck, struct opening *opening)
{
    uint64_t size = opening->message->size;

    for (uint64_t at = 0; at < size; at += PIECE) {
        opening->is_done = false;
        store_read(opening->reader, at, PIECE, on_read, opening);
        turn_until(fsck, fsck->store, &opening->is_done);
        if (opening->error < 0)
            return false;
    }
    return true;
}

static struct entry entry_of(const struct index *index, uint32_t number)
{
    const struct index_entry *entry = index_entry(index, number);
    return (struct entry){ .id = entry->id,
                           .domain = index->domain[entry->domain]->name,
                           .state = (enum entry_state)entry->state,
                           .since_ms = entry->since_ms,
                           .size = entry->size,
                           .pending = entry->pending,
                           .rescued = entry->rescued };
}

static bool add_discard(struct fsck *fsck, const struct entry *entry)
{
    if (!fsck->settings.discard || fsck->discard_count == FSCK_DAMAGES_MAX)
        return false;
    fsck->discard = memory_resize(fsck->discard, (fsck->discard_count + 1) * sizeof *fsck->discard);
    struct fsck_message *message = &fsck->discard[fsck->discard_count++];
    *message = (struct fsck_message){ .id = entry->id };
    buf_add(&message->domain, entry->domain);
    return true;
}

void fsck_tell_of_entry(struct fsck *fsck, const struct index *index, uint32_t number,
                        struct fsck_finding finding)
{
    const struct log_store *store = log_of(fsck->store);
    struct entry entry = entry_of(index, number);
    struct opening opening = { 0 };
    char name[FILE_NAME_SIZE];
    bool is_kept = true;

    if (index_entry(index, number)->flags & INDEX_BODY_FILE)
        body_file_name(name, entry.id);
    else
        segment_file_name(name, index_entry(index, number)->segment, SEGMENT_FILE);
    finding.file = name;
    finding.offset = (uint64_t)index_entry(index, number)->place * RECORD_ALIGN;
    finding.entry = &entry;
    if (index == &store->index)
        opening = open_message(fsck, entry.id);
    if (opening.reader != NULL)
        finding.message = opening.message;
    if (finding.kind == FSCK_CONTENT && fsck->settings.repair && opening.reader != NULL)
        is_kept = fsck_keep_message(fsck, store, number, opening.message);
    if (finding.remedy == FSCK_DISCARD && is_kept)
        finding.is_repaired = add_discard(fsck, &entry);
    fsck_tell(fsck, &finding);
    if (opening.reader != NULL)
        store_reader_close(opening.reader);
}

/* ---- 2: two starts ---- */

static void on_damage(void *context, const struct log_damage *damage)
{
    struct fsck *fsck = context;

    if (damage->kind == LOG_DAMAGE_GAP || damage->kind == LOG_DAMAGE_END ||
        damage->kind == LOG_DAMAGE_MEANING || damage->kind == LOG_DAMAGE_FILLED)
        fsck->is_damaged = true;
    if (damage->kind == LOG_DAMAGE_TORN)
        fsck->is_torn = true;
    if (damage->kind == LOG_DAMAGE_HEADER || damage->kind == LOG_DAMAGE_FILLED) /* told before */
        return;
    if (fsck->damage_count == FSCK_DAMAGES_MAX) {
        fsck->result.damages++;
        fsck->result.open++;
        return;
    }
    if (fsck->damage_count == fsck->damage_cap) {
        fsck->damage_cap = fsck->damage_cap > 0 ? fsck->damage_cap * 2 : 64;
        fsck->damage = memory_resize(fsck->damage, fsck->damage_cap * sizeof *fsck->damage);
    }
    fsck->damage[fsck->damage_count++] = *damage;
}

static void on_segment_read(void *context, uint32_t done, uint32_t of)
{
    struct fsck *fsck = context;
    if (fsck->host->progress != NULL)
        fsck->host->progress(fsck->context, done, of);
}

static int start(struct fsck *fsck, struct fsck_view *view, struct store **out_store)
{
    const struct log_examiner examiner = { on_damage, on_segment_read, fsck };
    struct log_store_settings settings = fsck->settings.store;

    settings.free_bytes_min = 0;
    settings.examiner = view->hides_checkpoint ? &examiner : NULL;
    int rc = log_store_open(&settings, &view->disk, fsck->worker, fsck->settings.now, out_store);
    if (rc == 0)
        log_of(*out_store)->settings.examiner = NULL;
    return rc;
}

static bool has_file(struct disk *disk, const char *name)
{
    int handle = disk->driver->open(disk, name, DISK_READ);
    if (handle >= 0)
        disk->driver->close(disk, handle);
    return handle >= 0;
}

/* ---- 3: what was heard ---- */

static void tell_place(struct fsck *fsck, const struct log_damage *damage, enum fsck_kind kind)
{
    char name[FILE_NAME_SIZE];
    struct fsck_finding finding = { .kind = kind, .file = name, .offset = damage->offset };
    bool can_fill = kind == FSCK_GAP || kind == FSCK_END;

    segment_file_name(name, damage->segment, SEGMENT_FILE);
    if (kind == FSCK_TORN)
        finding.records = damage->size;
    else
        finding.size = damage->size;
    finding.remedy = can_fill ? FSCK_REPAIR : FSCK_NOTHING;
    if (can_fill && fsck->settings.repair)
        finding.is_repaired = fsck_fill(fsck, damage);
    fsck_tell(fsck, &finding);
}

/* Content is looked at in tell_contents(). */
static void tell_places(struct fsck *fsck)
{
    static const enum fsck_kind kind[] = {
        [LOG_DAMAGE_GAP] = FSCK_GAP,         [LOG_DAMAGE_END] = FSCK_END,
        [LOG_DAMAGE_MEANING] = FSCK_MEANING, [LOG_DAMAGE_TWICE] = FSCK_TWICE,
        [LOG_DAMAGE_TORN] = FSCK_TORN,
    };
    for (uint32_t i = 0; i < fsck->damage_count; i++)
        if (fsck->damage[i].kind != LOG_DAMAGE_CONTENT)
            tell_place(fsck, &fsck->damage[i], kind[fsck->damage[i].kind]);
}

/* ---- 5: content ---- */

static int compare_places(const void *a, const void *b)
{
    const struct log_damage *one = a;
    const struct log_damage *other = b;

    if (one->segment != other->segment)
        return one->segment < other->segment ? -1 : 1;
    if (one->offset != other->offset)
        return one->offset < other->offset ? -1 : 1;
    return 0;
}

/* Leaves the damages of content alone, by place. */
static void sort_contents(struct fsck *fsck)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < fsck->damage_count; i++)
        if (fsck->damage[i].kind == LOG_DAMAGE_CONTENT)
            fsck->damage[kept++] = fsck->damage[i];
    fsck->damage_count = kept;
    if (kept > 0)
        qsort(fsck->damage, kept, sizeof *fsck->damage, compare_places);
}

static struct log_damage *damage_of(const struct fsck *fsck, const struct index_entry *entry)
{
    const struct log_damage key = { .segment = entry->segment,
                                    .offset = (uint64_t)entry->place * RECORD_ALIGN };
    if (fsck->damage_count == 0)
        return NULL;
    return bsearch(&key, fsck->damage, fsck->damage_count, sizeof key, compare_places);
}

static void tell_content(struct fsck *fsck, uint32_t number)
{
    fsck_tell_of_entry(fsck, &log_of(fsck->store)->index, number,
                       (struct fsck_finding){ .kind = FSCK_CONTENT, .remedy = FSCK_DISCARD });
}

static bool body_is_good(struct fsck *fsck, struct message_id id)
{
    struct opening opening = open_message(fsck, id);

    if (opening.error < 0)
        return false;
    bool is_good = content_is_good(fsck, &opening);
    store_reader_close(opening.reader);
    return is_good;
}

/* A body is read once, whatever number of domains its message is for. */
static void check_body(struct fsck *fsck, uint32_t number)
{
    const struct index *index = &log_of(fsck->store)->index;
    struct message_id id = index_entry(index, number)->id;

    if (index_find(index, id, 0) != number || body_is_good(fsck, id))
        return;
    for (; number != 0; number = index_find(index, id, number))
        tell_content(fsck, number);
}

/* Its settlement is lost, but the shortcuts know of it: nobody waits for the content. */
static bool is_settled(const struct fsck *fsck, const struct index_entry *entry)
{
    const struct log_store *shortcut = fsck->shortcut != NULL ? log_of(fsck->shortcut) : NULL;

    return (fsck->is_damaged || fsck->is_torn) && shortcut != NULL &&
           shortcut->checkpoint.from.segment != 0 &&
           index_find(&shortcut->index, entry->id, 0) == 0;
}

static void tell_contents(struct fsck *fsck)
{
    const struct index *index = &log_of(fsck->store)->index;

    sort_contents(fsck);
    for (uint32_t number = 0; (number = index_next(index, number)) != 0;) {
        if (is_settled(fsck, index_entry(index, number)))
            continue;
        struct log_damage *damage = damage_of(fsck, index_entry(index, number));
        if (damage != NULL) {
            damage->size = 0; /* somebody's */
            tell_content(fsck, number);
        } else if (index_entry(index, number)->flags & INDEX_BODY_FILE) {
            check_body(fsck, number);
        }
    }
    for (uint32_t i = 0; i < fsck->damage_count; i++)
        if (fsck->damage[i].size > 0)
            tell_place(fsck, &fsck->damage[i], FSCK_SETTLED);
}

/* ---- 6: files that nobody needs ---- */

/* A body may be all that is left of a message whose record is lost. */
static bool take_away(struct fsck *fsck, const char *name, bool is_orphan)
{
    if (is_orphan && !fsck_keep_file(fsck, name, name))
        return false;
    return fsck->disk->driver->remove(fsck->disk, name) == 0;
}

static void tell_leftovers(struct fsck *fsck)
{
    struct str known;
    size_t cursor = 0;

    while (map_next(&fsck->removed, &cursor, &known) != NULL) {
        char name[FILE_NAME_SIZE] = { 0 };
        bool is_orphan = fsck->is_damaged && str_ends_nocase(known, STR(".body"));
        if (known.len >= sizeof name)
            continue;
        memcpy(name, known.ptr, known.len);
        struct fsck_finding finding = { .kind = is_orphan ? FSCK_ORPHAN : FSCK_LEFTOVER,
                                        .file = name,
                                        .remedy = FSCK_REPAIR };
        if (fsck->settings.repair)
            finding.is_repaired = take_away(fsck, name, is_orphan);
        fsck_tell(fsck, &finding);
    }
}

/* ---- 7: what may go ---- */

static void on_settled(void *context, int error)
{
    struct opening *settling = context;
    settling->is_done = true;
    settling->error = error;
}

static bool discard_one(struct fsck *fsck, struct store *store, const struct fsck_message *message)
{
    struct opening settling = { 0 };
    const struct settlement settlement = { .id = message->id,
                                           .domain = buf_str(&message->domain),
                                           .outcome = OUTCOME_DISCARDED,
                                           .at_ms = fsck->settings.now.wall_ms };
    store_settle(store, &settlement, on_settled, &settling);
    turn_until(fsck, store, &settling.is_done);
    return settling.error == 0;
}

static int discard_all(struct fsck *fsck)
{
    struct store *store = NULL;

    if (fsck->discard_count == 0)
        return 0;
    int rc =
        log_store_open(&fsck->settings.store, fsck->disk, fsck->worker, fsck->settings.now, &store);
    for (uint32_t i = 0; i < fsck->discard_count && rc == 0; i++)
        if (!discard_one(fsck, store, &fsck->discard[i]))
            fsck->result.open++;
    if (store != NULL)
        store_close(store);
    return rc;
}

/* ---- the whole ---- */

static void tell_segment(struct fsck *fsck, const struct segment *segment)
{
    struct disk *disk = fsck->disk;
    char name[FILE_NAME_SIZE];
    struct fsck_segment told = { .number = segment->number,
                                 .used = segment->end,
                                 .live = segment->live,
                                 .live_bytes = segment->live_bytes };

    segment_file_name(name, segment->number, SEGMENT_FILE);
    int handle = disk->driver->open(disk, name, DISK_READ);
    if (handle >= 0) {
        int64_t size = disk->driver->size(disk, handle);
        told.size = size > 0 ? (uint64_t)size : 0;
        disk->driver->close(disk, handle);
    }
    if (fsck->host->segment != NULL)
        fsck->host->segment(fsck->context, &told);
    if (told.size <= fsck->size_max)
        return;
    const struct fsck_finding finding = {
        .kind = FSCK_TOO_LARGE, .file = name, .offset = fsck->size_max, .size = told.size
    };
    fsck_tell(fsck, &finding);
}

static void examine(struct fsck *fsck)
{
    const struct segments *segments = &log_of(fsck->store)->segments;

    store_totals(fsck->store, STR_NONE, &fsck->result.totals);
    for (uint32_t i = 0; i < segments->count; i++)
        tell_segment(fsck, segments->item[i]);
    tell_places(fsck);
    if (fsck->shortcut != NULL)
        fsck_compare(fsck, log_of(fsck->shortcut));
    tell_contents(fsck);
    tell_leftovers(fsck);
}

static int start_and_examine(struct fsck *fsck)
{
    struct fsck_view alone;
    struct fsck_view view;
    struct store *shortcut = NULL;

    fsck_view_init(&alone, fsck->disk, fsck->size_max);
    fsck_view_init(&view, fsck->disk, fsck->size_max);
    alone.hides_checkpoint = true;
    alone.removed = &fsck->removed;
    int rc = start(fsck, &alone, &fsck->store);
    if (rc == 0 && has_file(fsck->disk, "checkpoint"))
        rc = start(fsck, &view, &shortcut);
    fsck->shortcut = shortcut;
    if (rc == 0)
        examine(fsck);
    fsck->shortcut = NULL;
    alone.removed = NULL;
    if (shortcut != NULL)
        store_close(shortcut);
    if (fsck->store != NULL)
        store_close(fsck->store);
    return rc;
}

static void fini(struct fsck *fsck)
{
    for (uint32_t i = 0; i < fsck->discard_count; i++)
        buf_fini(&fsck->discard[i].domain);
    memory_free(fsck->discard);
    memory_free(fsck->damage);
    map_fini(&fsck->removed);
    worker_free(fsck->worker);
}

int fsck_run(const struct fsck_settings *settings, struct disk *disk, const struct fsck_host *host,
             void *context, struct fsck_result *out_result)
{
    struct fsck fsck = { .settings = *settings, .disk = disk, .host = host, .context = context };

    check(!settings->repair || settings->aside != NULL);
    check(!settings->discard || settings->repair);
    fsck.size_max = settings->store.segment_size * SIZE_FACTOR;
    fsck.worker = worker_new_inline();
    map_init(&fsck.removed);
    int rc = fsck_headers(&fsck);
    if (rc == 0)
        rc = start_and_examine(&fsck);
    if (rc == 0)
        rc = discard_all(&fsck);
    if (rc == 0)
        *out_result = fsck.result;
    fini(&fsck);
    return rc;
}
