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
    struct link link;
    struct store_reader *inner;
    struct stored_message message;
    bool lacks_key;
    struct seal seal;
    uint64_t front; /* octets of the parts, as they were before */
    uint64_t body;
    store_read_done *done;
    void *context;
    uint64_t offset; /* what was asked for */
    size_t size;
    struct buf plain;
};

static void reader_free(struct sealed_reader *reader)
{
    list_remove(&reader->link);
    if (reader->plain.ptr != NULL)
        sodium_memzero(reader->plain.ptr, reader->plain.cap);
    buf_fini(&reader->plain);
    seal_wipe(&reader->seal);
    memory_free(reader);
}

/* ---- opening ---- */

struct opening {
    struct sealed_store *store;
    store_opened *opened;
    void *context;
};

static bool is_known_missing(const struct sealed_store *store, struct str id)
{
    struct str known = buf_str(&store->missing);
    struct str one = STR_NONE;

    while (str_cut(&known, ' ', &one))
        if (str_equals(one, id))
            return true;
    return false;
}

/* Said once for each key: a domain may have thousands of messages that want it. */
static void complain(struct sealed_store *store, struct message_id id, const struct seal_mark *mark)
{
    char text[2 * SEAL_KEY_ID_SIZE + 1];

    (void)sodium_bin2hex(text, sizeof text, mark->key_id, sizeof mark->key_id);
    if (is_known_missing(store, str_from(text)) ||
        store->missing.len >= SEAL_KEYS_MAX * sizeof text)
        return;
    if (store->missing.len > 0)
        buf_add_byte(&store->missing, ' ');
    buf_add(&store->missing, str_from(text));
    log_error("key_missing", LOG_ID(id), LOG_TEXT("key", text),
              LOG_TEXT("hint",
                       "add the key to the file that encryption { keys } names, and reload; "
                       "the mail waits until it is there"));
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

/* Without the key all but the content can be had: whose it is, and what is to become of it. */
static struct sealed_reader *reader_new(struct sealed_store *store, struct store_reader *inner,
                                        const struct stored_message *message)
{
    struct sealed_reader *reader = memory_new(sizeof *reader);
    const struct seal_mark *mark = &message->envelope.seal;

    reader->base.store = &store->base;
    list_append(&store->readers, &reader->link);
    reader->inner = inner;
    reader->message = *message;
    reader->message.envelope.seal = (struct seal_mark){ 0 };
    reader->lacks_key = !seal_begin(&reader->seal, &store->keys, message->envelope.id, mark);
    if (reader->lacks_key)
        complain(store, message->envelope.id, mark);
    return reader;
}

/* What is not sealed is read below, by whoever asked. */
static void on_opened(void *context, int error, struct store_reader *inner,
                      const struct stored_message *message)
{
    struct opening opening = *(struct opening *)context;

    memory_free(context);
    if (error != 0 || !message->envelope.seal.is_sealed) {
        opening.opened(opening.context, error, inner, message);
        return;
    }
    struct sealed_reader *reader = reader_new(opening.store, inner, message);
    error = measure(reader, message->size, &message->envelope.seal);
    if (error == 0) {
        opening.opened(opening.context, 0, &reader->base, &reader->message);
        return;
    }
    store_reader_close(inner);
    reader_free(reader);
    opening.opened(opening.context, error, NULL, NULL);
}

void sealed_open(struct store *base, struct message_id id, struct str domain, store_opened *opened,
                 void *context)
{
    struct sealed_store *store = (struct sealed_store *)base;
    struct opening *opening = memory_new(sizeof *opening);

    *opening = (struct opening){ store, opened, context };
    store_open(store->inner, id, domain, on_opened, opening);
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

    if (error == 0 && reader->lacks_key)
        error = -ENOKEY;
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

    reader->done = done;
    reader->context = context;
    reader->offset = offset;
    reader->size = size < left ? size : (size_t)left;
    buf_reset(&reader->plain);
    /* The answer comes from below, as others do. */
    if (reader->size == 0 || reader->lacks_key) {
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

/* The store below has freed its own. */
void sealed_readers_fini(struct sealed_store *store)
{
    list_each_safe (link, &store->readers)
        reader_free(container_of(link, struct sealed_reader, link));
}
