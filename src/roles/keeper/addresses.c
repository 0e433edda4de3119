/* SPDX-License-Identifier: ISC */
/* addresses.c: primaries are looked for where they are said to be now (SPEC D4, P9); see
 * addresses.h.
 *
 * An answer is given once what was told is durable: whoever told it may say it once in a month.
 */
#include "base/log.h"
#include "base/memory.h"
#include "mail/named_primary.h"
#include "roles/keeper/addresses.h"
#include "route/self.h"
#include "verify/budget.h"

enum {
    TOLD_SPAN_MS = 10 * MINUTE_MS,
    TOLD_IN_SPAN_MAX = 30, /* of one domain, by its owner */
};

static const char fact_addresses[] = "addresses";

/* ---- domains ---- */

struct sought *keeper_address_find(const struct keeper *keeper, struct str domain)
{
    return keeper->addresses != NULL ? map_find(&keeper->addresses->domains, domain) : NULL;
}

static struct sought *seek(struct keeper_addresses *owner, struct str domain)
{
    struct sought *sought = map_find(&owner->domains, domain);

    if (sought != NULL)
        return sought;
    sought = memory_new(sizeof *sought);
    buf_add(&sought->domain, domain);
    (void)map_put(&owner->domains, domain, sought);
    return sought;
}

static void sought_free(struct keeper_addresses *owner, struct sought *sought)
{
    (void)map_remove(&owner->domains, buf_str(&sought->domain));
    heap_remove(&owner->deadlines, &sought->node);
    buf_fini(&sought->domain);
    memory_free(sought);
}

void keeper_address_plan(struct keeper_addresses *owner, struct sought *sought)
{
    int64_t deadline_ms = addresses_deadline(&sought->addresses);

    if (deadline_ms == NEVER_MS)
        heap_remove(&owner->deadlines, &sought->node);
    else
        heap_put(&owner->deadlines, &sought->node, deadline_ms);
}

void keeper_address_keep(struct keeper *keeper, const struct sought *sought, directory_done *done,
                         void *context)
{
    struct buf bytes = { 0 };

    addresses_encode(&bytes, &sought->addresses);
    const struct domain_fact fact = { str_from(fact_addresses), buf_str(&sought->domain), STR(""),
                                      buf_str(&bytes) };
    directory_put_fact(keeper->directory, &fact, done, context);
    buf_fini(&bytes);
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

static bool is_good(const struct keeper *keeper, struct str domain, struct endpoint endpoint,
                    enum address_teller teller, struct buf *out_why)
{
    const char *refusal = address_refusal(endpoint, teller);

    if (refusal == NULL && route_self_listens_at(&keeper->self, endpoint))
        refusal = "this is where this node takes mail itself";
    if (refusal == NULL && teller == TELLER_OWNER &&
        route_self_has_address(&keeper->self, endpoint))
        refusal = "this is an address of this node";
    if (refusal == NULL && keeper_is_at_other(keeper, domain, endpoint))
        refusal = "there is another one of its primaries, and what is told is told of the first";
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
        if (!is_good(keeper, record->name, endpoint[i], telling->teller, out_why))
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
    struct sought *sought = seek(keeper->addresses, record->name);
    bool is_new = addresses_tell(&sought->addresses, endpoint, count, keeper_mail_now(keeper));
    log_told(telling, endpoint, count, is_new);
    keeper_address_plan(keeper->addresses, sought);
    keeper_address_keep(keeper, sought, done, context);
    if (!is_new) /* whoever says where he is lives */
        schedule_wake(keeper->schedule, record->name, keeper_now(keeper));
    return is_new ? ADDRESS_TAKEN : ADDRESS_SAME;
}

const struct addresses *keeper_addresses_of(const struct keeper *keeper, struct str domain)
{
    const struct sought *sought = keeper_address_find(keeper, domain);
    return sought != NULL ? &sought->addresses : NULL;
}

bool keeper_addresses_forget(struct keeper *keeper, struct str domain, directory_done *done,
                             void *context)
{
    struct sought *sought = keeper_address_find(keeper, domain);

    if (sought == NULL)
        return false;
    const struct domain_fact fact = { str_from(fact_addresses), domain, STR(""), STR("") };
    log_info("address_forgotten", LOG_STR("domain", domain));
    sought_free(keeper->addresses, sought);
    directory_put_fact(keeper->directory, &fact, done, context);
    keeper_route_ask(keeper, domain);
    return true;
}

/* Nothing leads that nobody has to prove any more: the settings may be others than they were. */
bool keeper_addresses_lead(const struct keeper *keeper, struct str domain, struct route_plan *plan)
{
    const struct sought *sought = keeper_address_find(keeper, domain);

    if (sought == NULL || sought->addresses.used_count == 0 || !keeper_can_prove(keeper, domain))
        return false;
    for (uint32_t i = 0; i < sought->addresses.used_count; i++)
        if (keeper_is_at_other(keeper, domain, sought->addresses.used[i]))
            return false;
    addresses_lead(&sought->addresses, plan);
    return true;
}

void keeper_addresses_domain_changed(struct keeper *keeper, struct str domain)
{
    struct sought *sought = keeper_address_find(keeper, domain);

    if (sought == NULL)
        return;
    if (directory_find_domain(keeper->directory, domain) == NULL) {
        sought_free(keeper->addresses, sought);
        return;
    }
    addresses_hurry(&sought->addresses, keeper_mail_now(keeper));
    keeper_address_plan(keeper->addresses, sought);
}

/* ---- turns ---- */

void keeper_addresses_turn(struct keeper *keeper, struct now now)
{
    struct keeper_addresses *owner = keeper->addresses;
    struct heap_node *node;

    while (owner != NULL && (node = heap_take_due(&owner->deadlines, now.mono_ms)) != NULL) {
        struct sought *sought = container_of(node, struct sought, node);
        int64_t later_ms = keeper_address_ask_due(keeper, sought, now);
        if (later_ms > 0)
            heap_put(&owner->deadlines, &sought->node, now.mono_ms + later_ms);
        else
            keeper_address_plan(owner, sought);
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
    struct sought *sought = seek(owner, fact->domain);
    sought->addresses = addresses;
    keeper_address_plan(owner, sought);
}

/* What was proved leads before the DNS has said a word: it may be silent. */
void keeper_addresses_start(struct keeper *keeper)
{
    struct keeper_addresses *owner = memory_new(sizeof *owner);
    const struct domain_fact *fact;
    const struct sought *sought;
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
    for (cursor = 0; (sought = map_next(&owner->domains, &cursor, NULL)) != NULL;)
        if (sought->addresses.used_count > 0)
            keeper_route_addresses_changed(keeper, buf_str(&sought->domain));
}

void keeper_addresses_end(struct keeper *keeper)
{
    struct keeper_addresses *owner = keeper->addresses;
    void *value;

    if (owner == NULL)
        return;
    keeper_address_probes_fini(keeper);
    for (size_t cursor = 0; (value = map_next(&owner->domains, &cursor, NULL)) != NULL; cursor = 0)
        sought_free(owner, value);
    map_fini(&owner->domains);
    heap_fini(&owner->deadlines);
    budget_free(owner->told);
    memory_free(owner);
    keeper->addresses = NULL;
}
