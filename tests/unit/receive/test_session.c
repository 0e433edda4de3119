/* SPDX-License-Identifier: ISC */
/* test_session.c: order of answers, limits, time, and the ways a session ends. */
#include "receive/dialogue.h"

#include "receive/session_private.h"

#define EHLO       "EHLO c.example\r\n"
#define FROM       "MAIL FROM:<a@b.example>\r\n"
#define TO         "RCPT TO:<c@d.example>\r\n"
#define COMMIT     "open commit(ESMTP c.example <a@b.example> c@d.example) "
#define TIMEOUT    "421 4.4.2 Timeout; closing\r\n"
#define LOGGED_OUT "421 4.7.0 Your login has ended; come again and log in\r\n"

static void begin(struct dialogue *dialogue)
{
    dialogue_prepare(dialogue);
    dialogue_start(dialogue);
    dialogue_name(dialogue);
    expect_heard(dialogue, BANNER);
}

/* Up to 354. */
static void begin_data(struct dialogue *dialogue)
{
    begin(dialogue);
    dialogue_say(dialogue, EHLO);
    dialogue_say(dialogue, FROM TO "DATA\r\n");
    expect_heard(dialogue, HELLO SENDER_OK RCPT_OK GO_ON);
}

static void feed_many(struct dialogue *dialogue, const char *bytes, size_t times)
{
    struct buf all = { 0 };
    for (size_t i = 0; i < times; i++)
        buf_add(&all, str_from(bytes));
    dialogue_feed(dialogue, buf_str(&all));
    buf_fini(&all);
}

static void replies_keep_the_order_of_the_commands(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO "RCPT TO:<bad@d.example>\r\nRCPT TO:<>\r\n"
                                         "RCPT TO:<e@d.example>\r\nNOOP\r\n"));
    assert_int_equal(dialogue.asked_count, 3); /* all at once */
    expect_heard(&dialogue, HELLO SENDER_OK);
    dialogue_answer(&dialogue, 2);
    dialogue_answer(&dialogue, 1);
    expect_heard(&dialogue, "");
    dialogue_answer(&dialogue, 0);
    expect_heard(&dialogue, RCPT_OK NO_SUCH "501 5.1.3 Malformed recipient address\r\n" RCPT_OK
                                            "250 2.0.0 OK\r\n");
    dialogue_say(&dialogue, "DATA\r\n");
    dialogue_say(&dialogue, ".\r\n");
    expect_events(&dialogue, "open commit(ESMTP c.example <a@b.example> c@d.example e@d.example) ");
    dialogue_end(&dialogue);
}

/* What a primary takes holds, however often its recipient is named, and whoever is named in vain.
 */
static void nobody_who_is_not_added_raises_the_size(void **state)
{
    static const char small[] = "RCPT TO:<small@d.example>\r\n";
    static const struct {
        bool is_answered; /* the first, before the other is named */
        const char *other, *heard;
    } cases[] = {
        { true, small, RCPT_OK RCPT_OK },
        { false, TO,
          RCPT_OK "452 4.5.3 Too many recipients; send the others in a new message\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue dialogue;
        begin(&dialogue);
        dialogue.settings.recipients_max = 1;
        dialogue_say(&dialogue, EHLO);
        dialogue_say(&dialogue, FROM);
        buf_reset(&dialogue.wire);
        dialogue_feed(&dialogue, str_from(small));
        if (cases[i].is_answered)
            dialogue_settle(&dialogue);
        dialogue_say(&dialogue, cases[i].other);
        expect_heard(&dialogue, cases[i].heard);
        dialogue_say(&dialogue, "BDAT 21 LAST\r\n0123456789012345678\r\n");
        expect_heard(&dialogue, "552 5.3.4 Message exceeds the size limit\r\n");
        dialogue_end(&dialogue);
    }
}

static void unknown_and_late_answers_are_ignored(void **state)
{
    struct dialogue dialogue;
    struct verdict verdict = verdict_accept();
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO));
    uint64_t ticket = dialogue.asked[0].ticket;
    receive_recipient_answer(dialogue.session, ticket + 1, &verdict, (struct receive_terms){ 0 },
                             dialogue.now);
    expect_heard(&dialogue, HELLO SENDER_OK);
    dialogue_wait(&dialogue, MINUTE_MS - 1);
    expect_heard(&dialogue, "");
    assert_true(receive_deadline(dialogue.session) == dialogue.now.mono_ms + 1);
    dialogue_wait(&dialogue, 1);
    expect_heard(&dialogue, "451 4.3.0 No answer in time; try again later\r\n");
    receive_recipient_answer(dialogue.session, ticket, &verdict, (struct receive_terms){ 0 },
                             dialogue.now);
    dialogue_feed(&dialogue, STR("DATA\r\n"));
    expect_heard(&dialogue, "554 5.5.1 No valid recipients\r\n");
    dialogue_end(&dialogue);
}

static void the_pipeline_has_an_end(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.recipients_max = 1000;
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM);
    feed_many(&dialogue, TO, 1000);
    assert_int_equal(dialogue.asked_count, 64);
    assert_false(receive_wants_input(dialogue.session));
    dialogue_settle(&dialogue);
    assert_true(receive_wants_input(dialogue.session));
    assert_int_equal(dialogue.wire.len,
                     sizeof HELLO SENDER_OK + 3 - 1 + 1000 * (sizeof RCPT_OK - 1));
    dialogue_end(&dialogue);
}

/* What a peer sends without end is bounded by what the host feeds after we said stop: nothing. */
static void memory_is_bounded_and_given_back(void **state)
{
    static const char *const floods[] = { "x", "NOOP\r\n", TO, "\r", "\n" };
    (void)state;
    for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
        struct dialogue dialogue;
        begin(&dialogue);
        dialogue.settings.errors_max = UINT32_MAX;
        dialogue.settings.recipients_max = 1000;
        dialogue_say(&dialogue, EHLO);
        dialogue_feed(&dialogue, STR(FROM TO)); /* its answer holds back all others */
        for (int feeds = 0; feeds < 1000 && receive_wants_input(dialogue.session); feeds++)
            feed_many(&dialogue, floods[i], 500);
        assert_true(dialogue.session->held.len <= INPUT_MAX + 500 * strlen(floods[i]));
        assert_true(dialogue.session->pending_count <= PIPELINE_MAX);
        dialogue_settle(&dialogue);
        assert_true(dialogue.session->held.cap <= 2 * (INPUT_MAX + PIECE_MAX));
        dialogue_say(&dialogue, "\r\n");
        assert_true(dialogue.session->held.cap <= IDLE_BUFFER_MAX);
        dialogue_end(&dialogue);
    }
}

static void data_before_354_ends_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "DATA\r\nhi\r\n.\r\n");
    expect_heard(&dialogue,
                 HELLO SENDER_OK RCPT_OK "503 5.5.0 Data sent before it was its turn; closing\r\n");
    expect_events(&dialogue, "close ");
    dialogue_end(&dialogue);
}

static void content_sent_while_354_waits_ends_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO "DATA\r\n"));
    dialogue_feed(&dialogue, STR("hi\r\n"));
    dialogue_settle(&dialogue);
    expect_heard(&dialogue,
                 HELLO SENDER_OK RCPT_OK "503 5.5.0 Data sent before it was its turn; closing\r\n");
    dialogue_end(&dialogue);
}

static void talking_out_of_turn_ends_the_session(void **state)
{
    static const char *const bursts[][2] = {
        { EHLO FROM, NULL },         { "NOOP\r\n" EHLO, NULL },
        { "HELO c\r\n" FROM, NULL }, { "HELO c\r\n", FROM TO },
        { EHLO, FROM EHLO TO },      { "POST / HTTP/1.1\r\nHost: mx\r\n", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof bursts / sizeof *bursts; i++) {
        struct dialogue dialogue;
        begin(&dialogue);
        for (size_t burst = 0; burst < 2 && bursts[i][burst] != NULL; burst++)
            dialogue_say(&dialogue, bursts[i][burst]);
        assert_true(dialogue.closed);
        assert_true(
            str_ends_nocase(buf_str(&dialogue.wire),
                            STR("503 5.5.0 Data sent before it was its turn; closing\r\n")));
        dialogue_end(&dialogue);
    }
}

static void content_waits_for_the_client_name(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue_start(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "DATA\r\n");
    expect_heard(&dialogue, BANNER HELLO SENDER_OK RCPT_OK);
    dialogue_name(&dialogue);
    expect_heard(&dialogue, GO_ON);
    dialogue_say(&dialogue, "hi\r\n.\r\n");
    assert_non_null(memmem(dialogue.content.ptr, dialogue.content.len,
                           "from c.example (client.example [192.0.2.7])", 43));
    dialogue_end(&dialogue);
}

static void content_goes_on_without_a_name_after_a_while(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue_start(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "BDAT 4 LAST\r\nhi\r\n");
    expect_heard(&dialogue, BANNER HELLO SENDER_OK RCPT_OK);
    assert_true(receive_deadline(dialogue.session) == dialogue.now.mono_ms + 5 * SECOND_MS);
    dialogue_wait(&dialogue, 5 * SECOND_MS);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, STORED);
    assert_non_null(memmem(dialogue.content.ptr, dialogue.content.len,
                           "from c.example (unknown [192.0.2.7])", 36));
    dialogue_end(&dialogue);
}

/* The name's time has passed when the recipient's comes: both are over in one tick. */
static void one_tick_does_all_that_is_due(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue_start(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "RCPT TO:<slow@d.example>\r\nDATA\r\n");
    dialogue_wait(&dialogue, MINUTE_MS);
    expect_heard(&dialogue, BANNER HELLO SENDER_OK RCPT_OK
                 "451 4.3.0 No answer in time; try again later\r\n" GO_ON);
    dialogue_end(&dialogue);
}

static void a_small_message_is_written_at_once(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue_say(&dialogue, "Subject: x\r\n\r\nbody\r\n..\r\nend\r\n.\r\n");
    assert_int_equal(dialogue.writes, 1);
    assert_true(str_starts(buf_str(&dialogue.content), STR("Received: from c.example (")));
    dialogue_end(&dialogue);
}

static void size_is_limited(void **state)
{
    static const struct {
        size_t lines; /* of ten octets */
        const char *hear, *events;
    } cases[] = {
        { 100, STORED, COMMIT },
        { 101, "552 5.3.4 Message exceeds the size limit\r\n", "open abort " },
        { 1000, "552 5.3.4 Message exceeds the size limit\r\n", "open abort " },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue dialogue;
        begin_data(&dialogue);
        for (size_t line = 0; line < cases[i].lines; line++)
            dialogue_say(&dialogue, "12345678\r\n");
        expect_heard(&dialogue, "");
        dialogue_say(&dialogue, ".\r\n");
        expect_heard(&dialogue, cases[i].hear);
        expect_events(&dialogue, cases[i].events);
        dialogue_say(&dialogue, FROM);
        expect_heard(&dialogue, SENDER_OK);
        dialogue_end(&dialogue);
    }
}

static void chunks_above_the_size_are_swallowed(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "BDAT 1\r\nxBDAT 1000 LAST\r\n");
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK CHUNK_OK);
    expect_events(&dialogue, "open abort ");
    feed_many(&dialogue, "QUIT\r\n....", 100);
    dialogue_say(&dialogue, FROM);
    expect_heard(&dialogue, "552 5.3.4 Message exceeds the size limit\r\n" SENDER_OK);
    dialogue_say(&dialogue, TO "BDAT 18446744073709551615\r\n");
    dialogue_say(&dialogue, "QUIT\r\n");
    expect_heard(&dialogue, RCPT_OK);
    expect_events(&dialogue, "");
    dialogue_end(&dialogue);
}

/* What bare LFs become counts, so that the announced limit is what is stored. */
static void normalised_chunks_count_as_they_are_stored(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO "BDAT 501 LAST\r\n");
    feed_many(&dialogue, "\n", 501);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK "552 5.3.4 Message exceeds the size limit\r\n");
    dialogue_end(&dialogue);
}

#define TLS "TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256 bits)"
#define HELLO_TLS                                                                                  \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"                        \
    "250-SMTPUTF8\r\n250-DSN\r\n250-STARTTLS\r\n250-ETRN\r\n250-CHUNKING\r\n250-LIMITS "           \
    "RCPTMAX=5\r\n250 "                                                                            \
    "ENHANCEDSTATUSCODES\r\n"
#define HELLO_SECURE                                                                               \
    "250-mx.example\r\n250-PIPELINING\r\n250-SIZE "                                                \
    "1000\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"                                          \
    "250-REQUIRETLS\r\n250-ETRN\r\n250-CHUNKING\r\n250-LIMITS RCPTMAX=5\r\n250 "                   \
    "ENHANCEDSTATUSCODES\r\n"
#define READY "220 2.0.0 Go ahead\r\n"

static void begin_with_tls(struct dialogue *dialogue)
{
    dialogue_prepare(dialogue);
    dialogue->settings.has_tls = true;
    dialogue_start(dialogue);
    dialogue_name(dialogue);
    expect_heard(dialogue, BANNER);
}

/* RFC 3207 4.2 */
static void what_came_before_tls_is_forgotten(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_with_tls(&dialogue);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO_TLS);
    dialogue_say(&dialogue, "STARTTLS\r\n");
    expect_heard(&dialogue, READY);
    expect_events(&dialogue, "tls ");
    receive_secured(dialogue.session, STR(TLS), false, dialogue.now);
    dialogue_say(&dialogue, FROM);
    expect_heard(&dialogue, "503 5.5.1 Say EHLO first\r\n");
    dialogue_say(&dialogue, "EHLO other.example\r\n");
    expect_heard(&dialogue, HELLO_SECURE);
    dialogue_say(&dialogue, "STARTTLS\r\n");
    expect_heard(&dialogue, "503 5.5.1 TLS is on already\r\n");
    dialogue_say(&dialogue, FROM TO);
    dialogue_say(&dialogue, "DATA\r\n");
    dialogue_say(&dialogue, "Subject: x\r\n\r\n.\r\n");
    expect_events(&dialogue, "open commit(ESMTPS other.example <a@b.example> c@d.example) ");
    static const char how[] = "\r\n\t(using " TLS ")\r\n\tby ";
    assert_non_null(memmem(dialogue.content.ptr, dialogue.content.len, how, sizeof how - 1));
    dialogue_end(&dialogue);
}

/* Somebody between us and the client could have added it. */
static void nothing_may_stand_behind_starttls(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_with_tls(&dialogue);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO_TLS);
    dialogue_say(&dialogue, "STARTTLS\r\nEHLO evil.example\r\n");
    expect_heard(&dialogue, "503 5.5.0 Data sent before it was its turn; closing\r\n");
    expect_events(&dialogue, "close ");
    dialogue_end(&dialogue);
}

static void tls_is_not_for_everybody(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO);
    dialogue_say(&dialogue, "STARTTLS\r\n");
    expect_heard(&dialogue, "454 4.7.0 TLS is not available at the moment\r\n");
    dialogue_say(&dialogue, "STARTTLS now\r\n");
    expect_heard(&dialogue, "501 5.5.4 STARTTLS takes no argument\r\n");
    dialogue_say(&dialogue, FROM "STARTTLS\r\n");
    expect_heard(&dialogue,
                 SENDER_OK "503 5.5.1 There is a transaction already; end it with RSET\r\n");
    dialogue_end(&dialogue);
}

static void a_handshake_has_its_time(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_with_tls(&dialogue);
    dialogue_say(&dialogue, "STARTTLS\r\n");
    expect_heard(&dialogue, READY);
    dialogue_wait(&dialogue, 5 * MINUTE_MS);
    expect_heard(&dialogue, TIMEOUT);
    expect_events(&dialogue, "tls close ");
    receive_secured(dialogue.session, STR(TLS), false, dialogue.now); /* too late */
    dialogue_end(&dialogue);
}

/* With TLS from the first octet. */
static void a_connection_may_begin_secure(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_with_tls(&dialogue);
    receive_secured(dialogue.session, STR(TLS), false, dialogue.now);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO_SECURE);
    dialogue_end(&dialogue);
}

/* RFC 8689: whoever is known to have it not is not offered to. */
static void tls_may_be_required_all_the_way(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_with_tls(&dialogue);
    receive_secured(dialogue.session, STR(TLS), false, dialogue.now);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, "MAIL FROM:<a@b.example> REQUIRETLS=1\r\n"
                            "MAIL FROM:<a@b.example> REQUIRETLS\r\n"
                            "RCPT TO:<plain@d.example>\r\n" TO "DATA\r\n");
    dialogue_settle(&dialogue);
    expect_heard(
        &dialogue, HELLO_SECURE
        "501 5.5.4 REQUIRETLS takes no value\r\n" SENDER_OK
        "550 5.7.30 REQUIRETLS cannot be kept towards the server of d.example\r\n" RCPT_OK GO_ON);
    dialogue_say(&dialogue, ".\r\n");
    expect_heard(&dialogue, STORED);
    expect_events(&dialogue, "open commit(ESMTPS c.example <a@b.example> requiretls c@d.example) ");
    dialogue_end(&dialogue);
}

/* RFC 3030 3: octets as they come, and BDAT alone. */
static void content_may_have_no_lines(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue.settings.binarymime = true;
    dialogue_start(&dialogue);
    dialogue_name(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n" TO);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue,
                 BANNER "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
                        "250-SMTPUTF8\r\n250-DSN\r\n250-ETRN\r\n250-CHUNKING\r\n250-BINARYMIME\r\n"
                        "250-LIMITS RCPTMAX=5\r\n250 ENHANCEDSTATUSCODES\r\n" SENDER_OK RCPT_OK);
    dialogue_say(&dialogue, "DATA\r\n");
    expect_heard(&dialogue, "503 5.5.1 With BODY=BINARYMIME content comes with BDAT\r\n");
    dialogue_say(&dialogue, "BDAT 11 LAST\r\nX:y\r\n\r\na\nb\r");
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, STORED);
    assert_true(str_ends_nocase(buf_str(&dialogue.content), STR("X:y\r\n\r\na\nb\r")));
    dialogue_say(&dialogue, "MAIL FROM:<a@b.example> BODY=BINARYMIME\r\n" TO);
    dialogue_say(&dialogue, "BDAT 4\r\nX:y\r"); /* not yet */
    expect_heard(&dialogue, SENDER_OK RCPT_OK CHUNK_OK);
    dialogue_say(&dialogue, "BDAT 8 LAST\r\n\nZ:\n\r\n\r\n");
    expect_heard(&dialogue,
                 "554 5.6.0 NUL, bare CR or LF in the header; its lines end with CRLF\r\n");
    dialogue_end(&dialogue);
}

#define NOT_BASE64 "501 5.5.2 That is not base64\r\n"
#define LOGGED_IN  "235 2.7.0 Welcome\r\n"
#define NOT_OURS   "459 4.7.1 Not yours\r\n"

static void answer_question(struct dialogue *dialogue, struct verdict verdict)
{
    uint64_t ticket = dialogue->question;
    assert_true(ticket != 0);
    dialogue->question = 0;
    receive_question_answer(dialogue->session, ticket, &verdict, STR("user"), dialogue->now);
}

static void let_in(struct dialogue *dialogue)
{
    answer_question(dialogue, verdict_make(235, 7, 0, STR("Welcome")));
    expect_heard(dialogue, LOGGED_IN);
}

static void begin_secure(struct dialogue *dialogue)
{
    begin_with_tls(dialogue);
    dialogue->settings.has_logins = true;
    receive_secured(dialogue->session, STR(TLS), false, dialogue->now);
    dialogue_say(dialogue, EHLO);
    expect_heard(dialogue,
                 "250-mx.example\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-8BITMIME\r\n"
                 "250-SMTPUTF8\r\n250-DSN\r\n250-REQUIRETLS\r\n250-AUTH PLAIN LOGIN\r\n250-ETRN\r\n"
                 "250-CHUNKING\r\n250-LIMITS RCPTMAX=5\r\n250 ENHANCEDSTATUSCODES\r\n");
}

/* RFC 4954 4: the response may come with the command or after 334. */
static void a_client_logs_in(void **state)
{
    static const struct {
        const char *said[3];
        const char *heard[3];
    } ways[] = {
        { { "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n" }, { "" } },
        { { "auth plain dXNlcgB1c2VyAHNlY3JldA==\r\n" }, { "" } }, /* acts for himself */
        { { "AUTH PLAIN\r\n", "AHVzZXIAc2VjcmV0\r\n" }, { "334 \r\n", "" } },
        { { "AUTH LOGIN\r\n", "dXNlcg==\r\n", "c2VjcmV0\r\n" },
          { "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "" } },
        { { "AUTH LOGIN dXNlcg==\r\n", "c2VjcmV0\r\n" }, { "334 UGFzc3dvcmQ6\r\n", "" } },
    };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct dialogue dialogue;
        begin_secure(&dialogue);
        for (size_t k = 0; k < 3 && ways[i].said[k] != NULL; k++) {
            dialogue_say(&dialogue, ways[i].said[k]);
            expect_heard(&dialogue, ways[i].heard[k]);
        }
        expect_events(&dialogue, "login(user secret) ");
        let_in(&dialogue);
        dialogue_say(&dialogue, "AUTH LOGIN\r\n");
        expect_heard(&dialogue, "503 5.5.1 You are logged in already\r\n");
        dialogue_say(&dialogue, "ETRN Example.org\r\n");
        expect_events(&dialogue, "turn(user Example.org) ");
        dialogue_end(&dialogue);
    }
}

static void a_login_that_is_none(void **state)
{
    static const struct {
        const char *said, *heard;
    } wrong[] = {
        { "AUTH\r\n", "504 5.5.4 What there is: PLAIN LOGIN\r\n" },
        { "AUTH CRAM-MD5\r\n", "504 5.5.4 What there is: PLAIN LOGIN\r\n" },
        { "AUTH PLAIN !\r\n", NOT_BASE64 },
        { "AUTH PLAIN =\r\n", "501 5.5.2 PLAIN has two zero octets in it\r\n" },
        { "AUTH PLAIN dXNlcg==\r\n", "501 5.5.2 PLAIN has two zero octets in it\r\n" },
        { "AUTH PLAIN AHVzZXI=\r\n", "501 5.5.2 PLAIN has two zero octets in it\r\n" },
        { "AUTH PLAIN AHVzZXIA\r\n", "535 5.7.8 That is no user and secret\r\n" },
        { "AUTH PLAIN AAByZWQ=\r\n", "535 5.7.8 That is no user and secret\r\n" },
        { "AUTH PLAIN b3RoZXIAdXNlcgBzZWNyZXQ=\r\n",
          "535 5.7.8 Nobody acts for another one here\r\n" },
        { "AUTH PLAIN AGEAYgBj\r\n",
          "535 5.7.8 That is no user and secret\r\n" }, /* a third zero */
        { "AUTH PLAIN\r\n*\r\n", "334 \r\n501 5.7.0 As you like; not logged in\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct dialogue dialogue;
        begin_secure(&dialogue);
        dialogue_say(&dialogue, wrong[i].said);
        expect_heard(&dialogue, wrong[i].heard);
        assert_int_equal(dialogue.question, 0);
        dialogue_end(&dialogue);
    }
}

/* RFC 4954 5: whoever was offered AUTH may say for whom he brings the message. */
static void who_gave_it_to_the_client_may_be_said(void **state)
{
    static const struct {
        const char *said, *heard;
    } cases[] = {
        { "MAIL FROM:<a@b.example> AUTH=<>\r\n", SENDER_OK },
        { "MAIL FROM:<a@b.example> AUTH=e+3Dmc2@example.com SIZE=5\r\n", SENDER_OK },
        { "MAIL FROM:<a@b.example> AUTH\r\n", "501 5.5.4 AUTH is xtext, or <>\r\n" },
        { "MAIL FROM:<a@b.example> AUTH=a+\r\n", "501 5.5.4 AUTH is xtext, or <>\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue dialogue;
        begin_secure(&dialogue);
        dialogue_say(&dialogue, cases[i].said);
        expect_heard(&dialogue, cases[i].heard);
        dialogue_end(&dialogue);
    }
    struct dialogue dialogue;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    buf_reset(&dialogue.wire);
    dialogue_say(&dialogue, cases[0].said);
    expect_heard(&dialogue, "555 5.5.4 AUTH is not offered here and now\r\n");
    dialogue_end(&dialogue);
}

static void a_login_can_be_taken_back(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_secure(&dialogue);
    dialogue_say(&dialogue, "AUTH LOGIN\r\n");
    dialogue_say(&dialogue, "*\r\n");
    expect_heard(&dialogue, "334 VXNlcm5hbWU6\r\n501 5.7.0 As you like; not logged in\r\n");
    dialogue_say(&dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    answer_question(&dialogue, verdict_make(535, 7, 8, STR("Wrong")));
    expect_heard(&dialogue, "535 5.7.8 Wrong\r\n");
    dialogue_say(&dialogue, "ETRN example.org\r\n");
    expect_events(&dialogue, "login(user secret) turn( example.org) ");
    dialogue_end(&dialogue);
}

static void nobody_logs_in_without_tls(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO);
    dialogue_say(&dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    expect_heard(&dialogue, "502 5.5.1 Command not offered here\r\n");
    dialogue.settings.has_logins = true;
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO);
    dialogue_say(&dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    expect_heard(&dialogue, "530 5.7.0 Say STARTTLS first\r\n");
    expect_events(&dialogue, "");
    dialogue_end(&dialogue);
}

static bool is_heard(const struct dialogue *dialogue, const char *text)
{
    return memmem(dialogue->wire.ptr, dialogue->wire.len, text, strlen(text)) != NULL;
}

/* Where the domains' secrets are, and their certificates; who has shown one, and is the server for
 * turns. What is offered then, and what comes of AUTH EXTERNAL. */
static void external_is_for_who_has_shown_a_certificate(void **state)
{
    static const struct {
        bool has_logins, has_external, has_certificate, is_for_turns;
        const char *offer, *reply; /* NULL: the host is asked */
    } cases[] = {
        { true, true, true, false, "250-AUTH PLAIN LOGIN EXTERNAL\r\n", NULL },
        { false, true, true, false, "250-AUTH EXTERNAL\r\n", NULL },
        { false, true, true, true, "250-AUTH EXTERNAL\r\n", NULL },
        { true, true, false, false, "250-AUTH PLAIN LOGIN\r\n",
          "504 5.5.4 What there is: PLAIN LOGIN\r\n" },
        { true, false, true, false, "250-AUTH PLAIN LOGIN\r\n",
          "504 5.5.4 What there is: PLAIN LOGIN\r\n" },
        { false, true, false, false, NULL, "502 5.5.1 Command not offered here\r\n" },
        { false, false, true, false, NULL, "502 5.5.1 Command not offered here\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dialogue dialogue;
        begin_with_tls(&dialogue);
        dialogue.settings.has_logins = cases[i].has_logins;
        dialogue.settings.has_external = cases[i].has_external;
        dialogue.settings.is_for_turns = cases[i].is_for_turns;
        dialogue_say(&dialogue, EHLO);
        assert_false(is_heard(&dialogue, "AUTH"));
        buf_reset(&dialogue.wire);
        dialogue_say(&dialogue, "STARTTLS\r\n");
        buf_reset(&dialogue.wire);
        receive_secured(dialogue.session, STR(TLS), cases[i].has_certificate, dialogue.now);
        dialogue_say(&dialogue, EHLO);
        const char *offer = cases[i].offer != NULL ? cases[i].offer : "AUTH";
        assert_int_equal(is_heard(&dialogue, offer), cases[i].offer != NULL);
        buf_reset(&dialogue.wire);
        buf_reset(&dialogue.events);
        dialogue_say(&dialogue, "AUTH EXTERNAL =\r\n");
        expect_heard(&dialogue, cases[i].reply != NULL ? cases[i].reply : "");
        expect_events(&dialogue, cases[i].reply != NULL ? "" : "certificate() ");
        dialogue_end(&dialogue);
    }
}

/* RFC 4422 A, RFC 4954 4: with and without a first response, an empty one and a named one. */
static void a_certificate_logs_in(void **state)
{
    static const struct {
        const char *said, *heard, *event;
    } ways[] = {
        { "AUTH EXTERNAL =\r\n", "", "certificate() " },
        { "auth external ZXhhbXBsZS5vcmc=\r\n", "", "certificate(example.org) " },
        { "AUTH EXTERNAL\r\n\r\n", "334 \r\n", "certificate() " },
        { "AUTH EXTERNAL\r\nZXhhbXBsZS5vcmc=\r\n", "334 \r\n", "certificate(example.org) " },
        { "AUTH EXTERNAL\r\n*\r\n", "334 \r\n501 5.7.0 As you like; not logged in\r\n", NULL },
        { "AUTH EXTERNAL AGE=\r\n", "535 5.7.8 That is no domain\r\n", NULL },
        { "AUTH EXTERNAL !\r\n", NOT_BASE64, NULL },
        { "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n", "504 5.5.4 What there is: EXTERNAL\r\n", NULL },
        { "AUTH CRAM-MD5\r\n", "504 5.5.4 What there is: EXTERNAL\r\n", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct dialogue dialogue;
        begin_with_tls(&dialogue);
        dialogue.settings.has_external = true;
        receive_secured(dialogue.session, STR(TLS), true, dialogue.now);
        dialogue_say(&dialogue, EHLO);
        buf_reset(&dialogue.wire);
        dialogue_say(&dialogue, ways[i].said);
        expect_heard(&dialogue, ways[i].heard);
        expect_events(&dialogue, ways[i].event != NULL ? ways[i].event : "");
        if (ways[i].event != NULL) {
            let_in(&dialogue);
            dialogue_say(&dialogue, "AUTH EXTERNAL =\r\nETRN example.org\r\n");
            expect_heard(&dialogue, "503 5.5.1 You are logged in already\r\n");
            expect_events(&dialogue, "turn(user example.org) ");
        }
        dialogue_end(&dialogue);
    }
}

/* RFC 1985 5 */
static void a_client_asks_for_his_mail(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, "ETRN example.org\r\n");
    expect_heard(&dialogue, "503 5.5.1 Say EHLO first\r\n");
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO);
    dialogue_say(&dialogue, "ETRN example.org\r\nNOOP\r\n");
    expect_heard(&dialogue, ""); /* what follows waits */
    expect_events(&dialogue, "turn( example.org) ");
    answer_question(&dialogue, verdict_make(253, 0, 0, STR("3 pending messages")));
    expect_heard(&dialogue, "253 2.0.0 3 pending messages\r\n250 2.0.0 OK\r\n");
    dialogue_say(&dialogue, FROM "ETRN example.org\r\nRSET\r\n");
    expect_heard(&dialogue, SENDER_OK
                 "503 5.5.1 There is a transaction already; end it with RSET\r\n250 2.0.0 OK\r\n");
    dialogue_say(&dialogue, "ETRN\r\nETRN a b\r\nETRN #queue\r\n");
    expect_heard(&dialogue, "501 5.5.4 Syntax: ETRN domain, or ETRN @domain\r\n"
                            "501 5.5.4 ETRN takes one domain\r\n"
                            "459 4.7.1 There are no queues with names here; say ETRN domain\r\n");
    dialogue_say(&dialogue, "ETRN @example.org\r\n");
    answer_question(&dialogue, verdict_make(459, 7, 1, STR("Not yours")));
    expect_heard(&dialogue, NOT_OURS);
    expect_events(&dialogue, "turn( @example.org) ");
    dialogue_end(&dialogue);
}

static void a_question_has_its_time(void **state)
{
    struct dialogue dialogue;
    struct verdict late = verdict_make(250, 0, 0, STR("Late"));
    (void)state;
    begin_secure(&dialogue);
    dialogue_say(&dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    uint64_t first = dialogue.question;
    dialogue_wait(&dialogue, MINUTE_MS);
    expect_heard(&dialogue, "454 4.7.0 Cannot find out at the moment; try again later\r\n");
    receive_question_answer(dialogue.session, first, &late, STR_NONE, dialogue.now);
    dialogue_say(&dialogue, "ETRN example.org\r\n");
    receive_question_answer(dialogue.session, first, &late, STR_NONE, dialogue.now);
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, MINUTE_MS);
    expect_heard(&dialogue, "458 4.3.0 Cannot find out at the moment; try again later\r\n");
    dialogue_say(&dialogue, "ETRN example.org\r\n");
    receive_question_unanswered(dialogue.session, first, dialogue.now); /* another one */
    expect_heard(&dialogue, "");
    receive_question_unanswered(dialogue.session, dialogue.question, dialogue.now);
    expect_heard(&dialogue, "458 4.3.0 Cannot find out at the moment; try again later\r\n");
    expect_events(&dialogue, "login(user secret) turn( example.org) turn( example.org) ");
    dialogue_end(&dialogue);
}

#define TURN_HELLO                                                                                 \
    "250-mx.example\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250-ATRN WAIT\r\n250 "                     \
    "ENHANCEDSTATUSCODES\r\n"

/* Where mail is fetched, and none brought (RFC 2645 5.1). */
static void begin_for_turns(struct dialogue *dialogue, bool logs_in)
{
    begin_with_tls(dialogue);
    dialogue->settings.has_logins = dialogue->settings.has_cram = true;
    dialogue->settings.is_for_turns = true;
    receive_secured(dialogue->session, STR(TLS), false, dialogue->now);
    dialogue_say(dialogue, EHLO);
    expect_heard(dialogue, TURN_HELLO);
    if (!logs_in)
        return;
    dialogue_say(dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    expect_events(dialogue, "login(user secret) ");
    let_in(dialogue);
}

static void where_mail_is_fetched_none_is_taken(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, FROM "ETRN example.org\r\nVRFY a\r\nRSET\r\n");
    expect_heard(&dialogue, "502 5.5.1 Command not offered here\r\n"
                            "502 5.5.1 Command not offered here\r\n"
                            "502 5.5.1 Command not offered here\r\n250 2.0.0 OK\r\n");
    dialogue_end(&dialogue);
    begin_secure(&dialogue);
    dialogue_say(&dialogue, "ATRN example.org\r\n");
    expect_heard(&dialogue, "502 5.5.1 Command not offered here\r\n");
    dialogue_end(&dialogue);
}

static void a_connection_is_turned_round(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, "ATRN a.example,b.example\r\n");
    expect_events(&dialogue, "line(user a.example,b.example ) ");
    answer_question(&dialogue, verdict_make(453, 0, 0, STR("You have no mail")));
    expect_heard(&dialogue, "453 4.0.0 You have no mail\r\n");
    dialogue_say(&dialogue, "ATRN\r\n");
    expect_events(&dialogue, "line(user  ) ");
    answer_question(&dialogue, verdict_make(250, 0, 0, STR("Turned")));
    expect_heard(&dialogue, "250 2.0.0 Turned\r\n");
    expect_events(&dialogue, "turned ");
    assert_true(receive_is_turned(dialogue.session));
    assert_int_equal(receive_deadline(dialogue.session), NEVER_MS);
    receive_shutdown(dialogue.session, dialogue.now); /* it is not ours to speak any more */
    expect_heard(&dialogue, "");
    dialogue_end(&dialogue);
}

static void who_waits_may_wait_long(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, "ATRN a.example wait=agent-1\r\n");
    expect_events(&dialogue, "line(user a.example agent-1) ");
    assert_int_equal(receive_deadline(dialogue.session), NEVER_MS);
    answer_question(&dialogue, verdict_make(451, 3, 0, STR("Another one is there")));
    expect_heard(&dialogue, "451 4.3.0 Another one is there\r\n");
    dialogue_say(&dialogue, "ATRN WAIT=agent-1\r\n");
    expect_events(&dialogue, "line(user  agent-1) ");
    receive_shutdown(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "421 4.3.2 Shutting down; call again later\r\n");
    dialogue_end(&dialogue);
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, "ATRN WAIT=agent-1\r\n");
    receive_end(dialogue.session, dialogue.now); /* he has hung up */
    assert_true(dialogue.closed);
    dialogue_end(&dialogue);
}

/* By what he is known has changed. */
static void a_login_ends(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, true);
    assert_true(str_equals(receive_user(dialogue.session), STR("user")));
    dialogue_say(&dialogue, "ATRN WAIT=agent-1\r\n");
    receive_log_out(dialogue.session, dialogue.now);
    expect_heard(&dialogue, LOGGED_OUT);
    assert_true(dialogue.closed);
    dialogue_end(&dialogue);
}

/* What he has handed over is answered first: he would send it again. */
static void a_login_ends_behind_a_message(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_secure(&dialogue);
    dialogue_say(&dialogue, "AUTH PLAIN AHVzZXIAc2VjcmV0\r\n");
    let_in(&dialogue);
    dialogue_say(&dialogue, FROM TO "DATA\r\n");
    expect_heard(&dialogue, SENDER_OK RCPT_OK GO_ON);
    dialogue.mute = true;
    dialogue_say(&dialogue, "hi\r\n.\r\n" FROM);
    receive_log_out(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "");
    assert_false(dialogue.closed);
    dialogue.mute = false;
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, STORED LOGGED_OUT);
    assert_true(dialogue.closed);
    dialogue_end(&dialogue);
}

static void what_is_no_call(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, false);
    dialogue_say(&dialogue, "ATRN example.org\r\n");
    expect_heard(&dialogue, "530 5.7.0 Authentication required: say AUTH first\r\n");
    dialogue_end(&dialogue);
    struct buf much = { 0 };
    buf_add(&much, STR("ATRN WAIT="));
    for (int i = 0; i < 1019; i++)
        buf_add_byte(&much, 'x');
    buf_add(&much, STR("\r\n"));
    buf_add_byte(&much, '\0');
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, much.ptr); /* no domain is so long, and no instance */
    expect_heard(&dialogue, "501 5.5.4 Syntax: ATRN domain,domain [WAIT=name]\r\n");
    dialogue_end(&dialogue);
    buf_fini(&much);
    static const char *const wrong[] = { "ATRN a b\r\n", "ATRN a WAIT=\r\n", "ATRN a WAIT=<>\r\n" };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        begin_for_turns(&dialogue, true);
        dialogue_say(&dialogue, wrong[i]);
        expect_heard(&dialogue, "501 5.5.4 Syntax: ATRN domain,domain [WAIT=name]\r\n");
        dialogue_end(&dialogue);
    }
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, "ATRN\r\n220 I am\r\n");
    expect_heard(&dialogue, "503 5.5.0 Data sent before it was its turn; closing\r\n");
    dialogue_end(&dialogue);
    begin_for_turns(&dialogue, true);
    dialogue_say(&dialogue, "ATRN WAIT=x\r\n");
    dialogue_say(&dialogue, "220 I am\r\n");
    answer_question(&dialogue, verdict_make(250, 0, 0, STR("Turned")));
    expect_heard(&dialogue, "503 5.5.0 Data sent before it was its turn; closing\r\n");
    dialogue_end(&dialogue);
}

/* RFC 2195; where mail is fetched alone. */
static void a_digest_instead_of_the_secret(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_for_turns(&dialogue, false);
    dialogue_say(&dialogue, "AUTH CRAM-MD5\r\n");
    assert_true(str_starts(buf_str(&dialogue.wire), STR("334 PD")));
    buf_reset(&dialogue.wire);
    dialogue_say(&dialogue, "dXNlciAwMTIz\r\n");
    expect_events(&dialogue, "cram(user 0123) ");
    answer_question(&dialogue, verdict_make(535, 7, 8, STR("Wrong")));
    expect_heard(&dialogue, "535 5.7.8 Wrong\r\n");
    dialogue_say(&dialogue, "AUTH CRAM-MD5 dXNlciAwMTIz\r\n");
    expect_heard(&dialogue, "504 5.5.4 What there is: PLAIN LOGIN CRAM-MD5\r\n");
    dialogue_say(&dialogue, "AUTH CRAM-MD5\r\n");
    buf_reset(&dialogue.wire);
    dialogue_say(&dialogue, "dXNlcg==\r\n");
    expect_heard(&dialogue, "501 5.5.2 CRAM-MD5 has a user and a digest\r\n");
    dialogue_end(&dialogue);
}

static void chunking_can_be_switched_off(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.chunking = false;
    dialogue_say(&dialogue, EHLO);
    assert_null(memmem(dialogue.wire.ptr, dialogue.wire.len, "CHUNKING", 8));
    buf_reset(&dialogue.wire);
    dialogue_say(&dialogue, FROM TO "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n");
    expect_heard(&dialogue, SENDER_OK RCPT_OK "502 5.5.1 BDAT is not offered here\r\n"
                                              "250 2.0.0 OK\r\n");
    dialogue_end(&dialogue);
}

static void bare_newlines_can_be_refused(void **state)
{
    static const char *const contents[] = { "a\nb\r\n.\r\n", "a\rb\r\n.\r\n", "\n.\n\r\n.\r\n" };
    (void)state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct dialogue dialogue;
        begin_data(&dialogue);
        dialogue.settings.bare_newline_reject = true;
        dialogue_say(&dialogue, contents[i]);
        expect_heard(&dialogue, "550 5.5.2 Bare CR or LF in the message; end lines with CRLF\r\n");
        expect_events(&dialogue, "open abort ");
        dialogue_say(&dialogue, FROM TO "BDAT 2 LAST\r\na\rQUIT\r\n");
        expect_heard(&dialogue, SENDER_OK RCPT_OK
                     "550 5.5.2 Bare CR or LF in the message; end lines with CRLF\r\n" BYE);
        dialogue_end(&dialogue);
    }
}

static void loops_are_refused(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue_say(&dialogue, "Received: by mx.example\r\nReceived: by mx.example; x\r\n\r\n.\r\n");
    expect_heard(&dialogue, "554 5.4.6 Mail loop: too many hops, or it was here before\r\n");
    expect_events(&dialogue, "open abort ");
    dialogue_end(&dialogue);
}

/* The settings change at a reload, and what they pointed to goes. */
static void our_name_may_change_within_content(void **state)
{
    struct dialogue dialogue;
    char old_name[] = "old.example";
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue.settings.hostname = str_of(old_name, sizeof old_name - 1);
    dialogue_say(&dialogue, FROM TO "DATA\r\n");
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK GO_ON);
    dialogue_say(&dialogue, "Received: by old.");
    dialogue.settings.hostname = STR("mx.example");
    memset(old_name, 'x', sizeof old_name);
    dialogue_say(&dialogue, "example\r\nReceived: by mx.example\r\nReceived: by mx.example\r\n");
    dialogue_say(&dialogue, "\r\n.\r\n");
    expect_heard(&dialogue, "554 5.4.6 Mail loop: too many hops, or it was here before\r\n");
    expect_events(&dialogue, "open abort ");
    dialogue_end(&dialogue);
}

static void say_long_line(struct dialogue *dialogue, size_t len, size_t piece)
{
    struct buf line = { 0 };

    buf_add(&line, STR("NOOP "));
    while (line.len < len)
        buf_add_byte(&line, 'x');
    buf_add(&line, STR("\r\n"));
    for (size_t at = 0; at < line.len; at += piece)
        dialogue_feed(dialogue, str_first(str_skip(buf_str(&line), at), piece));
    buf_fini(&line);
}

static void overlong_lines_are_answered_once(void **state)
{
    static const struct {
        size_t len; /* of the line without its end */
        const char *hear;
    } cases[] = {
        { 2046, HELLO "250 2.0.0 OK\r\n"
                      "250 2.0.0 OK\r\n" },
        { 2047, HELLO "500 5.5.2 Line too long\r\n"
                      "250 2.0.0 OK\r\n" },
        { 100000, HELLO "500 5.5.2 Line too long\r\n"
                        "250 2.0.0 OK\r\n" },
    };
    static const size_t piece[] = { 1, 1000, 1000000 };
    (void)state;
    for (size_t i = 0; i < 3 * sizeof cases / sizeof *cases; i++) {
        struct dialogue dialogue;
        begin(&dialogue);
        dialogue_say(&dialogue, EHLO);
        say_long_line(&dialogue, cases[i / 3].len, piece[i % 3]);
        dialogue_say(&dialogue, "NOOP\r\n");
        expect_heard(&dialogue, cases[i / 3].hear);
        dialogue_end(&dialogue);
    }
}

static void nul_bytes_in_commands_are_refused(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR("NOOP\0\r\nMAIL FROM:<a\0@b.example>\r\nNOOP\r\n"));
    expect_heard(&dialogue, HELLO "500 5.5.2 NUL byte in a command\r\n"
                                  "500 5.5.2 NUL byte in a command\r\n250 2.0.0 OK\r\n");
    dialogue_end(&dialogue);
}

static void too_many_errors_end_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.errors_max = 3;
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, "FOO\r\nNOOP\r\n\r\nFOO\r\nFOO\r\n");
    expect_heard(&dialogue, HELLO "500 5.5.1 Unknown command\r\n250 2.0.0 OK\r\n"
                                  "500 5.5.1 Unknown command\r\n500 5.5.1 Unknown command\r\n"
                                  "421 4.7.0 Too many errors; closing\r\n");
    expect_events(&dialogue, "close ");
    assert_false(receive_wants_input(dialogue.session));
    assert_true(receive_deadline(dialogue.session) == NEVER_MS);
    dialogue_end(&dialogue);
}

static void errors_of_queued_recipients_end_the_session_too(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.errors_max = 1;
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO "RCPT TO:<>\r\n" TO));
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK "501 5.1.3 Malformed recipient address\r\n"
                                                    "421 4.7.0 Too many errors; closing\r\n");
    dialogue_end(&dialogue);
}

static void a_stored_message_forgives_errors(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.errors_max = 2;
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, "FOO\r\n");
    dialogue_say(&dialogue, FROM TO "BDAT 0 LAST\r\nFOO\r\n");
    assert_false(dialogue.closed);
    dialogue_end(&dialogue);
}

/* RFC 5321 4.5.1: every server takes mail to its postmaster. */
static void the_postmaster_is_whom_the_settings_name(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.postmaster = STR("admin@d.example");
    dialogue_say(&dialogue, EHLO);
    static const char *const named[] = { "PostMaster", "Postmaster@MX.example." };
    for (int i = 0; i < 2; i++) {
        buf_reset(&dialogue.events);
        dialogue_say(&dialogue, FROM "RCPT TO:<");
        dialogue_say(&dialogue, named[i]);
        dialogue_say(&dialogue, ">\r\nRCPT TO:<postmaster@d.example>\r\n");
        dialogue_say(&dialogue, "DATA\r\n");
        dialogue_say(&dialogue, "hello\r\n.\r\n");
        static const char both[] = " admin@d.example postmaster@d.example)";
        assert_non_null(memmem(dialogue.events.ptr, dialogue.events.len, both, sizeof both - 1));
    }
    dialogue_end(&dialogue);
}

static void rejected_recipients_are_no_errors(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.errors_max = 0;
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM "RCPT TO:<bad@d.example>\r\nDATA\r\n");
    assert_false(dialogue.closed);
    dialogue_end(&dialogue);
}

static void silence_between_commands_ends_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_wait(&dialogue, 5 * MINUTE_MS - 1);
    dialogue_say(&dialogue, "NOOP\r\n");
    dialogue_wait(&dialogue, 5 * MINUTE_MS - 1);
    expect_heard(&dialogue, HELLO "250 2.0.0 OK\r\n");
    dialogue_say(&dialogue, "NO"); /* a part of a command is none */
    dialogue_wait(&dialogue, 1);
    expect_heard(&dialogue, TIMEOUT);
    expect_events(&dialogue, "close ");
    dialogue_end(&dialogue);
}

static void commands_without_a_message_end_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    for (int minute = 0; minute < 30; minute++) {
        assert_false(dialogue.closed);
        dialogue_say(&dialogue, "RSET\r\n" FROM);
        dialogue_wait(&dialogue, MINUTE_MS);
    }
    assert_true(dialogue.closed);
    dialogue_end(&dialogue);
}

static void messages_keep_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    for (int minute = 0; minute < 100; minute++) {
        dialogue_say(&dialogue, FROM TO "BDAT 0 LAST\r\n");
        dialogue_wait(&dialogue, MINUTE_MS);
    }
    assert_false(dialogue.closed);
    dialogue_end(&dialogue);
}

static void silence_within_content_ends_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.data_rate_min = 0;
    dialogue_wait(&dialogue, 3 * MINUTE_MS - 1);
    dialogue_say(&dialogue, "x");
    dialogue_wait(&dialogue, 3 * MINUTE_MS - 1);
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 1);
    expect_heard(&dialogue, TIMEOUT);
    expect_events(&dialogue, "open abort close ");
    dialogue_end(&dialogue);
}

static void slow_content_ends_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.message_size_max = UINT64_MAX;
    feed_many(&dialogue, "123456789\n", 690); /* pays for 69 s */
    for (int second = 0; second < 68; second++)
        dialogue_wait(&dialogue, SECOND_MS);
    dialogue_say(&dialogue, "x");
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, SECOND_MS + 10);
    expect_heard(&dialogue, "421 4.4.2 Content comes too slowly; closing\r\n");
    expect_events(&dialogue, "open abort close ");
    dialogue_end(&dialogue);
}

static void dribbled_chunks_end_the_session(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM TO);
    for (int second = 0; second < 60; second++) {
        assert_false(dialogue.closed);
        dialogue_say(&dialogue, "BDAT 1\r\nx");
        dialogue_wait(&dialogue, SECOND_MS);
    }
    expect_events(&dialogue, "open abort close ");
    dialogue_end(&dialogue);
}

static void the_window_holds_back_content(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.message_size_max = UINT64_MAX;
    dialogue_say(&dialogue, "\r\n");
    dialogue.mute = true;
    size_t fed = 0;
    while (receive_wants_input(dialogue.session)) {
        feed_many(&dialogue, "12345678\r\n", 1000);
        fed += 10000;
    }
    assert_in_range(dialogue.untaken, RECEIVE_WINDOW - 8192, RECEIVE_WINDOW);
    assert_true(fed < RECEIVE_WINDOW + 20000);
    dialogue.mute = false;
    dialogue_settle(&dialogue);
    assert_true(receive_wants_input(dialogue.session));
    dialogue_say(&dialogue, ".\r\n");
    expect_heard(&dialogue, STORED);
    assert_int_equal(dialogue_body(&dialogue).len, 2 + fed);
    dialogue_end(&dialogue);
}

static void waiting_for_the_store_is_not_the_clients_fault(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.message_size_max = UINT64_MAX;
    dialogue.settings.data_rate_min = 5000;
    dialogue_say(&dialogue, "\r\n");
    dialogue.mute = true;
    while (receive_wants_input(dialogue.session))
        feed_many(&dialogue, "12345678\r\n", 1000);
    dialogue_wait(&dialogue, 5 * MINUTE_MS - 1);
    dialogue.mute = false;
    dialogue_settle(&dialogue);
    dialogue_wait(&dialogue, MINUTE_MS - 1);
    dialogue_say(&dialogue, "\r\n.\r\n");
    expect_heard(&dialogue, STORED);
    dialogue_end(&dialogue);
}

static void a_store_that_takes_nothing_is_given_up(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.message_size_max = UINT64_MAX;
    dialogue_say(&dialogue, "\r\n");
    dialogue.mute = true;
    while (receive_wants_input(dialogue.session))
        feed_many(&dialogue, "12345678\r\n", 1000);
    dialogue_wait(&dialogue, 5 * MINUTE_MS);
    expect_events(&dialogue, "open abort ");
    assert_true(receive_wants_input(dialogue.session)); /* the rest is swallowed */
    feed_many(&dialogue, "12345678\r\n", 100000);
    receive_content_taken(dialogue.session, dialogue.id, dialogue.untaken, dialogue.now);
    dialogue_say(&dialogue, ".\r\n");
    expect_heard(&dialogue, "451 4.3.0 The store takes no more; try again later\r\n");
    dialogue_end(&dialogue);
}

/* The message in doubt is neither aborted nor confirmed, and its late answer is not taken for the
 * next one's. */
static void a_commit_without_answer_is_in_doubt(void **state)
{
    struct dialogue dialogue;
    struct verdict stored = verdict_make(250, 0, 0, STR("Stored"));
    (void)state;
    begin_data(&dialogue);
    dialogue.mute = true;
    dialogue_say(&dialogue, "hi\r\n.\r\n" FROM);
    struct message_id first = dialogue.id;
    dialogue_wait(&dialogue, 4 * MINUTE_MS);
    dialogue_say(&dialogue, TO "BDAT 0 LAST\r\n"); /* does not move the deadline */
    dialogue_wait(&dialogue, MINUTE_MS - 1);
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 1);
    dialogue_settle(&dialogue);
    expect_heard(
        &dialogue,
        "451 4.3.0 The message could not be stored in time; try again later\r\n" SENDER_OK RCPT_OK);
    expect_events(&dialogue, COMMIT COMMIT);
    receive_content_answer(dialogue.session, first, &stored, dialogue.now);
    expect_heard(&dialogue, "");
    receive_content_answer(dialogue.session, dialogue.id, &stored, dialogue.now);
    expect_heard(&dialogue, STORED);
    dialogue_end(&dialogue);
}

static void the_stores_verdict_is_passed_on(void **state)
{
    struct dialogue dialogue;
    struct verdict verdict = verdict_from_reply(452, STR("Disk full"));
    (void)state;
    begin_data(&dialogue);
    dialogue.mute = true;
    dialogue_say(&dialogue, "hi\r\n.\r\n");
    receive_content_answer(dialogue.session, dialogue.id, &verdict, dialogue.now);
    expect_heard(&dialogue, "452 4.0.0 Disk full\r\n");
    dialogue_end(&dialogue);
}

static void a_half_closed_peer_gets_its_answers(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue_feed(&dialogue, STR("hi\r\n.\r\n" FROM TO "NOOP\r\nNO"));
    receive_end(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "");
    assert_false(dialogue.closed);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, STORED SENDER_OK RCPT_OK "250 2.0.0 OK\r\n");
    expect_events(&dialogue, COMMIT "close ");
    dialogue_end(&dialogue);

    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO));
    receive_end(dialogue.session, dialogue.now);
    assert_false(dialogue.closed);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK);
    assert_true(dialogue.closed);
    dialogue_end(&dialogue);
}

static void a_peer_that_ends_within_content_has_sent_none(void **state)
{
    static const char *const contents[] = { "", "hi\r\n", "hi\r\n.", "hi\r\n.\r", "hi\r\n.\n" };
    (void)state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        struct dialogue dialogue;
        begin_data(&dialogue);
        dialogue_say(&dialogue, contents[i]);
        receive_end(dialogue.session, dialogue.now);
        expect_heard(&dialogue, "");
        expect_events(&dialogue, "open abort close ");
        dialogue_end(&dialogue);
    }
}

static void a_lost_connection_aborts_open_content_alone(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue_say(&dialogue, "hi\r\n");
    receive_free(dialogue.session);
    expect_events(&dialogue, "open abort ");
    dialogue.session = NULL;
    dialogue_end(&dialogue);

    begin_data(&dialogue);
    dialogue.mute = true;
    dialogue_say(&dialogue, "hi\r\n.\r\n");
    receive_free(dialogue.session);
    expect_events(&dialogue, COMMIT);
    dialogue.session = NULL;
    dialogue_end(&dialogue);
}

static void shutdown_waits_for_what_is_under_way(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    receive_shutdown(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "");
    dialogue_say(&dialogue, "hi\r\n.\r\n" FROM);
    expect_heard(&dialogue, STORED "421 4.3.2 Shutting down; try again later\r\n");
    expect_events(&dialogue, COMMIT "close ");
    dialogue_end(&dialogue);

    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    dialogue_feed(&dialogue, STR(FROM TO));
    receive_shutdown(dialogue.session, dialogue.now);
    assert_false(dialogue.closed);
    dialogue_settle(&dialogue);
    expect_heard(&dialogue, HELLO SENDER_OK RCPT_OK "421 4.3.2 Shutting down; try again later\r\n");
    dialogue_end(&dialogue);

    begin(&dialogue);
    receive_shutdown(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "421 4.3.2 Shutting down; try again later\r\n");
    dialogue_end(&dialogue);
}

static void new_mail_can_be_refused(void **state)
{
    struct dialogue dialogue;
    struct verdict full = verdict_make(452, 3, 1, STR("Disk full"));
    struct verdict none = verdict_accept();
    (void)state;
    begin(&dialogue);
    dialogue_say(&dialogue, EHLO);
    receive_set_refusal(dialogue.session, &full, dialogue.now);
    dialogue_say(&dialogue, FROM TO);
    receive_set_refusal(dialogue.session, &none, dialogue.now);
    dialogue_say(&dialogue, FROM);
    expect_heard(&dialogue, HELLO "452 4.3.1 Disk full\r\n503 5.5.1 Say MAIL first\r\n" SENDER_OK);
    dialogue_end(&dialogue);
}

static void a_refused_client_hears_why(void **state)
{
    struct dialogue dialogue;
    struct verdict busy = verdict_make(421, 7, 0, STR("Too many sessions"));
    struct endpoint client = { 0 };
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue.session = receive_new(&dialogue.settings, &fake_host, &dialogue, client,
                                   &dialogue.random, dialogue.now, &busy);
    dialogue_say(&dialogue, EHLO);
    receive_end(dialogue.session, dialogue.now);
    receive_shutdown(dialogue.session, dialogue.now);
    expect_heard(&dialogue, "421 4.7.0 Too many sessions\r\n");
    expect_events(&dialogue, "close ");
    dialogue_end(&dialogue);
}

/* ---- for those in a hurry ---- */

static void the_greeting_waits_for_the_silent(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue.settings.greet_delay_ms = 3 * SECOND_MS;
    dialogue_start(&dialogue);
    dialogue_name(&dialogue);
    dialogue_wait(&dialogue, 3 * SECOND_MS - 1);
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 1);
    expect_heard(&dialogue, BANNER);
    dialogue_say(&dialogue, EHLO);
    expect_heard(&dialogue, HELLO);
    dialogue_end(&dialogue);
}

static void who_speaks_before_the_greeting_is_let_go(void **state)
{
    struct dialogue dialogue;
    (void)state;
    dialogue_prepare(&dialogue);
    dialogue.settings.greet_delay_ms = 3 * SECOND_MS;
    dialogue_start(&dialogue);
    dialogue_wait(&dialogue, SECOND_MS);
    dialogue_say(&dialogue, "E"); /* half a word is enough */
    expect_heard(&dialogue, "554 5.5.0 Wait for the greeting before you speak\r\n");
    expect_events(&dialogue, "close ");
    dialogue_end(&dialogue);
}

static void a_tarpit_slows_down_who_guesses(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin(&dialogue);
    dialogue.settings.tarpit_ms = 2 * SECOND_MS;
    dialogue_say(&dialogue, EHLO);
    dialogue_say(&dialogue, FROM "RCPT TO:<bad@d.example>\r\nRCPT TO:<bad@d.example>\r\n"
                                 "RCPT TO:<bad@d.example>\r\n");
    expect_heard(&dialogue, HELLO SENDER_OK NO_SUCH NO_SUCH NO_SUCH);
    dialogue_say(&dialogue, "RCPT TO:<bad@d.example>\r\nNOOP\r\n");
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 2 * SECOND_MS - 1);
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 1);
    expect_heard(&dialogue, NO_SUCH "250 2.0.0 OK\r\n");
    dialogue_say(&dialogue, "FOO\r\n"); /* mistakes count too */
    expect_heard(&dialogue, "");
    dialogue_wait(&dialogue, 2 * SECOND_MS);
    expect_heard(&dialogue, "500 5.5.1 Unknown command\r\n");
    dialogue_end(&dialogue);
}

static void a_header_has_a_limit(void **state)
{
    struct dialogue dialogue;
    (void)state;
    begin_data(&dialogue);
    dialogue.settings.message_size_max = 100000;
    dialogue.settings.header_size_max = 1000;
    feed_many(&dialogue, "X: 12345\r\n", 99);
    dialogue_say(&dialogue, "\r\n");
    feed_many(&dialogue, "X: 12345\r\n", 1000); /* the body may be larger */
    dialogue_say(&dialogue, ".\r\n");
    expect_heard(&dialogue, STORED);
    assert_int_equal(dialogue.headers, 1);
    dialogue_say(&dialogue, FROM TO "DATA\r\n");
    expect_heard(&dialogue, SENDER_OK RCPT_OK GO_ON);
    feed_many(&dialogue, "X: 12345\r\n", 101);
    dialogue_say(&dialogue, "\r\n.\r\n");
    expect_heard(&dialogue, "552 5.3.4 The header of the message is too large\r\n");
    assert_int_equal(dialogue.headers, 1);
    dialogue_end(&dialogue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replies_keep_the_order_of_the_commands),
        cmocka_unit_test(nobody_who_is_not_added_raises_the_size),
        cmocka_unit_test(unknown_and_late_answers_are_ignored),
        cmocka_unit_test(the_pipeline_has_an_end),
        cmocka_unit_test(memory_is_bounded_and_given_back),
        cmocka_unit_test(data_before_354_ends_the_session),
        cmocka_unit_test(content_sent_while_354_waits_ends_the_session),
        cmocka_unit_test(talking_out_of_turn_ends_the_session),
        cmocka_unit_test(content_waits_for_the_client_name),
        cmocka_unit_test(content_goes_on_without_a_name_after_a_while),
        cmocka_unit_test(one_tick_does_all_that_is_due),
        cmocka_unit_test(a_small_message_is_written_at_once),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(chunks_above_the_size_are_swallowed),
        cmocka_unit_test(normalised_chunks_count_as_they_are_stored),
        cmocka_unit_test(chunking_can_be_switched_off),
        cmocka_unit_test(tls_may_be_required_all_the_way),
        cmocka_unit_test(content_may_have_no_lines),
        cmocka_unit_test(what_came_before_tls_is_forgotten),
        cmocka_unit_test(nothing_may_stand_behind_starttls),
        cmocka_unit_test(tls_is_not_for_everybody),
        cmocka_unit_test(a_handshake_has_its_time),
        cmocka_unit_test(a_connection_may_begin_secure),
        cmocka_unit_test(a_client_logs_in),
        cmocka_unit_test(a_login_that_is_none),
        cmocka_unit_test(who_gave_it_to_the_client_may_be_said),
        cmocka_unit_test(a_login_can_be_taken_back),
        cmocka_unit_test(nobody_logs_in_without_tls),
        cmocka_unit_test(external_is_for_who_has_shown_a_certificate),
        cmocka_unit_test(a_certificate_logs_in),
        cmocka_unit_test(a_client_asks_for_his_mail),
        cmocka_unit_test(a_question_has_its_time),
        cmocka_unit_test(where_mail_is_fetched_none_is_taken),
        cmocka_unit_test(a_connection_is_turned_round),
        cmocka_unit_test(who_waits_may_wait_long),
        cmocka_unit_test(what_is_no_call),
        cmocka_unit_test(a_login_ends),
        cmocka_unit_test(a_login_ends_behind_a_message),
        cmocka_unit_test(a_digest_instead_of_the_secret),
        cmocka_unit_test(bare_newlines_can_be_refused),
        cmocka_unit_test(loops_are_refused),
        cmocka_unit_test(our_name_may_change_within_content),
        cmocka_unit_test(overlong_lines_are_answered_once),
        cmocka_unit_test(nul_bytes_in_commands_are_refused),
        cmocka_unit_test(too_many_errors_end_the_session),
        cmocka_unit_test(errors_of_queued_recipients_end_the_session_too),
        cmocka_unit_test(a_stored_message_forgives_errors),
        cmocka_unit_test(the_postmaster_is_whom_the_settings_name),
        cmocka_unit_test(rejected_recipients_are_no_errors),
        cmocka_unit_test(silence_between_commands_ends_the_session),
        cmocka_unit_test(commands_without_a_message_end_the_session),
        cmocka_unit_test(messages_keep_the_session),
        cmocka_unit_test(silence_within_content_ends_the_session),
        cmocka_unit_test(slow_content_ends_the_session),
        cmocka_unit_test(dribbled_chunks_end_the_session),
        cmocka_unit_test(the_window_holds_back_content),
        cmocka_unit_test(waiting_for_the_store_is_not_the_clients_fault),
        cmocka_unit_test(a_store_that_takes_nothing_is_given_up),
        cmocka_unit_test(a_commit_without_answer_is_in_doubt),
        cmocka_unit_test(the_stores_verdict_is_passed_on),
        cmocka_unit_test(a_half_closed_peer_gets_its_answers),
        cmocka_unit_test(a_peer_that_ends_within_content_has_sent_none),
        cmocka_unit_test(a_lost_connection_aborts_open_content_alone),
        cmocka_unit_test(shutdown_waits_for_what_is_under_way),
        cmocka_unit_test(new_mail_can_be_refused),
        cmocka_unit_test(a_refused_client_hears_why),
        cmocka_unit_test(the_greeting_waits_for_the_silent),
        cmocka_unit_test(who_speaks_before_the_greeting_is_let_go),
        cmocka_unit_test(a_tarpit_slows_down_who_guesses),
        cmocka_unit_test(a_header_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
