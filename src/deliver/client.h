/* SPDX-License-Identifier: ISC */
/* client.h: one SMTP conversation in which we are the client (RFC 5321).
 *
 * A state machine over bytes, as receive/session.h is. The connection is already
 * there; the host (the deliverer role, a test, a fuzzer) moves the bytes. Several
 * messages may be under way at once; each recipient of each is settled by its own
 * reply (SPEC P10):
 *
 *   CHUNKING and PIPELINING   RSET MAIL RCPT… BDAT+content of up to 8 messages
 *   PIPELINING alone          MAIL RCPT… DATA together; the next message's MAIL RCPT…
 *                             DATA travel with this one's content and final dot
 *   neither                   one command at a time
 *
 * A message with an origin goes to a server that takes XCLIENT under its client's name: XCLIENT and
 * EHLO come before it, in lock step, and one message at a time. Where the server refuses, it goes
 * without; but never under the name of the message before it: then it is not tried, and the
 * conversation ends.
 *
 * Between pipelined BDAT messages stands RSET: were all recipients of one message
 * refused, some servers keep its MAIL FROM, and the next message would go out
 * under the wrong sender.
 *
 * Rules for the host
 *   - Calls into the client never nest: a host function must not call back.
 *   - It buffers what it is given to send. When the socket has taken all of it, it
 *     calls deliver_drained(), every time; only then is more of a large content asked for.
 *   - It answers each want_content() with all the octets that were asked for, in as
 *     many calls as it likes, or with deliver_content_failed().
 *   - After closed() it frees the client at the end of its turn.
 *
 * Where TLS is wanted, and the server offers it, STARTTLS follows EHLO (RFC 3207), and EHLO again;
 * where it is demanded, nothing but EHLO and STARTTLS is said in the clear.
 *
 * Content goes to a server without 8BITMIME in its 7-bit form (wire/to_7bit.h): it is asked for
 * once to be looked at, before MAIL, and once to be sent. What the server's offers rule out
 * (SMTPUTF8, REQUIRETLS, content that has no 7-bit form) is refused here, as STAGE_OURS.
 *
 * What is promised to the host
 *   1  every message of deliver_message() gets one result, before closed()
 *   2  closed() comes once, and nothing after it
 *   3  a recipient is reported as accepted only if the server took the whole content for it
 *   4  a recipient that was not tried is reported as 452 4.5.3: it goes back to the scheduler
 *      without harm to anyone's score (the server's own 452 4.5.3 means the same); as STAGE_OURS
 *      where the conversation takes no more messages
 *   5  of a callout, accepted means accepted at RCPT; DATA is never said
 */
#pragma once

#include "base/clock.h"
#include "mail/envelope.h"
#include "mail/verdict.h"
#include "wire/smtp_greeting.h"
#include "wire/xclient.h"

struct deliver_client;

enum { DELIVER_WINDOW_MESSAGES = 8, DELIVER_RECIPIENTS_MAX = 100 };

enum deliver_close {
    DELIVER_CLOSED_QUIT,     /* as asked for */
    DELIVER_CLOSED_REFUSED,  /* the banner, EHLO or a 421 said no */
    DELIVER_CLOSED_LOST,     /* reset or end of stream */
    DELIVER_CLOSED_TIMEOUT,  /* nothing came in time */
    DELIVER_CLOSED_PROTOCOL, /* what came was no SMTP, or out of step */
    DELIVER_CLOSED_INSECURE, /* TLS was demanded, and is not to be had */
    DELIVER_CLOSED_INTERNAL, /* content could not be had, and there was no other way out of DATA */
};

struct deliver_host {
    void (*send)(void *context, struct str bytes);
    /* The server is ready for mail; `window` messages may be under way at once. Not called if
     * deliver_quit() came before. The greeting's name lives during the call. */
    void (*ready)(void *context, const struct smtp_greeting *greeting, unsigned window);
    /* The message's fate is known: one verdict per recipient of deliver_message(), in its order.
     * `in_doubt`: the content was sent whole and no answer came: it may have been taken by those
     * who are deferred here. */
    void (*result)(void *context, struct message_id id, const struct verdict *verdict,
                   uint32_t count, bool in_doubt);
    /* `size` octets of the message's content are wanted from `offset` on; feed them with
     * deliver_content(). */
    void (*want_content)(void *context, struct message_id id, uint64_t offset, size_t size);
    /* The conversation is over; nothing follows. Messages under way got their result before, those
     * not begun as FATE_DEFER with in_doubt false. The verdict is the server's last word, or ours
     * on what went wrong. */
    void (*closed)(void *context, enum deliver_close how, const struct verdict *verdict);
    /* What was sent is out; the handshake is due. Then deliver_secured(); if it fails, the host
     * frees the client. */
    void (*start_tls)(void *context);
};

enum deliver_tls {
    DELIVER_TLS_NO,
    DELIVER_TLS_MAY,  /* if it is offered */
    DELIVER_TLS_MUST, /* or nothing is said */
    DELIVER_TLS_ON,   /* it is there already */
};

struct deliver_settings {        /* outlives the client */
    struct str hostname;         /* for EHLO */
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
    const struct xclient *origin; /* whose message it is, for a server that takes XCLIENT; NULL:
                                   * ours, or nobody is to know */
    bool is_callout; /* no message: asks about its recipients, and takes it back (RSET); size 0 */
};

struct deliver_client *deliver_new(const struct deliver_settings *settings,
                                   const struct deliver_host *host, void *context,
                                   enum deliver_tls tls, struct now now);
/* Before anything else: messages will have origins. */
void deliver_use_origins(struct deliver_client *client);
/* Before deliver_secured(), or before anything else where TLS is on: the server has shown who it
 * is, so that it may have mail that wants TLS all the way (RFC 8689 4.2.1). */
void deliver_trust(struct deliver_client *client);
void deliver_free(struct deliver_client *client);

void deliver_feed(struct deliver_client *client, struct str bytes, struct now now);
void deliver_end(struct deliver_client *client, struct now now); /* the peer closed or reset */
/* The handshake is done. */
void deliver_secured(struct deliver_client *client, struct now now);
/* The socket took everything that was sent up to now (resets the block timeout, asks for more). */
void deliver_drained(struct deliver_client *client, struct now now);

/* After ready(), at most `window` at once. What the server is known to refuse is not sent: the
 * result comes during the call (552 too large, 553 needs SMTPUTF8 …; 452 4.5.3 not tried, when the
 * connection takes no more). */
void deliver_message(struct deliver_client *client, const struct delivery *delivery,
                     struct now now);
/* Octets of the content from `offset` on. What is here already, or belongs to a message that has
 * been settled, is skipped, so an answer that comes late or twice does no harm. */
void deliver_content(struct deliver_client *client, struct message_id id, uint64_t offset,
                     struct str bytes, struct now now);
/* The content cannot be had (store error): the message is given up without harm to the peer, which
 * may mean closing the connection in the middle of DATA. Its result is FATE_DEFER. */
void deliver_content_failed(struct deliver_client *client, struct message_id id, struct now now);
/* QUIT when what is under way is done; messages that come after this are not tried. */
void deliver_quit(struct deliver_client *client, struct now now);
bool deliver_is_idle(const struct deliver_client *client); /* ready, nothing under way */

int64_t deliver_deadline(const struct deliver_client *client);
void deliver_tick(struct deliver_client *client, struct now now);
