/* SPDX-License-Identifier: ISC */
/* write.c: the writing hand.
 *
 *     [LOOK ->] [XCLIENT -> EHLO ->] RSET -> MAIL -> RCPT -> DATA -> CONTENT -> DONE
 *                         |\----------^            DATA is left out with CHUNKING
 *                         \-> RSET -> DONE         of a callout
 *
 * RSET is left out where the server has surely no transaction open. Every other
 * arrow to DONE (a refusal, content that cannot be had) is the reading hand's.
 *
 * The three modes of client.h differ in one thing only: when the next command has
 * to wait. Without PIPELINING it waits until no reply is due. With DATA, content
 * waits for 354. With both extensions nothing waits for anything but content.
 */
#include "deliver/conversation.h"

#include "base/check.h"

void client_expect(struct deliver_client *client, struct transaction *transaction,
                   enum expected_kind kind, uint32_t recipient)
{
    expected_add(&client->expected, (struct expected){ transaction, kind, recipient });
    transaction->replies_due++;
}

static bool write_rset(struct deliver_client *client, struct transaction *transaction)
{
    if (!client->is_clear) {
        client_send(client, STR("RSET\r\n"));
        client_expect(client, transaction, EXPECTED_RSET, 0);
        client->is_clear = true;
    }
    transaction->step = WRITE_MAIL;
    return true;
}

static bool write_mail(struct deliver_client *client, struct transaction *transaction)
{
    struct delivery said = transaction->delivery;

    check(client->is_clear);
    if (transaction->plain != NULL)
        said.size = 0; /* how large it will be is not known yet */
    command_add_mail(&client->out, &said, client->greeting.extensions);
    client_expect(client, transaction, EXPECTED_MAIL, 0);
    client->is_clear = false;
    transaction->step = WRITE_RCPT;
    return true;
}

static bool write_rcpt(struct deliver_client *client, struct transaction *transaction)
{
    uint32_t index = transaction->written++;

    command_add_rcpt(&client->out, &transaction->delivery.recipient[index],
                     client->greeting.extensions);
    client_expect(client, transaction, EXPECTED_RCPT, index);
    if (transaction->written < transaction->offered)
        return true;
    if (transaction->delivery.is_callout)
        transaction->step = WRITE_BACK;
    else
        transaction->step = client->is_chunking ? WRITE_CONTENT : WRITE_DATA;
    return true;
}

static bool write_back(struct deliver_client *client, struct transaction *transaction)
{
    client_send(client, STR("RSET\r\n"));
    client_expect(client, transaction, EXPECTED_RSET, 0);
    client->is_clear = true;
    transaction->step = WRITE_DONE;
    return true;
}

static bool write_data(struct deliver_client *client, struct transaction *transaction)
{
    client_send(client, STR("DATA\r\n"));
    client_expect(client, transaction, EXPECTED_DATA, 0);
    transaction->step = WRITE_CONTENT;
    return true;
}

/* False: it has to wait. */
static bool write_next(struct deliver_client *client, struct transaction *transaction)
{
    static bool (*const write_step[])(struct deliver_client *, struct transaction *) = {
        [WRITE_LOOK] = plain_wait,          [WRITE_ORIGIN] = origin_write,
        [WRITE_HELLO] = origin_write_hello, [WRITE_RSET] = write_rset,
        [WRITE_MAIL] = write_mail,          [WRITE_RCPT] = write_rcpt,
        [WRITE_DATA] = write_data,          [WRITE_CONTENT] = body_write,
        [WRITE_BACK] = write_back,
    };

    const struct expected *first = expected_first(&client->expected);

    if (first != NULL &&
        (!client->is_pipelining || first->kind == EXPECTED_ORIGIN || first->kind == EXPECTED_HELLO))
        return false;
    return write_step[transaction->step](client, transaction);
}

static void write_transactions(struct deliver_client *client)
{
    for (;;) {
        struct transaction *transaction = transaction_current(client);
        if (transaction == NULL || !write_next(client, transaction))
            return;
    }
}

void client_write(struct deliver_client *client)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state == CLIENT_READY)
        write_transactions(client);
    if (client->state == CLIENT_READY && client->is_quitting && client->under_way == 0) {
        client_send(client, STR("QUIT\r\n"));
        client_enter(client, CLIENT_QUIT);
    }
    client_flush(client);
    content_ask(client);
}
