/* SPDX-License-Identifier: ISC */
/* client.h: one SMTP conversation in which we are the client (RFC 5321).
 *
 * A state machine over bytes, as receive/session.h is. The connection is already
 * there; the host (the deliverer role, a test, a fuzzer) moves the bytes. Several
 * messages may be under way at once; each recipient of each is settled by its own
 * reply (SPEC P10):
 *
 *   CHUNKING and PIPELINING   RSET MAIL RCPT… BDAT LAST+content of up to 8 messages
 *   PIPELINING alone          MAIL RCPT… DATA together; the next message's MAIL RCPT…
 *                             DATA travel with this one's content and final dot
 *   neither                   one command at a time
 *
 * Between pipelined BDAT messages stands RSET: were all recipients of one message
 * refused, some servers keep its MAIL FROM, and the next message would go out
 * under the wrong sender.
 */
#pragma once

#include "base/clock.h"
#include "mail/envelope.h"
#include "mail/verdict.h"

struct deliver_client;

enum smtp_extension {
    EXTENSION_PIPELINING = 1 << 0,
    EXTENSION_CHUNKING = 1 << 1,
    EXTENSION_8BITMIME = 1 << 2,
    EXTENSION_SIZE = 1 << 3,
    EXTENSION_STARTTLS = 1 << 4,
    EXTENSION_SMTPUTF8 = 1 << 5,
    EXTENSION_DSN = 1 << 6,
    EXTENSION_ENHANCEDSTATUSCODES = 1 << 7,
    EXTENSION_REQUIRETLS = 1 << 8,
    EXTENSION_XCLIENT = 1 << 9,
    EXTENSION_BINARYMIME = 1 << 10,
    EXTENSION_LIMITS = 1 << 11,
};

struct deliver_greeting { /* what the server said of itself */
    unsigned extensions;
    uint64_t size_max;       /* 0: unsaid or unlimited */
    uint32_t recipients_max; /* per transaction, RFC 9422 RCPTMAX; 0: unsaid */
    uint32_t messages_max;   /* per connection, RFC 9422 MAILMAX; 0: unsaid */
    struct str name;         /* from its EHLO reply; lives during the call */
};

enum { DELIVER_WINDOW_MESSAGES = 8, DELIVER_RECIPIENTS_MAX = 100 };

enum deliver_close {
    DELIVER_CLOSED_QUIT,      /* as asked for */
    DELIVER_CLOSED_REFUSED,   /* the banner, EHLO or a 421 said no */
    DELIVER_CLOSED_LOST,      /* reset or end of stream */
    DELIVER_CLOSED_TIMEOUT,   /* nothing came in time */
    DELIVER_CLOSED_PROTOCOL,  /* what came was no SMTP, or out of step */
};

struct deliver_host {
    void (*send)(void *context, struct str bytes);
    /* The server is ready for mail; `window` messages may be under way at once. */
    void (*ready)(void *context, const struct deliver_greeting *greeting, unsigned window);
    /* The message's fate is known: one verdict per recipient of deliver_message(), in its order.
     * `in_doubt`: the content was sent whole and no answer came: it may have been taken. */
    void (*result)(void *context, struct message_id id, const struct verdict *verdict,
                   uint32_t count, bool in_doubt);
    /* Content of the message is wanted from `offset` on; feed it with deliver_content(). */
    void (*want_content)(void *context, struct message_id id, uint64_t offset, size_t size);
    /* The conversation is over; nothing follows. Messages under way got their result before, those
     * not begun as FATE_DEFER with in_doubt false. */
    void (*closed)(void *context, enum deliver_close how, const struct verdict *verdict);
};

struct deliver_settings { /* outlives the client */
    struct str hostname; /* for EHLO */
    int64_t greeting_timeout_ms; /* banner and EHLO; 5 min, probes 10 s */
    int64_t command_timeout_ms;  /* MAIL, RCPT; 5 min */
    int64_t data_timeout_ms;     /* DATA; 2 min */
    int64_t block_timeout_ms;    /* content that is not taken; 3 min */
    int64_t final_timeout_ms;    /* after the final dot; 10 min */
};

struct delivery { /* one message for some of its recipients; copied */
    struct message_id id;
    struct str sender;
    const struct recipient *recipient; /* at most DELIVER_RECIPIENTS_MAX */
    uint32_t recipient_count;
    uint64_t size; /* octets of content, exact */
    enum body_type body_type;
    uint8_t flags; /* enum envelope_flag */
    struct str envelope_id;
    uint8_t ret;
};

struct deliver_client *deliver_new(const struct deliver_settings *settings,
                                   const struct deliver_host *host, void *context,
                                   struct now now);
void deliver_free(struct deliver_client *client);

void deliver_feed(struct deliver_client *client, struct str bytes, struct now now);
void deliver_end(struct deliver_client *client, struct now now); /* the peer closed or reset */
/* The socket took everything that was sent up to now (resets the block timeout, asks for more). */
void deliver_drained(struct deliver_client *client, struct now now);

void deliver_message(struct deliver_client *client, const struct delivery *delivery,
                     struct now now); /* after ready(), at most `window` at once */
void deliver_content(struct deliver_client *client, struct message_id id, struct str bytes,
                     struct now now);
/* The content cannot be had (store error): the message is given up without harm to the peer, which
 * may mean closing the connection in the middle. Its result is FATE_DEFER. */
void deliver_content_failed(struct deliver_client *client, struct message_id id, struct now now);
/* QUIT when what is under way is done. */
void deliver_quit(struct deliver_client *client, struct now now);
bool deliver_is_idle(const struct deliver_client *client); /* ready, nothing under way */

int64_t deliver_deadline(const struct deliver_client *client);
void deliver_tick(struct deliver_client *client, struct now now);
