/* SPDX-License-Identifier: ISC */
/* keeper_security.c: what a domain's hosts have to show before they get mail (mail/security.h), as
 * far as the settings of the domain say. Pins stand above all. */
#include "mail/security.h"

#include "roles/keeper.h"

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
    }
    return SECURITY_MAY;
}

/* Pins want TLS, whatever else was said. */
static struct security security_for(const struct domain_settings *own,
                                    const struct domain_settings *defaults, struct str host)
{
    struct str name = setting_text(own, defaults, SETTING_TLS_NAME);
    struct security security = {
        .level = level_of((enum setting_tls)setting_value(own, defaults, SETTING_TLS)),
        .from_start = setting_value(own, defaults, SETTING_TLS_FROM_START) != 0,
    };

    security_add_pins(&security, setting_text(own, defaults, SETTING_TLS_PIN));
    if (security.level < SECURITY_MUST && (security.pin_count > 0 || security.from_start))
        security.level = SECURITY_MUST;
    if (security.level == SECURITY_NAME)
        security.name[security.name_count++] = name.len > 0 ? name : host;
    return security;
}

void keeper_secure_plan(const struct keeper *keeper, struct str domain, struct route_plan *plan)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    const struct domain_settings *own = record != NULL ? &record->settings : NULL;
    struct buf bytes = { 0 };

    for (uint32_t i = 0; i < plan->count; i++) {
        struct security security = security_for(own, defaults, plan->target[i].host);
        buf_reset(&bytes);
        security_encode(&bytes, &security);
        plan->target[i].security = arena_str(&plan->arena, buf_str(&bytes));
    }
    buf_fini(&bytes);
}
