/* SPDX-License-Identifier: ISC */
/* quota.c: what is kept of a domain's mail, beside its quota (SPEC H5).
 *
 * Receivers keep answers, and ask us no more; so from four fifths on no answer is kept, and whoever
 * brings a recipient is asked about. What is under way at that moment may still come in.
 */
#include "base/log.h"
#include "base/memory.h"
#include "roles/keeper/keeper.h"
#include "verify/budget.h"
#include "verify/quota.h"

struct usage {
    enum quota_level level;
};

static struct quota use_of(const struct keeper *keeper, struct str domain)
{
    struct store_totals totals;

    store_totals(keeper->store, domain, &totals);
    return (struct quota){
        .octets = totals.held_bytes + totals.rescued_bytes,
        .messages = totals.held_count + totals.rescued_count,
        .per_hour = budget_used(keeper->taken_in, domain, keeper_now(keeper).mono_ms),
    };
}

/* Of the one that is used most. */
static void tell_owner(struct keeper *keeper, struct str domain, const struct quota *quota,
                       const struct quota *used)
{
    const struct quota octets = { .octets = quota->octets };
    const struct quota messages = { .messages = quota->messages };
    struct alert_facts facts = { .used = used->per_hour,
                                 .quota = quota->per_hour,
                                 .is_count = true };

    if (quota_level(&octets, used, QUOTA_FREE) != QUOTA_FREE)
        facts = (struct alert_facts){ .used = used->octets, .quota = octets.octets };
    else if (quota_level(&messages, used, QUOTA_FREE) != QUOTA_FREE)
        facts = (struct alert_facts){ .used = used->messages,
                                      .quota = messages.messages,
                                      .is_count = true };
    keeper_alert(keeper, domain, ALERT_QUOTA, &facts);
}

static void tell(struct keeper *keeper, struct str domain, const struct quota *quota,
                 const struct quota *used, enum quota_level before, enum quota_level level)
{
    static const char *const names[] = { "free", "near", "full" };

    log_event(level == QUOTA_FREE ? LOG_INFO : LOG_WARN, "quota", LOG_STR("domain", domain),
              LOG_TEXT("level", names[level]), LOG_INT("bytes", used->octets),
              LOG_INT("of_bytes", quota->octets), LOG_INT("messages", used->messages),
              LOG_INT("of_messages", quota->messages), LOG_INT("in_this_hour", used->per_hour),
              LOG_INT("of_per_hour", quota->per_hour));
    keeper->answers_are_void = true;
    if (level > before)
        tell_owner(keeper, domain, quota, used);
}

enum quota_level keeper_quota(struct keeper *keeper, const struct domain_record *record)
{
    struct quota quota = quota_of(&record->settings, &keeper->process->config->defaults);
    struct usage *usage = map_find(&keeper->usages, record->name);

    if (!quota_is_set(&quota))
        return QUOTA_FREE;
    if (usage == NULL) {
        usage = memory_new(sizeof *usage);
        (void)map_put(&keeper->usages, record->name, usage);
    }
    struct quota used = use_of(keeper, record->name);
    enum quota_level level = quota_level(&quota, &used, usage->level);
    if (level != usage->level)
        tell(keeper, record->name, &quota, &used, usage->level, level);
    usage->level = level;
    return level;
}

void keeper_quota_took(struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    if (record == NULL)
        return;
    struct quota quota = quota_of(&record->settings, &keeper->process->config->defaults);
    if (quota.per_hour > 0)
        (void)budget_take(keeper->taken_in, domain, UINT32_MAX, keeper_now(keeper).mono_ms);
    (void)keeper_quota(keeper, record);
}

void keeper_quota_init(struct keeper *keeper)
{
    keeper->taken_in = budget_new(HOUR_MS);
    map_init(&keeper->usages);
}

void keeper_quota_fini(struct keeper *keeper)
{
    size_t cursor = 0;
    void *usage;

    while ((usage = map_next(&keeper->usages, &cursor, NULL)) != NULL)
        memory_free(usage);
    map_fini(&keeper->usages);
    budget_free(keeper->taken_in);
}
