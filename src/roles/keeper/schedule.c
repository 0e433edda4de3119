/* SPDX-License-Identifier: ISC */
/* schedule.c: carries out what the scheduler asks for.
 *
 * The scheduler must not be called from inside its own call: sessions are opened,
 * and what never came to be is told, at the turn's end.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/session.h"

enum { GREETINGS_MS_MAX = 10 * SECOND_MS };

/* What must be told to the scheduler, but not from inside its own call: the end of a session, or,
 * where there is a domain, what came of a control. */
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
    session->greeting_timeout_ms = plan->greeting_timeout_ms;
    buf_add(&session->domain, plan->domain);
    buf_add(&session->host, plan->host);
    buf_add(&session->security, plan->security);
    session->xclient = keeper_tells_origins(keeper, plan->domain);
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
    keeper_line_session_over(keeper, number, true);
    add_errand(keeper, number, SESSION_END_QUIT, &verdict);
}

static void on_dispatch(void *context, session_number number, const struct entry *entry,
                        uint32_t pass_over)
{
    struct keeper *keeper = context;
    struct unfinished *unfinished = keeper_unfinished_find(keeper, entry->id, entry->domain);

    if (unfinished != NULL) {
        unfinished->parked_session = number;
        unfinished->entry = *entry;
        return;
    }
    handover_dispatch(keeper->handover, number, entry, pass_over);
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

static void settle_expired(struct expiry *expiry)
{
    struct keeper *keeper = expiry->keeper;
    struct settlement settlement = {
        .id = expiry->id,
        .domain = buf_str(&expiry->domain),
        .outcome = expiry->state == ENTRY_HELD ? OUTCOME_RESCUED : OUTCOME_DISCARDED,
        .at_ms = keeper_mail_now(keeper).wall_ms,
        .reason =
            verdict_make(554, 4, 7, STR("Holding time is over: the primary could not be reached")),
    };

    store_settle(keeper->store, &settlement, on_expired, expiry);
}

static void on_sender_told(void *context, enum notice_end end, struct str why)
{
    (void)why;
    if (end == NOTICE_CANCELLED)
        on_expired(context, -ECANCELED);
    else
        settle_expired(context);
}

static void on_expire(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;
    struct expiry *expiry = memory_new(sizeof *expiry);

    *expiry = (struct expiry){ .keeper = keeper, .id = entry->id, .state = entry->state };
    buf_add(&expiry->domain, entry->domain);
    if (entry->state == ENTRY_HELD)
        keeper_notices_expired(keeper, entry, on_sender_told, expiry);
    else
        settle_expired(expiry);
}

static void on_delayed(void *context, const struct entry *entry, int64_t age_ms, uint64_t ticket)
{
    keeper_notices_delayed(context, entry, age_ms, ticket);
}

static void on_told(void *context, struct str domain, int64_t age_ms, int64_t until_ms)
{
    keeper_told_of_delay(context, domain, age_ms, until_ms);
}

static int64_t on_told_until(void *context, struct str domain, int64_t age_ms)
{
    return keeper_told_until(context, domain, age_ms);
}

static void on_state_changed(void *context, struct str domain, enum route_state from,
                             enum route_state to, const struct verdict *reason)
{
    bool is_bad = to == ROUTE_STATE_DOWN || to == ROUTE_STATE_HALF_UP ||
                  to == ROUTE_STATE_BLOCKED || to == ROUTE_STATE_STRANGER;
    keeper_route_changed(context, domain);
    keeper_awaited_changed(context, domain);
    log_event(is_bad ? LOG_WARN : LOG_INFO, "route_state", LOG_STR("domain", domain),
              LOG_TEXT("from", route_state_name(from)), LOG_TEXT("to", route_state_name(to)),
              LOG_STR("reason", verdict_text(reason)));
    keeper_alert_state(context, domain, to, reason);
}

static void on_believe(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;
    handover_believe(keeper->handover, entry->id, entry->domain, keeper_mail_now(keeper));
}

static void on_doubt(void *context, const struct entry *entry)
{
    struct keeper *keeper = context;
    if (keeper->handover != NULL)
        handover_doubt(keeper->handover, entry->id, entry->domain);
}

static void on_control(void *context, struct str domain)
{
    keeper_control_wanted(context, domain);
}

static void on_breaker(void *context, struct str domain, bool is_tripped,
                       const struct verdict *reason)
{
    struct buf reply = { 0 };

    verdict_add_line(&reply, reason);
    log_event(is_tripped ? LOG_WARN : LOG_INFO, "breaker", LOG_STR("domain", domain),
              LOG_TEXT("state", is_tripped ? "tripped" : "closed"),
              LOG_STR("reply", buf_str(&reply)));
    const struct alert_facts facts = { .reason = buf_str(&reply) };
    if (is_tripped)
        keeper_alert(context, domain, ALERT_BREAKER, &facts);
    buf_fini(&reply);
}

static bool on_is_unsure(void *context, const struct entry *entry)
{
    return keeper_is_unsure(context, entry->id);
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
    .delayed = on_delayed,
    .told = on_told,
    .told_until = on_told_until,
    .state_changed = on_state_changed,
    .believe = on_believe,
    .doubt = on_doubt,
    .control = on_control,
    .breaker = on_breaker,
    .is_unsure = on_is_unsure,
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

static void open_session(struct keeper_session *session, const struct keeper_peer *peer,
                         struct endpoint at)
{
    struct buf endpoint = { 0 };

    list_remove(&session->opening);
    session->source = peer->source;
    endpoint_encode(&endpoint, at);
    channel_send(peer->channel, session_open, .session = session->number,
                 .domain = buf_str(&session->domain), .host = buf_str(&session->host),
                 .endpoint = buf_str(&endpoint), .security = buf_str(&session->security),
                 .is_probe = session->is_probe, .xclient = session->xclient,
                 .connect_timeout_ms = (uint64_t)session->connect_timeout_ms,
                 .greeting_timeout_ms = (uint64_t)session->greeting_timeout_ms);
    buf_fini(&endpoint);
}

void keeper_session_has_line(struct keeper *keeper, uint64_t number,
                             const struct keeper_peer *deliverer, uint64_t line)
{
    struct keeper_session *session = keeper_session_find(keeper, number);

    if (keeper_callout_is(number))
        keeper_callout_has_line(keeper, number, deliverer, line);
    else if (session != NULL) {
        session->line = line;
        open_session(session, deliverer, endpoint_of_line_number(line));
    }
}

void keeper_session_without_line(struct keeper *keeper, uint64_t number, enum session_end how)
{
    struct verdict verdict =
        how == SESSION_END_GREETING
            ? verdict_make(421, 4, 5, STR("The primary has called for no more sessions"))
            : verdict_make(451, 4, 1, STR("The primary has not called"));

    if (keeper_callout_is(number))
        keeper_callout_without_line(keeper, number, how);
    else
        add_errand(keeper, number, how, &verdict);
}

/* Over a line if that is the way, else to its address. */
static void open_or_wait(struct keeper *keeper, struct keeper_session *session,
                         const struct keeper_peer *peer)
{
    if (session->endpoint.family != ENDPOINT_LINE) {
        open_session(session, peer, session->endpoint);
        return;
    }
    list_remove(&session->opening);
    keeper_line_ask(keeper, session->number, buf_str(&session->domain));
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
        open_or_wait(keeper,
                     container_of(list_first(&keeper->openings), struct keeper_session, opening),
                     peer);
    run_errands(keeper); /* of those that found no line */
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
