/* SPDX-License-Identifier: ISC */
/* keeper_webhooks.c: events that wait until their domain's web server has taken them.
 *
 *     waiting ── due ──▶ asking (DNS) ──▶ posting, by a deliverer ── 2xx ──▶ gone
 *        ▲                  │                 │
 *        └── a minute, doubled up to an hour ─┴── a day old, or 410 ──▶ gone, and logged
 *
 * Each is a fact of the directory, so that it outlives us; the id in its body stays the same. One
 * of a domain is under way at a time. When a server takes one, it gets the others at once. Where it
 * leads is looked up for each attempt, and what must not be posted to (net/web_reach.h) is not.
 *
 * The secret is made when it is needed for the first time. It is a fact of the directory too.
 */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/url.h"
#include "mail/domain.h"
#include "net/web_reach.h"
#include "notify/webhook.h"
#include "roles/keeper.h"

enum {
    WAIT_MAX = 200,     /* events of one domain */
    UNDER_WAY_MAX = 20, /* of all domains */
    LOOK_AGAIN_MS = SECOND_MS,
    ADDRESSES_MAX = 8,
};

static const char fact_waiting[] = "webhook";

struct keeper_webhooks {
    struct keeper *keeper;
    struct link hooks; /* struct hook.link, in the order in which they were made */
    unsigned under_way;
    int64_t look_ms; /* monotonic: when something may be due */
};

enum hook_state { HOOK_WAITING, HOOK_ASKING, HOOK_POSTING };

struct hook {
    struct link link;
    struct keeper_webhooks *owner;
    enum hook_state state;
    struct buf id;
    struct buf domain;
    struct buf body;
    int64_t made_ms; /* these two: Unix time */
    int64_t next_ms;
    uint32_t tries;

    struct keeper_question four, six; /* ASKING */
    unsigned asked;
    struct buf host;
    struct endpoint address[ADDRESSES_MAX];
    uint32_t address_count;
    bool was_forbidden; /* an address was found, but nothing may be posted there */

    uint64_t ticket; /* POSTING */
    uint32_t source; /* of the deliverer */
};

/* ---- what is kept ---- */

static void put_fact(struct hook *hook, struct str value)
{
    const struct domain_fact fact = { str_from(fact_waiting), buf_str(&hook->domain),
                                      buf_str(&hook->id), value };
    directory_put_fact(hook->owner->keeper->directory, &fact, NULL, NULL);
}

static void keep(struct hook *hook)
{
    const struct webhook_waiting waiting = { hook->made_ms, hook->next_ms, hook->tries,
                                             buf_str(&hook->body) };
    struct buf bytes = { 0 };

    webhook_waiting_encode(&bytes, &waiting);
    put_fact(hook, buf_str(&bytes));
    buf_fini(&bytes);
}

static struct hook *hook_new(struct keeper_webhooks *owner, struct str domain, struct str id,
                             const struct webhook_waiting *waiting)
{
    struct hook *hook = memory_new(sizeof *hook);

    hook->owner = owner;
    buf_add(&hook->id, id);
    buf_add(&hook->domain, domain);
    buf_add(&hook->body, waiting->body);
    hook->made_ms = waiting->made_ms;
    hook->next_ms = waiting->next_ms;
    hook->tries = waiting->tries;
    return hook;
}

static void end_attempt(struct hook *hook)
{
    keeper_dns_forget(hook->owner->keeper, &hook->four);
    keeper_dns_forget(hook->owner->keeper, &hook->six);
    buf_fini(&hook->host);
    if (hook->state != HOOK_WAITING)
        hook->owner->under_way--;
    hook->state = HOOK_WAITING;
    hook->ticket = 0;
}

static void hook_free(struct hook *hook)
{
    end_attempt(hook);
    list_remove(&hook->link);
    buf_fini(&hook->id);
    buf_fini(&hook->domain);
    buf_fini(&hook->body);
    memory_free(hook);
}

/* ---- what becomes of an attempt ---- */

/* Without the URL: whoever knows a webhook's path may post there. */
static void log_end(const struct hook *hook, enum log_level level, const char *event,
                    unsigned status, struct str why)
{
    log_event(level, event, LOG_STR("id", buf_str(&hook->id)),
              LOG_STR("domain", buf_str(&hook->domain)), LOG_INT("tries", hook->tries),
              LOG_INT("status", status), LOG_STR("why", why));
}

static void forget(struct hook *hook, enum log_level level, const char *event, unsigned status,
                   struct str why)
{
    log_end(hook, level, event, status, why);
    put_fact(hook, STR(""));
    hook_free(hook);
}

/* Its server lives: what waits for it need not wait longer. */
static void hurry_others(const struct keeper_webhooks *owner, struct str domain)
{
    list_each (link, &owner->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (hook->state == HOOK_WAITING && str_equals(buf_str(&hook->domain), domain))
            hook->next_ms = 0;
    }
}

static void attempt_failed(struct hook *hook, unsigned status, struct str why)
{
    struct keeper *keeper = hook->owner->keeper;
    int64_t now_ms = keeper_mail_now(keeper).wall_ms;

    end_attempt(hook);
    hook->tries++;
    if (status == 410 || now_ms - hook->made_ms >= WEBHOOK_LIFE_MS) {
        forget(hook, LOG_WARN, "webhook_given_up", status,
               status == 410 ? STR("the server wants no more of it") : why);
        return;
    }
    int64_t pause_ms = webhook_pause(hook->tries);
    hook->next_ms = now_ms + random_around(&keeper->process->random, pause_ms, pause_ms / 10);
    keep(hook);
    log_end(hook, LOG_INFO, "webhook_failed", status, why);
}

static void attempt_answered(struct hook *hook, unsigned status, struct str why)
{
    struct keeper_webhooks *owner = hook->owner;

    owner->look_ms = 0;
    if (status < 200 || status > 299) {
        attempt_failed(hook, status, status > 0 ? STR("not taken") : why);
        return;
    }
    hook->tries++;
    hurry_others(owner, buf_str(&hook->domain));
    forget(hook, LOG_INFO, "webhook_posted", status, STR("taken"));
}

/* ---- posting ---- */

/* Of the domain; STR_NONE: there is none any more. */
static struct str url_of(const struct hook *hook)
{
    const struct keeper *keeper = hook->owner->keeper;
    const struct domain_record *record =
        directory_find_domain(keeper->directory, buf_str(&hook->domain));

    if (record == NULL)
        return STR_NONE;
    return setting_text(&record->settings, &keeper->process->config->defaults, SETTING_WEBHOOK);
}

/* Signed for this attempt, with the time of a clock that may be compared with others. */
static void add_fields(const struct hook *hook, struct buf *out)
{
    struct keeper *keeper = hook->owner->keeper;
    int64_t now_s = keeper_now(keeper).wall_ms / SECOND_MS;

    buf_add(out, STR("X-Holdfast-Signature: "));
    webhook_add_signature(out, keeper_webhook_secret(keeper, buf_str(&hook->domain)), now_s,
                          buf_str(&hook->body));
    buf_add_format(out, "\nX-Holdfast-Timestamp: %lld\nX-Holdfast-Id: %.*s\n", (long long)now_s,
                   STR_FMT(buf_str(&hook->id)));
}

static void post(struct hook *hook)
{
    struct keeper *keeper = hook->owner->keeper;
    const struct keeper_peer *peer = keeper_some_deliverer(keeper);
    struct buf addresses = { 0 };
    struct buf fields = { 0 };
    struct str url = url_of(hook);

    if (peer == NULL || url.len == 0) {
        attempt_failed(hook, 0, STR("no deliverer is there"));
        return;
    }
    for (uint32_t i = 0; i < hook->address_count; i++)
        endpoint_encode(&addresses, hook->address[i]);
    add_fields(hook, &fields);
    hook->state = HOOK_POSTING;
    hook->ticket = ++keeper->last_ticket;
    hook->source = peer->source;
    channel_send(peer->channel, web_post, .ticket = hook->ticket, .url = url,
                 .addresses = buf_str(&addresses), .fields = buf_str(&fields),
                 .body = buf_str(&hook->body));
    buf_fini(&addresses);
    buf_fini(&fields);
}

/* ---- where it leads ---- */

static void add_address(struct hook *hook, struct endpoint endpoint, bool is_literal)
{
    if (!web_may_go_to(endpoint, is_literal ? WEB_REACH_HERE : WEB_REACH_NEAR))
        hook->was_forbidden = true;
    else if (hook->address_count < ADDRESSES_MAX)
        hook->address[hook->address_count++] = endpoint;
}

static void go_on(struct hook *hook)
{
    if (hook->address_count > 0)
        post(hook);
    else
        attempt_failed(hook, 0,
                       hook->was_forbidden ? STR("nothing is posted to its address")
                                           : STR("its name has no address"));
}

static void take_answer(struct hook *hook, const struct dns_answer *answer)
{
    struct url url;

    if (!url_parse(url_of(hook), &url)) {
        attempt_failed(hook, 0, STR("it was unset"));
        return;
    }
    for (uint32_t i = 0; answer->status == DNS_FOUND && i < answer->record_count; i++) {
        struct endpoint endpoint = answer->record[i].address;
        endpoint.port = url.port;
        if (endpoint.family != ENDPOINT_NONE)
            add_address(hook, endpoint, false);
    }
    if (--hook->asked == 0)
        go_on(hook);
}

static void on_four(struct keeper_question *question, const struct dns_answer *answer)
{
    take_answer(container_of(question, struct hook, four), answer);
}

static void on_six(struct keeper_question *question, const struct dns_answer *answer)
{
    take_answer(container_of(question, struct hook, six), answer);
}

static void ask(struct hook *hook)
{
    struct keeper *keeper = hook->owner->keeper;
    struct dns_question question = { .name = buf_str(&hook->host), .type = DNS_A };

    hook->asked = 2;
    hook->four.answered = on_four;
    hook->six.answered = on_six;
    keeper_dns_ask(keeper, &hook->four, question);
    question.type = DNS_AAAA;
    keeper_dns_ask(keeper, &hook->six, question);
}

static void begin(struct hook *hook)
{
    struct str text = url_of(hook);
    struct url url;

    if (!url_parse(text, &url)) {
        forget(hook, LOG_INFO, "webhook_given_up", 0, STR("the domain has no webhook any more"));
        return;
    }
    hook->state = HOOK_ASKING;
    hook->owner->under_way++;
    hook->address_count = 0;
    hook->was_forbidden = false;
    buf_reset(&hook->host);
    if (url.is_address) {
        add_address(hook, url.endpoint, true);
        go_on(hook);
    } else if (domain_normalise(url.host, &hook->host)) {
        ask(hook);
    } else {
        attempt_failed(hook, 0, STR("its name has no address"));
    }
}

/* ---- turns ---- */

static bool is_busy(const struct keeper_webhooks *owner, struct str domain)
{
    list_each (link, &owner->hooks) {
        const struct hook *hook = container_of(link, struct hook, link);
        if (hook->state != HOOK_WAITING && str_equals(buf_str(&hook->domain), domain))
            return true;
    }
    return false;
}

/* The first that is due and may begin; else when one will be, in Unix time. */
static struct hook *find_due(const struct keeper_webhooks *owner, int64_t now_ms,
                             int64_t *out_next_ms)
{
    *out_next_ms = NEVER_MS;
    if (owner->under_way >= UNDER_WAY_MAX)
        return NULL; /* who ends looks again */
    list_each (link, &owner->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (hook->state != HOOK_WAITING || hook->next_ms >= *out_next_ms ||
            is_busy(owner, buf_str(&hook->domain)))
            continue;
        if (hook->next_ms <= now_ms)
            return hook;
        *out_next_ms = hook->next_ms;
    }
    return NULL;
}

void keeper_webhooks_turn(struct keeper *keeper, struct now now)
{
    struct keeper_webhooks *owner = keeper->webhooks;
    struct hook *hook;
    int64_t next_ms;

    if (owner == NULL || now.mono_ms < owner->look_ms)
        return;
    int64_t wall_ms = keeper_mail_now(keeper).wall_ms;
    if (keeper_some_deliverer(keeper) == NULL) {
        owner->look_ms = now.mono_ms + LOOK_AGAIN_MS;
        return;
    }
    while ((hook = find_due(owner, wall_ms, &next_ms)) != NULL)
        begin(hook);
    owner->look_ms = next_ms == NEVER_MS ? NEVER_MS : now.mono_ms + (next_ms - wall_ms);
}

int64_t keeper_webhooks_deadline(const struct keeper *keeper)
{
    const struct keeper_webhooks *owner = keeper->webhooks;
    return owner == NULL || list_is_empty(&owner->hooks) ? NEVER_MS : owner->look_ms;
}

/* ---- what others say ---- */

static struct hook *find_posting(const struct keeper_webhooks *owner, uint64_t ticket,
                                 uint32_t source)
{
    list_each (link, &owner->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (hook->state == HOOK_POSTING && hook->ticket == ticket && hook->source == source)
            return hook;
    }
    return NULL;
}

bool keeper_webhooks_answer(struct keeper *keeper, const struct keeper_peer *peer,
                            struct cursor payload)
{
    struct message_web_answer message;

    if (!message_get_web_answer(payload, &message) || message.status > 999)
        return false;
    struct hook *hook = keeper->webhooks != NULL
                            ? find_posting(keeper->webhooks, message.ticket, peer->source)
                            : NULL;
    if (hook != NULL)
        attempt_answered(hook, (unsigned)message.status, message.why);
    return true;
}

void keeper_webhooks_deliverer_gone(struct keeper *keeper, uint32_t source)
{
    if (keeper->webhooks == NULL)
        return;
    list_each_safe (link, &keeper->webhooks->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (hook->state == HOOK_POSTING && hook->source == source)
            attempt_answered(hook, 0, STR("the deliverer was restarted"));
    }
}

void keeper_webhooks_forget(struct keeper *keeper, struct str domain)
{
    if (keeper->webhooks == NULL)
        return;
    list_each_safe (link, &keeper->webhooks->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (str_equals(buf_str(&hook->domain), domain))
            hook_free(hook);
    }
}

/* The oldest that is not under way makes room. */
static void make_room(const struct keeper_webhooks *owner, struct str domain)
{
    struct hook *oldest = NULL;
    unsigned count = 0;

    list_each (link, &owner->hooks) {
        struct hook *hook = container_of(link, struct hook, link);
        if (!str_equals(buf_str(&hook->domain), domain))
            continue;
        count++;
        if (oldest == NULL && hook->state == HOOK_WAITING)
            oldest = hook;
    }
    if (count >= WAIT_MAX && oldest != NULL)
        forget(oldest, LOG_WARN, "webhook_given_up", 0, STR("too many wait"));
}

void keeper_webhooks_add(struct keeper *keeper, struct str domain, struct message_id id,
                         struct str body)
{
    struct keeper_webhooks *owner = keeper->webhooks;
    int64_t now_ms = keeper_mail_now(keeper).wall_ms;
    const struct webhook_waiting waiting = { now_ms, now_ms, 0, body };

    if (owner == NULL)
        return;
    make_room(owner, domain);
    struct hook *hook = hook_new(owner, domain, str_from(message_id_to_text(id).text), &waiting);
    list_append(&owner->hooks, &hook->link);
    keep(hook);
    owner->look_ms = 0;
}

/* ---- the secret ---- */

static void make_secret(struct keeper *keeper, struct str domain, directory_done *done,
                        void *context)
{
    unsigned char chance[WEBHOOK_SECRET_SIZE / 2];
    struct buf text = { 0 };

    check(getrandom(chance, sizeof chance, 0) == sizeof chance);
    for (size_t i = 0; i < sizeof chance; i++)
        buf_add_format(&text, "%02x", chance[i]);
    const struct domain_fact fact = { STR(WEBHOOK_SECRET_FACT), domain, STR(""), buf_str(&text) };
    directory_put_fact(keeper->directory, &fact, done, context);
    explicit_bzero(chance, sizeof chance);
    explicit_bzero(text.ptr, text.len);
    buf_fini(&text);
}

struct str keeper_webhook_secret(struct keeper *keeper, struct str domain)
{
    struct str secret =
        directory_find_fact(keeper->directory, STR(WEBHOOK_SECRET_FACT), domain, STR(""));

    if (secret.len == 0)
        make_secret(keeper, domain, NULL, NULL);
    return directory_find_fact(keeper->directory, STR(WEBHOOK_SECRET_FACT), domain, STR(""));
}

void keeper_webhook_new_secret(struct keeper *keeper, struct str domain, directory_done *done,
                               void *context)
{
    make_secret(keeper, domain, done, context);
}

/* ---- life ---- */

/* Ids sort by time. */
static void insert(struct keeper_webhooks *owner, struct hook *hook)
{
    struct link *place = &owner->hooks;

    while (place->prev != &owner->hooks &&
           str_compare(buf_str(&container_of(place->prev, struct hook, link)->id),
                       buf_str(&hook->id)) > 0)
        place = place->prev;
    list_insert_before(place, &hook->link);
}

void keeper_webhooks_start(struct keeper *keeper)
{
    struct keeper_webhooks *owner = memory_new(sizeof *owner);
    const struct domain_fact *fact;
    struct webhook_waiting waiting;
    size_t cursor = 0;

    owner->keeper = keeper;
    list_init(&owner->hooks);
    keeper->webhooks = owner;
    while ((fact = directory_next_fact(keeper->directory, &cursor)) != NULL)
        if (str_equals(fact->kind, str_from(fact_waiting)) &&
            webhook_waiting_decode(fact->value, &waiting))
            insert(owner, hook_new(owner, fact->domain, fact->name, &waiting));
}

void keeper_webhooks_end(struct keeper *keeper)
{
    struct keeper_webhooks *owner = keeper->webhooks;

    if (owner == NULL)
        return;
    list_each_safe (link, &owner->hooks)
        hook_free(container_of(link, struct hook, link));
    memory_free(owner);
    keeper->webhooks = NULL;
}
