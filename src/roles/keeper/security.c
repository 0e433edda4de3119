/* SPDX-License-Identifier: ISC */
/* security.c: what a domain's hosts have to show before they get mail (mail/security.h), as
 * far as the settings of the domain say. Pins stand above all. */
#include "mail/security.h"

#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "mail/named_primary.h"
#include "roles/keeper/keeper.h"
#include "route/addresses.h"

static enum security_level level_of(enum setting_tls tls)
{
    switch (tls) {
    case TLS_MAY:
        return SECURITY_MAY;
    case TLS_NO:
        return SECURITY_CLEAR;
    case TLS_MUST:
        return SECURITY_MUST;
    case TLS_NAME:
        return SECURITY_NAME;
    case TLS_DANE: /* and a key beside it: keeper_demands_tlsa() */
        return SECURITY_MUST;
    }
    return SECURITY_MAY;
}

/* What waits for this domain tells its owner that TLS fails. */
static void demand_nothing(const struct keeper *keeper, struct str domain, struct route_plan *plan)
{
    struct buf bytes = { 0 };

    for (uint32_t i = 0; i < plan->count; i++) {
        struct route_target *target = &plan->target[i];
        const struct security security = keeper_own_lax_security(keeper, domain, target->host);
        buf_reset(&bytes);
        security_encode(&bytes, &security);
        target->security = arena_str(&plan->arena, buf_str(&bytes));
    }
    buf_fini(&bytes);
}

/* Only ever more than the DNS demands, but for an authority of the domain's own, which stands in
 * the place of DANE; pins want TLS, whatever else was said. */
static void demand_more(struct security *security, const struct domain_settings *own,
                        const struct domain_settings *defaults, struct named_primary primary,
                        struct str host)
{
    enum security_level level =
        level_of((enum setting_tls)setting_value(own, defaults, SETTING_TLS));
    struct str name = setting_text(own, defaults, SETTING_TLS_NAME);

    if (primary.has_level)
        level = primary.level;
    if (primary.tls_name.len > 0)
        name = primary.tls_name;
    security->authority = setting_text(own, defaults, SETTING_TLS_CA);
    security->from_start = primary.has_from_start
                               ? primary.from_start
                               : setting_value(own, defaults, SETTING_TLS_FROM_START) != 0;
    for (uint32_t i = 0; i < primary.pin_count; i++)
        security_add_pin(security, &primary.pin[i]);
    if (primary.pin_count == 0)
        security_add_pins(security, setting_text(own, defaults, SETTING_TLS_PIN));
    if (level > security->level || (level == SECURITY_CLEAR && security->level == SECURITY_MAY))
        security->level = level;
    if (security->level < SECURITY_MUST && (security->pin_count > 0 || security->from_start))
        security->level = SECURITY_MUST;
    if (security->authority.len > 0) /* whom it has signed is known by his name */
        security->level = level = SECURITY_NAME;
    if (security->level != SECURITY_NAME || level != SECURITY_NAME)
        return;
    security->name_count = 0;
    security->name[security->name_count++] = name.len > 0 ? name : host;
}

uint32_t keeper_find_primary(const struct domain_record *record, struct str host,
                             struct endpoint endpoint)
{
    struct named_primary primary;

    for (uint32_t i = 0; i < record->primary_count; i++)
        if (named_primary_parse(record->primary[i], &primary) == NAMED_PRIMARY_FINE &&
            named_primary_is(&primary, host, endpoint))
            return i;
    return record->primary_count;
}

static bool is_other(const struct domain_record *record, struct str host, struct endpoint endpoint)
{
    uint32_t which = keeper_find_primary(record, host, endpoint);
    return which > 0 && which < record->primary_count;
}

bool keeper_is_at_other(const struct keeper *keeper, struct str domain, struct endpoint endpoint)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct route_status status;

    if (record == NULL || record->primary_count < 2)
        return false;
    if (is_other(record, STR_NONE, endpoint))
        return true;
    if (!schedule_status(keeper->schedule, domain, keeper_now(keeper), &status))
        return false;
    for (uint32_t i = 0; i < status.target_count; i++)
        if (endpoint_equals(status.target[i].endpoint, endpoint) &&
            is_other(record, status.target[i].host, endpoint))
            return true;
    return false;
}

/* What was said of it, or, where its address was told, of the first. */
static struct named_primary primary_at(const struct domain_record *record, struct str host,
                                       struct endpoint endpoint)
{
    struct named_primary primary = { 0 };

    if (record == NULL || record->primary_count == 0)
        return primary;
    uint32_t i = keeper_find_primary(record, host, endpoint);
    (void)named_primary_parse(record->primary[i < record->primary_count ? i : 0], &primary);
    return primary;
}

static struct security demanded(const struct keeper *keeper, struct str domain, struct str host,
                                struct endpoint endpoint, struct str before)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct cursor cursor = cursor_over(before);
    struct security security = { .level = SECURITY_MAY };

    if (before.len > 0 && !security_decode(&cursor, &security))
        security = (struct security){ .level = SECURITY_MUST }; /* it was made here */
    security.pin_count = 0; /* of a plan that was secured before: what is set now counts */
    demand_more(&security, record != NULL ? &record->settings : NULL, defaults,
                primary_at(record, host, endpoint), host);
    return security;
}

/* ---- keys that the DNS names ---- */

bool keeper_demands_tlsa(const struct keeper *keeper, struct str domain, struct str *out_name)
{
    *out_name = keeper_text(keeper, domain, SETTING_TLS_NAME);
    return keeper_value(keeper, domain, SETTING_TLS) == TLS_DANE &&
           keeper_text(keeper, domain, SETTING_TLS_CA).len == 0;
}

static bool has_key(struct str bytes)
{
    struct cursor cursor = cursor_over(bytes);
    struct security security;

    return bytes.len > 0 && security_decode(&cursor, &security) &&
           security.level == SECURITY_TLSA && security.tlsa_count > 0;
}

/* What the DNS says of one of them; empty: of none. */
static struct str keys_in(const struct route_plan *plan)
{
    for (uint32_t i = 0; i < plan->count; i++)
        if (has_key(plan->target[i].security))
            return plan->target[i].security;
    return STR_NONE;
}

/* The same of those that are in use; it lives as long as they are. */
static struct str keys_in_use(const struct keeper *keeper, struct str domain)
{
    struct route_status status;

    if (!schedule_status(keeper->schedule, domain, keeper_now(keeper), &status))
        return STR_NONE;
    for (uint32_t i = 0; i < status.target_count; i++)
        if (has_key(status.target[i].security))
            return status.target[i].security;
    return STR_NONE;
}

/* A host of which the DNS does not say it (the primary at an address that was told) has to show a
 * key of the others; where nobody has any, nobody is used. */
static void demand_keys(struct route_plan *plan)
{
    struct str keys = keys_in(plan);
    uint32_t kept = 0;

    for (uint32_t i = 0; i < plan->count; i++) {
        struct route_target *target = &plan->target[i];
        bool is_line = target->endpoint.family == ENDPOINT_LINE;
        if (!is_line && !has_key(target->security))
            target->security = keys;
        if (is_line || target->security.len > 0)
            plan->target[kept++] = *target;
    }
    plan->count = kept;
}

void keeper_secure_plan(const struct keeper *keeper, struct str domain, struct route_plan *plan)
{
    struct buf bytes = { 0 };
    struct str name;

    if (keeper_own_is_lax(keeper, domain)) {
        demand_nothing(keeper, domain, plan);
        return;
    }
    if (keeper_demands_tlsa(keeper, domain, &name))
        demand_keys(plan);
    for (uint32_t i = 0; i < plan->count; i++) {
        struct route_target *target = &plan->target[i];
        if (target->endpoint.family == ENDPOINT_LINE)
            continue; /* its caller has logged in, over TLS */
        struct security security =
            demanded(keeper, domain, target->host, target->endpoint, target->security);
        security.is_watched = security.is_watched && security.level < SECURITY_NAME &&
                              keeper->process->config->report_tls;
        buf_reset(&bytes);
        security_encode(&bytes, &security);
        target->security = arena_str(&plan->arena, buf_str(&bytes));
    }
    buf_fini(&bytes);
}

bool keeper_secure_address(const struct keeper *keeper, struct str domain, struct endpoint endpoint,
                           struct buf *out)
{
    struct buf host = { 0 };
    struct str name;
    bool demands_keys = keeper_demands_tlsa(keeper, domain, &name);
    struct str keys = demands_keys ? keys_in_use(keeper, domain) : STR_NONE;

    if (demands_keys && keys.len == 0)
        return false;
    endpoint_add_ip(&host, endpoint);
    struct security security = demanded(keeper, domain, buf_str(&host), endpoint, keys);
    security_encode(out, &security);
    buf_fini(&host);
    return true;
}

bool keeper_can_prove(const struct keeper *keeper, struct str domain)
{
    struct security security = demanded(keeper, domain, STR_NONE, (struct endpoint){ 0 }, STR_NONE);
    struct str name;

    return address_can_be_proved(&security) || keeper_demands_tlsa(keeper, domain, &name);
}

/* ---- learned at first use ---- */

static void on_learned(void *context, int error)
{
    (void)context;
    if (error != 0)
        log_error("pin_not_kept", LOG_TEXT("error", strerror(-error)));
}

/* Of several, each has its own. */
static void add_pin(struct domain_record *record, uint32_t which, const struct security_pin *pin,
                    struct buf *out_primary)
{
    struct buf text = { 0 };

    security_pin_add_text(&text, pin);
    if (record->primary_count > 1) {
        buf_add(out_primary, record->primary[which]);
        named_primary_add_pin(out_primary, pin);
        record->primary[which] = buf_str(out_primary);
    } else {
        check(setting_put_text(&record->settings, SETTING_TLS_PIN, buf_str(&text)));
    }
    log_info("pin_learned", LOG_STR("domain", record->name), LOG_STR("pin", buf_str(&text)));
    buf_fini(&text);
}

static void pin(struct keeper *keeper, const struct domain_record *before, uint32_t which,
                struct str key)
{
    struct security_pin pin = { .is_of_certificate = false };
    struct domain_record record = *before;
    struct buf primary = { 0 };

    memcpy(pin.digest, key.ptr, sizeof pin.digest);
    add_pin(&record, which, &pin, &primary);
    directory_put_domain(keeper->directory, &record, on_learned, NULL);
    buf_fini(&primary);
}

/* Is there something to learn of it? Not of a host that is none of several that were named. */
static bool wants_pin(const struct keeper *keeper, const struct domain_record *record,
                      uint32_t which)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    struct named_primary primary = { 0 };

    if (which < record->primary_count)
        (void)named_primary_parse(record->primary[which], &primary);
    return setting_value(&record->settings, defaults, SETTING_TLS_LEARN) != 0 &&
           setting_text(&record->settings, defaults, SETTING_TLS_PIN).len == 0 &&
           primary.pin_count == 0 && (which < record->primary_count || record->primary_count <= 1);
}

void keeper_learn_key(struct keeper *keeper, struct str domain, struct str host,
                      struct endpoint endpoint, struct str key)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    if (record == NULL || key.len != SECURITY_DIGEST_SIZE)
        return;
    uint32_t which = keeper_find_primary(record, host, endpoint);
    if (!wants_pin(keeper, record, which))
        return;
    pin(keeper, record, which, key);
    keeper_domain_changed(keeper, domain);
}

bool keeper_tells_origins(const struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    return record != NULL && setting_value(&record->settings, &keeper->process->config->defaults,
                                           SETTING_XCLIENT) != 0;
}
