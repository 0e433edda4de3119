/* SPDX-License-Identifier: ISC */
/* sealed_private.h: the parts of the sealed driver. */
#pragma once

#include "base/list.h"
#include "store/sealed/sealed_store.h"

struct sealed_store {
    struct store base;
    struct store *inner;
    const struct sealed_host *host;
    struct seal_keys keys;
    bool is_broken;
    struct link uploads; /* open ones, and readers: what is left at the end is freed */
    struct link readers;
    uint64_t memory; /* that uploads hold back until a piece is full */
    /* Keys that were asked for since the last ones came, and were not there: their ids, as text. */
    struct buf missing;
};

struct sealed_upload {
    struct store_upload base;
    struct link link;
    struct store_upload *inner;
    struct message_id id;
    struct seal_mark mark;
    struct seal seal;
    uint64_t pieces; /* that went below */
    struct buf rest;
    struct buf room; /* for a sealed piece */
};

/* sealed_upload.c */
struct store_upload *sealed_upload_open(struct store *store, struct message_id id);
void sealed_upload_write(struct store_upload *base, struct str bytes);
uint64_t sealed_upload_size(const struct store_upload *base);
int sealed_upload_read(struct store_upload *base, uint64_t offset, size_t size, struct buf *out);
void sealed_upload_spill(struct store_upload *base);
void sealed_upload_restart(struct store_upload *base);
void sealed_upload_abort(struct store_upload *base);
void sealed_append(struct store *base, struct store_upload *base_upload,
                   const struct envelope *envelope, struct str front, store_done *done,
                   void *context);
void sealed_uploads_fini(struct sealed_store *store);

/* sealed_reader.c */
void sealed_open(struct store *base, struct message_id id, struct str domain, store_opened *opened,
                 void *context);
void sealed_read(struct store_reader *base, uint64_t offset, size_t size, store_read_done *done,
                 void *context);
void sealed_reader_close(struct store_reader *base);
void sealed_readers_fini(struct sealed_store *store);
