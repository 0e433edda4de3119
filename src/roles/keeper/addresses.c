/* SPDX-License-Identifier: ISC */
/* addresses.c: primaries are looked for where they are said to be now (SPEC D4, P9).
 *
 *     told ──▶ a fact of the directory ──▶ a session: EHLO, STARTTLS, who are you? QUIT
 *                                            └── it is he ──▶ the plan, and the drain is woken
 *
 * The sessions are our own, beside the scheduler's: in them no mail is spoken of, and their
 * failures are no target's. An answer is given once what was told is durable: whoever told it may
 * say it once in a month.
 */
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/heap.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/named_primary.h"
#include "roles/keeper/keeper.h"
#include "route/self.h"
#include "verify/budget.h"

enum {
    PROBES_MAX = 200,         /* at a time: who lets us wait holds up nobody else */
    PROBES_OF_DOMAIN_MAX = 8, /* also of what was told before */
    CONNECT_MS = 4 * SECOND_MS,
    GREETING_MS = 10 * SECOND_MS,
    LOOK_AGAIN_MS = MINUTE_MS, /* at a domain that is paused, or cannot be proved any more */
    NO_DELIVERER_MS = SECOND_MS,
    NO_KEY_MS = SECOND_MS, /* until the DNS has said which keys the primary has */
    TOLD_SPAN_MS = 10 * MINUTE_MS,
    TOLD_IN_SPAN_MAX = 30, /* of one domain, by its owner */
};

/* Their numbers, apart from the scheduler's and those of callouts (10). */
#define ADDRESS_SESSION (UINT64_C(3) << 62)

static const char fact_addresses[] = "addresses";

struct watched { /* a domain that addresses were told of */
    struct heap_node node;
    struct buf domain;
    struct addresses addresses;
    unsigned probes;
};

struct probe {
    uint64_t number;
    uint32_t source; /* of the deliverer's channel */
    struct buf domain;
    struct endpoint endpoint;
    struct buf security;
    bool is_answered;
};

struct keeper_addresses {
    struct keeper *keeper;
    struct map domains; /* by name: struct watched */
    struct map probes;  /* by number: struct probe */
    struct heap deadlines;
    struct budget *told;
    uint64_t last_probe;
};

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- domains ---- */

static struct watched *find(const struct keeper *keeper, struct str domain)
{
    return keeper->addresses != NULL ? map_find(&keeper->addresses->domains, domain) : NULL;
}

static struct watched *watch(struct keeper_addresses *owner, struct str domain)
{
    struct watched *watched = map_find(&owner->domains, domain);

    if (watched != NULL)
        return watched;
    watched = memory_new(sizeof *watched);
    buf_add(&watched->domain, domain);
    (void)map_put(&owner->domains, domain, watched);
    return watched;
}

static void watched_free(struct keeper_addresses *owner, struct watched *watched)
{
    (void)map_remove(&owner->domains, buf_str(&watched->domain));
    heap_remove(&owner->deadlines, &watched->node);
    buf_fini(&watched->domain);
    memory_free(watched);
}

static void plan(struct keeper_addresses *owner, struct watched *watched)
{
    int64_t deadline_ms = addresses_deadline(&watched->addresses);

    if (deadline_ms == NEVER_MS)
        heap_remove(&owner->deadlines, &watched->node);
    else
        heap_put(&owner->deadlines, &watched->node, deadline_ms);
}

static void keep(struct keeper *keeper, const struct watched *watched, directory_done *done,
                 void *context)
{
    struct buf bytes = { 0 };

    addresses_encode(&bytes, &watched->addresses);
    const struct domain_fact fact = { str_from(fact_addresses), buf_str(&watched->domain), STR(""),
                                      buf_str(&bytes) };
    directory_put_fact(keeper->directory, &fact, done, context);
    buf_fini(&bytes);
}

static void log_address(const char *event, enum log_level level, struct str domain,
                        struct endpoint endpoint, const struct verdict *verdict)
{
    struct buf address = { 0 };

    endpoint_add_text(&address, endpoint);
    log_event(level, event, LOG_STR("domain", domain), LOG_STR("address", buf_str(&address)),
              LOG_STR("text", verdict_text(verdict)));
    buf_fini(&address);
}

/* ---- what is told ---- */

/* The first primary's. */
static uint16_t port_of(const struct domain_record *record)
{
    struct named_primary primary = { .port = SMTP_PORT };

    if (record->primary_count > 0)
        (void)named_primary_parse(record->primary[0], &primary);
    return primary.port;
}

static bool is_good(const struct keeper *keeper, struct endpoint endpoint,
                    enum address_teller teller, struct buf *out_why)
{
    const char *refusal = address_refusal(endpoint, teller);

    if (refusal == NULL && route_self_listens_at(&keeper->self, endpoint))
        refusal = "this is where this node takes mail itself";
    if (refusal == NULL && teller == TELLER_OWNER &&
        route_self_has_address(&keeper->self, endpoint))
        refusal = "this is an address of this node";
    if (refusal == NULL)
        return true;
    endpoint_add_ip(out_why, endpoint);
    buf_add_format(out_why, ": %s", refusal);
    return false;
}

static void add_unprovable(const struct keeper *keeper, const struct domain_record *record,
                           struct buf *out_why)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;

    if (setting_value(&record->settings, defaults, SETTING_TLS_LEARN) != 0)
        buf_add_format(out_why,
                       "the key of the primary of %.*s has not been learned yet (tls-learn): it "
                       "must be reached once where it was, or set tls-pin",
                       STR_FMT(record->name));
    else
        buf_add_format(out_why,
                       "nothing is set by which the primary of %.*s could be known at another "
                       "address: set tls-pin (or tls-learn, while it can be reached), tls-name "
                       "with tls = name or tls-ca, or tls = dane",
                       STR_FMT(record->name));
}

static enum address_fate judge(struct keeper *keeper, const struct address_telling *telling,
                               const struct domain_record *record, struct endpoint *endpoint,
                               struct buf *out_why)
{
    if (telling->teller != TELLER_OPERATOR &&
        !budget_take(keeper->addresses->told, record->name, TOLD_IN_SPAN_MAX,
                     keeper_now(keeper).mono_ms)) {
        buf_add_format(out_why, "%.*s has told addresses %d times within ten minutes; wait a while",
                       STR_FMT(record->name), TOLD_IN_SPAN_MAX);
        return ADDRESS_TOO_OFTEN;
    }
    for (uint32_t i = 0; i < telling->count; i++) {
        endpoint[i] = telling->endpoint[i];
        if (endpoint[i].port == 0)
            endpoint[i].port = port_of(record);
        if (!is_good(keeper, endpoint[i], telling->teller, out_why))
            return ADDRESS_BAD;
    }
    if (keeper_is_called(record)) {
        buf_add_format(out_why,
                       "the primary of %.*s calls for its mail (agent), and is looked for nowhere",
                       STR_FMT(record->name));
        return ADDRESS_UNPROVABLE;
    }
    if (!keeper_can_prove(keeper, record->name)) {
        add_unprovable(keeper, record, out_why);
        return ADDRESS_UNPROVABLE;
    }
    return ADDRESS_TAKEN;
}

static uint32_t without_doubles(struct endpoint *endpoint, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < count; i++) {
        bool is_double = false;
        for (uint32_t k = 0; k < kept; k++)
            is_double = is_double || endpoint_equals(endpoint[k], endpoint[i]);
        if (!is_double)
            endpoint[kept++] = endpoint[i];
    }
    return kept;
}

static void log_told(const struct address_telling *telling, const struct endpoint *endpoint,
                     uint32_t count, bool is_new)
{
    struct buf by = { 0 };
    struct buf list = { 0 };

    if (telling->teller == TELLER_OPERATOR)
        buf_add(&by, STR("operator"));
    else
        endpoint_add_ip(&by, telling->client);
    for (uint32_t i = 0; i < count; i++) {
        buf_add(&list, i > 0 ? STR(" ") : STR(""));
        endpoint_add_text(&list, endpoint[i]);
    }
    log_info("address_update", LOG_STR("domain", telling->domain),
             LOG_STR("addresses", buf_str(&list)), LOG_STR("by", buf_str(&by)),
             LOG_TEXT("news", is_new ? "yes" : "no"));
    buf_fini(&by);
    buf_fini(&list);
}

enum address_fate keeper_address_tell(struct keeper *keeper, const struct address_telling *telling,
                                      struct buf *out_why, directory_done *done, void *context)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, telling->domain);
    struct endpoint endpoint[ADDRESSES_TOLD_MAX];

    if (record == NULL || keeper->addresses == NULL) {
        buf_add_format(out_why, "%.*s is not protected here", STR_FMT(telling->domain));
        return ADDRESS_NO_DOMAIN;
    }
    enum address_fate fate = judge(keeper, telling, record, endpoint, out_why);
    if (fate != ADDRESS_TAKEN)
        return fate;
    uint32_t count = without_doubles(endpoint, telling->count);
    struct watched *watched = watch(keeper->addresses, record->name);
    bool is_new = addresses_tell(&watched->addresses, endpoint, count, keeper_mail_now(keeper));
    log_told(telling, endpoint, count, is_new);
    plan(keeper->addresses, watched);
    keep(keeper, watched, done, context);
    if (!is_new) /* whoever says where he is lives */
        schedule_wake(keeper->schedule, record->name, keeper_now(keeper));
    return is_new ? ADDRESS_TAKEN : ADDRESS_SAME;
}

const struct addresses *keeper_addresses_of(const struct keeper *keeper, struct str domain)
{
    const struct watched *watched = find(keeper, domain);
    return watched != NULL ? &watched->addresses : NULL;
}

bool keeper_addresses_forget(struct keeper *keeper, struct str domain, directory_done *done,
                             void *context)
{
    struct watched *watched = find(keeper, domain);

    if (watched == NULL)
        return false;
    const struct domain_fact fact = { str_from(fact_addresses), domain, STR(""), STR("") };
    log_info("address_forgotten", LOG_STR("domain", domain));
    watched_free(keeper->addresses, watched);
    directory_put_fact(keeper->directory, &fact, done, context);
    keeper_route_ask(keeper, domain);
    return true;
}

/* Nothing leads that nobody has to prove any more: the settings may be others than they were. */
bool keeper_addresses_lead(const struct keeper *keeper, struct str domain, struct route_plan *plan)
{
    const struct watched *watched = find(keeper, domain);

    if (watched == NULL || watched->addresses.used_count == 0 || !keeper_can_prove(keeper, domain))
        return false;
    addresses_lead(&watched->addresses, plan);
    return true;
}

void keeper_addresses_domain_changed(struct keeper *keeper, struct str domain)
{
    struct watched *watched = find(keeper, domain);

    if (watched == NULL)
        return;
    if (directory_find_domain(keeper->directory, domain) == NULL) {
        watched_free(keeper->addresses, watched);
        return;
    }
    addresses_hurry(&watched->addresses, keeper_mail_now(keeper));
    plan(keeper->addresses, watched);
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
    struct watched *watched = find(keeper, buf_str(&probe->domain));

    if (watched != NULL && watched->probes > 0)
        watched->probes--;
    (void)map_remove(&keeper->addresses->probes, number_key(&probe->number));
    buf_fini(&probe->domain);
    buf_fini(&probe->security);
    memory_free(probe);
}

static void ask(struct keeper *keeper, struct watched *watched, struct endpoint where,
                const struct keeper_peer *peer)
{
    struct probe *probe = memory_new(sizeof *probe);
    struct buf host = { 0 };
    struct buf endpoint = { 0 };

    probe->number = ADDRESS_SESSION | ++keeper->addresses->last_probe;
    probe->source = peer->source;
    probe->endpoint = where;
    buf_add(&probe->domain, buf_str(&watched->domain));
    check(keeper_secure_address(keeper, buf_str(&probe->domain), where, &probe->security));
    watched->probes++;
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

/* Those that are due, as far as it may be. Later: in how many ms to look again. */
static int64_t ask_due(struct keeper *keeper, struct watched *watched, struct now now)
{
    struct str domain = buf_str(&watched->domain);
    const struct keeper_peer *peer;
    struct told_address *address;

    int64_t later_ms = wait_ms(keeper, domain);
    if (later_ms > 0)
        return later_ms;
    do {
        peer = keeper_some_deliverer(keeper);
        if (peer == NULL || !peer->has_greeted || watched->probes >= PROBES_OF_DOMAIN_MAX ||
            keeper->addresses->probes.count >= PROBES_MAX)
            return NO_DELIVERER_MS;
        address = addresses_take_due(&watched->addresses, now);
        if (address != NULL)
            ask(keeper, watched, address->endpoint, peer);
    } while (address != NULL);
    return 0;
}

/* ---- what comes of them ---- */

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

static void take_news(struct keeper *keeper, const struct watched *watched,
                      const struct probe *probe, enum addresses_news news,
                      const struct verdict *verdict)
{
    struct str domain = buf_str(&watched->domain);

    keep(keeper, watched, NULL, NULL);
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
    struct watched *watched = find(keeper, buf_str(&probe->domain));

    if (probe->is_answered)
        return;
    probe->is_answered = true;
    if (watched == NULL)
        return;
    enum addresses_news news = addresses_answered(&watched->addresses, probe->endpoint, answer,
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
        take_news(keeper, watched, probe, news, verdict);
    plan(keeper->addresses, watched);
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
        keeper_can_prove(keeper, buf_str(&probe->domain));
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

/* ---- turns ---- */

void keeper_addresses_turn(struct keeper *keeper, struct now now)
{
    struct keeper_addresses *owner = keeper->addresses;
    struct heap_node *node;

    while (owner != NULL && (node = heap_take_due(&owner->deadlines, now.mono_ms)) != NULL) {
        struct watched *watched = container_of(node, struct watched, node);
        int64_t later_ms = ask_due(keeper, watched, now);
        if (later_ms > 0)
            heap_put(&owner->deadlines, &watched->node, now.mono_ms + later_ms);
        else
            plan(owner, watched);
    }
}

int64_t keeper_addresses_deadline(const struct keeper *keeper)
{
    const struct heap_node *first =
        keeper->addresses != NULL ? heap_first(&keeper->addresses->deadlines) : NULL;
    return first != NULL ? first->key : NEVER_MS;
}

/* ---- life ---- */

static void restore(struct keeper_addresses *owner, const struct domain_fact *fact)
{
    struct addresses addresses;

    if (directory_find_domain(owner->keeper->directory, fact->domain) == NULL)
        return;
    if (!addresses_decode(fact->value, keeper_now(owner->keeper), &addresses)) {
        log_warn("address_unreadable", LOG_STR("domain", fact->domain));
        return;
    }
    struct watched *watched = watch(owner, fact->domain);
    watched->addresses = addresses;
    plan(owner, watched);
}

/* What was proved leads before the DNS has said a word: it may be silent. */
void keeper_addresses_start(struct keeper *keeper)
{
    struct keeper_addresses *owner = memory_new(sizeof *owner);
    const struct domain_fact *fact;
    const struct watched *watched;
    size_t cursor = 0;

    owner->keeper = keeper;
    owner->last_probe = (uint64_t)clock_now().wall_ms << 16; /* no number of the keeper before */
    map_init(&owner->domains);
    map_init(&owner->probes);
    owner->told = budget_new(TOLD_SPAN_MS);
    keeper->addresses = owner;
    while ((fact = directory_next_fact(keeper->directory, &cursor)) != NULL)
        if (str_equals(fact->kind, str_from(fact_addresses)))
            restore(owner, fact);
    for (cursor = 0; (watched = map_next(&owner->domains, &cursor, NULL)) != NULL;)
        if (watched->addresses.used_count > 0)
            keeper_route_addresses_changed(keeper, buf_str(&watched->domain));
}

void keeper_addresses_end(struct keeper *keeper)
{
    struct keeper_addresses *owner = keeper->addresses;
    void *value;

    if (owner == NULL)
        return;
    for (size_t cursor = 0; (value = map_next(&owner->probes, &cursor, NULL)) != NULL; cursor = 0)
        probe_free(keeper, value);
    for (size_t cursor = 0; (value = map_next(&owner->domains, &cursor, NULL)) != NULL; cursor = 0)
        watched_free(owner, value);
    map_fini(&owner->probes);
    map_fini(&owner->domains);
    heap_fini(&owner->deadlines);
    budget_free(owner->told);
    memory_free(owner);
    keeper->addresses = NULL;
}
