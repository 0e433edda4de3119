/* SPDX-License-Identifier: ISC */
/* handover.c: the whole of the handover, and claims; see handover.h, and handover_private.h for the
 * parts.
 *
 * An entry that is out with a session, or answered and not settled yet, is claimed; a parcel of the
 * same entry for another session is held back until it is not. The scheduler does not ask for that
 * by itself, but a route that was taken away and put back knows nothing of what was before.
 */
#include "spool/handover.h"

#include "base/memory.h"
#include "spool/handover_private.h"

struct buf handover_entry_key(struct message_id id, struct str domain)
{
    struct buf key = { 0 };

    buf_add_bytes(&key, id.bytes, sizeof id.bytes);
    buf_add(&key, domain);
    return key;
}

/* ---- claims ---- */

struct claim {
    unsigned count; /* of parcels that are out and of reports that take their place */
};

bool handover_is_claimed(const struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = handover_entry_key(id, domain);
    bool is_found = map_find(&handover->claims, buf_str(&key)) != NULL;

    buf_fini(&key);
    return is_found;
}

void handover_claim(struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = handover_entry_key(id, domain);
    struct claim *claim = map_find(&handover->claims, buf_str(&key));

    if (claim == NULL) {
        claim = memory_new(sizeof *claim);
        (void)map_put(&handover->claims, buf_str(&key), claim);
    }
    claim->count++;
    buf_fini(&key);
}

void handover_claim_end(struct handover *handover, struct message_id id, struct str domain)
{
    struct buf key = handover_entry_key(id, domain);
    struct claim *claim = map_find(&handover->claims, buf_str(&key));

    if (--claim->count == 0)
        memory_free(map_remove(&handover->claims, buf_str(&key)));
    buf_fini(&key);
}

static void claims_fini(struct handover *handover)
{
    struct claim *claim;

    for (size_t cursor = 0; (claim = map_next(&handover->claims, &cursor, NULL)) != NULL;)
        memory_free(claim);
    map_fini(&handover->claims);
}

/* ---- the whole ---- */

struct handover *handover_new(struct store *store, const struct handover_host *host, void *context)
{
    struct handover *handover = memory_new(sizeof *handover);
    handover->store = store;
    handover->host = host;
    handover->context = context;
    map_init(&handover->parcels);
    map_init(&handover->trials);
    map_init(&handover->claims);
    list_init(&handover->all);
    list_init(&handover->failed);
    list_init(&handover->told);
    return handover;
}

void handover_free(struct handover *handover)
{
    if (handover == NULL)
        return;
    handover_let_go(handover);
    handover_reports_fini(handover);
    handover_trials_fini(handover);
    map_fini(&handover->parcels);
    claims_fini(handover);
    memory_free(handover);
}
