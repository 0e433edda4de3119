/* SPDX-License-Identifier: ISC */
/* reply.c: the reading hand: what each reply means for its message.
 *
 * Replies answer commands in order. One that does not fit the command it must
 * answer, or answers none, means that we no longer know what the server is talking
 * about: the conversation ends, and what was sent whole is in doubt. 421 ends it
 * whenever it comes (RFC 5321 3.8); as the answer to content it says that this
 * content was not taken.
 */
#include "deliver/conversation.h"

static bool is_positive(const struct smtp_reply *reply)
{
    return reply->code / 100 == 2;
}

/* The first refusal counts; what follows it is only its echo. */
static void set_outcome(struct transaction *transaction, const struct smtp_reply *reply,
                        enum stage stage)
{
    if (transaction->outcome.code != 0)
        return;
    transaction->outcome = smtp_reply_verdict(reply);
    transaction->outcome.stage = (uint8_t)stage;
}

static void close_out_of_step(struct deliver_client *client, const struct smtp_reply *reply)
{
    client_close(client, DELIVER_CLOSED_PROTOCOL,
                 verdict_format(451, 5, 0, "The server's reply is out of step: %u %.*s",
                                (unsigned)reply->code, STR_FMT(str_first(reply->text, 80))));
}

static void take_rset(struct deliver_client *client, const struct expected *expected,
                      const struct smtp_reply *reply)
{
    (void)expected;
    /* The commands behind it rely on it. */
    if (!is_positive(reply))
        close_out_of_step(client, reply);
}

static void take_mail(struct deliver_client *client, const struct expected *expected,
                      const struct smtp_reply *reply)
{
    (void)client;
    if (!is_positive(reply))
        set_outcome(expected->transaction, reply, STAGE_SENDER);
}

static bool says_too_many(struct str text)
{
    for (; text.len > 0; text = str_skip(text, 1))
        if (str_starts_nocase(text, STR("too many recipients")))
            return true;
    return false;
}

/* Servers that go by RFC 821 say 552 of recipients who are too many, which is no last word on them
 * (RFC 5321 4.5.3.1.10): the next message takes them. */
static struct verdict rcpt_verdict(const struct transaction *transaction,
                                   const struct smtp_reply *reply)
{
    struct verdict verdict = smtp_reply_verdict(reply);
    bool is_too_many = (reply->enhanced[1] == 5 && reply->enhanced[2] == 3) ||
                       (reply->enhanced[0] == 0 && says_too_many(reply->text));

    if (reply->code == 552 && transaction->taken > 0 && is_too_many)
        return verdict_make(452, 5, 3, verdict_text(&verdict));
    return verdict;
}

static void take_rcpt(struct deliver_client *client, const struct expected *expected,
                      const struct smtp_reply *reply)
{
    struct transaction *transaction = expected->transaction;

    (void)client;
    transaction->answered++;
    if (is_positive(reply))
        transaction->taken++;
    if ((!is_positive(reply) || transaction->delivery.is_callout) &&
        transaction->outcome.code == 0) {
        transaction->verdict[expected->recipient] = rcpt_verdict(transaction, reply);
        /* Postfix says of a sender only here what it thinks of him. */
        transaction->verdict[expected->recipient].stage =
            verdict_is_about_sender(&transaction->verdict[expected->recipient]) ? STAGE_SENDER
                                                                                : STAGE_RECIPIENT;
    }
}

/* 354 where there is nobody to write to: a lone dot ends it, and nothing is sent to anyone (RFC
 * 2920 3.1). Where somebody would get the empty message, only closing helps. */
static void withdraw_data(struct deliver_client *client, struct transaction *transaction,
                          const struct smtp_reply *reply)
{
    if (transaction->taken == 0) {
        client_send(client, STR(".\r\n"));
        client_expect(client, transaction, EXPECTED_IGNORED, 0);
        transaction->step = WRITE_DONE;
    } else if (transaction->is_lost) {
        client_close(client, DELIVER_CLOSED_INTERNAL, transaction->outcome);
    } else {
        close_out_of_step(client, reply);
    }
}

static void take_data(struct deliver_client *client, const struct expected *expected,
                      const struct smtp_reply *reply)
{
    struct transaction *transaction = expected->transaction;

    if (reply->code / 100 != 3) {
        set_outcome(transaction, reply, STAGE_CONTENT);
        transaction->step = WRITE_DONE;
        return;
    }
    transaction->is_granted = true;
    if (transaction_is_hopeless(transaction))
        withdraw_data(client, transaction, reply);
}

static void take_chunk(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply)
{
    (void)client;
    if (!is_positive(reply))
        set_outcome(expected->transaction, reply, STAGE_CONTENT);
}

static void take_final(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply)
{
    set_outcome(expected->transaction, reply, STAGE_CONTENT);
    /* Nothing was written behind the content, and it was taken: no transaction is open. */
    if (is_positive(reply) && client->expected.count == 0)
        client->is_clear = true;
}

static void take_ignored(struct deliver_client *client, const struct expected *expected,
                         const struct smtp_reply *reply)
{
    (void)client;
    (void)expected;
    (void)reply;
}

#define CLASS(digit) (1u << (digit))

static const struct rule {
    unsigned classes; /* first digits that may answer it; RFC 5321 4.3.2 */
    void (*take)(struct deliver_client *client, const struct expected *expected,
                 const struct smtp_reply *reply);
} rules[] = {
    [EXPECTED_ORIGIN] = { CLASS(2) | CLASS(4) | CLASS(5), origin_take_reply },
    [EXPECTED_HELLO] = { CLASS(2) | CLASS(4) | CLASS(5), origin_take_hello },
    [EXPECTED_RSET] = { CLASS(2) | CLASS(4) | CLASS(5), take_rset },
    [EXPECTED_MAIL] = { CLASS(2) | CLASS(4) | CLASS(5), take_mail },
    [EXPECTED_RCPT] = { CLASS(2) | CLASS(4) | CLASS(5), take_rcpt },
    [EXPECTED_DATA] = { CLASS(3) | CLASS(4) | CLASS(5), take_data },
    [EXPECTED_CHUNK] = { CLASS(2) | CLASS(4) | CLASS(5), take_chunk },
    [EXPECTED_FINAL] = { CLASS(2) | CLASS(4) | CLASS(5), take_final },
    [EXPECTED_IGNORED] = { CLASS(2) | CLASS(4) | CLASS(5), take_ignored },
};

static void close_on_421(struct deliver_client *client, const struct smtp_reply *reply)
{
    const struct expected *first = expected_first(&client->expected);

    if (first != NULL && (first->kind == EXPECTED_FINAL || first->kind == EXPECTED_CHUNK))
        set_outcome(first->transaction, reply, STAGE_CONTENT);
    client_close(client, DELIVER_CLOSED_REFUSED, smtp_reply_verdict(reply));
}

/* With CHUNKING a refused message can be left between any two chunks; with DATA only before DATA
 * has been written. */
static void stop_if_hopeless(const struct deliver_client *client, struct transaction *transaction)
{
    if (!client->is_chunking && transaction->step == WRITE_CONTENT)
        return;
    if (transaction_is_hopeless(transaction) && transaction->step != WRITE_BACK)
        transaction->step = WRITE_DONE;
}

void client_take_reply(struct deliver_client *client, const struct smtp_reply *reply)
{
    const struct expected *first = expected_first(&client->expected);

    if (reply->code == 421) {
        close_on_421(client, reply);
        return;
    }
    if (first == NULL || !(rules[first->kind].classes & CLASS(reply->code / 100))) {
        close_out_of_step(client, reply);
        return;
    }
    struct expected expected = expected_take(&client->expected);
    expected.transaction->replies_due--;
    rules[expected.kind].take(client, &expected, reply);
    if (client->state == CLIENT_CLOSED)
        return;
    stop_if_hopeless(client, expected.transaction);
    transaction_settle_if_done(client, expected.transaction);
}
