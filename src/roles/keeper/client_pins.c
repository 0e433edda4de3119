/* SPDX-License-Identifier: ISC */
/* client_pins.c: holders who are known by the certificate that they show when they call
 * (SPEC P8): the setting client-pin of their domains.
 *
 * What counts is that they have its key; who has signed it, which names it has and until when it is
 * said to be good does not, for the holder has named it himself. Those that are registered stand in
 * a map, so that clients are asked for certificates only where one could mean something, and none
 * of them makes us look through all domains.
 */
#include <string.h>

#include "base/memory.h"
#include "mail/domain.h"
#include "roles/keeper/keeper.h"

struct client_pins { /* of one domain */
    struct security_pin pin[SECURITY_PINS_MAX];
    uint32_t count;
};

void keeper_client_pins_changed(struct keeper *keeper, const struct domain_record *record,
                                struct str domain)
{
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    struct security security = { 0 };

    if (record != NULL)
        security_add_pins(&security, setting_text(&record->settings, defaults, SETTING_CLIENT_PIN));
    if (security.pin_count == 0) {
        memory_free(map_remove(&keeper->client_pins, domain));
        return;
    }
    struct client_pins *pins = memory_new(sizeof *pins);
    memcpy(pins->pin, security.pin, sizeof pins->pin);
    pins->count = security.pin_count;
    memory_free(map_put(&keeper->client_pins, domain, pins));
}

static bool is_registered(const struct client_pins *pins, struct str shown)
{
    for (uint32_t i = 0; i < pins->count; i++)
        if (security_pin_is_shown(&pins->pin[i], shown))
            return true;
    return false;
}

/* His program learns what to register, and so does the operator, from the log. */
static struct verdict refuse(struct str shown)
{
    struct security_pin key = { .is_of_certificate = false };
    struct buf text = { 0 };

    if (shown.len != SECURITY_SHOWN_SIZE)
        return verdict_make(535, 7, 8, STR("You have shown no certificate"));
    memcpy(key.digest, shown.ptr, sizeof key.digest);
    security_pin_add_text(&text, &key);
    struct verdict verdict =
        verdict_format(535, 7, 8, "No such domain has registered what you have shown, %.*s",
                       STR_FMT(buf_str(&text)));
    buf_fini(&text);
    return verdict;
}

/* How many have registered it, and the last of them. */
static size_t find_holders(const struct keeper *keeper, struct str shown, struct str *out_domain)
{
    const struct client_pins *pins;
    struct str domain;
    size_t cursor = 0;
    size_t count = 0;

    while ((pins = map_next(&keeper->client_pins, &cursor, &domain)) != NULL)
        if (is_registered(pins, shown)) {
            *out_domain = domain;
            count++;
        }
    return count;
}

static struct verdict find_only_holder(const struct keeper *keeper, struct str shown,
                                       struct buf *out_domain)
{
    struct str domain = STR_NONE;
    size_t count = find_holders(keeper, shown, &domain);

    if (count == 0)
        return refuse(shown);
    if (count > 1)
        return verdict_make(535, 7, 8,
                            STR("Several domains have registered it; say as which of them"));
    buf_add(out_domain, domain);
    return verdict_accept();
}

struct verdict keeper_holder_of_certificate(const struct keeper *keeper, struct str user,
                                            struct str shown, struct buf *out_domain)
{
    const struct client_pins *pins = NULL;

    if (user.len == 0)
        return find_only_holder(keeper, shown, out_domain);
    if (domain_normalise(user, out_domain))
        pins = map_find(&keeper->client_pins, buf_str(out_domain));
    return pins != NULL && is_registered(pins, shown) ? verdict_accept() : refuse(shown);
}

void keeper_client_pins_fini(struct keeper *keeper)
{
    void *pins;
    size_t cursor = 0;

    while ((pins = map_next(&keeper->client_pins, &cursor, NULL)) != NULL)
        memory_free(pins);
    map_fini(&keeper->client_pins);
}
