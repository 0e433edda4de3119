/* SPDX-License-Identifier: ISC */
/* test_client.c: dialogues with a server that says what the test wants.
 *
 * A dialogue is a list of steps. Each step does something to the client and names
 * all that the client does in return: what it sends, with the calls to its host in
 * braces between. Steps:
 *
 *     "<250 OK"    the server says a line (LF ends a line; CRLF is sent)
 *     "m0"         message 0 of the table below is handed in
 *     "c0" "c0=5"  its content comes, all that is left or 5 octets of it
 *     "x0"         its content cannot be had
 *     "d" "q" "e"  drained, quit, the peer closes
 *     "t1000"      time goes on, and the client's clock ticks
 *
 * Every dialogue is held twice: with each reply in one piece, and octet by octet.
 */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "deliver/client.h"

#define HELLO                                                                                      \
    {                                                                                              \
        "<220 mx", "EHLO me.example\r\n"                                                           \
    }
#define READY(keywords, window)                                                                    \
    HELLO,                                                                                         \
    {                                                                                              \
        "<250-mx\n" keywords, "{ready " window "}"                                                 \
    }
#define CHUNKING   READY("250-8BITMIME\n250-CHUNKING\n250 PIPELINING", "8")
#define PIPELINING READY("250-8BITMIME\n250 PIPELINING", "4")
#define LOCK_STEP  READY("250 8BITMIME", "2")

#define TO(text)                                                                                   \
    {                                                                                              \
        .address = { text, sizeof(text) - 1 }                                                      \
    }
static const struct recipient one[] = { TO("x@d") }, other[] = { TO("y@d") },
                              two[] = { TO("x@d"), TO("y@d") },
                              three[] = { TO("x@d"), TO("y@d"), TO("z@d") },
                              noted[] = { { .address = { "x@d", 3 },
                                            .original = { "rfc822;X+40d", 12 },
                                            .notify = NOTIFY_SUCCESS | NOTIFY_DELAY },
                                          { .address = { "y@d", 3 }, .notify = NOTIFY_NEVER } },
                              injected[] = { TO("x@d>\r\nDATA\r\n") };

static const struct sample {
    const char *sender;
    const struct recipient *recipient;
    uint32_t count;
    const char *content;
    enum body_type body_type;
    uint8_t flags, ret;
    const char *envelope_id;
    bool is_callout;
} samples[] = {
    { "a@s", one, 1, "zero\r\n" },
    { "b@s", other, 1, "one\r\n" },
    { "c@s", two, 2, ".two\r\n" },
    { "d@s", three, 3, "three\r\n", BODY_8BITMIME },
    { "e@s", noted, 2, "four\r\n", BODY_8BITMIME, 0, 2, "QQ1" },
    { "f@s", one, 1, "five\r\n", BODY_7BIT, ENVELOPE_SMTPUTF8 },
    { "", one, 1, "" },
    { "g@s", injected, 1, "seven\r\n" },
    { "h@s", one, 1, "bad\nline\r\r\n.end" },
    { "i@s", one, 1, "nine\r\n", BODY_7BIT, ENVELOPE_REQUIRETLS },
    { "j@s", one, 1, "\r\na\nb", BODY_BINARYMIME },
    { "k@s", one, 1, "", .is_callout = true },
    { "l@s", other, 1, "", .is_callout = true },
    { "m@s", one, 1, "\r\nabcdefghijklmn \xc3\xa9\r\n", BODY_8BITMIME },
    { "n@s", one, 1, "S: \xc3\xa9\r\n\r\nx\r\n", BODY_8BITMIME },
};

struct step {
    const char *does, *gives;
};

struct dialogue {
    struct deliver_client *client;
    struct buf log;
    struct now now;
    uint64_t given[COUNT_OF(samples)]; /* octets of content */
    bool is_slow;                      /* replies come octet by octet */
    unsigned unsent;                   /* messages that the connection itself did not take */
    bool is_closed;
};

static struct message_id id_of(size_t index)
{
    return (struct message_id){ { (uint8_t)(index + 1) } };
}

static void host_send(void *context, struct str bytes)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->is_closed);
    assert_true(bytes.len > 0);
    buf_add(&dialogue->log, bytes);
}

static void host_ready(void *context, const struct smtp_greeting *greeting, unsigned window)
{
    struct dialogue *dialogue = context;
    assert_str(greeting->name, STR("mx"));
    buf_add_format(&dialogue->log, "{ready %u}", window);
}

static void host_result(void *context, struct message_id id, const struct verdict *verdict,
                        uint32_t count, bool in_doubt)
{
    static const char *const at[] = { "connection", "mail", "rcpt", "content", "ours" };
    struct dialogue *dialogue = context;
    unsigned index = id.bytes[0] - 1u;
    assert_false(dialogue->is_closed);
    dialogue->unsent += verdict_is_not_tried(verdict) && verdict->stage == STAGE_OURS;
    buf_add_format(&dialogue->log, "{%u:", index);
    for (uint32_t i = 0; i < count; i++)
        buf_add_format(&dialogue->log, " %u", verdict[i].code);
    if (samples[index].is_callout)
        for (uint32_t i = 0; i < count; i++)
            buf_add_format(&dialogue->log, " %s", at[verdict[i].stage]);
    buf_add_format(&dialogue->log, "%s}", in_doubt ? " in doubt" : "");
}

static void host_want_content(void *context, struct message_id id, uint64_t offset, size_t size)
{
    struct dialogue *dialogue = context;
    unsigned index = id.bytes[0] - 1u;
    if (offset == 0) /* from its beginning, once more */
        dialogue->given[index] = 0;
    assert_int_equal(offset, dialogue->given[index]);
    assert_true(offset + size <= strlen(samples[index].content));
    buf_add_format(&dialogue->log, "{want %u}", index);
}

static void host_closed(void *context, enum deliver_close how, const struct verdict *verdict)
{
    static const char *const name[] = { "quit",     "refused",  "lost",    "timeout",
                                        "protocol", "insecure", "internal" };
    struct dialogue *dialogue = context;
    assert_false(dialogue->is_closed);
    dialogue->is_closed = true;
    buf_add_format(&dialogue->log, "{closed %s %u}", name[how], verdict->code);
}

static void host_start_tls(void *context)
{
    struct dialogue *dialogue = context;
    assert_false(dialogue->is_closed);
    buf_add(&dialogue->log, STR("{tls}"));
}

static const struct deliver_host host = { host_send,         host_ready,  host_result,
                                          host_want_content, host_closed, host_start_tls };
static const struct deliver_settings settings = {
    .hostname = { "me.example", 10 },
    .greeting_timeout_ms = 10 * SECOND_MS,
    .command_timeout_ms = 20 * SECOND_MS,
    .data_timeout_ms = 30 * SECOND_MS,
    .block_timeout_ms = 40 * SECOND_MS,
    .final_timeout_ms = 50 * SECOND_MS,
};

static void feed_line(struct dialogue *dialogue, const char *text)
{
    struct buf bytes = { 0 };
    struct str left = str_from(text), line;
    while (str_cut(&left, '\n', &line)) {
        buf_add(&bytes, line);
        buf_add(&bytes, STR("\r\n"));
    }
    size_t size = dialogue->is_slow ? 1 : bytes.len;
    for (size_t at = 0; at < bytes.len; at += size)
        deliver_feed(dialogue->client, str_of(bytes.ptr + at, size), dialogue->now);
    buf_fini(&bytes);
}

static void give(struct dialogue *dialogue, size_t index, const struct xclient *origin)
{
    const struct sample *sample = &samples[index];
    struct delivery delivery = {
        .id = id_of(index),
        .sender = str_from(sample->sender),
        .recipient = sample->recipient,
        .recipient_count = sample->count,
        .size = strlen(sample->content),
        .body_type = sample->body_type,
        .flags = sample->flags,
        .ret = sample->ret,
        .envelope_id = str_from(sample->envelope_id),
        .is_callout = sample->is_callout,
        .origin = origin,
    };
    dialogue->given[index] = 0;
    deliver_message(dialogue->client, &delivery, dialogue->now);
}

static void give_message(struct dialogue *dialogue, size_t index)
{
    give(dialogue, index, NULL);
}

static void give_message_of(struct dialogue *dialogue, size_t index, size_t client)
{
    static const char *const names[] = { "a.example", "b.example" };
    struct xclient origin = { .name = str_from(names[client]),
                              .helo = STR("h"),
                              .is_extended = true };
    assert_true(
        endpoint_from_ip(client == 0 ? STR("192.0.2.1") : STR("192.0.2.2"), 4711, &origin.client));
    give(dialogue, index, &origin);
}

static void give_content(struct dialogue *dialogue, const char *argument)
{
    size_t index = (size_t)(argument[0] - '0');
    struct str left = str_skip(str_from(samples[index].content), dialogue->given[index]);
    if (argument[1] == '=')
        left = str_first(left, (size_t)(argument[2] - '0'));
    uint64_t offset = dialogue->given[index];
    dialogue->given[index] += left.len;
    deliver_content(dialogue->client, id_of(index), offset, left, dialogue->now);
}

static void do_step(struct dialogue *dialogue, const char *does)
{
    switch (does[0]) {
    case '<':
        feed_line(dialogue, does + 1);
        break;
    case 'm':
        give_message(dialogue, (size_t)strtoul(does + 1, NULL, 10));
        break;
    case 'o':
        give_message_of(dialogue, (size_t)(does[1] - '0'), (size_t)(does[2] - '0'));
        break;
    case 'c':
        give_content(dialogue, does + 1);
        break;
    case 'x':
        deliver_content_failed(dialogue->client, id_of((size_t)(does[1] - '0')), dialogue->now);
        break;
    case 'd':
        deliver_drained(dialogue->client, dialogue->now);
        break;
    case 'q':
        deliver_quit(dialogue->client, dialogue->now);
        break;
    case 'e':
        deliver_end(dialogue->client, dialogue->now);
        break;
    case 's':
        deliver_secured(dialogue->client, dialogue->now);
        break;
    case 't':
        dialogue->now.mono_ms += strtol(does + 1, NULL, 10);
        deliver_tick(dialogue->client, dialogue->now);
        break;
    default:
        fail_msg("no such step: %s", does);
    }
}

static unsigned hold_once(enum deliver_tls tls, const struct step *steps, bool is_slow)
{
    struct dialogue dialogue = { .is_slow = is_slow, .now = { .mono_ms = 1000 } };
    dialogue.client = deliver_new(&settings, &host, &dialogue, tls, dialogue.now);
    deliver_use_origins(dialogue.client);
    for (const struct step *step = steps; step->does != NULL; step++) {
        buf_reset(&dialogue.log);
        do_step(&dialogue, step->does);
        if (!str_equals(buf_str(&dialogue.log), str_from(step->gives)))
            fail_msg("after \"%s\": got \"%.*s\", want \"%s\"", step->does,
                     STR_FMT(buf_str(&dialogue.log)), step->gives);
    }
    deliver_free(dialogue.client);
    buf_fini(&dialogue.log);
    return dialogue.unsent;
}

static void hold(enum deliver_tls tls, const struct step *steps)
{
    (void)hold_once(tls, steps, false);
    (void)hold_once(tls, steps, true);
}

#define DIALOGUE_WITH(tls, ...) hold((tls), (const struct step[]){ __VA_ARGS__, { NULL, NULL } })
#define DIALOGUE(...)           DIALOGUE_WITH(DELIVER_TLS_NO, __VA_ARGS__)

static void greets_and_quits(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "q", "QUIT\r\n" }, { "<221 bye", "{closed quit 221}" }, { "e", "" });
    DIALOGUE(CHUNKING, { "q", "QUIT\r\n" }, { "e", "{closed quit 221}" });
    DIALOGUE(CHUNKING, { "q", "QUIT\r\n" }, { "t1999", "" }, { "t1", "{closed quit 221}" });
    DIALOGUE({ "q", "" }, HELLO, { "<250 mx", "QUIT\r\n" }, { "<nonsense", "{closed quit 221}" });
    DIALOGUE(HELLO, { "<502 what?", "HELO me.example\r\n" }, { "<250 mx", "{ready 2}" });
    DIALOGUE(HELLO, { "<550 what?", "HELO me.example\r\n" },
             { "<250-mx\n250 PIPELINING", "{ready 2}" });
}

static void gives_up_when_refused(void **state)
{
    (void)state;
    DIALOGUE({ "<554 no", "QUIT\r\n{closed refused 554}" }, { "<250 mx", "" });
    DIALOGUE({ "<421 no", "{closed refused 421}" });
    DIALOGUE({ "<354 no", "{closed protocol 451}" });
    DIALOGUE({ "<SSH-2.0-x", "{closed protocol 451}" });
    DIALOGUE({ "e", "{closed lost 421}" });
    DIALOGUE(HELLO, { "<450 later", "QUIT\r\n{closed refused 450}" });
    DIALOGUE(HELLO, { "<502 what?", "HELO me.example\r\n" },
             { "<502 what?", "QUIT\r\n{closed refused 502}" });
    DIALOGUE(CHUNKING, { "<421 idle for too long", "{closed refused 421}" });
    DIALOGUE(CHUNKING, { "<250 what for", "{closed protocol 451}" });
}

/* RFC 3207: what the server said in the clear is asked again. */
static void is_secured_where_it_is_offered(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum deliver_tls tls = i == 0 ? DELIVER_TLS_MAY : DELIVER_TLS_MUST;
        DIALOGUE_WITH(tls, HELLO, { "<250-mx\n250-CHUNKING\n250 STARTTLS", "STARTTLS\r\n" },
                      { "<220 go", "{tls}" }, { "s", "EHLO me.example\r\n" },
                      { "<250-mx\n250 STARTTLS", "{ready 2}" });
        DIALOGUE_WITH(tls, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                      { "<220 go\n250 injected", "{tls}{closed protocol 451}" }, { "s", "" });
        DIALOGUE_WITH(tls, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                      { "<220 go", "{tls}" }, { "t9999", "" }, { "t1", "{closed timeout 421}" });
        DIALOGUE_WITH(tls, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                      { "<220 go", "{tls}" }, { "e", "{closed lost 421}" });
    }
    DIALOGUE_WITH(DELIVER_TLS_NO, HELLO, { "<250-mx\n250 STARTTLS", "{ready 2}" });
    DIALOGUE_WITH(DELIVER_TLS_ON, HELLO, { "<250-mx\n250 STARTTLS", "{ready 2}" });
}

static void says_nothing_in_the_clear_where_it_must_not(void **state)
{
    (void)state;
    DIALOGUE_WITH(DELIVER_TLS_MAY, HELLO, { "<250 mx", "{ready 2}" });
    DIALOGUE_WITH(DELIVER_TLS_MUST, HELLO, { "<250 mx", "QUIT\r\n{closed insecure 451}" });
    DIALOGUE_WITH(DELIVER_TLS_MUST, HELLO, { "<502 what?", "QUIT\r\n{closed insecure 451}" });
    DIALOGUE_WITH(DELIVER_TLS_MAY, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                  { "<454 not now", "{ready 2}" });
    DIALOGUE_WITH(DELIVER_TLS_MAY, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                  { "<421 not now", "{closed refused 421}" });
    DIALOGUE_WITH(DELIVER_TLS_MUST, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                  { "<454 not now", "QUIT\r\n{closed insecure 451}" });
    DIALOGUE_WITH(DELIVER_TLS_MUST, HELLO, { "<250-mx\n250 STARTTLS", "STARTTLS\r\n" },
                  { "<250 what for", "QUIT\r\n{closed insecure 451}" });
}

#define XCLIENT READY("250-8BITMIME\n250-PIPELINING\n250-CHUNKING\n250 XCLIENT NAME ADDR", "1")
#define A       "XCLIENT NAME=a.example ADDR=192.0.2.1\r\n"
#define B       "XCLIENT NAME=b.example ADDR=192.0.2.2\r\n"
#define AGAIN   "<250-mx\n250-8BITMIME\n250-PIPELINING\n250-CHUNKING\n250 XCLIENT NAME ADDR"
#define MAIL_0  "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n"
#define MAIL_1  "MAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n"

static void goes_under_the_clients_name(void **state)
{
    (void)state;
    DIALOGUE(XCLIENT, { "o00", A }, { "<220 mx", "EHLO me.example\r\n" },
             { AGAIN, MAIL_0 "{want 0}" }, { "c0", "BDAT 6 LAST\r\nzero\r\n" },
             { "<250 a\n250 b\n250 c", "{0: 250}" },
             /* the same one again: there is nothing to say */
             { "o10", MAIL_1 "{want 1}" }, { "c1", "BDAT 5 LAST\r\none\r\n" },
             { "<250 a\n250 b\n250 c", "{1: 250}" }, /* another one */
             { "o01", B }, { "<220 mx", "EHLO me.example\r\n" }, { AGAIN, MAIL_0 "{want 0}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 a\n250 b\n250 c", "{0: 250}" },
             /* ours must not go under his name */
             { "m1", "{1: 452}QUIT\r\n" });
    /* a server that takes none any more: another conversation */
    DIALOGUE(XCLIENT, { "o00", A }, { "<220 mx", "EHLO me.example\r\n" },
             { "<250-mx\n250-8BITMIME\n250 CHUNKING", "MAIL FROM:<a@s>\r\n{want 0}" },
             { "<250 a", "RCPT TO:<x@d>\r\n" }, { "<250 b", "" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 c", "{0: 250}" },
             { "o11", "{1: 452}QUIT\r\n" });
}

static void goes_without_where_no_name_is_taken(void **state)
{
    (void)state;
    DIALOGUE(XCLIENT, { "o00", A }, { "<550 not you", MAIL_0 "{want 0}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 a\n250 b\n250 c", "{0: 250}" },
             { "o11", MAIL_1 "{want 1}" }); /* not asked again */
    DIALOGUE(XCLIENT, { "o00", A }, { "<421 no", "{0: 452}{closed refused 421}" });
    DIALOGUE(XCLIENT, { "o00", A }, { "<220 mx", "EHLO me.example\r\n" },
             { "<550 not him", "{0: 550}QUIT\r\n" });
    DIALOGUE(XCLIENT, { "o00", A }, { "<220 mx", "EHLO me.example\r\n" },
             { AGAIN, MAIL_0 "{want 0}" }, { "c0", "BDAT 6 LAST\r\nzero\r\n" },
             { "<250 a\n250 b\n250 c", "{0: 250}" }, { "o11", B },
             { "<550 no more", "{1: 452}QUIT\r\n" });
    DIALOGUE(CHUNKING, { "o00", MAIL_0 "{want 0}" }); /* not offered */
}

/* RBLs and access lists have a say before HELO: it is his message that is refused. */
static void a_client_may_be_denied(void **state)
{
    (void)state;
    DIALOGUE(XCLIENT, { "o00", A }, { "<554 5.7.1 not him", "{0: 554}QUIT\r\n" });
    DIALOGUE(XCLIENT, { "o00", A }, { "<220 mx", "EHLO me.example\r\n" },
             { AGAIN, MAIL_0 "{want 0}" }, { "c0", "BDAT 6 LAST\r\nzero\r\n" },
             { "<250 a\n250 b\n250 c", "{0: 250}" }, { "o11", B },
             { "<450 4.7.1 not now", "{1: 450}QUIT\r\n" });
}

/* A server may offer less to that client than it does to us. */
static void is_content_with_what_is_offered_to_the_client(void **state)
{
    (void)state;
    DIALOGUE(XCLIENT, { "o=0", A }, { "<220 mx", "EHLO me.example\r\n" },
             { "<250-mx\n250-PIPELINING\n250-CHUNKING\n250 XCLIENT NAME ADDR", "{want 13}" },
             { "c=", "MAIL FROM:<m@s>\r\nRCPT TO:<x@d>\r\n{want 13}" },
             { "c=", "BDAT 137 LAST\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=unknown-8bit\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                     "abcdefghijklmn =C3=A9\r\n" },
             { "<250 a\n250 x\n250 c", "{13: 250}" });
    DIALOGUE(READY("250 XCLIENT ADDR", "1"), { "o00", "XCLIENT ADDR=192.0.2.1\r\n" },
             { "<220 mx", "EHLO me.example\r\n" },
             { "<250-mx\n250 XCLIENT ADDR", "{want 0}" }, /* looked at once, now */
             { "c0", "MAIL FROM:<a@s>\r\n{want 0}" });
    DIALOGUE(READY("250-8BITMIME\n250-SMTPUTF8\n250 XCLIENT ADDR", "1"),
             { "o50", "XCLIENT ADDR=192.0.2.1\r\n" }, { "<220 mx", "EHLO me.example\r\n" },
             { "<250-mx\n250-8BITMIME\n250 XCLIENT ADDR", "{5: 553}" });
}

static void pipelines_chunks(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "m1", "{want 1}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\nRSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n" },
             { "c1", "BDAT 5 LAST\r\none\r\n" }, { "<250 a\n250 b", "" }, { "<250 c", "{0: 250}" },
             { "<250 rset\n250 a\n250 b\n451 c", "{1: 451}" },
             /* 451 after content: whether its transaction is closed is not sure */
             { "m6", "RSET\r\nMAIL FROM:<>\r\nRCPT TO:<x@d>\r\nBDAT 0 LAST\r\n" },
             { "<250 r\n250 a\n250 b\n250 c", "{6: 250}" },
             /* nothing in flight, the last one taken: RSET may stay away */
             { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" }, { "q", "" },
             { "m1", "{1: 452}" }, { "c0", "BDAT 6 LAST\r\nzero\r\n" },
             { "<250 a\n250 b\n250 c", "{0: 250}QUIT\r\n" }, { "m1", "{1: 452}" });
}

/* Content for a later message is kept until its turn. */
static void keeps_the_order_of_content(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "m1", "{want 1}" }, { "c1", "" }, { "c1", "" }, { "c0=2", "BDAT 2\r\nze" },
             { "c0=4", "BDAT 4 LAST\r\nro\r\nRSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n"
                       "BDAT 5 LAST\r\none\r\n" },
             { "<250 a\n250 b\n250 chunk\n250 c", "{0: 250}" },
             { "<250 r\n250 a\n250 b\n250 c", "{1: 250}" });
}

static void settles_each_recipient(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING,
             { "m3", "MAIL FROM:<d@s> BODY=8BITMIME\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n"
                     "RCPT TO:<z@d>\r\n{want 3}" },
             { "c3", "BDAT 7 LAST\r\nthree\r\n" },
             { "<250 a\n550 x\n251 y\n450 z\n250 c", "{3: 550 250 450}" });
    DIALOGUE(CHUNKING, { "m2", "MAIL FROM:<c@s>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n{want 2}" },
             { "c2", "BDAT 6 LAST\r\n.two\r\n" },
             { "<250 a\n550 x\n250 y\n552 c", "{2: 550 552}" });
    /* what follows a refused MAIL is its echo */
    DIALOGUE(CHUNKING, { "m2", "MAIL FROM:<c@s>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n{want 2}" },
             { "c2", "BDAT 6 LAST\r\n.two\r\n" },
             { "<450 a\n503 x\n503 y\n503 c", "{2: 450 450}" });
}

static void leaves_a_refused_message_before_its_content(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "m1", "{want 1}" },
             { "<250 a\n550 x", "{0: 550}RSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n" },
             { "c0", "" }, { "c1", "BDAT 5 LAST\r\none\r\n" });
    /* and between two chunks */
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "c0=2", "BDAT 2\r\nze" }, { "<250 a\n250 x\n552 c", "{0: 552}" }, { "c0", "" },
             { "m1", "RSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n{want 1}" });
}

/* MAIL, RCPT, RSET; never DATA. */
static void asks_and_takes_it_back(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m11", "MAIL FROM:<k@s>\r\nRCPT TO:<x@d>\r\nRSET\r\n" },
             { "m12", "MAIL FROM:<l@s>\r\nRCPT TO:<y@d>\r\nRSET\r\n" }, { "<250 a\n250 b", "" },
             { "<250 r", "{11: 250 rcpt}" }, { "<250 a\n550 5.1.1 no\n250 r", "{12: 550 rcpt}" },
             { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" }, { "q", "" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 a\n250 b\n250 c", "{0: 250}QUIT\r\n" });
    DIALOGUE(PIPELINING, { "m11", "MAIL FROM:<k@s>\r\nRCPT TO:<x@d>\r\nRSET\r\n" },
             { "<550 5.7.1 not you\n503 what", "" }, { "<250 r", "{11: 550 mail}" });
    DIALOGUE(PIPELINING, { "m11", "MAIL FROM:<k@s>\r\nRCPT TO:<x@d>\r\nRSET\r\n" },
             { "<250 a\n550 5.1.8 Sender address rejected\n250 r", "{11: 550 mail}" });
    DIALOGUE(LOCK_STEP, { "m11", "MAIL FROM:<k@s>\r\n" }, { "<250 a", "RCPT TO:<x@d>\r\n" },
             { "<252 perhaps", "RSET\r\n" }, { "<250 r", "{11: 252 rcpt}" });
    DIALOGUE(CHUNKING, { "m11", "MAIL FROM:<k@s>\r\nRCPT TO:<x@d>\r\nRSET\r\n" }, { "<250 a", "" },
             { "<421 too many errors", "{11: 421 connection}{closed refused 421}" });
    DIALOGUE(CHUNKING, { "m11", "MAIL FROM:<k@s>\r\nRCPT TO:<x@d>\r\nRSET\r\n" },
             { "e", "{11: 421 connection}{closed lost 421}" });
}

static void pipelines_data(void **state)
{
    (void)state;
    DIALOGUE(PIPELINING,
             { "m2", "MAIL FROM:<c@s>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n"
                     "DATA\r\n{want 2}" },
             { "m0", "{want 0}" }, { "c2", "" }, { "<250 a\n250 x\n550 y", "" },
             { "<354 go", "..two\r\n.\r\nMAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n" },
             { "c0=2", "" }, { "<250 c", "{2: 250 550}" }, { "<250 a\n250 x\n354 go", "ze" },
             { "c0", "ro\r\n.\r\n" }, { "<250 c", "{0: 250}" },
             /* whatever the reply, the dot ends the transaction */
             { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" });
}

static void settles_a_refused_data(void **state)
{
    static const struct step mail = { "m2", "MAIL FROM:<c@s>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n"
                                            "DATA\r\n{want 2}" };
    static const struct step next = { "m0", "RSET\r\nMAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n"
                                            "{want 0}" };
    (void)state;
    DIALOGUE(PIPELINING, mail, { "<250 a\n250 x\n550 y\n451 d", "{2: 451 550}" }, { "c2", "" },
             next);
    DIALOGUE(PIPELINING, mail, { "<250 a\n550 x\n550 y\n554 d", "{2: 550 550}" }, next);
    DIALOGUE(PIPELINING, mail, { "<550 a\n503 x\n503 y\n503 d", "{2: 550 550}" }, next);
    /* 354 though nobody is there to write to: RFC 2920 3.1 */
    DIALOGUE(PIPELINING, mail, { "<250 a\n550 x\n450 y", "" }, { "<354 go", ".\r\n" }, next,
             { "<554 c", "{2: 550 450}" });
    /* a lone dot would send an empty message here */
    DIALOGUE(PIPELINING, mail, { "<550 a\n250 x\n250 y", "" },
             { "<354 go", "{2: 550 550}{closed protocol 451}" });
}

static void goes_one_by_one(void **state)
{
    (void)state;
    DIALOGUE(LOCK_STEP, { "m2", "MAIL FROM:<c@s>\r\n{want 2}" }, { "m0", "{want 0}" },
             { "<250 a", "RCPT TO:<x@d>\r\n" }, { "c2", "" }, { "<250 x", "RCPT TO:<y@d>\r\n" },
             { "<550 y", "DATA\r\n" }, { "<354 go", "..two\r\n.\r\n" },
             { "<250 c", "{2: 250 550}MAIL FROM:<a@s>\r\n" }, { "<550 a", "{0: 550}" },
             { "m1", "RSET\r\n{want 1}" }, { "<250 r", "MAIL FROM:<b@s>\r\n" },
             { "<250 a", "RCPT TO:<y@d>\r\n" }, { "<550 y", "{1: 550}" });
    DIALOGUE(READY("250-8BITMIME\n250 CHUNKING", "2"), { "m0", "MAIL FROM:<a@s>\r\n{want 0}" },
             { "<250 a", "RCPT TO:<x@d>\r\n" }, { "c0=2", "" }, { "c0=1", "" },
             { "<250 x", "BDAT 3\r\nzer" }, { "c0", "" }, { "<250 c", "BDAT 3 LAST\r\no\r\n" },
             { "<250 c", "{0: 250}" }, { "m1", "MAIL FROM:<b@s>\r\n{want 1}" });
}

static void uses_only_what_is_offered(void **state)
{
    (void)state;
    DIALOGUE(READY("250-PIPELINING\n250-SIZE\n250-8BITMIME\n250-CHUNKING\n250 DSN", "8"),
             { "m4", "MAIL FROM:<e@s> SIZE=6 BODY=8BITMIME RET=HDRS ENVID=QQ1\r\n"
                     "RCPT TO:<x@d> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;X+40d\r\n"
                     "RCPT TO:<y@d> NOTIFY=NEVER\r\n{want 4}" });
    DIALOGUE(
        CHUNKING,
        { "m4", "MAIL FROM:<e@s> BODY=8BITMIME\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n{want 4}" });
    DIALOGUE(READY("250-8BITMIME\n250-PIPELINING\n250-SMTPUTF8\n250-REQUIRETLS\n250-"
                   "BINARYMIME\n250 CHUNKING",
                   "8"),
             { "m5", "MAIL FROM:<f@s> SMTPUTF8\r\nRCPT TO:<x@d>\r\n{want 5}" },
             { "c5", "BDAT 6 LAST\r\nfive\r\n" }, { "m9", "{9: 550}" }, /* who knows who it is */
             { "m10", "RSET\r\nMAIL FROM:<j@s> BODY=BINARYMIME\r\nRCPT TO:<x@d>\r\n{want 10}" },
             { "c:", "BDAT 5 LAST\r\n\r\na\nb" }); /* nothing mended */
}

static void refuses_what_the_server_would_refuse(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m5", "{5: 553}" }, { "m7", "{7: 553}" }, { "m9", "{9: 550}" },
             { "q", "QUIT\r\n" });
    DIALOGUE(READY("250-8BITMIME\n250-SIZE 5\n250 CHUNKING", "2"), { "m2", "{2: 552 552}" },
             { "m1", "MAIL FROM:<b@s> SIZE=5\r\n{want 1}" });
}

/* RFC 6152 3: the content comes twice, to be looked at and to be sent. */
static void converts_for_seven_bits(void **state)
{
    (void)state;
    DIALOGUE(READY("250-CHUNKING\n250 PIPELINING", "8"), { "m13", "{want 13}" }, { "c==5", "" },
             { "c=", "MAIL FROM:<m@s>\r\nRCPT TO:<x@d>\r\n{want 13}" },
             { "c=", "BDAT 137 LAST\r\nMIME-Version: 1.0\r\n"
                     "Content-Type: text/plain; charset=unknown-8bit\r\n"
                     "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                     "abcdefghijklmn =C3=A9\r\n" },
             { "<250 a\n250 x\n250 c", "{13: 250}" }, { "m0", "{want 0}" },
             { "c0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "m14", "{want 14}" }, { "c>", "{14: 554}" });
    DIALOGUE(READY("250 HELP", "2"), { "m10", "{want 10}" },
             { "c:", "MAIL FROM:<j@s>\r\n{want 10}" }, { "x:", "" }, { "<250 a", "{10: 451}" });
}

static void keeps_to_the_limits(void **state)
{
    (void)state;
    DIALOGUE(
        READY("250-8BITMIME\n250-PIPELINING\n250-CHUNKING\n250 LIMITS RCPTMAX=2 MAILMAX=2", "2"),
        { "m3", "MAIL FROM:<d@s> BODY=8BITMIME\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n{want 3}" },
        { "c3", "BDAT 7 LAST\r\nthree\r\n" }, { "<250 a\n250 x\n550 y\n250 c", "{3: 250 550 452}" },
        { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" }, { "m1", "{1: 452}" },
        { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 a\n250 x\n250 c", "{0: 250}QUIT\r\n" });
}

/* The size that is announced is the size of what leaves, also where line ends had to be mended. */
static void mends_line_ends(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m8", "MAIL FROM:<h@s>\r\nRCPT TO:<x@d>\r\n{want 8}" },
             { "c8", "BDAT 19 LAST\r\nbad\r\nline\r\n\r\n.end\r\n" });
    DIALOGUE(CHUNKING, { "m8", "MAIL FROM:<h@s>\r\nRCPT TO:<x@d>\r\n{want 8}" },
             { "c8=8", "BDAT 9\r\nbad\r\nline" }, { "c8=1", "" }, { "c8=1", "BDAT 2\r\n\r\n" },
             { "c8", "BDAT 8 LAST\r\n\r\n.end\r\n" });
    DIALOGUE(PIPELINING, { "m8", "MAIL FROM:<h@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 8}" },
             { "<250 a\n250 x\n354 go", "" }, { "c8", "bad\r\nline\r\n\r\n..end\r\n.\r\n" });
}

static void is_in_doubt_only_about_whole_content(void **state)
{
    static const struct step mail = { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" };
    static const struct step whole = { "c0", "BDAT 6 LAST\r\nzero\r\n" };
    (void)state;
    DIALOGUE(CHUNKING, mail, { "e", "{0: 421}{closed lost 421}" });
    DIALOGUE(CHUNKING, mail, { "c0=5", "BDAT 4\r\nzero" }, { "e", "{0: 421}{closed lost 421}" });
    DIALOGUE(CHUNKING, mail, whole, { "e", "{0: 421 in doubt}{closed lost 421}" });
    DIALOGUE(CHUNKING, mail, whole, { "<250 a\n250 x", "" },
             { "e", "{0: 421 in doubt}{closed lost 421}" });
    /* refused already: it cannot have been taken */
    DIALOGUE(CHUNKING, mail, whole, { "<250 a\n550 x", "" }, { "e", "{0: 550}{closed lost 421}" });
    DIALOGUE(CHUNKING, mail, whole, { "<450 a", "" }, { "e", "{0: 450}{closed lost 421}" });
    /* half a reply is none */
    DIALOGUE(CHUNKING, mail, whole, { "<250 a\n250 x\n250-c", "" },
             { "e", "{0: 421 in doubt}{closed lost 421}" });
    /* 421 to the content: not taken; what lies behind it is in doubt, what was not begun is not */
    DIALOGUE(CHUNKING, mail, whole,
             { "m1", "RSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n{want 1}" },
             { "c1", "BDAT 5 LAST\r\none\r\n" },
             { "m3", "RSET\r\nMAIL FROM:<d@s> BODY=8BITMIME\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n"
                     "RCPT TO:<z@d>\r\n{want 3}" },
             { "m2", "{want 2}" },
             { "<250 a\n250 x\n421 going",
               "{0: 421}{1: 421 in doubt}{3: 421 421 421}{2: 452 452}{closed refused 421}" });
    DIALOGUE(CHUNKING, mail, whole, { "<250 a\n354 x", "{0: 451 in doubt}{closed protocol 451}" });
    DIALOGUE(CHUNKING, mail, whole, { "<?", "{0: 451 in doubt}{closed protocol 451}" });
    DIALOGUE(CHUNKING, mail, whole,
             { "<250 a\n250 x\n250 c\n250 more", "{0: 250}{closed protocol 451}" });
}

/* 552 for a mailbox that is full is a last word, and so is one where nobody was taken. */
static void reads_552_as_too_many(void **state)
{
    static const struct step mail = { "m2", "MAIL FROM:<c@s>\r\nRCPT TO:<x@d>\r\nRCPT TO:<y@d>\r\n"
                                            "{want 2}" };
    static const struct step content = { "c2", "BDAT 6 LAST\r\n.two\r\n" };
    (void)state;
    DIALOGUE(CHUNKING, mail, content,
             { "<250 a\n250 x\n552 Error: Too many recipients\n250 c", "{2: 250 452}" });
    DIALOGUE(CHUNKING, mail, content, { "<250 a\n250 x\n552 5.5.3 No\n250 c", "{2: 250 452}" });
    DIALOGUE(CHUNKING, mail, content,
             { "<250 a\n250 x\n552 5.2.2 Too many recipients\n250 c", "{2: 250 552}" });
    DIALOGUE(CHUNKING, mail, content, { "<250 a\n250 x\n552 Full\n250 c", "{2: 250 552}" });
    DIALOGUE(CHUNKING, mail, content,
             { "<250 a\n552 too many recipients\n250 x\n250 c", "{2: 552 250}" });
}

/* Only who was the first may be the reason that the connection ended. */
static void says_who_did_not_get_a_turn(void **state)
{
    static const struct step end = { NULL, NULL };
    const struct step behind_another[] = { LOCK_STEP,
                                           { "m0", "MAIL FROM:<a@s>\r\n{want 0}" },
                                           { "m1", "{want 1}" },
                                           { "<421 going", "{0: 421}{1: 452}{closed refused 421}" },
                                           end };
    const struct step as_the_first[] = {
        XCLIENT, { "o00", A }, { "<421 no", "{0: 452}{closed refused 421}" }, end
    };
    (void)state;
    assert_int_equal(hold_once(DELIVER_TLS_NO, behind_another, false), 1);
    assert_int_equal(hold_once(DELIVER_TLS_NO, as_the_first, false), 0);
}

static void closes_out_of_step_when_rset_is_refused(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "<250 a\n550 x\n554 c", "{0: 550}" },
             { "m1", "RSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n{want 1}" },
             { "<502 what?", "{1: 451}{closed protocol 451}" });
}

static void gives_up_lost_content(void **state)
{
    (void)state;
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "c0=2", "BDAT 2\r\nze" }, { "x0", "" }, { "x0", "" },
             { "m1", "RSET\r\nMAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\n{want 1}" },
             { "<250 a\n250 x\n250 c", "{0: 451}" }, { "c1", "BDAT 5 LAST\r\none\r\n" },
             { "<250 r\n250 a\n250 x\n250 c", "{1: 250}" });
    /* before it began */
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "m1", "{want 1}" }, { "x1", "{1: 451}" }, { "<250 a\n250 x\n354 go", "" },
             { "c0", "zero\r\n.\r\n" });
    /* DATA under way: refused, it is well; granted, only closing helps */
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "x0", "" }, { "<250 a\n250 x\n451 d", "{0: 451}" });
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "m1", "{want 1}" }, { "x0", "" },
             { "<250 a\n250 x\n354 go", "{0: 451}{1: 452}{closed internal 451}" });
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "<250 a\n250 x\n354 go", "" }, { "c0=2", "ze" },
             { "x0", "{0: 451}{closed internal 451}" });
    /* a message whose reply is still due must not suffer from the one behind it */
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "<250 a\n250 x\n354 go", "" }, { "c0", "zero\r\n.\r\n" },
             { "m1", "MAIL FROM:<b@s>\r\nRCPT TO:<y@d>\r\nDATA\r\n{want 1}" }, { "x1", "" },
             { "<250 c", "{0: 250}" },
             { "<250 a\n250 y\n354 go", "{1: 451}{closed internal 451}" });
}

static void runs_out_of_patience(void **state)
{
    (void)state;
    DIALOGUE({ "t9999", "" }, { "t1", "{closed timeout 421}" });
    DIALOGUE(HELLO, { "t9999", "" }, { "<250-mx", "" }, { "t1", "{closed timeout 421}" });
    DIALOGUE(CHUNKING, { "t999999999", "" }, { "d", "" },
             { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" }, { "d", "" },
             { "t19999", "" }, { "<250 a", "" }, { "t19999", "" },
             { "t1", "{0: 421}{closed timeout 421}" });
    /* waiting for our own content */
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" }, { "d", "" },
             { "<250 a\n250 x", "" }, { "t39999", "" }, { "t1", "{0: 421}{closed timeout 421}" });
    /* the server does not read */
    DIALOGUE(CHUNKING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\n{want 0}" },
             { "c0", "BDAT 6 LAST\r\nzero\r\n" }, { "t39999", "" },
             { "t1", "{0: 421 in doubt}{closed timeout 421}" });
    DIALOGUE(PIPELINING, { "m0", "MAIL FROM:<a@s>\r\nRCPT TO:<x@d>\r\nDATA\r\n{want 0}" },
             { "d", "" }, { "<250 a\n250 x", "" }, { "t29999", "" }, { "<354 go", "" },
             { "t29999", "" }, { "c0", "zero\r\n.\r\n" }, { "d", "" }, { "t49999", "" },
             { "t1", "{0: 421 in doubt}{closed timeout 421}" });
}

static void knows_when_it_is_idle(void **state)
{
    struct dialogue dialogue = { .now = { .mono_ms = 5 } };
    (void)state;
    dialogue.client = deliver_new(&settings, &host, &dialogue, DELIVER_TLS_NO, dialogue.now);
    assert_int_equal(deliver_deadline(dialogue.client), 5 + 10 * SECOND_MS);
    assert_false(deliver_is_idle(dialogue.client));
    feed_line(&dialogue, "220 mx\n250-mx\n250-8BITMIME\n250 PIPELINING");
    assert_true(deliver_is_idle(dialogue.client));
    assert_int_equal(deliver_deadline(dialogue.client), NEVER_MS);
    give_message(&dialogue, 0);
    assert_false(deliver_is_idle(dialogue.client));
    feed_line(&dialogue, "250 a\n250 x\n554 d");
    assert_true(deliver_is_idle(dialogue.client));
    deliver_quit(dialogue.client, dialogue.now);
    assert_false(deliver_is_idle(dialogue.client));
    deliver_free(dialogue.client);
    buf_fini(&dialogue.log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(greets_and_quits),
        cmocka_unit_test(gives_up_when_refused),
        cmocka_unit_test(is_secured_where_it_is_offered),
        cmocka_unit_test(says_nothing_in_the_clear_where_it_must_not),
        cmocka_unit_test(goes_under_the_clients_name),
        cmocka_unit_test(goes_without_where_no_name_is_taken),
        cmocka_unit_test(a_client_may_be_denied),
        cmocka_unit_test(is_content_with_what_is_offered_to_the_client),
        cmocka_unit_test(pipelines_chunks),
        cmocka_unit_test(keeps_the_order_of_content),
        cmocka_unit_test(settles_each_recipient),
        cmocka_unit_test(leaves_a_refused_message_before_its_content),
        cmocka_unit_test(asks_and_takes_it_back),
        cmocka_unit_test(pipelines_data),
        cmocka_unit_test(settles_a_refused_data),
        cmocka_unit_test(goes_one_by_one),
        cmocka_unit_test(uses_only_what_is_offered),
        cmocka_unit_test(refuses_what_the_server_would_refuse),
        cmocka_unit_test(converts_for_seven_bits),
        cmocka_unit_test(keeps_to_the_limits),
        cmocka_unit_test(mends_line_ends),
        cmocka_unit_test(is_in_doubt_only_about_whole_content),
        cmocka_unit_test(reads_552_as_too_many),
        cmocka_unit_test(says_who_did_not_get_a_turn),
        cmocka_unit_test(closes_out_of_step_when_rset_is_refused),
        cmocka_unit_test(gives_up_lost_content),
        cmocka_unit_test(runs_out_of_patience),
        cmocka_unit_test(knows_when_it_is_idle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
