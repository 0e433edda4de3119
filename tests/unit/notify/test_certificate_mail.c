/* SPDX-License-Identifier: ISC */
/* test_certificate_mail.c: when the postmaster is told that a certificate ends, and in which words.
 */
#include "testing.h"

#include <string.h>

#include "base/clock.h"
#include "notify/certificate_mail.h"

enum { END_DAY = 20000 };

static void each_step_is_told_once(void **state)
{
    const int64_t end_ms = (int64_t)END_DAY * DAY_MS;
    static const struct {
        int64_t left_ms;
        enum certificate_step told, want;
    } cases[] = {
        { 15LL * DAY_MS, CERTIFICATE_FINE, CERTIFICATE_FINE },
        { 14LL * DAY_MS + 1, CERTIFICATE_FINE, CERTIFICATE_FINE },
        { 14LL * DAY_MS, CERTIFICATE_FINE, CERTIFICATE_14_DAYS },
        { 14LL * DAY_MS, CERTIFICATE_14_DAYS, CERTIFICATE_FINE },
        { 3LL * DAY_MS + 1, CERTIFICATE_14_DAYS, CERTIFICATE_FINE },
        { 3LL * DAY_MS, CERTIFICATE_14_DAYS, CERTIFICATE_3_DAYS },
        { 3LL * DAY_MS, CERTIFICATE_FINE, CERTIFICATE_3_DAYS }, /* the first was missed */
        { 1, CERTIFICATE_3_DAYS, CERTIFICATE_FINE },
        { 0, CERTIFICATE_3_DAYS, CERTIFICATE_OVER },
        { 0, CERTIFICATE_OVER, CERTIFICATE_FINE },
        { -100LL * DAY_MS, CERTIFICATE_OVER, CERTIFICATE_FINE },
        { 14LL * DAY_MS, CERTIFICATE_OVER, CERTIFICATE_FINE }, /* a clock that went back */
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct certificate_told told = { .end_ms = end_ms, .step = cases[i].told };
        assert_int_equal(certificate_due(end_ms, &told, end_ms - cases[i].left_ms), cases[i].want);
    }
}

static void one_that_was_renewed_begins_anew(void **state)
{
    const struct certificate_told told = { .end_ms = 5, .step = CERTIFICATE_OVER };
    const int64_t end_ms = (int64_t)END_DAY * DAY_MS;
    (void)state;
    assert_int_equal(certificate_due(end_ms, &told, end_ms - 90LL * DAY_MS), CERTIFICATE_FINE);
    assert_int_equal(certificate_due(end_ms, &told, end_ms - DAY_MS), CERTIFICATE_3_DAYS);
}

static void what_was_told_is_kept(void **state)
{
    const struct certificate_told told = { .end_ms = 1234567890123, .step = CERTIFICATE_3_DAYS };
    struct certificate_told again = { 0 };
    struct buf bytes = { 0 };
    (void)state;
    certificate_told_encode(&bytes, &told);
    assert_true(certificate_told_decode(buf_str(&bytes), &again));
    assert_int_equal(again.end_ms, told.end_ms);
    assert_int_equal(again.step, told.step);
    for (size_t len = 0; len < bytes.len; len++)
        assert_false(certificate_told_decode(str_first(buf_str(&bytes), len), &again));
    bytes.ptr[bytes.len - 1] = CERTIFICATE_OVER + 1;
    assert_false(certificate_told_decode(buf_str(&bytes), &again));
    buf_fini(&bytes);
}

static void expect_part(const struct buf *mail, const char *part)
{
    if (memmem(mail->ptr, mail->len, part, strlen(part)) == NULL)
        fail_msg("\"%s\" is not in:\n%.*s", part, STR_FMT(buf_str(mail)));
}

static void it_is_said_in_both_languages(void **state)
{
    struct certificate_mail mail = {
        .file = STR("/etc/ssl/mx2.pem"),
        .end_ms = 1700000000LL * SECOND_MS,
        .node = STR("mx2.example.net"),
        .to = STR("postmaster@example.org"),
        .message_id = STR("<1@mx2.example.net>"),
        .now_ms = 1700000000LL * SECOND_MS - DAY_MS,
        .language = LANGUAGE_EN,
    };
    struct buf out = { 0 };
    (void)state;
    certificate_mail_add(&out, &mail);
    expect_part(&out,
                "From: holdfast <postmaster@mx2.example.net>\r\nTo: <postmaster@example.org>\r\n"
                "Subject: mx2.example.net: a certificate ends soon\r\nDate: ");
    expect_part(&out,
                "\r\nContent-Transfer-Encoding: 7bit\r\n\r\n/etc/ssl/mx2.pem\r\nis good until "
                "Tuesday, 14 November 2023, 22:13");
    buf_reset(&out);
    mail.language = LANGUAGE_DE;
    mail.now_ms = mail.end_ms;
    certificate_mail_add(&out, &mail);
    expect_part(&out, "Subject: mx2.example.net: ein Zertifikat ist abgelaufen\r\n");
    expect_part(&out, "Content-Language: de\r\n");
    expect_part(&out, "/etc/ssl/mx2.pem\r\ngalt bis Dienstag, 14. November 2023");
    for (size_t i = 0; i < out.len; i++)
        assert_true((unsigned char)out.ptr[i] < 0x80);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_told_once),
        cmocka_unit_test(one_that_was_renewed_begins_anew),
        cmocka_unit_test(what_was_told_is_kept),
        cmocka_unit_test(it_is_said_in_both_languages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
