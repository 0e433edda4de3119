/* SPDX-License-Identifier: ISC */
/* test_dsn.c: the notice is what RFC 3464 has, and whatever strangers wrote stays in its place. */
#include "testing.h"

#include <string.h>

#include "wire/dsn.h"
#include "base/check.h"
#include "wire/mime.h"

static const struct verdict *unknown_user(void)
{
    static struct verdict verdict;
    verdict = verdict_from_reply(550, STR("5.1.1 No such user here"));
    return &verdict;
}

static struct dsn_recipient usual_recipient(void)
{
    return (struct dsn_recipient){ .address = STR("bob@example.org"),
                                   .original = STR("rfc822;Bob+2Bx@example.org"),
                                   .action = DSN_FAILED,
                                   .verdict = unknown_user(),
                                   .is_reply = true,
                                   .remote = STR("mx.example.org"),
                                   .last_attempt_ms = 1795886460000,
                                   .will_retry_until_ms = 1796318400000 };
}

static struct dsn usual(const struct dsn_recipient *recipient)
{
    struct dsn dsn = {
        .from = STR("postmaster@mx2.example.net"),
        .from_name = STR("Mail delivery"),
        .to = STR("alice@sender.example"),
        .subject = STR("Not delivered"),
        .message_id = STR("<01KB.notice@mx2.example.net>"),
        .date_ms = 1795886500000,
        .language = STR("en"),
        .words = STR("Hello,\nno.\n"),
        .reporting_mta = STR("mx2.example.net"),
        .envelope_id = STR("id+2B1"),
        .arrival_ms = 1795886400000,
        .helo = STR("out.sender.example"),
        .log_id = STR("01KB"),
        .recipient = recipient,
        .recipient_count = 1,
        .content = STR("Message-ID: <1@sender.example>\r\nSubject: Hi\r\n\r\nThe body.\r\n"),
        .returned_max = 10000,
    };
    check(endpoint_from_ip(STR("192.0.2.9"), 0, &dsn.client));
    return dsn;
}

static bool holds(const struct buf *buf, const char *text)
{
    return buf->len > 0 && memmem(buf->ptr, buf->len, text, strlen(text)) != NULL;
}

#define assert_holds(buf, text)                                                                    \
    do {                                                                                           \
        if (!holds(buf, text))                                                                     \
            fail_msg("no %s in\n%.*s", text, STR_FMT(buf_str(buf)));                               \
    } while (0)

static unsigned count(const struct buf *buf, const char *text)
{
    unsigned found = 0;
    for (struct str rest = buf_str(buf); rest.len > 0; rest = str_skip(rest, 1))
        found += str_starts(rest, str_from(text)) ? 1 : 0;
    return found;
}

static void writes_it_all(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    assert_true(dsn_add(&out, &dsn, &form));
    assert_buf(&out, "From: Mail delivery\r\n"
                     " <postmaster@mx2.example.net>\r\n"
                     "To: <alice@sender.example>\r\n"
                     "Subject: Not delivered\r\n"
                     "Date: Sat, 28 Nov 2026 17:21:40 +0000\r\n"
                     "Message-ID: <01KB.notice@mx2.example.net>\r\n"
                     "In-Reply-To: <1@sender.example>\r\n"
                     "References: <1@sender.example>\r\n"
                     "Auto-Submitted: auto-replied\r\n"
                     "MIME-Version: 1.0\r\n"
                     "Content-Type: multipart/report; report-type=delivery-status;\r\n"
                     "\tboundary=\"=_01KBnoticemx2examplenet\"\r\n"
                     "\r\n"
                     "--=_01KBnoticemx2examplenet\r\n"
                     "Content-Type: text/plain; charset=us-ascii\r\n"
                     "Content-Language: en\r\n"
                     "\r\n"
                     "Hello,\r\n"
                     "no.\r\n"
                     "\r\n"
                     "--=_01KBnoticemx2examplenet\r\n"
                     "Content-Type: message/delivery-status\r\n"
                     "\r\n"
                     "Original-Envelope-Id: id+1\r\n"
                     "Reporting-MTA: dns; mx2.example.net\r\n"
                     "Received-From-MTA: dns; out.sender.example ([192.0.2.9])\r\n"
                     "Arrival-Date: Sat, 28 Nov 2026 17:20:00 +0000\r\n"
                     "\r\n"
                     "Original-Recipient: rfc822; Bob+x@example.org\r\n"
                     "Final-Recipient: rfc822; bob@example.org\r\n"
                     "Action: failed\r\n"
                     "Status: 5.1.1\r\n"
                     "Remote-MTA: dns; mx.example.org\r\n"
                     "Diagnostic-Code: smtp; 550 5.1.1 No such user here\r\n"
                     "Last-Attempt-Date: Sat, 28 Nov 2026 17:21:00 +0000\r\n"
                     "Final-Log-Id: 01KB\r\n"
                     "\r\n"
                     "--=_01KBnoticemx2examplenet\r\n"
                     "Content-Type: text/rfc822-headers\r\n"
                     "\r\n"
                     "Message-ID: <1@sender.example>\r\n"
                     "Subject: Hi\r\n"
                     "\r\n"
                     "--=_01KBnoticemx2examplenet--\r\n");
    assert_int_equal(form.body_type, BODY_7BIT);
    assert_false(form.needs_utf8);
    assert_false(form.is_whole);
    buf_fini(&out);
}

static void leaves_out_what_is_not_known(void **state)
{
    struct dsn_recipient recipient = { .address = STR("bob@example.org"), .action = DSN_DELAYED };
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    dsn.from_name = dsn.envelope_id = dsn.helo = dsn.log_id = dsn.language = STR_NONE;
    dsn.client.family = ENDPOINT_NONE;
    dsn.arrival_ms = 0;
    dsn.content = STR("Subject: Hi\r\n");
    dsn.returned_max = 0;
    assert_true(dsn_add(&out, &dsn, &form));
    assert_holds(&out, "From: <postmaster@mx2.example.net>\r\n");
    assert_holds(&out, "\r\n\r\nReporting-MTA: dns; mx2.example.net\r\n"
                       "\r\n"
                       "Final-Recipient: rfc822; bob@example.org\r\n"
                       "Action: delayed\r\n"
                       "Status: 4.4.0\r\n"
                       "\r\n"
                       "--=_01KBnoticemx2examplenet--\r\n");
    assert_false(holds(&out, "In-Reply-To"));
    assert_false(holds(&out, "Content-Language"));
    buf_fini(&out);
}

static void says_until_when_only_of_what_is_delayed(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    for (int action = DSN_FAILED; action <= DSN_RELAYED; action++) {
        buf_reset(&out);
        recipient.action = (enum dsn_action)action;
        assert_true(dsn_add(&out, &dsn, &form));
        assert_int_equal(holds(&out, "Will-Retry-Until: Thu, 3 Dec 2026 17:20:00 +0000\r\n"),
                         action == DSN_DELAYED);
    }
    buf_fini(&out);
}

static void has_a_status_that_the_action_allows(void **state)
{
    static const struct {
        enum dsn_action action;
        bool expired;
        uint16_t code; /* 0: no verdict */
        const char *text, *status;
    } cases[] = {
        { DSN_FAILED, false, 550, "5.1.1 x", "5.1.1" },
        { DSN_FAILED, false, 550, "x", "5.0.0" },
        { DSN_FAILED, false, 552, "x", "5.2.2" },
        { DSN_FAILED, false, 551, "x", "5.1.6" },
        { DSN_FAILED, false, 553, "x", "5.1.3" },
        { DSN_FAILED, false, 554, "x", "5.0.0" },
        { DSN_FAILED, false, 451, "4.7.1 x", "4.7.1" },
        { DSN_FAILED, false, 0, "", "5.0.0" },
        { DSN_FAILED, true, 451, "4.7.1 x", "4.4.7" },
        { DSN_FAILED, true, 550, "5.1.1 x", "4.4.7" },
        { DSN_FAILED, true, 0, "", "4.4.7" },
        { DSN_FAILED, false, 250, "x", "5.0.0" },
        { DSN_DELAYED, false, 451, "4.4.1 x", "4.4.1" },
        { DSN_DELAYED, false, 421, "x", "4.4.2" },
        { DSN_DELAYED, false, 450, "x", "4.2.0" },
        { DSN_DELAYED, false, 452, "x", "4.3.1" },
        { DSN_DELAYED, false, 550, "5.7.1 x", "4.7.1" },
        { DSN_DELAYED, true, 0, "", "4.4.0" },
        { DSN_DELAYED, false, 250, "x", "4.4.0" },
        { DSN_RELAYED, false, 250, "2.1.5 x", "2.1.5" },
        { DSN_RELAYED, false, 250, "x", "2.0.0" },
        { DSN_DELIVERED, false, 0, "", "2.0.0" },
        { DSN_DELIVERED, false, 550, "5.1.1 x", "2.0.0" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, str_from(cases[i].text));
        struct dsn_recipient recipient = { .action = cases[i].action,
                                           .is_expired = cases[i].expired,
                                           .verdict = cases[i].code != 0 ? &verdict : NULL };
        struct buf out = { 0 };
        dsn_add_status(&out, &recipient);
        assert_buf(&out, cases[i].status);
        buf_fini(&out);
    }
}

static void tells_whose_finding_it_is(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct verdict ours = verdict_make(451, 4, 1, STR("No answer within 30 s"));
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    recipient.verdict = &ours;
    recipient.is_reply = false;
    assert_true(dsn_add(&out, &dsn, &form));
    assert_holds(&out, "Diagnostic-Code: x-holdfast; 451 4.4.1 No answer within 30 s\r\n");
    buf_fini(&out);
}

static void returns_what_was_asked_for(void **state)
{
    static char large[3000];
    static const char plain[] = "Subject: Hi\r\n\r\nThe body.\r\n";
    static const char body8[] = "Subject: Hi\r\n\r\nGr\xc3\xbc\xc3\x9f"
                                "e.\r\n";
    static const char header8[] = "Subject: Gr\xc3\xbc\xc3\x9f"
                                  "e\r\n\r\nx\r\n";
    static const char latin1[] = "Subject: Gr\xfc\xdf"
                                 "e\r\n\r\nx\r\n";
    const struct {
        const char *content;
        bool whole, utf8;
        size_t max;
        const char *type, *then;
        enum body_type body;
        bool needs_utf8, is_whole;
    } cases[] = {
        { plain, false, false, 100, "text/rfc822-headers\r\n", "Subject: Hi\r\n\r\n--=_", 0, false,
          false },
        { plain, true, false, 100, "message/rfc822\r\n", "The body.\r\n\r\n--=_", 0, false, true },
        { plain, true, false, sizeof plain - 1, "message/rfc822\r\n", "The body.\r\n", 0, false,
          true },
        { plain, true, false, sizeof plain - 2, "text/rfc822-headers\r\n", "Hi\r\n\r\n--=_", 0,
          false, false },
        { body8, true, false, 100, "message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n",
          "\xc3\x9f"
          "e.\r\n",
          BODY_8BITMIME, false, true },
        { header8, true, false, 100,
          "text/rfc822-headers; charset=utf-8\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n",
          "Gr=C3=BC=C3=9Fe\r\n", 0, false, false },
        { header8, true, true, 100,
          "message/global\r\n"
          "Content-Transfer-Encoding: 8bit\r\n",
          "\r\n\r\nx\r\n", BODY_8BITMIME, true, true },
        { header8, false, true, 100,
          "message/global-headers\r\n"
          "Content-Transfer-Encoding: 8bit\r\n",
          "\r\n\r\n--=_", BODY_8BITMIME, true, false },
        { latin1, true, true, 100, "text/rfc822-headers; charset=unknown-8bit\r\n", "Gr=FC=DFe\r\n",
          0, false, false },
        { large, true, false, 100000,
          "text/rfc822-headers\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n",
          "x: xxxx", 0, false, false },
    };
    (void)state;
    memset(large, 'x', sizeof large - 1);
    large[1] = ':';
    large[2] = ' ';
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dsn_recipient recipient = usual_recipient();
        struct dsn dsn = usual(&recipient);
        struct dsn_form form;
        struct buf out = { 0 };
        dsn.content = str_from(cases[i].content);
        dsn.returns_whole = cases[i].whole;
        dsn.may_be_utf8 = cases[i].utf8;
        dsn.returned_max = cases[i].max;
        assert_true(dsn_add(&out, &dsn, &form));
        assert_holds(&out, cases[i].type);
        assert_holds(&out, cases[i].then);
        assert_int_equal(form.body_type, cases[i].body);
        assert_int_equal(form.needs_utf8, cases[i].needs_utf8);
        assert_int_equal(form.is_whole, cases[i].is_whole);
        assert_int_equal(holds(&out, "Content-Transfer-Encoding: 8bit\r\n\r\n--=_"),
                         cases[i].body == BODY_8BITMIME);
        assert_true(mime_look_at(buf_str(&out)).line_max <= MIME_LINE_MAX);
        buf_fini(&out);
    }
}

static void cuts_a_header_between_fields(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    static const struct str header = { "A: 1\r\nB: 2\r\n 3\r\nC: 4\r\n\r\nbody\r\n", 31 };
    static const char *const kept[] = { "A: 1\r\n", "A: 1\r\nB: 2\r\n 3\r\n",
                                        "A: 1\r\nB: 2\r\n 3\r\nC: 4\r\n" };
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    dsn.content = header;
    for (size_t max = 1; max < 30; max++) {
        buf_reset(&out);
        dsn.returned_max = max;
        assert_true(dsn_add(&out, &dsn, &form));
        if (max < 6) {
            assert_false(holds(&out, "rfc822-headers"));
            continue;
        }
        struct buf want = { 0 };
        buf_add_format(&want, "headers\r\n\r\n%s\r\n--=_", kept[max < 16 ? 0 : max < 22 ? 1 : 2]);
        buf_add_byte(&want, '\0');
        assert_holds(&out, want.ptr);
        buf_fini(&want);
    }
    buf_fini(&out);
}

static void writes_addresses_of_every_kind(void **state)
{
    static const struct {
        const char *address, *original;
        bool utf8;
        const char *want;
    } cases[] = {
        { "b@example.org", "", false, "\r\n\r\nFinal-Recipient: rfc822; b@example.org\r\n" },
        { "\"b c\"@example.org", "", false, "Final-Recipient: rfc822; \"b c\"@example.org\r\n" },
        { "j\xc3\xb6rg@example.org", "", true,
          "Final-Recipient: utf-8; j\xc3\xb6rg@example.org\r\n" },
        { "j\xc3\xb6rg@example.org", "", false,
          "Final-Recipient: utf-8; j\\x{F6}rg@example.org\r\n" },
        { "b@example.org", "utf-8;j\\x{F6}rg@example.org", true,
          "Original-Recipient: utf-8; j\xc3\xb6rg@example.org\r\n" },
        { "b@example.org", "UTF-8;j\xc3\xb6rg@example.org", false,
          "Original-Recipient: utf-8; j\\x{F6}rg@example.org\r\n" },
        { "b@example.org", "utf-8;b\\x{2B}c@example.org", false,
          "Original-Recipient: utf-8; b+c@example.org\r\n" },
        { "b@example.org", "X400;c+3Dde", false, "Original-Recipient: X400; c=de\r\n" },
        /* not what it should be */
        { "b@example.org", "rfc822;a+0D+0AX:y", false,
          "Original-Recipient: rfc822; a+0D+0AX:y\r\n" },
        { "b@example.org", "utf-8;a\\x{0A}b", false, "Original-Recipient: utf-8; a\\x{0A}b\r\n" },
        { "b@example.org", "rfc822", false, "\r\n\r\nFinal-" },
        { "b@example.org", "rfc822;", false, "\r\n\r\nFinal-" },
        { "b@example.org", ";a", false, "\r\n\r\nFinal-" },
        { "b@example.org", "a b;c", false, "\r\n\r\nFinal-" },
        { "b@example.org", "rfc822;a\r\nX: y", false, "Original-Recipient: rfc822; a X: y\r\n" },
        { "b\r\nX: y", "", false, "Final-Recipient: rfc822; b X: y\r\n" },
        { "b\xff", "", true, "Final-Recipient: rfc822; b?\r\n" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct dsn_recipient recipient = { .address = str_from(cases[i].address),
                                           .original = str_from(cases[i].original) };
        struct dsn dsn = usual(&recipient);
        struct dsn_form form;
        struct buf out = { 0 };
        dsn.may_be_utf8 = cases[i].utf8;
        assert_true(dsn_add(&out, &dsn, &form));
        assert_holds(&out, cases[i].want);
        bool is_global = holds(&out, "Content-Type: message/global-delivery-status\r\n"
                                     "Content-Transfer-Encoding: 8bit\r\n");
        assert_int_equal(is_global, form.needs_utf8);
        buf_fini(&out);
    }
}

static void answers_a_sender_in_utf8(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    dsn.to = STR("j\xc3\xb6rg@b\xc3\xbc"
                 "cher.example");
    assert_false(dsn_add(&out, &dsn, &form));
    dsn.may_be_utf8 = true;
    assert_true(dsn_add(&out, &dsn, &form));
    assert_holds(&out, "To: <j\xc3\xb6rg@b\xc3\xbc"
                       "cher.example>\r\n");
    assert_true(form.needs_utf8);
    buf_fini(&out);
}

/* A name that would be a field, in each place that strangers fill. */
static void lets_nobody_write_fields(void **state)
{
#define EVIL "a\r\nEvil: yes\r\n\r\n--=_01KBnoticemx2examplenet--\r\nEvil: yes\r\n"
    struct verdict verdict = verdict_from_reply(550, STR(EVIL));
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    recipient.address = recipient.original = recipient.remote = STR(EVIL);
    recipient.verdict = &verdict;
    dsn.from_name = dsn.subject = dsn.envelope_id = dsn.helo = dsn.log_id = STR(EVIL);
    dsn.language = STR(EVIL);
    dsn.words = STR_NONE;
    dsn.content = STR("Message-ID: <a@b>\r\n <c@d>\r\nSubject: x\r\n");
    assert_true(dsn_add(&out, &dsn, &form));
    assert_int_equal(count(&out, "\nEvil"), 0);
    assert_int_equal(count(&out, "\n--=_01KB"), 4);
    assert_int_equal(count(&out, "\nIn-Reply-To"), 0);

    static const char *const bad[] = { EVIL, "", "a b@example.org", "a@b>\r\nX: y", "a" };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct dsn worse[4] = { usual(&recipient), usual(&recipient), usual(&recipient),
                                usual(&recipient) };
        buf_reset(&out);
        worse[0].from = worse[1].to = worse[2].message_id = str_from(bad[i]);
        worse[3].reporting_mta = i < 4 ? str_from(bad[i]) : STR_NONE;
        for (size_t j = 0; j < 4; j++)
            if (dsn_add(&out, &worse[j], &form) && !(i == 3 && j == 3))
                fail_msg("%zu %zu", i, j);
    }
    buf_fini(&out);
}

static void finds_a_boundary_that_nobody_wrote(void **state)
{
    struct dsn_recipient recipient = usual_recipient();
    struct dsn dsn = usual(&recipient);
    struct dsn_form form;
    struct buf out = { 0 };

    (void)state;
    dsn.words = STR("--=_01KBnoticemx2examplenet\n--=_01KBnoticemx2examplenet_1_--\n");
    dsn.content = STR("Subject: x\r\n\r\n--=_01KBnoticemx2examplenet_0_\r\n");
    dsn.returns_whole = true;
    assert_true(dsn_add(&out, &dsn, &form));
    assert_holds(&out, "boundary=\"=_01KBnoticemx2examplenet_2_\"\r\n");
    assert_int_equal(count(&out, "--=_01KBnoticemx2examplenet_2_"), 4);
    buf_fini(&out);
}

static void keeps_its_lines_within_bounds(void **state)
{
    static char room[5000];
    static const char fills[] = { 'x', ' ', '+', '\\', (char)0xff, '\0', '(' };
    struct dsn_form form;

    (void)state;
    for (size_t i = 0; i < 2 * sizeof fills; i++) {
        struct dsn_recipient recipient = usual_recipient();
        struct dsn dsn = usual(&recipient);
        struct buf out = { 0 };
        memset(room, fills[i / 2], sizeof room);
        recipient.address = recipient.remote = str_of(room, sizeof room);
        recipient.original = str_of(room, 400);
        dsn.subject = dsn.from_name = dsn.helo = dsn.log_id = dsn.words = dsn.content =
            str_of(room, sizeof room);
        dsn.envelope_id = str_of(room, 500);
        dsn.may_be_utf8 = i % 2 == 1;
        assert_true(dsn_add(&out, &dsn, &form));
        struct mime_look look = mime_look_at(buf_str(&out));
        if (look.line_max > MIME_LINE_MAX || look.has_controls || !look.is_utf8)
            fail_msg("%zu: %zu", i, look.line_max);
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_it_all),
        cmocka_unit_test(leaves_out_what_is_not_known),
        cmocka_unit_test(says_until_when_only_of_what_is_delayed),
        cmocka_unit_test(has_a_status_that_the_action_allows),
        cmocka_unit_test(tells_whose_finding_it_is),
        cmocka_unit_test(returns_what_was_asked_for),
        cmocka_unit_test(cuts_a_header_between_fields),
        cmocka_unit_test(writes_addresses_of_every_kind),
        cmocka_unit_test(answers_a_sender_in_utf8),
        cmocka_unit_test(lets_nobody_write_fields),
        cmocka_unit_test(finds_a_boundary_that_nobody_wrote),
        cmocka_unit_test(keeps_its_lines_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
