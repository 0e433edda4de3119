/* SPDX-License-Identifier: ISC */
/* plain.c: content for a server that takes 7 bits alone, or lines alone (wire/to_7bit.h).
 *
 *     LOOK --fine as it is, or it can be converted--> where writing begins
 *       \--it cannot be-----------------------------> DONE, refused by ourselves
 *
 * Whether a message has octets above 127 is nobody's business as long as servers offer 8BITMIME, as
 * nearly all do. So it is found out here, where it matters: the content is asked for twice.
 */
#include "deliver/conversation.h"

static bool takes_as_it_is(const struct deliver_client *client, const struct delivery *delivery)
{
    unsigned offered = client->greeting.extensions;

    if (delivery->body_type == BODY_BINARYMIME)
        return (offered & EXTENSION_BINARYMIME) && client->is_chunking;
    return (offered & EXTENSION_8BITMIME) != 0;
}

void plain_begin(const struct deliver_client *client, struct transaction *transaction)
{
    const struct delivery *delivery = &transaction->delivery;

    if (delivery->is_callout || delivery->size == 0 || takes_as_it_is(client, delivery))
        return;
    unsigned flags = delivery->body_type == BODY_BINARYMIME ? TO_7BIT_HAS_OCTETS : 0;
    if (client->greeting.extensions & EXTENSION_8BITMIME)
        flags |= TO_7BIT_TAKES_HIGH;
    transaction->plain = to_7bit_new(flags);
    transaction->step = WRITE_LOOK;
}

bool plain_wait(struct deliver_client *client, struct transaction *transaction)
{
    (void)client;
    (void)transaction;
    return false;
}

static void let_go(struct transaction *transaction)
{
    to_7bit_free(transaction->plain);
    transaction->plain = NULL;
}

/* RFC 6152 3: converted, or returned. */
static void refuse(const struct deliver_client *client, struct transaction *transaction)
{
    bool is_8bit = (client->greeting.extensions & EXTENSION_8BITMIME) != 0;

    transaction->outcome = verdict_format(
        554, 6, 3, "The server takes %s, and this cannot be made such: %s",
        is_8bit ? "mail in lines only" : "7-bit mail only", to_7bit_why(transaction->plain));
    transaction->outcome.stage = STAGE_OURS;
    transaction->step = WRITE_DONE;
}

static void end_look(struct deliver_client *client, struct transaction *transaction)
{
    enum to_7bit_finding found = to_7bit_found(transaction->plain);

    transaction->here = transaction->asked = transaction->sent = 0;
    transaction->step = WRITE_RSET;
    if (found == TO_7BIT_IMPOSSIBLE)
        refuse(client, transaction);
    if (found != TO_7BIT_CONVERTS)
        let_go(transaction);
    bool is_8bit = (client->greeting.extensions & EXTENSION_8BITMIME) != 0;
    transaction->delivery.body_type = is_8bit ? BODY_8BITMIME : BODY_7BIT;
    transaction_settle_if_done(client, transaction);
}

void plain_look(struct deliver_client *client, struct transaction *transaction, struct str bytes)
{
    to_7bit_look(transaction->plain, bytes);
    transaction->sent = transaction->here;
    if (transaction->here == transaction->delivery.size)
        end_look(client, transaction);
}
