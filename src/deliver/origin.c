/* SPDX-License-Identifier: ISC */
/* origin.c: XCLIENT (wire/xclient.h): whose messages these are.
 *
 * The name that was said last is in force until another one is said. A server may take none any
 * more once it was told of somebody: then whose message comes next must come in another
 * conversation. A server that does not let that client in refuses his message, not the name.
 */
#include "deliver/conversation.h"

bool origin_is_taken(const struct deliver_client *client)
{
    return client->uses_origins && !client->has_no_origin &&
           (client->greeting.extensions & EXTENSION_XCLIENT) &&
           (client->greeting.xclient & XCLIENT_ADDR);
}

static void add_commands(const struct deliver_client *client, const struct delivery *delivery,
                         struct buf *out)
{
    if (delivery->origin != NULL)
        xclient_add_commands(out, client->origin_attributes, delivery->origin);
}

bool origin_fits(const struct deliver_client *client, const struct delivery *delivery)
{
    struct buf commands = { 0 };

    if (client->origin.len == 0)
        return client->under_way == 0 || delivery->origin == NULL || !origin_is_taken(client);
    add_commands(client, delivery, &commands);
    bool is_same = str_equals(buf_str(&commands), buf_str(&client->origin));
    bool may_change = commands.len > 0 && origin_is_taken(client) && client->under_way == 0;
    buf_fini(&commands);
    return is_same || may_change;
}

void origin_begin(const struct deliver_client *client, struct transaction *transaction)
{
    struct buf commands = { 0 };

    if (origin_is_taken(client))
        add_commands(client, &transaction->delivery, &commands);
    if (commands.len > 0 && !str_equals(buf_str(&commands), buf_str(&client->origin))) {
        transaction->origin = arena_str(&transaction->arena, buf_str(&commands));
        transaction->origin_left = transaction->origin;
        transaction->step = WRITE_ORIGIN;
    }
    transaction->delivery.origin = NULL; /* it was the caller's */
    buf_fini(&commands);
}

bool origin_write(struct deliver_client *client, struct transaction *transaction)
{
    struct str line = STR_NONE;

    if (client->expected.count > 0)
        return false;
    if (transaction->origin_left.len == 0) {
        transaction->step = WRITE_HELLO;
        return true;
    }
    (void)str_cut(&transaction->origin_left, '\n', &line);
    client_send(client, line);
    client_send(client, STR("\n"));
    client_expect(client, transaction, EXPECTED_ORIGIN, 0);
    return true;
}

bool origin_write_hello(struct deliver_client *client, struct transaction *transaction)
{
    if (client->expected.count > 0)
        return false;
    client_send(client, STR("EHLO "));
    client_send(client, client->settings->hostname);
    client_send(client, STR("\r\n"));
    client_expect(client, transaction, EXPECTED_HELLO, 0);
    client->is_clear = true;
    return true; /* the reply leads on */
}

/* Of the command, or of our right to say it. Whatever else it says, it says to that client, in the
 * place of its banner. */
static bool is_of_command(unsigned code)
{
    return (code >= 500 && code <= 504) || code == 550 || code == 555;
}

/* This client comes no further, and nobody does in his name. */
static void deny(struct deliver_client *client, struct transaction *transaction,
                 const struct smtp_reply *reply)
{
    transaction->outcome = smtp_reply_verdict(reply);
    transaction->step = WRITE_DONE;
    client->is_quitting = true;
}

/* Under whose name would it go now? */
static void give_up(struct deliver_client *client, struct transaction *transaction)
{
    transaction->outcome =
        verdict_make(452, 5, 3, STR("Not tried: this connection goes under another's name"));
    transaction->step = WRITE_DONE;
    client->is_quitting = true;
}

void origin_take_reply(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply)
{
    struct transaction *transaction = expected->transaction;

    if (reply->code / 100 == 2) {
        transaction->is_named = true;
        if (transaction->origin_left.len > 0)
            return;
        buf_reset(&client->origin);
        buf_add(&client->origin, transaction->origin);
        return;
    }
    client->has_no_origin = true;
    transaction->origin_left = STR_NONE;
    if (!is_of_command(reply->code))
        deny(client, transaction, reply);
    else if (transaction->is_named || client->origin.len > 0)
        give_up(client, transaction);
    else {
        transaction->step = WRITE_RSET; /* as ever, then */
        plain_begin(client, transaction);
    }
}

/* What the server offers to that client may be less than before. Of the content nothing was asked
 * for. */
void origin_take_hello(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply)
{
    struct transaction *transaction = expected->transaction;

    if (reply->code / 100 != 2) {
        transaction->outcome = smtp_reply_verdict(reply);
        transaction->step = WRITE_DONE;
        client->is_quitting = true;
        return;
    }
    struct smtp_greeting greeting = smtp_greeting_parse(reply);
    greeting.name = STR_NONE; /* belongs to the reply */
    client->greeting = greeting;
    client->is_pipelining = greeting.extensions & EXTENSION_PIPELINING;
    client->is_chunking = greeting.extensions & EXTENSION_CHUNKING;
    transaction->stuff.keeps_dots = client->is_chunking;
    transaction->step = WRITE_RSET;
    if (transaction_is_beyond(client, &transaction->delivery, &transaction->outcome))
        transaction->step = WRITE_DONE;
    else
        plain_begin(client, transaction);
}
