/* SPDX-License-Identifier: ISC */
/* verifier.c: its domains, what they remember, and time. */
#include "verify/verifier_private.h"

enum { LOOK_MS = MINUTE_MS, SWEEP_MS = HOUR_MS };

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

struct verified *verified_find(const struct verifier *verifier, struct str domain)
{
    return map_find(&verifier->domains, domain);
}

struct verified *verified_of_address(const struct verifier *verifier, struct str address)
{
    ptrdiff_t at = str_find_last(address, '@');
    return at < 0 ? NULL : verified_find(verifier, str_skip(address, (size_t)at + 1));
}

void address_fold(struct buf *out, struct str address)
{
    for (size_t i = 0; i < address.len; i++)
        buf_add_byte(out, ascii_lower(address.ptr[i]));
}

void verified_event(struct verified *domain, enum verifier_event event, const struct verdict *said)
{
    struct verifier *verifier = domain->verifier;
    static const struct verdict nothing = { 0 };

    verifier->host->event(verifier->context, buf_str(&domain->name), event,
                          said != NULL ? said : &nothing);
}

void verified_tell_users(struct verified *domain, bool were_gone)
{
    bool are_gone = recipient_cache_is_dead(domain->cache);

    if (are_gone != were_gone)
        verified_event(domain, are_gone ? VERIFIER_USERS_GONE : VERIFIER_USERS_BACK, NULL);
}

/* ---- what the cache says ---- */

/* Whoever was told that he is served, and is not any more, must be told anew. */
static void on_changed(void *context, const struct known_recipient *recipient, bool is_gone)
{
    const struct verified *domain = context;
    struct verifier *verifier = domain->verifier;

    verifier->host->recipient_changed(verifier->context, recipient, is_gone);
    bool was_valid = recipient->valid_ms != 0 || recipient->source == PINNED;
    if (was_valid && (is_gone || !recipient->is_valid))
        verifier->host->answers_void(verifier->context, buf_str(&domain->name));
}

static const struct recipient_cache_host cache_host = { .changed = on_changed };

/* ---- domains ---- */

static uint32_t number_of(const struct domain_settings *settings,
                          const struct domain_settings *defaults, enum setting setting)
{
    return (uint32_t)setting_value(settings, defaults, setting);
}

static struct policy_of_domain policy_from(const struct domain_settings *own,
                                           const struct domain_settings *defaults)
{
    return (struct policy_of_domain){
        .limits = { .refresh_ms = setting_value(own, defaults, SETTING_RECIPIENT_REFRESH),
                    .expiry_ms = setting_value(own, defaults, SETTING_RECIPIENT_EXPIRY),
                    .negative_expiry_ms =
                        setting_value(own, defaults, SETTING_RECIPIENT_NEGATIVE) },
        .suspects = (enum setting_suspects)setting_value(own, defaults, SETTING_SUSPECTS),
        .suspects_per_network = number_of(own, defaults, SETTING_SUSPECTS_PER_NETWORK),
        .suspects_per_domain = number_of(own, defaults, SETTING_SUSPECTS_PER_DOMAIN),
        .unknown_per_network = number_of(own, defaults, SETTING_UNKNOWN_PER_NETWORK),
        .refusals = number_of(own, defaults, SETTING_CALLOUT_REFUSALS),
        .callout_limit_ms = setting_value(own, defaults, SETTING_CALLOUT_LIMIT),
    };
}

static struct verified *add_domain(struct verifier *verifier, struct str name)
{
    struct verified *domain = memory_new(sizeof *domain);

    domain->verifier = verifier;
    domain->taken_ms = domain->nothing_ms = NEVER_MS_AGO;
    domain->cache = recipient_cache_new(&cache_host, domain);
    buf_add(&domain->name, name);
    map_init(&domain->by_address);
    list_init(&domain->queue);
    list_init(&domain->controlled);
    (void)map_put(&verifier->domains, name, domain);
    return domain;
}

void verifier_put_domain(struct verifier *verifier, struct str domain,
                         const struct domain_settings *settings,
                         const struct domain_settings *defaults, struct now now)
{
    struct verified *verified = verified_find(verifier, domain);

    verifier->now = now;
    if (verified == NULL)
        verified = add_domain(verifier, domain);
    verified->policy = policy_from(settings, defaults);
}

static void domain_free(struct verified *domain)
{
    (void)map_remove(&domain->verifier->domains, buf_str(&domain->name));
    recipient_cache_free(domain->cache);
    map_fini(&domain->by_address);
    buf_fini(&domain->name);
    buf_fini(&domain->primary);
    memory_free(domain);
}

void verifier_remove_domain(struct verifier *verifier, struct str domain, struct now now)
{
    static const struct verdict nothing = { 0 };
    struct verified *verified = verified_find(verifier, domain);

    verifier->now = now;
    if (verified == NULL)
        return;
    inquiry_end_all(verified, READING_LATER, &nothing);
    domain_free(verified);
    askers_admit(verifier);
}

static void note_clock(struct verified *domain)
{
    struct verifier *verifier = domain->verifier;
    struct domain_memory before = { 0 };
    struct domain_memory after = { 0 };

    recipient_cache_save(domain->cache, &before);
    recipient_cache_set_reachable(domain->cache, domain->is_up && !domain->is_unwelcome,
                                  verifier->now.wall_ms);
    recipient_cache_save(domain->cache, &after);
    if (before.still_ms != after.still_ms)
        verifier->host->memory_changed(verifier->context, buf_str(&domain->name));
}

void verifier_set_primary(struct verifier *verifier, struct str domain, bool is_up,
                          struct str primary, struct now now)
{
    struct verified *verified = verified_find(verifier, domain);
    struct verdict nothing = { 0 };

    verifier->now = now;
    if (verified == NULL)
        return;
    if (!str_equals(buf_str(&verified->primary), primary)) {
        buf_reset(&verified->primary);
        buf_add(&verified->primary, primary);
        verified->taken_ms = verified->nothing_ms = NEVER_MS_AGO;
    }
    bool was_up = verified->is_up;
    verified->is_up = is_up && primary.len > 0;
    if (verified->is_up && !was_up)
        verified->is_unwelcome = false; /* it has let us in since */
    note_clock(verified);
    if (was_up && !verified->is_up)
        inquiry_end_all(verified, READING_SILENT, &nothing);
    askers_admit(verifier);
}

/* ---- memory ---- */

void verifier_restore(struct verifier *verifier, const struct known_recipient *recipient)
{
    const struct verified *domain = verified_of_address(verifier, recipient->address);

    if (domain != NULL)
        recipient_cache_restore(domain->cache, recipient);
}

void verifier_recall(struct verifier *verifier, const struct domain_memory *memory)
{
    const struct verified *domain = verified_find(verifier, memory->domain);

    if (domain != NULL)
        recipient_cache_recall(domain->cache, memory);
}

bool verifier_save(const struct verifier *verifier, struct str domain, struct domain_memory *memory)
{
    const struct verified *verified = verified_find(verifier, domain);

    if (verified != NULL)
        recipient_cache_save(verified->cache, memory);
    return verified != NULL;
}

/* ---- what else teaches ---- */

void verifier_delivered(struct verifier *verifier, struct str address,
                        const struct verdict *verdict, struct now now)
{
    struct verified *domain = verified_of_address(verifier, address);
    enum reading reading = reading_of(PROBE_RCPT, verdict);
    struct buf key = { 0 };

    verifier->now = now;
    if (domain == NULL)
        return;
    bool is_sane = now.mono_ms - domain->taken_ms < CONTROL_HOLDS_MS;
    address_fold(&key, address);
    if (verdict->fate == FATE_ACCEPT)
        domain->taken_ms = now.mono_ms;
    if (reading == READING_UNSURE && is_sane)
        reading = READING_INVALID;
    if (reading == READING_INVALID)
        inquiry_learn_invalid(domain, buf_str(&key), LEARNED_BY_DELIVERY);
    else
        inquiry_learn_valid(domain, buf_str(&key), reading, LEARNED_BY_DELIVERY);
    buf_fini(&key);
}

void verifier_learn(struct verifier *verifier, struct str address, enum reading reading,
                    enum recipient_source source, struct now now)
{
    struct verified *domain = verified_of_address(verifier, address);
    struct buf key = { 0 };

    verifier->now = now;
    if (domain == NULL)
        return;
    bool were_gone = recipient_cache_is_dead(domain->cache);
    address_fold(&key, address);
    recipient_cache_learn(domain->cache, buf_str(&key), reading, source, now.wall_ms);
    verified_tell_users(domain, were_gone);
    buf_fini(&key);
}

void verifier_forget(struct verifier *verifier, struct str address)
{
    struct verified *domain = verified_of_address(verifier, address);
    struct buf key = { 0 };

    if (domain == NULL)
        return;
    bool were_gone = recipient_cache_is_dead(domain->cache);
    address_fold(&key, address);
    recipient_cache_forget(domain->cache, buf_str(&key));
    verified_tell_users(domain, were_gone);
    buf_fini(&key);
}

/* ---- time ---- */

int64_t verifier_deadline(const struct verifier *verifier)
{
    const struct heap_node *first = heap_first(&verifier->due);
    int64_t deadline = verifier->domains.count > 0 ? verifier->look_ms : NEVER_MS;

    return first != NULL && first->key < deadline ? first->key : deadline;
}

/* A primary whose users are gone is asked about one of them; one that refuses us, whether it still
 * does. */
static void look_at(struct verified *domain)
{
    struct verifier *verifier = domain->verifier;

    if (domain->is_up && recipient_cache_is_dead(domain->cache)) {
        struct buf address = { 0 };
        buf_add(&address, recipient_cache_doubtful(domain->cache));
        if (address.len > 0)
            (void)inquiry_begin(domain, buf_str(&address), INQUIRY_ADDRESS);
        buf_fini(&address);
    }
    if (domain->is_unwelcome && !domain->is_shut_out && domain->primary.len > 0 &&
        verifier->now.mono_ms >= domain->welcome_ms) {
        domain->welcome_ms = verifier->now.mono_ms + WELCOME_AGAIN_MS;
        inquiry_ask_control(domain, STR_NONE);
    }
    inquiry_run(domain);
}

static void look_at_all(struct verifier *verifier)
{
    bool sweeps = verifier->now.mono_ms >= verifier->sweep_ms;
    struct verified *domain;
    size_t cursor = 0;

    verifier->look_ms = verifier->now.mono_ms + LOOK_MS;
    if (sweeps)
        verifier->sweep_ms = verifier->now.mono_ms + SWEEP_MS;
    while ((domain = map_next(&verifier->domains, &cursor, NULL)) != NULL) {
        look_at(domain);
        bool were_gone = recipient_cache_is_dead(domain->cache);
        if (sweeps)
            recipient_cache_sweep(domain->cache, &domain->policy.limits, verifier->now.wall_ms);
        verified_tell_users(domain, were_gone);
    }
}

void verifier_tick(struct verifier *verifier, struct now now)
{
    static const struct verdict nothing = { 0 };
    struct heap_node *node;

    verifier->now = now;
    if (now.mono_ms >= verifier->look_ms)
        look_at_all(verifier);
    while ((node = heap_take_due(&verifier->due, now.mono_ms)) != NULL)
        asker_conclude(container_of(node, struct asker, due), READING_LATER, false, &nothing);
    askers_admit(verifier);
}

/* ---- looking in ---- */

bool verifier_status(const struct verifier *verifier, struct str domain, struct now now,
                     struct verifier_status *out_status)
{
    const struct verified *verified = verified_find(verifier, domain);

    if (verified == NULL)
        return false;
    *out_status = (struct verifier_status){
        .valid = recipient_cache_count(verified->cache, true),
        .invalid = recipient_cache_count(verified->cache, false),
        .is_up = verified->is_up,
        .takes_all = recipient_cache_is_catch_all(verified->cache, now.wall_ms),
        .users_gone = recipient_cache_is_dead(verified->cache),
        .is_unwelcome = verified->is_unwelcome,
        .suspects = budget_used(verifier->suspects_of_domain, domain, now.mono_ms),
        .inquiries = verified->inquiry_count,
        .asked = verified->asked,
        .refused = verified->refused,
    };
    return true;
}

const struct known_recipient *verifier_find(const struct verifier *verifier, struct str address)
{
    const struct verified *domain = verified_of_address(verifier, address);
    struct buf key = { 0 };

    address_fold(&key, address);
    const struct known_recipient *known =
        domain != NULL ? recipient_cache_find(domain->cache, buf_str(&key)) : NULL;
    buf_fini(&key);
    return known;
}

bool verifier_is_valid(const struct verifier *verifier, struct str address, struct now now)
{
    const struct verified *domain = verified_of_address(verifier, address);
    struct buf key = { 0 };

    if (domain == NULL)
        return false;
    address_fold(&key, address);
    enum known_answer known = recipient_cache_look(domain->cache, buf_str(&key), domain->is_up,
                                                   &domain->policy.limits, now.wall_ms);
    buf_fini(&key);
    return known == KNOWN_VALID || known == KNOWN_VALID_STALE;
}

size_t verifier_company(struct verifier *verifier, struct str domain, struct now now,
                        struct str *out, size_t max)
{
    const struct verified *verified = verified_find(verifier, domain);

    if (verified == NULL)
        return 0;
    return recipient_cache_company(verified->cache, verified->is_up && !verified->is_unwelcome,
                                   &verified->policy.limits, now.wall_ms, out, max);
}

void verifier_each(const struct verifier *verifier, struct str domain,
                   void (*each)(void *context, const struct known_recipient *recipient),
                   void *context)
{
    const struct verified *verified = verified_find(verifier, domain);

    if (verified != NULL)
        recipient_cache_each(verified->cache, each, context);
}

int64_t verifier_age(const struct verifier *verifier, struct str domain, int64_t clock_ms,
                     struct now now)
{
    const struct verified *verified = verified_find(verifier, domain);
    return verified == NULL ? 0 : recipient_cache_clock(verified->cache, now.wall_ms) - clock_ms;
}

/* ---- beginning and end ---- */

struct verifier *verifier_new(const struct verifier_host *host, void *context,
                              struct random *random)
{
    struct verifier *verifier = memory_new(sizeof *verifier);

    verifier->host = host;
    verifier->context = context;
    verifier->random = random;
    verifier->suspected = budget_new(HOUR_MS);
    verifier->unknown = budget_new(HOUR_MS);
    verifier->suspects_of_network = budget_new(HOUR_MS);
    verifier->suspects_of_domain = budget_new(HOUR_MS);
    verifier->refusals = budget_new(REFUSALS_SPAN_MS);
    map_init(&verifier->domains);
    map_init(&verifier->inquiries);
    map_init(&verifier->askers);
    map_init(&verifier->open);
    list_init(&verifier->uncredited);
    return verifier;
}

void verifier_forget_asker(struct verifier *verifier, uint64_t asker)
{
    struct asker *found = map_find(&verifier->askers, number_key(&asker));
    if (found != NULL)
        asker_free(found);
    askers_admit(verifier);
}

/* Nobody is told. */
void verifier_free(struct verifier *verifier)
{
    static const struct verdict nothing = { 0 };
    struct verified *domain;
    struct asker *asker;
    size_t cursor = 0;

    if (verifier == NULL)
        return;
    while ((asker = map_next(&verifier->askers, &cursor, NULL)) != NULL) {
        asker_free(asker);
        cursor = 0;
    }
    cursor = 0;
    while ((domain = map_next(&verifier->domains, &cursor, NULL)) != NULL) {
        inquiry_end_all(domain, READING_LATER, &nothing);
        domain_free(domain);
        cursor = 0;
    }
    map_fini(&verifier->domains);
    map_fini(&verifier->inquiries);
    map_fini(&verifier->askers);
    map_fini(&verifier->open);
    heap_fini(&verifier->due);
    budget_free(verifier->suspected);
    budget_free(verifier->unknown);
    budget_free(verifier->suspects_of_network);
    budget_free(verifier->suspects_of_domain);
    budget_free(verifier->refusals);
    memory_free(verifier);
}
