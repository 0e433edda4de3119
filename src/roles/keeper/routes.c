/* SPDX-License-Identifier: ISC */
/* routes.c: finds out where a domain's mail goes.
 *
 * A lookup is one domain's route being decided: route_decide() is called with the
 * answers known so far until it asks for nothing more. A plan that DNS gave is
 * remembered in the directory; when DNS does not answer, the remembered one serves
 * for up to seven days (SPEC Z7).
 */
#include <string.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/named_primary.h"
#include "roles/keeper/keeper.h"
#include "route/plan.h"

enum {
    QUESTIONS_MAX = 200, /* for one route; a plan has at most ROUTE_TARGETS_MAX targets */
    KNOWN_GOOD_MS_MAX = 7 * DAY_MS,
    REMEMBER_EVERY_MS = HOUR_MS,
};

struct lookup {
    struct link due; /* in keeper->lookups_due: to be decided at the turn's end */
    struct keeper *keeper;
    struct buf domain;
    struct dns_answers known;
    struct keeper_question question;
    unsigned asked;
    bool waits_for_policy;
};

static void add_listener(struct keeper *keeper, struct endpoint endpoint)
{
    if (keeper->self.listener_count < KEEPER_LISTENERS_MAX)
        keeper->self_listener[keeper->self.listener_count++] = endpoint;
}

/* A listener on all addresses listens on each of ours. */
static void add_listeners(struct keeper *keeper, const struct config *config,
                          const struct config_endpoints *list)
{
    static const uint8_t any[16];

    for (uint32_t i = 0; i < list->count; i++) {
        struct endpoint listener = list->item[i];
        add_listener(keeper, listener);
        for (uint32_t k = 0;
             memcmp(listener.address, any, sizeof any) == 0 && k < config->addresses.count; k++) {
            struct endpoint address = config->addresses.item[k];
            address.port = listener.port;
            add_listener(keeper, address);
        }
    }
}

void keeper_routes_configure(struct keeper *keeper)
{
    const struct config *config = keeper->process->config;

    keeper->self_name[0] = config->hostname;
    for (uint32_t i = 0; i < config->names.count; i++)
        keeper->self_name[1 + i] = config->names.item[i];
    keeper->self = (struct route_self){
        .name = keeper->self_name,
        .name_count = 1 + config->names.count,
        .address = config->addresses.item,
        .address_count = config->addresses.count,
        .listener = keeper->self_listener,
    };
    add_listeners(keeper, config, &config->listen_smtp);
    add_listeners(keeper, config, &config->listen_smtps);
    add_listeners(keeper, config, &config->listen_atrn);
    add_listeners(keeper, config, &config->listen_atrns);
}

static void lookup_free(struct lookup *lookup)
{
    struct keeper *keeper = lookup->keeper;

    keeper_dns_forget(keeper, &lookup->question);
    (void)map_remove(&keeper->lookups, buf_str(&lookup->domain));
    list_remove(&lookup->due);
    dns_answers_fini(&lookup->known);
    buf_fini(&lookup->domain);
    memory_free(lookup);
}

void keeper_route_ask(struct keeper *keeper, struct str domain)
{
    if (map_find(&keeper->lookups, domain) != NULL)
        return;
    struct lookup *lookup = memory_new(sizeof *lookup);
    lookup->keeper = keeper;
    buf_add(&lookup->domain, domain);
    list_append(&keeper->lookups_due, &lookup->due);
    (void)map_put(&keeper->lookups, buf_str(&lookup->domain), lookup);
}

static void on_remembered(void *context, int error)
{
    (void)context;
    if (error != 0)
        log_warn("route_not_remembered", LOG_TEXT("error", strerror(-error)));
}

static void remember(struct keeper *keeper, struct str domain, const struct route_plan *plan,
                     struct now now)
{
    const struct known_route *before = directory_find_route(keeper->directory, domain);
    struct buf bytes = { 0 };

    route_plan_encode(&bytes, plan);
    struct known_route route = { .domain = domain,
                                 .seen_ms = now.wall_ms,
                                 .plan = buf_str(&bytes) };
    if (before == NULL || !str_equals(before->plan, route.plan) ||
        before->seen_ms + REMEMBER_EVERY_MS < now.wall_ms)
        directory_put_route(keeper->directory, &route, on_remembered, NULL);
    buf_fini(&bytes);
}

/* Is there a plan from before that may serve? */
static bool recall(struct keeper *keeper, struct str domain, enum route_problem problem,
                   const struct sts_policy *policy, struct now now, struct route_plan *out_plan)
{
    const struct known_route *known = directory_find_route(keeper->directory, domain);

    if (known == NULL || known->seen_ms + KNOWN_GOOD_MS_MAX <= now.wall_ms ||
        !route_plan_decode(known->plan, out_plan))
        return false;
    if (problem == ROUTE_UNTRUSTED)
        route_plan_keep_known_keys(out_plan);
    if (policy != NULL)
        route_plan_obey(out_plan, policy);
    if (out_plan->count > 0)
        return true;
    route_plan_fini(out_plan);
    return false;
}

struct problem {
    enum route_problem is;
};

const char *keeper_route_problem(const struct keeper *keeper, struct str domain)
{
    const struct problem *problem = map_find(&keeper->route_problems, domain);
    return problem != NULL ? route_problem_name(problem->is) : NULL;
}

/* What the last decision came to; NULL: a plan. */
static void set_problem(struct keeper *keeper, struct str domain, const enum route_problem *is)
{
    struct problem *problem = NULL;

    if (is == NULL) {
        memory_free(map_remove(&keeper->route_problems, domain));
        return;
    }
    problem = memory_new(sizeof *problem);
    problem->is = *is;
    memory_free(map_put(&keeper->route_problems, domain, problem));
}

static void give_plan(struct keeper *keeper, const struct lookup *lookup,
                      struct route_result *result, bool is_fleeting, struct now now)
{
    struct str domain = buf_str(&lookup->domain);

    set_problem(keeper, domain, NULL);
    if (!is_fleeting)
        remember(keeper, domain, &result->plan, now);
    (void)keeper_addresses_lead(keeper, domain, &result->plan);
    keeper_secure_plan(keeper, domain, &result->plan);
    schedule_resolved(keeper->schedule, domain, &result->plan, NULL, now);
    keeper_awaited_changed(keeper, domain);
    route_plan_fini(&result->plan);
}

/* The way there is. What was told before is still in it, behind: it has to show as much. */
static void add_present_plan(const struct keeper *keeper, struct str domain,
                             struct route_plan *plan)
{
    struct route_status status;

    if (!schedule_status(keeper->schedule, domain, keeper_now(keeper), &status))
        return;
    for (uint32_t i = 0; i < status.target_count; i++)
        route_plan_add(plan, status.target[i].host, status.target[i].endpoint,
                       status.target[i].preference, status.target[i].security);
}

/* What is there while the DNS is silent about those who count. Hosts of MX records are remembered
 * in the directory, and not for ever; named primaries and strangers are not. Who is named no more
 * is none, and what has to be shown meanwhile has to be shown. */
static void keep_present_plan(const struct keeper *keeper, const struct domain_record *record,
                              struct str domain, enum route_problem problem,
                              const struct sts_policy *policy, struct route_plan *plan)
{
    if (record != NULL && record->primary_count == 0)
        return;
    add_present_plan(keeper, domain, plan);
    if (record != NULL)
        route_plan_keep_named(plan, record->primary, record->primary_count);
    if (problem == ROUTE_UNTRUSTED)
        route_plan_keep_known_keys(plan);
    if (policy != NULL)
        route_plan_obey(plan, policy);
}

static void give_none(struct keeper *keeper, const struct lookup *lookup,
                      const struct route_result *result, const struct sts_policy *policy,
                      struct now now)
{
    struct str domain = buf_str(&lookup->domain);
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct route_plan plan = { 0 };
    bool is_fleeting = result->problem == ROUTE_DNS_FAILED || result->problem == ROUTE_UNTRUSTED;
    bool is_remembered = record != NULL && record->primary_count == 0;
    if (is_fleeting && is_remembered)
        (void)recall(keeper, domain, result->problem, policy, now, &plan);
    else if (is_fleeting)
        keep_present_plan(keeper, record, domain, result->problem, policy, &plan);
    bool is_known = plan.count > 0;
    bool is_told = keeper_addresses_lead(keeper, domain, &plan);
    const char *instead = is_known  ? "last-known-good"
                          : is_told ? "the addresses that were told"
                                    : "nothing, mail is held";

    set_problem(keeper, domain, &result->problem);
    log_warn("no_route", LOG_STR("domain", domain),
             LOG_TEXT("problem", route_problem_name(result->problem)),
             LOG_STR("text", verdict_text(&result->verdict)), LOG_TEXT("using", instead));
    if (plan.count == 0)
        keeper_tls_counts_problem(keeper, domain, result->problem);
    keeper_secure_plan(keeper, domain, &plan);
    if (plan.count == 0)
        schedule_forget_plan(keeper->schedule, domain, now);
    schedule_resolved(keeper->schedule, domain, plan.count > 0 ? &plan : NULL,
                      is_told && !is_fleeting ? NULL : &result->verdict, now);
    keeper_awaited_changed(keeper, domain);
    route_plan_fini(&plan);
}

void keeper_route_addresses_changed(struct keeper *keeper, struct str domain)
{
    struct route_plan plan = { 0 };

    add_present_plan(keeper, domain, &plan);
    if (keeper_addresses_lead(keeper, domain, &plan)) {
        keeper_secure_plan(keeper, domain, &plan);
        schedule_resolved(keeper->schedule, domain, &plan, NULL, keeper_now(keeper));
        keeper_awaited_changed(keeper, domain);
    }
    route_plan_fini(&plan);
    keeper_route_ask(keeper, domain);
}

void keeper_route_policy_settled(struct keeper *keeper, struct str domain, bool is_new)
{
    struct lookup *lookup = map_find(&keeper->lookups, domain);

    if (lookup != NULL && lookup->waits_for_policy) {
        lookup->waits_for_policy = false;
        list_append(&keeper->lookups_due, &lookup->due);
    } else if (lookup == NULL && is_new) {
        keeper_route_ask(keeper, domain);
    }
}

static void on_answer(struct keeper_question *question, const struct dns_answer *answer)
{
    struct lookup *lookup = container_of(question, struct lookup, question);

    dns_answers_add(&lookup->known, question->question, answer);
    list_append(&lookup->keeper->lookups_due, &lookup->due);
}

static void ask(struct lookup *lookup, struct dns_question question)
{
    lookup->asked++;
    lookup->question.answered = on_answer;
    keeper_dns_ask(lookup->keeper, &lookup->question, question);
}

/* Too many questions: whoever wrote that zone does not want an answer. */
static struct route_result too_deep(void)
{
    return (struct route_result){
        .step = ROUTE_NONE,
        .problem = ROUTE_DNS_FAILED,
        .verdict = verdict_make(451, 4, 3, STR("The domain's DNS leads from question to question")),
    };
}

/* Somebody calls for its mail, or there is no other way to it. */
static bool give_line(struct keeper *keeper, struct lookup *lookup,
                      const struct domain_record *record, struct now now)
{
    struct route_plan plan;

    if (!keeper_line_plan(keeper, record, &plan))
        return false;
    set_problem(keeper, record->name, NULL);
    schedule_resolved(keeper->schedule, record->name, &plan, NULL, now);
    if (!keeper_is_called(record))
        schedule_wake(keeper->schedule, record->name, now); /* that is what he has called for */
    keeper_awaited_changed(keeper, record->name);
    route_plan_fini(&plan);
    lookup_free(lookup);
    return true;
}

static void decide(struct lookup *lookup, struct now now)
{
    struct keeper *keeper = lookup->keeper;
    const struct domain_record *record =
        directory_find_domain(keeper->directory, buf_str(&lookup->domain));
    struct route_result result;
    struct sts_policy policy;
    enum policy_state has_policy = POLICY_ABSENT;
    bool is_lax = keeper_own_is_lax(keeper, buf_str(&lookup->domain));

    list_remove(&lookup->due);
    if (give_line(keeper, lookup, record, now))
        return;
    if (record == NULL && !keeper_own_has_route(keeper, buf_str(&lookup->domain))) {
        set_problem(keeper, buf_str(&lookup->domain), NULL); /* removed meanwhile */
        lookup_free(lookup);
        return;
    }
    if (!is_lax && (record == NULL || record->primary_count == 0))
        has_policy = keeper_policy(keeper, buf_str(&lookup->domain), &policy);
    if (has_policy == POLICY_SOUGHT) {
        lookup->waits_for_policy = true;
        return;
    }
    struct route_request request = {
        .domain = buf_str(&lookup->domain),
        .primary = record != NULL ? record->primary : NULL,
        .primary_count = record != NULL ? record->primary_count : 0,
        .port = SMTP_PORT,
        .self = &keeper->self,
        .policy = has_policy == POLICY_IN_FORCE ? &policy : NULL,
        .demands_nothing = is_lax,
    };
    request.demands_tlsa =
        !is_lax && keeper_demands_tlsa(keeper, request.domain, &request.tlsa_name);
    route_decide(&request, &lookup->known, &keeper->process->random, &result);
    if (result.step == ROUTE_ASK && lookup->asked >= QUESTIONS_MAX)
        result = too_deep();
    if (result.step == ROUTE_ASK) {
        ask(lookup, result.question);
        return;
    }
    if (result.step == ROUTE_PLAN)
        give_plan(keeper, lookup, &result, record == NULL || record->primary_count > 0, now);
    else
        give_none(keeper, lookup, &result, request.policy, now);
    lookup_free(lookup);
}

void keeper_routes_turn(struct keeper *keeper, struct now now)
{
    struct link *due;
    while ((due = list_first(&keeper->lookups_due)) != NULL)
        decide(container_of(due, struct lookup, due), now);
}

void keeper_routes_fini(struct keeper *keeper)
{
    struct lookup *lookup;
    size_t cursor = 0;

    while ((lookup = map_next(&keeper->lookups, &cursor, NULL)) != NULL) {
        lookup_free(lookup);
        cursor = 0;
    }
    cursor = 0;
    void *problem;
    while ((problem = map_next(&keeper->route_problems, &cursor, NULL)) != NULL)
        memory_free(problem);
}
