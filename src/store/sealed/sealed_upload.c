/* SPDX-License-Identifier: ISC */
/* sealed_upload.c: content on its way in.
 *
 * Full pieces go below sealed. The one that is not full, or may yet be the last, is held back
 * (`rest`): only the end tells which piece is the last one.
 */
#include <errno.h>
#include <sodium.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/sealed/sealed_private.h"

enum { UNSEAL_MAX = 1 << 20 };

static struct sealed_store *store_of(const struct sealed_upload *upload)
{
    return (struct sealed_store *)upload->base.store;
}

static void draw(struct sealed_upload *upload)
{
    const struct seal_keys *keys = &store_of(upload)->keys;

    upload->mark = (struct seal_mark){ 0 };
    if (keys->count == 0) /* they are configured no more */
        return;
    seal_mark_draw(&upload->mark, keys);
    check(seal_begin(&upload->seal, keys, upload->id, &upload->mark));
}

static void forget(struct buf *plain)
{
    if (plain->ptr != NULL)
        sodium_memzero(plain->ptr, plain->cap);
    buf_fini(plain);
}

static void drop_rest(struct sealed_upload *upload)
{
    store_of(upload)->memory -= upload->rest.len;
    if (upload->rest.ptr != NULL)
        sodium_memzero(upload->rest.ptr, upload->rest.cap);
    buf_reset(&upload->rest);
}

/* Without a key what comes is given the upload of the store below, and has nothing to do with us
 * any more until it ends. */
struct store_upload *sealed_upload_open(struct store *store, struct message_id id)
{
    struct sealed_store *ours = (struct sealed_store *)store;

    if (ours->keys.count == 0)
        return store_upload_open(ours->inner, id);
    struct sealed_upload *upload = memory_new(sizeof *upload);
    upload->base.store = store;
    upload->id = id;
    list_append(&ours->uploads, &upload->link);
    upload->inner = store_upload_open(ours->inner, id);
    draw(upload);
    return &upload->base;
}

static void pass_piece(struct sealed_upload *upload, bool is_last)
{
    buf_reset(&upload->room);
    seal_piece(&upload->seal, (struct seal_place){ SEAL_BODY, upload->pieces++, is_last },
               buf_str(&upload->rest), &upload->room);
    drop_rest(upload);
    store_upload_write(upload->inner, buf_str(&upload->room));
}

void sealed_upload_write(struct store_upload *base, struct str bytes)
{
    struct sealed_upload *upload = (struct sealed_upload *)base;

    if (!upload->mark.is_sealed) {
        store_upload_write(upload->inner, bytes);
        return;
    }
    while (bytes.len > 0) {
        if (upload->rest.len == SEAL_PIECE)
            pass_piece(upload, false);
        struct str some = str_first(bytes, SEAL_PIECE - upload->rest.len);
        buf_add(&upload->rest, some);
        store_of(upload)->memory += some.len;
        bytes = str_skip(bytes, some.len);
    }
}

uint64_t sealed_upload_size(const struct store_upload *base)
{
    const struct sealed_upload *upload = (const struct sealed_upload *)base;

    if (!upload->mark.is_sealed)
        return store_upload_size(upload->inner);
    return upload->pieces * SEAL_PIECE + upload->rest.len;
}

/* A piece that went below, opened again. */
static int fetch_piece(struct sealed_upload *upload, uint64_t piece, struct buf *out)
{
    struct buf sealed = { 0 };
    int error = store_upload_read(upload->inner, piece * (SEAL_PIECE + SEAL_TAG),
                                  SEAL_PIECE + SEAL_TAG, &sealed);

    if (error == 0 &&
        !seal_open_piece(&upload->seal, (struct seal_place){ SEAL_BODY, piece, false },
                         buf_str(&sealed), out))
        error = -EIO;
    buf_fini(&sealed);
    return error;
}

int sealed_upload_read(struct store_upload *base, uint64_t offset, size_t size, struct buf *out)
{
    struct sealed_upload *upload = (struct sealed_upload *)base;
    struct buf plain = { 0 };
    int error = 0;

    if (!upload->mark.is_sealed)
        return store_upload_read(upload->inner, offset, size, out);
    while (error == 0 && size > 0 && offset < upload->pieces * SEAL_PIECE) {
        buf_reset(&plain);
        error = fetch_piece(upload, offset / SEAL_PIECE, &plain);
        struct str some = str_first(str_skip(buf_str(&plain), (size_t)(offset % SEAL_PIECE)), size);
        buf_add(out, some);
        offset += some.len;
        size -= some.len;
    }
    if (error == 0 && size > 0 && offset >= upload->pieces * SEAL_PIECE)
        buf_add(out, str_first(str_skip(buf_str(&upload->rest),
                                        (size_t)(offset - upload->pieces * SEAL_PIECE)),
                               size));
    forget(&plain);
    return error;
}

void sealed_upload_spill(struct store_upload *base)
{
    store_upload_spill(((struct sealed_upload *)base)->inner);
}

/* Another content takes another salt, or its pieces would share nonces with the first one's. */
void sealed_upload_restart(struct store_upload *base)
{
    struct sealed_upload *upload = (struct sealed_upload *)base;

    store_upload_restart(upload->inner);
    drop_rest(upload);
    upload->pieces = 0;
    draw(upload);
}

static void upload_free(struct sealed_upload *upload)
{
    list_remove(&upload->link);
    drop_rest(upload);
    buf_fini(&upload->rest);
    buf_fini(&upload->room);
    seal_wipe(&upload->seal);
    memory_free(upload);
}

void sealed_upload_abort(struct store_upload *base)
{
    struct sealed_upload *upload = (struct sealed_upload *)base;

    store_upload_abort(upload->inner);
    upload_free(upload);
}

/* The store below has freed its own. */
void sealed_uploads_fini(struct sealed_store *store)
{
    list_each_safe (link, &store->uploads)
        upload_free(container_of(link, struct sealed_upload, link));
}

/* ---- the end of an upload ---- */

struct refusal {
    store_done *done;
    void *context;
};

static void on_refused(void *context, int error)
{
    struct refusal refusal = *(struct refusal *)context;

    memory_free(context);
    if (error == 0)
        error = -EEXIST;
    else if (error == -ENOENT)
        error = -ENOKEY;
    refusal.done(refusal.context, error);
}

/* As any answer, this one comes from below: whether the id is stored already. */
static void refuse(struct sealed_store *store, struct message_id id, store_done *done,
                   void *context)
{
    struct refusal *refusal = memory_new(sizeof *refusal);

    *refusal = (struct refusal){ done, context };
    store_ask(store->inner, id, on_refused, refusal);
}

/* What was sealed goes below once more, as it came. Larger content would hold up the others: it is
 * kept sealed, as is what could not be read again. That is more than was asked for, and no loss. */
static bool unseal(struct sealed_upload *upload)
{
    struct buf plain = { 0 };
    bool is_fine = upload->pieces * SEAL_PIECE < UNSEAL_MAX;

    for (uint64_t i = 0; is_fine && i < upload->pieces; i++)
        is_fine = fetch_piece(upload, i, &plain) == 0;
    if (is_fine) {
        buf_add(&plain, buf_str(&upload->rest));
        store_upload_restart(upload->inner);
        store_upload_write(upload->inner, buf_str(&plain));
        upload->mark = (struct seal_mark){ 0 };
    }
    forget(&plain);
    return is_fine;
}

/* Seals what is left of it, ends it, and hands it on. */
static void append_sealed(struct sealed_upload *upload, const struct envelope *envelope,
                          struct str front, store_done *done, void *context)
{
    struct store *inner = store_of(upload)->inner;
    struct envelope marked = *envelope;
    struct buf sealed = { 0 };

    marked.seal = upload->mark;
    marked.seal.front = (uint32_t)front.len;
    seal_part(&upload->seal, SEAL_FRONT, front, &sealed);
    pass_piece(upload, true);
    /* Not store_append(): sealed, a front may be a little longer than a front may be. */
    inner->driver->append(inner, upload->inner, &marked, buf_str(&sealed), done, context);
    buf_fini(&sealed);
}

/* A key that went while the content came, and would be missing at once. */
static bool is_key_gone(const struct sealed_upload *upload)
{
    return seal_find_key(&store_of(upload)->keys, upload->mark.key_id) == NULL;
}

void sealed_append(struct store *base, struct store_upload *base_upload,
                   const struct envelope *envelope, struct str front, store_done *done,
                   void *context)
{
    struct sealed_store *store = (struct sealed_store *)base;
    struct sealed_upload *upload = (struct sealed_upload *)base_upload;
    bool is_ours = base_upload->store == base;

    if (is_ours && upload->mark.is_sealed && !store->host->wants(store->host->context, envelope))
        (void)unseal(upload);
    if (store->is_broken || (is_ours && upload->mark.is_sealed && is_key_gone(upload))) {
        store_upload_abort(base_upload);
        refuse(store, envelope->id, done, context);
        return;
    }
    if (is_ours && upload->mark.is_sealed)
        append_sealed(upload, envelope, front, done, context);
    else
        store_append(store->inner, is_ours ? upload->inner : base_upload, envelope, front, done,
                     context);
    if (is_ours)
        upload_free(upload);
}
