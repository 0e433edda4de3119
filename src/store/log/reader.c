/* SPDX-License-Identifier: ISC */
/* reader.c: opening and reading a message.
 *
 * What the page cache has is read at once, anything else by a job of the worker.
 * A small message is read whole with its record when it is opened, and its content
 * checked; a drain costs one read a message. Larger content is read piece by piece
 * and summed as long as the pieces follow each other from the start: then the last
 * one is given only if the checksum is right.
 *
 * An open reader holds on to its segment (it is not reused) and to the handle of a
 * large body (the file may lose its name meanwhile).
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/log_private.h"

enum { WHOLE_MAX = 64 << 10, HEAD_GUESS = 1024, META_MAX = 8 << 20 };

struct log_reader {
    struct store_reader base;
    struct link link;
    struct pending pending;
    struct worker_job job;
    struct log_store *store;
    bool closed;
    bool opening;
    struct message_id id;
    struct buf domain;
    store_opened *opened;
    store_read_done *read_done; /* of the read under way, or NULL */
    void *context;
    struct segment *segment;
    bool in_body_file;
    bool damaged; /* logged already */
    struct stored_message message;
    struct arena arena;
    struct str front;    /* of the content; in the record */
    struct str whole;    /* the content, if all of it is in the record */
    uint64_t content_at; /* where what follows the front lies in its file */
    uint32_t sum;
    uint64_t summed; /* octets behind the front that are in the sum */
    uint64_t read_offset;
    /* The job's while it runs. */
    bool busy;
    struct disk *disk;
    int handle;
    uint64_t offset; /* of the record, then of what is read */
    uint64_t generation;
    uint64_t guess;
    struct record_header header;
    struct buf record;
    struct buf piece;
    size_t piece_size;
    int error;
};

/* ---- bytes ---- */

/* Adds to *bytes. 0, -EAGAIN or an error; less than was asked for at the end of the file. */
static int read_bytes(struct disk *disk, int handle, uint64_t offset, size_t size, bool cached,
                      struct buf *bytes)
{
    size_t done = 0;

    buf_reserve(bytes, size);
    while (done < size) {
        char *to = bytes->ptr + bytes->len;
        size_t left = size - done;
        uint64_t at = offset + done;
        ssize_t got = cached ? disk->driver->read_cached(disk, handle, to, left, at)
                             : disk->driver->read(disk, handle, to, left, at);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return 0;
        bytes->len += (size_t)got;
        done += (size_t)got;
    }
    return 0;
}

int record_fetch(struct disk *disk, int handle, uint64_t offset, uint64_t generation, bool cached,
                 uint64_t size_guess, struct buf *bytes, struct record_header *out_header)
{
    struct record_header header;

    for (;;) {
        buf_reset(bytes);
        int rc = read_bytes(disk, handle, offset, (size_t)size_guess, cached, bytes);
        if (rc < 0)
            return rc;
        if (!record_header_peek(buf_str(bytes), generation, &header) || header.meta_size > META_MAX)
            return -EIO;
        uint64_t need = (uint64_t)RECORD_HEADER_SIZE + header.meta_size;
        if (bytes->len >= need)
            break;
        if (size_guess >= need)
            return -EIO;
        size_guess = need;
    }
    return record_header_decode(buf_str(bytes), generation, out_header) ? 0 : -EIO;
}

/* ---- coming and going ---- */

static void reader_free(struct log_reader *reader)
{
    struct log_store *store = reader->store;

    list_remove(&reader->link);
    list_remove(&reader->pending.link);
    if (reader->segment != NULL && --reader->segment->readers == 0)
        store->sweep = true;
    if (reader->in_body_file && reader->handle >= 0)
        reader->disk->driver->close(reader->disk, reader->handle);
    buf_fini(&reader->domain);
    buf_fini(&reader->record);
    buf_fini(&reader->piece);
    arena_fini(&reader->arena);
    memory_free(reader);
}

void reader_close(struct store_reader *base)
{
    struct log_reader *reader = (struct log_reader *)base;
    reader->closed = true;
    if (!reader->busy)
        reader_free(reader);
}

void readers_fini(struct log_store *store)
{
    list_each_safe (link, &store->readers)
        reader_close(&container_of(link, struct log_reader, link)->base);
}

static void log_damage(struct log_reader *reader, const char *what)
{
    if (!reader->damaged)
        log_error("message_damaged", LOG_ID(reader->id), LOG_TEXT("part", what),
                  LOG_INT("segment", reader->segment != NULL ? reader->segment->number : 0),
                  LOG_INT("offset", reader->offset));
    reader->damaged = true;
}

/* ---- opening ---- */

static void note_states(struct log_reader *reader, uint32_t number, enum recipient_state *state)
{
    const struct index *index = &reader->store->index;
    const struct index_entry *entry = index_entry(index, number);
    struct str domain = index->domain[entry->domain]->name;
    struct verdict reason;

    for (uint32_t i = 0; i < reader->message.envelope.recipient_count; i++)
        if (index_owns(index, number, i))
            state[i] = index_state(index, number, i);
    bool is_named = str_equals(domain, buf_str(&reader->domain));
    bool is_asked_for = reader->domain.len == 0 || is_named;
    if (is_named)
        reader->message.since_ms = entry->since_ms;
    if (is_asked_for && index_reason(index, entry, &reason))
        reader->message.reason = reason;
}

/* The states as they are now. False: nothing is left of the message. */
static bool take_states(struct log_reader *reader)
{
    struct log_store *store = reader->store;
    uint32_t recipients = reader->message.envelope.recipient_count;
    enum recipient_state *state = arena_new(&reader->arena, recipients * sizeof *state);
    uint32_t number = index_find(&store->index, reader->id, 0);

    if (number == 0)
        return false;
    for (uint32_t i = 0; i < recipients; i++)
        state[i] = RECIPIENT_GONE;
    for (; number != 0; number = index_find(&store->index, reader->id, number))
        note_states(reader, number, state);
    for (uint32_t i = 0; i < recipients; i++)
        if (state[i] != RECIPIENT_RESCUED)
            reader->message.envelope.recipient[i].is_held_back = false;
    reader->message.recipient_state = state;
    return true;
}

static int open_body(struct log_reader *reader)
{
    char name[FILE_NAME_SIZE];

    body_file_name(name, reader->id);
    reader->in_body_file = true;
    reader->handle = reader->disk->driver->open(reader->disk, name, DISK_READ);
    if (reader->handle < 0)
        log_damage(reader, "body_file");
    return 0; /* the envelope can be read all the same */
}

static int take_record(struct log_reader *reader)
{
    struct str bytes = buf_str(&reader->record);
    size_t head = RECORD_HEADER_SIZE + (size_t)reader->header.meta_size;
    struct str meta = str_skip(str_first(bytes, head), RECORD_HEADER_SIZE);
    struct message_parts parts;
    struct message_meta message;

    if (!message_parts_decode(&reader->header, meta, &parts) ||
        !message_meta_decode(parts.message, &reader->arena, &message) ||
        !message_id_equals(message.envelope.id, reader->id))
        return -EIO;
    reader->message.envelope = message.envelope;
    reader->message.size = message.size;
    reader->front = message.front;
    reader->content_at = reader->offset + head;
    if (reader->header.flags & RECORD_BODY_FILE) {
        reader->content_at = 0;
        return open_body(reader);
    }
    if (message.size - message.front.len != reader->header.content_size)
        return -EIO;
    struct str behind = str_first(str_skip(bytes, head), reader->header.content_size);
    if (behind.len < reader->header.content_size)
        return 0;
    /* The front is the last part of the meta: the content lies in one piece. */
    reader->whole = str_first(str_skip(bytes, head - message.front.len), (size_t)message.size);
    if (crc32c(0, behind) != reader->header.content_check)
        log_damage(reader, "content");
    return 0;
}

static void opened(struct log_reader *reader)
{
    int error = reader->error;

    reader->opening = false;
    if (reader->closed) {
        reader_free(reader);
        return;
    }
    if (error == 0)
        error = take_record(reader);
    if (error == -EIO)
        log_damage(reader, "record");
    if (error == 0 && !take_states(reader))
        error = -ENOENT;
    if (error == 0) {
        reader->opened(reader->context, 0, &reader->base, &reader->message);
        return;
    }
    store_opened *done = reader->opened;
    void *context = reader->context;
    reader_free(reader);
    done(context, error, NULL, NULL);
}

static void opened_pending(struct log_store *store, struct pending *pending)
{
    (void)store;
    opened(container_of(pending, struct log_reader, pending));
}

static void open_run(struct worker_job *job)
{
    struct log_reader *reader = container_of(job, struct log_reader, job);
    reader->error = record_fetch(reader->disk, reader->handle, reader->offset, reader->generation,
                                 false, reader->guess, &reader->record, &reader->header);
}

static void open_done(struct worker_job *job)
{
    struct log_reader *reader = container_of(job, struct log_reader, job);
    reader->store->jobs--;
    reader->busy = false;
    opened(reader);
}

static int fetch(struct log_reader *reader, const struct index_entry *entry)
{
    struct log_store *store = reader->store;
    bool is_small = !(entry->flags & INDEX_BODY_FILE) && entry->size <= WHOLE_MAX;

    reader->segment = segment_find(&store->segments, entry->segment);
    if (reader->segment == NULL)
        return -EIO;
    reader->segment->readers++;
    int rc = segment_open(store, reader->segment);
    if (rc < 0)
        return rc;
    reader->handle = reader->segment->handle;
    reader->generation = reader->segment->generation;
    reader->offset = (uint64_t)entry->place * RECORD_ALIGN;
    reader->guess = HEAD_GUESS + (is_small ? entry->size : 0);
    return record_fetch(reader->disk, reader->handle, reader->offset, reader->generation, true,
                        reader->guess, &reader->record, &reader->header);
}

void reader_open(struct store *base, struct message_id id, struct str domain, store_opened *done,
                 void *context)
{
    struct log_store *store = log_of(base);
    struct log_reader *reader = memory_new(sizeof *reader);
    uint32_t number = index_find(&store->index, id, 0);

    reader->base.store = base;
    reader->store = store;
    reader->disk = store->disk;
    reader->handle = -1;
    reader->id = id;
    reader->opened = done;
    reader->context = context;
    reader->opening = true;
    reader->pending.run = opened_pending;
    buf_add(&reader->domain, domain);
    list_append(&store->readers, &reader->link);
    if (store->closing)
        reader->error = -ECANCELED;
    else if (number == 0 || index_entry(&store->index, number)->state == 0)
        reader->error = -ENOENT;
    else
        reader->error = fetch(reader, index_entry(&store->index, number));
    if (reader->error != -EAGAIN) {
        log_queue(store, &reader->pending);
        return;
    }
    reader->job.run = open_run;
    reader->job.done = open_done;
    reader->busy = true;
    log_submit(store, &reader->job);
}

/* ---- reading ---- */

/* How much of the piece that is asked for lies in the front. */
static size_t part_in_front(const struct log_reader *reader)
{
    if (reader->read_offset >= reader->front.len)
        return 0;
    size_t left = reader->front.len - (size_t)reader->read_offset;
    return left < reader->piece_size ? left : reader->piece_size;
}

/* Where the rest of it begins, counted from the end of the front. */
static uint64_t offset_behind(const struct log_reader *reader)
{
    return reader->read_offset + part_in_front(reader) - reader->front.len;
}

static int verify(struct log_reader *reader, struct str piece)
{
    struct str behind = str_skip(piece, part_in_front(reader));

    if (reader->damaged)
        return -EIO;
    if (reader->read_offset + piece.len > reader->message.size)
        return -EIO;
    if (reader->whole.ptr != NULL || behind.len == 0 || offset_behind(reader) != reader->summed)
        return 0;
    reader->sum = crc32c(reader->sum, behind);
    reader->summed += behind.len;
    if (reader->summed < reader->message.size - reader->front.len ||
        reader->sum == reader->header.content_check)
        return 0;
    log_damage(reader, "content");
    return -EIO;
}

static void read_finished(struct log_reader *reader)
{
    store_read_done *done = reader->read_done;
    struct str piece =
        reader->whole.ptr != NULL
            ? str_first(str_skip(reader->whole, (size_t)reader->read_offset), reader->piece_size)
            : buf_str(&reader->piece);

    reader->read_done = NULL;
    if (reader->closed) {
        reader_free(reader);
        return;
    }
    int error = reader->error;
    if (error == 0 && piece.len < reader->piece_size)
        error = -EIO; /* the file is shorter than the record says */
    if (error == 0)
        error = verify(reader, piece);
    done(reader->context, error, error == 0 ? piece : STR_NONE);
}

static void read_pending(struct log_store *store, struct pending *pending)
{
    (void)store;
    read_finished(container_of(pending, struct log_reader, pending));
}

/* The front is there; the rest comes from the file. */
static int read_piece(struct log_reader *reader, bool cached)
{
    size_t in_front = part_in_front(reader);
    size_t behind = reader->piece_size - in_front;

    buf_reset(&reader->piece);
    buf_add(&reader->piece,
            str_first(str_skip(reader->front, (size_t)reader->read_offset), in_front));
    if (behind == 0)
        return 0;
    if (reader->handle < 0)
        return -EIO;
    return read_bytes(reader->disk, reader->handle, reader->content_at + offset_behind(reader),
                      behind, cached, &reader->piece);
}

static void read_run(struct worker_job *job)
{
    struct log_reader *reader = container_of(job, struct log_reader, job);
    reader->error = read_piece(reader, false);
}

static void read_done(struct worker_job *job)
{
    struct log_reader *reader = container_of(job, struct log_reader, job);
    reader->store->jobs--;
    reader->busy = false;
    read_finished(reader);
}

void reader_read(struct store_reader *base, uint64_t offset, size_t size, store_read_done *done,
                 void *context)
{
    struct log_reader *reader = (struct log_reader *)base;
    uint64_t left = offset < reader->message.size ? reader->message.size - offset : 0;

    check(reader->read_done == NULL && !reader->opening);
    reader->read_done = done;
    reader->context = context;
    reader->read_offset = offset;
    reader->piece_size = size < left ? size : (size_t)left;
    reader->pending.run = read_pending;
    reader->error = 0;
    buf_reset(&reader->piece);
    if (reader->whole.ptr == NULL && reader->piece_size > 0)
        reader->error = read_piece(reader, true);
    if (reader->error != -EAGAIN) {
        log_queue(reader->store, &reader->pending);
        return;
    }
    reader->job.run = read_run;
    reader->job.done = read_done;
    reader->busy = true;
    log_submit(reader->store, &reader->job);
}
