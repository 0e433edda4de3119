/* SPDX-License-Identifier: ISC */
/* recipients.c: joins the verifier with the directory, which remembers for it, and with the
 * scheduler, which knows whether a primary can be asked. Its parts are listed in recipients.h.
 *
 * Scheduler and verifier each tell the other something from within their own calls; both wait in a
 * list, the news, until the turn's end.
 */
#include "roles/keeper/recipients.h"

#include "base/log.h"
#include "base/memory.h"
#include "verify/verifier.h"

enum news_kind {
    NEWS_ROUTE,      /* the route has changed */
    NEWS_DOUBT,      /* a session with the primary ended of itself */
    NEWS_EVENT,      /* of the verifier */
    NEWS_CONTROL,    /* the scheduler wants to know whether the primary takes those it has */
    NEWS_CONTROLLED, /* it hears */
};

struct news { /* of one domain, for the turn's end */
    struct link link;
    struct buf domain;
    enum news_kind kind;
    enum verifier_event event;
    struct verdict said;
    enum control_answer control;
};

static struct news *add_news(struct keeper *keeper, enum news_kind kind, struct str domain)
{
    struct news *news = memory_new(sizeof *news);

    news->kind = kind;
    buf_add(&news->domain, domain);
    list_append(&keeper->recipient_news, &news->link);
    return news;
}

/* ---- what the verifier wants ---- */

static void on_answered(void *context, uint64_t asker, const struct verifier_answer *answer)
{
    keeper_asker_answered(context, asker, answer);
}

/* The best of those that answer. */
static const struct route_target_status *best_target(const struct route_status *status)
{
    const struct route_target_status *best = NULL;

    for (uint32_t i = 0; i < status->target_count; i++) {
        const struct route_target_status *target = &status->target[i];
        if (best == NULL || target->answers > best->answers ||
            (target->answers == best->answers && target->preference < best->preference))
            best = target;
    }
    return best;
}

static void on_inquire(void *context, uint64_t inquiry, struct str domain, struct str address)
{
    struct keeper *keeper = context;
    struct route_status status;
    bool is_known = schedule_status(keeper->schedule, domain, keeper_now(keeper), &status);
    const struct route_target_status *target = is_known ? best_target(&status) : NULL;

    /* There is none any more: the verifier hears of that with the route's news. */
    if (target != NULL)
        keeper_callout_ask(keeper, inquiry, domain, address, target);
}

static void on_recipient_changed(void *context, const struct known_recipient *recipient,
                                 bool is_gone)
{
    struct keeper *keeper = context;

    if (is_gone)
        directory_remove_recipient(keeper->directory, recipient->address);
    else
        directory_put_recipient(keeper->directory, recipient);
}

static void on_memory_changed(void *context, struct str domain)
{
    keeper_remember(context, domain);
}

static void on_answers_void(void *context, struct str domain)
{
    struct keeper *keeper = context;

    (void)domain;
    keeper->answers_are_void = true;
}

static void on_event(void *context, struct str domain, enum verifier_event event,
                     const struct verdict *said)
{
    struct news *news = add_news(context, NEWS_EVENT, domain);

    news->event = event;
    news->said = *said;
}

static const struct verifier_host verifier_host = {
    .answered = on_answered,
    .inquire = on_inquire,
    .recipient_changed = on_recipient_changed,
    .memory_changed = on_memory_changed,
    .answers_void = on_answers_void,
    .event = on_event,
};

/* ---- what is remembered ---- */

void keeper_remember(struct keeper *keeper, struct str domain)
{
    struct domain_memory memory = { .domain = domain };

    if (!verifier_save(keeper->verifier, domain, &memory))
        return;
    keeper_greeting_save(keeper, domain, &memory);
    directory_put_memory(keeper->directory, &memory);
}

static void on_restore(void *context, const struct known_recipient *recipient)
{
    struct keeper *keeper = context;
    verifier_restore(keeper->verifier, recipient);
}

static void on_recall(void *context, const struct domain_memory *memory)
{
    struct keeper *keeper = context;

    verifier_recall(keeper->verifier, memory);
    keeper_greeting_recall(keeper, memory);
}

void keeper_recipients_start(struct keeper *keeper)
{
    struct directory_recipient_reader reader = { on_restore, on_recall, keeper };
    int error = directory_read_recipients(keeper->directory, &reader);

    if (error < 0)
        log_warn("recipients_unreadable", LOG_INT("error", -error),
                 LOG_TEXT("hint", "they are learned again from the primary"));
}

/* ---- what others tell it ---- */

bool keeper_verifies(const struct keeper *keeper, const struct domain_record *record)
{
    return setting_value(&record->settings, &keeper->process->config->defaults,
                         SETTING_VERIFY_RECIPIENTS) != 0;
}

void keeper_recipients_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                      struct str domain)
{
    if (record != NULL) {
        verifier_put_domain(keeper->verifier, domain, &record->settings,
                            &keeper->process->config->defaults, keeper_mail_now(keeper));
        keeper_greetings_domain_changed(keeper, record, domain);
        keeper_route_changed(keeper, domain);
        return;
    }
    verifier_remove_domain(keeper->verifier, domain, keeper_mail_now(keeper));
    keeper_greetings_domain_changed(keeper, NULL, domain);
}

void keeper_route_changed(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_ROUTE, domain);
}

void keeper_doubt_primary(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_DOUBT, domain);
}

void keeper_control_wanted(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_CONTROL, domain);
}

void keeper_controlled(struct keeper *keeper, struct str domain, enum control_answer answer)
{
    add_news(keeper, NEWS_CONTROLLED, domain)->control = answer;
}

void keeper_delivery_teaches(struct keeper *keeper, struct str recipient,
                             const struct verdict *verdict)
{
    bool was_taken = verdict->fate == FATE_ACCEPT && verdict->stage == STAGE_CONTENT;

    if (was_taken || (verdict->fate != FATE_ACCEPT && verdict->stage == STAGE_RECIPIENT))
        verifier_delivered(keeper->verifier, recipient, verdict, keeper_mail_now(keeper));
}

/* ---- turns ---- */

static void take_route(struct keeper *keeper, struct str domain)
{
    struct route_status status;
    struct buf primary = { 0 };
    bool is_known = schedule_status(keeper->schedule, domain, keeper_now(keeper), &status);
    const struct route_target_status *target = is_known ? best_target(&status) : NULL;

    if (target != NULL)
        endpoint_encode(&primary, target->endpoint);
    verifier_set_primary(keeper->verifier, domain, is_known && status.state == ROUTE_STATE_UP,
                         buf_str(&primary), keeper_mail_now(keeper));
    buf_fini(&primary);
    keeper->answers_are_void = true;
}

static void take_event(struct keeper *keeper, const struct news *news)
{
    static const struct {
        const char *name;
        bool is_bad;
    } events[] = {
        [VERIFIER_UNWELCOME] = { "primary_refuses_us", true },
        [VERIFIER_WELCOME] = { "primary_lets_us_in", false },
        [VERIFIER_SILENT] = { "callout_silent", false },
        [VERIFIER_USERS_GONE] = { "users_gone", true },
        [VERIFIER_USERS_BACK] = { "users_back", false },
    };
    struct str domain = buf_str(&news->domain);

    log_event(events[news->event].is_bad ? LOG_WARN : LOG_INFO, events[news->event].name,
              LOG_STR("domain", domain), LOG_INT("code", news->said.code),
              LOG_STR("text", verdict_text(&news->said)));
    if (news->event == VERIFIER_USERS_GONE) {
        const struct alert_facts facts = { .reason = verdict_text(&news->said) };
        keeper_alert(keeper, domain, ALERT_USERS_GONE, &facts);
    }
    if (news->event == VERIFIER_SILENT)
        schedule_doubt(keeper->schedule, domain, keeper_now(keeper));
    else if (news->event == VERIFIER_UNWELCOME)
        schedule_unwelcome(keeper->schedule, domain, &news->said, keeper_now(keeper));
    else if (news->event == VERIFIER_WELCOME)
        schedule_welcome(keeper->schedule, domain, keeper_now(keeper));
}

static void take_news(struct keeper *keeper, const struct news *news)
{
    struct str domain = buf_str(&news->domain);

    switch (news->kind) {
    case NEWS_ROUTE:
        take_route(keeper, domain);
        return;
    case NEWS_DOUBT:
        schedule_doubt(keeper->schedule, domain, keeper_now(keeper));
        return;
    case NEWS_EVENT:
        take_event(keeper, news);
        return;
    case NEWS_CONTROL:
        keeper_control_ask(keeper, domain);
        return;
    case NEWS_CONTROLLED:
        schedule_controlled(keeper->schedule, domain, news->control, keeper_now(keeper));
        return;
    }
}

void keeper_recipients_turn(struct keeper *keeper, struct now now)
{
    struct link *first;

    if (verifier_deadline(keeper->verifier) <= now.mono_ms)
        verifier_tick(keeper->verifier, keeper_mail_now(keeper));
    while ((first = list_first(&keeper->recipient_news)) != NULL) {
        struct news *news = container_of(first, struct news, link);
        list_remove(first);
        take_news(keeper, news);
        buf_fini(&news->domain);
        memory_free(news);
    }
    keeper_callouts_turn(keeper, now);
    if (keeper->answers_are_void)
        keeper_tell_receivers(keeper);
    keeper->answers_are_void = false;
}

int64_t keeper_recipients_deadline(const struct keeper *keeper)
{
    int64_t deadline = verifier_deadline(keeper->verifier);
    int64_t callouts = keeper_callouts_deadline(keeper);

    return deadline < callouts ? deadline : callouts;
}

/* ---- beginning and end ---- */

void keeper_recipients_init(struct keeper *keeper)
{
    keeper_askers_init(keeper);
    keeper_greetings_init(keeper);
    keeper_unsure_init(keeper);
    list_init(&keeper->recipient_news);
    keeper_callouts_init(keeper);
    keeper->verifier = verifier_new(&verifier_host, keeper, &keeper->process->random);
}

void keeper_recipients_fini(struct keeper *keeper)
{
    verifier_free(keeper->verifier);
    keeper_callouts_fini(keeper);
    keeper_askers_fini(keeper);
    keeper_greetings_fini(keeper);
    keeper_unsure_fini(keeper);
    list_each_safe (link, &keeper->recipient_news) {
        struct news *news = container_of(link, struct news, link);
        list_remove(link);
        buf_fini(&news->domain);
        memory_free(news);
    }
}
