/* SPDX-License-Identifier: ISC */
/* store.c: hands every call to the driver that made the object. */
#include "store/store.h"

#include <errno.h>

#include "base/check.h"

struct store_upload *store_upload_open(struct store *store, struct message_id id)
{
    return store->driver->upload_open(store, id);
}

void store_upload_write(struct store_upload *upload, struct str bytes)
{
    upload->store->driver->upload_write(upload, bytes);
}

int store_upload_read(struct store_upload *upload, uint64_t offset, size_t size, struct buf *out)
{
    return upload->store->driver->upload_read(upload, offset, size, out);
}

void store_upload_spill(struct store_upload *upload)
{
    upload->store->driver->upload_spill(upload);
}

void store_upload_restart(struct store_upload *upload)
{
    upload->store->driver->upload_restart(upload);
}

uint64_t store_upload_size(const struct store_upload *upload)
{
    return upload->store->driver->upload_size(upload);
}

void store_upload_abort(struct store_upload *upload)
{
    upload->store->driver->upload_abort(upload);
}

uint64_t store_memory(const struct store *store)
{
    return store->driver->memory(store);
}

void store_append(struct store *store, struct store_upload *upload, const struct envelope *envelope,
                  struct str front, store_done *done, void *context)
{
    check(envelope->recipient_count > 0);
    check(front.len <= STORE_FRONT_MAX);
    store->driver->append(store, upload, envelope, front, done, context);
}

void store_settle(struct store *store, const struct settlement *settlement, store_done *done,
                  void *context)
{
    check(settlement->outcome >= OUTCOME_DELIVERED && settlement->outcome <= OUTCOME_DISCARDED);
    check(settlement->count <= ENVELOPE_RECIPIENTS_MAX);
    store->driver->settle(store, settlement, done, context);
}

void store_list(struct store *store, const struct store_query *query, store_listed *listed,
                void *context)
{
    check(query->limit >= 1 && query->limit <= STORE_LIST_MAX);
    store->driver->list(store, query, listed, context);
}

void store_open(struct store *store, struct message_id id, struct str domain, store_opened *opened,
                void *context)
{
    store->driver->open(store, id, domain, opened, context);
}

void store_read(struct store_reader *reader, uint64_t offset, size_t size, store_read_done *done,
                void *context)
{
    reader->store->driver->read(reader, offset, size, done, context);
}

void store_reader_close(struct store_reader *reader)
{
    reader->store->driver->reader_close(reader);
}

void store_ask(struct store *store, struct message_id id, store_done *done, void *context)
{
    store->driver->ask(store, id, done, context);
}

void store_totals(const struct store *store, struct str domain, struct store_totals *out_totals)
{
    store->driver->totals(store, domain, out_totals);
}

bool store_next_domain(const struct store *store, size_t *cursor, struct str *out_domain)
{
    return store->driver->next_domain(store, cursor, out_domain);
}

void store_health(const struct store *store, struct store_health *out_health)
{
    store->driver->health(store, out_health);
}

void store_lease(struct store *store, struct str domain, store_done *granted,
                 store_lease_lost *lost, void *context)
{
    store->driver->lease(store, domain, granted, lost, context);
}

void store_lease_return(struct store *store, struct str domain)
{
    store->driver->lease_return(store, domain);
}

int store_pin(struct store *store, int64_t span_ms, const struct store_pin_host *host)
{
    if (store->driver->pin == NULL)
        return -ENOTSUP;
    return store->driver->pin(store, span_ms, host);
}

bool store_pin_on(struct store *store, int64_t span_ms)
{
    return store->driver->pin_on != NULL && store->driver->pin_on(store, span_ms);
}

void store_unpin(struct store *store)
{
    if (store->driver->unpin != NULL)
        store->driver->unpin(store);
}

void store_turn(struct store *store, struct now now)
{
    store->driver->turn(store, now);
}

int64_t store_deadline(const struct store *store)
{
    return store->driver->deadline(store);
}

void store_close(struct store *store)
{
    if (store != NULL)
        store->driver->close(store);
}
