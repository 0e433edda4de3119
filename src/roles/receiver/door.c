/* SPDX-License-Identifier: ISC */
/* door.c: lets recipients in, or not.
 *
 * First the domain's own door is asked (verify/door.h), with what the DNS knows of the client: who
 * is not let in costs no question to a primary. Then the keeper says whether the recipient is
 * served, unless that is known. Nothing is told to the session from within its own calls: all of
 * this happens at the turn's end.
 */
#include "base/log.h"
#include "roles/receiver/receiver.h"

enum { DOOR_DNS_WAIT_MS = 10 * SECOND_MS }; /* for all questions of a connection together */

void receiver_door_forget(struct connection *connection)
{
    struct door *door = &connection->door;

    receiver_dns_forget(&door->lookup);
    receiver_policy_drop(connection->receiver, &door->question);
    heap_remove(&connection->receiver->door_deadlines, &door->deadline);
    dns_answers_fini(&door->known);
}

static void on_answer(struct lookup *lookup, const struct dns_answer *answer)
{
    struct door *door = container_of(lookup, struct door, lookup);

    dns_answers_add(&door->known, lookup->question, answer);
    receiver_touch(container_of(door, struct connection, door));
}

void receiver_door_expire(struct receiver *receiver, struct now now)
{
    struct heap_node *node;

    while ((node = heap_take_due(&receiver->door_deadlines, now.mono_ms)) != NULL) {
        struct door *door = container_of(node, struct door, deadline);
        receiver_dns_forget(&door->lookup);
        door->is_late = true;
        receiver_touch(container_of(door, struct connection, door));
    }
}

static void ask_dns(struct connection *connection, struct dns_question question)
{
    struct receiver *receiver = connection->receiver;
    struct door *door = &connection->door;

    door->lookup.answered = on_answer;
    if (!heap_has(&door->deadline))
        heap_put(&receiver->door_deadlines, &door->deadline,
                 loop_now(receiver->process->loop).mono_ms + DOOR_DNS_WAIT_MS);
    receiver_dns_ask(receiver, &door->lookup, question);
}

static bool decide(struct connection *connection, const struct door_policy *policy,
                   const struct door_client *client, struct verdict *out_verdict)
{
    static const struct dns_answer failed = { .status = DNS_FAILED };
    struct door *door = &connection->door;
    struct dns_question question;
    struct buf room = { 0 };
    bool is_decided;

    while (
        !(is_decided = door_decide(policy, client, &door->known, &room, out_verdict, &question))) {
        const struct dns_answer *answer = receiver_dns_find(connection->receiver, question);
        if (answer == NULL && door->is_late)
            answer = &failed;
        if (answer == NULL) {
            if (door->lookup.ticket == 0)
                ask_dns(connection, question);
            break;
        }
        dns_answers_add(&door->known, question, answer);
    }
    buf_fini(&room);
    if (is_decided) { /* another domain may want to know something else, and has time of its own */
        heap_remove(&connection->receiver->door_deadlines, &door->deadline);
        door->is_late = false;
    }
    return is_decided;
}

static bool is_too_many(const struct connection *connection)
{
    uint32_t limit = connection->receiver->process->config->smtp_recipients_per_minute;
    return limit > 0 && connection->network->recipients > limit;
}

static void refuse(struct ask *ask, const struct verdict *verdict)
{
    struct buf client = { 0 };

    endpoint_add_ip(&client, ask->connection->client);
    log_info("recipient_refused", LOG_STR("client", buf_str(&client)),
             LOG_STR("helo", buf_str(&ask->helo)), LOG_STR("from", buf_str(&ask->sender)),
             LOG_STR("to", buf_str(&ask->recipient)), LOG_INT("code", verdict->code),
             LOG_STR("text", verdict_text(verdict)));
    buf_fini(&client);
    ask->answer = (struct recipient_answer){ .verdict = *verdict };
    ask->has_verdict = true;
}

/* Inside, or refused? If neither, something has been asked for. */
static bool pass_door(struct ask *ask)
{
    struct connection *connection = ask->connection;
    const struct config *config = connection->receiver->process->config;
    struct str recipient = buf_str(&ask->recipient);
    ptrdiff_t at = str_find_last(recipient, '@');
    struct verdict verdict;

    if (at < 0)
        return true;
    struct str domain = str_skip(recipient, (size_t)at + 1);
    const struct domain_policy *policy = receiver_policy_find(connection->receiver, domain);
    if (policy == NULL) {
        receiver_policy_ask(connection, &connection->door.question, domain);
        return false;
    }
    if (!policy->sender.is_protected)
        return true; /* the keeper says so */
    struct door_client client = {
        .endpoint = connection->client,
        .helo = buf_str(&ask->helo),
        .hostname = config->hostname,
        .names = &config->names,
        .domain = domain,
        .dnsbls = &config->dnsbl_zones,
        .is_trusted = policy_is_primary(&policy->sender, connection->client),
    };
    if (!decide(connection, &policy->door, &client, &verdict))
        return false;
    if (verdict.fate == FATE_ACCEPT && !client.is_trusted && is_too_many(connection))
        verdict = verdict_make(450, 7, 1,
                               STR("Too many recipients from your network within a "
                                   "minute; please come back later"));
    if (verdict.fate != FATE_ACCEPT)
        refuse(ask, &verdict);
    return true;
}

/* Has it an answer now? */
static bool settle(struct ask *ask, struct now now)
{
    if (!ask->has_verdict && ask->ticket != 0)
        return false;
    if (!ask->is_inside && !ask->has_verdict && !pass_door(ask))
        return false;
    if (ask->has_verdict)
        return true;
    ask->is_inside = true;
    const struct recipient_answer *known =
        receiver_answer_find(ask->connection->receiver, buf_str(&ask->recipient), now.mono_ms);
    if (known == NULL) {
        receiver_ask_keeper(ask);
        return false;
    }
    ask->answer = *known;
    return true;
}

void receiver_door_turn(struct connection *connection, struct now now)
{
    list_each_safe (link, &connection->asks) {
        struct ask *ask = container_of(link, struct ask, link);
        if (!settle(ask, now))
            continue;
        struct recipient_answer answer = ask->answer;
        uint64_t session_ticket = ask->session_ticket;
        receiver_ask_free(ask);
        receive_recipient_answer(connection->session, session_ticket, &answer.verdict, answer.terms,
                                 now);
        if (connection->is_over)
            return;
    }
}
