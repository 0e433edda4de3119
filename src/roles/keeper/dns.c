/* SPDX-License-Identifier: ISC */
/* dns.c: the keeper's questions to the DNS, of whoever in it has one.
 *
 * Without a resolver a question waits for the next one, which is asked all that the one before it
 * did not answer.
 */
#include "roles/keeper/keeper.h"

static struct str ticket_key(const uint64_t *ticket)
{
    return str_of(ticket, sizeof *ticket);
}

static void send_question(struct keeper *keeper, const struct keeper_question *question)
{
    struct channel *resolver = keeper_resolver(keeper);

    if (resolver != NULL)
        channel_send(resolver, dns_ask, .ticket = question->ticket, .name = question->question.name,
                     .type = question->question.type);
}

void keeper_dns_ask(struct keeper *keeper, struct keeper_question *question,
                    struct dns_question asked)
{
    buf_reset(&question->name);
    buf_add(&question->name, asked.name);
    question->question =
        (struct dns_question){ .name = buf_str(&question->name), .type = asked.type };
    question->ticket = ++keeper->last_ticket;
    (void)map_put(&keeper->questions, ticket_key(&question->ticket), question);
    send_question(keeper, question);
}

void keeper_dns_forget(struct keeper *keeper, struct keeper_question *question)
{
    if (question->ticket != 0)
        (void)map_remove(&keeper->questions, ticket_key(&question->ticket));
    question->ticket = 0;
    buf_fini(&question->name);
}

bool keeper_resolver_message(struct keeper *keeper, enum message_type type, struct cursor payload)
{
    struct message_dns_answer message;
    struct dns_answer answer;
    struct arena arena = { 0 };

    if (type != MESSAGE_dns_answer || !message_get_dns_answer(payload, &message))
        return false;
    struct cursor cursor = cursor_over(message.answer);
    bool decoded = dns_answer_decode(&cursor, &arena, &answer) && cursor_done(&cursor);
    struct keeper_question *question =
        decoded ? map_remove(&keeper->questions, ticket_key(&message.ticket)) : NULL;
    if (question != NULL) {
        question->ticket = 0;
        question->answered(question, &answer);
    }
    arena_fini(&arena);
    return decoded;
}

void keeper_resolver_came(struct keeper *keeper)
{
    const struct keeper_question *question;
    size_t cursor = 0;

    while ((question = map_next(&keeper->questions, &cursor, NULL)) != NULL)
        send_question(keeper, question);
}
