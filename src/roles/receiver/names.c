/* SPDX-License-Identifier: ISC */
/* names.c: finds out the clients' reverse names.
 *
 * The session goes on without the name if it does not come in time; see
 * verify/client_name.h for when a name is believed.
 */
#include "roles/receiver/receiver.h"
#include "verify/client_name.h"

static void tell(struct connection *connection, struct str name)
{
    if (connection->is_over)
        return;
    receive_client_name(connection->session, name, loop_now(connection->receiver->process->loop));
    receiver_touch(connection);
}

static void go_on(struct connection *connection)
{
    struct dns_question question;
    struct buf room = { 0 };
    struct str name;

    while (!client_name_decide(connection->client, &connection->names, &room, &name, &question)) {
        const struct dns_answer *answer = receiver_dns_find(connection->receiver, question);
        if (answer == NULL) {
            receiver_dns_ask(connection->receiver, &connection->name_lookup, question);
            buf_fini(&room);
            return;
        }
        dns_answers_add(&connection->names, question, answer);
    }
    tell(connection, name);
    buf_fini(&room);
}

static void on_answer(struct lookup *lookup, const struct dns_answer *answer)
{
    struct connection *connection = container_of(lookup, struct connection, name_lookup);

    dns_answers_add(&connection->names, lookup->question, answer);
    go_on(connection);
}

void receiver_name_ask(struct connection *connection)
{
    connection->name_lookup.answered = on_answer;
    go_on(connection);
}

void receiver_name_forget(struct connection *connection)
{
    receiver_dns_forget(&connection->name_lookup);
    dns_answers_fini(&connection->names);
}
