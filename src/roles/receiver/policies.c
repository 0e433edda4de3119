/* SPDX-License-Identifier: ISC */
/* policies.c: what domains want done about their mail; asked of the keeper, and known
 * until it calls void what it has said, or for a minute (a primary may get another address).
 *
 * The domain of a sender comes from a stranger: there is an end to how many are remembered.
 */
#include "base/memory.h"
#include "roles/receiver/receiver.h"

enum { POLICIES_MAX = 1024, POLICY_KNOWN_MS = MINUTE_MS };

struct known_policy {
    int64_t until_ms;
    struct domain_policy policy;
};

const struct domain_policy *receiver_policy_find(const struct receiver *receiver, struct str domain)
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

static void keep(struct receiver *receiver, struct str domain, const struct domain_policy *policy)
{
    struct known_policy *known = memory_new(sizeof *known);

    if (receiver->policies.count >= POLICIES_MAX)
        receiver_policies_forget(receiver);
    known->policy = *policy;
    known->until_ms = loop_now(receiver->process->loop).mono_ms + POLICY_KNOWN_MS;
    memory_free(map_put(&receiver->policies, domain, known));
}

void receiver_policy_ask(struct connection *connection, struct policy_question *question,
                         struct str domain)
{
    struct receiver *receiver = connection->receiver;

    if (question->ticket != 0 || receiver->keeper == NULL)
        return; /* one at a time; without a keeper nothing is said yet */
    question->ticket = receiver_ticket(receiver);
    buf_reset(&question->domain);
    buf_add(&question->domain, domain);
    (void)map_put(&receiver->policy_asks, receiver_ticket_key(&question->ticket), connection);
    channel_send(receiver->keeper, policy_ask, .ticket = question->ticket, .domain = domain);
}

void receiver_policy_drop(struct receiver *receiver, struct policy_question *question)
{
    if (question->ticket != 0)
        (void)map_remove(&receiver->policy_asks, receiver_ticket_key(&question->ticket));
    question->ticket = 0;
    buf_fini(&question->domain);
}

/* Whose question was it? */
static void answered(struct connection *connection, uint64_t ticket,
                     const struct domain_policy *policy)
{
    struct checks *checks = &connection->checks;
    bool is_of_checks = checks->question.ticket == ticket;
    struct policy_question *question =
        is_of_checks ? &checks->question : &connection->door.question;

    keep(connection->receiver, buf_str(&question->domain), policy);
    question->ticket = 0;
    checks->is_due = checks->is_due || is_of_checks;
    receiver_touch(connection);
}

bool receiver_policy_take(struct receiver *receiver, struct cursor payload)
{
    struct message_policy_answer message;
    struct domain_policy policy;

    if (!message_get_policy_answer(payload, &message))
        return false;
    struct cursor sender = cursor_over(message.policy);
    struct cursor door = cursor_over(message.door);
    struct cursor filters = cursor_over(message.filters);
    if (!policy_decode(&sender, &policy.sender) || !cursor_done(&sender) ||
        !door_policy_decode(&door, &policy.door) || !cursor_done(&door) ||
        !filter_policy_decode(&filters, &policy.filters) || !cursor_done(&filters))
        return false;
    struct connection *connection =
        map_remove(&receiver->policy_asks, receiver_ticket_key(&message.ticket));
    if (connection != NULL)
        answered(connection, message.ticket, &policy);
    return true;
}
