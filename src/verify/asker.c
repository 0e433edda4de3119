/* SPDX-License-Identifier: ISC */
/* asker.c: who asks, and what he is told.
 *
 * What is said to a stranger tells him as little as possible: that an address is not there he hears
 * some times an hour, and never sooner than the primary usually takes to say it, so that he cannot
 * tell from the time whether somebody has asked before him. Whoever asks about one that is there
 * gets the credit back; a question that is open counts as one about nobody, and who has so many of
 * them open waits with the next.
 */
#include "verify/verifier_private.h"

static struct str id_key(const uint64_t *id)
{
    return str_of(id, sizeof *id);
}

/* ---- questions that are open, of a network ---- */

struct open_questions {
    uint32_t count;
};

static bool has_open(const struct verifier *verifier, struct str network)
{
    return map_find(&verifier->open, network) != NULL;
}

static void count_open(struct verifier *verifier, struct str network)
{
    struct open_questions *open = map_find(&verifier->open, network);

    if (open == NULL) {
        open = memory_new(sizeof *open);
        (void)map_put(&verifier->open, network, open);
    }
    open->count++;
}

static void count_closed(struct asker *asker)
{
    struct str network = buf_str(&asker->network);
    struct open_questions *open = map_find(&asker->verifier->open, network);

    if (asker->inquiry == NULL || open == NULL)
        return;
    asker->inquiry = NULL;
    if (--open->count == 0)
        memory_free(map_remove(&asker->verifier->open, network));
}

/* ---- coming and going ---- */

static void leave_list(struct asker *asker)
{
    if (asker->inquiry == NULL && link_is_listed(&asker->link))
        asker->verifier->uncredited_count--;
    list_remove(&asker->link);
}

void asker_free(struct asker *asker)
{
    struct verifier *verifier = asker->verifier;

    leave_list(asker);
    count_closed(asker);
    (void)map_remove(&verifier->askers, id_key(&asker->id));
    heap_remove(&verifier->due, &asker->due);
    buf_fini(&asker->domain);
    buf_fini(&asker->address);
    buf_fini(&asker->network);
    buf_fini(&asker->key);
    memory_free(asker);
}

static struct asker *asker_new(struct verifier *verifier, const struct verifier_question *question,
                               struct str key)
{
    struct asker *asker = memory_new(sizeof *asker);

    asker->verifier = verifier;
    asker->id = question->asker;
    asker->since_ms = verifier->now.mono_ms;
    buf_add(&asker->domain, question->domain);
    buf_add(&asker->network, question->network);
    buf_add(&asker->key, key);
    buf_add(&asker->address, question->address);
    check(map_put(&verifier->askers, id_key(&asker->id), asker) == NULL);
    return asker;
}

static void answer(struct asker *asker)
{
    struct verifier *verifier = asker->verifier;
    struct verifier_answer said = asker->answer;
    uint64_t id = asker->id;

    asker_free(asker);
    verifier->host->answered(verifier->context, id, &said);
}

/* ---- what can be said ---- */

static struct verifier_answer accept(bool holds)
{
    return (struct verifier_answer){ .verdict = verdict_make(250, 1, 5, STR("Recipient OK")),
                                     .holds = holds };
}

static struct verifier_answer refuse(struct str domain)
{
    return (struct verifier_answer){
        .verdict = verdict_format(550, 1, 1, "There is no such mailbox at %.*s", STR_FMT(domain))
    };
}

static struct verifier_answer refuse_by_policy(struct str domain)
{
    return (struct verifier_answer){ .verdict = verdict_format(
                                         550, 7, 1,
                                         "The mail server of %.*s takes no mail for this "
                                         "recipient",
                                         STR_FMT(domain)) };
}

static struct verifier_answer not_yet(struct str domain)
{
    return (struct verifier_answer){ .verdict = verdict_format(
                                         450, 1, 1,
                                         "%.*s could not say yet whether this mailbox is "
                                         "there; please come back later",
                                         STR_FMT(domain)) };
}

static struct verifier_answer no_more_suspects(void)
{
    return (struct verifier_answer){
        .verdict = verdict_make(450, 1, 1,
                                STR("The recipient cannot be checked at the moment; please come "
                                    "back later"))
    };
}

static struct verifier_answer too_many_unknown(void)
{
    return (struct verifier_answer){
        .verdict = verdict_make(450, 7, 1,
                                STR("Too many unknown recipients from your network; please come "
                                    "back later"))
    };
}

static struct verifier_answer users_gone(struct str domain)
{
    return (struct verifier_answer){ .verdict = verdict_format(
                                         451, 3, 0,
                                         "The mail server of %.*s does not find its mailboxes "
                                         "at the moment; please come back later",
                                         STR_FMT(domain)) };
}

/* ---- budgets ---- */

/* Of an operator nothing is counted. */
static bool charge_unknown(struct verified *domain, struct str network)
{
    struct verifier *verifier = domain->verifier;

    return network.len == 0 ||
           budget_take(verifier->unknown, network, domain->policy.unknown_per_network,
                       verifier->now.mono_ms);
}

static void return_unknown(struct asker *asker)
{
    if (asker->is_charged && asker->network.len > 0)
        budget_return(asker->verifier->unknown, buf_str(&asker->network),
                      asker->verifier->now.mono_ms);
    asker->is_charged = false;
}

static bool charge_suspect(struct verified *domain, struct str network)
{
    struct verifier *verifier = domain->verifier;
    const struct policy_of_domain *policy = &domain->policy;
    int64_t now_ms = verifier->now.mono_ms;

    if (network.len == 0)
        return true;
    if (!budget_take(verifier->suspects_of_network, network, policy->suspects_per_network, now_ms))
        return false;
    if (budget_take(verifier->suspects_of_domain, buf_str(&domain->name),
                    policy->suspects_per_domain, now_ms))
        return true;
    budget_return(verifier->suspects_of_network, network, now_ms);
    return false;
}

/* Nobody knows him, and nobody can be asked. Who was accepted in this hour is not counted again. */
static struct verifier_answer judge_suspect(struct verified *domain, struct str network,
                                            struct str key)
{
    struct verifier *verifier = domain->verifier;
    bool is_counted = budget_used(verifier->suspected, key, verifier->now.mono_ms) > 0;
    struct verifier_answer accepted = accept(is_counted);

    switch (domain->policy.suspects) {
    case SUSPECTS_ACCEPT:
    case SUSPECTS_PROVE:
        break;
    case SUSPECTS_DEFER:
        return no_more_suspects();
    case SUSPECTS_REFUSE:
        return charge_unknown(domain, network) ? refuse(buf_str(&domain->name))
                                               : too_many_unknown();
    }
    if (!is_counted && !charge_suspect(domain, network))
        return no_more_suspects();
    if (!is_counted)
        (void)budget_take(verifier->suspected, key, 1, verifier->now.mono_ms);
    accepted.is_suspect = true;
    accepted.needs_proof = domain->policy.suspects == SUSPECTS_PROVE;
    return accepted;
}

/* ---- after waiting ---- */

static struct verifier_answer judge(struct asker *asker, struct verified *domain,
                                    enum reading reading, bool are_users_gone)
{
    struct str name = buf_str(&asker->domain);

    switch (reading) {
    case READING_VALID:
    case READING_FULL:
    case READING_ANYTHING:
        return_unknown(asker);
        return accept(reading != READING_ANYTHING);
    case READING_INVALID:
        return are_users_gone ? users_gone(name) : refuse(name);
    case READING_REFUSED:
        return refuse_by_policy(name);
    case READING_UNSURE:
    case READING_UNWELCOME:
    case READING_SILENT:
        return_unknown(asker);
        return judge_suspect(domain, buf_str(&asker->network), buf_str(&asker->key));
    case READING_LATER:
    case READING_NOT_TRIED:
        break;
    }
    return not_yet(name);
}

/* Later than now, if the primary would have taken longer. */
static bool waits_for_its_moment(struct asker *asker, const struct verified *domain)
{
    struct verifier *verifier = asker->verifier;
    int64_t due_ms = asker->since_ms + (domain != NULL ? domain->callout_takes : 0);

    if (asker->answer.verdict.fate == FATE_ACCEPT || asker->network.len == 0 ||
        verifier->now.mono_ms >= due_ms)
        return false;
    heap_put(&verifier->due, &asker->due, due_ms);
    return true;
}

void asker_conclude(struct asker *asker, enum reading reading, bool are_users_gone,
                    const struct verdict *said)
{
    struct verified *domain = verified_find(asker->verifier, buf_str(&asker->domain));

    if (asker->answer.verdict.code == 0) {
        heap_remove(&asker->verifier->due, &asker->due);
        leave_list(asker);
        count_closed(asker);
        asker->answer = domain != NULL ? judge(asker, domain, reading, are_users_gone)
                                       : not_yet(buf_str(&asker->domain));
        asker->answer.reading = reading;
        asker->answer.said = *said;
        if (waits_for_its_moment(asker, domain))
            return;
    }
    answer(asker);
}

/* ---- asking ---- */

/* He has been charged, and waits for the primary's word. */
static void wait_for(struct asker *asker, struct inquiry *inquiry)
{
    asker->is_charged = true;
    asker->inquiry = inquiry;
    list_append(&inquiry->askers, &asker->link);
    count_open(asker->verifier, buf_str(&asker->network));
}

static void wait_for_credit(struct asker *asker)
{
    list_append(&asker->verifier->uncredited, &asker->link);
    asker->verifier->uncredited_count++;
}

/* False: he waits for the primary's word. */
static bool ask_primary(struct verified *domain, const struct verifier_question *question,
                        struct str key, struct verifier_answer *out_answer)
{
    struct verifier *verifier = domain->verifier;
    struct inquiry *inquiry = NULL;
    bool has_credit = charge_unknown(domain, question->network);

    if (!has_credit && (!has_open(verifier, question->network) ||
                        verifier->uncredited_count >= VERIFIER_INQUIRIES_MAX)) {
        *out_answer = too_many_unknown();
        return true;
    }
    if (has_credit)
        inquiry = inquiry_begin(domain, question->address, INQUIRY_ADDRESS);
    if (has_credit && inquiry == NULL) {
        *out_answer = not_yet(question->domain);
        return true;
    }
    struct asker *asker = asker_new(verifier, question, key);
    heap_put(&verifier->due, &asker->due, asker->since_ms + domain->policy.callout_limit_ms);
    if (has_credit)
        wait_for(asker, inquiry);
    else
        wait_for_credit(asker);
    inquiry_run(domain);
    return false;
}

static void tell(struct asker *asker, struct verifier_answer said)
{
    asker->answer = said;
    answer(asker);
}

/* The primary may have gone meanwhile, or have said it. */
static void admit(struct asker *asker, struct verified *domain)
{
    struct str network = buf_str(&asker->network);
    enum known_answer known =
        recipient_cache_look(domain->cache, buf_str(&asker->key), domain->is_up,
                             &domain->policy.limits, asker->verifier->now.wall_ms);

    if (known == KNOWN_VALID || known == KNOWN_VALID_STALE) {
        tell(asker, accept(true));
        return;
    }
    if (!domain->is_up || domain->is_unwelcome) {
        tell(asker, judge_suspect(domain, network, buf_str(&asker->key)));
        return;
    }
    if (!charge_unknown(domain, network)) {
        if (!has_open(asker->verifier, network))
            tell(asker, too_many_unknown());
        return;
    }
    struct inquiry *inquiry = inquiry_begin(domain, buf_str(&asker->address), INQUIRY_ADDRESS);
    if (inquiry == NULL) {
        tell(asker, not_yet(buf_str(&asker->domain)));
        return;
    }
    leave_list(asker);
    wait_for(asker, inquiry);
    inquiry_run(domain);
}

void askers_admit(struct verifier *verifier)
{
    list_each_safe (link, &verifier->uncredited) {
        struct asker *asker = container_of(link, struct asker, link);
        struct verified *domain = verified_find(verifier, buf_str(&asker->domain));
        if (domain != NULL)
            admit(asker, domain);
        else
            tell(asker, not_yet(buf_str(&asker->domain)));
    }
}

/* False: he waits until the primary would have said it. */
static bool tell_known_invalid(struct verified *domain, const struct verifier_question *question,
                               struct str key, struct verifier_answer *out_answer)
{
    *out_answer =
        charge_unknown(domain, question->network) ? refuse(question->domain) : too_many_unknown();
    if (!domain->is_up || question->network.len == 0 || domain->callout_takes <= 0)
        return true;
    struct asker *asker = asker_new(domain->verifier, question, key);
    asker->answer = *out_answer;
    heap_put(&domain->verifier->due, &asker->due, asker->since_ms + domain->callout_takes);
    return false;
}

static bool is_postmaster(struct str key)
{
    return str_starts(key, STR("postmaster@"));
}

static bool decide(struct verified *domain, const struct verifier_question *question,
                   struct str key, struct verifier_answer *out_answer)
{
    struct verifier *verifier = domain->verifier;
    bool can_ask = domain->is_up && !domain->is_unwelcome;
    enum known_answer known = recipient_cache_look(domain->cache, key, can_ask,
                                                   &domain->policy.limits, verifier->now.wall_ms);

    *out_answer = accept(true);
    if (question->is_forced && can_ask)
        return ask_primary(domain, question, key, out_answer);
    if (is_postmaster(key)) /* RFC 5321 4.5.1: he is everywhere */
        return true;
    switch (known) {
    case KNOWN_VALID_STALE:
        (void)inquiry_begin(domain, question->address, INQUIRY_ADDRESS);
        inquiry_run(domain);
        *out_answer = accept(false);
        return true;
    case KNOWN_VALID:
        return true;
    case KNOWN_INVALID:
        return tell_known_invalid(domain, question, key, out_answer);
    case KNOWN_DEAD:
        *out_answer = users_gone(question->domain);
        return true;
    case KNOWN_NOTHING:
        break;
    }
    if (can_ask)
        return ask_primary(domain, question, key, out_answer);
    *out_answer = judge_suspect(domain, question->network, key);
    return true;
}

bool verifier_ask(struct verifier *verifier, const struct verifier_question *question,
                  struct now now, struct verifier_answer *out_answer)
{
    struct verified *domain = verified_find(verifier, question->domain);
    struct buf key = { 0 };

    verifier->now = now;
    if (domain == NULL) {
        *out_answer = not_yet(question->domain);
        return true;
    }
    address_fold(&key, question->address);
    bool is_decided = decide(domain, question, buf_str(&key), out_answer);
    buf_fini(&key);
    askers_admit(verifier);
    return is_decided;
}

bool verifier_ask_control(struct verifier *verifier, struct str domain, uint64_t asker,
                          struct now now)
{
    struct verified *verified = verified_find(verifier, domain);
    struct verifier_question question = { .asker = asker, .domain = domain };

    verifier->now = now;
    if (verified == NULL || verified->primary.len == 0)
        return false;
    inquiry_ask_control(verified, STR_NONE);
    if (verified->control == NULL)
        return false;
    struct asker *waiting = asker_new(verifier, &question, buf_str(&verified->control->key));
    wait_for(waiting, verified->control);
    heap_put(&verifier->due, &waiting->due, now.mono_ms + verified->policy.callout_limit_ms);
    inquiry_run(verified);
    return true;
}
