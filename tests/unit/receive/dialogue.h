/* SPDX-License-Identifier: ISC */
/* dialogue.h: a session with a host that records what it is asked for.
 *
 * The fake host answers when it is told to (dialogue_settle), never from within a
 * call. What it says to a recipient depends on the address: bad… 550, later… 450,
 * slow… nothing, all others 250. Contents are stored with 250, unless `mute`.
 *
 * `events` tells the story in short: open, abort, close, and commit with the
 * envelope. `content` is the last content that was opened, our field included.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/log.h"
#include "mail/address.h"
#include "receive/session.h"

#define BANNER "220 mx.example ESMTP holdfast\r\n"
#define HELLO                                                                                      \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"                        \
    "250-SMTPUTF8\r\n250-DSN\r\n250-ETRN\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=5\r\n250 "          \
    "ENHANCEDSTATUSCODES\r\n"
#define SENDER_OK "250 2.1.0 Sender OK\r\n"
#define RCPT_OK   "250 2.1.5 Recipient OK\r\n"
#define GO_ON     "354 End data with <CR><LF>.<CR><LF>\r\n"
#define STORED    "250 2.0.0 Stored\r\n"
#define NO_SUCH   "550 5.1.1 No such user\r\n"
#define CHUNK_OK  "250 2.0.0 Chunk OK\r\n"
#define BYE       "221 2.0.0 Bye\r\n"

enum { DIALOGUE_ASKED_MAX = 256 };

struct dialogue {
    struct receive_settings settings;
    struct random random;
    struct now now;
    struct receive_session *session;
    struct buf wire; /* what the client hears */
    struct buf events;
    struct buf content;
    struct message_id id;
    uint64_t untaken; /* octets written and not yet taken */
    size_t headers;
    size_t writes;
    bool committed; /* and not yet answered */
    bool open;
    bool closed;
    bool mute; /* contents are neither taken nor answered */
    struct {
        uint64_t ticket;
        char address[ADDRESS_SIZE_MAX + 1];
    } asked[DIALOGUE_ASKED_MAX];
    size_t asked_count;
    uint64_t question; /* 0: none is open */
};

static inline void fake_send(void *context, struct str bytes)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    assert_true(bytes.len > 0);
    buf_add(&dialogue->wire, bytes);
}

static inline void fake_ask(void *context, uint64_t ticket, struct str helo, struct str sender,
                            const struct recipient *recipient)
{
    (void)helo;
    struct dialogue *dialogue = context;
    size_t at = dialogue->asked_count++;
    (void)sender;
    assert_true(at < DIALOGUE_ASKED_MAX);
    assert_true(recipient->address.len < sizeof dialogue->asked[at].address);
    dialogue->asked[at].ticket = ticket;
    memcpy(dialogue->asked[at].address, recipient->address.ptr, recipient->address.len);
    dialogue->asked[at].address[recipient->address.len] = '\0';
}

static inline void fake_open(void *context, struct message_id id)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->open);
    dialogue->open = true;
    dialogue->id = id;
    dialogue->untaken = 0;
    buf_reset(&dialogue->content);
    buf_add(&dialogue->events, STR("open "));
}

/* The content as it will be stored: our field, the header, the body. */
static inline void fake_header(void *context, const struct envelope *envelope, struct str received,
                               struct str header)
{
    (void)envelope;
    struct dialogue *dialogue = context;
    assert_true(dialogue->open);
    assert_int_equal(dialogue->content.len, 0);
    buf_add(&dialogue->content, received);
    buf_add(&dialogue->content, header);
    dialogue->headers++;
}

static inline void fake_write(void *context, struct str bytes)
{
    struct dialogue *dialogue = context;
    assert_true(dialogue->open);
    assert_true(bytes.len > 0);
    assert_true(dialogue->content.len > 0); /* the header came first */
    buf_add(&dialogue->content, bytes);
    dialogue->untaken += bytes.len;
    assert_true(dialogue->untaken <= RECEIVE_WINDOW);
    dialogue->writes++;
}

static inline void fake_commit(void *context, const struct envelope *envelope)
{
    struct dialogue *dialogue = context;
    assert_true(dialogue->open);
    assert_true(message_id_equals(envelope->id, dialogue->id));
    dialogue->open = false;
    dialogue->committed = true;
    buf_add_format(&dialogue->events, "commit(%.*s %.*s%s <%.*s>", STR_FMT(envelope->protocol),
                   STR_FMT(envelope->helo), envelope->body_type == BODY_8BITMIME ? " 8bit" : "",
                   STR_FMT(envelope->sender));
    if (envelope->flags & ENVELOPE_REQUIRETLS)
        buf_add(&dialogue->events, STR(" requiretls"));
    if (envelope->ret != 0 || envelope->envelope_id.len > 0)
        buf_add_format(&dialogue->events, " ret=%d envid=%.*s", envelope->ret,
                       STR_FMT(envelope->envelope_id));
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        const struct recipient *recipient = &envelope->recipient[i];
        buf_add_format(&dialogue->events, " %.*s", STR_FMT(recipient->address));
        if (recipient->notify != NOTIFY_DEFAULT)
            buf_add_format(&dialogue->events, "/%d", recipient->notify);
        if (recipient->original.len > 0)
            buf_add_format(&dialogue->events, "/%.*s", STR_FMT(recipient->original));
    }
    buf_add(&dialogue->events, STR(") "));
}

static inline void fake_abort(void *context)
{
    struct dialogue *dialogue = context;
    assert_true(dialogue->open);
    dialogue->open = false;
    buf_add(&dialogue->events, STR("abort "));
}

static inline void fake_close(void *context)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    dialogue->closed = true;
    buf_add(&dialogue->events, STR("close "));
}

static inline void fake_start_tls(void *context)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    buf_add(&dialogue->events, STR("tls "));
}

static inline void fake_ask_login(void *context, uint64_t ticket, struct str user,
                                  struct str secret, struct str challenge)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    dialogue->question = ticket;
    buf_add_format(&dialogue->events, "%s(%.*s %.*s) ", challenge.len > 0 ? "cram" : "login",
                   STR_FMT(user), STR_FMT(secret));
}

static inline void fake_ask_certificate(void *context, uint64_t ticket, struct str domain)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    dialogue->question = ticket;
    buf_add_format(&dialogue->events, "certificate(%.*s) ", STR_FMT(domain));
}

static inline void fake_ask_turn(void *context, uint64_t ticket, struct str user, struct str node)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    dialogue->question = ticket;
    buf_add_format(&dialogue->events, "turn(%.*s %.*s) ", STR_FMT(user), STR_FMT(node));
}

static inline void fake_offer_line(void *context, uint64_t ticket, struct str user,
                                   struct str domains, struct str instance)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    dialogue->question = ticket;
    buf_add_format(&dialogue->events, "line(%.*s %.*s %.*s) ", STR_FMT(user), STR_FMT(domains),
                   STR_FMT(instance));
}

static inline void fake_turn_round(void *context)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->closed);
    buf_add(&dialogue->events, STR("turned "));
}

static const struct receive_host fake_host = {
    .send = fake_send,
    .ask_recipient = fake_ask,
    .content_open = fake_open,
    .content_header = fake_header,
    .content_write = fake_write,
    .content_commit = fake_commit,
    .content_abort = fake_abort,
    .start_tls = fake_start_tls,
    .ask_login = fake_ask_login,
    .ask_certificate = fake_ask_certificate,
    .ask_turn = fake_ask_turn,
    .offer_line = fake_offer_line,
    .turn_round = fake_turn_round,
    .close = fake_close,
};

static inline void drop_line(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static inline void dialogue_prepare(struct dialogue *dialogue)
{
    *dialogue = (struct dialogue){
        .settings = { .hostname = STR("mx.example"),
                      .message_size_max = 1000,
                      .header_size_max = 1000000,
                      .recipients_max = 5,
                      .errors_max = 20,
                      .command_timeout_ms = 5 * MINUTE_MS,
                      .data_timeout_ms = 3 * MINUTE_MS,
                      .session_timeout_ms = 30 * MINUTE_MS,
                      .data_rate_min = 100,
                      .chunking = true },
        .now = { .mono_ms = 5000000, .wall_ms = 1795297249123 },
    };
    random_from_seed(&dialogue->random, 7);
    log_set_sink(drop_line, NULL);
}

static inline void dialogue_start(struct dialogue *dialogue)
{
    struct verdict none = verdict_accept();
    struct endpoint client;
    assert_true(endpoint_from_ip(STR("192.0.2.7"), 4711, &client));
    dialogue->session = receive_new(&dialogue->settings, &fake_host, dialogue, client,
                                    &dialogue->random, dialogue->now, &none);
}

static inline void dialogue_name(struct dialogue *dialogue)
{
    receive_client_name(dialogue->session, STR("client.example"), dialogue->now);
}

static inline void dialogue_end(struct dialogue *dialogue)
{
    receive_free(dialogue->session);
    buf_fini(&dialogue->wire);
    buf_fini(&dialogue->events);
    buf_fini(&dialogue->content);
}

/* What the primary of "small…" takes is less than what we take. */
static inline uint64_t dialogue_size_max(const char *address)
{
    return strncmp(address, "small", 5) == 0 ? 20 : 0;
}

/* … of "plain…" speaks plain SMTP. */
static inline uint8_t dialogue_lacks(const char *address)
{
    return strncmp(address, "plain", 5) == 0 ? ENVELOPE_SMTPUTF8 | ENVELOPE_REQUIRETLS : 0;
}

/* As host: say what is to be said to the oldest (or a chosen) question. */
static inline void dialogue_answer(struct dialogue *dialogue, size_t at)
{
    struct verdict verdict = verdict_make(250, 1, 5, STR("Recipient OK"));
    assert_true(at < dialogue->asked_count);
    const char *address = dialogue->asked[at].address;
    uint64_t ticket = dialogue->asked[at].ticket;
    struct receive_terms terms = { .size_max = dialogue_size_max(address),
                                   .lacks = dialogue_lacks(address) };

    if (strncmp(address, "bad", 3) == 0)
        verdict = verdict_make(550, 1, 1, STR("No such user"));
    else if (strncmp(address, "later", 5) == 0)
        verdict = verdict_make(450, 2, 0, STR("Come again"));
    dialogue->asked_count--;
    memmove(&dialogue->asked[at], &dialogue->asked[at + 1],
            (dialogue->asked_count - at) * sizeof dialogue->asked[0]);
    receive_recipient_answer(dialogue->session, ticket, &verdict, terms, dialogue->now);
}

static inline bool answer_one(struct dialogue *dialogue)
{
    for (size_t i = 0; i < dialogue->asked_count; i++)
        if (strncmp(dialogue->asked[i].address, "slow", 4) != 0) {
            dialogue_answer(dialogue, i);
            return true;
        }
    return false;
}

static inline bool take_content(struct dialogue *dialogue)
{
    uint64_t taken = dialogue->untaken;
    if (dialogue->mute || taken == 0)
        return false;
    dialogue->untaken = 0;
    receive_content_taken(dialogue->session, dialogue->id, taken, dialogue->now);
    return true;
}

static inline bool answer_content(struct dialogue *dialogue)
{
    struct verdict verdict = verdict_make(250, 0, 0, STR("Stored"));
    if (dialogue->mute || !dialogue->committed)
        return false;
    dialogue->committed = false;
    receive_content_answer(dialogue->session, dialogue->id, &verdict, dialogue->now);
    return true;
}

/* All answers the host owes, until there are none. */
static inline void dialogue_settle(struct dialogue *dialogue)
{
    while (answer_one(dialogue) || take_content(dialogue) || answer_content(dialogue))
        continue;
}

/* An exact copy is fed, so that ASan sees a look behind the end. */
static inline void dialogue_feed(struct dialogue *dialogue, struct str bytes)
{
    char *exact = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(exact);
    if (bytes.len > 0)
        memcpy(exact, bytes.ptr, bytes.len);
    receive_feed(dialogue->session, str_of(exact, bytes.len), dialogue->now);
    free(exact);
}

static inline void dialogue_say(struct dialogue *dialogue, const char *bytes)
{
    dialogue_feed(dialogue, str_from(bytes));
    dialogue_settle(dialogue);
}

/* What was heard since the last call. */
static inline void expect_heard(struct dialogue *dialogue, const char *want)
{
    if (!str_equals(buf_str(&dialogue->wire), str_from(want)))
        fail_msg("heard:\n%.*s\nwant:\n%s", STR_FMT(buf_str(&dialogue->wire)), want);
    buf_reset(&dialogue->wire);
}

static inline void expect_events(struct dialogue *dialogue, const char *want)
{
    if (!str_equals(buf_str(&dialogue->events), str_from(want)))
        fail_msg("events: %.*s\nwant:   %s", STR_FMT(buf_str(&dialogue->events)), want);
    buf_reset(&dialogue->events);
}

static inline void dialogue_wait(struct dialogue *dialogue, int64_t ms)
{
    dialogue->now.mono_ms += ms;
    dialogue->now.wall_ms += ms;
    receive_tick(dialogue->session, dialogue->now);
}

/* The content behind our Received field. */
static inline struct str dialogue_body(const struct dialogue *dialogue)
{
    static const char end[] = " +0000\r\n";
    struct str content = buf_str(&dialogue->content);
    const char *at = content.len > 0 ? memmem(content.ptr, content.len, end, sizeof end - 1) : NULL;
    if (at == NULL)
        return STR_NONE;
    return str_skip(content, (size_t)(at - content.ptr) + sizeof end - 1);
}
