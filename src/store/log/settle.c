/* SPDX-License-Identifier: ISC */
/* settle.c: takes settlements, and questions about messages in doubt.
 *
 * A settlement is staged like a message and applied when it is durable (apply.c).
 * One for an entry that is gone already is answered without the disk: what made it
 * go was durable before.
 */
#include <errno.h>

#include "base/memory.h"
#include "store/log/log_private.h"

static struct staged *make_settle(struct log_store *store, const struct settlement *settlement)
{
    struct staged *staged = memory_new(sizeof *staged);

    staged->type = RECORD_SETTLE;
    staged->ready = true;
    staged->id = settlement->id;
    buf_reserve(&staged->head, 128);
    staged->head.len = RECORD_HEADER_SIZE;
    settle_meta_encode(&staged->head, settlement);
    staged->meta_size = (uint32_t)(staged->head.len - RECORD_HEADER_SIZE);
    buf_reserve(&staged->head, RECORD_ALIGN); /* padding must not move it */
    store->memory += staged->head.cap;
    return staged;
}

/* What can be said without the disk: nothing is left to settle, or nothing can be written. */
static bool settle_at_once(const struct log_store *store, const struct settlement *settlement,
                           int *out_error)
{
    bool is_known = index_find(&store->index, settlement->id, 0) != 0 ||
                    recent_has(&store->recent, settlement->id);

    if (store->closing)
        *out_error = -ECANCELED;
    else if (index_find_entry(&store->index, settlement->id, settlement->domain) == 0)
        *out_error = is_known ? 0 : -ENOENT;
    else if (store->failing)
        *out_error = -EIO;
    else
        return false;
    return true;
}

void settle_ask_for(struct store *base, const struct settlement *settlement, store_done *done,
                    void *context)
{
    struct log_store *store = log_of(base);
    int error;

    if (settle_at_once(store, settlement, &error)) {
        log_answer_later(store, done, context, error);
        return;
    }
    struct staged *staged = make_settle(store, settlement);
    staged->done = done;
    staged->context = context;
    commit_stage(store, staged);
}

struct question {
    struct pending pending;
    struct message_id id;
    store_done *done;
    void *context;
};

static void answer_question(struct log_store *store, struct pending *pending)
{
    struct question *question = container_of(pending, struct question, pending);
    uint32_t number = index_find(&store->index, question->id, 0);

    if (number != 0 && index_entry(&store->index, number)->state == 0 && !store->closing) {
        list_append(&store->waiting, &pending->link); /* on its way to the disk */
        return;
    }
    struct question asked = *question;
    memory_free(question);
    bool is_known = number != 0 || recent_has(&store->recent, asked.id);
    bool is_unsure = store->unsure_count > 0 || store->is_unsure_for_good;
    int error = !is_known ? -ENOENT : is_unsure ? -EIO : 0;
    asked.done(asked.context, !is_known && store->closing ? -ECANCELED : error);
}

void ask_about(struct store *base, struct message_id id, store_done *done, void *context)
{
    struct log_store *store = log_of(base);
    struct question *question = memory_new(sizeof *question);

    *question = (struct question){ .id = id, .done = done, .context = context };
    question->pending.run = answer_question;
    log_queue(store, &question->pending);
}
