/* SPDX-License-Identifier: ISC */
/* commit.c: many messages, one sync.
 *
 * What was staged while the disk worked is the next batch: one write, one sync, by
 * a job of the worker. Then every done() is called. There is no timer: under load
 * the next batch gathers by itself, when idle waiting would only add delay.
 *
 * Invariants
 *   1  a batch is written only after the one before is durable
 *   2  records stand in the log in the order in which they were asked for
 *   3  a batch lies in one segment; what does not fit makes the next batch, in the
 *      next segment, whose name and header are durable before it is used
 *   4  after a failed write or sync nothing is written to that segment again
 *
 * Failure. The pages of a failed sync may be clean in the cache and absent on the
 * disk, or present on both; reading them back proves nothing, a second sync may
 * lie. So the whole batch is answered with -EIO and its segment is sealed at the
 * end of the last acknowledged batch. Recovery must know this end: otherwise it
 * would take what happens to be readable of the failed batch for mail, although the sender
 * was told 451 and later records were written in the belief that it is not there. The
 * end stands in a RESUME record at the head of the next batch, in the next segment:
 * it is durable no later than the first thing acknowledged after the failure. If no batch
 * succeeds before a crash, the failed one may come back, which promise 5 of store.h
 * allows. A batch that fails while saying RESUME adds one more.
 *
 * While failing, what is asked for is refused at once; at intervals a batch is
 * tried in a fresh segment, if need be of RESUME records alone. The first success
 * ends the failure.
 *
 * Full. The last spare segment is a reserve for settlements: mail is refused when
 * it would have to be begun and the disk has no room for another one.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/log_private.h"

uint64_t staged_size(const struct staged *staged)
{
    return record_padded((uint64_t)RECORD_HEADER_SIZE + staged->meta_size + staged->content_size);
}

/* ---- the job ---- */

static void add_part(struct commit *commit, void *bytes, size_t size)
{
    if (commit->part_count == commit->part_cap) {
        commit->part_cap = commit->part_cap > 0 ? commit->part_cap * 2 : 256;
        commit->part = memory_resize(commit->part, commit->part_cap * sizeof *commit->part);
    }
    commit->part[commit->part_count++] = (struct iovec){ bytes, size };
}

/* By compact.c: what stands in front of a batch. */
static bool is_carried(const struct staged *staged)
{
    return staged->type == RECORD_STATE || staged->type == RECORD_MOVED;
}

/* Content that is not ours, and the padding that commit_stage() gives to others. */
static void finish_carried(struct commit *commit, const struct staged *staged)
{
    static const char zeros[RECORD_ALIGN];
    size_t padding = (size_t)(staged_size(staged) - staged->head.len - staged->borrowed.len);

    if (staged->borrowed.len > 0)
        add_part(commit, (void *)(uintptr_t)staged->borrowed.ptr, staged->borrowed.len);
    if (padding > 0)
        add_part(commit, (void *)(uintptr_t)zeros, padding);
}

static void finish_record(struct commit *commit, struct staged *staged, uint16_t index)
{
    struct record_header header = {
        .type = staged->type,
        .flags = staged->flags,
        .generation = commit->generation,
        .batch = commit->number,
        .batch_index = index,
        .batch_count = commit->count,
        .meta_size = staged->meta_size,
        .content_size = staged->content_size,
        .content_check = staged->content_check,
    };
    record_header_encode(staged->head.ptr, &header);
    add_part(commit, staged->head.ptr, staged->head.len);
    for (struct chunk *chunk = staged->chunk; chunk != NULL; chunk = chunk->next)
        add_part(commit, chunk->bytes, chunk->used);
    if (is_carried(staged))
        finish_carried(commit, staged);
}

/* Up to the end of the page: what is written as whole pages need not be read first. The next batch
 * is written over these zeros. */
static void fill_page(struct commit *commit)
{
    static const char zeros[PAGE_SIZE];
    uint64_t end = commit->offset + commit->size;

    if (end % PAGE_SIZE != 0)
        add_part(commit, (void *)(uintptr_t)zeros, (size_t)(PAGE_SIZE - end % PAGE_SIZE));
}

/* In files that may be gone by now; then nobody needs it. Nothing else has been written by this
 * start, so a file that gets its next name meanwhile holds nothing newer. */
static int write_unsure(const struct commit *commit)
{
    const struct disk_driver *disk = commit->disk->driver;
    char name[FILE_NAME_SIZE];
    int rc = 0;

    for (uint32_t i = 0; i < commit->store->unsure_count && rc == 0; i++) {
        const struct unsure *unsure = &commit->store->unsure[i];
        struct iovec part = { unsure->bytes.ptr, unsure->bytes.len };
        segment_file_name(name, unsure->segment, SEGMENT_FILE);
        int handle = disk->open(commit->disk, name, DISK_WRITE);
        if (handle == -ENOENT)
            continue;
        if (handle < 0)
            return handle;
        rc = disk->write(commit->disk, handle, &part, 1, unsure->offset);
        if (rc == 0)
            rc = disk->sync(commit->disk, handle);
        disk->close(commit->disk, handle);
    }
    return rc;
}

void unsure_free(struct log_store *store)
{
    for (uint32_t i = 0; i < store->unsure_count; i++)
        buf_fini(&store->unsure[i].bytes);
    memory_free(store->unsure);
    store->unsure = NULL;
    store->unsure_count = 0;
}

static int write_batch(struct commit *commit)
{
    const struct disk_driver *disk = commit->disk->driver;
    uint64_t offset = commit->offset;

    for (uint32_t at = 0; at < commit->part_count;) {
        uint32_t left = commit->part_count - at;
        int count = left < IOV_MAX ? (int)left : IOV_MAX;
        int rc = disk->write(commit->disk, commit->handle, commit->part + at, count, offset);
        if (rc < 0)
            return rc;
        for (int i = 0; i < count; i++)
            offset += commit->part[at++].iov_len;
    }
    check(offset - commit->offset - commit->size < PAGE_SIZE);
    return disk->sync(commit->disk, commit->handle);
}

static void commit_run(struct worker_job *job)
{
    struct commit *commit = container_of(job, struct commit, job);
    uint16_t index = 0;

    commit->part_count = 0;
    list_each (link, &commit->batch)
        finish_record(commit, container_of(link, struct staged, link), index++);
    fill_page(commit);
    commit->error = write_unsure(commit); /* changes only when no commit is under way */
    if (commit->error == 0)
        commit->error = write_batch(commit);
}

/* ---- staging ---- */

void commit_stage(struct log_store *store, struct staged *staged)
{
    static const char zeros[RECORD_ALIGN];
    size_t used = RECORD_HEADER_SIZE + (size_t)staged->meta_size + staged->content_size;
    size_t padding = record_padded(used) - used;
    struct chunk *last = staged->chunk;

    while (last != NULL && last->next != NULL)
        last = last->next;
    if (last == NULL) {
        buf_add_bytes(&staged->head, zeros, padding);
    } else {
        check(last->cap - last->used >= padding);
        memset(last->bytes + last->used, 0, padding);
        last->used += (uint32_t)padding;
    }
    list_append(&store->staged, &staged->link);
}

void staged_free(struct log_store *store, struct staged *staged)
{
    if (staged->upload != NULL) {
        upload_free(store, staged->upload);
        return;
    }
    if (is_carried(staged)) {
        compact_record_done(store, staged);
        return;
    }
    store->memory -= staged->head.cap;
    buf_fini(&staged->head);
    memory_free(staged);
}

static void forget_staged_message(struct log_store *store, struct message_id id)
{
    uint32_t number;
    while ((number = index_find(&store->index, id, 0)) != 0)
        index_remove(&store->index, number);
}

/* Refuses one record, which is in no list. */
static void refuse(struct log_store *store, struct staged *staged, int error)
{
    if (staged->type == RECORD_MESSAGE)
        forget_staged_message(store, staged->id);
    if (staged->done != NULL)
        log_answer_later(store, staged->done, staged->context, error);
    staged_free(store, staged);
}

void commit_fail_staged(struct log_store *store, int error)
{
    list_each_safe (link, &store->staged) {
        struct staged *staged = container_of(link, struct staged, link);
        if (!staged->ready) /* its job comes back */
            continue;
        list_remove(link);
        refuse(store, staged, error);
    }
}

/* ---- room ---- */

static uint64_t tail(const struct log_store *store)
{
    const struct segment *current = store->segments.current;
    if (current == NULL || current->end >= store->settings.segment_size)
        return 0;
    return store->settings.segment_size - current->end;
}

/* May mail begin another segment? */
static bool may_go_on(const struct log_store *store)
{
    return prepare_can_grow(store) || segment_spares(&store->segments) > 1;
}

bool commit_is_full(const struct log_store *store)
{
    if (may_go_on(store))
        return false;
    return segment_spares(&store->segments) == 0 || tail(store) < store->settings.segment_size / 16;
}

/* ---- making a batch ---- */

void commit_add(struct log_store *store, struct staged *staged)
{
    struct commit *commit = &store->commit;
    const struct segment *current = store->segments.current;

    staged->offset = commit->offset + commit->size;
    commit->size += staged_size(staged);
    commit->count++;
    list_remove(&staged->link);
    list_append(&commit->batch, &staged->link);
    if (staged->type != RECORD_SETTLE)
        return;
    uint32_t number = index_find(&store->index, staged->id, 0);
    uint32_t where = number != 0 ? index_entry(&store->index, number)->segment : 0;
    /* An entry that has no place yet gets one in this very batch. */
    settle_meta_set_segment(staged->head.ptr + RECORD_HEADER_SIZE,
                            where != 0 ? where : current->number);
}

static void add_resume(struct log_store *store, const struct resume_record *resume)
{
    struct staged *staged = memory_new(sizeof *staged);

    staged->type = RECORD_RESUME;
    staged->ready = true;
    buf_reserve(&staged->head, RECORD_HEADER_SIZE * 2);
    staged->head.len = RECORD_HEADER_SIZE;
    resume_meta_encode(&staged->head, resume);
    staged->meta_size = (uint32_t)(staged->head.len - RECORD_HEADER_SIZE);
    store->memory += staged->head.cap;
    commit_stage(store, staged);
    commit_add(store, staged);
}

/* Moves what fits from the staged records to the batch. True: a record waits that needs the next
 * segment. */
static bool gather(struct log_store *store)
{
    struct commit *commit = &store->commit;
    uint64_t room = tail(store);

    list_each_safe (link, &store->staged) {
        struct staged *staged = container_of(link, struct staged, link);
        uint64_t size = staged_size(staged);
        if (!staged->ready)
            return false;
        if (staged->error < 0) {
            list_remove(link);
            refuse(store, staged, staged->error);
            continue;
        }
        if (commit->size + size > room) {
            if (staged->type == RECORD_SETTLE || may_go_on(store))
                return true;
            list_remove(link);
            refuse(store, staged, -ENOSPC);
            continue;
        }
        if (commit->count > 0 &&
            (commit->size + size > COMMIT_BYTES_MAX || commit->count >= COMMIT_RECORDS_MAX))
            return false;
        commit_add(store, staged);
    }
    return false;
}

static void seal(struct log_store *store)
{
    struct segments *segments = &store->segments;
    if (segments->current == NULL)
        return;
    segments->current->state = SEGMENT_SEALED;
    compact_notice(store, segments->current);
    segments->current = NULL;
    store->checkpoint.sealed++;
    store->sweep = true;
}

/* Makes the next segment the current one. False: none is ready. */
static bool go_on(struct log_store *store)
{
    struct segment *next = segment_first_spare(&store->segments);

    if (next == NULL) {
        prepare_hurry(store);
        return false;
    }
    int rc = segment_open(store, next);
    if (rc < 0) {
        log_trouble(store, "open", rc);
        return false;
    }
    seal(store);
    next->state = SEGMENT_CURRENT;
    store->segments.current = next;
    return true;
}

static void begin_batch(struct log_store *store)
{
    struct commit *commit = &store->commit;
    const struct segment *current = store->segments.current;

    list_init(&commit->batch);
    commit->offset = current->end;
    commit->generation = current->generation;
    commit->handle = current->handle;
    commit->size = 0;
    commit->count = 0;
    for (uint32_t i = 0; i < store->resume_count; i++)
        add_resume(store, &store->resume[i]);
}

/* A failure that was none of a commit: a record that says nothing shows whether writing works. If
 * need be, in the next segment. */
static void add_probe(struct log_store *store)
{
    static const struct resume_record nothing;

    if (tail(store) < RECORD_HEADER_SIZE * 2) {
        if (!go_on(store))
            return;
        begin_batch(store);
    }
    add_resume(store, &nothing);
}

static void submit_batch(struct log_store *store)
{
    struct commit *commit = &store->commit;

    commit->number = ++store->batch;
    commit->busy = true;
    log_submit(store, &commit->job);
}

/* Is there anything to write, and may we? */
static bool wants_to_commit(struct log_store *store)
{
    struct commit *commit = &store->commit;
    const struct link *first = list_first(&store->staged);

    if (commit->busy)
        return false;
    if (store->failing) {
        bool is_due = store->now.mono_ms >= store->retry_at && !store->closing;
        if (!is_due)
            commit_fail_staged(store, -EIO);
        return is_due;
    }
    bool is_ready = first != NULL && container_of(first, struct staged, link)->ready;
    return is_ready || !list_is_empty(&store->compact.ready);
}

/* What compaction has to say stands in front. False: there is something to write, but it needs the
 * next segment, and there is none yet. */
static bool fill_batch(struct log_store *store)
{
    struct commit *commit = &store->commit;

    for (;;) {
        begin_batch(store);
        bool moves_wait = compact_gather(store, tail(store));
        bool others_wait = gather(store);
        if (commit->count > 0 || (!moves_wait && !others_wait))
            return true;
        if (!others_wait && !compact_may_go_on(store))
            return false;
        if (!go_on(store))
            return false;
    }
}

static void try_to_commit(struct log_store *store)
{
    struct commit *commit = &store->commit;

    if (store->segments.current == NULL && !go_on(store))
        return;
    if (store->failing)
        compact_stop(store); /* it can wait */
    if (!fill_batch(store))
        return;
    if (commit->count == 0 && store->failing)
        add_probe(store);
    if (commit->count > 0)
        submit_batch(store);
}

void commit_turn(struct log_store *store)
{
    if (!wants_to_commit(store))
        return;
    try_to_commit(store);
    bool is_tried = store->commit.busy || store->prepare.busy;
    if (store->failing && !is_tried && store->retry_at <= store->now.mono_ms)
        store->retry_at = store->now.mono_ms + store->retry_ms; /* no room to try it in */
}

/* ---- afterwards ---- */

static void apply_staged_message(struct log_store *store, const struct staged *staged,
                                 struct str meta)
{
    struct cursor cursor = cursor_over(str_skip(meta, MESSAGE_META_RECEIVED));

    if (staged->flags & RECORD_BODY_FILE)
        store->body_bytes += staged->front_size + staged->upload->size;
    apply_message(store, staged->id, (int64_t)cursor_u64(&cursor), store->segments.current,
                  staged->offset,
                  message_head_size(staged->flags, staged->meta_size, staged->front_size));
}

static void apply_record(struct log_store *store, struct staged *staged)
{
    struct segment *current = store->segments.current;
    struct str meta = str_of(staged->head.ptr + RECORD_HEADER_SIZE, staged->meta_size);
    struct settle_record settle;
    struct resume_record resume;

    switch ((enum record_type)staged->type) {
    case RECORD_MESSAGE:
        apply_staged_message(store, staged, meta);
        break;
    case RECORD_SETTLE:
        check(settle_meta_decode(meta, &settle));
        segment_speaks_of(current, settle.segment);
        apply_settle(store, &settle);
        break;
    case RECORD_RESUME:
        check(resume_meta_decode(meta, &resume));
        segment_speaks_of(current, resume.segment);
        break;
    case RECORD_STATE:
    case RECORD_MOVED:
        compact_record_written(store, staged);
        break;
    }
}

static void remove_left_bodies(struct log_store *store)
{
    struct buf *names = &store->left_bodies;

    for (size_t at = 0; at < names->len; at += strlen(names->ptr + at) + 1)
        log_remove_file(store, names->ptr + at);
    buf_fini(names);
}

static void succeed(struct log_store *store)
{
    struct commit *commit = &store->commit;
    struct segment *current = store->segments.current;

    if (store->failing)
        log_info("store_recovered", LOG_INT("segment", current->number));
    store->failing = false;
    store->retry_ms = RETRY_MS_FIRST;
    store->resume_count = 0;
    unsure_free(store);
    remove_left_bodies(store);
    current->end = commit->offset + commit->size;
    list_each (link, &commit->batch)
        apply_record(store, container_of(link, struct staged, link));
}

void log_trouble(struct log_store *store, const char *what, int error)
{
    log_error("store_failed", LOG_TEXT("at", what), LOG_TEXT("error", strerror(-error)));
    if (error == -ENOSPC || error == -EDQUOT) {
        store->no_room_until = store->now.mono_ms + NO_ROOM_MS;
        return;
    }
    if (store->retry_ms == 0)
        store->retry_ms = RETRY_MS_FIRST;
    store->retry_at = store->now.mono_ms + store->retry_ms;
    store->retry_ms = store->retry_ms * 2 < RETRY_MS_MAX ? store->retry_ms * 2 : RETRY_MS_MAX;
    store->failing = true;
}

/* What was acknowledged in the segment stays; it is never written again. */
static void abandon(struct log_store *store, int error)
{
    struct segment *current = store->segments.current;

    current->is_abandoned = true;
    log_error("segment_abandoned", LOG_INT("segment", current->number),
              LOG_INT("offset", current->end));
    store->resume = memory_resize(store->resume, (store->resume_count + 1) * sizeof *store->resume);
    store->resume[store->resume_count++] =
        (struct resume_record){ .segment = current->number, .offset = current->end };
    seal(store);
    log_trouble(store, "commit", error);
}

static void take_back(struct log_store *store)
{
    list_each (link, &store->commit.batch) {
        struct staged *staged = container_of(link, struct staged, link);
        if (staged->type == RECORD_MESSAGE)
            forget_staged_message(store, staged->id);
    }
}

static void answer_batch(struct log_store *store, struct link *batch, int error)
{
    list_each_safe (link, batch) {
        struct staged *staged = container_of(link, struct staged, link);
        store_done *done = staged->done;
        void *context = staged->context;
        list_remove(link);
        staged_free(store, staged);
        if (done != NULL)
            done(context, error);
    }
}

static void commit_done(struct worker_job *job)
{
    struct commit *commit = container_of(job, struct commit, job);
    struct log_store *store = commit->store;
    struct link batch;

    store->jobs--;
    commit->busy = false;
    if (commit->error == 0) {
        succeed(store);
    } else {
        take_back(store);
        compact_stop(store);
        abandon(store, commit->error);
    }
    /* The next batch can be written while the answers go out. */
    batch = commit->batch;
    if (list_is_empty(&commit->batch)) {
        list_init(&batch);
    } else {
        batch.next->prev = &batch;
        batch.prev->next = &batch;
    }
    int error = commit->error == -ENOSPC || commit->error == 0 ? commit->error : -EIO;
    list_init(&commit->batch);
    commit_turn(store);
    answer_batch(store, &batch, error);
    compact_turn(store);
}

void commit_init(struct log_store *store)
{
    store->commit = (struct commit){ .store = store, .disk = store->disk };
    store->commit.job.run = commit_run;
    store->commit.job.done = commit_done;
    list_init(&store->commit.batch);
}

int64_t commit_deadline(const struct log_store *store)
{
    if (store->commit.busy)
        return NEVER_MS;
    if (store->failing)
        return store->prepare.busy ? NEVER_MS : store->retry_at;
    const struct link *first = list_first(&store->staged);
    bool is_ready = first != NULL && container_of(first, struct staged, link)->ready;
    return is_ready && !store->prepare.busy ? store->now.mono_ms : NEVER_MS;
}
