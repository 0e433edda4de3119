/* SPDX-License-Identifier: ISC */
/* encryption.c: with which keys kept mail is sealed, and whose mail. */
#include "base/log.h"
#include "roles/keeper/keeper.h"

/* One domain that asks for it is enough. */
static bool wants(void *context, const struct envelope *envelope)
{
    const struct keeper *keeper = context;
    const struct domain_settings *defaults = &keeper->process->config->defaults;

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        const struct domain_record *record =
            directory_find_domain(keeper->directory, recipient_domain(&envelope->recipient[i]));
        if (setting_value(record != NULL ? &record->settings : NULL, defaults, SETTING_ENCRYPT) !=
            0)
            return true;
    }
    return false;
}

static const struct sealed_host host_functions = { wants, NULL };

void keeper_encryption_start(struct keeper *keeper)
{
    keeper->sealed_host = host_functions;
    keeper->sealed_host.context = keeper;
    keeper->store = sealed_store_new(keeper->store, &keeper->sealed_host);
    sealed_store_use(keeper->store, &keeper->seal_keys, keeper->lacks_keys);
}

/* What waited for a key is tried at once. */
static void use_keys(struct keeper *keeper)
{
    struct store_health health;

    store_health(keeper->store, &health);
    bool was_missed = health.missing_keys.len > 0;
    sealed_store_use(keeper->store, &keeper->seal_keys, keeper->lacks_keys);
    if (was_missed && keeper->schedule != NULL)
        schedule_wake(keeper->schedule, STR_NONE, keeper_now(keeper));
}

bool keeper_take_spool_keys(void *state, struct cursor payload)
{
    struct keeper *keeper = state;
    struct message_spool_keys message;
    const char *why = NULL;
    struct seal_keys keys = { 0 };

    if (!message_get_spool_keys(payload, &message))
        return false;
    bool is_fine = message.is_wanted == 0 || seal_keys_parse(message.file, &keys, &why);
    if (!is_fine)
        log_error("encryption_keys_unusable", LOG_TEXT("why", why),
                  LOG_TEXT("hint", "mend the file that encryption { keys } names, and reload"));
    if (is_fine || keeper->seal_keys.count == 0) { /* what there was may be the better one */
        keeper->seal_keys = keys;
        keeper->lacks_keys = !is_fine;
    }
    seal_keys_wipe(&keys);
    if (keeper->store != NULL)
        use_keys(keeper);
    return true;
}
