/* SPDX-License-Identifier: ISC */
/* deadline.c: how long to wait for what (RFC 5321 4.5.3.2).
 *
 * One clock for the whole conversation: it starts again whenever something goes
 * forward (a complete reply, content from the host, the socket empty again), and
 * runs out by the patience for what is due next. Half a reply is no progress, so a
 * server that drips octets gains nothing.
 */
#include "deliver/conversation.h"

enum { QUIT_TIMEOUT_MS = 2 * SECOND_MS }; /* politeness, no more */

struct patience {
    int64_t ms;       /* NEVER_MS: nothing is due */
    const char *what; /* is waited for */
};

static struct patience patience_for_reply(const struct deliver_settings *settings,
                                          enum expected_kind kind)
{
    switch (kind) {
    case EXPECTED_ORIGIN:
        return (struct patience){ settings->command_timeout_ms, "the reply to XCLIENT" };
    case EXPECTED_HELLO:
        return (struct patience){ settings->greeting_timeout_ms, "the reply to EHLO" };
    case EXPECTED_RSET:
        return (struct patience){ settings->command_timeout_ms, "the reply to RSET" };
    case EXPECTED_MAIL:
        return (struct patience){ settings->command_timeout_ms, "the reply to MAIL" };
    case EXPECTED_RCPT:
        return (struct patience){ settings->command_timeout_ms, "the reply to RCPT" };
    case EXPECTED_DATA:
        return (struct patience){ settings->data_timeout_ms, "the reply to DATA" };
    case EXPECTED_CHUNK:
        return (struct patience){ settings->block_timeout_ms, "the reply to BDAT" };
    case EXPECTED_FINAL:
    case EXPECTED_IGNORED:
        break;
    }
    return (struct patience){ settings->final_timeout_ms, "the reply to the end of content" };
}

static struct patience patience_when_ready(const struct deliver_client *client)
{
    const struct expected *first = expected_first(&client->expected);

    if (client->under_way == 0)
        return (struct patience){ NEVER_MS, "mail" };
    if (client->unsent > 0)
        return (struct patience){ client->settings->block_timeout_ms, "the server to read on" };
    if (first == NULL)
        return (struct patience){ client->settings->block_timeout_ms, "content to send" };
    return patience_for_reply(client->settings, first->kind);
}

static struct patience patience_of(const struct deliver_client *client)
{
    switch (client->state) {
    case CLIENT_BANNER:
        return (struct patience){ client->settings->greeting_timeout_ms, "the banner" };
    case CLIENT_EHLO:
    case CLIENT_HELO:
        return (struct patience){ client->settings->greeting_timeout_ms, "the reply to EHLO" };
    case CLIENT_STARTTLS:
        return (struct patience){ client->settings->greeting_timeout_ms, "the reply to STARTTLS" };
    case CLIENT_SECURING:
        return (struct patience){ client->settings->greeting_timeout_ms, "the TLS handshake" };
    case CLIENT_READY:
        return patience_when_ready(client);
    case CLIENT_QUIT:
        return (struct patience){ QUIT_TIMEOUT_MS, "the reply to QUIT" };
    case CLIENT_CLOSED:
        break;
    }
    return (struct patience){ NEVER_MS, "nothing" };
}

int64_t deliver_deadline(const struct deliver_client *client)
{
    struct patience patience = patience_of(client);

    return patience.ms == NEVER_MS ? NEVER_MS : client->progress_ms + patience.ms;
}

void deliver_tick(struct deliver_client *client, struct now now)
{
    if (now.mono_ms < deliver_deadline(client))
        return;
    client_close(client, DELIVER_CLOSED_TIMEOUT,
                 verdict_format(421, 4, 2, "Timed out waiting for %s", patience_of(client).what));
}
