/* SPDX-License-Identifier: ISC */
/* recipients.c: joins the verifier with those who ask, with the directory that remembers for
 * it, and with the scheduler, which knows whether a primary can be asked.
 *
 * Scheduler and verifier each tell the other something from within their own calls; both wait in
 * lists until the turn's end.
 */
#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "deliver/client.h"
#include "roles/keeper/keeper.h"
#include "verify/verifier.h"

struct pending { /* an asker: a recipient that a receiver has asked about, or somebody else */
    uint64_t asker;
    uint32_t source; /* of the receiver's channel; 0: it is not one */
    uint64_t ticket;
    bool may_hold;
    bool is_control;                      /* nobody waits but the scheduler */
    struct buf client, sender, recipient; /* of a control, the domain alone */
    keeper_verified *answered;
    void *context;
};

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

enum {
    UNSURE_MAX = 100000,
    COMPANY_MAX = 32, /* as many addresses as may be long fit into the answer */
};

static struct str message_id_key(const struct message_id *id)
{
    return str_of(id->bytes, sizeof id->bytes);
}

static struct str asker_key(const uint64_t *asker)
{
    return str_of(asker, sizeof *asker);
}

static void pending_free(struct keeper *keeper, struct pending *pending)
{
    (void)map_remove(&keeper->verifications, asker_key(&pending->asker));
    buf_fini(&pending->client);
    buf_fini(&pending->sender);
    buf_fini(&pending->recipient);
    memory_free(pending);
}

static struct news *add_news(struct keeper *keeper, enum news_kind kind, struct str domain)
{
    struct news *news = memory_new(sizeof *news);

    news->kind = kind;
    buf_add(&news->domain, domain);
    list_append(&keeper->recipient_news, &news->link);
    return news;
}

/* ---- what the verifier wants ---- */

/* Whoever asks about one who is known hears of some others too, and need not ask about them. */
static void add_company(struct keeper *keeper, struct str recipient, struct buf *out)
{
    struct str company[COMPANY_MAX];
    ptrdiff_t at = str_find_last(recipient, '@');
    size_t count = verifier_company(keeper->verifier, str_skip(recipient, (size_t)at + 1),
                                    keeper_mail_now(keeper), company, COMPANY_MAX);

    for (size_t i = 0; i < count; i++) {
        buf_add(out, company[i]);
        buf_add_byte(out, '\0');
    }
}

static void send_answer(struct keeper *keeper, struct pending *pending,
                        const struct verifier_answer *answer)
{
    struct str recipient = buf_str(&pending->recipient);
    bool holds = pending->may_hold && answer->holds;
    struct buf company = { 0 };

    if (holds && !answer->is_suspect)
        add_company(keeper, recipient, &company);
    const struct admission_answer admission = {
        .source = pending->source,
        .ticket = pending->ticket,
        .verdict = answer->verdict,
        .holds_for = holds ? recipient : STR_NONE,
        .client = buf_str(&pending->client),
        .sender = buf_str(&pending->sender),
        .recipient = recipient,
        .needs_proof = answer->needs_proof,
        .company = buf_str(&company),
    };
    keeper_admission_answer(keeper, &admission);
    buf_fini(&company);
    if (answer->is_suspect)
        log_info("recipient_on_suspicion", LOG_STR("client", buf_str(&pending->client)),
                 LOG_STR("from", buf_str(&pending->sender)), LOG_STR("to", recipient));
}

/* What an answer says of the primary itself. */
static enum control_answer control_of(const struct verifier_answer *answer)
{
    switch (answer->reading) {
    case READING_VALID:
    case READING_FULL:
        return CONTROL_TAKEN;
    case READING_INVALID:
    case READING_UNSURE:
    case READING_REFUSED:
    case READING_UNWELCOME:
        return CONTROL_REFUSED;
    case READING_LATER: /* of who need not be there, a refusal is read so */
        return answer->said.code >= 500 ? CONTROL_ABSENT : CONTROL_UNKNOWN;
    case READING_ANYTHING:
    case READING_NOT_TRIED:
    case READING_SILENT:
        break;
    }
    return CONTROL_UNKNOWN;
}

static void on_answered(void *context, uint64_t asker, const struct verifier_answer *answer)
{
    struct keeper *keeper = context;
    struct pending *pending = map_find(&keeper->verifications, asker_key(&asker));

    if (pending == NULL)
        return;
    if (pending->is_control)
        add_news(keeper, NEWS_CONTROLLED, buf_str(&pending->recipient))->control =
            control_of(answer);
    else if (pending->source != 0)
        send_answer(keeper, pending, answer);
    else
        pending->answered(pending->context, answer);
    pending_free(keeper, pending);
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

struct greeting { /* a primary's, as it greeted last */
    struct buf domain;
    struct buf primaries; /* that were named then, a line each: others may take other mail */
    uint64_t extensions, size_max;
    int64_t greeted_ms;
};

static void greeting_free(struct greeting *greeting)
{
    if (greeting == NULL)
        return;
    buf_fini(&greeting->domain);
    buf_fini(&greeting->primaries);
    memory_free(greeting);
}

static void add_primaries(const struct domain_record *record, struct buf *out)
{
    for (uint32_t i = 0; i < record->primary_count; i++) {
        buf_add(out, record->primary[i]);
        buf_add_byte(out, '\n');
    }
}

void keeper_remember(struct keeper *keeper, struct str domain)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);
    struct domain_memory memory = { .domain = domain };

    if (!verifier_save(keeper->verifier, domain, &memory))
        return;
    if (greeting != NULL) {
        memory.extensions = greeting->extensions;
        memory.size_max = greeting->size_max;
        memory.greeted_ms = greeting->greeted_ms;
    }
    directory_put_memory(keeper->directory, &memory);
}

static struct greeting *greeting_use(struct keeper *keeper, const struct domain_record *record)
{
    struct greeting *greeting = map_find(&keeper->greetings, record->name);

    if (greeting == NULL) {
        greeting = memory_new(sizeof *greeting);
        buf_add(&greeting->domain, record->name);
        (void)map_put(&keeper->greetings, record->name, greeting);
    }
    buf_reset(&greeting->primaries);
    add_primaries(record, &greeting->primaries);
    return greeting;
}

void keeper_greeted(struct keeper *keeper, struct str domain, uint64_t extensions,
                    uint64_t size_max)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);

    if (record == NULL)
        return;
    struct greeting *greeting = greeting_use(keeper, record);
    bool is_news = greeting->greeted_ms == 0 || greeting->extensions != extensions ||
                   greeting->size_max != size_max;
    greeting->extensions = extensions;
    greeting->size_max = size_max;
    greeting->greeted_ms = keeper_mail_now(keeper).wall_ms;
    if (!is_news)
        return;
    keeper_remember(keeper, domain);
    keeper->answers_are_void = true;
}

uint64_t keeper_size_max(const struct keeper *keeper, struct str domain)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);
    return greeting != NULL ? greeting->size_max : 0;
}

uint8_t keeper_lacks(const struct keeper *keeper, struct str domain)
{
    const struct greeting *greeting = map_find(&keeper->greetings, domain);
    unsigned lacks = 0;

    if (greeting == NULL || greeting->greeted_ms == 0)
        return 0;
    if (!(greeting->extensions & EXTENSION_SMTPUTF8))
        lacks |= ENVELOPE_SMTPUTF8;
    if (!(greeting->extensions & EXTENSION_REQUIRETLS))
        lacks |= ENVELOPE_REQUIRETLS;
    return (uint8_t)lacks;
}

uint64_t keeper_size_max_of_any(const struct keeper *keeper)
{
    const struct domain_record *record;
    uint64_t most = 0;
    size_t cursor = 0;

    while ((record = directory_next_domain(keeper->directory, &cursor)) != NULL) {
        uint64_t size_max = keeper_size_max(keeper, record->name);
        if (size_max == 0)
            return 0;
        most = size_max > most ? size_max : most;
    }
    return most;
}

static void on_restore(void *context, const struct known_recipient *recipient)
{
    struct keeper *keeper = context;
    verifier_restore(keeper->verifier, recipient);
}

static void on_recall(void *context, const struct domain_memory *memory)
{
    struct keeper *keeper = context;

    const struct domain_record *record = directory_find_domain(keeper->directory, memory->domain);

    verifier_recall(keeper->verifier, memory);
    if (memory->greeted_ms == 0 || record == NULL)
        return;
    struct greeting *greeting = greeting_use(keeper, record);
    greeting->extensions = memory->extensions;
    greeting->size_max = memory->size_max;
    greeting->greeted_ms = memory->greeted_ms;
}

void keeper_recipients_start(struct keeper *keeper)
{
    struct directory_recipient_reader reader = { on_restore, on_recall, keeper };
    int error = directory_read_recipients(keeper->directory, &reader);

    if (error < 0)
        log_warn("recipients_unreadable", LOG_INT("error", -error),
                 LOG_TEXT("hint", "they are learned again from the primary"));
}

/* ---- domains ---- */

/* Of others that were named since, nothing is known. */
static void forget_greeting_of_others(struct keeper *keeper, const struct domain_record *record)
{
    const struct greeting *greeting = map_find(&keeper->greetings, record->name);
    struct buf primaries = { 0 };

    add_primaries(record, &primaries);
    if (greeting != NULL && !str_equals(buf_str(&greeting->primaries), buf_str(&primaries))) {
        greeting_free(map_remove(&keeper->greetings, record->name));
        keeper_remember(keeper, record->name);
        keeper->answers_are_void = true;
    }
    buf_fini(&primaries);
}

void keeper_recipients_domain_changed(struct keeper *keeper, const struct domain_record *record,
                                      struct str domain)
{
    if (record != NULL) {
        verifier_put_domain(keeper->verifier, domain, &record->settings,
                            &keeper->process->config->defaults, keeper_mail_now(keeper));
        forget_greeting_of_others(keeper, record);
        keeper_route_changed(keeper, domain);
        return;
    }
    verifier_remove_domain(keeper->verifier, domain, keeper_mail_now(keeper));
    greeting_free(map_remove(&keeper->greetings, domain));
}

void keeper_route_changed(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_ROUTE, domain);
}

void keeper_doubt_primary(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_DOUBT, domain);
}

/* ---- askers ---- */

bool keeper_verifies(const struct keeper *keeper, const struct domain_record *record)
{
    return setting_value(&record->settings, &keeper->process->config->defaults,
                         SETTING_VERIFY_RECIPIENTS) != 0;
}

static struct pending *add_pending(struct keeper *keeper)
{
    struct pending *pending = memory_new(sizeof *pending);

    pending->asker = ++keeper->last_asker;
    (void)map_put(&keeper->verifications, asker_key(&pending->asker), pending);
    return pending;
}

void keeper_verify_for_receiver(struct keeper *keeper, const struct keeper_peer *peer,
                                const struct keeper_recipient_ask *ask)
{
    struct verifier_answer answer;
    struct pending *pending = add_pending(keeper);
    struct buf network = { 0 };

    pending->source = peer->source;
    pending->ticket = ask->ticket;
    pending->may_hold = ask->may_hold;
    endpoint_add_ip(&pending->client, ask->client);
    buf_add(&pending->sender, ask->sender);
    buf_add(&pending->recipient, ask->recipient);
    endpoint_encode(&network, endpoint_network(ask->client));
    const struct verifier_question question = { .asker = pending->asker,
                                                .domain = ask->domain,
                                                .network = buf_str(&network),
                                                .address = ask->recipient };
    if (verifier_ask(keeper->verifier, &question, keeper_mail_now(keeper), &answer))
        on_answered(keeper, question.asker, &answer);
    buf_fini(&network);
}

uint64_t keeper_verify(struct keeper *keeper, struct str domain, struct str address,
                       keeper_verified *answered, void *context)
{
    struct verifier_answer answer;
    struct pending *pending = add_pending(keeper);

    pending->answered = answered;
    pending->context = context;
    const struct verifier_question question = {
        .asker = pending->asker, .domain = domain, .address = address, .is_forced = true
    };
    if (verifier_ask(keeper->verifier, &question, keeper_mail_now(keeper), &answer))
        on_answered(keeper, question.asker, &answer);
    return question.asker;
}

void keeper_verify_forget(struct keeper *keeper, uint64_t asker)
{
    struct pending *pending = map_find(&keeper->verifications, asker_key(&asker));

    if (pending == NULL)
        return;
    verifier_forget_asker(keeper->verifier, asker);
    pending_free(keeper, pending);
}

void keeper_verify_drop_source(struct keeper *keeper, uint32_t source)
{
    struct pending *pending;
    size_t cursor = 0;

    while ((pending = map_next(&keeper->verifications, &cursor, NULL)) != NULL) {
        if (pending->source != source)
            continue;
        keeper_verify_forget(keeper, pending->asker);
        cursor = 0;
    }
}

/* ---- does the primary take those it has? ---- */

void keeper_control_wanted(struct keeper *keeper, struct str domain)
{
    (void)add_news(keeper, NEWS_CONTROL, domain);
}

static void ask_control(struct keeper *keeper, struct str domain)
{
    struct pending *pending = add_pending(keeper);
    struct verifier_answer nothing = { .reading = READING_SILENT };

    pending->is_control = true;
    buf_add(&pending->recipient, domain);
    if (!verifier_ask_control(keeper->verifier, domain, pending->asker, keeper_mail_now(keeper)))
        on_answered(keeper, pending->asker, &nothing);
}

/* ---- mail whose recipients nobody knows ---- */

struct unsure_mail {
    struct buf recipients; /* those whom nobody knew, a zero behind each */
};

static void unsure_mail_free(struct unsure_mail *mail)
{
    if (mail != NULL)
        buf_fini(&mail->recipients);
    memory_free(mail);
}

static void forget_unsure(struct map *map)
{
    size_t cursor = 0;
    void *mail;

    while ((mail = map_next(map, &cursor, NULL)) != NULL)
        unsure_mail_free(mail);
    map_fini(map);
}

static void add_unsure(struct unsure *unsure, struct message_id id, struct unsure_mail *mail)
{
    if (unsure->young.count >= UNSURE_MAX / 2) {
        forget_unsure(&unsure->old);
        unsure->old = unsure->young;
        map_init(&unsure->young);
    }
    unsure_mail_free(map_put(&unsure->young, message_id_key(&id), mail));
}

void keeper_note_unsure(struct keeper *keeper, const struct envelope *envelope)
{
    struct buf recipients = { 0 };

    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        struct str address = envelope->recipient[i].address;
        const struct domain_record *record =
            directory_find_domain(keeper->directory, recipient_domain(&envelope->recipient[i]));
        if (record == NULL || !keeper_verifies(keeper, record) ||
            verifier_is_valid(keeper->verifier, address, keeper_mail_now(keeper)))
            continue;
        buf_add(&recipients, address);
        buf_add_byte(&recipients, '\0');
    }
    if (recipients.len == 0)
        return;
    struct unsure_mail *mail = memory_new(sizeof *mail);
    mail->recipients = recipients;
    add_unsure(&keeper->unsure, envelope->id, mail);
}

/* Until all of them are known to be there. */
bool keeper_is_unsure(const struct keeper *keeper, struct message_id id)
{
    const struct unsure_mail *mail = map_find(&keeper->unsure.young, message_id_key(&id));
    struct str address = STR_NONE;

    if (mail == NULL)
        mail = map_find(&keeper->unsure.old, message_id_key(&id));
    if (mail == NULL)
        return false;
    struct str left = buf_str(&mail->recipients);
    while (left.len > 0 && str_cut(&left, '\0', &address))
        if (address.len > 0 &&
            !verifier_is_valid(keeper->verifier, address, keeper_mail_now(keeper)))
            return true;
    return false;
}

/* ---- deliveries teach ---- */

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
        ask_control(keeper, domain);
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
    map_init(&keeper->verifications);
    map_init(&keeper->greetings);
    map_init(&keeper->unsure.young);
    map_init(&keeper->unsure.old);
    list_init(&keeper->recipient_news);
    keeper_callouts_init(keeper);
    keeper->verifier = verifier_new(&verifier_host, keeper, &keeper->process->random);
}

void keeper_recipients_fini(struct keeper *keeper)
{
    static const struct verifier_answer nothing = { .reading = READING_SILENT };
    void *value;
    size_t cursor = 0;

    verifier_free(keeper->verifier);
    keeper_callouts_fini(keeper);
    while ((value = map_next(&keeper->verifications, &cursor, NULL)) != NULL) {
        const struct pending *pending = value;
        if (pending->answered != NULL)
            pending->answered(pending->context, &nothing);
        pending_free(keeper, value);
        cursor = 0;
    }
    cursor = 0;
    while ((value = map_next(&keeper->greetings, &cursor, NULL)) != NULL)
        greeting_free(value);
    map_fini(&keeper->verifications);
    map_fini(&keeper->greetings);
    forget_unsure(&keeper->unsure.young);
    forget_unsure(&keeper->unsure.old);
    list_each_safe (link, &keeper->recipient_news) {
        struct news *news = container_of(link, struct news, link);
        list_remove(link);
        buf_fini(&news->domain);
        memory_free(news);
    }
}
