/* SPDX-License-Identifier: ISC */
/* turns.c: who asks for his mail (AUTH, ETRN), and signs that a primary lives (SPEC P8, P9).
 *
 * Receivers are told from where signs are awaited: the addresses of primaries that are not up. A
 * connection from there wakes the route, at most every two seconds, for whoever it is cannot make
 * us do more than ask a primary whether it is back.
 *
 * Of a domain's secret only the digest is kept, unless its holder's program knows CRAM-MD5 alone.
 * It has 160 bits of chance, so that no slow hash is needed to keep it from being guessed.
 */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "roles/keeper/keeper.h"
#include "verify/turn.h"

enum {
    AWAITED_MAX = 1024,   /* networks, for all receivers */
    AWAITED_TELL_MS = 20, /* receivers are told no more often */
    WOKEN_AGAIN_MS = 2 * SECOND_MS,
    DIGEST_SIZE = 32,
    NETWORKS_MAX = SETTING_NETWORKS_MAX + ROUTE_TARGETS_MAX, /* of one domain */
};

struct awaited { /* of one domain whose primary is not up */
    struct network_range network[NETWORKS_MAX];
    uint32_t count;
    int64_t woken_ms; /* by a sign of life; 0: never */
};

/* ---- secrets ---- */

static void digest_of(struct str secret, uint8_t digest[DIGEST_SIZE])
{
    unsigned size = DIGEST_SIZE;

    check(EVP_Digest(secret.ptr, secret.len, digest, &size, EVP_sha256(), NULL) == 1);
}

static void put_secret(struct keeper *keeper, const char *kind, struct str domain, struct str value,
                       directory_done *done, void *context)
{
    const struct domain_fact fact = { str_from(kind), domain, STR(""), value };

    directory_put_fact(keeper->directory, &fact, done, context);
}

void keeper_new_secret(struct keeper *keeper, struct str domain, bool for_cram,
                       struct buf *out_secret, directory_done *done, void *context)
{
    unsigned char chance[20];
    uint8_t digest[DIGEST_SIZE];

    check(getrandom(chance, sizeof chance, 0) == sizeof chance);
    for (size_t i = 0; i < sizeof chance; i++)
        buf_add_format(out_secret, "%02x", chance[i]);
    digest_of(buf_str(out_secret), digest);
    put_secret(keeper, DOMAIN_CRAM_FACT, domain, for_cram ? buf_str(out_secret) : STR_NONE, NULL,
               NULL);
    put_secret(keeper, DOMAIN_SECRET_FACT, domain, str_of(digest, sizeof digest), done, context);
    explicit_bzero(chance, sizeof chance);
    keeper_turns_look_for_secrets(keeper);
    keeper_logins_end(keeper, domain);
}

void keeper_turns_look_for_secrets(struct keeper *keeper)
{
    const struct domain_fact *fact;
    bool has_logins = false;
    bool has_cram = false;

    for (size_t cursor = 0; (fact = directory_next_fact(keeper->directory, &cursor)) != NULL;) {
        has_logins = has_logins || str_equals(fact->kind, STR(DOMAIN_SECRET_FACT));
        has_cram = has_cram || str_equals(fact->kind, STR(DOMAIN_CRAM_FACT));
    }
    keeper->answers_are_void = keeper->answers_are_void || has_logins != keeper->has_logins ||
                               has_cram != keeper->has_cram;
    keeper->has_logins = has_logins;
    keeper->has_cram = has_cram;
}

bool keeper_is_secret(const struct keeper *keeper, struct str domain, struct str secret)
{
    struct str kept =
        directory_find_fact(keeper->directory, STR(DOMAIN_SECRET_FACT), domain, STR(""));
    uint8_t digest[DIGEST_SIZE];

    digest_of(secret, digest);
    return kept.len == sizeof digest && CRYPTO_memcmp(kept.ptr, digest, sizeof digest) == 0;
}

/* RFC 2195: the secret is the key, the challenge what is digested. */
static bool is_digest(const struct keeper *keeper, struct str domain, struct str challenge,
                      struct str said)
{
    struct str kept =
        directory_find_fact(keeper->directory, STR(DOMAIN_CRAM_FACT), domain, STR(""));
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    struct buf text = { 0 };

    if (kept.len == 0 ||
        HMAC(EVP_md5(), kept.ptr, (int)kept.len, (const unsigned char *)challenge.ptr,
             challenge.len, digest, &size) == NULL)
        return false;
    for (unsigned i = 0; i < size; i++)
        buf_add_format(&text, "%02x", digest[i]);
    bool is_his = said.len == text.len && CRYPTO_memcmp(said.ptr, text.ptr, text.len) == 0;
    buf_fini(&text);
    return is_his;
}

static bool has_shown(const struct keeper *keeper, struct str domain,
                      const struct message_login_ask *message)
{
    return message->challenge.len > 0
               ? is_digest(keeper, domain, message->challenge, message->secret)
               : keeper_is_secret(keeper, domain, message->secret);
}

void keeper_answer_question(const struct keeper_peer *peer, uint64_t ticket,
                            const struct verdict *verdict, struct str user)
{
    struct buf bytes = { 0 };

    verdict_encode(&bytes, verdict);
    channel_send(peer->channel, question_answer, .ticket = ticket, .verdict = buf_str(&bytes),
                 .user = user);
    buf_fini(&bytes);
}

void keeper_log_asked(const char *event, struct endpoint client, struct str user,
                      const struct verdict *verdict)
{
    struct buf address = { 0 };
    struct buf reply = { 0 };

    endpoint_add_ip(&address, client);
    verdict_add_line(&reply, verdict);
    log_event(verdict->fate == FATE_ACCEPT ? LOG_INFO : LOG_WARN, event,
              LOG_STR("client", buf_str(&address)), LOG_STR("user", user),
              LOG_STR("reply", buf_str(&reply)));
    buf_fini(&address);
    buf_fini(&reply);
}

static struct verdict welcome(struct str domain)
{
    return verdict_format(235, 7, 0, "Welcome, %.*s", STR_FMT(domain));
}

static struct verdict look_at_secret(const struct keeper *keeper,
                                     const struct message_login_ask *message, struct buf *domain)
{
    if (!domain_normalise(message->user, domain) || !has_shown(keeper, buf_str(domain), message))
        return verdict_make(535, 7, 8, STR("User or secret is wrong"));
    return welcome(buf_str(domain));
}

bool keeper_login_asked(struct keeper *keeper, const struct keeper_peer *peer,
                        struct cursor payload)
{
    struct message_login_ask message;
    struct buf domain = { 0 };

    if (!message_get_login_ask(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.client);
    struct endpoint client = endpoint_decode(&cursor);
    struct verdict verdict =
        message.secret.len > 0
            ? look_at_secret(keeper, &message, &domain)
            : keeper_holder_of_certificate(keeper, message.user, message.shown, &domain);
    bool is_he = verdict.fate == FATE_ACCEPT;
    struct str user = is_he ? buf_str(&domain) : STR_NONE;
    if (is_he) {
        verdict = welcome(user);
        keeper_login_add(keeper, peer->source, user);
    }
    keeper_log_asked(is_he ? "login" : "login_failed", client,
                     is_he ? user : str_first(message.user, DOMAIN_SIZE_MAX), &verdict);
    keeper_answer_question(peer, message.ticket, &verdict, user);
    buf_fini(&domain);
    return cursor_done(&cursor);
}

/* ---- ETRN ---- */

struct turn {
    struct keeper *keeper;
    struct turn_asker asker;
    struct turn_outcome outcome;
};

struct str keeper_login_of(const struct keeper *keeper, const struct domain_record *record)
{
    return setting_text(&record->settings, &keeper->process->config->defaults, SETTING_LOGIN);
}

bool keeper_is_holder(const struct keeper *keeper, struct str user,
                      const struct domain_record *record)
{
    return turn_is_holder(user, record->name, keeper_login_of(keeper, record));
}

static bool may_ask(const struct turn *turn, const struct domain_record *record)
{
    struct keeper *keeper = turn->keeper;
    const struct domain_settings *defaults = &keeper->process->config->defaults;
    struct endpoint primary[ROUTE_TARGETS_MAX];
    struct turn_facts facts = { .domain = record->name, .primary = primary };
    const struct domain_record *other;
    struct route_status status;

    facts.login = keeper_login_of(keeper, record);
    facts.networks = setting_text(&record->settings, defaults, SETTING_WAKE_FROM);
    facts.pins = setting_text(&record->settings, defaults, SETTING_CLIENT_PIN);
    if (facts.login.len > 0 &&
        (other = directory_find_domain(keeper->directory, facts.login)) != NULL)
        facts.login_pins = setting_text(&other->settings, defaults, SETTING_CLIENT_PIN);
    if (schedule_status(keeper->schedule, record->name, keeper_now(keeper), &status))
        for (; facts.primary_count < status.target_count; facts.primary_count++)
            primary[facts.primary_count] = status.target[facts.primary_count].endpoint;
    return turn_may_ask(&turn->asker, &facts);
}

static void take_turn(struct turn *turn, const struct domain_record *record)
{
    struct keeper *keeper = turn->keeper;
    struct store_totals totals;

    if (!may_ask(turn, record)) {
        turn->outcome.refused++;
        return;
    }
    if (record->paused_until_ms > keeper_mail_now(keeper).wall_ms) {
        turn->outcome.paused++;
        return;
    }
    store_totals(keeper->store, record->name, &totals);
    turn->outcome.started++;
    turn->outcome.waiting += totals.held_count;
    schedule_wake(keeper->schedule, record->name, keeper_now(keeper));
}

static bool is_below(struct str name, struct str domain)
{
    return name.len > domain.len && name.ptr[name.len - domain.len - 1] == '.' &&
           str_equals(str_skip(name, name.len - domain.len), domain);
}

/* "@domain" is the domain and all below it. */
static void take_turns(struct turn *turn, struct str node)
{
    const struct directory *directory = turn->keeper->directory;
    bool and_below = node.len > 0 && node.ptr[0] == '@';
    struct buf domain = { 0 };
    const struct domain_record *record = NULL;
    size_t cursor = 0;

    if (!domain_normalise(str_skip(node, and_below ? 1 : 0), &domain)) {
        buf_fini(&domain);
        return;
    }
    record = directory_find_domain(directory, buf_str(&domain));
    if (record != NULL)
        take_turn(turn, record);
    while (and_below && (record = directory_next_domain(directory, &cursor)) != NULL)
        if (is_below(record->name, buf_str(&domain)))
            take_turn(turn, record);
    buf_fini(&domain);
}

bool keeper_turn_asked(struct keeper *keeper, const struct keeper_peer *peer, struct cursor payload)
{
    struct message_turn_ask message;
    struct buf user = { 0 };

    if (!message_get_turn_ask(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.client);
    struct turn turn = { .keeper = keeper,
                         .asker.client = endpoint_decode(&cursor),
                         .asker.shown = message.shown };
    if (message.user.len > 0 && domain_normalise(message.user, &user) &&
        keeper_login_holds(keeper, peer->source, buf_str(&user)))
        turn.asker.user = buf_str(&user);
    take_turns(&turn, message.node);
    struct verdict verdict = turn_reply(message.node, &turn.outcome);
    keeper_log_asked("turn_asked", turn.asker.client, turn.asker.user, &verdict);
    keeper_answer_question(peer, message.ticket, &verdict, STR_NONE);
    buf_fini(&user);
    return cursor_done(&cursor);
}

/* ---- signs of life ---- */

static bool is_awaited(const struct route_status *status)
{
    return status->state != ROUTE_STATE_UP && status->state != ROUTE_STATE_PAUSED;
}

static void add_network(struct awaited *awaited, struct network_range network)
{
    if (awaited->count < NETWORKS_MAX)
        awaited->network[awaited->count++] = network;
}

static void look_at(struct keeper *keeper, struct str domain)
{
    const struct domain_record *record = directory_find_domain(keeper->directory, domain);
    struct awaited *before = map_find(&keeper->awaited, domain);
    struct route_status status;

    if (record == NULL || !schedule_status(keeper->schedule, domain, keeper_now(keeper), &status) ||
        !is_awaited(&status)) {
        memory_free(map_remove(&keeper->awaited, domain));
        keeper->awaited_changed = keeper->awaited_changed || before != NULL;
        return;
    }
    struct awaited *awaited = memory_new(sizeof *awaited);
    awaited->woken_ms = before != NULL ? before->woken_ms : 0;
    awaited->count = turn_networks(
        setting_text(&record->settings, &keeper->process->config->defaults, SETTING_WAKE_FROM),
        awaited->network, SETTING_NETWORKS_MAX);
    for (uint32_t i = 0; i < status.target_count; i++)
        if (status.target[i].endpoint.family != ENDPOINT_LINE)
            add_network(awaited, network_of_address(status.target[i].endpoint));
    memory_free(map_put(&keeper->awaited, domain, awaited));
    keeper->awaited_changed = true;
}

void keeper_awaited_changed(struct keeper *keeper, struct str domain)
{
    if (map_find(&keeper->awaited_due, domain) == NULL)
        (void)map_put(&keeper->awaited_due, domain, keeper);
}

static void look_at_due(struct keeper *keeper)
{
    struct str domain;
    size_t cursor = 0;

    if (keeper->awaited_due.count == 0)
        return;
    while (map_next(&keeper->awaited_due, &cursor, &domain) != NULL)
        look_at(keeper, domain);
    map_fini(&keeper->awaited_due);
    map_init(&keeper->awaited_due);
}

static void add_awaited(const struct keeper *keeper, struct buf *out)
{
    const struct awaited *awaited;
    uint32_t count = 0;
    size_t cursor = 0;

    while ((awaited = map_next(&keeper->awaited, &cursor, NULL)) != NULL)
        for (uint32_t i = 0; i < awaited->count && count < AWAITED_MAX; i++, count++)
            network_encode(out, awaited->network[i]);
}

void keeper_tell_awaited(const struct keeper *keeper, const struct keeper_peer *peer)
{
    struct buf networks = { 0 };

    add_awaited(keeper, &networks);
    channel_send(peer->channel, awaited, .networks = buf_str(&networks));
    buf_fini(&networks);
}

static void tell_receivers(struct keeper *keeper, struct now now)
{
    keeper->awaited_changed = false;
    keeper->awaited_told_ms = now.mono_ms;
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++) {
        const struct channel *channel = keeper->peer[i].channel;
        if (channel != NULL && channel_peer(channel) == ROLE_RECEIVER)
            keeper_tell_awaited(keeper, &keeper->peer[i]);
    }
}

bool keeper_life_seen(struct keeper *keeper, struct cursor payload)
{
    struct message_sign_of_life message;
    struct awaited *awaited;
    struct str domain;
    size_t next = 0;

    if (!message_get_sign_of_life(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.client);
    struct endpoint client = endpoint_decode(&cursor);
    struct now now = keeper_now(keeper);
    while ((awaited = map_next(&keeper->awaited, &next, &domain)) != NULL) {
        bool is_his = false;
        for (uint32_t i = 0; i < awaited->count; i++)
            is_his = is_his || network_has(awaited->network[i], client);
        if (!is_his || (awaited->woken_ms != 0 && now.mono_ms - awaited->woken_ms < WOKEN_AGAIN_MS))
            continue;
        awaited->woken_ms = now.mono_ms;
        log_info("sign_of_life", LOG_STR("domain", domain));
        schedule_wake(keeper->schedule, domain, now);
    }
    return cursor_done(&cursor);
}

/* ---- turns ---- */

void keeper_turns_turn(struct keeper *keeper, struct now now)
{
    look_at_due(keeper);
    if (keeper->awaited_changed && now.mono_ms - keeper->awaited_told_ms >= AWAITED_TELL_MS)
        tell_receivers(keeper, now);
}

int64_t keeper_turns_deadline(const struct keeper *keeper)
{
    return keeper->awaited_changed ? keeper->awaited_told_ms + AWAITED_TELL_MS : NEVER_MS;
}

void keeper_turns_fini(struct keeper *keeper)
{
    void *awaited;
    size_t cursor = 0;

    while ((awaited = map_next(&keeper->awaited, &cursor, NULL)) != NULL)
        memory_free(awaited);
    map_fini(&keeper->awaited);
    map_fini(&keeper->awaited_due);
}
