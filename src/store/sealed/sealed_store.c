/* SPDX-License-Identifier: ISC */
/* sealed_store.c: see sealed_store.h. What has nothing to do with content passes. */
#include "store/sealed/sealed_store.h"

#include "base/memory.h"
#include "store/sealed/sealed_private.h"

static struct store *inner_of(const struct store *store)
{
    return ((const struct sealed_store *)store)->inner;
}

static uint64_t memory(const struct store *store)
{
    return store_memory(inner_of(store)) + ((const struct sealed_store *)store)->memory;
}

static void settle(struct store *store, const struct settlement *settlement, store_done *done,
                   void *context)
{
    store_settle(inner_of(store), settlement, done, context);
}

static void list(struct store *store, const struct store_query *query, store_listed *listed,
                 void *context)
{
    store_list(inner_of(store), query, listed, context);
}

static void ask(struct store *store, struct message_id id, store_done *done, void *context)
{
    store_ask(inner_of(store), id, done, context);
}

static void totals(const struct store *store, struct str domain, struct store_totals *out_totals)
{
    store_totals(inner_of(store), domain, out_totals);
}

static bool next_domain(const struct store *store, size_t *cursor, struct str *out_domain)
{
    return store_next_domain(inner_of(store), cursor, out_domain);
}

static void health(const struct store *store, struct store_health *out_health)
{
    store_health(inner_of(store), out_health);
    out_health->missing_keys = buf_str(&((const struct sealed_store *)store)->missing);
    if (!((const struct sealed_store *)store)->is_broken || out_health->condition != STORE_OK)
        return;
    out_health->condition = STORE_FAILING;
    out_health->verdict = verdict_make(
        451, 3, 5, STR("Mail cannot be kept safely at the moment, please try again later"));
}

static int pin(struct store *store, int64_t span_ms, const struct store_pin_host *host)
{
    return store_pin(inner_of(store), span_ms, host);
}

static bool pin_on(struct store *store, int64_t span_ms)
{
    return store_pin_on(inner_of(store), span_ms);
}

static void unpin(struct store *store)
{
    store_unpin(inner_of(store));
}

static void lease(struct store *store, struct str domain, store_done *granted,
                  store_lease_lost *lost, void *context)
{
    store_lease(inner_of(store), domain, granted, lost, context);
}

static void lease_return(struct store *store, struct str domain)
{
    store_lease_return(inner_of(store), domain);
}

static void turn(struct store *store, struct now now)
{
    store_turn(inner_of(store), now);
}

static int64_t deadline(const struct store *store)
{
    return store_deadline(inner_of(store));
}

static void close_(struct store *base)
{
    struct sealed_store *store = (struct sealed_store *)base;

    store_close(store->inner);
    sealed_uploads_fini(store);
    sealed_readers_fini(store);
    seal_keys_wipe(&store->keys);
    buf_fini(&store->missing);
    memory_free(store);
}

static const struct store_driver driver = {
    .name = "sealed",
    .upload_open = sealed_upload_open,
    .upload_write = sealed_upload_write,
    .upload_size = sealed_upload_size,
    .upload_read = sealed_upload_read,
    .upload_spill = sealed_upload_spill,
    .upload_restart = sealed_upload_restart,
    .upload_abort = sealed_upload_abort,
    .memory = memory,
    .append = sealed_append,
    .settle = settle,
    .list = list,
    .open = sealed_open,
    .read = sealed_read,
    .reader_close = sealed_reader_close,
    .ask = ask,
    .totals = totals,
    .next_domain = next_domain,
    .health = health,
    .pin = pin,
    .pin_on = pin_on,
    .unpin = unpin,
    .lease = lease,
    .lease_return = lease_return,
    .turn = turn,
    .deadline = deadline,
    .close = close_,
};

struct store *sealed_store_new(struct store *inner, const struct sealed_host *host)
{
    struct sealed_store *store = memory_new(sizeof *store);

    store->base.driver = &driver;
    store->inner = inner;
    store->host = host;
    list_init(&store->uploads);
    list_init(&store->readers);
    return &store->base;
}

void sealed_store_use(struct store *store, const struct seal_keys *keys, bool is_broken)
{
    struct sealed_store *ours = (struct sealed_store *)store;

    ours->keys = *keys;
    ours->is_broken = is_broken;
    buf_reset(&ours->missing);
}
