/* SPDX-License-Identifier: ISC */
/* address_probes.c: who answers where a primary is said to be? See addresses.h.
 *
 * The sessions are our own, beside the scheduler's: in them no mail is spoken of, and their
 * failures are no target's.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/addresses.h"

enum {
    PROBES_MAX = 200,         /* at a time: who lets us wait holds up nobody else */
    PROBES_OF_DOMAIN_MAX = 8, /* also of what was told before */
    CONNECT_MS = 4 * SECOND_MS,
    GREETING_MS = 10 * SECOND_MS,
    LOOK_AGAIN_MS = MINUTE_MS, /* at a domain that is paused, or cannot be proved any more */
    NO_DELIVERER_MS = SECOND_MS,
    NO_KEY_MS = SECOND_MS, /* until the DNS has said which keys the primary has */
};

/* Their numbers, apart from the scheduler's and those of callouts (10). */
#define ADDRESS_SESSION (UINT64_C(3) << 62)

struct probe {
    uint64_t number;
    uint32_t source; /* of the deliverer's channel */
    struct buf domain;
    struct endpoint endpoint;
    struct buf security;
    bool is_answered;
};

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- sessions ---- */

static struct channel *channel_of(const struct keeper *keeper, const struct probe *probe)
{
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == probe->source)
            return keeper->peer[i].channel;
    return NULL;
}

static void probe_free(struct keeper *keeper, struct probe *probe)
{
    struct sought *sought = keeper_address_find(keeper, buf_str(&probe->domain));

    if (sought != NULL && sought->probes > 0)
        sought->probes--;
    (void)map_remove(&keeper->addresses->probes, number_key(&probe->number));
    buf_fini(&probe->domain);
    buf_fini(&probe->security);
    memory_free(probe);
}

static void ask(struct keeper *keeper, struct sought *sought, struct endpoint where,
                const struct keeper_peer *peer)
{
    struct probe *probe = memory_new(sizeof *probe);
    struct buf host = { 0 };
    struct buf endpoint = { 0 };

    probe->number = ADDRESS_SESSION | ++keeper->addresses->last_probe;
    probe->source = peer->source;
    probe->endpoint = where;
    buf_add(&probe->domain, buf_str(&sought->domain));
    check(keeper_secure_address(keeper, buf_str(&probe->domain), where, &probe->security));
    sought->probes++;
    (void)map_put(&keeper->addresses->probes, number_key(&probe->number), probe);
    endpoint_add_ip(&host, where);
    endpoint_encode(&endpoint, where);
    channel_send(peer->channel, session_open, .session = probe->number,
                 .domain = buf_str(&probe->domain), .host = buf_str(&host),
                 .endpoint = buf_str(&endpoint), .security = buf_str(&probe->security),
                 .connect_timeout_ms = CONNECT_MS, .greeting_timeout_ms = GREETING_MS,
                 .is_probe = true);
    buf_fini(&host);
    buf_fini(&endpoint);
}

static bool knows_proof(const struct keeper *keeper, struct str domain)
{
    struct buf security = { 0 };
    bool knows = keeper_secure_address(keeper, domain, (struct endpoint){ 0 }, &security);

    buf_fini(&security);
    return knows;
}

/* In how many ms to look whether the domain may be asked for then; 0: now. */
static int64_t wait_ms(const struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    int64_t now_ms = keeper_mail_now(keeper).wall_ms;

    if (record == NULL || !keeper_can_prove(keeper, domain))
        return LOOK_AGAIN_MS;
    if (!knows_proof(keeper, domain))
        return NO_KEY_MS;
    if (record->paused_until_ms <= now_ms)
        return 0;
    return record->paused_until_ms - now_ms < LOOK_AGAIN_MS ? record->paused_until_ms - now_ms
                                                            : LOOK_AGAIN_MS;
}

int64_t keeper_address_ask_due(struct keeper *keeper, struct sought *sought, struct now now)
{
    struct str domain = buf_str(&sought->domain);
    const struct keeper_peer *peer;
    struct told_address *address;

    int64_t later_ms = wait_ms(keeper, domain);
    if (later_ms > 0)
        return later_ms;
    do {
        peer = keeper_some_deliverer(keeper);
        if (peer == NULL || !peer->has_greeted || sought->probes >= PROBES_OF_DOMAIN_MAX ||
            keeper->addresses->probes.count >= PROBES_MAX)
            return NO_DELIVERER_MS;
        address = addresses_take_due(&sought->addresses, now);
        if (address != NULL)
            ask(keeper, sought, address->endpoint, peer);
    } while (address != NULL);
    return 0;
}

/* ---- what comes of them ---- */

static void log_address(const char *event, enum log_level level, struct str domain,
                        struct endpoint endpoint, const struct verdict *verdict)
{
    struct buf address = { 0 };

    endpoint_add_text(&address, endpoint);
    log_event(level, event, LOG_STR("domain", domain), LOG_STR("address", buf_str(&address)),
              LOG_STR("text", verdict_text(verdict)));
    buf_fini(&address);
}

static void tell_owner(struct keeper *keeper, const struct probe *probe,
                       const struct verdict *verdict)
{
    struct buf reason = { 0 };

    endpoint_add_text(&reason, probe->endpoint);
    buf_add_format(&reason, ": %.*s", STR_FMT(verdict_text(verdict)));
    const struct alert_facts facts = { .reason = buf_str(&reason) };
    keeper_alert(keeper, buf_str(&probe->domain), ALERT_STRANGER_ADDRESS, &facts);
    buf_fini(&reason);
}

static void take_news(struct keeper *keeper, const struct sought *sought, const struct probe *probe,
                      enum addresses_news news, const struct verdict *verdict)
{
    struct str domain = buf_str(&sought->domain);

    keeper_address_keep(keeper, sought, NULL, NULL);
    if (news == NEWS_USED) {
        log_address("address_used", LOG_INFO, domain, probe->endpoint, verdict);
        keeper_route_addresses_changed(keeper, domain);
        schedule_wake(keeper->schedule, domain, keeper_now(keeper));
    }
}

/* A stranger is told of whenever he is found, which is rarely: the damper sees to the rest. */
static void answer(struct keeper *keeper, struct probe *probe, enum address_answer answer,
                   const struct verdict *verdict)
{
    struct sought *sought = keeper_address_find(keeper, buf_str(&probe->domain));

    if (probe->is_answered)
        return;
    probe->is_answered = true;
    if (sought == NULL)
        return;
    enum addresses_news news = addresses_answered(&sought->addresses, probe->endpoint, answer,
                                                  verdict, keeper_mail_now(keeper));
    if (answer == ANSWER_STRANGER) {
        log_address("address_stranger", LOG_WARN, buf_str(&probe->domain), probe->endpoint,
                    verdict);
        if (news == NEWS_STATE)
            tell_owner(keeper, probe, verdict);
    } else if (answer == ANSWER_ABSENT) {
        log_address("address_absent", LOG_INFO, buf_str(&probe->domain), probe->endpoint, verdict);
    }
    if (news != NEWS_NONE)
        take_news(keeper, sought, probe, news, verdict);
    keeper_address_plan(keeper->addresses, sought);
}

bool keeper_address_is(uint64_t session)
{
    return (session & ADDRESS_SESSION) == ADDRESS_SESSION;
}

static struct probe *find_probe(const struct keeper *keeper, const struct keeper_peer *peer,
                                uint64_t number)
{
    struct probe *probe = keeper->addresses != NULL
                              ? map_find(&keeper->addresses->probes, number_key(&number))
                              : NULL;
    return probe != NULL && probe->source == peer->source ? probe : NULL;
}

/* Is what it was asked to show still what it has to? */
static bool is_still_asked(const struct keeper *keeper, const struct probe *probe)
{
    struct buf security = { 0 };

    bool is_same =
        keeper_secure_address(keeper, buf_str(&probe->domain), probe->endpoint, &security) &&
        str_equals(buf_str(&security), buf_str(&probe->security)) &&
        keeper_can_prove(keeper, buf_str(&probe->domain)) &&
        !keeper_is_at_other(keeper, buf_str(&probe->domain), probe->endpoint);
    buf_fini(&security);
    return is_same;
}

void keeper_address_ready(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number)
{
    struct probe *probe = find_probe(keeper, peer, number);
    struct verdict verdict = verdict_accept();

    if (probe == NULL)
        return;
    answer(keeper, probe, is_still_asked(keeper, probe) ? ANSWER_PROVED : ANSWER_NONE, &verdict);
    struct channel *channel = channel_of(keeper, probe);
    if (channel != NULL)
        channel_send(channel, session_end, .session = number);
}

static enum address_answer answer_of(enum session_end how)
{
    switch (how) {
    case SESSION_END_STRANGER:
        return ANSWER_STRANGER;
    case SESSION_END_INTERNAL:
    case SESSION_END_QUIT:
        return ANSWER_NONE;
    case SESSION_END_CONNECT:
    case SESSION_END_GREETING:
    case SESSION_END_LOST:
    case SESSION_END_SLOW:
        break;
    }
    return ANSWER_ABSENT;
}

void keeper_address_ended(struct keeper *keeper, const struct keeper_peer *peer, uint64_t number,
                          enum session_end how, const struct verdict *verdict)
{
    struct probe *probe = find_probe(keeper, peer, number);

    if (probe == NULL)
        return;
    answer(keeper, probe, answer_of(how), verdict);
    probe_free(keeper, probe);
}

void keeper_addresses_deliverer_gone(struct keeper *keeper, const struct keeper_peer *peer)
{
    struct verdict verdict = verdict_make(451, 3, 0, STR("The deliverer was restarted"));
    struct probe *probe;
    size_t cursor = 0;

    while (keeper->addresses != NULL &&
           (probe = map_next(&keeper->addresses->probes, &cursor, NULL)) != NULL) {
        if (probe->source != peer->source)
            continue;
        answer(keeper, probe, ANSWER_NONE, &verdict);
        probe_free(keeper, probe);
        cursor = 0;
    }
}

void keeper_address_probes_fini(struct keeper *keeper)
{
    void *probe;

    for (size_t cursor = 0; (probe = map_next(&keeper->addresses->probes, &cursor, NULL)) != NULL;
         cursor = 0)
        probe_free(keeper, probe);
    map_fini(&keeper->addresses->probes);
}
