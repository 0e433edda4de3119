/* SPDX-License-Identifier: ISC */
/* policies.c: fetches the MTA-STS policies of the domains that mail goes to
 * (route/policies.h).
 *
 *     record (DNS) ──▶ addresses (DNS) ──▶ waiting ── one of a few ──▶ fetching (a deliverer)
 *
 * Who has no policy yet waits for an errand before its first route, but not for ever: an errand
 * that is older than a minute and a half has failed, whoever kept it waiting. A policy that is in
 * force holds nobody up while a newer one is fetched. Policies are facts of the directory.
 */
#include <string.h>

#include "base/log.h"
#include "base/memory.h"
#include "net/web_reach.h"
#include "roles/keeper/keeper.h"
#include "route/policies.h"

enum {
    FETCHES_MAX = 40, /* at a time */
    ERRAND_MAX_MS = 90 * SECOND_MS,
    ADDRESSES_MAX = 8,
    HTTPS_PORT = 443,
};

static const char fact_policy[] = "mta-sts";

struct keeper_policies {
    struct keeper *keeper;
    struct policies *policies;
    struct link errands; /* struct errand.link; the oldest first */
    unsigned fetches;
};

enum errand_state { ERRAND_RECORD, ERRAND_ADDRESSES, ERRAND_WAITING, ERRAND_FETCHING };

struct errand {
    struct link link;
    struct keeper_policies *owner;
    enum errand_state state;
    struct buf domain;
    int64_t begun_ms; /* monotonic */
    struct keeper_question record, four, six;
    unsigned asked;
    struct endpoint address[ADDRESSES_MAX];
    uint32_t address_count;
    uint64_t ticket; /* FETCHING */
    uint32_t source; /* of the deliverer */
};

static void errand_free(struct errand *errand)
{
    struct keeper *keeper = errand->owner->keeper;

    if (errand->state == ERRAND_FETCHING)
        errand->owner->fetches--;
    keeper_dns_forget(keeper, &errand->record);
    keeper_dns_forget(keeper, &errand->four);
    keeper_dns_forget(keeper, &errand->six);
    list_remove(&errand->link);
    buf_fini(&errand->domain);
    memory_free(errand);
}

/* ---- how it ends ---- */

static void log_policy(const struct keeper_policies *owner, struct str domain, struct now now)
{
    struct policy_status status;

    if (!policies_find(owner->policies, domain, now, &status) || !status.is_in_force)
        return;
    log_info("mta_sts_policy", LOG_STR("domain", domain),
             LOG_TEXT("mode", sts_mode_name(status.policy.mode)), LOG_STR("id", status.id),
             LOG_INT("max_age", status.policy.max_age_s));
}

static void log_failure(const struct keeper_policies *owner, struct str domain, struct str why,
                        struct now now)
{
    struct policy_status status;

    if (!policies_find(owner->policies, domain, now, &status))
        return;
    log_warn("mta_sts_failed", LOG_STR("domain", domain),
             LOG_TEXT("problem", policy_failure_name(status.failure)), LOG_STR("why", why),
             LOG_TEXT("using", status.is_in_force ? "the policy there was" : "none"));
}

/* Takes the errand away. */
static void end_fetch(struct errand *errand, enum policy_failure failure, struct str text,
                      struct str why)
{
    struct keeper_policies *owner = errand->owner;
    struct now now = keeper_mail_now(owner->keeper);
    struct policy_status status;
    struct buf domain = errand->domain;

    errand->domain = (struct buf){ 0 };
    errand_free(errand);
    policies_fetched(owner->policies, buf_str(&domain), failure, text, now);
    if (policies_find(owner->policies, buf_str(&domain), now, &status) &&
        status.failure == POLICY_FINE)
        log_policy(owner, buf_str(&domain), now);
    else
        log_failure(owner, buf_str(&domain), failure == POLICY_FINE ? STR("it is no policy") : why,
                    now);
    buf_fini(&domain);
}

static void fail_fetch(struct errand *errand, struct str why)
{
    end_fetch(errand, POLICY_NOT_FETCHED, STR_NONE, why);
}

static void end_record(struct errand *errand, const struct dns_answer *answer)
{
    struct keeper_policies *owner = errand->owner;
    struct buf domain = errand->domain;

    errand->domain = (struct buf){ 0 };
    errand_free(errand); /* another one may begin within */
    policies_record(owner->policies, buf_str(&domain), answer, keeper_mail_now(owner->keeper));
    buf_fini(&domain);
}

static void give_up(struct errand *errand)
{
    static const struct dns_answer none = { .status = DNS_FAILED };

    if (errand->state == ERRAND_RECORD)
        end_record(errand, &none);
    else
        fail_fetch(errand, STR("it took too long"));
}

/* ---- fetching ---- */

static void fetch(struct errand *errand, const struct keeper_peer *peer)
{
    struct buf url = { 0 };
    struct buf addresses = { 0 };

    errand->state = ERRAND_FETCHING;
    errand->owner->fetches++;
    errand->ticket = ++errand->owner->keeper->last_ticket;
    errand->source = peer->source;
    for (uint32_t i = 0; i < errand->address_count; i++)
        endpoint_encode(&addresses, errand->address[i]);
    buf_add_format(&url, "https://mta-sts.%.*s/.well-known/mta-sts.txt",
                   STR_FMT(buf_str(&errand->domain)));
    channel_send(peer->channel, web_fetch, .ticket = errand->ticket, .url = buf_str(&url),
                 .addresses = buf_str(&addresses));
    buf_fini(&url);
    buf_fini(&addresses);
}

static void take_addresses(struct errand *errand, const struct dns_answer *answer)
{
    enum web_reach reach =
        errand->owner->keeper->process->config->web_local ? WEB_REACH_HERE : WEB_REACH_NEAR;

    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++) {
        struct endpoint endpoint = answer->record[i].address;
        endpoint.port = HTTPS_PORT;
        if (errand->address_count < ADDRESSES_MAX && web_may_go_to(endpoint, reach))
            errand->address[errand->address_count++] = endpoint;
    }
    if (--errand->asked > 0)
        return;
    if (errand->address_count > 0)
        errand->state = ERRAND_WAITING; /* for the turn's end */
    else
        fail_fetch(errand, STR("its web server has no address that may be used"));
}

static void on_four(struct keeper_question *question, const struct dns_answer *answer)
{
    take_addresses(container_of(question, struct errand, four), answer);
}

static void on_six(struct keeper_question *question, const struct dns_answer *answer)
{
    take_addresses(container_of(question, struct errand, six), answer);
}

static void on_record(struct keeper_question *question, const struct dns_answer *answer)
{
    end_record(container_of(question, struct errand, record), answer);
}

/* ---- what the policies want ---- */

static struct errand *begin(struct keeper_policies *owner, struct str domain,
                            enum errand_state state)
{
    struct errand *errand = memory_new(sizeof *errand);

    errand->owner = owner;
    errand->state = state;
    errand->begun_ms = keeper_now(owner->keeper).mono_ms;
    buf_add(&errand->domain, domain);
    list_append(&owner->errands, &errand->link);
    return errand;
}

/* With the next turn: not from within. */
static void end_at_once(struct errand *errand)
{
    errand->begun_ms = -ERRAND_MAX_MS;
    list_remove(&errand->link);
    list_prepend(&errand->owner->errands, &errand->link);
}

static void on_ask(void *context, struct str domain)
{
    struct keeper_policies *owner = context;
    struct errand *errand = begin(owner, domain, ERRAND_RECORD);
    struct buf name = { 0 };

    buf_add_format(&name, "_mta-sts.%.*s", STR_FMT(domain));
    errand->record.answered = on_record;
    if (dns_name_is_valid(buf_str(&name)))
        keeper_dns_ask(owner->keeper, &errand->record,
                       (struct dns_question){ .name = buf_str(&name), .type = DNS_TXT });
    else
        end_at_once(errand); /* too long a name */
    buf_fini(&name);
}

static void on_fetch(void *context, struct str domain)
{
    struct keeper_policies *owner = context;
    struct errand *errand = begin(owner, domain, ERRAND_ADDRESSES);
    struct buf name = { 0 };

    buf_add_format(&name, "mta-sts.%.*s", STR_FMT(domain));
    struct dns_question question = { .name = buf_str(&name), .type = DNS_A };
    errand->asked = 2;
    errand->four.answered = on_four;
    errand->six.answered = on_six;
    keeper_dns_ask(owner->keeper, &errand->four, question);
    question.type = DNS_AAAA;
    keeper_dns_ask(owner->keeper, &errand->six, question);
    buf_fini(&name);
}

static void on_settled(void *context, struct str domain, bool is_new)
{
    const struct keeper_policies *owner = context;

    keeper_route_policy_settled(owner->keeper, domain, is_new);
}

static void on_keep(void *context, struct str domain, struct str bytes)
{
    const struct keeper_policies *owner = context;
    const struct domain_fact fact = { str_from(fact_policy), domain, STR(""), bytes };

    directory_put_fact(owner->keeper->directory, &fact, NULL, NULL);
}

enum policy_state keeper_policy(struct keeper *keeper, struct str domain,
                                struct sts_policy *out_policy)
{
    return policies_want(keeper->policies->policies, domain, keeper_mail_now(keeper), out_policy);
}

bool keeper_policy_status(const struct keeper *keeper, struct str domain,
                          struct policy_status *out_status)
{
    return keeper->policies != NULL &&
           policies_find(keeper->policies->policies, domain, keeper_mail_now(keeper), out_status);
}

/* ---- turns ---- */

static void end_late(const struct keeper_policies *owner, struct now now)
{
    list_each_safe (link, &owner->errands) {
        struct errand *errand = container_of(link, struct errand, link);
        if (now.mono_ms >= errand->begun_ms + ERRAND_MAX_MS)
            give_up(errand);
    }
}

static void fetch_some(const struct keeper_policies *owner)
{
    list_each (link, &owner->errands) {
        struct errand *errand = container_of(link, struct errand, link);
        const struct keeper_peer *peer =
            errand->state == ERRAND_WAITING && owner->fetches < FETCHES_MAX
                ? keeper_some_deliverer(owner->keeper)
                : NULL;
        if (peer != NULL)
            fetch(errand, peer);
    }
}

void keeper_policies_turn(struct keeper *keeper, struct now now)
{
    const struct keeper_policies *owner = keeper->policies;

    if (owner == NULL || list_is_empty(&owner->errands))
        return;
    end_late(owner, now);
    fetch_some(owner);
}

/* A deliverer that comes ends a turn, and so does whatever makes room. */
int64_t keeper_policies_deadline(const struct keeper *keeper)
{
    const struct keeper_policies *owner = keeper->policies;

    if (owner == NULL || list_is_empty(&owner->errands))
        return NEVER_MS;
    return container_of(list_first(&owner->errands), struct errand, link)->begun_ms + ERRAND_MAX_MS;
}

/* ---- what deliverers say ---- */

static struct errand *find_fetching(const struct keeper_policies *owner, uint64_t ticket,
                                    uint32_t source)
{
    list_each (link, &owner->errands) {
        struct errand *errand = container_of(link, struct errand, link);
        if (errand->state == ERRAND_FETCHING && errand->ticket == ticket &&
            errand->source == source)
            return errand;
    }
    return NULL;
}

static void take_fetched(struct errand *errand, const struct message_web_fetched *message)
{
    struct buf why = { 0 };

    if (message->status == 200 && sts_is_media_type(message->type)) {
        end_fetch(errand, POLICY_FINE, message->body, STR_NONE);
    } else if (message->status == 200) {
        end_fetch(errand, POLICY_INVALID, STR_NONE, STR("it is not text/plain"));
    } else if (message->status == 0) {
        end_fetch(errand, message->is_untrusted != 0 ? POLICY_UNTRUSTED : POLICY_NOT_FETCHED,
                  STR_NONE, message->why);
    } else {
        buf_add_format(&why, "the web server said %u", (unsigned)message->status);
        fail_fetch(errand, buf_str(&why));
        buf_fini(&why);
    }
}

bool keeper_policies_fetched(struct keeper *keeper, const struct keeper_peer *peer,
                             struct cursor payload)
{
    struct message_web_fetched message;

    if (!message_get_web_fetched(payload, &message) || message.status > 999)
        return false;
    struct errand *errand = keeper->policies != NULL
                                ? find_fetching(keeper->policies, message.ticket, peer->source)
                                : NULL;
    if (errand != NULL)
        take_fetched(errand, &message);
    return true;
}

/* Another one fetches it. */
void keeper_policies_deliverer_gone(struct keeper *keeper, uint32_t source)
{
    struct keeper_policies *owner = keeper->policies;

    if (owner == NULL)
        return;
    list_each (link, &owner->errands) {
        struct errand *errand = container_of(link, struct errand, link);
        if (errand->state != ERRAND_FETCHING || errand->source != source)
            continue;
        errand->state = ERRAND_WAITING;
        owner->fetches--;
    }
}

/* ---- life ---- */

void keeper_policies_start(struct keeper *keeper)
{
    static const struct policies_host host = { on_ask, on_fetch, on_settled, on_keep };
    struct keeper_policies *owner = memory_new(sizeof *owner);
    const struct domain_fact *fact;
    size_t cursor = 0;

    owner->keeper = keeper;
    owner->policies = policies_new(&host, owner);
    list_init(&owner->errands);
    keeper->policies = owner;
    while ((fact = directory_next_fact(keeper->directory, &cursor)) != NULL)
        if (str_equals(fact->kind, str_from(fact_policy)) &&
            !policies_restore(owner->policies, fact->domain, fact->value))
            log_warn("mta_sts_forgotten", LOG_STR("domain", fact->domain));
}

void keeper_policies_end(struct keeper *keeper)
{
    struct keeper_policies *owner = keeper->policies;

    if (owner == NULL)
        return;
    list_each_safe (link, &owner->errands)
        errand_free(container_of(link, struct errand, link));
    policies_free(owner->policies);
    memory_free(owner);
    keeper->policies = NULL;
}
