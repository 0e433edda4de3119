/* SPDX-License-Identifier: ISC */
/* test_notice.c: one message, one event, one notice, or the reason why there is none. */
#include "testing.h"

#include <string.h>

#include "notify/notice.h"

static struct recipient recipients[3];
static struct verdict unknown;

static struct envelope usual_envelope(void)
{
    for (size_t i = 0; i < 3; i++)
        recipients[i] = (struct recipient){ .address = STR("bob@example.org") };
    recipients[1].address = STR("carol@example.org");
    recipients[1].original = STR("rfc822;Carol+2BX@example.org");
    recipients[2].address = STR("dave@example.org");
    return (struct envelope){
        .received_ms = 1795886400000,
        .flags = ENVELOPE_PROVED,
        .helo = STR("out.sender.example"),
        .sender = STR("alice@sender.example"),
        .envelope_id = STR("id+2B1"),
        .recipient = recipients,
        .recipient_count = 3,
    };
}

static struct notice usual(const struct envelope *envelope, const struct notice_outcome *outcome,
                           uint32_t count)
{
    return (struct notice){
        .kind = NOTICE_FAILED,
        .envelope = envelope,
        .content = STR("Date: Sat, 28 Nov 2026 18:19:00 +0100\r\n"
                       "Subject: =?utf-8?Q?Gr=C3=BC=C3=9Fe?=\r\n"
                       "Message-ID: <1@sender.example>\r\n"
                       "\r\n"
                       "The body.\r\n"),
        .outcome = outcome,
        .outcome_count = count,
        .domain = STR("example.org"),
        .contact = STR("+49 30 12345"),
        .node = STR("mx2.example.net"),
        .from = STR("postmaster@mx2.example.net"),
        .message_id = STR("<n1@mx2.example.net>"),
        .now_ms = 1795900000000,
        .until_ms = 1796318400000,
        .returned_max = 10000,
    };
}

static struct notice_outcome failed(uint32_t recipient)
{
    unknown = verdict_from_reply(550, STR("5.1.1 No such user"));
    return (struct notice_outcome){ .recipient = recipient,
                                    .verdict = &unknown,
                                    .is_reply = true,
                                    .remote = STR("mx.example.org"),
                                    .last_attempt_ms = 1795890000000 };
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
#define assert_lacks(buf, text) assert_false(holds(buf, text))

static void tells_of_a_failure(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome[] = { failed(0), failed(1) };
    struct notice notice = usual(&envelope, outcome, 2);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_int_equal(made.occasion, OCCASION_UNKNOWN_RECIPIENT);
    assert_int_equal(made.language, LANGUAGE_EN);
    assert_int_equal(made.recipients, 2);
    assert_false(made.own_is_bad);
    assert_holds(&out, "\r\nTo: <alice@sender.example>\r\n"
                       "Subject: Your mail was not delivered: there is no such address at\r\n"
                       " example.org\r\n");
    assert_holds(&out, "In-Reply-To: <1@sender.example>\r\n");
    assert_holds(&out, "  To:       bob@example.org\r\n            carol@example.org\r\n");
    buf_fini(&out);
}

/* As the reader sees it: without quoted-printable. */
static void undo(struct str text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '=' || i + 2 >= text.len) {
            buf_add_byte(out, text.ptr[i]);
        } else if (text.ptr[i + 1] == '\r') {
            i += 2;
        } else {
            const char *high = strchr(digits, text.ptr[i + 1]);
            const char *low = strchr(digits, text.ptr[i + 2]);
            if (high != NULL && low != NULL) {
                buf_add_byte(out, (char)(uint8_t)(16 * (high - digits) + (low - digits)));
                i += 2;
            }
        }
    }
}

static void tells_of_a_delay_in_german(void **state)
{
    struct envelope envelope = usual_envelope();
    struct verdict silent = verdict_make(451, 4, 1, STR("No answer"));
    struct notice_outcome outcome[] = { { .recipient = 0, .verdict = &silent },
                                        { .recipient = 1, .verdict = &silent } };
    struct notice notice = usual(&envelope, outcome, 2);
    struct notice_made made;
    struct buf out = { 0 };
    struct buf read = { 0 };

    (void)state;
    envelope.sender = STR("alice@sender.de");
    notice.kind = NOTICE_DELAYED;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_int_equal(made.occasion, OCCASION_DELAYED);
    assert_int_equal(made.language, LANGUAGE_DE);
    assert_holds(&out, "Content-Language: de\r\n");
    assert_holds(&out, "Content-Transfer-Encoding: quoted-printable\r\n");
    assert_holds(&out, "Action: delayed\r\nStatus: 4.4.1\r\n"
                       "Diagnostic-Code: x-holdfast; 451 4.4.1 No answer\r\n");
    assert_holds(&out, "Will-Retry-Until: Thu, 3 Dec 2026 17:20:00 +0000\r\n");
    undo(buf_str(&out), &read);
    assert_holds(&read,
                 "Wir versuchen es bis Donnerstag, 3. Dezember 2026, 18:20 Uhr (UTC+1).\r\n");
    assert_holds(&read, "  An:        bob@example.org\r\n"
                        "             carol@example.org\r\n"
                        "  Betreff:   Grüße\r\n"
                        "  Empfangen: Samstag, 28. November 2026, 18:20 Uhr (UTC+1)\r\n");
    assert_holds(&read, "Kontakt:\r\n  +49 30 12345\r\n");
    assert_holds(&read, "betreuen:\r\n  451 4.4.1 No answer\r\n");
    buf_fini(&out);
    buf_fini(&read);
}

static void says_so_where_nothing_is_known(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome = { .recipient = 0 };
    struct notice notice = usual(&envelope, &outcome, 1);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    notice.kind = NOTICE_DELAYED;
    notice.contact = STR_NONE;
    notice.content = STR("From: a@b\r\n");
    notice.until_ms = 0;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_holds(&out, "until further notice.");
    assert_holds(&out, "  the recipient, by telephone or in another way\r\n");
    assert_holds(&out, "  Subject:  (none)\r\n");
    assert_holds(&out, "  none; it could not be reached\r\n");
    assert_lacks(&out, "Will-Retry-Until");
    assert_lacks(&out, "Diagnostic-Code");
    buf_fini(&out);
}

static void leaves_out_who_has_not_asked(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome[] = { failed(0), failed(1), failed(2) };
    struct notice notice = usual(&envelope, outcome, 3);
    struct notice_made made = { .recipients = 77 };
    struct buf out = { 0 };

    (void)state;
    recipients[0].notify = NOTIFY_NEVER;
    recipients[2].is_held_back = true;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_int_equal(made.recipients, 1);
    assert_holds(&out, "Original-Recipient: rfc822; Carol+X@example.org\r\n"
                       "Final-Recipient: rfc822; carol@example.org\r\n");
    assert_lacks(&out, "bob@");
    assert_lacks(&out, "dave@");
    buf_reset(&out);
    made.recipients = 77;
    recipients[1].notify = NOTIFY_DELAY;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOT_HELD_BACK);
    recipients[2].is_held_back = false;
    recipients[2].notify = NOTIFY_SUCCESS;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOT_UNASKED);
    notice.kind = NOTICE_RELAYED;
    outcome[2].verdict = NULL;
    assert_int_equal(out.len, 0);
    assert_int_equal(made.recipients, 77);
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_holds(&out, "Final-Recipient: rfc822; dave@example.org\r\n"
                       "Action: relayed\r\n"
                       "Status: 2.0.0\r\n");
    buf_fini(&out);
}

static void tells_nobody_whom_it_may_not(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome = failed(0);
    struct notice notice = usual(&envelope, &outcome, 1);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    envelope.flags = 0;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOT_UNPROVED);
    envelope.flags = ENVELOPE_PROVED;
    notice.kind = NOTICE_DELAYED;
    notice.content = STR("List-Id: <x>\r\n\r\nx\r\n");
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOT_LIST);
    notice.content = STR("Subject: x\r\n\r\nList-Id: <x>\r\n"); /* that is the body */
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    buf_reset(&out);
    envelope.sender = STR("j\xc3\xb6rg@sender.example"); /* without SMTPUTF8 */
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOT_BE_WRITTEN);
    assert_int_equal(out.len, 0);
    envelope.flags |= ENVELOPE_SMTPUTF8;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_true(made.form.needs_utf8);
    buf_fini(&out);
}

static void returns_the_whole_of_what_failed(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome = failed(0);
    struct notice notice = usual(&envelope, &outcome, 1);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    for (uint8_t ret = 0; ret <= 2; ret++)
        for (int kind = NOTICE_DELAYED; kind <= NOTICE_FAILED; kind++) {
            envelope.ret = ret;
            notice.kind = (enum notice_kind)kind;
            assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
            assert_int_equal(made.form.is_whole, ret == 1 && kind == NOTICE_FAILED);
        }
    buf_fini(&out);
}

/* RFC 8689 5: neither subject nor header nor body, whatever RET says. */
static void repeats_nothing_that_was_to_be_encrypted(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome[] = { failed(0) };
    struct notice notice = usual(&envelope, outcome, 1);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    envelope.flags |= ENVELOPE_REQUIRETLS;
    envelope.ret = 1;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_false(made.form.is_whole);
    assert_lacks(&out, "The body.");
    assert_lacks(&out, "Gr");
    assert_lacks(&out, "rfc822-headers");
    assert_holds(&out, "  Subject:  (not repeated, because");
    assert_holds(&out, "In-Reply-To: <1@sender.example>\r\n");
    assert_holds(&out, "Final-Recipient: rfc822; bob@example.org\r\n");
    buf_fini(&out);
}

static void finds_the_words_that_fit(void **state)
{
    static const struct {
        uint16_t code; /* 0: none */
        const char *text;
        bool expired;
        enum occasion want;
    } cases[] = {
        { 550, "5.1.1 x", false, OCCASION_UNKNOWN_RECIPIENT },
        { 550, "5.1.10 x", false, OCCASION_UNKNOWN_RECIPIENT },
        { 550, "5.2.1 x", false, OCCASION_UNKNOWN_RECIPIENT },
        { 550, "x", false, OCCASION_FAILED },
        { 552, "5.2.2 x", false, OCCASION_MAILBOX_FULL },
        { 552, "x", false, OCCASION_MAILBOX_FULL },
        { 552, "5.3.4 x", false, OCCASION_FAILED },
        { 550, "5.7.1 x", false, OCCASION_REFUSED },
        { 554, "5.6.0 x", false, OCCASION_FAILED },
        { 0, "", false, OCCASION_FAILED },
        { 0, "", true, OCCASION_EXPIRED },
        { 451, "4.7.1 x", true, OCCASION_EXPIRED },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, str_from(cases[i].text));
        struct notice_outcome outcome[2] = { { .verdict = cases[i].code != 0 ? &verdict : NULL,
                                               .is_reply = true,
                                               .is_expired = cases[i].expired } };
        outcome[1] = outcome[0];
        assert_int_equal(notice_occasion(NOTICE_FAILED, outcome, 2), cases[i].want);
        outcome[1].is_expired = !outcome[1].is_expired;
        assert_int_equal(notice_occasion(NOTICE_FAILED, outcome, 2), OCCASION_FAILED);
        assert_int_equal(notice_occasion(NOTICE_ARRIVED, outcome, 2), OCCASION_ARRIVED);
        outcome[0].is_reply = false; /* we did not ask: nobody's rules have refused it */
        assert_int_equal(notice_occasion(NOTICE_FAILED, outcome, 1),
                         cases[i].want == OCCASION_REFUSED ? OCCASION_FAILED : cases[i].want);
    }
}

static void tells_several_answers_apart(void **state)
{
    struct envelope envelope = usual_envelope();
    struct verdict full = verdict_from_reply(552, STR("5.2.2 Full"));
    struct notice_outcome outcome[] = { failed(0), failed(1) };
    struct notice notice = usual(&envelope, outcome, 2);
    struct notice_made made;
    struct buf out = { 0 };
    struct buf read = { 0 };

    (void)state;
    outcome[1].verdict = &full;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_int_equal(made.occasion, OCCASION_FAILED);
    undo(buf_str(&out), &read);
    assert_holds(&read, "  bob@example.org: mx.example.org: 550 5.1.1 No such user\r\n"
                        "  carol@example.org: mx.example.org: 552 5.2.2 Full\r\n");
    buf_fini(&out);
    buf_fini(&read);
}

static void lists_a_few_of_many(void **state)
{
    static struct recipient many[100];
    static struct notice_outcome outcome[100];
    struct envelope envelope = usual_envelope();
    struct notice notice = usual(&envelope, outcome, 100);
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        many[i].address = STR("bob@example.org");
        outcome[i] = failed(i);
    }
    envelope.recipient = many;
    envelope.recipient_count = 100;
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_int_equal(made.recipients, 100);
    assert_holds(&out, "and 80 more\r\n");
    buf_fini(&out);
}

static void takes_the_owners_words(void **state)
{
    struct envelope envelope = usual_envelope();
    struct notice_outcome outcome = failed(0);
    struct notice notice = usual(&envelope, &outcome, 1);
    struct notice_texts own = { 0 };
    struct notice_made made;
    struct buf out = { 0 };

    (void)state;
    notice.own = &own;
    own.text[OCCASION_UNKNOWN_RECIPIENT][LANGUAGE_EN] = STR("Subject: Sorry\n\nCall {contact}.\n");
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_false(made.own_is_bad);
    assert_holds(&out, "Subject: Sorry\r\n");
    assert_holds(&out, "Call +49 30 12345.\r\n");
    buf_reset(&out);
    own.text[OCCASION_UNKNOWN_RECIPIENT][LANGUAGE_EN] = STR("Sorry {contcat}");
    assert_int_equal(notice_add(&out, &notice, &made), MAY_NOTIFY);
    assert_true(made.own_is_bad);
    assert_holds(&out, "Subject: Your mail was not delivered");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_failure),
        cmocka_unit_test(tells_of_a_delay_in_german),
        cmocka_unit_test(says_so_where_nothing_is_known),
        cmocka_unit_test(leaves_out_who_has_not_asked),
        cmocka_unit_test(tells_nobody_whom_it_may_not),
        cmocka_unit_test(returns_the_whole_of_what_failed),
        cmocka_unit_test(repeats_nothing_that_was_to_be_encrypted),
        cmocka_unit_test(finds_the_words_that_fit),
        cmocka_unit_test(tells_several_answers_apart),
        cmocka_unit_test(lists_a_few_of_many),
        cmocka_unit_test(takes_the_owners_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
