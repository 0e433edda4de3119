/* SPDX-License-Identifier: ISC */
/* world.c: see world.h. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "base/check.h"
#include "base/memory.h"

enum event_kind {
    EVENT_CONNECT, /* a SYN is sent, again after 1 s and 3 s */
    EVENT_READY,
    EVENT_ANSWER,
    EVENT_ENDED,
    EVENT_LISTED,
    EVENT_RESOLVED,
    EVENT_EXPIRED,
    EVENT_BELIEVED,
    EVENT_CONTROLLED,
    EVENT_TOLD,
};

struct event {
    struct heap_node node;
    enum event_kind kind;
    session_number session;
    uint32_t mail, domain;
    uint32_t try;
    uint64_t ticket;
    struct store_query query;
    enum session_end how;
    struct verdict verdict;
};

struct peer { /* one session, as the primary sees it */
    struct link link;
    session_number number;
    uint32_t domain, primary;
    int64_t timeout_ms, patience_ms, began_ms;
    bool is_connected, is_ready, is_over;
    uint32_t in_flight, window;
    int64_t busy_until_ms;
};

static struct event *event_new(struct world *world, enum event_kind kind, int64_t in_ms)
{
    struct event *event = memory_new(sizeof *event);
    event->kind = kind;
    heap_put(&world->events, &event->node, world->now.mono_ms + in_ms);
    return event;
}

struct str world_domain(uint32_t number)
{
    static char text[WORLD_DOMAINS][16];
    (void)snprintf(text[number], sizeof text[number], "d%u.example", number);
    return str_from(text[number]);
}

static uint32_t number_of(struct str domain)
{
    uint64_t number;
    struct str head;
    check(str_cut(&domain, '.', &head) && str_to_u64(str_skip(head, 1), WORLD_DOMAINS, &number));
    return (uint32_t)number;
}

struct endpoint world_endpoint(uint32_t primary)
{
    return (struct endpoint){ .family = ENDPOINT_IP4,
                              .port = 25,
                              .address = { 10, 0, (uint8_t)(primary >> 8), (uint8_t)primary } };
}

static uint32_t mail_number(struct message_id id)
{
    uint32_t number;
    memcpy(&number, id.bytes, sizeof number);
    return number;
}

static struct peer *find_peer(struct world *world, session_number number)
{
    list_each (link, &world->sessions)
        if (container_of(link, struct peer, link)->number == number)
            return container_of(link, struct peer, link);
    return NULL;
}

/* ---- what the scheduler asks for ---- */

static void on_resolve(void *context, struct str domain)
{
    event_new(context, EVENT_RESOLVED, 1)->domain = number_of(domain);
}

static void on_open(void *context, const struct session_plan *plan)
{
    struct world *world = context;
    struct peer *peer = memory_new(sizeof *peer);

    peer->number = plan->number;
    peer->domain = number_of(plan->domain);
    peer->primary = plan->endpoint.address[2] * 256U + plan->endpoint.address[3];
    peer->timeout_ms = plan->connect_timeout_ms;
    peer->patience_ms = plan->is_probe ? plan->greeting_timeout_ms : 5 * MINUTE_MS;
    peer->began_ms = world->now.mono_ms;
    list_append(&world->sessions, &peer->link);
    world->probes += plan->is_probe;
    world->opened++;
    world->primary[peer->primary].connects++;
    check(world->state[peer->domain] != ROUTE_STATE_PAUSED);
    event_new(world, EVENT_CONNECT, 0)->session = peer->number;
}

static void end_peer(struct world *world, struct peer *peer, enum session_end how, int64_t in_ms)
{
    if (peer->is_over)
        return;
    peer->is_over = true;
    struct event *event = event_new(world, EVENT_ENDED, in_ms);
    event->session = peer->number;
    event->how = how;
    uint16_t code = world->primary[peer->primary].greets_with;
    if (how == SESSION_END_GREETING && code != 0)
        event->verdict = verdict_make(code, 7, 1, STR("Not you"));
    else if (how == SESSION_END_GREETING)
        event->verdict = verdict_make(421, 3, 2, STR("Too many"));
    else if (how == SESSION_END_STRANGER)
        event->verdict = verdict_make(451, 7, 8, STR("Another key"));
    else
        event->verdict = verdict_make(451, 4, 1, STR("No connection"));
}

static void on_end(void *context, session_number number)
{
    struct world *world = context;
    struct peer *peer = find_peer(world, number);
    check(peer != NULL);
    end_peer(world, peer, SESSION_END_QUIT, 1);
}

static void check_dispatch(struct world *world, const struct peer *peer, const struct mail *mail)
{
    enum route_state state = world->state[mail->domain];
    check(state == ROUTE_STATE_UP || state == ROUTE_STATE_HALF_UP || state == ROUTE_STATE_BLOCKED);
    check(!mail->is_on_trial);
    check(peer->domain == mail->domain && peer->is_ready);
    check(peer->in_flight <= peer->window);
    check(mail->on == 0 && mail->is_stored && mail->entry.state == ENTRY_HELD);
    int64_t first = setting_value(&world->settings, &world->defaults, SETTING_RETRY_FIRST);
    if (mail->deferrals > 0 && !world->woken && world->primary[peer->primary].greylist_ms == 0)
        check(world->now.mono_ms - mail->last_try_ms >= first * 9 / 10);
}

static enum event_kind answer_of(struct world *world, struct peer *peer, struct mail *mail)
{
    const struct primary *primary = &world->primary[peer->primary];
    bool lost = mail->is_poison || primary->loses_all ||
                random_below(&world->random, 100) < primary->loses_percent;
    return lost ? EVENT_ENDED : EVENT_ANSWER;
}

static void on_dispatch(void *context, session_number number, const struct entry *entry,
                        uint32_t pass_over)
{
    struct world *world = context;
    struct peer *peer = find_peer(world, number);
    struct mail *mail = &world->mail[mail_number(entry->id)];

    check(peer != NULL && pass_over == 0); /* a mail has one recipient */
    peer->in_flight++;
    check_dispatch(world, peer, mail);
    world->dispatched++;
    if (world->first_dispatch_ms < 0)
        world->first_dispatch_ms = world->now.mono_ms;
    mail->on = number;
    mail->tries++;
    mail->last_try_ms = world->now.mono_ms;
    if (mail->first_try_ms == 0)
        mail->first_try_ms = world->now.mono_ms;
    if (peer->is_over)
        return; /* it is lost with the session */
    if (peer->busy_until_ms < world->now.mono_ms)
        peer->busy_until_ms = world->now.mono_ms;
    peer->busy_until_ms += world->primary[peer->primary].latency_ms;
    if (answer_of(world, peer, mail) == EVENT_ENDED) {
        end_peer(world, peer, mail->is_told_421 ? SESSION_END_GREETING : SESSION_END_LOST,
                 peer->busy_until_ms - world->now.mono_ms);
        return;
    }
    struct event *event = event_new(world, EVENT_ANSWER, peer->busy_until_ms - world->now.mono_ms);
    event->session = number;
    event->mail = mail_number(entry->id);
}

static void on_list(void *context, const struct store_query *query, uint64_t ticket)
{
    struct world *world = context;
    struct event *event = event_new(world, EVENT_LISTED, 1);

    world->listings++;
    event->ticket = ticket;
    event->query = *query;
    event->domain = number_of(query->domain);
}

static void on_expire(void *context, const struct entry *entry)
{
    event_new(context, EVENT_EXPIRED, 1)->mail = mail_number(entry->id);
}

static void on_delayed(void *context, const struct entry *entry, int64_t age_ms, uint64_t ticket)
{
    struct world *world = context;
    struct mail *mail = &world->mail[mail_number(entry->id)];
    struct event *event = event_new(world, EVENT_TOLD, world->telling_ms);

    check(entry->state == ENTRY_HELD && mail->is_stored);
    check(schedule_wall(world->schedule, world->now) - entry->since_ms >= age_ms);
    mail->delays++;
    world->delayed++;
    world->last_age_ms = age_ms;
    event->ticket = ticket;
    event->mail = mail_number(entry->id);
}

static void on_told(void *context, struct str domain, int64_t age_ms, int64_t until_ms)
{
    struct world *world = context;

    for (unsigned i = 0; i < WORLD_AGES; i++) {
        struct world_told *told = &world->told[number_of(domain)][i];
        if (told->age_ms != 0 && told->age_ms != age_ms)
            continue;
        check(until_ms >= told->until_ms - 1);
        *told = (struct world_told){ age_ms, until_ms };
        world->places++;
        return;
    }
    check(false);
}

static int64_t on_told_until(void *context, struct str domain, int64_t age_ms)
{
    const struct world *world = context;

    for (unsigned i = 0; i < WORLD_AGES; i++) {
        const struct world_told *told = &world->told[number_of(domain)][i];
        if (told->age_ms == age_ms)
            return told->until_ms;
    }
    return 0;
}

static void on_state(void *context, struct str domain, enum route_state from, enum route_state to,
                     const struct verdict *reason)
{
    struct world *world = context;
    (void)reason;
    check(world->state[number_of(domain)] == from && from != to);
    world->state[number_of(domain)] = to;
    world->state_changes++;
}

static void on_believe(void *context, const struct entry *entry)
{
    struct world *world = context;
    struct mail *mail = &world->mail[mail_number(entry->id)];

    check(mail->is_on_trial && mail->is_stored && mail->on == 0);
    check(!world->is_tripped[mail->domain] && world->state[mail->domain] == ROUTE_STATE_UP);
    event_new(world, EVENT_BELIEVED, 1)->mail = mail_number(entry->id);
}

static void on_doubt(void *context, const struct entry *entry)
{
    struct world *world = context;

    world->mail[mail_number(entry->id)].is_on_trial = false;
    world->doubted++;
}

static void on_control(void *context, struct str domain)
{
    struct world *world = context;

    world->controls++;
    event_new(world, EVENT_CONTROLLED, 5)->domain = number_of(domain);
}

static void on_breaker(void *context, struct str domain, bool is_tripped,
                       const struct verdict *reason)
{
    struct world *world = context;

    check(world->is_tripped[number_of(domain)] != is_tripped && reason->code != 0);
    world->is_tripped[number_of(domain)] = is_tripped;
    world->trips += is_tripped;
    world->closes += !is_tripped;
}

static bool on_is_unsure(void *context, const struct entry *entry)
{
    struct world *world = context;
    return world->mail[mail_number(entry->id)].is_unsure;
}

static void on_drained(void *context, struct str domain, uint64_t delivered, int64_t took_ms)
{
    struct world *world = context;
    (void)domain;
    check(delivered > 0 && took_ms >= 0);
    world->drained++;
}

static const struct schedule_host host = {
    .resolve = on_resolve,
    .open_session = on_open,
    .end_session = on_end,
    .dispatch = on_dispatch,
    .list = on_list,
    .expire = on_expire,
    .delayed = on_delayed,
    .told = on_told,
    .told_until = on_told_until,
    .state_changed = on_state,
    .believe = on_believe,
    .doubt = on_doubt,
    .control = on_control,
    .breaker = on_breaker,
    .is_unsure = on_is_unsure,
    .drained = on_drained,
};

/* ---- what happens ---- */

static void happen_connect(struct world *world, struct event *event)
{
    static const int64_t again_ms[] = { 1000, 2000, 4000, 8000, 16000 };
    struct peer *peer = find_peer(world, event->session);

    if (peer == NULL || peer->is_over)
        return;
    struct primary *primary = &world->primary[peer->primary];
    int64_t passed = world->now.mono_ms - peer->began_ms;
    if (primary->is_alive && primary->session_limit > 0 &&
        primary->sessions >= primary->session_limit) {
        primary->refused++;
        end_peer(world, peer, SESSION_END_GREETING, 2);
    } else if (primary->is_alive && primary->greets_with != 0) {
        primary->refused++;
        if (world->refused < 1000)
            world->refused_ms[world->refused] = world->now.mono_ms;
        world->refused++;
        end_peer(world, peer, SESSION_END_GREETING, 2);
    } else if (primary->is_alive && primary->is_stranger) {
        if (world->refused < 1000)
            world->refused_ms[world->refused] = world->now.mono_ms;
        world->refused++;
        end_peer(world, peer, SESSION_END_STRANGER, 2);
    } else if (primary->is_alive) {
        peer->is_connected = true;
        if (++primary->sessions > primary->sessions_max)
            primary->sessions_max = primary->sessions;
        if (primary->greets_after_ms > peer->patience_ms)
            end_peer(world, peer, SESSION_END_SLOW, peer->patience_ms);
        else
            event_new(world, EVENT_READY, primary->greets_after_ms + 2)->session = peer->number;
    } else if (primary->refuses || passed >= peer->timeout_ms) {
        primary->connect_failed++;
        end_peer(world, peer, SESSION_END_CONNECT, 0);
    } else {
        int64_t wait = again_ms[event->try < 4 ? event->try : 4];
        if (passed + wait > peer->timeout_ms)
            wait = peer->timeout_ms - passed;
        struct event *again = event_new(world, EVENT_CONNECT, wait);
        again->session = peer->number;
        again->try = event->try + 1;
    }
}

static void happen_ready(struct world *world, struct event *event)
{
    struct peer *peer = find_peer(world, event->session);
    if (peer == NULL || peer->is_over)
        return;
    peer->is_ready = true;
    peer->window = world->primary[peer->primary].window;
    schedule_session_ready(world->schedule, peer->number, peer->window, world->now);
}

static bool is_deferred(struct world *world, const struct primary *primary, const struct mail *mail,
                        struct verdict *out_verdict)
{
    int64_t waited = world->now.mono_ms - mail->first_try_ms;

    if (primary->greylist_ms > 0 && waited < primary->greylist_ms) {
        *out_verdict = primary->says_hint
                           ? verdict_format(450, 7, 1, "Greylisted, come back in %d seconds",
                                            (int)((primary->greylist_ms - waited) / 1000 + 1))
                           : verdict_make(450, 7, 1, STR("Greylisted"));
        return true;
    }
    if (mail->forged / 100 == 4) {
        *out_verdict = verdict_make(mail->forged, 1, 8, STR("Domain not found"));
        return true;
    }
    *out_verdict = verdict_make(451, 3, 0, STR("Not now"));
    return primary->defers_all || random_below(&world->random, 100) < primary->defers_percent;
}

/* Postfix's smtpd_client_message_rate_limit. */
static bool is_limited(struct world *world, struct primary *primary, struct verdict *out_verdict)
{
    if (primary->per_minute == 0)
        return false;
    if (world->now.mono_ms - primary->minute_since_ms >= MINUTE_MS) {
        primary->minute_since_ms = world->now.mono_ms;
        primary->in_minute = 0;
    }
    if (++primary->in_minute <= primary->per_minute)
        return false;
    primary->limited++;
    *out_verdict = verdict_make(450, 7, 1, STR("Error: too much mail from 192.0.2.1"));
    return true;
}

static bool is_refused(struct world *world, const struct primary *primary, const struct mail *mail,
                       struct schedule_answer *out)
{
    bool is_moody =
        primary->refuses_all || random_below(&world->random, 100) < primary->refuses_percent;
    bool is_unknown = mail->is_wrong || (is_moody && primary->refuses_unknown);

    if (mail->forged / 100 == 5) {
        *out = (struct schedule_answer){ .left = 1, .refused = 1 };
        out->refusal = verdict_make(mail->forged, 1, 8, STR("Domain not found"));
        out->refusal.stage = STAGE_SENDER;
        return true;
    }
    if (!mail->is_spam && !mail->is_wrong && !is_moody)
        return false;
    *out = (struct schedule_answer){ .left = 1, .refused = 1 };
    out->refusal = is_unknown ? verdict_make(550, 1, 1, STR("User unknown"))
                              : verdict_make(554, 6, 0, STR("We do not like it"));
    out->refusal.stage = (uint8_t)(is_unknown                          ? STAGE_RECIPIENT
                                   : mail->is_spam                     ? STAGE_CONTENT
                                   : primary->refuses_at != STAGE_NONE ? primary->refuses_at
                                                                       : STAGE_CONTENT);
    out->refused_known = !is_unknown && out->refusal.stage != STAGE_SENDER;
    out->accepted = out->refusal.stage == STAGE_CONTENT;
    if (world->refused < 1000)
        world->refused_ms[world->refused] = world->now.mono_ms;
    world->refused++;
    return true;
}

static void happen_answer(struct world *world, struct event *event)
{
    struct peer *peer = find_peer(world, event->session);
    struct mail *mail = &world->mail[event->mail];
    struct primary *primary;
    struct schedule_answer answer = { .left = 1, .deferred = 1 };

    if (peer == NULL || peer->is_over)
        return;
    primary = &world->primary[peer->primary];
    check(mail->on == peer->number && mail->is_stored);
    mail->on = 0;
    peer->in_flight--;
    if (mail->is_unreadable) {
        answer = (struct schedule_answer){ .left = 1, .is_unreadable = true };
        answer.verdict = verdict_make(451, 3, 5, STR("Its key is missing"));
        check(
            schedule_delivered(world->schedule, peer->number, mail->entry.id, &answer, world->now));
        return;
    }
    if (is_limited(world, primary, &answer.verdict) ||
        is_deferred(world, primary, mail, &answer.verdict)) {
        mail->deferrals++;
        world->deferred++;
        check(
            schedule_delivered(world->schedule, peer->number, mail->entry.id, &answer, world->now));
        return;
    }
    if (is_refused(world, primary, mail, &answer)) {
        mail->is_on_trial = true;
        check(
            schedule_delivered(world->schedule, peer->number, mail->entry.id, &answer, world->now));
        return;
    }
    answer = (struct schedule_answer){ .taken = 1, .accepted = 1 };
    mail->deliveries++;
    check(mail->deliveries == 1);
    mail->is_stored = false;
    mail->delivered_ms = world->now.mono_ms;
    world->delivered++;
    world->primary[peer->primary].delivered++;
    check(schedule_delivered(world->schedule, peer->number, mail->entry.id, &answer, world->now));
}

static void happen_ended(struct world *world, struct event *event)
{
    struct peer *peer = find_peer(world, event->session);
    if (peer == NULL)
        return;
    for (uint32_t i = world->head; i < world->mail_count && peer->in_flight > 0; i++)
        if (world->mail[i].on == peer->number) {
            world->mail[i].on = 0;
            peer->in_flight--;
        }
    world->primary[peer->primary].sessions -= peer->is_connected;
    list_remove(&peer->link);
    session_number number = peer->number;
    memory_free(peer);
    schedule_session_ended(world->schedule, number, event->how, &event->verdict, world->now);
}

static void happen_listed(struct world *world, struct event *event)
{
    static struct entry entry[STORE_LIST_MAX];
    static struct store_position position[STORE_LIST_MAX];
    struct store_listing listing = { .entry = entry, .position = position };
    const struct store_position *after = &event->query.after;
    bool by_time = after->order == UINT64_MAX;
    uint32_t i = by_time ? 0 : (uint32_t)after->order;

    for (i = i > world->head ? i : world->head; i < world->mail_count; i++) {
        const struct mail *mail = &world->mail[i];
        if (by_time && mail->entry.since_ms <= after->since_ms)
            continue;
        if (!mail->is_stored || mail->domain != event->domain ||
            (event->query.states & 1U << mail->entry.state) == 0)
            continue;
        if (listing.count == event->query.limit) {
            listing.more = true;
            break;
        }
        entry[listing.count] = mail->entry;
        position[listing.count++] = (struct store_position){ mail->entry.since_ms, i + 1 };
    }
    schedule_listed(world->schedule, event->ticket, 0, &listing, world->now);
}

static void happen_resolved(struct world *world, struct event *event)
{
    struct route_plan plan = { .ttl_s = 3600 };
    struct verdict silence = verdict_make(451, 4, 3, STR("DNS is dead"));
    uint32_t second = world->second_of[event->domain];

    if (world->dns_is_dead) {
        schedule_resolved(world->schedule, world_domain(event->domain), NULL, &silence, world->now);
        return;
    }
    plan.target[plan.count++] =
        (struct route_target){ STR("mx1.example"), world_endpoint(world->primary_of[event->domain]),
                               10 };
    if (second != UINT32_MAX)
        plan.target[plan.count++] =
            (struct route_target){ STR("mx2.example"), world_endpoint(second),
                                   world->second_is_equal ? 10 : 20 };
    schedule_resolved(world->schedule, world_domain(event->domain), &plan, NULL, world->now);
}

static void happen_expired(struct world *world, struct event *event)
{
    struct mail *mail = &world->mail[event->mail];

    check(mail->is_stored && mail->on == 0);
    if (world->disk_fails) {
        world->not_expired++;
        schedule_not_expired(world->schedule, world_domain(mail->domain), mail->entry.id,
                             world->now);
        return;
    }
    if (mail->entry.state == ENTRY_HELD) {
        mail->entry.state = ENTRY_RESCUED;
        mail->entry.since_ms = schedule_wall(world->schedule, world->now);
        world->expired++;
    } else {
        mail->is_stored = false;
        world->discarded++;
    }
    schedule_settled(world->schedule, world_domain(mail->domain), mail->entry.id, world->now);
}

static void happen_believed(struct world *world, struct event *event)
{
    struct mail *mail = &world->mail[event->mail];

    check(mail->is_stored && mail->is_on_trial);
    mail->is_on_trial = false;
    mail->is_stored = false; /* in the rescue store, which is none of our business here */
    world->believed++;
    schedule_believed(world->schedule, world_domain(mail->domain), mail->entry.id, 0, world->now);
}

static void happen_told(struct world *world, struct event *event)
{
    const struct mail *mail = &world->mail[event->mail];
    schedule_told(world->schedule, world_domain(mail->domain), event->ticket, world->now);
}

static void happen(struct world *world, struct event *event)
{
    switch (event->kind) {
    case EVENT_CONNECT:
        happen_connect(world, event);
        return;
    case EVENT_READY:
        happen_ready(world, event);
        return;
    case EVENT_ANSWER:
        happen_answer(world, event);
        return;
    case EVENT_ENDED:
        happen_ended(world, event);
        return;
    case EVENT_LISTED:
        happen_listed(world, event);
        return;
    case EVENT_RESOLVED:
        happen_resolved(world, event);
        return;
    case EVENT_EXPIRED:
        happen_expired(world, event);
        return;
    case EVENT_BELIEVED:
        happen_believed(world, event);
        return;
    case EVENT_CONTROLLED:
        schedule_controlled(world->schedule, world_domain(event->domain), world->control,
                            world->now);
        return;
    case EVENT_TOLD:
        happen_told(world, event);
        return;
    }
}

/* ---- running it ---- */

static void pass(struct world *world, int64_t mono_ms)
{
    if (mono_ms <= world->now.mono_ms)
        return;
    world->now.wall_ms += mono_ms - world->now.mono_ms;
    world->now.mono_ms = mono_ms;
}

static void step(struct world *world, int64_t end_ms)
{
    struct heap_node *first = heap_first(&world->events);
    int64_t event_ms = first != NULL ? first->key : NEVER_MS;
    int64_t tick_ms = schedule_deadline(world->schedule);

    if (event_ms > end_ms && tick_ms > end_ms) {
        pass(world, end_ms);
        schedule_tick(world->schedule, world->now);
        return;
    }
    if (tick_ms < event_ms) {
        pass(world, tick_ms);
        schedule_tick(world->schedule, world->now);
        check(schedule_deadline(world->schedule) > world->now.mono_ms);
        return;
    }
    pass(world, event_ms);
    heap_remove(&world->events, first);
    struct event *event = container_of(first, struct event, node);
    happen(world, event);
    memory_free(event);
    while (world->head < world->mail_count && !world->mail[world->head].is_stored)
        world->head++;
}

void world_run(struct world *world, int64_t ms)
{
    int64_t end_ms = world->now.mono_ms + ms;
    while (world->now.mono_ms < end_ms)
        step(world, end_ms);
}

bool world_run_until_empty(struct world *world, int64_t ms_max)
{
    int64_t end_ms = world->now.mono_ms + ms_max;
    while (world->now.mono_ms < end_ms && world->head < world->mail_count)
        step(world, end_ms);
    return world->head == world->mail_count;
}

struct world *world_new(uint64_t seed)
{
    struct world *world = memory_new(sizeof *world);

    random_from_seed(&world->random, seed);
    random_from_seed(&world->scheduler_random, seed + 1);
    world->now = (struct now){ .mono_ms = 1000000, .wall_ms = INT64_C(1795000000000) };
    world->first_dispatch_ms = -1;
    list_init(&world->sessions);
    for (size_t i = 0; i < WORLD_PRIMARIES; i++)
        world->primary[i] = (struct primary){ .is_alive = true, .window = 1, .latency_ms = 10 };
    for (size_t i = 0; i < WORLD_DOMAINS; i++) {
        world->second_of[i] = UINT32_MAX;
        world->state[i] = ROUTE_STATE_SHAKY;
    }
    world->control = CONTROL_UNKNOWN;
    world->schedule_settings = (struct schedule_settings){ 200, &world->defaults };
    world->schedule =
        schedule_new(&world->schedule_settings, &host, world, &world->scheduler_random, world->now);
    return world;
}

void world_free(struct world *world)
{
    struct heap_node *node;

    schedule_free(world->schedule);
    while ((node = heap_take_due(&world->events, NEVER_MS)) != NULL)
        memory_free(container_of(node, struct event, node));
    heap_fini(&world->events);
    list_each_safe (link, &world->sessions)
        memory_free(container_of(link, struct peer, link));
    memory_free(world->mail);
    memory_free(world);
}

void world_set(struct world *world, enum setting setting, int64_t value)
{
    world->settings.value[setting] = value;
    world->settings.is_set[setting] = true;
}

void world_set_delays(struct world *world, const char *ages)
{
    check(setting_put_text(&world->settings, SETTING_NOTIFY_DELAY, str_from(ages)));
}

void world_restart(struct world *world)
{
    struct heap_node *node;

    schedule_free(world->schedule);
    while ((node = heap_take_due(&world->events, NEVER_MS)) != NULL)
        memory_free(container_of(node, struct event, node));
    list_each_safe (link, &world->sessions)
        memory_free(container_of(link, struct peer, link));
    list_init(&world->sessions);
    for (size_t i = 0; i < WORLD_DOMAINS; i++)
        world->state[i] = ROUTE_STATE_SHAKY;
    world->schedule =
        schedule_new(&world->schedule_settings, &host, world, &world->scheduler_random, world->now);
}

void world_add_domain(struct world *world, uint32_t domain, uint32_t primary)
{
    world->primary_of[domain] = primary;
    schedule_put_route(world->schedule, world_domain(domain), &world->settings, 0, world->now);
}

uint32_t world_hold(struct world *world, uint32_t domain)
{
    uint32_t number = world->mail_count++;

    if (number == world->mail_cap) {
        world->mail_cap = world->mail_cap > 0 ? world->mail_cap * 2 : 1024;
        world->mail = memory_resize(world->mail, world->mail_cap * sizeof *world->mail);
    }
    struct mail *mail = &world->mail[number];
    *mail = (struct mail){ .domain = domain, .is_stored = true };
    mail->entry = (struct entry){
        .domain = world_domain(domain),
        .state = ENTRY_HELD,
        .since_ms = world->now.wall_ms,
        .size = 4096,
        .pending = 1,
    };
    memcpy(mail->entry.id.bytes, &number, sizeof number);
    return number;
}

uint32_t world_arrive(struct world *world, uint32_t domain)
{
    uint32_t number = world_hold(world, domain);
    struct entry entry;

    world->mail[number].entry.since_ms = schedule_wall(world->schedule, world->now);
    entry = world->mail[number].entry;
    schedule_arrived(world->schedule, &entry, world->now);
    return number;
}

void world_kill(struct world *world, uint32_t primary)
{
    world->primary[primary].is_alive = false;
    list_each (link, &world->sessions) {
        struct peer *peer = container_of(link, struct peer, link);
        if (peer->primary == primary && peer->is_connected)
            end_peer(world, peer, SESSION_END_LOST, 1);
    }
}

void world_kill_deliverers(struct world *world)
{
    list_each (link, &world->sessions)
        end_peer(world, container_of(link, struct peer, link), SESSION_END_INTERNAL, 1);
}

void world_revive(struct world *world, uint32_t primary)
{
    world->primary[primary].is_alive = true;
    world->primary[primary].answers_since_ms = world->now.mono_ms;
}

void world_jump_clock(struct world *world, int64_t ms)
{
    world->now.wall_ms += ms;
}

uint32_t world_held(const struct world *world, uint32_t domain)
{
    uint32_t held = 0;
    for (uint32_t i = 0; i < world->mail_count; i++)
        held += world->mail[i].is_stored && world->mail[i].domain == domain &&
                world->mail[i].entry.state == ENTRY_HELD;
    return held;
}

struct route_status world_status(struct world *world, uint32_t domain)
{
    struct route_status status;
    check(schedule_status(world->schedule, world_domain(domain), world->now, &status));
    return status;
}
