/* SPDX-License-Identifier: ISC */
/* receiver_policies.c: what domains want done about senders; asked of the keeper, and known until it
 * calls void what it has said, or for a minute (a primary may get another address).
 *
 * The domain of a sender comes from a stranger: there is an end to how many are remembered.
 */
#include "base/memory.h"
#include "roles/receiver.h"

enum { POLICIES_MAX = 1024, POLICY_KNOWN_MS = MINUTE_MS };

struct known_policy {
    int64_t until_ms;
    struct policy policy;
};

const struct policy *receiver_policy_find(const struct receiver *receiver, struct str domain)
{
    const struct known_policy *known = map_find(&receiver->policies, domain);

    if (known == NULL || known->until_ms <= loop_now(receiver->process->loop).mono_ms)
        return NULL;
    return &known->policy;
}

void receiver_policies_fini(struct receiver *receiver)
{
    size_t cursor = 0;
    void *known;

    while ((known = map_next(&receiver->policies, &cursor, NULL)) != NULL)
        memory_free(known);
    map_fini(&receiver->policies);
}

void receiver_policies_forget(struct receiver *receiver)
{
    receiver_policies_fini(receiver);
    map_init(&receiver->policies);
}

static void keep(struct receiver *receiver, struct str domain, const struct policy *policy)
{
    struct known_policy *known = memory_new(sizeof *known);

    if (receiver->policies.count >= POLICIES_MAX)
        receiver_policies_forget(receiver);
    known->policy = *policy;
    known->until_ms = loop_now(receiver->process->loop).mono_ms + POLICY_KNOWN_MS;
    memory_free(map_put(&receiver->policies, domain, known));
}

void receiver_policy_ask(struct connection *connection, struct str domain)
{
    struct receiver *receiver = connection->receiver;
    struct checks *checks = &connection->checks;

    checks->policy_ticket = receiver_ticket(receiver);
    checks->policy_domain = arena_str(&checks->arena, domain);
    (void)map_put(&receiver->policy_asks, receiver_ticket_key(&checks->policy_ticket), connection);
    channel_send(receiver->keeper, policy_ask, .ticket = checks->policy_ticket, .domain = domain);
}

bool receiver_policy_take(struct receiver *receiver, struct cursor payload)
{
    struct message_policy_answer message;
    struct policy policy;

    if (!message_get_policy_answer(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.policy);
    if (!policy_decode(&cursor, &policy) || !cursor_done(&cursor))
        return false;
    struct connection *connection =
        map_remove(&receiver->policy_asks, receiver_ticket_key(&message.ticket));
    if (connection == NULL)
        return true;
    keep(receiver, connection->checks.policy_domain, &policy);
    connection->checks.policy_ticket = 0;
    connection->checks.is_due = true;
    receiver_touch(connection);
    return true;
}
