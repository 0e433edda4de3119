/* SPDX-License-Identifier: ISC */
/* sessions.c: sessions as the keeper knows them, from their opening to the word of their end; and
 * what was on a deliverer's hands before the keeper came, see session.h. */

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/posts.h"
#include "roles/keeper/session.h"

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

static void add_unfinished_key(struct buf *out, struct message_id id, struct str domain)
{
    buf_add_bytes(out, id.bytes, sizeof id.bytes);
    buf_add(out, domain);
}

struct unfinished *keeper_unfinished_find(const struct keeper *keeper, struct message_id id,
                                          struct str domain)
{
    struct buf key = { 0 };

    add_unfinished_key(&key, id, domain);
    struct unfinished *unfinished = map_find(&keeper->unfinished, buf_str(&key));
    buf_fini(&key);
    return unfinished;
}

void keeper_unfinished_add(struct keeper *keeper, uint32_t source, struct message_id id,
                           struct str domain)
{
    struct unfinished *unfinished = memory_new(sizeof *unfinished);

    unfinished->source = source;
    unfinished->id = id;
    add_unfinished_key(&unfinished->key, id, domain);
    keeper_unfinished_free(map_put(&keeper->unfinished, buf_str(&unfinished->key), unfinished));
    under_way_add(keeper->under_way, id);
}

void keeper_unfinished_free(struct unfinished *unfinished)
{
    if (unfinished == NULL)
        return;
    buf_fini(&unfinished->key);
    memory_free(unfinished);
}

struct keeper_session *keeper_session_find(const struct keeper *keeper, uint64_t number)
{
    return map_find(&keeper->sessions, number_key(&number));
}

static struct channel *channel_of(const struct keeper *keeper, uint32_t source)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == source)
            return keeper->peer[i].channel;
    return NULL;
}

struct channel *keeper_session_channel(const struct keeper *keeper, uint64_t number)
{
    const struct keeper_session *session = keeper_session_find(keeper, number);
    return session != NULL && session->source != 0 ? channel_of(keeper, session->source) : NULL;
}

void keeper_session_free(struct keeper *keeper, struct keeper_session *session)
{
    (void)map_remove(&keeper->sessions, number_key(&session->number));
    list_remove(&session->opening);
    buf_fini(&session->domain);
    buf_fini(&session->host);
    buf_fini(&session->security);
    buf_fini(&session->tls);
    memory_free(session);
}

void keeper_session_add(struct keeper *keeper, struct keeper_session *session)
{
    check(map_put(&keeper->sessions, number_key(&session->number), session) == NULL);
}

/* ---- the end ---- */

/* Given to a session that ended without sending it. */
static void on_not_sent(void *context, struct message_id id)
{
    struct keeper *keeper = context;
    under_way_remove(keeper->under_way, id);
}

static void tell_session_ended(struct keeper *keeper, struct keeper_session *session)
{
    uint64_t number = session->number;
    enum session_end how = session->how;
    struct verdict verdict = session->verdict;

    keeper_session_free(keeper, session);
    handover_session_gone(keeper->handover, number, on_not_sent, keeper);
    schedule_session_ended(keeper->schedule, number, how, &verdict, keeper_now(keeper));
}

void keeper_session_ended(struct keeper *keeper, struct keeper_session *session,
                          enum session_end how, const struct verdict *verdict)
{
    keeper_line_session_over(keeper, session->number, false);
    session->has_ended = true;
    session->how = how;
    session->verdict = *verdict;
    if (session->reports == 0)
        tell_session_ended(keeper, session);
}

void keeper_session_settled(struct keeper *keeper, struct keeper_session *session)
{
    session->reports--;
    if (session->has_ended && session->reports == 0)
        tell_session_ended(keeper, session);
}

/* ---- a deliverer dies ---- */

static void log_in_doubt(void *context, struct message_id id)
{
    struct keeper *keeper = context;

    log_warn("delivery_in_doubt", LOG_ID(id), LOG_TEXT("why", "the deliverer is gone"));
    under_way_remove(keeper->under_way, id);
}

/* Each accounts for one: a message may be out for one domain with a deliverer that lives, and have
 * been for another with one that does not. */
static bool is_unfinished(const struct keeper *keeper, struct message_id id)
{
    struct unfinished *unfinished;
    size_t cursor = 0;

    while ((unfinished = map_next(&keeper->unfinished, &cursor, NULL)) != NULL) {
        if (unfinished->was_left || !message_id_equals(unfinished->id, id))
            continue;
        unfinished->was_left = true;
        return true;
    }
    return false;
}

void keeper_log_left(struct keeper *keeper)
{
    struct message_id id;

    if (under_way_was_cut_off(keeper->under_way))
        log_warn("ended_uncleanly", LOG_TEXT("hint", "what was under way then may arrive twice"));
    while (under_way_left(keeper->under_way, &id))
        if (!is_unfinished(keeper, id))
            log_warn("delivery_in_doubt", LOG_ID(id), LOG_TEXT("why", "the node had ended"));
}

static void drop_unfinished(struct keeper *keeper, uint32_t source)
{
    struct unfinished *unfinished;
    size_t cursor = 0;

    while ((unfinished = map_next(&keeper->unfinished, &cursor, NULL)) != NULL) {
        if (unfinished->source != source)
            continue;
        log_in_doubt(keeper, unfinished->id);
        (void)map_remove(&keeper->unfinished, buf_str(&unfinished->key));
        if (unfinished->parked_session != 0 &&
            keeper_session_find(keeper, unfinished->parked_session) != NULL)
            handover_dispatch(keeper->handover, unfinished->parked_session, &unfinished->entry, 0);
        keeper_unfinished_free(unfinished);
        cursor = 0;
    }
}

void keeper_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer)
{
    struct verdict verdict = verdict_make(451, 3, 0, STR("The deliverer was restarted"));
    struct keeper_session *session;
    size_t cursor = 0;

    while ((session = map_next(&keeper->sessions, &cursor, NULL)) != NULL) {
        if (session->source != peer->source || session->has_ended)
            continue;
        handover_session_gone(keeper->handover, session->number, log_in_doubt, keeper);
        keeper_session_ended(keeper, session, SESSION_END_INTERNAL, &verdict);
        cursor = 0;
    }
    keeper_callout_deliverer_gone(keeper, peer);
    keeper_addresses_deliverer_gone(keeper, peer);
    drop_unfinished(keeper, peer->source);
    keeper_posts_deliverer_gone(keeper->webhooks, peer->source);
    keeper_posts_deliverer_gone(keeper->tls_posts, peer->source);
    keeper_policies_deliverer_gone(keeper, peer->source);
}
