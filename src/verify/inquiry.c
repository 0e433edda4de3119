/* SPDX-License-Identifier: ISC */
/* inquiry.c: what the primary is asked, and what its word comes to.
 *
 *     queued ──▶ under way ──"valid", "later"──────────────▶ concluded
 *        ▲           │  └──"no such user", "refused"──▶ for the control ──▶ concluded
 *        └─not tried─┘
 *
 * "No such user" means what it says as long as the primary takes those that it has. Somebody was
 * taken within the last minute: good. Otherwise one that it was known to have is asked about first;
 * where that one is refused as well, either we are unwelcome or its users are gone. A refusal that
 * may mean him or us is never believed without: somebody must have been taken after it was asked.
 *
 * A primary that counts refusals (fail2ban, postscreen) sees so many of ours in ten minutes. An
 * inquiry under way counts as one until it is known to be none.
 */
#include "verify/verifier_private.h"

enum { TRIES_MAX = 3, RANDOM_LETTERS = 12 };

static struct str number_key(const uint64_t *number)
{
    return str_of(number, sizeof *number);
}

/* ---- coming and going ---- */

struct inquiry *inquiry_begin(struct verified *domain, struct str address, enum inquiry_kind kind)
{
    struct buf key = { 0 };

    address_fold(&key, address);
    struct inquiry *inquiry = map_find(&domain->by_address, buf_str(&key));
    if (inquiry == NULL && domain->inquiry_count < VERIFIER_INQUIRIES_MAX) {
        inquiry = memory_new(sizeof *inquiry);
        inquiry->domain = domain;
        inquiry->is_random = kind == INQUIRY_RANDOM;
        inquiry->began_ms = domain->verifier->now.mono_ms;
        buf_add(&inquiry->address, address);
        buf_add(&inquiry->key, buf_str(&key));
        list_init(&inquiry->askers);
        if (kind == INQUIRY_CONTROL)
            list_prepend(&domain->queue, &inquiry->link);
        else
            list_append(&domain->queue, &inquiry->link);
        (void)map_put(&domain->by_address, buf_str(&key), inquiry);
        domain->inquiry_count++;
    }
    buf_fini(&key);
    return inquiry;
}

static void inquiry_free(struct inquiry *inquiry)
{
    struct verified *domain = inquiry->domain;

    (void)map_remove(&domain->by_address, buf_str(&inquiry->key));
    if (inquiry->number != 0) {
        (void)map_remove(&domain->verifier->inquiries, number_key(&inquiry->number));
        domain->under_way--;
    }
    if (domain->control == inquiry)
        domain->control = NULL;
    domain->inquiry_count--;
    list_remove(&inquiry->link);
    buf_fini(&inquiry->address);
    buf_fini(&inquiry->key);
    buf_fini(&inquiry->charged);
    memory_free(inquiry);
}

/* ---- asking ---- */

static bool charge(struct inquiry *inquiry)
{
    struct verified *domain = inquiry->domain;
    struct verifier *verifier = domain->verifier;

    if (domain->policy.refusals == 0)
        return true;
    if (!budget_take(verifier->refusals, buf_str(&domain->primary), domain->policy.refusals,
                     verifier->now.mono_ms))
        return false;
    buf_reset(&inquiry->charged);
    buf_add(&inquiry->charged, buf_str(&domain->primary));
    return true;
}

static void give_back(struct inquiry *inquiry)
{
    const struct verifier *verifier = inquiry->domain->verifier;

    if (inquiry->charged.len > 0)
        budget_return(verifier->refusals, buf_str(&inquiry->charged), verifier->now.mono_ms);
    buf_reset(&inquiry->charged);
}

static void send(struct inquiry *inquiry)
{
    struct verified *domain = inquiry->domain;
    struct verifier *verifier = domain->verifier;

    list_remove(&inquiry->link);
    inquiry->number = ++verifier->last_inquiry;
    inquiry->began_ms = verifier->now.mono_ms;
    (void)map_put(&verifier->inquiries, number_key(&inquiry->number), inquiry);
    domain->under_way++;
    domain->asked++;
    verifier->host->inquire(verifier->context, inquiry->number, buf_str(&domain->name),
                            buf_str(&inquiry->address));
}

static void conclude(struct inquiry *inquiry, enum reading reading, bool are_users_gone);

/* Until the ten minutes are over there is nothing that could be waited for. */
static void give_up_queue(struct verified *domain)
{
    struct link *first;

    while ((first = list_first(&domain->queue)) != NULL) {
        struct inquiry *inquiry = container_of(first, struct inquiry, link);
        inquiry->said = (struct verdict){ 0 };
        conclude(inquiry, READING_LATER, false);
    }
}

void inquiry_run(struct verified *domain)
{
    struct link *first;

    while (domain->primary.len > 0 && domain->under_way < VERIFIER_UNDER_WAY_MAX &&
           (first = list_first(&domain->queue)) != NULL) {
        struct inquiry *inquiry = container_of(first, struct inquiry, link);
        if (!charge(inquiry)) {
            if (domain->under_way == 0)
                give_up_queue(domain);
            return;
        }
        send(inquiry);
    }
}

/* ---- what is learned ---- */

static void learn(struct verified *domain, struct str key, enum reading reading,
                  enum recipient_source source)
{
    bool were_gone = recipient_cache_is_dead(domain->cache);

    recipient_cache_learn(domain->cache, key, reading, source, domain->verifier->now.wall_ms);
    verified_tell_users(domain, were_gone);
}

static void learn_catch_all(struct verified *domain, bool takes_all)
{
    const struct verifier *verifier = domain->verifier;
    bool is_known = recipient_cache_knows_catch_all(domain->cache, verifier->now.wall_ms);
    bool took_all = recipient_cache_is_catch_all(domain->cache, verifier->now.wall_ms);

    if (is_known && takes_all == took_all && !takes_all)
        return;
    recipient_cache_learn_catch_all(domain->cache, takes_all, verifier->now.wall_ms);
    verifier->host->memory_changed(verifier->context, buf_str(&domain->name));
    if (took_all && !takes_all)
        verifier->host->answers_void(verifier->context, buf_str(&domain->name));
}

void inquiry_learn_invalid(struct verified *domain, struct str key, enum recipient_source source)
{
    learn(domain, key, READING_INVALID, source);
    learn_catch_all(domain, false);
}

void inquiry_learn_valid(struct verified *domain, struct str key, enum reading reading,
                         enum recipient_source source)
{
    const struct verifier *verifier = domain->verifier;

    if (source == LEARNED_BY_PROBE && recipient_cache_find(domain->cache, key) == NULL &&
        recipient_cache_is_catch_all(domain->cache, verifier->now.wall_ms))
        return; /* it says nothing of this one */
    learn(domain, key, reading, source);
}

static void learn_from(struct inquiry *inquiry, enum reading reading)
{
    struct verified *domain = inquiry->domain;
    bool is_taken =
        reading == READING_VALID || reading == READING_FULL || reading == READING_ANYTHING;

    if (inquiry->is_random) {
        if (is_taken || reading == READING_INVALID)
            learn_catch_all(domain, is_taken);
    } else if (reading == READING_INVALID) {
        inquiry_learn_invalid(domain, buf_str(&inquiry->key), LEARNED_BY_PROBE);
    } else if (is_taken) {
        inquiry_learn_valid(domain, buf_str(&inquiry->key), reading, LEARNED_BY_PROBE);
    }
}

/* Somebody unknown was taken: is everybody? */
static void ask_for_catch_all(struct verified *domain)
{
    struct verifier *verifier = domain->verifier;
    struct buf address = { 0 };

    if (recipient_cache_knows_catch_all(domain->cache, verifier->now.wall_ms))
        return;
    buf_add(&address, STR("holdfast-asks-"));
    for (int i = 0; i < RANDOM_LETTERS; i++)
        buf_add_byte(&address, (char)('a' + random_below(verifier->random, 26)));
    buf_add_byte(&address, '@');
    buf_add(&address, buf_str(&domain->name));
    (void)inquiry_begin(domain, buf_str(&address), INQUIRY_RANDOM);
    buf_fini(&address);
}

/* ---- conclusions ---- */

static void conclude(struct inquiry *inquiry, enum reading reading, bool are_users_gone)
{
    struct verified *domain = inquiry->domain;
    struct verdict said = inquiry->said;
    struct link askers;
    struct link *first;

    list_init(&askers);
    while ((first = list_first(&inquiry->askers)) != NULL) {
        list_remove(first);
        list_append(&askers, first);
    }
    bool is_news = !inquiry->is_random && reading != READING_INVALID &&
                   recipient_cache_find(domain->cache, buf_str(&inquiry->key)) == NULL;
    if (!are_users_gone)
        learn_from(inquiry, reading);
    if (is_news && (reading == READING_VALID || reading == READING_ANYTHING))
        ask_for_catch_all(domain);
    inquiry_free(inquiry);
    are_users_gone = are_users_gone || recipient_cache_is_dead(domain->cache);
    while ((first = list_first(&askers)) != NULL)
        asker_conclude(container_of(first, struct asker, link), reading, are_users_gone, &said);
}

void inquiry_end_all(struct verified *domain, enum reading reading, const struct verdict *said)
{
    struct inquiry *inquiry;
    size_t cursor = 0;

    while ((inquiry = map_next(&domain->by_address, &cursor, NULL)) != NULL) {
        inquiry->said = *said;
        give_back(inquiry);
        conclude(inquiry, reading, false);
        cursor = 0;
    }
}

/* ---- the control ---- */

/* At the door already: whoever probes the primary will see when that is over. */
static bool is_shut_out(const struct inquiry *inquiry, enum probe_stage stage)
{
    return inquiry->domain->is_up && stage == PROBE_GREETING;
}

static void set_unwelcome(struct verified *domain, bool is_unwelcome, const struct verdict *said)
{
    struct verifier *verifier = domain->verifier;

    if (domain->is_unwelcome == is_unwelcome)
        return;
    domain->is_unwelcome = is_unwelcome;
    domain->is_shut_out = false;
    domain->welcome_ms = verifier->now.mono_ms + WELCOME_AGAIN_MS;
    verified_event(domain, is_unwelcome ? VERIFIER_UNWELCOME : VERIFIER_WELCOME, said);
    verifier->host->answers_void(verifier->context, buf_str(&domain->name));
}

void inquiry_ask_control(struct verified *domain, struct str but)
{
    const struct verifier *verifier = domain->verifier;
    struct buf address = { 0 };

    if (domain->control != NULL)
        return;
    buf_add(&address, recipient_cache_control(domain->cache, but, verifier->now.wall_ms));
    bool is_sure = address.len > 0;
    if (!is_sure) {
        buf_add(&address, STR("postmaster@"));
        buf_add(&address, buf_str(&domain->name));
    }
    struct inquiry *control = inquiry_begin(domain, buf_str(&address), INQUIRY_CONTROL);
    buf_fini(&address);
    if (control == NULL)
        return;
    control->is_control = true;
    control->is_sure = is_sure;
    domain->control = control;
}

/* Taken, refused, or nothing that helps. */
static void conclude_controlled(struct verified *domain, bool is_taken, bool are_users_gone,
                                bool is_unwelcome)
{
    struct link *first;

    while ((first = list_first(&domain->controlled)) != NULL) {
        struct inquiry *inquiry = container_of(first, struct inquiry, link);
        enum reading reading = inquiry->reading;
        if (is_unwelcome)
            reading = READING_UNWELCOME;
        else if (is_taken)
            reading = reading_with_control(reading, READING_VALID);
        list_remove(&inquiry->link);
        conclude(inquiry, reading, are_users_gone);
    }
}

/* The word on the control is in. One that is only likely to be there, and is not, says nothing. */
static void conclude_control(struct inquiry *control, enum reading reading)
{
    struct verified *domain = control->domain;
    struct verdict said = control->said;
    bool is_sure = control->is_sure;
    bool is_taken = reading == READING_VALID || reading == READING_FULL;
    bool is_gone = is_sure && reading == READING_INVALID;
    bool is_unwelcome = is_sure && (reading == READING_UNSURE || reading == READING_REFUSED);

    if (!is_sure && !is_taken)
        domain->nothing_ms = domain->verifier->now.mono_ms;
    if (is_unwelcome)
        reading = READING_UNWELCOME;
    else if (!is_sure && !is_taken)
        reading = READING_LATER; /* he need not be there */
    conclude(control, reading, false);
    if (is_gone && !recipient_cache_is_dead(domain->cache) &&
        recipient_cache_control(domain->cache, STR_NONE, domain->verifier->now.wall_ms).len > 0) {
        inquiry_ask_control(domain, STR_NONE); /* is it he alone? */
        if (domain->control != NULL)
            return;
    }
    if (is_unwelcome)
        set_unwelcome(domain, true, &said);
    conclude_controlled(domain, is_taken, is_gone, is_unwelcome);
}

static bool is_fresh(const struct verified *domain, int64_t at_ms)
{
    return domain->verifier->now.mono_ms - at_ms < CONTROL_HOLDS_MS;
}

/* Who asks for names that are not there pays for the control as well. */
static bool is_paid_for(const struct inquiry *inquiry)
{
    const struct verified *domain = inquiry->domain;
    const struct verifier *verifier = domain->verifier;
    const struct link *first = list_first(&inquiry->askers);

    if (domain->control != NULL || first == NULL)
        return true;
    const struct asker *asker = container_of(first, struct asker, link);
    return asker->network.len == 0 ||
           budget_take(verifier->unknown, buf_str(&asker->network),
                       domain->policy.unknown_per_network, verifier->now.mono_ms);
}

static void wait_for_control(struct inquiry *inquiry, enum reading reading)
{
    struct verified *domain = inquiry->domain;

    if (!is_paid_for(inquiry)) {
        conclude(inquiry, reading, false);
        return;
    }
    inquiry->reading = reading;
    list_append(&domain->controlled, &inquiry->link);
    inquiry_ask_control(domain, buf_str(&inquiry->key));
    if (domain->control == NULL || domain->control == inquiry) { /* there is nobody else */
        domain->control = NULL;
        conclude_controlled(domain, false, false, false);
    }
}

/* ---- the primary's word ---- */

static void note_time(struct inquiry *inquiry)
{
    struct verified *domain = inquiry->domain;
    int64_t took_ms = domain->verifier->now.mono_ms - inquiry->began_ms;

    if (took_ms > CALLOUT_TAKES_MAX)
        took_ms = CALLOUT_TAKES_MAX;
    domain->callout_takes =
        domain->callout_takes == 0 ? took_ms : (7 * domain->callout_takes + took_ms) / 8;
}

static void take_refusal(struct inquiry *inquiry, enum reading reading)
{
    const struct verified *domain = inquiry->domain;

    bool is_plain = reading == READING_INVALID;
    bool is_sane =
        is_plain ? is_fresh(domain, domain->taken_ms) : domain->taken_ms > inquiry->began_ms;

    if (inquiry->is_control)
        conclude_control(inquiry, reading);
    else if (is_sane)
        conclude(inquiry, reading_with_control(reading, READING_VALID), false);
    else if (is_fresh(domain, domain->nothing_ms)) /* it would say nothing again */
        conclude(inquiry, reading, false);
    else
        wait_for_control(inquiry, reading);
}

static void take(struct inquiry *inquiry, enum reading reading, bool shut_out)
{
    struct verified *domain = inquiry->domain;
    struct verdict said = inquiry->said;

    switch (reading) {
    case READING_VALID:
    case READING_FULL:
    case READING_ANYTHING:
        domain->taken_ms = domain->verifier->now.mono_ms;
        set_unwelcome(domain, false, &said);
        if (inquiry->is_control)
            conclude_control(inquiry, reading);
        else
            conclude(inquiry, reading, false);
        return;
    case READING_INVALID:
    case READING_UNSURE:
    case READING_REFUSED:
        take_refusal(inquiry, reading);
        return;
    case READING_NOT_TRIED:
        if (++inquiry->tries < TRIES_MAX) {
            list_append(&domain->queue, &inquiry->link);
            return;
        }
        reading = READING_LATER;
        break;
    case READING_LATER:
        break;
    case READING_UNWELCOME:
        set_unwelcome(domain, true, &said);
        domain->is_shut_out = shut_out;
        inquiry_end_all(domain, READING_UNWELCOME, &said);
        return;
    case READING_SILENT:
        verified_event(domain, VERIFIER_SILENT, &said);
        inquiry_end_all(domain, READING_SILENT, &said);
        return;
    }
    if (inquiry->is_control)
        conclude_control(inquiry, reading);
    else
        conclude(inquiry, reading, false);
}

/* A deferral is a line in the primary's log as well, and jails count lines. */
static bool is_harmless(enum reading reading, const struct verdict *verdict)
{
    return verdict->fate == FATE_ACCEPT || reading == READING_SILENT ||
           reading == READING_NOT_TRIED;
}

bool verifier_wants(const struct verifier *verifier, uint64_t inquiry)
{
    return map_find(&verifier->inquiries, number_key(&inquiry)) != NULL;
}

void verifier_told(struct verifier *verifier, uint64_t number, enum probe_stage stage,
                   const struct verdict *verdict, struct now now)
{
    struct inquiry *inquiry = map_remove(&verifier->inquiries, number_key(&number));
    enum reading reading = reading_of(stage, verdict);

    verifier->now = now;
    if (inquiry == NULL)
        return;
    struct verified *domain = inquiry->domain;
    domain->under_way--;
    inquiry->number = 0;
    inquiry->said = *verdict;
    if (is_harmless(reading, verdict))
        give_back(inquiry);
    else
        domain->refused++;
    if (reading != READING_SILENT)
        note_time(inquiry);
    take(inquiry, reading, is_shut_out(inquiry, stage));
    inquiry_run(domain);
    askers_admit(verifier);
}
