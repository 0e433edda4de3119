/* SPDX-License-Identifier: ISC */
/* fuzz_sealed.c: what was sealed comes out as it went in, or not at all, whoever wrote to the disk
 * meanwhile, checksums and all.
 *
 * The input is a row of commands to who did: octets are changed and taken out, pieces are exchanged
 * with one another or with those of another message, the end is cut off, the mark in the envelope
 * is altered. The store below is one message in memory (struct shelf). Then the content is read,
 * here and there and as a whole. Right octets and errors are answers; other octets and other sizes
 * are not.
 */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "store/sealed/sealed_store.h"

enum { FRONT = 20000, BODY = 40000, WHOLE = FRONT + BODY };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the store below ---- */

struct shelf {
    struct store base;
    struct store_upload upload;
    struct store_reader reader;
    struct buf body;
    struct stored_message message;
    struct buf content;
};

static struct shelf *shelf_of(struct store *store)
{
    return (struct shelf *)store;
}

static struct store_upload *upload_open(struct store *store, struct message_id id)
{
    (void)id;
    shelf_of(store)->upload.store = store;
    buf_reset(&shelf_of(store)->body);
    return &shelf_of(store)->upload;
}

static void upload_write(struct store_upload *upload, struct str bytes)
{
    buf_add(&shelf_of(upload->store)->body, bytes);
}

static void append(struct store *store, struct store_upload *upload,
                   const struct envelope *envelope, struct str front, store_done *done,
                   void *context)
{
    struct shelf *shelf = shelf_of(store);

    (void)upload;
    buf_reset(&shelf->content);
    buf_add(&shelf->content, front);
    buf_add(&shelf->content, buf_str(&shelf->body));
    shelf->message.envelope = *envelope;
    done(context, 0);
}

static void open_message(struct store *store, struct message_id id, struct str domain,
                         store_opened *opened, void *context)
{
    struct shelf *shelf = shelf_of(store);

    (void)id;
    (void)domain;
    shelf->reader.store = store;
    shelf->message.size = shelf->content.len;
    opened(context, 0, &shelf->reader, &shelf->message);
}

static void read_some(struct store_reader *reader, uint64_t offset, size_t size,
                      store_read_done *done, void *context)
{
    struct str content = buf_str(&shelf_of(reader->store)->content);

    done(context, 0, str_first(str_skip(content, (size_t)offset), size));
}

static void reader_close(struct store_reader *reader)
{
    (void)reader;
}

static void close_store(struct store *store)
{
    (void)store;
}

static const struct store_driver shelf_driver = {
    .name = "shelf",
    .upload_open = upload_open,
    .upload_write = upload_write,
    .append = append,
    .open = open_message,
    .read = read_some,
    .reader_close = reader_close,
    .close = close_store,
};

/* ---- what is sealed ---- */

static bool always(void *context, const struct envelope *envelope)
{
    (void)context;
    (void)envelope;
    return true;
}

static void done(void *context, int error)
{
    (void)context;
    check(error == 0);
}

static void fill(struct buf *out, size_t size, unsigned seed)
{
    for (size_t i = 0; i < size; i++)
        buf_add_byte(out, (char)(i * 7 + i / 256 + seed));
}

/* The same id each time: what came with the first salt is the worst that can be put in. */
static void keep(struct store *store, unsigned seed, struct buf *out_plain)
{
    struct recipient recipient = { .address = STR("user@one.example") };
    struct envelope envelope = { .recipient = &recipient, .recipient_count = 1 };
    struct store_upload *upload = store_upload_open(store, envelope.id);

    buf_reset(out_plain);
    fill(out_plain, WHOLE, seed);
    store_upload_write(upload, str_skip(buf_str(out_plain), FRONT));
    store_append(store, upload, &envelope, str_first(buf_str(out_plain), FRONT), done, NULL);
}

/* ---- who writes to the disk ---- */

static size_t piece_at(size_t number)
{
    static const size_t front = FRONT + 2 * SEAL_TAG;
    static const size_t at[] = { 0, SEAL_PIECE + SEAL_TAG, front, front + SEAL_PIECE + SEAL_TAG,
                                 front + 2 * (SEAL_PIECE + SEAL_TAG) };
    return at[number % (sizeof at / sizeof *at)];
}

static size_t less(size_t a, size_t b)
{
    return a < b ? a : b;
}

static void copy(struct buf *to, struct str from, size_t at, size_t size)
{
    if (at < to->len && at < from.len)
        memcpy(to->ptr + at, from.ptr + at, less(size, less(to->len - at, from.len - at)));
}

static void exchange(struct buf *content, size_t a, size_t b, size_t size)
{
    for (size_t i = 0; i < size && a + i < content->len && b + i < content->len; i++) {
        char octet = content->ptr[a + i];
        content->ptr[a + i] = content->ptr[b + i];
        content->ptr[b + i] = octet;
    }
}

static void take_out(struct buf *content, size_t at, size_t size)
{
    if (at + size > content->len)
        return;
    content->len -= size;
    memmove(content->ptr + at, content->ptr + at + size, content->len - at);
}

static void change(struct shelf *shelf, struct str other, const uint8_t word[4])
{
    struct buf *content = &shelf->content;
    struct seal_mark *mark = &shelf->message.envelope.seal;
    size_t place = piece_at(word[1]);

    switch (word[0] % 8) {
    case 0:
        if (content->len > 0)
            content->ptr[(size_t)(word[1] << 8 | word[2]) % content->len] ^= (char)word[3];
        break;
    case 1:
        exchange(content, place, piece_at(word[2]), SEAL_PIECE + SEAL_TAG);
        break;
    case 2:
        copy(content, other, place, SEAL_PIECE + SEAL_TAG);
        break;
    case 3:
        content->len = (size_t)(word[1] << 8 | word[2]) % (content->len + 1);
        break;
    case 4:
        mark->front = (uint32_t)(word[1] << 16 | word[2] << 8 | word[3]);
        break;
    case 5:
        mark->salt[word[1] % SEAL_SALT_SIZE] ^= word[2];
        break;
    case 6:
        mark->key_id[word[1] % SEAL_KEY_ID_SIZE] ^= word[2];
        break;
    default:
        take_out(content, place, (size_t)(word[2] << 8 | word[3]));
        break;
    }
}

/* ---- who reads ---- */

struct look {
    struct str plain; /* as it was */
    uint64_t offset;
    size_t size;
    uint64_t message_size;
    struct store_reader *reader;
    bool is_whole; /* and all of it could be read */
};

static void on_read(void *context, int error, struct str bytes)
{
    struct look *look = context;
    uint64_t left = look->offset < look->message_size ? look->message_size - look->offset : 0;

    look->is_whole = look->is_whole && error == 0;
    if (error != 0)
        return;
    check(bytes.len == (look->size < left ? look->size : left));
    check(str_equals(bytes, str_first(str_skip(look->plain, (size_t)look->offset), bytes.len)));
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct look *look = context;

    if (error != 0)
        return;
    look->reader = reader;
    look->message_size = message->size;
    check(!message->envelope.seal.is_sealed);
}

static void look_at(struct look *look, uint64_t offset, size_t size)
{
    look->offset = offset;
    look->size = size;
    store_read(look->reader, offset, size, on_read, look);
}

static void read_all(struct store *store, struct str plain, const uint8_t word[4], bool is_as_was)
{
    static const struct message_id id;
    struct look look = { .plain = plain };

    store_open(store, id, STR_NONE, on_opened, &look);
    if (look.reader == NULL) {
        check(!is_as_was);
        return;
    }
    look_at(&look, (uint64_t)(word[0] << 8 | word[1]), (size_t)(word[2] << 8 | word[3]));
    look.is_whole = true;
    look_at(&look, 0, 2 * (size_t)WHOLE);
    check(!is_as_was || look.is_whole);
    check(!look.is_whole || look.message_size == WHOLE);
    store_reader_close(look.reader);
}

static void quiet(void *context, struct str line)
{
    (void)context;
    (void)line;
}

/* Once for all inputs: sealing takes longer than what is done to it. */
static struct {
    struct shelf shelf;
    struct store *store;
    struct buf plain;
    struct buf content; /* what was sealed, and its mark */
    struct seal_mark mark;
    struct buf other; /* the same message, sealed before with other content */
} made = { .shelf.base.driver = &shelf_driver };

static void make(void)
{
    static const struct sealed_host host = { always, NULL };
    struct seal_mark before;
    struct seal_keys keys;
    const char *why = NULL;

    log_set_sink(quiet, NULL);
    check(seal_keys_parse(STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"),
                          &keys, &why));
    made.store = sealed_store_new(&made.shelf.base, &host);
    sealed_store_use(made.store, &keys, false);
    keep(made.store, 1, &made.plain);
    buf_add(&made.other, buf_str(&made.shelf.content));
    before = made.shelf.message.envelope.seal;
    keep(made.store, 2, &made.plain);
    made.mark = made.shelf.message.envelope.seal;
    check(memcmp(before.salt, made.mark.salt, SEAL_SALT_SIZE) != 0);
    buf_add(&made.content, buf_str(&made.shelf.content));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (made.store == NULL)
        make();
    buf_reset(&made.shelf.content);
    buf_add(&made.shelf.content, buf_str(&made.content));
    made.shelf.message.envelope.seal = made.mark;
    if (size < 4)
        data = (const uint8_t *)"\0\0\0\0", size = 4;
    for (size_t at = 4; at + 4 <= size && at < 64; at += 4)
        change(&made.shelf, buf_str(&made.other), data + at);
    read_all(made.store, buf_str(&made.plain), data, size < 8);
    return 0;
}
