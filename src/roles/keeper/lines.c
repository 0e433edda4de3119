/* SPDX-License-Identifier: ISC */
/* lines.c: primaries that call for their mail (ATRN; SPEC D2, D3): joins the receivers,
 * whose clients offer their connections, to the lines (schedule/lines.h) and to the deliverers.
 *
 * A domain whose primary is "agent" has no other way but lines: its plan has one target, which a
 * session reaches if somebody has called. Any other domain has that plan for as long as somebody
 * calls for its mail, and then again the one that the DNS or the operator gives.
 */
#include <openssl/evp.h>
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "mail/security.h"
#include "roles/keeper/session.h"
#include "route/plan.h"
#include "schedule/lines.h"
#include "verify/turn.h"

enum {
    NAME_SIZE = 16,
    PLAN_TTL_S = 3600,
    AWAY_MS_MIN = 10 * SECOND_MS, /* shorter, and it has only called again */
};

struct keeper_line { /* as receivers know it */
    uint64_t number;
    uint32_t source; /* of the receiver's channel */
    uint64_t ticket;
    bool is_wanted;
    bool is_brief;
    unsigned
        deliverer; /* its index; a line that went to the one before it is cut, or soon will be */
    bool is_asked_for; /* of the receiver */
};

/* ---- the plan ---- */

bool keeper_is_called(const struct domain_record *record)
{
    return record->primary_count == 1 && str_equals(record->primary[0], STR(PRIMARY_AGENT));
}

bool keeper_line_plan(const struct keeper *keeper, const struct domain_record *record,
                      struct route_plan *out_plan)
{
    const struct security security = { .level = SECURITY_CLEAR }; /* he has called over TLS */
    uint8_t digest[EVP_MAX_MD_SIZE];
    struct buf bytes = { 0 };
    unsigned size = 0;

    if (record == NULL || (!keeper_is_called(record) && !lines_serve(keeper->lines, record->name)))
        return false;
    check(EVP_Digest(record->name.ptr, record->name.len, digest, &size, EVP_sha256(), NULL) == 1);
    security_encode(&bytes, &security);
    *out_plan = (struct route_plan){ .ttl_s = PLAN_TTL_S };
    route_plan_add(out_plan, record->name, endpoint_of_line(str_of(digest, NAME_SIZE)), 0,
                   buf_str(&bytes));
    buf_fini(&bytes);
    return true;
}

/* ---- what the lines want ---- */

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

static struct keeper_line *find(const struct keeper *keeper, uint64_t number)
{
    return map_find(&keeper->lines_by_number, number_key(&number));
}

static struct keeper_line *find_offered(const struct keeper *keeper, uint32_t source,
                                        uint64_t ticket)
{
    struct keeper_line *line;
    size_t cursor = 0;

    while ((line = map_next(&keeper->lines_by_number, &cursor, NULL)) != NULL)
        if (line->source == source && line->ticket == ticket)
            return line;
    return NULL;
}

/* Without a deliverer it waits; keeper_lines_turn() looks again. */
static void want(struct keeper *keeper, struct keeper_line *line)
{
    const struct keeper_peer *receiver = keeper_peer_of_source(keeper, line->source);
    const struct keeper_peer *deliverer = keeper_some_deliverer(keeper);

    keeper->lines_due = keeper->lines_due || deliverer == NULL || !keeper->may_deliver;
    if (receiver == NULL || deliverer == NULL || !keeper->may_deliver)
        return;
    line->deliverer = channel_peer_index(deliverer->channel);
    line->is_asked_for = true;
    channel_send(receiver->channel, line_wanted, .ticket = line->ticket, .line = line->number,
                 .deliverer = line->deliverer);
}

static const struct keeper_peer *deliverer_of(const struct keeper *keeper,
                                              const struct keeper_line *line)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX && line->is_asked_for; i++) {
        const struct channel *channel = keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == ROLE_DELIVERER &&
            channel_peer_index(channel) == line->deliverer)
            return &keeper->peer[i];
    }
    return NULL;
}

static void on_want(void *context, uint64_t number)
{
    struct keeper *keeper = context;
    struct keeper_line *line = find(keeper, number);

    line->is_wanted = true;
    want(keeper, line);
}

static void on_open(void *context, uint64_t session, uint64_t number)
{
    struct keeper *keeper = context;
    const struct keeper_line *line = find(keeper, number);
    const struct keeper_peer *deliverer = deliverer_of(keeper, line);

    if (deliverer == NULL)
        keeper_session_without_line(keeper, session, SESSION_END_INTERNAL);
    else
        keeper_session_has_line(keeper, session, deliverer, number);
}

/* That there are enough is the same to the scheduler as a server that takes so many sessions. */
static void on_fail(void *context, uint64_t session, bool has_others)
{
    keeper_session_without_line(context, session,
                                has_others ? SESSION_END_GREETING : SESSION_END_CONNECT);
}

static void on_end(void *context, uint64_t number)
{
    struct keeper *keeper = context;
    const struct keeper_line *line = find(keeper, number);
    const struct keeper_peer *deliverer = deliverer_of(keeper, line);

    if (deliverer != NULL)
        channel_send(deliverer->channel, line_end, .line = number);
}

/* It could not be reached: now it can. In any other state the next try has its reasons to wait, and
 * who calls again whenever his line has ended must not hurry it. */
static bool is_sought(const struct keeper *keeper, struct str domain)
{
    struct route_status status;

    return schedule_status(keeper->schedule, domain, keeper_now(keeper), &status) &&
           (status.state == ROUTE_STATE_SHAKY || status.state == ROUTE_STATE_DOWN);
}

static void on_dismiss(void *context, uint64_t number)
{
    struct keeper *keeper = context;
    const struct keeper_line *line = find(keeper, number);
    const struct keeper_peer *receiver = keeper_peer_of_source(keeper, line->source);
    const struct verdict verdict =
        verdict_make(451, 3, 2, STR("Something has changed; call again"));

    if (receiver != NULL)
        keeper_answer_question(receiver, line->ticket, &verdict, STR_NONE);
}

static void on_came(void *context, struct str domain, int64_t away_ms)
{
    struct keeper *keeper = context;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    if (record == NULL)
        return;
    log_info("line_came", LOG_STR("domain", domain));
    if (!keeper_is_called(record))
        keeper_route_ask(keeper, domain); /* and wakes it */
    else if (away_ms >= AWAY_MS_MIN || is_sought(keeper, domain))
        schedule_wake(keeper->schedule, domain, keeper_now(keeper));
}

static void on_gone(void *context, struct str domain)
{
    struct keeper *keeper = context;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    log_info("line_gone", LOG_STR("domain", domain));
    if (record != NULL && !keeper_is_called(record))
        keeper_route_ask(keeper, domain);
}

static const struct lines_host hooks = {
    .want = on_want,
    .open = on_open,
    .fail = on_fail,
    .end = on_end,
    .dismiss = on_dismiss,
    .came = on_came,
    .gone = on_gone,
};

/* ---- offers ---- */

struct offer {
    struct keeper *keeper;
    struct turn_asker asker;
    struct line_offer line;
    struct str domain[LINE_DOMAINS_MAX];
    struct turn_outcome outcome;
    struct str refused; /* the first that is not his */
};

static void take_domain(struct offer *offer, const struct domain_record *record, struct str name)
{
    struct keeper *keeper = offer->keeper;
    struct store_totals totals;

    if (record == NULL || !keeper_is_holder(keeper, offer->asker.user, record)) {
        offer->refused = offer->outcome.refused++ == 0 ? name : offer->refused;
        return;
    }
    bool waits = offer->line.instance.len > 0; /* a pause may end meanwhile, and mail may come */
    if (!waits && record->paused_until_ms > keeper_mail_now(keeper).wall_ms) {
        offer->outcome.paused++;
        return;
    }
    store_totals(keeper->store, record->name, &totals);
    offer->outcome.started++;
    if (!waits && totals.held_count == 0)
        return;
    if (offer->line.domain_count == LINE_DOMAINS_MAX) {
        offer->outcome.too_many++;
        return;
    }
    offer->outcome.waiting += totals.held_count;
    offer->domain[offer->line.domain_count++] = record->name; /* it lives in the directory */
}

/* None are named: all that he may have. */
static void take_domains(struct offer *offer, struct str list)
{
    const struct directory *directory = offer->keeper->directory;
    const struct domain_record *record;
    struct str one = STR_NONE;
    size_t cursor = 0;

    while (list.len > 0 && str_cut(&list, ',', &one)) {
        struct buf name = { 0 };
        record =
            domain_normalise(one, &name) ? directory_find_domain(directory, buf_str(&name)) : NULL;
        take_domain(offer, record, one);
        buf_fini(&name);
    }
    if (one.ptr != NULL)
        return;
    while ((record = directory_next_domain(directory, &cursor)) != NULL)
        if (keeper_is_holder(offer->keeper, offer->asker.user, record))
            take_domain(offer, record, record->name);
}

static void add_line(struct offer *offer, const struct keeper_peer *peer, uint64_t ticket)
{
    struct keeper *keeper = offer->keeper;
    struct keeper_line *line = memory_new(sizeof *line);

    line->number = offer->line.line = ++keeper->last_line;
    line->source = peer->source;
    line->ticket = ticket;
    line->is_brief = offer->line.instance.len == 0;
    (void)map_put(&keeper->lines_by_number, number_key(&line->number), line);
}

static void remove_line(struct keeper *keeper, struct keeper_line *line)
{
    (void)map_remove(&keeper->lines_by_number, number_key(&line->number));
    memory_free(line);
}

/* FATE_ACCEPT: it is a line now. */
static struct verdict welcome(struct offer *offer, const struct keeper_peer *peer, uint64_t ticket)
{
    struct verdict verdict =
        turn_line_reply(&offer->outcome, offer->refused, offer->line.instance.len > 0);

    if (verdict.fate != FATE_ACCEPT)
        return verdict;
    offer->line.domain = offer->domain;
    add_line(offer, peer, ticket);
    struct keeper *keeper = offer->keeper;
    enum line_welcome answer = lines_offer(keeper->lines, &offer->line, keeper_now(keeper));
    if (answer == LINE_WELCOME)
        return verdict;
    remove_line(keeper, find(keeper, offer->line.line));
    return turn_line_busy(answer == LINE_TOO_MANY);
}

bool keeper_line_offered(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload)
{
    struct message_line_offer message;
    struct buf user = { 0 };

    if (!message_get_line_offer(payload, &message) ||
        find_offered(keeper, peer->source, message.ticket) != NULL)
        return false;
    struct cursor cursor = cursor_over(message.client);
    struct offer *offer = memory_new(sizeof *offer);
    offer->keeper = keeper;
    offer->asker.client = endpoint_decode(&cursor);
    struct verdict verdict =
        verdict_make(451, 7, 0, STR("Your login has ended; call again and log in"));
    if (domain_normalise(message.user, &user))
        offer->asker.user = offer->line.caller = buf_str(&user);
    if (keeper_login_holds(keeper, peer->source, buf_str(&user))) {
        offer->line.instance = message.instance;
        take_domains(offer, message.domains);
        verdict = welcome(offer, peer, message.ticket);
    }
    keeper_log_asked("line_offered", offer->asker.client, offer->asker.user, &verdict);
    if (verdict.fate != FATE_ACCEPT)
        keeper_answer_question(peer, message.ticket, &verdict, STR_NONE);
    memory_free(offer);
    buf_fini(&user);
    return cursor_done(&cursor);
}

/* ---- what becomes of them ---- */

bool keeper_line_is_up(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_line_up message;

    if (!message_get_line_up(payload, &message))
        return false;
    struct keeper_line *line = find_offered(keeper, peer->source, message.ticket);
    if (line != NULL)
        lines_up(keeper->lines, line->number, keeper_now(keeper));
    return true;
}

static void drop(struct keeper *keeper, struct keeper_line *line)
{
    on_end(keeper, line->number); /* it may work no further, should it live */
    lines_down(keeper->lines, line->number, keeper_now(keeper));
    remove_line(keeper, line);
}

bool keeper_line_is_down(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload)
{
    struct message_line_down message;

    if (!message_get_line_down(payload, &message))
        return false;
    struct keeper_line *line = find_offered(keeper, peer->source, message.ticket);
    if (line != NULL)
        drop(keeper, line);
    return true;
}

void keeper_lines_drop_source(struct keeper *keeper, uint32_t source)
{
    struct keeper_line *line;
    size_t cursor = 0;

    while ((line = map_next(&keeper->lines_by_number, &cursor, NULL)) != NULL) {
        if (line->source != source)
            continue;
        drop(keeper, line);
        cursor = 0;
    }
}

void keeper_lines_dismiss(struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct str login = record != NULL ? keeper_login_of(keeper, record) : STR_NONE;

    lines_dismiss(keeper->lines, domain, keeper_now(keeper));
    if (login.len > 0) /* he may have more now, or less */
        lines_dismiss(keeper->lines, login, keeper_now(keeper));
}

/* ---- sessions ---- */

void keeper_line_ask(struct keeper *keeper, uint64_t session, struct str domain)
{
    lines_ask(keeper->lines, session, domain, keeper_callout_is(session), keeper_now(keeper));
}

bool keeper_line_is_brief(const struct keeper *keeper, uint64_t number)
{
    const struct keeper_line *line = number != 0 ? find(keeper, number) : NULL;

    return line != NULL && line->is_brief;
}

void keeper_line_session_over(struct keeper *keeper, uint64_t session, bool is_clean)
{
    if (keeper->lines != NULL)
        lines_session_over(keeper->lines, session, is_clean, keeper_now(keeper));
}

/* ---- turns ---- */

void keeper_lines_turn(struct keeper *keeper, struct now now)
{
    struct keeper_line *line;
    size_t cursor = 0;
    uint64_t session;

    lines_tick(keeper->lines, now);
    while (lines_overdue(keeper->lines, now, &session))
        schedule_yield(keeper->schedule, session, now);
    if (!keeper->lines_due || !keeper->may_deliver || keeper_some_deliverer(keeper) == NULL)
        return;
    keeper->lines_due = false;
    while ((line = map_next(&keeper->lines_by_number, &cursor, NULL)) != NULL)
        if (line->is_wanted && !line->is_asked_for)
            want(keeper, line);
}

uint32_t keeper_line_count(const struct keeper *keeper, struct str domain)
{
    return lines_count(keeper->lines, domain);
}

int64_t keeper_lines_deadline(const struct keeper *keeper)
{
    return lines_deadline(keeper->lines);
}

void keeper_lines_init(struct keeper *keeper)
{
    keeper->lines = lines_new(&hooks, keeper);
    keeper->last_line = (uint64_t)clock_now().wall_ms << 16; /* no number of the keeper before */
    map_init(&keeper->lines_by_number);
}

void keeper_lines_fini(struct keeper *keeper)
{
    struct keeper_line *line;
    size_t cursor = 0;

    lines_free(keeper->lines);
    keeper->lines = NULL;
    while ((line = map_next(&keeper->lines_by_number, &cursor, NULL)) != NULL) {
        remove_line(keeper, line);
        cursor = 0;
    }
    map_fini(&keeper->lines_by_number);
}
