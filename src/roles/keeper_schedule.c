/* SPDX-License-Identifier: ISC */
/* keeper_schedule.c: carries out what the scheduler asks for.
 *
 * The scheduler must not be called from inside its own call: sessions are opened,
 * and what never came to be is told, at the turn's end.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper_session.h"

enum { GREETINGS_MS_MAX = 10 * SECOND_MS };

/* What must be told to the scheduler, but not from inside its own call. */
struct errand {
    struct link link;
    uint64_t session;
    enum session_end how;
    struct verdict verdict;
};

static void on_resolve(void *context, struct str domain)
{
    keeper_route_ask(context, domain);
}

static void on_open_session(void *context, const struct session_plan *plan)
{
    struct keeper *keeper = context;
    struct keeper_session *session = memory_new(sizeof *session);

    session->number = plan->number;
    session->endpoint = plan->endpoint;
    session->is_probe = plan->is_probe;
    session->connect_timeout_ms = plan->connect_timeout_ms;
    buf_add(&session->domain, plan->domain);
    buf_add(&session->host, plan->host);
    list_append(&keeper->openings, &session->opening);
    keeper_session_add(keeper, session);
}

static void add_errand(struct keeper *keeper, uint64_t session, enum session_end how,
                       const struct verdict *verdict)
{
    struct errand *errand = memory_new(sizeof *errand);
    *errand = (struct errand){ .session = session, .how = how, .verdict = *verdict };
    list_append(&keeper->errands, &errand->link);
}

static void on_end_session(void *context, session_number number)
{
    struct keeper *keeper = context;
    struct keeper_session *session = keeper_session_find(keeper, number);
    struct verdict verdict = verdict_accept();

    if (session == NULL || session->has_ended)
        return;
    struct channel *channel = keeper_session_channel(keeper, number);
    if (channel != NULL) {
        channel_send(channel, session_end, .session = number);
        return;
    }
    list_remove(&session->opening); /* never opened */
    add_errand(keeper, number, SESSION_END_QUIT, &verdict);
}

static void on_dispatch(void *context, session_number number, const struct entry *entry)
{
    struct keeper *keeper = context;
    struct unfinished *unfinished = keeper_unfinished_find(keeper, entry->id, entry->domain);

    if (unfinished != NULL) {
        unfinished->parked_session = number;
        unfinished->entry = *entry;
        return;
    }
    handover_dispatch(keeper->handover, number, entry);
}

struct list_ticket {
    struct keeper *keeper;
    uint64_t ticket;
};

static void on_store_listed(void *context, int error, const struct store_listing *listing)
{
    struct list_ticket *asked = context;
    static const struct store_listing nothing = { 0 };
    struct keeper *keeper = asked->keeper;

    if (error != -ECANCELED)
        schedule_listed(keeper->schedule, asked->ticket, error,
                        listing != NULL ? listing : &nothing, keeper_now(keeper));
    memory_free(asked);
}

static void on_list(void *context, const struct store_query *query, uint64_t ticket)
{
    struct keeper *keeper = context;
    struct list_ticket *asked = memory_new(sizeof *asked);

    *asked = (struct list_ticket){ .keeper = keeper, .ticket = ticket };
    store_list(keeper->store, query, on_store_listed, asked);
}

struct expiry {
    struct keeper *keeper;
    struct message_id id;
    struct buf domain;
    enum entry_state state;
};

static void on_expired(void *context, int error)
{
    struct expiry *expiry = context;
    struct keeper *keeper = expiry->keeper;

    if (error == 0)
        log_info(expiry->state == ENTRY_HELD ? "expired" : "rescue_ended", LOG_ID(expiry->id),
                 LOG_STR("domain", buf_str(&expiry->domain)));
    if (error == 0 || error == -ENOENT) /* gone already */
        schedule_settled(keeper->schedule, buf_str(&expiry->domain), expiry->id,
                         keeper_now(keeper));
    else if (error != -ECANCELED)
        schedule_not_expired(keeper->schedule, buf_str(&expiry->domain), expiry->id,
                             keeper_now(keeper));
    buf_fini(&expiry->domain);
    memory_free(expiry);
}

static void on_expire(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;
    struct expiry *expiry = memory_new(sizeof *expiry);
    struct settlement settlement = {
        .id = entry->id,
        .domain = entry->domain,
        .outcome = entry->state == ENTRY_HELD ? OUTCOME_RESCUED : OUTCOME_DISCARDED,
        .at_ms = keeper_mail_now(keeper).wall_ms,
        .reason =
            verdict_make(554, 4, 7, STR("Holding time is over: the primary could not be reached")),
    };

    *expiry = (struct expiry){ .keeper = keeper, .id = entry->id, .state = entry->state };
    buf_add(&expiry->domain, entry->domain);
    store_settle(keeper->store, &settlement, on_expired, expiry);
}

static void on_state_changed(void *context, struct str domain, enum route_state from,
                             enum route_state to, const struct verdict *reason)
{
    log_event(to == ROUTE_STATE_DOWN ? LOG_WARN : LOG_INFO, "route_state",
              LOG_STR("domain", domain), LOG_TEXT("from", route_state_name(from)),
              LOG_TEXT("to", route_state_name(to)), LOG_STR("reason", verdict_text(reason)));
    keeper_alert_state(context, domain, to, reason);
}

static void on_drained(void *context, struct str domain, uint64_t delivered, int64_t took_ms)
{
    const struct alert_facts facts = { .delivered = delivered, .lasted_ms = took_ms };

    log_info("drained", LOG_STR("domain", domain), LOG_INT("delivered", delivered),
             LOG_INT("took_ms", took_ms));
    keeper_alert(context, domain, ALERT_DRAINED, &facts);
}

const struct schedule_host keeper_schedule_host = {
    .resolve = on_resolve,
    .open_session = on_open_session,
    .end_session = on_end_session,
    .dispatch = on_dispatch,
    .list = on_list,
    .expire = on_expire,
    .state_changed = on_state_changed,
    .drained = on_drained,
};

/* ---- turns ---- */

static bool all_greeted(const struct keeper *keeper)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        const struct keeper_peer *peer = &keeper->peer[i];
        if (peer->channel == NULL || channel_peer(peer->channel) != ROLE_DELIVERER)
            continue;
        if (!peer->has_greeted || peer->unfinished > 0)
            return false;
        count++;
    }
    return count >= keeper->process->config->deliverers;
}

static void open_session(struct keeper_session *session, const struct keeper_peer *peer)
{
    struct buf endpoint = { 0 };

    list_remove(&session->opening);
    session->source = peer->source;
    endpoint_encode(&endpoint, session->endpoint);
    channel_send(peer->channel, session_open, .session = session->number,
                 .domain = buf_str(&session->domain), .host = buf_str(&session->host),
                 .endpoint = buf_str(&endpoint), .is_probe = session->is_probe,
                 .connect_timeout_ms = (uint64_t)session->connect_timeout_ms);
    buf_fini(&endpoint);
}

static void run_errands(struct keeper *keeper)
{
    struct link *link;

    while ((link = list_first(&keeper->errands)) != NULL) {
        struct errand *errand = container_of(link, struct errand, link);
        struct keeper_session *session = keeper_session_find(keeper, errand->session);
        list_remove(link);
        if (session != NULL && !session->has_ended)
            keeper_session_ended(keeper, session, errand->how, &errand->verdict);
        memory_free(errand);
    }
}

void keeper_schedule_turn(struct keeper *keeper, struct now now)
{
    const struct keeper_peer *peer;

    if (!keeper->may_deliver) {
        keeper->may_deliver =
            all_greeted(keeper) || now.mono_ms >= keeper->started_ms + GREETINGS_MS_MAX;
        if (keeper->may_deliver)
            keeper_log_left(keeper);
    }
    run_errands(keeper);
    while (keeper->may_deliver && !list_is_empty(&keeper->openings) &&
           (peer = keeper_some_deliverer(keeper)) != NULL)
        open_session(container_of(list_first(&keeper->openings), struct keeper_session, opening),
                     peer);
}

int64_t keeper_schedule_deadline(const struct keeper *keeper)
{
    return keeper->may_deliver ? NEVER_MS : keeper->started_ms + GREETINGS_MS_MAX;
}

void keeper_schedule_fini(struct keeper *keeper)
{
    void *value;
    size_t cursor = 0;

    while ((value = map_next(&keeper->sessions, &cursor, NULL)) != NULL) {
        keeper_session_free(keeper, value);
        cursor = 0;
    }
    cursor = 0;
    while ((value = map_next(&keeper->unfinished, &cursor, NULL)) != NULL)
        keeper_unfinished_free(value);
    list_each_safe (link, &keeper->errands)
        memory_free(container_of(link, struct errand, link));
}
