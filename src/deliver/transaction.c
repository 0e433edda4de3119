/* SPDX-License-Identifier: ISC */
/* transaction.c: a message on its way, from being taken in to being settled.
 *
 * A recipient that the server refuses by itself keeps its own verdict. All others
 * share one outcome: the first refusal that concerns the whole message (MAIL,
 * DATA, a chunk), or the reply to the end of its content.
 */
#include "deliver/conversation.h"

#include "base/check.h"

struct transaction *transaction_find(struct deliver_client *client, struct message_id id)
{
    list_each (link, &client->transactions) {
        struct transaction *transaction = container_of(link, struct transaction, link);
        if (message_id_equals(transaction->delivery.id, id))
            return transaction;
    }
    return NULL;
}

struct transaction *transaction_current(struct deliver_client *client)
{
    list_each (link, &client->transactions) {
        struct transaction *transaction = container_of(link, struct transaction, link);
        if (transaction->step != WRITE_DONE)
            return transaction;
    }
    return NULL;
}

bool transaction_is_hopeless(const struct transaction *transaction)
{
    if (transaction->outcome.code != 0)
        return true;
    return transaction->answered == transaction->offered && transaction->taken == 0;
}

static struct verdict not_tried(struct str reason)
{
    return verdict_make(452, 5, 3, reason);
}

bool transaction_is_beyond(const struct deliver_client *client, const struct delivery *delivery,
                           struct verdict *out_verdict)
{
    const struct smtp_greeting *greeting = &client->greeting;
    unsigned offered = greeting->extensions;

    if (greeting->size_max > 0 && delivery->size > greeting->size_max)
        *out_verdict = verdict_format(552, 3, 4, "Larger than the server's limit of %llu octets",
                                      (unsigned long long)greeting->size_max);
    else if ((delivery->flags & ENVELOPE_SMTPUTF8) && !(offered & EXTENSION_SMTPUTF8))
        *out_verdict = verdict_make(553, 6, 7, STR("The server does not support SMTPUTF8"));
    else if ((delivery->flags & ENVELOPE_REQUIRETLS) && !client_may_require_tls(client))
        *out_verdict = verdict_make(550, 7, 30, STR("The server has not shown who it is over TLS"));
    else if ((delivery->flags & ENVELOPE_REQUIRETLS) && !(offered & EXTENSION_REQUIRETLS))
        *out_verdict = verdict_make(550, 7, 30, STR("The server does not support REQUIRETLS"));
    else
        return false;
    out_verdict->stage = STAGE_OURS;
    return true;
}

/* What the server is known to refuse is not sent to it. False: it can be sent. */
static bool refuse_unsent(const struct deliver_client *client, const struct delivery *delivery,
                          struct verdict *out_verdict)
{
    if (client->is_quitting || client->state != CLIENT_READY)
        *out_verdict = not_tried(STR("Not tried: this connection takes no more messages"));
    else if (!origin_fits(client, delivery))
        *out_verdict = not_tried(STR("Not tried: this connection goes under another's name"));
    else if (!command_is_safe(delivery))
        *out_verdict = verdict_make(553, 1, 3, STR("The envelope cannot be written in SMTP"));
    else if (!transaction_is_beyond(client, delivery, out_verdict))
        return false;
    out_verdict->stage = delivery->is_callout ? STAGE_NONE : STAGE_OURS;
    return true;
}

static void report_refusal(struct deliver_client *client, const struct delivery *delivery,
                           const struct verdict *verdict)
{
    struct verdict all[DELIVER_RECIPIENTS_MAX];

    for (uint32_t i = 0; i < delivery->recipient_count; i++)
        all[i] = *verdict;
    client->host->result(client->context, delivery->id, all, delivery->recipient_count, false);
}

static void copy_delivery(struct transaction *transaction, const struct delivery *delivery)
{
    struct arena *arena = &transaction->arena;
    struct recipient *recipient = arena_new(arena, delivery->recipient_count * sizeof *recipient);

    for (uint32_t i = 0; i < delivery->recipient_count; i++) {
        recipient[i] = delivery->recipient[i];
        recipient[i].address = arena_str(arena, delivery->recipient[i].address);
        recipient[i].original = arena_str(arena, delivery->recipient[i].original);
    }
    transaction->delivery = *delivery;
    transaction->delivery.recipient = recipient;
    transaction->delivery.sender = arena_str(arena, delivery->sender);
    transaction->delivery.envelope_id = arena_str(arena, delivery->envelope_id);
}

/* An unused slot, cleared but for the memory it may use again. */
static struct transaction *take_slot(struct deliver_client *client)
{
    struct link *link = list_first(&client->unused);
    check(link != NULL);
    list_remove(link);
    struct transaction *transaction = container_of(link, struct transaction, link);
    arena_reset(&transaction->arena);
    buf_reset(&transaction->held);
    *transaction = (struct transaction){ .arena = transaction->arena, .held = transaction->held };
    list_append(&client->transactions, &transaction->link);
    client->under_way++;
    return transaction;
}

static void begin(struct deliver_client *client, const struct delivery *delivery)
{
    uint32_t most = client->greeting.recipients_max;
    uint32_t count = delivery->recipient_count;
    struct transaction *transaction = take_slot(client);

    copy_delivery(transaction, delivery);
    transaction->step = WRITE_RSET;
    origin_begin(client, transaction);
    if (transaction->step != WRITE_ORIGIN) /* what the server takes is known */
        plain_begin(client, transaction);
    transaction->stuff.keeps_dots = client->is_chunking;
    transaction->verdict = arena_new(&transaction->arena, count * sizeof(struct verdict));
    transaction->offered = most > 0 && count > most ? most : count;
    for (uint32_t i = transaction->offered; i < count; i++)
        transaction->verdict[i] =
            not_tried(STR("Not tried: the server takes no more recipients at once"));
    client->messages++;
    if (client->messages == client->greeting.messages_max)
        client->is_quitting = true;
}

void deliver_message(struct deliver_client *client, const struct delivery *delivery, struct now now)
{
    struct verdict refusal;

    check(client->state == CLIENT_READY || client->state == CLIENT_QUIT);
    check(delivery->recipient_count > 0);
    check(delivery->recipient_count <= DELIVER_RECIPIENTS_MAX);
    if (refuse_unsent(client, delivery, &refusal)) {
        bool is_bound = client->state == CLIENT_READY && !origin_fits(client, delivery);
        report_refusal(client, delivery, &refusal);
        if (is_bound) /* the next connection is free of it */
            deliver_quit(client, now);
        return;
    }
    check(client->under_way < client->window);
    check(transaction_find(client, delivery->id) == NULL);
    if (client->under_way == 0)
        client->progress_ms = now.mono_ms;
    begin(client, delivery);
    client_write(client);
}

static void settle(struct deliver_client *client, struct transaction *transaction, bool in_doubt)
{
    const struct delivery *delivery = &transaction->delivery;

    for (uint32_t i = 0; i < delivery->recipient_count; i++)
        if (transaction->verdict[i].code == 0)
            transaction->verdict[i] = transaction->outcome;
    to_7bit_free(transaction->plain);
    transaction->plain = NULL;
    list_remove(&transaction->link);
    list_append(&client->unused, &transaction->link);
    client->under_way--;
    client->host->result(client->context, delivery->id, transaction->verdict,
                         delivery->recipient_count, in_doubt);
}

void transaction_settle_if_done(struct deliver_client *client, struct transaction *transaction)
{
    if (transaction->step == WRITE_DONE && transaction->replies_due == 0)
        settle(client, transaction, false);
}

/* The connection ended before it was its turn, for which it can do nothing, unless it was the first
 * one that the connection was given. */
static struct verdict not_begun(const struct verdict *verdict, bool is_first)
{
    struct verdict not_begun = not_tried(verdict_text(verdict));

    not_begun.stage = is_first ? STAGE_NONE : STAGE_OURS;
    return not_begun;
}

/* In doubt is a message that was sent whole, and that nothing said so far keeps from being taken.
 * A message whose MAIL was not written has not been tried. */
void transaction_settle_all(struct deliver_client *client, const struct verdict *verdict)
{
    bool is_first = client->messages == client->under_way;

    list_each_safe (link, &client->transactions) {
        struct transaction *transaction = container_of(link, struct transaction, link);
        bool in_doubt = transaction->is_whole && !transaction_is_hopeless(transaction);
        if (transaction->outcome.code == 0)
            transaction->outcome =
                transaction->step <= WRITE_MAIL ? not_begun(verdict, is_first) : *verdict;
        settle(client, transaction, in_doubt);
        is_first = false;
    }
}
