/* SPDX-License-Identifier: ISC */
/* prepare.c: segments before and after their use.
 *
 *     IDLE --> CREATE --> FILL (slice by slice) --> NAME --> IDLE     a new one
 *     IDLE --> REUSE ---> FILL (what is missing) -> NAME --> IDLE     a dead one again
 *     IDLE --> REMOVE --> IDLE                                        one too many
 *
 * Each arrow is one short job, so that commits get their turn in between. A file
 * is called NNNNNNNN.new until its header is durable. Writing zeros ahead keeps block
 * allocation and file sizes out of every later sync.
 *
 * A dead segment gets its new name first, and only when that name is durable a new
 * header: so no file under an old name ever has lost its old content. If it cannot
 * be known whether the old name is gone, the segment stays in the table as DEAD, so
 * that settlements for its messages are kept.
 *
 * While files are pinned (pin.c) no segment is used again.
 *
 * When a commit waits for a spare, filling is cut short (hurry).
 */
#include <errno.h>

#include "base/check.h"
#include "base/memory.h"
#include "base/random.h"
#include "store/log/log_private.h"

static const struct disk_driver *driver_of(const struct prepare *prepare)
{
    return prepare->disk->driver;
}

/* ---- the job's steps ---- */

static int step_create(struct prepare *prepare)
{
    char name[FILE_NAME_SIZE];
    segment_file_name(name, prepare->number, SEGMENT_NEW);
    int handle = driver_of(prepare)->open(prepare->disk, name, DISK_WRITE | DISK_CREATE);
    if (handle < 0)
        return handle;
    prepare->handle = handle;
    prepare->filled = 0;
    return 0;
}

static int step_fill(struct prepare *prepare)
{
    uint64_t left = prepare->size - prepare->filled;
    uint64_t size = left < FILL_SLICE ? left : FILL_SLICE;

    int rc = driver_of(prepare)->zero(prepare->disk, prepare->handle, prepare->filled, size);
    if (rc < 0)
        return rc;
    prepare->filled += size;
    return driver_of(prepare)->sync(prepare->disk, prepare->handle);
}

static int write_header(struct prepare *prepare)
{
    struct buf bytes = { 0 };
    struct segment_header header = { prepare->number, prepare->generation };

    segment_header_encode(&bytes, &header);
    struct iovec part = { bytes.ptr, bytes.len };
    int rc = driver_of(prepare)->write(prepare->disk, prepare->handle, &part, 1, 0);
    buf_fini(&bytes);
    return rc < 0 ? rc : driver_of(prepare)->sync(prepare->disk, prepare->handle);
}

static int step_name(struct prepare *prepare)
{
    char from[FILE_NAME_SIZE];
    char to[FILE_NAME_SIZE];

    int rc = write_header(prepare);
    if (rc < 0)
        return rc;
    segment_file_name(from, prepare->number, SEGMENT_NEW);
    segment_file_name(to, prepare->number, SEGMENT_FILE);
    rc = driver_of(prepare)->rename(prepare->disk, from, to);
    if (rc < 0)
        return rc;
    rc = driver_of(prepare)->sync_names(prepare->disk);
    if (rc < 0)
        return rc;
    driver_of(prepare)->close(prepare->disk, prepare->handle);
    prepare->handle = -1;
    return 0;
}

static void remove_index(struct prepare *prepare)
{
    char name[FILE_NAME_SIZE];
    segment_file_name(name, prepare->dead_number, SEGMENT_INDEX);
    (void)driver_of(prepare)->remove(prepare->disk, name); /* there may be none */
}

static int step_reuse(struct prepare *prepare)
{
    char from[FILE_NAME_SIZE];
    char to[FILE_NAME_SIZE];

    segment_file_name(from, prepare->dead_number, SEGMENT_FILE);
    segment_file_name(to, prepare->number, SEGMENT_NEW);
    int rc = driver_of(prepare)->rename(prepare->disk, from, to);
    if (rc < 0)
        return rc;
    remove_index(prepare);
    rc = driver_of(prepare)->sync_names(prepare->disk);
    if (rc < 0)
        return rc;
    int handle = driver_of(prepare)->open(prepare->disk, to, DISK_WRITE);
    if (handle < 0)
        return handle;
    prepare->handle = handle;
    int64_t size = driver_of(prepare)->size(prepare->disk, handle);
    prepare->filled = size > 0 ? (uint64_t)size : 0;
    return 0;
}

static int step_remove(struct prepare *prepare)
{
    char name[FILE_NAME_SIZE];

    segment_file_name(name, prepare->dead_number, SEGMENT_FILE);
    int rc = driver_of(prepare)->remove(prepare->disk, name);
    if (rc < 0 && rc != -ENOENT) /* an earlier try may have come so far */
        return rc;
    remove_index(prepare);
    return driver_of(prepare)->sync_names(prepare->disk);
}

/* Whatever the file is called by now, nothing speaks of it. */
static void clean_up(struct prepare *prepare)
{
    char name[FILE_NAME_SIZE];

    if (prepare->handle >= 0)
        driver_of(prepare)->close(prepare->disk, prepare->handle);
    prepare->handle = -1;
    if (prepare->step == PREPARE_REMOVE)
        return;
    segment_file_name(name, prepare->number, SEGMENT_NEW);
    (void)driver_of(prepare)->remove(prepare->disk, name);
    segment_file_name(name, prepare->number, SEGMENT_FILE);
    (void)driver_of(prepare)->remove(prepare->disk, name);
}

static void prepare_run(struct worker_job *job)
{
    static int (*const step[])(struct prepare *) = {
        [PREPARE_CREATE] = step_create, [PREPARE_FILL] = step_fill,     [PREPARE_NAME] = step_name,
        [PREPARE_REUSE] = step_reuse,   [PREPARE_REMOVE] = step_remove,
    };
    struct prepare *prepare = container_of(job, struct prepare, job);

    prepare->error = step[prepare->step](prepare);
    if (prepare->error < 0)
        clean_up(prepare);
}

/* ---- the owner's side ---- */

static void forget_dead(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;
    if (prepare->dead != NULL)
        segment_drop(store, prepare->dead);
    prepare->dead = NULL;
}

static enum prepare_step after_fill(const struct prepare *prepare)
{
    return prepare->filled < prepare->size && !prepare->hurry ? PREPARE_FILL : PREPARE_NAME;
}

static enum prepare_step next_step(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;

    switch (prepare->step) {
    case PREPARE_REUSE:
        forget_dead(store);
        return after_fill(prepare);
    case PREPARE_CREATE:
    case PREPARE_FILL:
        return after_fill(prepare);
    case PREPARE_NAME:
        (void)segment_add(&store->segments, prepare->number, prepare->generation);
        prepare->hurry = false;
        return PREPARE_IDLE;
    case PREPARE_REMOVE:
        forget_dead(store);
        return PREPARE_IDLE;
    case PREPARE_IDLE:
        break;
    }
    return PREPARE_IDLE;
}

static void give_up(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;

    prepare->has_left = prepare->has_left || prepare->dead != NULL;
    prepare->dead = NULL; /* stays DEAD in the table, and is tried again later */
    prepare->step = PREPARE_IDLE;
    prepare->retry_at = store->now.mono_ms + NO_ROOM_MS;
    log_trouble(store, "segment", prepare->error);
    if (prepare->hurry)
        commit_fail_staged(store, prepare->error == -ENOSPC ? -ENOSPC : -EIO);
    prepare->hurry = false;
}

static void prepare_done(struct worker_job *job)
{
    struct prepare *prepare = container_of(job, struct prepare, job);
    struct log_store *store = prepare->store;

    store->jobs--;
    prepare->busy = false;
    if (prepare->error < 0) {
        give_up(store);
        return;
    }
    prepare->step = next_step(store);
    if (prepare->step == PREPARE_IDLE)
        commit_turn(store);
    prepare_turn(store);
}

static void submit(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;

    prepare->store = store;
    prepare->disk = store->disk;
    prepare->job.run = prepare_run;
    prepare->job.done = prepare_done;
    prepare->size = store->settings.segment_size;
    prepare->busy = true;
    log_submit_upkeep(store, &prepare->job);
}

static struct segment *find_forgettable(struct log_store *store)
{
    for (uint32_t i = 0; store->sweep && i < store->segments.count; i++)
        if (segment_is_forgettable(&store->segments, store->segments.item[i]))
            return store->segments.item[i];
    store->sweep = false;
    return NULL;
}

static void begin(struct log_store *store, enum prepare_step step, struct segment *dead)
{
    struct prepare *prepare = &store->prepare;
    struct random random;

    random_from_kernel(&random);
    prepare->step = step;
    prepare->handle = -1;
    prepare->dead = dead;
    prepare->dead_number = dead != NULL ? dead->number : 0;
    prepare->generation = random_u64(&random) | 1; /* never what zeros would say */
    if (step != PREPARE_REMOVE)
        prepare->number = store->segments.number_next++;
    if (dead != NULL)
        dead->state = SEGMENT_DEAD;
    submit(store);
}

bool prepare_can_grow(const struct log_store *store)
{
    return store->now.mono_ms >= store->no_room_until &&
           store->disk_free >= store->settings.free_bytes_min + store->settings.segment_size;
}

/* One that could be neither used again nor removed. */
static struct segment *find_left(struct log_store *store)
{
    for (uint32_t i = 0; store->prepare.has_left && i < store->segments.count; i++)
        if (store->segments.item[i]->state == SEGMENT_DEAD)
            return store->segments.item[i];
    store->prepare.has_left = false;
    return NULL;
}

static void begin_something(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;
    uint32_t spares = segment_spares(&store->segments);
    bool is_pinned = store->pin.until_ms != 0;
    struct segment *dead = is_pinned ? NULL : find_forgettable(store);
    struct segment *left = is_pinned || prepare->hurry ? NULL : find_left(store);

    if (dead != NULL) {
        begin(store, spares < SPARES_MAX ? PREPARE_REUSE : PREPARE_REMOVE, dead);
    } else if (left != NULL) {
        begin(store, PREPARE_REMOVE, left);
    } else if ((prepare->hurry || spares < SPARES_WANTED) && prepare_can_grow(store)) {
        begin(store, PREPARE_CREATE, NULL);
    } else if (prepare->hurry) {
        prepare->hurry = false;
        if (spares == 0)
            commit_fail_staged(store, -ENOSPC);
    }
}

void prepare_turn(struct log_store *store)
{
    struct prepare *prepare = &store->prepare;

    if (prepare->busy || (store->closing && !prepare->hurry))
        return;
    if (prepare->step != PREPARE_IDLE)
        submit(store);
    else if (prepare->hurry || store->now.mono_ms >= prepare->retry_at)
        begin_something(store);
}

void prepare_hurry(struct log_store *store)
{
    store->prepare.hurry = true;
    prepare_turn(store);
}
