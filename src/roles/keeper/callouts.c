/* SPDX-License-Identifier: ISC */
/* callouts.c: puts the verifier's inquiries to primaries (SPEC V1, V10).
 *
 *     queued at its primary ──▶ with a session ── answer ──▶ verifier_told()
 *
 * Questions have sessions of their own, few for each primary, so that a storm of them keeps no mail
 * from being handed over, and no drain keeps a client waiting. A session takes several at once and
 * is used again; it ends when it has had nothing to do for a while, and before the primary has
 * refused so much on it that it would slow down or hang up (Postfix: after ten, and twenty).
 */
#include <string.h>

#include "base/heap.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "roles/keeper/keeper.h"
#include "verify/verifier.h"

enum {
    SESSIONS_MAX = 2,      /* for one primary */
    LINE_SESSIONS_MAX = 1, /* that calls: its lines are few, and mail goes over them */
    REFUSALS_MAX = 8,      /* on one session */
    IDLE_MS = 5 * SECOND_MS,
    CONNECT_MS = 4 * SECOND_MS,
    TIMES_MAX = 2, /* that one is put when its session ends without an answer */
};

/* Their numbers, apart from the scheduler's, which have no highest bit; and from others of ours
 * that have the two highest. */
#define CALLOUT_SESSION (UINT64_C(2) << 62)
#define NUMBER_KINDS    (UINT64_C(3) << 62)

struct primary { /* one address and port, and what it has to show */
    struct keeper *keeper;
    struct endpoint endpoint;
    struct buf host;
    struct buf security;
    struct buf key;
    struct link queue;    /* struct callout */
    struct link sessions; /* struct callout_session.of_primary */
    unsigned session_count;
};

struct callout {
    struct link link; /* in primary->queue or session->out */
    uint64_t inquiry;
    struct primary *primary;
    struct callout_session *session; /* NULL: queued */
    struct buf domain;
    struct buf address;
    unsigned times;
};

struct callout_session {
    struct link of_primary;
    struct heap_node idle; /* since it has nothing to do */
    struct primary *primary;
    uint64_t number;
    uint32_t source;   /* of the deliverer's channel */
    struct buf domain; /* for which it was opened */
    bool is_ready, is_ending;
    bool has_no_line; /* to be ended at the turn's end, and how */
    enum session_end how;
    unsigned window;
    unsigned out_count, refusals;
    struct link out; /* struct callout */
};

struct keeper_callouts {
    struct map primaries; /* by encoded endpoint, and what it has to show */
    struct map sessions;  /* by number */
    struct map callouts;  /* by inquiry */
    struct heap idle;
    bool lacks_lines; /* of a session */
    uint64_t last_session;
    struct buf postmaster; /* ours */
};

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- primaries ---- */

static struct primary *primary_use(struct keeper *keeper, const struct route_target_status *target)
{
    struct keeper_callouts *callouts = keeper->callouts;
    struct buf key = { 0 };

    endpoint_encode(&key, target->endpoint);
    buf_add(&key, target->security);
    struct primary *primary = map_find(&callouts->primaries, buf_str(&key));
    if (primary != NULL) {
        buf_fini(&key);
        return primary;
    }
    primary = memory_new(sizeof *primary);
    primary->keeper = keeper;
    primary->endpoint = target->endpoint;
    primary->key = key;
    buf_add(&primary->host, target->host);
    buf_add(&primary->security, target->security);
    list_init(&primary->queue);
    list_init(&primary->sessions);
    (void)map_put(&callouts->primaries, buf_str(&primary->key), primary);
    return primary;
}

static void primary_release(struct primary *primary)
{
    if (primary->session_count > 0 || !list_is_empty(&primary->queue))
        return;
    (void)map_remove(&primary->keeper->callouts->primaries, buf_str(&primary->key));
    buf_fini(&primary->key);
    buf_fini(&primary->host);
    buf_fini(&primary->security);
    memory_free(primary);
}

/* ---- questions ---- */

static void callout_free(struct callout *callout)
{
    (void)map_remove(&callout->primary->keeper->callouts->callouts, number_key(&callout->inquiry));
    list_remove(&callout->link);
    buf_fini(&callout->domain);
    buf_fini(&callout->address);
    memory_free(callout);
}

static void tell(struct callout *callout, enum probe_stage stage, const struct verdict *verdict)
{
    struct keeper *keeper = callout->primary->keeper;
    uint64_t inquiry = callout->inquiry;

    callout_free(callout);
    verifier_told(keeper->verifier, inquiry, stage, verdict, keeper_mail_now(keeper));
}

static void tell_all(struct link *list, enum probe_stage stage, const struct verdict *verdict)
{
    struct link *first;

    while ((first = list_first(list)) != NULL)
        tell(container_of(first, struct callout, link), stage, verdict);
}

struct str keeper_callout_sender(const struct keeper *keeper)
{
    struct str configured = keeper->process->config->callout_sender;

    if (str_equals(configured, STR("<>")))
        return STR("");
    return configured.len > 0 ? configured : buf_str(&keeper->callouts->postmaster);
}

/* ---- sessions ---- */

static struct channel *channel_of(const struct callout_session *session)
{
    const struct keeper *keeper = session->primary->keeper;

    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == session->source)
            return keeper->peer[i].channel;
    return NULL;
}

static void session_free(struct callout_session *session)
{
    struct keeper_callouts *callouts = session->primary->keeper->callouts;

    (void)map_remove(&callouts->sessions, number_key(&session->number));
    heap_remove(&callouts->idle, &session->idle);
    list_remove(&session->of_primary);
    session->primary->session_count--;
    buf_fini(&session->domain);
    memory_free(session);
}

static void send_open(struct callout_session *session, const struct keeper_peer *peer,
                      struct endpoint at)
{
    const struct primary *primary = session->primary;
    struct str domain = buf_str(&session->domain);
    struct buf endpoint = { 0 };

    session->source = peer->source;
    endpoint_encode(&endpoint, at);
    channel_send(peer->channel, session_open, .session = session->number, .domain = domain,
                 .host = buf_str(&primary->host), .endpoint = buf_str(&endpoint),
                 .security = buf_str(&primary->security), .connect_timeout_ms = CONNECT_MS,
                 .is_callout = true,
                 .xclient =
                     at.family == ENDPOINT_LINE && keeper_tells_origins(primary->keeper, domain));
    buf_fini(&endpoint);
}

static void open_session(struct primary *primary, struct str domain)
{
    struct keeper *keeper = primary->keeper;
    struct keeper_callouts *callouts = keeper->callouts;
    const struct keeper_peer *peer = keeper_some_deliverer(keeper);
    bool is_on_line = primary->endpoint.family == ENDPOINT_LINE;

    if (peer == NULL || !peer->has_greeted)
        return; /* asked again when one has come */
    struct callout_session *session = memory_new(sizeof *session);
    session->primary = primary;
    session->number = CALLOUT_SESSION | ++callouts->last_session;
    buf_add(&session->domain, domain);
    list_init(&session->out);
    list_append(&primary->sessions, &session->of_primary);
    primary->session_count++;
    (void)map_put(&callouts->sessions, number_key(&session->number), session);
    if (is_on_line)
        keeper_line_ask(keeper, session->number, domain);
    else
        send_open(session, peer, primary->endpoint);
}

void keeper_callout_has_line(struct keeper *keeper, uint64_t number, const struct keeper_peer *peer,
                             uint64_t line)
{
    struct callout_session *session = map_find(&keeper->callouts->sessions, number_key(&number));

    if (session != NULL)
        send_open(session, peer, endpoint_of_line_number(line));
}

void keeper_callout_without_line(struct keeper *keeper, uint64_t number, enum session_end how)
{
    struct callout_session *session = map_find(&keeper->callouts->sessions, number_key(&number));

    if (session == NULL)
        return;
    session->has_no_line = keeper->callouts->lacks_lines = true;
    session->how = how;
}

static void end_session(struct callout_session *session)
{
    struct channel *channel = channel_of(session);

    session->is_ending = true;
    heap_remove(&session->primary->keeper->callouts->idle, &session->idle);
    if (channel != NULL)
        channel_send(channel, session_end, .session = session->number);
}

static void put_question(struct callout_session *session, struct callout *callout)
{
    struct keeper *keeper = session->primary->keeper;
    struct channel *channel = channel_of(session);

    list_remove(&callout->link);
    list_append(&session->out, &callout->link);
    callout->session = session;
    callout->times++;
    session->out_count++;
    heap_remove(&keeper->callouts->idle, &session->idle);
    if (channel != NULL)
        channel_send(channel, callout, .session = session->number, .inquiry = callout->inquiry,
                     .sender = keeper_callout_sender(keeper),
                     .recipient = buf_str(&callout->address));
}

/* A session that has room, without risk that it is refused too much. */
static struct callout_session *find_room(const struct primary *primary)
{
    list_each (link, &primary->sessions) {
        struct callout_session *session = container_of(link, struct callout_session, of_primary);
        if (session->is_ready && !session->is_ending && session->out_count < session->window &&
            session->out_count + session->refusals < REFUSALS_MAX)
            return session;
    }
    return NULL;
}

/* One that is used up ends; one that is quiet is kept for a while. */
static void look_after(struct callout_session *session)
{
    struct keeper *keeper = session->primary->keeper;

    if (!session->is_ready || session->is_ending || session->out_count > 0)
        return;
    if (session->refusals >= REFUSALS_MAX || session->primary->endpoint.family == ENDPOINT_LINE)
        end_session(session);
    else
        heap_put(&keeper->callouts->idle, &session->idle, keeper_now(keeper).mono_ms + IDLE_MS);
}

/* A session that is ending is none any more, though the primary may still count it for a moment. */
static unsigned count_usable(const struct primary *primary)
{
    unsigned count = 0;

    list_each (link, &primary->sessions)
        count += !container_of(link, struct callout_session, of_primary)->is_ending;
    return count;
}

static unsigned count_opening(const struct primary *primary)
{
    unsigned count = 0;

    list_each (link, &primary->sessions)
        count += !container_of(link, struct callout_session, of_primary)->is_ready;
    return count;
}

/* Those that nobody waits for any more. */
static void drop_unwanted(struct primary *primary)
{
    list_each_safe (link, &primary->queue) {
        struct callout *callout = container_of(link, struct callout, link);
        if (!verifier_wants(primary->keeper->verifier, callout->inquiry))
            callout_free(callout);
    }
}

static unsigned sessions_max(const struct primary *primary)
{
    return primary->endpoint.family == ENDPOINT_LINE ? LINE_SESSIONS_MAX : SESSIONS_MAX;
}

static void run(struct primary *primary)
{
    struct link *first;
    struct callout_session *session;

    drop_unwanted(primary);
    while ((first = list_first(&primary->queue)) != NULL && (session = find_room(primary)) != NULL)
        put_question(session, container_of(first, struct callout, link));
    if (first != NULL && count_opening(primary) == 0 &&
        count_usable(primary) < sessions_max(primary))
        open_session(primary, buf_str(&container_of(first, struct callout, link)->domain));
    list_each_safe (link, &primary->sessions)
        look_after(container_of(link, struct callout_session, of_primary));
}

/* ---- what the verifier wants ---- */

void keeper_callout_ask(struct keeper *keeper, uint64_t inquiry, struct str domain,
                        struct str address, const struct route_target_status *target)
{
    struct callout *callout = memory_new(sizeof *callout);

    callout->inquiry = inquiry;
    callout->primary = primary_use(keeper, target);
    buf_add(&callout->domain, domain);
    buf_add(&callout->address, address);
    list_append(&callout->primary->queue, &callout->link);
    (void)map_put(&keeper->callouts->callouts, number_key(&inquiry), callout);
}

/* ---- what deliverers say ---- */

bool keeper_callout_is(uint64_t session)
{
    return (session & NUMBER_KINDS) == CALLOUT_SESSION;
}

static struct callout_session *find_session(const struct keeper *keeper,
                                            const struct keeper_peer *peer, uint64_t number)
{
    struct callout_session *session = map_find(&keeper->callouts->sessions, number_key(&number));
    return session != NULL && session->source == peer->source ? session : NULL;
}

void keeper_callout_ready(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          unsigned window)
{
    struct callout_session *session = find_session(keeper, peer, number);

    if (session == NULL)
        return;
    session->is_ready = true;
    session->window = window;
    run(session->primary);
}

bool keeper_callout_answer(struct keeper *keeper, const struct keeper_peer *peer,
                           struct cursor payload)
{
    static const enum probe_stage stages[] = {
        [STAGE_NONE] = PROBE_CONNECT,
        [STAGE_SENDER] = PROBE_MAIL,
        [STAGE_RECIPIENT] = PROBE_RCPT,
    };
    struct message_callout_answer message;

    if (!message_get_callout_answer(payload, &message) || message.stage > STAGE_RECIPIENT)
        return false;
    struct cursor cursor = cursor_over(message.verdict);
    struct verdict verdict = verdict_decode(&cursor);
    if (!cursor_done(&cursor))
        return false;
    struct callout_session *session = find_session(keeper, peer, message.session);
    struct callout *callout = map_find(&keeper->callouts->callouts, number_key(&message.inquiry));
    if (session == NULL || callout == NULL || callout->session != session)
        return true;
    enum probe_stage stage = stages[message.stage];
    session->out_count--;
    session->refusals += verdict.fate != FATE_ACCEPT;
    if (verdict_is_not_tried(&verdict))
        stage = PROBE_RCPT; /* the session was ending */
    tell(callout, stage, &verdict);
    run(session->primary);
    return true;
}

static enum probe_stage stage_of(enum session_end how)
{
    return how == SESSION_END_GREETING ? PROBE_GREETING : PROBE_CONNECT;
}

/* What it had is put once more; what waits for it, if it never began, hears why. */
static void session_over(struct callout_session *session, enum session_end how,
                         const struct verdict *verdict)
{
    struct primary *primary = session->primary;
    bool was_ready = session->is_ready;
    struct link *first;

    keeper_line_session_over(primary->keeper, session->number, false);
    while ((first = list_first(&session->out)) != NULL) {
        struct callout *callout = container_of(first, struct callout, link);
        list_remove(first);
        callout->session = NULL;
        list_append(&primary->queue, &callout->link);
        if (callout->times >= TIMES_MAX)
            tell(callout, PROBE_CONNECT, verdict);
    }
    if (was_ready && !session->is_ending && how != SESSION_END_INTERNAL)
        keeper_doubt_primary(primary->keeper, buf_str(&session->domain)); /* has it died? */
    session_free(session);
    if (!was_ready && how != SESSION_END_INTERNAL && how != SESSION_END_QUIT)
        tell_all(&primary->queue, stage_of(how), verdict);
    run(primary);
    primary_release(primary);
}

void keeper_callout_ended(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          enum session_end how, const struct verdict *verdict, bool is_parked)
{
    struct callout_session *session = find_session(keeper, peer, number);

    if (session == NULL)
        return;
    keeper_line_session_over(keeper, number, is_parked);
    session_over(session, how, verdict);
}

void keeper_callout_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer)
{
    struct verdict verdict = verdict_make(451, 3, 0, STR("The deliverer was restarted"));
    struct callout_session *session;
    size_t cursor = 0;

    while ((session = map_next(&keeper->callouts->sessions, &cursor, NULL)) != NULL) {
        if (session->source != peer->source)
            continue;
        session_over(session, SESSION_END_INTERNAL, &verdict);
        cursor = 0;
    }
}

/* ---- turns ---- */

/* The first of them that is found. */
static void end_without_line(struct keeper_callouts *callouts)
{
    struct verdict verdict = verdict_make(451, 4, 1, STR("The primary has not called"));
    struct callout_session *session;
    size_t cursor = 0;

    while ((session = map_next(&callouts->sessions, &cursor, NULL)) != NULL) {
        if (!session->has_no_line)
            continue;
        session_over(session, session->how, &verdict);
        return;
    }
    callouts->lacks_lines = false;
}

/* The verifier has asked meanwhile, or a deliverer has come. */
void keeper_callouts_turn(struct keeper *keeper, struct now now)
{
    struct keeper_callouts *callouts = keeper->callouts;
    struct heap_node *node;
    struct primary *primary;
    size_t cursor = 0;

    while (callouts->lacks_lines)
        end_without_line(callouts);
    while ((node = heap_take_due(&callouts->idle, now.mono_ms)) != NULL)
        end_session(container_of(node, struct callout_session, idle));
    while ((primary = map_next(&callouts->primaries, &cursor, NULL)) != NULL)
        if (!list_is_empty(&primary->queue))
            run(primary);
}

int64_t keeper_callouts_deadline(const struct keeper *keeper)
{
    const struct heap_node *first = heap_first(&keeper->callouts->idle);
    return first != NULL ? first->key : NEVER_MS;
}

/* ---- beginning and end ---- */

void keeper_callouts_init(struct keeper *keeper)
{
    keeper->callouts = memory_new(sizeof *keeper->callouts);
    keeper->callouts->last_session = (uint64_t)clock_now().wall_ms << 16;
    map_init(&keeper->callouts->primaries);
    map_init(&keeper->callouts->sessions);
    map_init(&keeper->callouts->callouts);
    buf_add_format(&keeper->callouts->postmaster, "postmaster@%.*s",
                   STR_FMT(keeper->process->config->hostname));
}

void keeper_callouts_fini(struct keeper *keeper)
{
    struct keeper_callouts *callouts = keeper->callouts;
    void *value;
    size_t cursor = 0;

    if (callouts == NULL)
        return;
    while ((value = map_next(&callouts->callouts, &cursor, NULL)) != NULL) {
        callout_free(value);
        cursor = 0;
    }
    cursor = 0;
    while ((value = map_next(&callouts->sessions, &cursor, NULL)) != NULL) {
        session_free(value);
        cursor = 0;
    }
    cursor = 0;
    while ((value = map_next(&callouts->primaries, &cursor, NULL)) != NULL) {
        primary_release(value);
        cursor = 0;
    }
    map_fini(&callouts->primaries);
    map_fini(&callouts->sessions);
    map_fini(&callouts->callouts);
    heap_fini(&callouts->idle);
    buf_fini(&callouts->postmaster);
    memory_free(callouts);
    keeper->callouts = NULL;
}
