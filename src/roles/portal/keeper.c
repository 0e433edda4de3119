/* SPDX-License-Identifier: ISC */
/* keeper.c: what the portal asks the keeper. A keeper that dies is asked again when it is
 * there: to tell the same address twice does no harm. */
#include "roles/portal/portal.h"

#include "base/check.h"
#include "base/log.h"
#include "mail/domain.h"
#include "roles/channel.h"

enum { SECRET_MAX = 256 }; /* ours have 40 octets */

static struct str ticket_key(const uint64_t *ticket)
{
    return str_of(ticket, sizeof *ticket);
}

static void send_ask(const struct visitor *visitor)
{
    const struct portal_wish *wish = &visitor->wish;
    struct channel *keeper = visitor->portal->keeper;
    struct buf client = { 0 };
    struct buf addresses = { 0 };

    if (keeper == NULL)
        return; /* the next one is asked */
    endpoint_encode(&client, visitor->client);
    for (uint32_t i = 0; i < wish->endpoint_count; i++)
        endpoint_encode(&addresses, wish->endpoint[i]);
    channel_send(keeper, address_ask, .ticket = visitor->ticket, .deed = wish->deed,
                 .client = buf_str(&client), .user = str_first(wish->user, DOMAIN_SIZE_MAX + 1),
                 .secret = str_first(wish->secret, SECRET_MAX),
                 .domain = wish->domain[visitor->asked], .addresses = buf_str(&addresses));
    buf_fini(&client);
    buf_fini(&addresses);
}

void portal_ask(struct visitor *visitor)
{
    struct portal *portal = visitor->portal;

    visitor->ticket = ++portal->last_ticket;
    (void)map_put(&portal->asks, ticket_key(&visitor->ticket), visitor);
    send_ask(visitor);
}

void portal_ask_forget(struct visitor *visitor)
{
    if (visitor->ticket != 0)
        (void)map_remove(&visitor->portal->asks, ticket_key(&visitor->ticket));
    visitor->ticket = 0;
}

static bool take_answer(const struct portal *portal, struct cursor payload)
{
    struct message_address_answer message;

    if (!message_get_address_answer(payload, &message) || message.fate >= ADDRESS_FATES)
        return false;
    struct visitor *visitor = map_find(&portal->asks, ticket_key(&message.ticket));
    if (visitor == NULL)
        return true; /* he did not wait for it */
    const struct portal_outcome outcome = { .fate = (enum address_fate)message.fate,
                                            .text = message.text,
                                            .state = message.state };
    portal_ask_forget(visitor);
    portal_outcome(visitor, &outcome);
    return true;
}

static bool on_message(void *context, struct channel *channel, enum message_type type,
                       struct cursor payload)
{
    (void)channel;
    return type == MESSAGE_address_answer && take_answer(context, payload);
}

static void on_broken(void *context, struct channel *channel, const char *why)
{
    struct portal *portal = context;

    log_warn("keeper_lost", LOG_TEXT("why", why));
    check(portal->dead == NULL);
    portal->dead = channel;
    portal->keeper = NULL;
}

static const struct channel_host keeper_host = { .message = on_message, .broken = on_broken };

void portal_keeper_came(struct portal *portal, unsigned index, int fd)
{
    if (portal->keeper != NULL) /* the old one's end was not noticed yet */
        channel_cut(portal->keeper, "a new one came");
    channel_free(portal->dead);
    portal->dead = NULL;
    portal->keeper = channel_new(ROLE_PORTAL, ROLE_KEEPER, index, &keeper_host, portal);
    channel_attach(portal->keeper, portal->process->loop, fd);
    list_each (link, &portal->visitors) {
        const struct visitor *visitor = container_of(link, struct visitor, link);
        if (visitor->ticket != 0)
            send_ask(visitor);
    }
}
