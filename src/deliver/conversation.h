/* SPDX-License-Identifier: ISC */
/* conversation.h: the client's inside. Only the files of this folder include it.
 *
 *   client.c       the connection: banner, EHLO, QUIT, the end
 *   deadline.c     how long to wait for what
 *   transaction.c  the messages: taken in, settled
 *   content.c      octets: asked for, kept until their turn, sent
 *   plain.c        content for a server that takes 7 bits: looked at, converted
 *   write.c        the next command, as far as the mode allows
 *   command.c      the text of MAIL and RCPT
 *   origin.c       XCLIENT: whose messages these are
 *   reply.c        what each reply means for its message
 *   expected.c     which replies are due
 *
 * Two hands work on every message. The writing hand (write.c) goes through the
 * steps of one transaction after the other and puts down, for each command, which
 * reply is due. The reading hand (reply.c) meets the replies in that order. When
 * the writing hand is done with a message and no reply is due to it any more, it
 * is settled.
 *
 * Invariants
 *   1  replies are due in the order in which their commands were written
 *   2  a transaction is in client->transactions while a reply is due to it
 *   3  MAIL is written only if the server, having worked off all that was written
 *      before, has no transaction open (client->is_clear)
 *   4  what belongs to a message is written after all of the message before it
 */
#pragma once

#include "base/list.h"
#include "deliver/client.h"
#include "wire/dot_stuff.h"
#include "wire/to_7bit.h"

enum client_state {
    CLIENT_BANNER,
    CLIENT_EHLO,
    CLIENT_HELO,
    CLIENT_STARTTLS,
    CLIENT_SECURING,
    CLIENT_READY,
    CLIENT_QUIT,
    CLIENT_CLOSED,
};

enum write_step {               /* what of a transaction is written next */
                  WRITE_LOOK,   /* nothing: the content is looked at first */
                  WRITE_ORIGIN, /* XCLIENT, one or more */
                  WRITE_HELLO,  /* EHLO, again */
                  WRITE_RSET,
                  WRITE_MAIL,
                  WRITE_RCPT,
                  WRITE_DATA,
                  WRITE_CONTENT,
                  WRITE_BACK, /* RSET, of a callout */
                  WRITE_DONE,
};

enum expected_kind { /* what a reply answers */
                     EXPECTED_ORIGIN,
                     EXPECTED_HELLO,
                     EXPECTED_RSET,
                     EXPECTED_MAIL,
                     EXPECTED_RCPT,
                     EXPECTED_DATA,
                     EXPECTED_CHUNK,   /* BDAT, not the last */
                     EXPECTED_FINAL,   /* BDAT LAST, or the final dot */
                     EXPECTED_IGNORED, /* the dot after a DATA that should have been refused */
};

struct transaction {
    struct link link;   /* in client->transactions or ->unused */
    struct arena arena; /* owns the strings of the delivery and the verdicts */
    struct delivery delivery;
    enum write_step step;
    uint32_t offered;        /* the first so many recipients are sent (RCPTMAX); at least one */
    uint32_t written;        /* RCPT commands */
    uint32_t answered;       /* RCPT replies */
    uint32_t taken;          /* recipients the server accepted */
    uint32_t replies_due;    /* of any kind */
    bool is_granted;         /* DATA was answered by 354 */
    bool is_lost;            /* its content cannot be had */
    bool is_whole;           /* all of the content and its end were sent */
    struct str origin;       /* XCLIENT commands; empty: none */
    struct str origin_left;  /* of those, not written yet */
    bool is_named;           /* one of them was taken */
    struct verdict *verdict; /* one per recipient; code 0: it shares `outcome` */
    struct verdict outcome;  /* code 0: not known yet */

    struct to_7bit *plain; /* NULL: content goes as it is */

    struct dot_stuff stuff;
    uint64_t asked;   /* octets of content asked for, … */
    uint64_t here;    /* … got from the host, … */
    uint64_t sent;    /* … and sent to the server, in this order */
    struct buf held;  /* what is here and not sent */
    struct str fresh; /* what comes with this very call; `held` is empty then */
};

struct expected {
    struct transaction *transaction;
    enum expected_kind kind;
    uint32_t recipient; /* RCPT: its index */
};

struct expected_queue { /* {0} is empty */
    struct expected *ring;
    size_t cap; /* a power of two, or 0 */
    size_t first;
    size_t count;
};

struct deliver_client {
    const struct deliver_settings *settings;
    const struct deliver_host *host;
    void *context;
    enum client_state state;
    int64_t progress_ms; /* when something last went forward */

    struct smtp_reply_reader reader;
    struct buf out; /* written, not yet handed to the host */
    size_t unsent;  /* octets handed to the host since its socket was last empty */

    struct smtp_greeting greeting; /* without the name … */
    struct buf name;               /* … which is kept until STARTTLS is answered */
    enum deliver_tls tls;
    bool is_trusted; /* who gets through the handshake */
    bool is_pipelining;
    bool is_chunking;
    bool is_quitting;
    bool is_clear; /* no transaction is open at the server after what has been written */
    unsigned window;
    unsigned under_way; /* transactions */
    uint32_t messages;  /* ever begun, for MAILMAX */
    bool uses_origins;
    unsigned origin_attributes; /* that XCLIENT took at first */
    struct buf origin;          /* the XCLIENT commands in force; empty: we speak for ourselves */
    bool has_no_origin;         /* the server has refused XCLIENT: it is not said again */

    struct link transactions; /* oldest first */
    struct link unused;
    struct transaction slot[DELIVER_WINDOW_MESSAGES];
    struct expected_queue expected;
};

/* client.c */
/* Small octets are gathered until the end of the turn, large ones handed through. */
void client_send(struct deliver_client *client, struct str bytes);
void client_flush(struct deliver_client *client);
/* Does it go on encrypted all the way (RFC 8689 4.2.1)? */
bool client_may_require_tls(const struct deliver_client *client);
void client_enter(struct deliver_client *client, enum client_state next);
/* Settles what is under way, tells the host, ends. Harmless when it has ended already. */
void client_close(struct deliver_client *client, enum deliver_close how, struct verdict verdict);

/* transaction.c */
struct transaction *transaction_find(struct deliver_client *client, struct message_id id);
/* The one the writing hand works on; NULL if all are written. */
struct transaction *transaction_current(struct deliver_client *client);
/* Does the server, by what it offers now, not take such a message? As STAGE_OURS. */
bool transaction_is_beyond(const struct deliver_client *client, const struct delivery *delivery,
                           struct verdict *out_verdict);
/* No recipient can get this message any more, whatever the server says next. */
bool transaction_is_hopeless(const struct transaction *transaction);
/* Tells the host if the message has come to its end. */
void transaction_settle_if_done(struct deliver_client *client, struct transaction *transaction);
/* Tells the host of every message that the connection is over. */
void transaction_settle_all(struct deliver_client *client, const struct verdict *verdict);

/* plain.c */
void plain_begin(const struct deliver_client *client, struct transaction *transaction);
/* Content that came while it is looked at; the last of it decides what becomes of the message. */
void plain_look(struct deliver_client *client, struct transaction *transaction, struct str bytes);
bool plain_wait(struct deliver_client *client, struct transaction *transaction); /* a write step */

/* content.c */
void content_ask(struct deliver_client *client);
/* Sends what is here of the current transaction, and its end. False if there is nothing to send. */
bool body_write(struct deliver_client *client, struct transaction *transaction);

/* write.c */
/* The end of every turn: writes what may be written, asks for content, says QUIT when it is time,
 * and hands everything to the host. */
void client_write(struct deliver_client *client);
void client_expect(struct deliver_client *client, struct transaction *transaction,
                   enum expected_kind kind, uint32_t recipient);

/* command.c */
void command_add_mail(struct buf *out, const struct delivery *delivery, unsigned extensions);
void command_add_rcpt(struct buf *out, const struct recipient *recipient, unsigned extensions);
void command_add_bdat(struct buf *out, size_t size, bool is_last);
/* Nothing in the delivery could end a command early or add to it. */
bool command_is_safe(const struct delivery *delivery);

/* reply.c */
void client_take_reply(struct deliver_client *client, const struct smtp_reply *reply);

/* expected.c */
void expected_fini(struct expected_queue *queue);
void expected_reset(struct expected_queue *queue);
void expected_add(struct expected_queue *queue, struct expected expected);
const struct expected *expected_first(const struct expected_queue *queue); /* NULL if none is */
struct expected expected_take(struct expected_queue *queue);

/* origin.c */
bool origin_is_taken(const struct deliver_client *client); /* by this server, now */
/* May this message go in this conversation, as far as its origin matters? */
bool origin_fits(const struct deliver_client *client, const struct delivery *delivery);
void origin_begin(const struct deliver_client *client, struct transaction *transaction);
bool origin_write(struct deliver_client *client, struct transaction *transaction);
bool origin_write_hello(struct deliver_client *client, struct transaction *transaction);
void origin_take_reply(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply);
void origin_take_hello(struct deliver_client *client, const struct expected *expected,
                       const struct smtp_reply *reply);
