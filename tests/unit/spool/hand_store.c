/* SPDX-License-Identifier: ISC */
/* hand_store.c: see hand_store.h. */
#include "spool/hand_store.h"

#include "testing.h"

#include <errno.h>
#include <string.h>

#include "base/memory.h"

static struct hand_store *of(struct store *store)
{
    return (struct hand_store *)store;
}

static struct hand_asked *add(struct store *store, enum hand_kind kind, void *context)
{
    struct hand_store *hand = of(store);

    assert_true(hand->asked_count < HAND_ASKED_MAX);
    struct hand_asked *asked = &hand->asked[hand->asked_count++];
    *asked = (struct hand_asked){ .kind = kind, .context = context };
    return asked;
}

static struct store_upload *upload_open(struct store *store, struct message_id id)
{
    struct hand_upload *upload = memory_new(sizeof *upload);

    (void)id;
    upload->base.store = store;
    of(store)->open_uploads++;
    return &upload->base;
}

static void upload_write(struct store_upload *upload, struct str bytes)
{
    ((struct hand_upload *)upload)->size += bytes.len;
}

static uint64_t upload_size(const struct store_upload *upload)
{
    return ((const struct hand_upload *)upload)->size;
}

static int upload_read(struct store_upload *upload, uint64_t offset, size_t size, struct buf *out)
{
    uint64_t written = ((const struct hand_upload *)upload)->size;

    for (; size > 0 && offset < written; size--, offset++)
        buf_add_byte(out, 'x');
    return of(upload->store)->is_unreadable ? -EIO : 0;
}

static void upload_spill(struct store_upload *upload)
{
    ((struct hand_upload *)upload)->is_spilled = true;
    of(upload->store)->spilled++;
}

static void upload_restart(struct store_upload *upload)
{
    ((struct hand_upload *)upload)->size = 0;
}

static void upload_abort(struct store_upload *upload)
{
    of(upload->store)->open_uploads--;
    memory_free(upload);
}

static uint64_t memory_used(const struct store *store)
{
    return ((const struct hand_store *)store)->memory;
}

static void append(struct store *store, struct store_upload *upload,
                   const struct envelope *envelope, struct str front, store_done *done,
                   void *context)
{
    struct hand_asked *asked = add(store, HAND_APPEND, context);
    (void)front;
    asked->id = envelope->id;
    asked->count = envelope->recipient_count;
    asked->done = done;
    upload_abort(upload);
}

static void settle(struct store *store, const struct settlement *settlement, store_done *done,
                   void *context)
{
    struct hand_asked *asked = add(store, HAND_SETTLE, context);

    assert_true(settlement->count <= 8);
    asked->id = settlement->id;
    asked->outcome = settlement->outcome;
    asked->count = settlement->count;
    asked->reason = settlement->reason;
    for (uint32_t i = 0; i < settlement->count; i++)
        asked->recipient[i] = settlement->recipient[i];
    asked->done = done;
}

static void open_message(struct store *store, struct message_id id, struct str domain,
                         store_opened *opened, void *context)
{
    struct hand_asked *asked = add(store, HAND_OPEN, context);
    asked->id = id;
    asked->domain = domain;
    asked->opened = opened;
}

static void read_content(struct store_reader *reader, uint64_t offset, size_t size,
                         store_read_done *done, void *context)
{
    struct hand_asked *asked = add(reader->store, HAND_READ, context);
    asked->offset = offset;
    asked->size = size;
    asked->read_done = done;
}

static void reader_close(struct store_reader *reader)
{
    of(reader->store)->open_readers--;
    memory_free(reader);
}

static void ask(struct store *store, struct message_id id, store_done *done, void *context)
{
    struct hand_asked *asked = add(store, HAND_ASK, context);
    asked->id = id;
    asked->done = done;
}

static const struct store_driver driver = {
    .name = "hand",
    .upload_open = upload_open,
    .upload_write = upload_write,
    .upload_size = upload_size,
    .upload_read = upload_read,
    .upload_spill = upload_spill,
    .upload_restart = upload_restart,
    .upload_abort = upload_abort,
    .memory = memory_used,
    .append = append,
    .settle = settle,
    .open = open_message,
    .read = read_content,
    .reader_close = reader_close,
    .ask = ask,
};

void hand_store_init(struct hand_store *store)
{
    *store = (struct hand_store){ .base = { .driver = &driver } };
}

struct hand_asked hand_store_take(struct hand_store *store, enum hand_kind kind)
{
    assert_true(store->asked_count > 0);
    struct hand_asked asked = store->asked[0];
    assert_int_equal(asked.kind, kind);
    store->asked_count--;
    memmove(store->asked, store->asked + 1, store->asked_count * sizeof store->asked[0]);
    return asked;
}

struct store_reader *hand_store_reader(struct hand_store *store)
{
    struct store_reader *reader = memory_new(sizeof *reader);
    reader->store = &store->base;
    store->open_readers++;
    return reader;
}
