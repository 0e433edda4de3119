/* SPDX-License-Identifier: ISC */
/* sealed_store.h: a driver that seals content on its way into another one, and opens it on its way
 * out.
 *
 * What lies below keeps octets as ever and knows of nothing: recovery, compaction, fsck and backups
 * work on sealed content without a key. How a content is sealed stands in its envelope
 * (struct seal_mark), which nobody above gets to see.
 *
 * While there is a key every upload is sealed from its first octet, for it may leave memory long
 * before it is known whose mail it is. Where nobody wants it sealed, it is opened again when its
 * envelope comes, unless it is large (a megabyte): then it stays so.
 *
 * Where there is no key, and for what was not sealed, the uploads and the readers are those of the
 * store below: nothing stands in between.
 *
 * Nothing is taken in (-ENOKEY) under a key that was taken away while the content came, nor at all
 * while there should be a key and is none. Content that began to come before there was a key is
 * kept as it came.
 *
 * Besides what store.h says: a message whose key is not there can be opened and settled; reading it
 * ends with -ENOKEY, and store_health() names the key. -EIO also where what was read is not what
 * was sealed. Sizes of entries and totals count the tags (16
 * octets for 16 KiB), for they take room too; the size of an opened message does not.
 */
#pragma once

#include "store/sealed/seal.h"
#include "store/store.h"

struct sealed_host {
    bool (*wants)(void *context, const struct envelope *envelope); /* is it to be sealed? */
    void *context;
};

/* Owns `inner` from now on. */
struct store *sealed_store_new(struct store *inner, const struct sealed_host *host);
/* Copies the keys; none: what comes is kept as it is, and what was sealed waits. `is_broken`: there
 * should be some, and no mail is to be taken (store_health()) until there are. */
void sealed_store_use(struct store *store, const struct seal_keys *keys, bool is_broken);
