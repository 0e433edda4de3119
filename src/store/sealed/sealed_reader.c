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
    bool has_pieces; /* are to be opened for it: */
    uint64_t first;  /* by number, those of the front and of the body in one row */
    uint64_t last;
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

struct piece {
    struct seal_place place;
    uint64_t begins; /* in the content as it was before */
    uint64_t stored; /* where it begins below */
    size_t size;     /* as it was before */
};

static uint64_t number_of_piece(const struct sealed_reader *reader, uint64_t offset)
{
    if (offset < reader->front)
        return offset / SEAL_PIECE;
    return seal_pieces(reader->front) + (offset - reader->front) / SEAL_PIECE;
}

static struct piece piece_numbered(const struct sealed_reader *reader, uint64_t number)
{
    uint64_t front_pieces = seal_pieces(reader->front);
    bool is_front = number < front_pieces;
    uint64_t part_size = is_front ? reader->front : reader->body;
    uint64_t piece = is_front ? number : number - front_pieces;
    uint64_t left = part_size - piece * SEAL_PIECE;

    return (struct piece){
        .place = { is_front ? SEAL_FRONT : SEAL_BODY, piece, left <= SEAL_PIECE },
        .begins = (is_front ? 0 : reader->front) + piece * SEAL_PIECE,
        .stored =
            (is_front ? 0 : seal_size(reader->front)) + piece * (SEAL_PIECE + (uint64_t)SEAL_TAG),
        .size = left < SEAL_PIECE ? (size_t)left : SEAL_PIECE,
    };
}

/* An empty part is opened with the octet beside it: that nothing was there must be shown, too. */
static void choose_pieces(struct sealed_reader *reader)
{
    uint64_t end = reader->offset + reader->size;

    reader->first = reader->size == 0 ? 0 : number_of_piece(reader, reader->offset);
    reader->last = reader->size == 0 ? 0 : number_of_piece(reader, end - 1);
    if (reader->front == 0 && reader->offset == 0)
        reader->first = 0;
    if (reader->body == 0 && end == reader->front)
        reader->last = seal_pieces(reader->front);
}

/* `sealed` begins with the first of the chosen pieces. */
static int open_pieces(struct sealed_reader *reader, struct str sealed, struct str *out_plain)
{
    struct piece first = piece_numbered(reader, reader->first);

    for (uint64_t number = reader->first; number <= reader->last; number++) {
        struct piece piece = piece_numbered(reader, number);
        struct str bytes = str_first(str_skip(sealed, (size_t)(piece.stored - first.stored)),
                                     piece.size + SEAL_TAG);
        if (bytes.len < piece.size + SEAL_TAG ||
            !seal_open_piece(&reader->seal, piece.place, bytes, &reader->plain))
            return -EIO;
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
    if (error == 0 && reader->has_pieces) {
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
    reader->offset = left > 0 ? offset : reader->message.size;
    reader->size = size < left ? size : (size_t)left;
    reader->has_pieces = !reader->lacks_key && (reader->size > 0 || reader->message.size == 0);
    buf_reset(&reader->plain);
    /* The answer comes from below, as others do. */
    if (!reader->has_pieces) {
        store_read(reader->inner, 0, 0, on_read, reader);
        return;
    }
    choose_pieces(reader);
    struct piece first = piece_numbered(reader, reader->first);
    struct piece last = piece_numbered(reader, reader->last);
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
