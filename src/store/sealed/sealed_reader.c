/* SPDX-License-Identifier: ISC */
/* sealed_reader.c: content on its way out.
 *
 * A read takes from below the pieces that hold what was asked for, front and body in one, and opens
 * them one by one.
 */
#include <errno.h>
#include <sodium.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/sealed/sealed_private.h"

struct sealed_reader {
    struct store_reader base;
    struct store_reader *inner;
    struct sealed_store *store;
    struct stored_message message;
    bool is_sealed;
    struct seal seal;
    uint64_t front; /* octets of the parts, as they were before */
    uint64_t body;
    store_opened *opened;
    store_read_done *done;
    void *context;
    uint64_t offset; /* what was asked for */
    size_t size;
    struct buf plain;
};

static void reader_free(struct sealed_reader *reader)
{
    if (reader->plain.ptr != NULL)
        sodium_memzero(reader->plain.ptr, reader->plain.cap);
    buf_fini(&reader->plain);
    seal_wipe(&reader->seal);
    memory_free(reader);
}

/* ---- opening ---- */

static void complain(const struct sealed_reader *reader, const struct seal_mark *mark)
{
    char id[2 * SEAL_KEY_ID_SIZE + 1];

    (void)sodium_bin2hex(id, sizeof id, mark->key_id, sizeof mark->key_id);
    log_error("key_missing", LOG_ID(reader->message.envelope.id), LOG_TEXT("key", id),
              LOG_TEXT("hint", "add the key to the file that encryption { keys } names; the mail "
                               "waits until it is there"));
}

static int measure(struct sealed_reader *reader, uint64_t stored_size, const struct seal_mark *mark)
{
    uint64_t front_sealed = seal_size(mark->front);

    reader->front = mark->front;
    if (stored_size < front_sealed || !seal_plain_size(stored_size - front_sealed, &reader->body))
        return -EIO;
    reader->message.size = reader->front + reader->body;
    return 0;
}

static int take_mark(struct sealed_reader *reader)
{
    struct seal_mark mark = reader->message.envelope.seal;

    reader->message.envelope.seal = (struct seal_mark){ 0 };
    reader->is_sealed = mark.is_sealed;
    if (!mark.is_sealed)
        return 0;
    if (seal_begin(&reader->seal, &reader->store->keys, reader->message.envelope.id, &mark))
        return measure(reader, reader->message.size, &mark);
    complain(reader, &mark);
    return -ENOKEY;
}

static void on_opened(void *context, int error, struct store_reader *inner,
                      const struct stored_message *message)
{
    struct sealed_reader *reader = context;
    store_opened *opened = reader->opened;
    void *whose = reader->context;

    if (error == 0) {
        reader->inner = inner;
        reader->message = *message;
        error = take_mark(reader);
        if (error != 0)
            store_reader_close(inner);
    }
    if (error == 0) {
        opened(whose, 0, &reader->base, &reader->message);
        return;
    }
    reader_free(reader);
    opened(whose, error, NULL, NULL);
}

void sealed_open(struct store *base, struct message_id id, struct str domain, store_opened *opened,
                 void *context)
{
    struct sealed_reader *reader = memory_new(sizeof *reader);

    reader->base.store = base;
    reader->store = (struct sealed_store *)base;
    reader->opened = opened;
    reader->context = context;
    store_open(reader->store->inner, id, domain, on_opened, reader);
}

/* ---- reading ---- */

struct piece { /* the one that holds an octet of the content */
    struct seal_place place;
    uint64_t begins; /* in the content as it was before */
    uint64_t stored; /* where it begins below */
    size_t size;     /* as it was before */
};

static struct piece piece_at(const struct sealed_reader *reader, uint64_t offset)
{
    bool is_front = offset < reader->front;
    uint64_t part_begins = is_front ? 0 : reader->front;
    uint64_t part_size = is_front ? reader->front : reader->body;
    uint64_t number = (offset - part_begins) / SEAL_PIECE;
    uint64_t left = part_size - number * SEAL_PIECE;

    return (struct piece){
        .place = { is_front ? SEAL_FRONT : SEAL_BODY, number, left <= SEAL_PIECE },
        .begins = part_begins + number * SEAL_PIECE,
        .stored =
            (is_front ? 0 : seal_size(reader->front)) + number * (SEAL_PIECE + (uint64_t)SEAL_TAG),
        .size = left < SEAL_PIECE ? (size_t)left : SEAL_PIECE,
    };
}

/* `sealed` begins with the piece that holds the first octet which was asked for. */
static int open_pieces(struct sealed_reader *reader, struct str sealed, struct str *out_plain)
{
    struct piece first = piece_at(reader, reader->offset);
    uint64_t at = first.begins;

    while (at < reader->offset + reader->size) {
        struct piece piece = piece_at(reader, at);
        struct str bytes = str_first(str_skip(sealed, (size_t)(piece.stored - first.stored)),
                                     piece.size + SEAL_TAG);
        if (bytes.len < piece.size + SEAL_TAG ||
            !seal_open_piece(&reader->seal, piece.place, bytes, &reader->plain))
            return -EIO;
        at = piece.begins + piece.size;
    }
    *out_plain = str_first(
        str_skip(buf_str(&reader->plain), (size_t)(reader->offset - first.begins)), reader->size);
    return 0;
}

static void on_read(void *context, int error, struct str sealed)
{
    struct sealed_reader *reader = context;
    store_read_done *done = reader->done;
    struct str plain = STR_NONE;

    if (error == 0 && reader->size > 0) {
        error = open_pieces(reader, sealed, &plain);
        if (error != 0)
            log_error("seal_broken", LOG_ID(reader->message.envelope.id),
                      LOG_INT("offset", reader->offset),
                      LOG_TEXT("hint", "the content on the disk is not what was written"));
    }
    done(reader->context, error, plain);
}

void sealed_read(struct store_reader *base, uint64_t offset, size_t size, store_read_done *done,
                 void *context)
{
    struct sealed_reader *reader = (struct sealed_reader *)base;
    uint64_t left = offset < reader->message.size ? reader->message.size - offset : 0;

    if (!reader->is_sealed) {
        store_read(reader->inner, offset, size, done, context);
        return;
    }
    reader->done = done;
    reader->context = context;
    reader->offset = offset;
    reader->size = size < left ? size : (size_t)left;
    buf_reset(&reader->plain);
    if (reader->size == 0) { /* the answer comes from below, as others do */
        store_read(reader->inner, 0, 0, on_read, reader);
        return;
    }
    struct piece first = piece_at(reader, offset);
    struct piece last = piece_at(reader, offset + reader->size - 1);
    store_read(reader->inner, first.stored,
               (size_t)(last.stored - first.stored) + last.size + SEAL_TAG, on_read, reader);
}

void sealed_reader_close(struct store_reader *base)
{
    struct sealed_reader *reader = (struct sealed_reader *)base;

    store_reader_close(reader->inner);
    reader_free(reader);
}
