/* SPDX-License-Identifier: ISC */
/* upload.c: content that arrives.
 *
 * It is copied once, into a chain of chunks, and summed on the way; the chunks
 * are what the commit writes. The last chunk has room for the padding of the
 * record.
 *
 * Content above large_body_size goes to the file ID.body in pieces, each written
 * and synced by a job of the worker, so that little is left to do when the end
 * comes. The append then waits in its place among the staged records until the
 * last piece and the file's name are durable; records behind it wait too, because
 * what is asked first must be durable first.
 *
 * What was uploaded can be read until it is appended, and begun anew: filters look at content, and
 * may put other content in its place. It lies, from its start on, in the file, in the chunks that
 * are being written there, and in those that follow.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/memory.h"
#include "store/log/log_private.h"

static struct log_upload *upload_of(const struct store_upload *base)
{
    return (struct log_upload *)(uintptr_t)base;
}

static struct log_store *store_of(const struct log_upload *upload)
{
    return log_of(upload->base.store);
}

void chunks_free(struct log_store *store, struct chunk *chunk)
{
    while (chunk != NULL) {
        struct chunk *next = chunk->next;
        store->memory -= chunk->cap;
        memory_free(chunk);
        chunk = next;
    }
}

struct store_upload *upload_open(struct store *base, struct message_id id)
{
    struct log_store *store = log_of(base);
    struct log_upload *upload = memory_new(sizeof *upload);

    upload->base.store = base;
    upload->id = id;
    upload->body.handle = -1;
    upload->body.disk = store->disk;
    list_append(&store->uploads, &upload->link);
    return &upload->base;
}

uint64_t upload_size(const struct store_upload *base)
{
    return upload_of(base)->size;
}

/* A chunk that is larger from the second on; what is kept free at the end is for padding. */
static void add_chunk(struct log_store *store, struct log_upload *upload)
{
    uint32_t cap = upload->last == NULL ? CHUNK_FIRST : CHUNK_NEXT;
    struct chunk *chunk = memory_resize(NULL, sizeof *chunk + cap);

    *chunk = (struct chunk){ .cap = cap };
    store->memory += cap;
    if (upload->last == NULL)
        upload->first = chunk;
    else
        upload->last->next = chunk;
    upload->last = chunk;
}

static void add_bytes(struct log_store *store, struct log_upload *upload, struct str bytes)
{
    while (bytes.len > 0) {
        if (upload->last == NULL || upload->last->used == upload->last->cap - RECORD_ALIGN)
            add_chunk(store, upload);
        struct chunk *chunk = upload->last;
        size_t len = chunk->cap - RECORD_ALIGN - chunk->used;
        len = len < bytes.len ? len : bytes.len;
        memcpy(chunk->bytes + chunk->used, bytes.ptr, len);
        chunk->used += (uint32_t)len;
        bytes = str_skip(bytes, len);
    }
}

/* ---- content in a file of its own ---- */

static int write_chunks(struct upload_body *body)
{
    for (struct chunk *chunk = body->chunk; chunk != NULL; chunk = chunk->next) {
        struct iovec part = { chunk->bytes, chunk->used };
        int rc = body->disk->driver->write(body->disk, body->handle, &part, 1, body->offset);
        if (rc < 0)
            return rc;
        body->offset += chunk->used;
    }
    return body->chunk != NULL ? body->disk->driver->sync(body->disk, body->handle) : 0;
}

/* Nobody else has the old one, which no record names. */
static int remove_old(struct upload_body *body)
{
    body->anew = false;
    body->offset = 0;
    if (body->handle < 0)
        return 0;
    body->disk->driver->close(body->disk, body->handle);
    body->handle = -1;
    return body->disk->driver->remove(body->disk, body->name);
}

static int write_piece(struct upload_body *body)
{
    int removed = body->anew ? remove_old(body) : 0;

    if (removed < 0)
        return removed;
    if (body->handle < 0) {
        int handle = body->disk->driver->open(body->disk, body->name, DISK_WRITE | DISK_CREATE);
        if (handle < 0)
            return handle;
        body->handle = handle;
        body->created = true;
    }
    int rc = write_chunks(body);
    if (rc < 0 || !body->last)
        return rc;
    return body->disk->driver->sync_names(body->disk);
}

static void body_run(struct worker_job *job)
{
    struct upload_body *body = container_of(job, struct upload_body, job);
    int rc = body->error < 0 ? body->error : write_piece(body);

    body->error = rc;
    if (body->handle >= 0 && body->last) {
        body->disk->driver->close(body->disk, body->handle);
        body->handle = -1;
    }
}

static void body_next(struct log_store *store, struct log_upload *upload);

static void body_done(struct worker_job *job)
{
    struct upload_body *body = container_of(job, struct upload_body, job);
    struct log_upload *upload = container_of(body, struct log_upload, body);
    struct log_store *store = store_of(upload);

    store->jobs--;
    body->busy = false;
    body->filed = body->offset;
    chunks_free(store, body->chunk);
    body->chunk = NULL;
    if (body->aborted) {
        upload_free(store, upload);
        return;
    }
    body->finished = body->last;
    body_next(store, upload);
}

static void body_submit(struct log_store *store, struct log_upload *upload, bool last)
{
    struct upload_body *body = &upload->body;

    body->chunk = upload->first;
    body->anew = body->restarts;
    if (body->restarts)
        body->filed = 0;
    body->restarts = false;
    upload->first = upload->last = NULL;
    upload->in_memory = 0;
    body->last = last;
    body->busy = true;
    log_submit(store, &body->job);
}

static void body_next(struct log_store *store, struct log_upload *upload)
{
    struct upload_body *body = &upload->body;

    if (body->busy)
        return;
    if (body->finished) {
        upload->staged.error = body->error;
        upload->staged.ready = true;
        if (body->error < 0)
            log_trouble(store, "body", body->error);
        commit_turn(store);
        return;
    }
    if (body->finishing)
        body_submit(store, upload, true);
    else if (upload->in_memory >= (body->is_eager ? 1 : BODY_PIECE))
        body_submit(store, upload, false);
}

static void spill(struct log_store *store, struct log_upload *upload)
{
    struct upload_body *body = &upload->body;

    if (!body->spilled) {
        body->spilled = true;
        body->job.run = body_run;
        body->job.done = body_done;
        body_file_name(body->name, upload->id);
    }
    if (!body->busy && store->disk_free < store->settings.free_bytes_min + upload->in_memory)
        body->error = body->error < 0 ? body->error : -ENOSPC;
    body_next(store, upload);
}

/* ---- */

/* Larger content than a record should have. */
static bool is_large(const struct log_store *store, uint64_t size)
{
    return size > store->settings.large_body_size || size > store->settings.segment_size / 2;
}

void upload_write(struct store_upload *base, struct str bytes)
{
    struct log_upload *upload = upload_of(base);
    struct log_store *store = store_of(upload);

    upload->size += bytes.len;
    upload->in_memory += bytes.len;
    upload->check = crc32c(upload->check, bytes);
    add_bytes(store, upload, bytes);
    if (is_large(store, upload->size) || upload->body.is_eager)
        spill(store, upload);
}

void upload_spill(struct store_upload *base)
{
    struct log_upload *upload = upload_of(base);

    upload->body.is_eager = true;
    if (upload->size > 0)
        spill(store_of(upload), upload);
}

/* ---- looking at it, and beginning anew ---- */

/* From the chain, whose first octet is at *at; moves both on. */
static void read_chunks(const struct chunk *chunk, uint64_t *at, uint64_t *offset, size_t *size,
                        struct buf *out)
{
    for (; chunk != NULL; chunk = chunk->next) {
        if (*size > 0 && *offset < *at + chunk->used) {
            struct str bytes = str_skip(str_of(chunk->bytes, chunk->used), (size_t)(*offset - *at));
            bytes = str_first(bytes, *size);
            buf_add(out, bytes);
            *offset += bytes.len;
            *size -= bytes.len;
        }
        *at += chunk->used;
    }
}

static int read_file(const struct upload_body *body, uint64_t *offset, size_t *size,
                     struct buf *out)
{
    while (*size > 0 && *offset < body->filed) {
        uint64_t left = body->filed - *offset;
        size_t most = left < *size ? (size_t)left : *size;
        buf_reserve(out, most);
        ssize_t got =
            body->disk->driver->read(body->disk, body->handle, out->ptr + out->len, most, *offset);
        if (got <= 0)
            return -EIO;
        out->len += (size_t)got;
        *offset += (uint64_t)got;
        *size -= (size_t)got;
    }
    return 0;
}

/* What a job under way changes (the handle, when it fails) is not looked at meanwhile. */
int upload_read(struct store_upload *base, uint64_t offset, size_t size, struct buf *out)
{
    const struct log_upload *upload = upload_of(base);
    const struct upload_body *body = &upload->body;
    uint64_t at = 0;

    if (body->spilled && !body->restarts) {
        if (!body->busy && body->error < 0)
            return -EIO;
        int error = read_file(body, &offset, &size, out);
        if (error < 0)
            return error;
        at = body->filed;
        if (body->busy)
            read_chunks(body->chunk, &at, &offset, &size, out);
    }
    read_chunks(upload->first, &at, &offset, &size, out);
    return 0;
}

void upload_restart(struct store_upload *base)
{
    struct log_upload *upload = upload_of(base);

    chunks_free(store_of(upload), upload->first);
    upload->first = upload->last = NULL;
    upload->in_memory = 0;
    upload->size = 0;
    upload->check = 0;
    upload->body.restarts = upload->body.spilled;
}

void upload_free(struct log_store *store, struct log_upload *upload)
{
    struct upload_body *body = &upload->body;

    list_remove(&upload->link);
    if (body->busy) { /* body_done() comes back */
        body->aborted = true;
        return;
    }
    if (body->handle >= 0)
        store->disk->driver->close(store->disk, body->handle);
    /* Nothing names the file unless the message is in the index; or the record of a failed batch
     * does, which comes back if we end before the end of its segment is on record. */
    bool is_orphan = body->created && index_find(&store->index, upload->id, 0) == 0;
    if (is_orphan && store->resume_count > 0)
        buf_add_bytes(&store->left_bodies, body->name, strlen(body->name) + 1);
    else if (is_orphan)
        log_remove_file(store, body->name);
    chunks_free(store, upload->first);
    chunks_free(store, upload->staged.chunk);
    store->memory -= upload->staged.head.cap;
    buf_fini(&upload->staged.head);
    memory_free(upload);
}

void upload_abort(struct store_upload *base)
{
    struct log_upload *upload = upload_of(base);
    upload_free(store_of(upload), upload);
}

/* Why this message cannot be taken; 0 if it can. */
static int refusal(const struct log_store *store, const struct log_upload *upload, uint64_t head)
{
    if (store->closing)
        return -ECANCELED;
    if (store->failing)
        return -EIO;
    if (!upload->body.busy && upload->body.error < 0)
        return upload->body.error;
    if (index_find(&store->index, upload->id, 0) != 0 || recent_has(&store->recent, upload->id))
        return -EEXIST;
    if (upload->size > UINT32_MAX - head || head > store->settings.segment_size / 4)
        return -EFBIG;
    return commit_is_full(store) ? -ENOSPC : 0;
}

static void stage_message(struct log_store *store, struct log_upload *upload)
{
    struct staged *staged = &upload->staged;

    staged->type = RECORD_MESSAGE;
    staged->id = upload->id;
    staged->upload = upload;
    staged->content_check = upload->check;
    if (upload->body.spilled) {
        staged->flags = RECORD_BODY_FILE;
        upload->body.finishing = true;
        commit_stage(store, staged);
        body_next(store, upload);
        return;
    }
    staged->chunk = upload->first;
    staged->content_size = (uint32_t)upload->size;
    upload->first = upload->last = NULL;
    staged->ready = true;
    commit_stage(store, staged);
}

void upload_append(struct store *base, struct store_upload *base_upload,
                   const struct envelope *envelope, struct str front, store_done *done,
                   void *context)
{
    struct log_store *store = log_of(base);
    struct log_upload *upload = upload_of(base_upload);
    struct staged *staged = &upload->staged;
    struct message_meta meta = { .size = front.len + upload->size,
                                 .front = front,
                                 .envelope = *envelope };

    check(base_upload->store == base);
    check(message_id_equals(envelope->id, upload->id));
    list_remove(&upload->link);
    staged->done = done;
    staged->context = context;
    buf_reserve(&staged->head, 512 + front.len);
    staged->head.len = RECORD_HEADER_SIZE;
    message_meta_encode(&staged->head, &meta);
    staged->meta_size = (uint32_t)(staged->head.len - RECORD_HEADER_SIZE);
    buf_reserve(&staged->head, RECORD_ALIGN); /* padding must not move it */
    store->memory += staged->head.cap;

    staged->front_size = (uint32_t)front.len;
    int error = refusal(store, upload, staged->head.len);
    if (error < 0) {
        upload_free(store, upload);
        log_answer_later(store, done, context, error);
        return;
    }
    index_add_message(&store->index, envelope, meta.size,
                      upload->body.spilled ? INDEX_BODY_FILE : 0);
    stage_message(store, upload);
}
