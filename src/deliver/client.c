/* SPDX-License-Identifier: ISC */
/* client.c: the connection: from the banner to the end.
 *
 *     BANNER -> EHLO -> READY -> QUIT -> CLOSED       (any -> CLOSED)
 *               ^ |\-> HELO -^
 *               | \-> STARTTLS -> SECURING
 *               '-----------------'
 *
 *   BANNER -> EHLO    take_banner()    220
 *   EHLO -> HELO      take_ehlo()      5yz: a server older than EHLO
 *   EHLO -> STARTTLS  take_ehlo()      it is offered, and wanted
 *   … -> SECURING     take_starttls()  220
 *   SECURING -> EHLO  deliver_secured()
 *   … -> READY        become_ready()
 *   READY -> QUIT     client_write()   asked to, or MAILMAX reached; nothing under way
 *   … -> CLOSED       client_close()
 *
 * What ends the connection after QUIT is of no interest.
 */
#include "deliver/conversation.h"

#include "base/check.h"
#include "base/memory.h"

enum {
    SEND_DIRECTLY_MIN = 4096, /* from here on a call to the host costs less than a copy */
    WINDOW_PIPELINING = 4,    /* one in flight, one behind it, two on their way from the store */
    WINDOW_LOCK_STEP = 2,     /* one in flight, one on its way from the store */
};

void client_flush(struct deliver_client *client)
{
    if (client->out.len == 0)
        return;
    client->unsent += client->out.len;
    client->host->send(client->context, buf_str(&client->out));
    buf_reset(&client->out);
}

void client_send(struct deliver_client *client, struct str bytes)
{
    if (bytes.len < SEND_DIRECTLY_MIN) {
        buf_add(&client->out, bytes);
        return;
    }
    client_flush(client);
    client->unsent += bytes.len;
    client->host->send(client->context, bytes);
}

#define IN(state) (1u << (state))

void client_enter(struct deliver_client *client, enum client_state next)
{
    static const unsigned successors[] = {
        [CLIENT_BANNER] = IN(CLIENT_EHLO) | IN(CLIENT_CLOSED),
        [CLIENT_EHLO] =
            IN(CLIENT_HELO) | IN(CLIENT_STARTTLS) | IN(CLIENT_READY) | IN(CLIENT_CLOSED),
        [CLIENT_STARTTLS] = IN(CLIENT_SECURING) | IN(CLIENT_READY) | IN(CLIENT_CLOSED),
        [CLIENT_SECURING] = IN(CLIENT_EHLO) | IN(CLIENT_CLOSED),
        [CLIENT_HELO] = IN(CLIENT_READY) | IN(CLIENT_CLOSED),
        [CLIENT_READY] = IN(CLIENT_QUIT) | IN(CLIENT_CLOSED),
        [CLIENT_QUIT] = IN(CLIENT_CLOSED),
        [CLIENT_CLOSED] = 0,
    };
    check(successors[client->state] & IN(next));
    client->state = next;
}

void client_close(struct deliver_client *client, enum deliver_close how, struct verdict verdict)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (client->state == CLIENT_QUIT) {
        how = DELIVER_CLOSED_QUIT;
        verdict = verdict_make(221, 0, 0, STR("Closed"));
    }
    client_enter(client, CLIENT_CLOSED);
    expected_reset(&client->expected);
    transaction_settle_all(client, &verdict);
    client->host->closed(client->context, how, &verdict);
}

static void say(struct deliver_client *client, struct str verb)
{
    client_send(client, verb);
    client_send(client, client->settings->hostname);
    client_send(client, STR("\r\n"));
}

/* The server does not want to talk to us. 421 closes by itself, others wait for QUIT (RFC 5321
 * 3.1). */
static void close_refused(struct deliver_client *client, const struct smtp_reply *reply)
{
    if (reply->code != 421) {
        client_send(client, STR("QUIT\r\n"));
        client_flush(client);
    }
    client_close(client, DELIVER_CLOSED_REFUSED, smtp_reply_verdict(reply));
}

static bool is_refusal(const struct smtp_reply *reply)
{
    return reply->code >= 400;
}

static bool is_welcome(struct deliver_client *client, const struct smtp_reply *reply)
{
    if (reply->code / 100 == 2)
        return true;
    if (is_refusal(reply))
        close_refused(client, reply);
    else
        client_close(client, DELIVER_CLOSED_PROTOCOL,
                     verdict_format(451, 5, 0, "The server greets with %u", (unsigned)reply->code));
    return false;
}

static unsigned window_of(const struct deliver_client *client)
{
    unsigned window = WINDOW_LOCK_STEP;

    if (client->is_pipelining)
        window = client->is_chunking ? DELIVER_WINDOW_MESSAGES : WINDOW_PIPELINING;
    if (client->greeting.messages_max > 0 && client->greeting.messages_max < window)
        window = client->greeting.messages_max;
    return origin_is_taken(client) ? 1 : window;
}

bool client_may_require_tls(const struct deliver_client *client)
{
    return client->tls == DELIVER_TLS_ON && client->is_trusted;
}

static void become_ready(struct deliver_client *client, struct smtp_greeting greeting)
{
    if (!client_may_require_tls(client)) /* whoever it is: it offers that in vain */
        greeting.extensions &= ~(unsigned)EXTENSION_REQUIRETLS;
    client->greeting = greeting;
    client->is_pipelining = greeting.extensions & EXTENSION_PIPELINING;
    client->is_chunking = greeting.extensions & EXTENSION_CHUNKING;
    client->is_clear = true;
    client->origin_attributes = greeting.xclient;
    client->window = window_of(client);
    client_enter(client, CLIENT_READY);
    if (!client->is_quitting)
        client->host->ready(client->context, &greeting, client->window);
    client->greeting.name = STR_NONE; /* belongs to the reply */
}

static void take_banner(struct deliver_client *client, const struct smtp_reply *reply)
{
    if (!is_welcome(client, reply))
        return;
    client_enter(client, CLIENT_EHLO);
    say(client, STR("EHLO "));
}

static void close_insecure(struct deliver_client *client, struct verdict verdict)
{
    client_send(client, STR("QUIT\r\n"));
    client_flush(client);
    client_close(client, DELIVER_CLOSED_INSECURE, verdict);
}

/* What the server offers is there; is it secure enough? */
static void take_greeting(struct deliver_client *client, struct smtp_greeting greeting)
{
    bool wants_tls = client->tls == DELIVER_TLS_MAY || client->tls == DELIVER_TLS_MUST;

    if (wants_tls && (greeting.extensions & EXTENSION_STARTTLS)) {
        client->greeting = greeting;
        buf_add(&client->name, greeting.name);
        client_enter(client, CLIENT_STARTTLS);
        client_send(client, STR("STARTTLS\r\n"));
    } else if (client->tls == DELIVER_TLS_MUST) {
        close_insecure(client, verdict_make(451, 7, 10, STR("The server does not offer STARTTLS")));
    } else {
        become_ready(client, greeting);
    }
}

static void take_ehlo(struct deliver_client *client, const struct smtp_reply *reply)
{
    if (reply->code >= 500 && client->tls == DELIVER_TLS_MUST) {
        close_insecure(client, verdict_make(451, 7, 10, STR("The server knows no STARTTLS")));
    } else if (reply->code >= 500) {
        client_enter(client, CLIENT_HELO);
        say(client, STR("HELO "));
    } else if (is_welcome(client, reply)) {
        take_greeting(client, smtp_greeting_parse(reply));
    }
}

/* One that offers it and then will not is as one that does not offer it. */
static void take_starttls(struct deliver_client *client, const struct smtp_reply *reply)
{
    struct smtp_greeting greeting = client->greeting;

    greeting.name = buf_str(&client->name);
    if (reply->code == 220) {
        client_enter(client, CLIENT_SECURING);
        client_flush(client);
        client->host->start_tls(client->context);
    } else if (client->tls == DELIVER_TLS_MUST) {
        close_insecure(client, verdict_format(451, 7, 10, "STARTTLS is refused: %u %.*s",
                                              (unsigned)reply->code, STR_FMT(reply->text)));
    } else if (reply->code == 421) {
        close_refused(client, reply);
    } else {
        become_ready(client, greeting);
    }
}

/* Nothing may come between the reply to STARTTLS and the handshake. */
static void take_too_early(struct deliver_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    client_close(client, DELIVER_CLOSED_PROTOCOL,
                 verdict_make(451, 5, 0, STR("The server speaks on after STARTTLS")));
}

void deliver_secured(struct deliver_client *client, struct now now)
{
    if (client->state != CLIENT_SECURING)
        return;
    client->progress_ms = now.mono_ms;
    client->tls = DELIVER_TLS_ON;
    client->greeting = (struct smtp_greeting){ 0 };
    client_enter(client, CLIENT_EHLO);
    say(client, STR("EHLO "));
    client_write(client);
}

static void take_helo(struct deliver_client *client, const struct smtp_reply *reply)
{
    struct smtp_reply first_line = *reply;

    if (!is_welcome(client, reply))
        return;
    ptrdiff_t end = str_find(first_line.text, '\n'); /* HELO announces nothing */
    if (end >= 0)
        first_line.text = str_first(first_line.text, (size_t)end);
    become_ready(client, smtp_greeting_parse(&first_line));
}

static void take_goodbye(struct deliver_client *client, const struct smtp_reply *reply)
{
    (void)reply;
    client_close(client, DELIVER_CLOSED_QUIT, verdict_make(221, 0, 0, STR("Closed")));
}

static void take(struct deliver_client *client, const struct smtp_reply *reply)
{
    static void (*const take_in[])(struct deliver_client *, const struct smtp_reply *) = {
        [CLIENT_BANNER] = take_banner,      [CLIENT_EHLO] = take_ehlo,
        [CLIENT_HELO] = take_helo,          [CLIENT_READY] = client_take_reply,
        [CLIENT_QUIT] = take_goodbye,       [CLIENT_STARTTLS] = take_starttls,
        [CLIENT_SECURING] = take_too_early,
    };
    take_in[client->state](client, reply);
}

void deliver_feed(struct deliver_client *client, struct str bytes, struct now now)
{
    struct smtp_reply reply;

    while (bytes.len > 0 && client->state != CLIENT_CLOSED) {
        if (client->state == CLIENT_SECURING) {
            take_too_early(client, NULL);
            break;
        }
        switch (smtp_reply_read(&client->reader, &bytes, &reply)) {
        case SMTP_REPLY_MORE:
            break;
        case SMTP_REPLY_DONE:
            client->progress_ms = now.mono_ms;
            take(client, &reply);
            break;
        case SMTP_REPLY_MALFORMED:
            client_close(client, DELIVER_CLOSED_PROTOCOL,
                         verdict_make(451, 5, 0, STR("The server's reply is no SMTP")));
            break;
        }
    }
    client_write(client);
}

void deliver_end(struct deliver_client *client, struct now now)
{
    (void)now;
    client_close(client, DELIVER_CLOSED_LOST, verdict_make(421, 4, 2, STR("Connection lost")));
}

void deliver_drained(struct deliver_client *client, struct now now)
{
    if (client->unsent > 0)
        client->progress_ms = now.mono_ms;
    client->unsent = 0;
    client_write(client);
}

void deliver_quit(struct deliver_client *client, struct now now)
{
    if (client->is_quitting)
        return;
    client->is_quitting = true;
    if (client->under_way == 0 && client->state == CLIENT_READY)
        client->progress_ms = now.mono_ms;
    client_write(client);
}

bool deliver_is_idle(const struct deliver_client *client)
{
    return client->state == CLIENT_READY && client->under_way == 0 && !client->is_quitting;
}

struct deliver_client *deliver_new(const struct deliver_settings *settings,
                                   const struct deliver_host *host, void *context,
                                   enum deliver_tls tls, struct now now)
{
    struct deliver_client *client = memory_new(sizeof *client);

    client->settings = settings;
    client->host = host;
    client->context = context;
    client->tls = tls;
    client->progress_ms = now.mono_ms;
    list_init(&client->transactions);
    list_init(&client->unused);
    for (size_t i = 0; i < DELIVER_WINDOW_MESSAGES; i++)
        list_append(&client->unused, &client->slot[i].link);
    return client;
}

void deliver_use_origins(struct deliver_client *client)
{
    client->uses_origins = true;
}

void deliver_trust(struct deliver_client *client)
{
    client->is_trusted = true;
}

void deliver_free(struct deliver_client *client)
{
    if (client == NULL)
        return;
    for (size_t i = 0; i < DELIVER_WINDOW_MESSAGES; i++) {
        arena_fini(&client->slot[i].arena);
        buf_fini(&client->slot[i].held);
        to_7bit_free(client->slot[i].plain);
    }
    expected_fini(&client->expected);
    smtp_reply_fini(&client->reader);
    buf_fini(&client->out);
    buf_fini(&client->name);
    buf_fini(&client->origin);
    memory_free(client);
}
