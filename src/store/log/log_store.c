/* SPDX-License-Identifier: ISC */
/* log_store.c: the segment log as a driver of store.h. See log_private.h for its parts. */
#include "store/log/log_store.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/log_private.h"

/* ---- answers that wait for the turn ---- */

struct answer {
    struct pending pending;
    store_done *done;
    void *context;
    int error;
};

void log_queue(struct log_store *store, struct pending *pending)
{
    list_append(&store->pending, &pending->link);
}

static void give_answer(struct log_store *store, struct pending *pending)
{
    struct answer answer = *container_of(pending, struct answer, pending);

    (void)store;
    memory_free(container_of(pending, struct answer, pending));
    answer.done(answer.context, answer.error);
}

void log_answer_later(struct log_store *store, store_done *done, void *context, int error)
{
    struct answer *answer = memory_new(sizeof *answer);

    *answer = (struct answer){ .done = done, .context = context, .error = error };
    answer->pending.run = give_answer;
    log_queue(store, &answer->pending);
}

/* What is queued meanwhile waits for the next turn. */
static void run_pending(struct log_store *store)
{
    struct link now;

    for (struct link *link; (link = list_first(&store->waiting)) != NULL;) {
        list_remove(link);
        list_append(&store->pending, link);
    }
    if (list_is_empty(&store->pending))
        return;
    now = store->pending;
    now.next->prev = &now;
    now.prev->next = &now;
    list_init(&store->pending);
    for (struct link *link; (link = list_first(&now)) != NULL;) {
        struct pending *pending = container_of(link, struct pending, link);
        list_remove(link);
        pending->run(store, pending);
    }
}

/* ---- jobs ---- */

void log_submit(struct log_store *store, struct worker_job *job)
{
    store->jobs++;
    worker_submit(store->worker, job);
}

void log_submit_upkeep(struct log_store *store, struct worker_job *job)
{
    store->jobs++;
    worker_submit(store->settings.upkeep, job);
}

struct removal {
    struct worker_job job;
    struct log_store *store;
    struct disk *disk;
    char name[FILE_NAME_SIZE];
};

static void removal_run(struct worker_job *job)
{
    struct removal *removal = container_of(job, struct removal, job);
    (void)removal->disk->driver->remove(removal->disk, removal->name);
}

static void removal_done(struct worker_job *job)
{
    struct removal *removal = container_of(job, struct removal, job);
    removal->store->jobs--;
    memory_free(removal);
}

void log_remove_file(struct log_store *store, const char *name)
{
    struct removal *removal = memory_new(sizeof *removal);

    removal->job.run = removal_run;
    removal->job.done = removal_done;
    removal->store = store;
    removal->disk = store->disk;
    memcpy(removal->name, name, strlen(name) + 1);
    log_submit(store, &removal->job);
}

static void wait_for_jobs(struct log_store *store)
{
    struct worker *upkeep = store->settings.upkeep;

    while (store->jobs > 0) {
        struct pollfd poll_for[] = {
            { .fd = worker_descriptor(store->worker), .events = POLLIN },
            { .fd = worker_descriptor(upkeep), .events = POLLIN },
        };
        if (poll_for[0].fd >= 0)
            (void)poll(poll_for, 2, -1);
        (void)worker_collect(store->worker);
        if (upkeep != store->worker)
            (void)worker_collect(upkeep);
    }
}

/* ---- the whole ---- */

static uint64_t memory(const struct store *base)
{
    return log_of(base)->memory;
}

static void add_totals(const struct log_store *store, const struct index_domain *domain,
                       struct store_totals *totals)
{
    uint32_t oldest = fifo_first(&domain->fifo[ENTRY_HELD - 1]);

    totals->held_count += domain->entries[ENTRY_HELD - 1];
    totals->held_bytes += domain->bytes[ENTRY_HELD - 1];
    totals->rescued_count += domain->entries[ENTRY_RESCUED - 1];
    totals->rescued_bytes += domain->bytes[ENTRY_RESCUED - 1];
    if (oldest == 0)
        return;
    int64_t since_ms = index_entry(&store->index, oldest)->since_ms;
    if (totals->oldest_held_ms == 0 || since_ms < totals->oldest_held_ms)
        totals->oldest_held_ms = since_ms;
}

static void totals(const struct store *base, struct str name, struct store_totals *out_totals)
{
    const struct log_store *store = log_of(base);
    struct store_totals sum = { 0 };

    if (name.len > 0) {
        const struct index_domain *domain = index_find_domain(&store->index, name);
        if (domain != NULL)
            add_totals(store, domain, &sum);
    } else {
        for (uint32_t i = 0; i < store->index.domain_count; i++)
            add_totals(store, store->index.domain[i], &sum);
    }
    *out_totals = sum;
}

static bool next_domain(const struct store *base, size_t *cursor, struct str *out_domain)
{
    const struct index *index = &log_of(base)->index;

    while (*cursor < index->domain_count) {
        const struct index_domain *domain = index->domain[(*cursor)++];
        if (domain->entries[0] + domain->entries[1] == 0)
            continue;
        *out_domain = domain->name;
        return true;
    }
    return false;
}

static uint64_t free_bytes(const struct log_store *store)
{
    const struct segment *current = store->segments.current;
    uint64_t size = store->settings.segment_size;
    uint32_t spares = segment_spares(&store->segments);
    uint64_t room = current != NULL && current->end < size ? size - current->end : 0;

    if (spares > 1)
        room += (spares - 1) * size; /* the last one is the reserve */
    if (store->disk_free > store->settings.free_bytes_min)
        room += store->disk_free - store->settings.free_bytes_min;
    return room;
}

static void health(const struct store *base, struct store_health *out_health)
{
    const struct log_store *store = log_of(base);
    uint32_t used = store->segments.count - segment_spares(&store->segments);
    struct store_health now = {
        .condition = STORE_OK,
        .verdict = verdict_accept(),
        .free_bytes = free_bytes(store),
        .used_bytes = used * store->settings.segment_size + store->body_bytes,
    };

    if (store->failing) {
        now.condition = STORE_FAILING;
        now.verdict = verdict_make(451, 3, 0, STR("Mail storage is not available, try later"));
    } else if (commit_is_full(store)) {
        now.condition = STORE_FULL;
        now.verdict = verdict_make(452, 3, 1, STR("Mail storage is full, try later"));
        now.free_bytes = 0;
    }
    *out_health = now;
}

static void lease(struct store *base, struct str domain, store_done *granted,
                  store_lease_lost *lost, void *context)
{
    struct log_store *store = log_of(base);

    (void)domain;
    (void)lost; /* one node, and it is this one */
    log_answer_later(store, granted, context, store->closing ? -ECANCELED : 0);
}

static void lease_return(struct store *base, struct str domain)
{
    (void)base;
    (void)domain;
}

/* ---- the turn ---- */

static void look_at_space(struct log_store *store)
{
    if (store->now.mono_ms < store->space_at)
        return;
    store->disk_free = store->disk->driver->free_bytes(store->disk);
    store->space_at = store->now.mono_ms + SPACE_MS;
}

static void turn(struct store *base, struct now now)
{
    struct log_store *store = log_of(base);

    store->now = now;
    look_at_space(store);
    recent_turn(&store->recent, now.mono_ms);
    pin_turn(store);
    run_pending(store);
    commit_turn(store);
    prepare_turn(store);
    checkpoint_turn(store);
    compact_turn(store);
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t prepare_deadline(const struct log_store *store)
{
    bool wants_spare = segment_spares(&store->segments) < SPARES_WANTED;

    bool may_sweep = (store->sweep || store->prepare.has_left) && store->pin.until_ms == 0;

    if (store->prepare.busy || (!wants_spare && !may_sweep))
        return NEVER_MS;
    int64_t at =
        store->prepare.retry_at > store->now.mono_ms ? store->prepare.retry_at : store->now.mono_ms;
    return may_sweep || prepare_can_grow(store) ? at : store->space_at;
}

static int64_t deadline(const struct store *base)
{
    const struct log_store *store = log_of(base);
    int64_t at = commit_deadline(store);

    if (!list_is_empty(&store->pending) || store->checkpoint.step == CHECKPOINT_GATHER)
        at = store->now.mono_ms;
    at = earlier(at, compact_deadline(store));
    if (store->pin.until_ms != 0)
        at = earlier(at, store->pin.until_ms);
    return earlier(at, prepare_deadline(store));
}

/* ---- beginning and end ---- */

static void close_uploads(struct log_store *store)
{
    list_each_safe (link, &store->uploads)
        upload_free(store, container_of(link, struct log_upload, link));
}

/* Until everything that was asked for is answered. */
static void finish_commits(struct log_store *store)
{
    while (!list_is_empty(&store->staged) || store->jobs > 0) {
        commit_turn(store);
        prepare_turn(store);
        if (store->jobs == 0)
            commit_fail_staged(store, -ECANCELED);
        wait_for_jobs(store);
    }
}

static void log_free(struct log_store *store)
{
    checkpoint_fini(&store->checkpoint);
    compact_fini(store);
    if (store->prepare.step != PREPARE_IDLE && store->prepare.handle >= 0)
        store->disk->driver->close(store->disk, store->prepare.handle);
    segments_fini(store);
    index_fini(&store->index);
    recent_fini(&store->recent);
    memory_free(store->commit.part);
    memory_free(store->resume);
    unsure_free(store);
    buf_fini(&store->left_bodies);
    buf_fini(&store->pin.bodies);
    memory_free(store);
}

static void close_store(struct store *base)
{
    struct log_store *store = log_of(base);

    store->closing = true;
    compact_stop(store);
    pin_end(base);
    close_uploads(store);
    finish_commits(store);
    while (!list_is_empty(&store->pending) || !list_is_empty(&store->waiting))
        run_pending(store);
    wait_for_jobs(store);
    readers_fini(store);
    checkpoint_final(store);
    check(store->memory == 0);
    log_free(store);
}

static const struct store_driver log_driver = {
    .name = "log",
    .upload_open = upload_open,
    .upload_write = upload_write,
    .upload_size = upload_size,
    .upload_read = upload_read,
    .upload_spill = upload_spill,
    .upload_restart = upload_restart,
    .upload_abort = upload_abort,
    .memory = memory,
    .append = upload_append,
    .settle = settle_ask_for,
    .list = list_query,
    .open = reader_open,
    .read = reader_read,
    .reader_close = reader_close,
    .ask = ask_about,
    .totals = totals,
    .next_domain = next_domain,
    .health = health,
    .pin = pin_begin,
    .pin_on = pin_go_on,
    .unpin = pin_end,
    .lease = lease,
    .lease_return = lease_return,
    .turn = turn,
    .deadline = deadline,
    .close = close_store,
};

int log_store_open(const struct log_store_settings *settings, struct disk *disk,
                   struct worker *worker, struct now now, struct store **out_store)
{
    struct log_store *store = memory_new(sizeof *store);

    check(settings->segment_size % 4096 == 0 && settings->segment_size >= 4 * SEGMENT_HEADER_SIZE);
    store->store.driver = &log_driver;
    store->settings = *settings;
    store->disk = disk;
    store->worker = worker;
    if (store->settings.upkeep == NULL)
        store->settings.upkeep = worker;
    store->now = now;
    store->prepare.handle = -1;
    store->recent.since_ms = now.mono_ms;
    list_init(&store->staged);
    list_init(&store->uploads);
    list_init(&store->readers);
    list_init(&store->pending);
    list_init(&store->waiting);
    list_init(&store->compact.ready);
    store->compact.look_at = now.mono_ms + settings->quiet_ms;
    commit_init(store);
    index_init(&store->index);
    look_at_space(store);
    int rc = recover(store);
    if (rc < 0) {
        wait_for_jobs(store);
        log_free(store);
        return rc;
    }
    *out_store = &store->store;
    return 0;
}
