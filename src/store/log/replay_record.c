/* SPDX-License-Identifier: ISC */
/* replay_record.c: what a record that is read at a start means for the index, and what damage is
 * said about.
 *
 * MESSAGE, SETTLE and RESUME are applied as at a commit (apply.c). STATE and MOVED are absolute:
 * what they say replaces whatever was read before. An index file knows all that stands before its
 * place: records from there are not applied again, for "delivered", passed over by a rescued
 * recipient, would not be passed over by one that was released later.
 *
 * Where an index file was written and the list (checkpoint.c) was not any more, the file knows more
 * than the list: a message that stands before the file's place and is not in it has been settled.
 */
#include "base/log.h"
#include "store/log/recover.h"

static bool is_before(struct log_place a, struct log_place b)
{
    return a.segment != b.segment ? a.segment < b.segment : a.offset < b.offset;
}

void recovery_log(struct recovery *recovery, const struct log_damage *damage)
{
    static const char *const what[] = {
        [LOG_DAMAGE_GAP] = "records before this are lost",
        [LOG_DAMAGE_END] = "records from here on are lost",
        [LOG_DAMAGE_CONTENT] = "content",
        [LOG_DAMAGE_MEANING] = "meaning",
    };
    bool is_gap = damage->kind == LOG_DAMAGE_GAP;

    recovery->damaged++;
    log_error("segment_damaged", LOG_INT("segment", damage->segment),
              LOG_INT("offset", damage->offset + (is_gap ? damage->size : 0)),
              LOG_TEXT("what", what[damage->kind]));
    recovery_tell(recovery, damage);
}

static struct log_damage damage_at(const struct segment *segment, const struct scan_record *record,
                                   enum log_damage_kind kind)
{
    return (struct log_damage){ .kind = kind,
                                .segment = segment->number,
                                .offset = record->offset,
                                .size = record_size(&record->header),
                                .batch = record->header.batch };
}

static void log_damaged_record(struct recovery *recovery, const struct segment *segment,
                               const struct scan_record *record, enum log_damage_kind kind)
{
    const struct log_damage damage = damage_at(segment, record, kind);
    recovery_log(recovery, &damage);
}

static void tell_of_record(struct recovery *recovery, const struct segment *segment,
                           const struct scan_record *record, enum log_damage_kind kind)
{
    const struct log_damage damage = damage_at(segment, record, kind);
    recovery_tell(recovery, &damage);
}

/* What would fit in: part of the batch before it; at the head of a segment, the next one. */
void recovery_log_gap(struct recovery *recovery, const struct segment *segment,
                      const struct scan_record *before, const struct scan_record *record,
                      uint64_t start)
{
    struct log_damage damage = damage_at(segment, record, LOG_DAMAGE_GAP);

    damage.offset = start;
    if (before != NULL) {
        damage.offset = before->offset + record_size(&before->header);
        damage.batch = before->header.batch;
    } else if (recovery->store->batch > 0) {
        damage.batch = recovery->store->batch + 1;
    }
    damage.size = record->offset - damage.offset;
    recovery_log(recovery, &damage);
}

/* What a MESSAGE or a MOVED says. */
struct told {
    struct message_parts parts;
    struct message_meta meta;
    uint64_t head; /* octets of the record beside the content */
};

static bool read_message(const struct scan_record *record, struct str meta, struct arena *arena,
                         struct told *told)
{
    if (!message_parts_decode(&record->header, meta, &told->parts) ||
        !message_meta_decode(told->parts.message, arena, &told->meta))
        return false;
    told->head =
        message_head_size(record->header.flags, record->header.meta_size, told->meta.front.len);
    return told->meta.size <= UINT32_MAX && told->meta.envelope.recipient_count > 0 &&
           (record->header.flags & RECORD_BODY_FILE ||
            told->meta.size - told->meta.front.len == record->header.content_size);
}

static void add_message(struct log_store *store, const struct scan_record *record,
                        const struct told *told)
{
    bool in_file = (record->header.flags & RECORD_BODY_FILE) != 0;
    index_add_message(&store->index, &told->meta.envelope, told->meta.size,
                      in_file ? INDEX_BODY_FILE : 0);
    store->body_bytes += in_file ? told->meta.size : 0;
}

/* The status that a MOVED gives this domain's entry. False: it names none. */
static bool find_status(const struct told *told, struct str domain, struct index_status *out)
{
    struct cursor cursor = cursor_over(told->parts.entries);

    while (cursor.left.len > 0) {
        struct str name = cursor_counted(&cursor);
        if (!index_status_decode(&cursor, out))
            return false;
        if (str_equals(name, domain))
            return true;
    }
    return false;
}

static bool restore(struct log_store *store, uint32_t number, const struct index_status *status)
{
    struct segment *segment =
        segment_find(&store->segments, index_entry(&store->index, number)->segment);
    if (segment != NULL)
        segment->dirty = true;
    return index_restore(&store->index, number, status);
}

/* Every entry of the message gets the status it had when it was moved. */
static void restore_entries(struct log_store *store, const struct told *told)
{
    static const struct index_status gone;
    struct index *index = &store->index;
    uint32_t number = 0;

    while ((number = index_find(index, told->meta.envelope.id, number)) != 0) {
        const struct index_entry *entry = index_entry(index, number);
        struct index_status status;
        bool is_named = find_status(told, index->domain[entry->domain]->name, &status);
        if (!restore(store, number, is_named ? &status : &gone) && entry->state == 0)
            index_show(index, number, told->meta.envelope.received_ms);
    }
}

/* The old copy, if there is one, is given up, unless it is the only good one. */
static void replay_moved(struct recovery *recovery, struct segment *segment,
                         const struct scan_record *record, const struct told *told)
{
    struct log_store *store = recovery->store;
    struct message_id id = told->meta.envelope.id;
    bool is_known = index_find(&store->index, id, 0) != 0;

    segment_speaks_of(segment, told->parts.from);
    if (!is_known)
        add_message(store, record, told);
    if (!is_known || !record->is_damaged)
        apply_move(store, id, segment, record->offset, told->head);
    restore_entries(store, told);
}

static void replay_message(struct recovery *recovery, struct segment *segment,
                           const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct arena arena = { 0 };
    struct told told;

    if (!read_message(record, meta, &arena, &told)) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
    } else if (is_before(place, segment->indexed)) {
        segment_speaks_of(segment, told.parts.from);
        if (index_find(&store->index, told.meta.envelope.id, 0) == 0)
            recent_add(&store->recent, told.meta.envelope.id);
    } else if (record->header.type == RECORD_MOVED) {
        replay_moved(recovery, segment, record, &told);
    } else if (index_find(&store->index, told.meta.envelope.id, 0) == 0) {
        add_message(store, record, &told);
        apply_message(store, told.meta.envelope.id, told.meta.envelope.received_ms, segment,
                      record->offset, told.head);
    } else {
        tell_of_record(recovery, segment, record, LOG_DAMAGE_TWICE);
    }
    arena_fini(&arena);
}

/* The entry of which a record at this place speaks; 0 if it is gone, or if the index file of its
 * segment knows of the record already. */
static uint32_t find_spoken(const struct log_store *store, struct message_id id, struct str domain,
                            struct log_place place)
{
    uint32_t number = index_find_entry(&store->index, id, domain);
    const struct segment *of =
        number != 0 ? segment_find(&store->segments, index_entry(&store->index, number)->segment)
                    : NULL;
    return of != NULL && !is_before(place, of->indexed) ? number : 0;
}

static void replay_state(struct recovery *recovery, struct segment *segment,
                         const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct state_record state;
    struct index_status status;

    bool ok = state_meta_decode(meta, &state);
    struct cursor cursor = cursor_over(ok ? state.status : STR_NONE);
    if (!ok || !index_status_decode(&cursor, &status)) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
        return;
    }
    segment_speaks_of(segment, state.segment);
    segment->carried += record_size(&record->header);
    uint32_t number = find_spoken(store, state.id, state.domain, place);
    if (number != 0)
        (void)restore(store, number, &status);
}

static void replay_settle(struct recovery *recovery, struct segment *segment,
                          const struct scan_record *record, struct str meta)
{
    struct log_store *store = recovery->store;
    struct log_place place = { segment->number, record->offset };
    struct settle_record settle;

    if (!settle_meta_decode(meta, &settle)) {
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_MEANING);
        return;
    }
    segment_speaks_of(segment, settle.segment);
    if (find_spoken(store, settle.id, settle.domain, place) != 0)
        apply_settle(store, &settle);
}

void replay_record(struct recovery *recovery, struct segment *segment,
                   const struct scan_record *record)
{
    struct resume_record resume;
    struct str meta =
        str_of(recovery->bytes.ptr + record->offset + RECORD_HEADER_SIZE, record->header.meta_size);

    if (record->is_damaged)
        log_damaged_record(recovery, segment, record, LOG_DAMAGE_CONTENT);
    switch ((enum record_type)record->header.type) {
    case RECORD_MESSAGE:
    case RECORD_MOVED:
        replay_message(recovery, segment, record, meta);
        break;
    case RECORD_STATE:
        replay_state(recovery, segment, record, meta);
        break;
    case RECORD_SETTLE:
        replay_settle(recovery, segment, record, meta);
        break;
    case RECORD_RESUME:
        if (resume_meta_decode(meta, &resume))
            segment_speaks_of(segment, resume.segment);
        if (record->header.content_size > 0)
            tell_of_record(recovery, segment, record, LOG_DAMAGE_FILLED);
        break;
    }
}
