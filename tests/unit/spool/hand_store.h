/* SPDX-License-Identifier: ISC */
/* hand_store.h: a store whose answers the test gives by hand.
 *
 * It keeps what it was asked for and calls nobody by itself, so that a test decides
 * in which order and with which error everything ends.
 */
#pragma once

#include "store/store.h"

enum { HAND_ASKED_MAX = 64 };

enum hand_kind { HAND_APPEND, HAND_SETTLE, HAND_OPEN, HAND_READ, HAND_ASK };

struct hand_asked {
    enum hand_kind kind;
    struct message_id id;
    struct str domain;
    enum outcome outcome;
    uint32_t recipient[8];
    uint32_t count;
    struct verdict reason;
    uint64_t offset;
    size_t size;
    store_done *done;
    store_opened *opened;
    store_read_done *read_done;
    void *context;
};

struct hand_upload {
    struct store_upload base;
    uint64_t size;
    bool is_spilled;
};

struct hand_store {
    struct store base;
    struct hand_asked asked[HAND_ASKED_MAX]; /* oldest first, not yet answered */
    unsigned asked_count;
    uint64_t memory;
    unsigned open_uploads;
    unsigned open_readers;
    bool is_unreadable; /* what was uploaded */
    unsigned spilled;
};

void hand_store_init(struct hand_store *store);
/* Takes the oldest question off the list; fails the test if it is of another kind. */
struct hand_asked hand_store_take(struct hand_store *store, enum hand_kind kind);
struct store_reader *hand_store_reader(struct hand_store *store);
