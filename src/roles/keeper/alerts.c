/* SPDX-License-Identifier: ISC */
/* alerts.c: tells the owners of domains what happens to their mail server and their mail
 * (SPEC N3, N6).
 *
 *     what the scheduler and others report ──▶ damper: when, and how often ──▶ told:
 *         policy: whom?  ──▶ mail to the owner, to the postmaster   (own.c)
 *                        └─▶ webhook                                (webhooks.c)
 *
 * What is counted (held, oldest) is counted when it is told. What was told is a fact of the
 * directory, written behind the words themselves: a crash in between lets something be told twice
 * rather than not at all. Domains whose owner is nobody are followed all the same, so that somebody
 * who is named in the middle of an outage hears of its end.
 */
#include <string.h>

#include "base/heap.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/named_primary.h"
#include "notify/alert_mail.h"
#include "notify/damper.h"
#include "notify/webhook.h"
#include "roles/keeper/keeper.h"

enum { SWEEP_MS = MINUTE_MS };

static const char fact_told[] = "alerts";

struct keeper_alerts {
    struct keeper *keeper;
    struct map domains;    /* by name: struct watched */
    struct heap deadlines; /* struct watched.node, in Unix time */
    int64_t sweep_ms;      /* monotonic: when the ends of holding times are looked at */
};

struct watched {
    struct heap_node node;
    struct buf name;
    struct damper damper;
    struct verdict state_reason;    /* of the primary's state */
    struct buf reason[ALERT_COUNT]; /* of other events */
    uint64_t used, quota;
    uint64_t refused; /* messages, since the last drained */
    bool is_kept;     /* there is a fact of it */
};

/* ---- domains ---- */

static const struct domain_settings *defaults_of(const struct keeper *keeper)
{
    return &keeper->process->config->defaults;
}

static struct watched *watch(struct keeper_alerts *alerts, const struct domain_record *record)
{
    struct watched *watched = map_find(&alerts->domains, record->name);

    if (watched == NULL) {
        watched = memory_new(sizeof *watched);
        buf_add(&watched->name, record->name);
        (void)map_put(&alerts->domains, record->name, watched);
    }
    watched->damper.after_ms =
        setting_value(&record->settings, defaults_of(alerts->keeper), SETTING_TELL_AFTER);
    return watched;
}

static void watched_free(struct keeper_alerts *alerts, struct watched *watched)
{
    heap_remove(&alerts->deadlines, &watched->node);
    (void)map_remove(&alerts->domains, buf_str(&watched->name));
    for (int i = 0; i < ALERT_COUNT; i++)
        buf_fini(&watched->reason[i]);
    buf_fini(&watched->name);
    memory_free(watched);
}

static void plan(struct keeper_alerts *alerts, struct watched *watched)
{
    int64_t deadline_ms = damper_deadline(&watched->damper);

    if (deadline_ms == NEVER_MS)
        heap_remove(&alerts->deadlines, &watched->node);
    else
        heap_put(&alerts->deadlines, &watched->node, deadline_ms);
}

static void keep(struct keeper *keeper, struct watched *watched)
{
    struct buf bytes = { 0 };

    damper_encode(&bytes, &watched->damper);
    const struct domain_fact fact = { str_from(fact_told), buf_str(&watched->name), STR(""),
                                      buf_str(&bytes) };
    directory_put_fact(keeper->directory, &fact, NULL, NULL);
    watched->is_kept = true;
    buf_fini(&bytes);
}

/* ---- the facts ---- */

/* The best host there is, or the one that was set by hand. */
static struct str primary_of(const struct domain_record *record, const struct route_status *status)
{
    if (status->target_count > 0 && status->target[0].host.len > 0)
        return status->target[0].host;
    return record->primary_count > 0 ? named_primary_place(record->primary[0]) : STR_NONE;
}

static struct alert_facts facts_of(const struct keeper *keeper, const struct domain_record *record,
                                   const struct watched *watched, const struct damper_word *word,
                                   const struct route_status *status, struct arena *arena)
{
    struct store_totals totals;
    struct buf reason = { 0 };
    bool is_state = watched->reason[word->alert].len == 0;

    store_totals(keeper->store, record->name, &totals);
    if (is_state && watched->state_reason.code != 0)
        verdict_add_line(&reason, &watched->state_reason);
    else if (is_state)
        buf_add(&reason, verdict_text(&watched->state_reason));
    else
        buf_add(&reason, buf_str(&watched->reason[word->alert]));
    struct alert_facts facts = {
        .since_ms = word->since_ms,
        .lasted_ms = word->sum.lasted_ms,
        .oldest_ms = totals.oldest_held_ms,
        .until_ms =
            alert_near_expiry(totals.oldest_held_ms,
                              setting_value(&record->settings, defaults_of(keeper), SETTING_HOLD),
                              keeper_mail_now(keeper).wall_ms),
        .held = totals.held_count,
        .delivered = word->sum.delivered,
        .failures = word->sum.failures,
        .used = watched->used,
        .quota = watched->quota,
        .times = word->times,
        .primary = primary_of(record, status),
        .reason = arena_str(arena, buf_str(&reason)),
    };
    buf_fini(&reason);
    return facts;
}

/* ---- telling ---- */

static enum language language_for(const struct keeper *keeper, const struct domain_record *record)
{
    return (enum language)setting_value(&record->settings, defaults_of(keeper), SETTING_LANGUAGE);
}

static struct str template_of(const struct keeper *keeper, struct str domain,
                              enum occasion occasion, enum language language)
{
    struct buf name = { 0 };

    template_add_name(&name, occasion, language);
    struct str text =
        directory_find_fact(keeper->directory, STR(TEMPLATE_FACT), domain, buf_str(&name));
    buf_fini(&name);
    return text;
}

static void send_mail(struct keeper *keeper, const struct domain_record *record, enum alert alert,
                      const struct alert_facts *facts, struct str to)
{
    const struct config *config = keeper->process->config;
    struct message_id id = keeper_own_new_id(keeper);
    struct message_id_text id_text = message_id_to_text(id);
    enum language language = language_for(keeper, record);
    struct buf from = { 0 };
    struct buf message_id = { 0 };
    struct buf content = { 0 };

    buf_add_format(&from, "postmaster@%.*s", STR_FMT(config->hostname));
    buf_add_format(&message_id, "<%s@%.*s>", id_text.text, STR_FMT(config->hostname));
    const struct alert_mail mail = {
        .alert = alert,
        .facts = facts,
        .domain = record->name,
        .node = config->hostname,
        .contact = config->postmaster,
        .from = buf_str(&from),
        .reply_to = config->postmaster,
        .to = to,
        .message_id = buf_str(&message_id),
        .now_ms = keeper_now(keeper).wall_ms,
        .language = language,
        .own = template_of(keeper, record->name, alert_occasion(alert), language),
    };
    if (!alert_mail_add(&content, &mail))
        log_warn("template_unusable", LOG_STR("domain", record->name),
                 LOG_TEXT("occasion", occasion_name(alert_occasion(alert))),
                 LOG_TEXT("language", language_tag(language)),
                 LOG_TEXT("hint", "it has a mistake; the built-in text was taken"));
    const struct own_mail own = { .recipient = to, .content = buf_str(&content) };
    keeper_own_send(keeper, id, &own);
    buf_fini(&from);
    buf_fini(&message_id);
    buf_fini(&content);
}

static void post(struct keeper *keeper, const struct domain_record *record, enum alert alert,
                 const struct alert_facts *facts)
{
    struct message_id id = keeper_own_new_id(keeper);
    struct message_id_text id_text = message_id_to_text(id);
    struct buf body = { 0 };
    const struct webhook_event event = { .alert = alert,
                                         .facts = facts,
                                         .id = str_from(id_text.text),
                                         .domain = record->name,
                                         .node = keeper->process->config->hostname,
                                         .now_ms = keeper_now(keeper).wall_ms };

    webhook_add_body(&body, &event);
    keeper_webhooks_add(keeper, record->name, id, buf_str(&body));
    buf_fini(&body);
}

static void tell_all(struct keeper *keeper, const struct domain_record *record, enum alert alert,
                     const struct alert_facts *facts, unsigned audiences)
{
    struct buf postmaster = { 0 };

    if ((audiences & TELL_WEBHOOK) != 0)
        post(keeper, record, alert, facts);
    if ((audiences & TELL_OWNER) != 0)
        send_mail(keeper, record, alert, facts,
                  setting_text(&record->settings, defaults_of(keeper), SETTING_OWNER));
    if ((audiences & TELL_POSTMASTER) != 0) {
        buf_add_format(&postmaster, "postmaster@%.*s", STR_FMT(record->name));
        send_mail(keeper, record, alert, facts, buf_str(&postmaster));
    }
    buf_fini(&postmaster);
}

static void tell(struct keeper *keeper, const struct domain_record *record, struct watched *watched,
                 const struct damper_word *word)
{
    unsigned audiences = alert_audiences(word->alert, &record->settings, defaults_of(keeper));
    struct route_status status = { 0 };
    struct arena arena = { 0 };

    if (audiences != 0) {
        (void)schedule_status(keeper->schedule, record->name, keeper_now(keeper), &status);
        const struct alert_facts facts = facts_of(keeper, record, watched, word, &status, &arena);
        log_info("alert", LOG_STR("domain", record->name),
                 LOG_TEXT("event", alert_name(word->alert)), LOG_INT("times", word->times),
                 LOG_INT("owner", (audiences & TELL_OWNER) != 0),
                 LOG_INT("postmaster", (audiences & TELL_POSTMASTER) != 0),
                 LOG_INT("webhook", (audiences & TELL_WEBHOOK) != 0));
        tell_all(keeper, record, word->alert, &facts, audiences);
    }
    arena_fini(&arena);
    buf_reset(&watched->reason[word->alert]);
    if (audiences != 0 || watched->is_kept)
        keep(keeper, watched);
}

/* ---- what is reported ---- */

/* NULL: the domain is none of ours, as those are that mail of our own goes to. */
static struct watched *find(struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    return record != NULL && keeper->alerts != NULL ? watch(keeper->alerts, record) : NULL;
}

void keeper_alert_condition(struct keeper *keeper, struct str domain,
                            enum alert_condition condition, const struct verdict *reason)
{
    struct watched *watched = find(keeper, domain);

    if (watched == NULL)
        return;
    if (watched->damper.current == CONDITION_FINE && condition != CONDITION_FINE)
        watched->refused = 0;
    damper_condition(&watched->damper, condition, keeper_mail_now(keeper).wall_ms);
    watched->state_reason = *reason;
    plan(keeper->alerts, watched);
}

void keeper_alert_state(struct keeper *keeper, struct str domain, enum route_state state,
                        const struct verdict *reason)
{
    struct watched *watched = find(keeper, domain);

    if (watched == NULL)
        return;
    switch (state) {
    case ROUTE_STATE_UP:
        keeper_alert_condition(keeper, domain, CONDITION_FINE, reason);
        break;
    case ROUTE_STATE_DOWN:
        keeper_alert_condition(keeper, domain, CONDITION_DOWN, reason);
        break;
    case ROUTE_STATE_HALF_UP:
        keeper_alert_condition(keeper, domain, CONDITION_HALF_UP, reason);
        break;
    case ROUTE_STATE_BLOCKED:
        keeper_alert_condition(keeper, domain, CONDITION_BLOCKED, reason);
        break;
    case ROUTE_STATE_STRANGER:
        keeper_alert_condition(keeper, domain, CONDITION_STRANGER, reason);
        break;
    case ROUTE_STATE_SHAKY:
    case ROUTE_STATES:
        break;
    case ROUTE_STATE_PAUSED:
        damper_rest(&watched->damper, keeper_mail_now(keeper).wall_ms);
        plan(keeper->alerts, watched);
        break;
    }
}

void keeper_alert_refusal(struct keeper *keeper, struct str domain)
{
    struct watched *watched = find(keeper, domain);

    if (watched != NULL)
        watched->refused++;
}

void keeper_alert(struct keeper *keeper, struct str domain, enum alert alert,
                  const struct alert_facts *facts)
{
    struct watched *watched = find(keeper, domain);
    struct damper_amounts amounts = { .delivered = facts->delivered,
                                      .failures = facts->failures,
                                      .lasted_ms = facts->lasted_ms };

    if (watched == NULL)
        return;
    if (alert == ALERT_DRAINED) {
        amounts.failures += watched->refused;
        watched->refused = 0;
    }
    if (facts->reason.len > 0) {
        buf_reset(&watched->reason[alert]);
        buf_add(&watched->reason[alert], str_first(facts->reason, VERDICT_TEXT_MAX));
    }
    if (facts->quota > 0) {
        watched->used = facts->used;
        watched->quota = facts->quota;
    }
    damper_event(&watched->damper, alert, &amounts, keeper_mail_now(keeper).wall_ms);
    plan(keeper->alerts, watched);
}

void keeper_alerts_forget(struct keeper *keeper, struct str domain)
{
    struct watched *watched =
        keeper->alerts != NULL ? map_find(&keeper->alerts->domains, domain) : NULL;

    if (watched != NULL)
        watched_free(keeper->alerts, watched);
}

void keeper_templates_of(const struct keeper *keeper, struct str domain,
                         struct notice_texts *out_texts)
{
    for (int occasion = 0; occasion < OCCASION_FIRST_FOR_OWNER; occasion++)
        for (int language = 0; language < LANGUAGE_COUNT; language++)
            out_texts->text[occasion][language] =
                template_of(keeper, domain, (enum occasion)occasion, (enum language)language);
}

/* ---- turns ---- */

/* The oldest that is held, of each domain: the store knows it without a look at the disk. */
static void look_for_near_expiry(struct keeper *keeper, int64_t now_ms)
{
    static const struct alert_facts nothing = { 0 };
    const struct domain_record *record;
    struct store_totals totals;
    size_t cursor = 0;

    while ((record = directory_next_domain(keeper->directory, &cursor)) != NULL) {
        int64_t hold_ms = setting_value(&record->settings, defaults_of(keeper), SETTING_HOLD);
        store_totals(keeper->store, record->name, &totals);
        const struct watched *watched = map_find(&keeper->alerts->domains, record->name);
        bool waits = watched != NULL && watched->damper.waiting[ALERT_NEAR_EXPIRY].times > 0;
        if (!waits && alert_near_expiry(totals.oldest_held_ms, hold_ms, now_ms) != 0)
            keeper_alert(keeper, record->name, ALERT_NEAR_EXPIRY, &nothing);
    }
}

/* One that waits for its day to be over may have gone meanwhile: then it is not told. */
static bool is_still_true(const struct keeper *keeper, const struct domain_record *record,
                          const struct damper_word *word)
{
    struct store_totals totals;

    if (word->alert != ALERT_NEAR_EXPIRY)
        return true;
    store_totals(keeper->store, record->name, &totals);
    return alert_near_expiry(totals.oldest_held_ms,
                             setting_value(&record->settings, defaults_of(keeper), SETTING_HOLD),
                             keeper_mail_now(keeper).wall_ms) != 0;
}

static void tell_due(struct keeper *keeper, struct watched *watched, int64_t now_ms)
{
    const struct domain_record *record =
        directory_find_domain(keeper->directory, buf_str(&watched->name));
    struct damper_word word;

    if (record == NULL) {
        watched_free(keeper->alerts, watched);
        return;
    }
    (void)watch(keeper->alerts, record); /* its settings may have changed */
    while (damper_next(&watched->damper, now_ms, &word))
        if (is_still_true(keeper, record, &word))
            tell(keeper, record, watched, &word);
    plan(keeper->alerts, watched);
}

void keeper_alerts_turn(struct keeper *keeper, struct now now)
{
    struct keeper_alerts *alerts = keeper->alerts;
    int64_t wall_ms = keeper_mail_now(keeper).wall_ms;
    struct heap_node *node;

    if (alerts == NULL)
        return;
    if (now.mono_ms >= alerts->sweep_ms) {
        alerts->sweep_ms = now.mono_ms + SWEEP_MS;
        look_for_near_expiry(keeper, wall_ms);
    }
    while ((node = heap_take_due(&alerts->deadlines, wall_ms)) != NULL)
        tell_due(keeper, container_of(node, struct watched, node), wall_ms);
}

int64_t keeper_alerts_deadline(const struct keeper *keeper)
{
    const struct keeper_alerts *alerts = keeper->alerts;

    if (alerts == NULL)
        return NEVER_MS;
    const struct heap_node *first = heap_first(&alerts->deadlines);
    if (first == NULL)
        return alerts->sweep_ms;
    int64_t due_ms = keeper_now(keeper).mono_ms + (first->key - keeper_mail_now(keeper).wall_ms);
    return due_ms < alerts->sweep_ms ? due_ms : alerts->sweep_ms;
}

/* ---- life ---- */

static void take_told(struct keeper_alerts *alerts, const struct domain_fact *fact)
{
    const struct domain_record *record =
        directory_find_domain(alerts->keeper->directory, fact->domain);
    struct damper damper;

    if (record == NULL || !damper_decode(fact->value, &damper))
        return;
    struct watched *watched = watch(alerts, record);
    damper.after_ms = watched->damper.after_ms;
    damper.current_since_ms = keeper_mail_now(alerts->keeper).wall_ms;
    watched->damper = damper;
    watched->is_kept = true;
}

void keeper_alerts_start(struct keeper *keeper)
{
    struct keeper_alerts *alerts = memory_new(sizeof *alerts);
    const struct domain_fact *fact;
    size_t cursor = 0;

    alerts->keeper = keeper;
    map_init(&alerts->domains);
    alerts->sweep_ms = keeper_now(keeper).mono_ms + SWEEP_MS;
    keeper->alerts = alerts;
    while ((fact = directory_next_fact(keeper->directory, &cursor)) != NULL)
        if (str_equals(fact->kind, str_from(fact_told)))
            take_told(alerts, fact);
}

void keeper_alerts_end(struct keeper *keeper)
{
    struct keeper_alerts *alerts = keeper->alerts;
    struct watched *watched;
    size_t cursor = 0;

    if (alerts == NULL)
        return;
    while ((watched = map_next(&alerts->domains, &cursor, NULL)) != NULL) {
        watched_free(alerts, watched);
        cursor = 0;
    }
    map_fini(&alerts->domains);
    heap_fini(&alerts->deadlines);
    memory_free(alerts);
    keeper->alerts = NULL;
}
