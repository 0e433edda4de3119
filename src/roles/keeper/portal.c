/* SPDX-License-Identifier: ISC */
/* portal.c: what the portal asks for, in the name of who has a domain's secret.
 *
 * A secret has 160 bits of chance, so that nobody guesses it, however often he may try. What is
 * bounded is the noise: of a network that shows wrong ones again and again, no more is logged, and
 * it is sent away; but whoever has the right one is heard all the same, from behind whatever
 * address he shares with others.
 */
#include "base/log.h"
#include "base/memory.h"
#include "mail/domain.h"
#include "control/control.h"
#include "portal/portal.h"
#include "roles/keeper/keeper.h"
#include "verify/budget.h"

enum { BAD_LOGINS_MAX = 20 };
#define BAD_LOGINS_SPAN_MS HOUR_MS

struct pending { /* until it is durable */
    struct keeper *keeper;
    uint32_t source; /* of the portal's channel */
    uint64_t ticket;
    enum address_fate fate;
    struct buf domain;
};

static void answer(const struct keeper *keeper, uint32_t source, uint64_t ticket,
                   enum address_fate fate, struct str text, struct str domain)
{
    struct buf state = { 0 };

    if (domain.len > 0)
        control_add_addresses(&state, keeper_addresses_of(keeper, domain), keeper_now(keeper));
    for (unsigned i = 0; i < ROLE_PROCESSES_MAX; i++)
        if (keeper->peer[i].channel != NULL && keeper->peer[i].source == source)
            channel_send(keeper->peer[i].channel, address_answer, .ticket = ticket, .fate = fate,
                         .text = text, .state = buf_str(&state));
    buf_fini(&state);
}

/* ---- who asks ---- */

static bool may_fail(struct keeper *keeper, struct endpoint client)
{
    struct buf network = { 0 };

    if (keeper->bad_logins == NULL)
        keeper->bad_logins = budget_new(BAD_LOGINS_SPAN_MS);
    endpoint_encode(&network, endpoint_network(client));
    bool may = budget_take(keeper->bad_logins, buf_str(&network), BAD_LOGINS_MAX,
                           keeper_now(keeper).mono_ms);
    buf_fini(&network);
    return may;
}

static void log_failure(struct endpoint client, struct str user)
{
    struct buf address = { 0 };

    endpoint_add_ip(&address, client);
    log_warn("login_failed", LOG_STR("client", buf_str(&address)),
             LOG_STR("user", str_first(user, DOMAIN_SIZE_MAX)), LOG_TEXT("service", "portal"));
    buf_fini(&address);
}

/* ADDRESS_DONE: he is who he says. */
static enum address_fate log_in(struct keeper *keeper, const struct message_address_ask *message,
                                struct endpoint client)
{
    struct buf user = { 0 };
    bool is_name = domain_normalise(message->user, &user);
    bool is_he = keeper_is_secret(keeper, buf_str(&user), message->secret) && is_name;
    enum address_fate fate = ADDRESS_DONE;

    if (is_he) {
        fate = str_equals(buf_str(&user), message->domain) ? ADDRESS_DONE : ADDRESS_NOT_YOURS;
    } else if (may_fail(keeper, client)) {
        log_failure(client, message->user);
        fate = ADDRESS_BAD_LOGIN;
    } else {
        fate = ADDRESS_TOO_OFTEN;
    }
    buf_fini(&user);
    return fate;
}

static struct str why_not(enum address_fate fate)
{
    switch (fate) {
    case ADDRESS_BAD_LOGIN:
        return STR("domain or secret is wrong; `holdfast domain secret DOMAIN` makes a new one");
    case ADDRESS_TOO_OFTEN:
        return STR("too many wrong secrets from your network; wait an hour");
    case ADDRESS_NOT_YOURS:
        return STR("you have logged in as another domain");
    default:
        return STR_NONE;
    }
}

/* ---- what for ---- */

static void on_kept(void *context, int error)
{
    struct pending *pending = context;

    answer(pending->keeper, pending->source, pending->ticket,
           error == 0 ? pending->fate : ADDRESS_FAILED,
           error == 0 ? STR_NONE : STR("it could not be stored; try again later"),
           buf_str(&pending->domain));
    buf_fini(&pending->domain);
    memory_free(pending);
}

static struct pending *wait_for(struct keeper *keeper, const struct keeper_peer *peer,
                                const struct message_address_ask *message)
{
    struct pending *pending = memory_new(sizeof *pending);

    pending->keeper = keeper;
    pending->source = peer->source;
    pending->ticket = message->ticket;
    pending->fate = ADDRESS_DONE;
    buf_add(&pending->domain, message->domain);
    return pending;
}

static void give_up(struct pending *pending, enum address_fate fate, struct str why)
{
    answer(pending->keeper, pending->source, pending->ticket, fate, why, STR_NONE);
    buf_fini(&pending->domain);
    memory_free(pending);
}

static bool tell(struct keeper *keeper, const struct keeper_peer *peer,
                 const struct message_address_ask *message, struct endpoint client)
{
    struct cursor cursor = cursor_over(message->addresses);
    struct endpoint endpoint[ADDRESSES_TOLD_MAX];
    struct address_telling telling = {
        .domain = message->domain,
        .endpoint = endpoint,
        .teller = keeper->process->config->web_local ? TELLER_OWNER_LOCAL : TELLER_OWNER,
        .client = client,
    };
    struct buf why = { 0 };

    while (telling.count < ADDRESSES_TOLD_MAX && cursor.left.len > 0)
        endpoint[telling.count++] = endpoint_decode(&cursor);
    if (!cursor_done(&cursor) || telling.count == 0)
        return false;
    struct pending *pending = wait_for(keeper, peer, message);
    enum address_fate fate = keeper_address_tell(keeper, &telling, &why, on_kept, pending);
    pending->fate = fate;
    if (fate > ADDRESS_SAME) {
        log_warn("address_refused", LOG_STR("domain", message->domain),
                 LOG_TEXT("code", address_fate_name(fate)), LOG_STR("why", buf_str(&why)));
        give_up(pending, fate, buf_str(&why));
    }
    buf_fini(&why);
    return true;
}

static void forget(struct keeper *keeper, const struct keeper_peer *peer,
                   const struct message_address_ask *message)
{
    struct pending *pending = wait_for(keeper, peer, message);

    if (!keeper_addresses_forget(keeper, message->domain, on_kept, pending))
        on_kept(pending, 0);
}

static bool carry_out(struct keeper *keeper, const struct keeper_peer *peer,
                      const struct message_address_ask *message, struct endpoint client)
{
    switch ((enum portal_deed)message->deed) {
    case PORTAL_TELL:
        return tell(keeper, peer, message, client);
    case PORTAL_FORGET:
        forget(keeper, peer, message);
        return true;
    case PORTAL_SHOW:
    case PORTAL_DEEDS:
        break;
    }
    answer(keeper, peer->source, message->ticket, ADDRESS_DONE, STR_NONE, message->domain);
    return true;
}

bool keeper_portal_asked(struct keeper *keeper, const struct keeper_peer *peer,
                         struct cursor payload)
{
    struct message_address_ask message;

    if (!message_get_address_ask(payload, &message) || message.deed >= PORTAL_DEEDS)
        return false;
    struct cursor cursor = cursor_over(message.client);
    struct endpoint client = endpoint_decode(&cursor);
    if (!cursor_done(&cursor) || !domain_is_valid(message.domain))
        return false;
    enum address_fate fate = log_in(keeper, &message, client);
    if (fate == ADDRESS_DONE)
        return carry_out(keeper, peer, &message, client);
    answer(keeper, peer->source, message.ticket, fate, why_not(fate), STR_NONE);
    return true;
}

void keeper_portal_end(struct keeper *keeper)
{
    budget_free(keeper->bad_logins);
    keeper->bad_logins = NULL;
}
