/* SPDX-License-Identifier: ISC */
/* compact.c: gives back the room of mail that is gone.
 *
 *     IDLE --compact_turn--> READ (a slice) --> MOVE (with the next commits) --> READ … --> IDLE
 *
 * Domains share segments. When one of two is handed over, no segment becomes free,
 * and one rescued message can hold 64 MiB. So what is still alive in a segment that
 * is dead by a third is written again at the head of the log; then nothing lives in the
 * segment, and it is forgotten like any other. While mail of a segment is being
 * settled it is left alone: after QUIET_MS it may have died by itself. On a full disk
 * less is asked for, and the reserve may be used, because more comes back than is taken.
 *
 * Two kinds of records carry on what the segment says:
 *     MOVED   a message that lives there, and the status of its entries
 *     STATE   the status of an entry of which a record here speaks, although its message is in an
 *             older segment that is still there (a settlement must outlive what it speaks of)
 *
 * Invariants
 *   1  A status is taken when its batch is made and stands before everything else in the
 *      batch. So what is settled earlier is in it, what is settled later comes after it.
 *   2  The segment with the new copy speaks of the one with the old copy, and is kept as long:
 *      otherwise the old one, read at a start, would bring a settled message back to life.
 *   3  Only when everything is durable does the emptied segment no longer speak of others.
 *   4  What cannot be read is not moved: the segment stays as it is, and is told about.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/compact.h"

enum {
    DEAD_SHARE = 3,       /* worth it from a third on … */
    DEAD_SHARE_FULL = 16, /* … and from a sixteenth on a full disk */
    LEFT_SHARE = 4,       /* of the reserve, so much is left to others */
    REST_MS = 10 * MINUTE_MS,
    LOG_MS = 10 * SECOND_MS,
};

/* ---- which segment ---- */

static uint64_t dead_octets(const struct log_store *store, const struct segment *segment)
{
    uint64_t end = segment->is_abandoned ? store->settings.segment_size : segment->end;
    uint64_t alive = SEGMENT_HEADER_SIZE + segment->live_bytes;

    if (segment_speaks(&store->segments, segment))
        alive += segment->carried;
    return end > alive ? end - alive : 0;
}

static bool is_worth_it(const struct log_store *store, const struct segment *segment, bool full)
{
    unsigned share = full ? DEAD_SHARE_FULL : DEAD_SHARE;
    /* Where nothing is to be carried on, it is free already, or will be when nobody reads it. */
    bool has_something = segment->live > 0 || segment_speaks(&store->segments, segment);
    return segment->state == SEGMENT_SEALED && store->now.mono_ms >= segment->rest_until &&
           has_something && dead_octets(store, segment) >= store->settings.segment_size / share;
}

/* No segment can be added, and the only spare is the reserve for settlements. */
static bool is_tight(const struct log_store *store)
{
    return !prepare_can_grow(store) && segment_spares(&store->segments) <= 1;
}

/* Room for all that lives there, the reserve included: then more comes back than is taken. */
static bool fits_into_reserve(const struct log_store *store, const struct segment *segment)
{
    const struct segment *current = store->segments.current;
    uint64_t size = store->settings.segment_size;
    uint64_t room = (current->end < size ? size - current->end : 0) +
                    segment_spares(&store->segments) * (size - SEGMENT_HEADER_SIZE);
    return segment->live_bytes + size / LEFT_SHARE <= room;
}

/* The one with the most to give; NULL if none is ready. */
static struct segment *choose(struct log_store *store)
{
    struct compact *compact = &store->compact;
    bool full = commit_is_full(store);
    bool tight = is_tight(store);
    struct segment *best = NULL;
    uint64_t most = 0;

    compact->look_at = NEVER_MS;
    for (uint32_t i = 0; i < store->segments.count; i++) {
        struct segment *segment = store->segments.item[i];
        if (!is_worth_it(store, segment, full))
            continue;
        int64_t ready_at = full ? 0 : segment->changed_ms + store->settings.quiet_ms;
        if (tight && !fits_into_reserve(store, segment))
            ready_at = store->now.mono_ms + SPACE_MS;
        if (ready_at > store->now.mono_ms) {
            compact->look_at = ready_at < compact->look_at ? ready_at : compact->look_at;
            continue;
        }
        uint64_t dead = dead_octets(store, segment);
        if (dead > most) {
            most = dead;
            best = segment;
        }
    }
    return best;
}

void compact_notice(struct log_store *store, struct segment *segment)
{
    int64_t at = store->now.mono_ms + store->settings.quiet_ms;

    segment->changed_ms = store->now.mono_ms;
    if (segment->state == SEGMENT_SEALED && at < store->compact.look_at)
        store->compact.look_at = at;
}

/* ---- reading ---- */

static void slice_run(struct worker_job *job)
{
    struct compact *compact = container_of(job, struct compact, job);
    struct buf *slice = &compact->slice;

    buf_reset(slice);
    buf_reserve(slice, compact->size);
    compact->error = 0;
    while (slice->len < compact->size && compact->error == 0) {
        ssize_t got =
            compact->disk->driver->read(compact->disk, compact->handle, slice->ptr + slice->len,
                                        compact->size - slice->len, compact->offset + slice->len);
        if (got > 0)
            slice->len += (size_t)got;
        else
            compact->error = got < 0 ? (int)got : -EIO;
    }
}

static void slice_done(struct worker_job *job);

static void read_slice(struct log_store *store, struct segment *segment, uint64_t size)
{
    struct compact *compact = &store->compact;
    uint64_t left = segment->end - compact->offset;

    compact->step = COMPACT_READ;
    compact->size = (size_t)(size < left ? size : left);
    compact->handle = segment->handle;
    compact->disk = store->disk;
    compact->store = store;
    compact->job.run = slice_run;
    compact->job.done = slice_done;
    log_submit_upkeep(store, &compact->job);
}

/* ---- what is in a slice ---- */

static struct carried *carry(struct log_store *store, enum record_type type, struct message_id id,
                             uint32_t of, struct str part)
{
    struct carried *carried = memory_new(sizeof *carried);

    carried->staged.type = (uint8_t)type;
    carried->staged.ready = true;
    carried->staged.id = id;
    carried->of = of;
    carried->part = part;
    list_append(&store->compact.ready, &carried->staged.link);
    return carried;
}

/* Something here speaks of an entry in another segment. */
static void carry_state(struct log_store *store, struct message_id id, uint32_t of,
                        struct str domain)
{
    if (of != store->compact.segment && segment_find(&store->segments, of) != NULL)
        (void)carry(store, RECORD_STATE, id, of, domain);
}

static void carry_states_of_move(struct log_store *store, struct message_id id,
                                 const struct message_parts *parts)
{
    struct cursor cursor = cursor_over(parts->entries);
    struct index_status status;

    while (cursor.left.len > 0) {
        struct str domain = cursor_counted(&cursor);
        if (!index_status_decode(&cursor, &status))
            return;
        carry_state(store, id, parts->from, domain);
    }
}

static int take_message(struct log_store *store, const struct record_header *header,
                        uint64_t offset, struct str meta, struct str content)
{
    struct compact *compact = &store->compact;
    struct message_parts parts;
    struct message_id id;
    uint32_t front;

    if (!message_parts_decode(header, meta, &parts) ||
        !message_meta_peek(parts.message, &id, &front))
        return -EIO;
    carry_states_of_move(store, id, &parts);
    if (!compact_lives_at(store, id, compact->segment, offset))
        return 0;
    if (!(header->flags & RECORD_BODY_FILE) && crc32c(0, content) != header->content_check)
        return -EIO;
    struct carried *carried = carry(store, RECORD_MOVED, id, compact->segment, parts.message);
    carried->offset = offset;
    carried->staged.flags = header->flags;
    carried->staged.front_size = front;
    carried->staged.content_size = header->content_size;
    carried->staged.content_check = header->content_check;
    carried->staged.borrowed = content;
    return 0;
}

/* -EIO: it is damaged; -EBUSY: it must stay where it is, for now. */
static int take_record(struct log_store *store, const struct record_header *header, uint64_t offset,
                       struct str record)
{
    struct str meta = str_first(str_skip(record, RECORD_HEADER_SIZE), header->meta_size);
    struct str content = str_first(str_skip(record, RECORD_HEADER_SIZE + (size_t)header->meta_size),
                                   header->content_size);
    struct settle_record settle;
    struct resume_record resume;
    struct state_record state;

    switch ((enum record_type)header->type) {
    case RECORD_MESSAGE:
    case RECORD_MOVED:
        return take_message(store, header, offset, meta, content);
    case RECORD_SETTLE:
        if (!settle_meta_decode(meta, &settle))
            return -EIO;
        carry_state(store, settle.id, settle.segment, settle.domain);
        return 0;
    case RECORD_STATE:
        if (!state_meta_decode(meta, &state))
            return -EIO;
        carry_state(store, state.id, state.segment, state.domain);
        return 0;
    case RECORD_RESUME: /* is looked for at the head of a segment only */
        if (!resume_meta_decode(meta, &resume))
            return -EIO;
        return segment_find(&store->segments, resume.segment) != NULL ? -EBUSY : 0;
    }
    return -EIO;
}

/* How much of the slice was taken: up to the first record that is not whole in it. 0: not even the
 * first, *out_need octets are needed; a negative errno: the segment cannot be emptied. */
static int64_t take_slice(struct log_store *store, const struct segment *segment,
                          uint64_t *out_need)
{
    struct str slice = buf_str(&store->compact.slice);
    struct record_header header;
    size_t at = 0;

    *out_need = RECORD_HEADER_SIZE;
    while (at < slice.len) {
        struct str rest = str_skip(slice, at);
        *out_need = RECORD_HEADER_SIZE;
        if (*out_need > segment->end - store->compact.offset - at)
            return -EIO; /* no record is so short */
        if (rest.len < RECORD_HEADER_SIZE)
            break;
        if (!record_header_peek(rest, segment->generation, &header))
            return -EIO;
        *out_need = record_size(&header);
        if (*out_need > segment->end - store->compact.offset - at)
            return -EIO;
        if (*out_need > rest.len)
            break;
        if (!record_header_decode(rest, segment->generation, &header))
            return -EIO;
        int rc = take_record(store, &header, store->compact.offset + at, rest);
        if (rc < 0)
            return rc;
        at += (size_t)*out_need;
    }
    return (int64_t)at;
}

/* ---- beginning and end ---- */

static void drop_ready(struct log_store *store)
{
    list_each_safe (link, &store->compact.ready)
        compact_drop(store, carried_of(container_of(link, struct staged, link)));
}

/* One line for many segments: in a drain one after the other becomes ready. */
static void log_progress(struct log_store *store)
{
    struct compact *compact = &store->compact;
    bool is_through = compact->look_at == NEVER_MS;

    if (compact->segments == 0 || (!is_through && store->now.mono_ms < compact->log_at))
        return;
    log_info("spool_compacted", LOG_INT("segments", compact->segments),
             LOG_INT("messages", compact->messages), LOG_INT("octets", compact->octets));
    compact->segments = compact->messages = compact->octets = 0;
    compact->log_at = store->now.mono_ms + LOG_MS;
}

static void come_to_rest(struct log_store *store)
{
    store->compact.step = COMPACT_IDLE;
    buf_fini(&store->compact.slice);
    log_progress(store);
}

/* Lets go of the segment. What was carried already does no harm. */
static void leave(struct log_store *store, struct segment *segment)
{
    drop_ready(store);
    segment->readers--;
    store->compact.step = COMPACT_IDLE;
    store->compact.look_at = store->now.mono_ms;
}

/* The segment stays as it is. */
static void let_stand(struct log_store *store, struct segment *segment, const char *why)
{
    log_warn("segment_not_compacted", LOG_INT("segment", segment->number),
             LOG_INT("offset", store->compact.offset), LOG_TEXT("why", why));
    segment->rest_until = store->now.mono_ms + REST_MS;
    leave(store, segment);
}

static void segment_emptied(struct log_store *store, struct segment *segment)
{
    if (segment->live > 0) {
        let_stand(store, segment, "something in it is not to be found");
        return;
    }
    segment->spoken_count = 0;
    store->compact.segments++;
    store->sweep = true;
    leave(store, segment);
    prepare_turn(store);
}

static void slice_done(struct worker_job *job)
{
    struct compact *compact = container_of(job, struct compact, job);
    struct log_store *store = compact->store;
    struct segment *segment = segment_find(&store->segments, compact->segment);
    uint64_t need;

    store->jobs--;
    compact->step = COMPACT_MOVE;
    if (store->closing || store->failing) {
        leave(store, segment);
        return;
    }
    int64_t taken = compact->error < 0 ? compact->error : take_slice(store, segment, &need);
    if (taken == -EBUSY) { /* it says where an older one ends, which is still there */
        segment->rest_until = store->now.mono_ms + REST_MS;
        leave(store, segment);
        return;
    }
    if (taken < 0) {
        let_stand(store, segment, compact->error < 0 ? strerror(-compact->error) : "damaged");
        return;
    }
    if (taken == 0) {
        read_slice(store, segment, need);
        return;
    }
    compact->offset += (uint64_t)taken;
    commit_turn(store);
    compact_turn(store);
}

static void begin(struct log_store *store, struct segment *segment)
{
    struct compact *compact = &store->compact;

    int rc = segment_open(store, segment);
    if (rc < 0) {
        segment->rest_until = store->now.mono_ms + REST_MS;
        return;
    }
    compact->segment = segment->number;
    compact->offset = SEGMENT_HEADER_SIZE;
    compact->may_use_reserve = is_tight(store);
    segment->readers++;
    read_slice(store, segment, COMPACT_SLICE);
}

/* Everything of the slice is durable. */
static void go_on(struct log_store *store)
{
    struct compact *compact = &store->compact;
    struct segment *segment = segment_find(&store->segments, compact->segment);

    if (compact->offset >= segment->end) {
        segment_emptied(store, segment);
        return;
    }
    read_slice(store, segment, COMPACT_SLICE);
}

static bool may_work(const struct log_store *store)
{
    return !store->closing && !store->failing && store->segments.current != NULL &&
           store->compact.under_way == 0;
}

int64_t compact_deadline(const struct log_store *store)
{
    bool is_idle = store->compact.step == COMPACT_IDLE;
    return is_idle && may_work(store) ? store->compact.look_at : NEVER_MS;
}

void compact_turn(struct log_store *store)
{
    struct compact *compact = &store->compact;

    if (!may_work(store))
        return;
    if (compact->step == COMPACT_MOVE && list_is_empty(&compact->ready))
        go_on(store);
    if (compact->step != COMPACT_IDLE || store->now.mono_ms < compact->look_at)
        return;
    struct segment *segment = choose(store);
    if (segment != NULL)
        begin(store, segment);
    else
        come_to_rest(store);
}

void compact_stop(struct log_store *store)
{
    struct compact *compact = &store->compact;

    if (compact->step == COMPACT_MOVE)
        leave(store, segment_find(&store->segments, compact->segment));
}

void compact_fini(struct log_store *store)
{
    drop_ready(store);
    buf_fini(&store->compact.slice);
}
