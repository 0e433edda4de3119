/* SPDX-License-Identifier: ISC */
/* test_alert.c: who is told of an event, and what the mail about it looks like. */
#include "testing.h"

#include <string.h>

#include "base/clock.h"
#include "notify/alert_mail.h"

static void set(struct domain_settings *settings, enum setting setting, const char *text)
{
    struct buf why = { 0 };
    assert_true(setting_parse(settings, setting, str_from(text), &why));
}

static void the_table_says_who_is_told(void **state)
{
    struct domain_settings domain = { 0 };
    struct domain_settings node = { 0 };
    (void)state;
    assert_int_equal(alert_audiences(ALERT_DOWN, &domain, &node), 0); /* nobody is named */
    set(&domain, SETTING_OWNER, "anna@elsewhere.example");
    assert_int_equal(alert_audiences(ALERT_DOWN, &domain, &node), TELL_OWNER);
    set(&node, SETTING_WEBHOOK, "https://hooks.example/x");
    assert_int_equal(alert_audiences(ALERT_DOWN, &domain, &node), TELL_OWNER | TELL_WEBHOOK);
    set(&domain, SETTING_TELL_DOWN, "postmaster,webhook");
    assert_int_equal(alert_audiences(ALERT_DOWN, &domain, &node), TELL_POSTMASTER | TELL_WEBHOOK);
    assert_int_equal(alert_audiences(ALERT_BACK, &domain, &node), TELL_OWNER | TELL_WEBHOOK);
    set(&domain, SETTING_TELL_DOWN, "none");
    assert_int_equal(alert_audiences(ALERT_DOWN, &domain, &node), 0);
}

/* A row each, and none twice. */
static void every_event_has_its_own_row(void **state)
{
    (void)state;
    for (int i = 0; i < ALERT_COUNT; i++) {
        assert_true(alert_occasion((enum alert)i) >= OCCASION_FIRST_FOR_OWNER);
        for (int k = 0; k < i; k++) {
            assert_string_not_equal(alert_name((enum alert)i), alert_name((enum alert)k));
            assert_int_not_equal(alert_occasion((enum alert)i), alert_occasion((enum alert)k));
        }
        struct domain_settings settings = { 0 };
        char text[64];
        enum setting setting;
        (void)snprintf(text, sizeof text, "tell-%s", alert_name((enum alert)i));
        assert_true(setting_from_name(str_from(text), &setting));
        set(&settings, setting, "postmaster");
        assert_int_equal(alert_audiences((enum alert)i, &settings, NULL), TELL_POSTMASTER);
    }
}

static void the_end_of_the_time_comes_near(void **state)
{
    const int64_t now_ms = 100LL * DAY_MS;
    (void)state;
    assert_int_equal(alert_near_expiry(0, 5LL * DAY_MS, now_ms), 0);
    assert_int_equal(alert_near_expiry(now_ms - 4LL * DAY_MS + 1, 5LL * DAY_MS, now_ms), 0);
    assert_int_equal(alert_near_expiry(now_ms - 4LL * DAY_MS, 5LL * DAY_MS, now_ms),
                     now_ms + DAY_MS);
    assert_int_equal(alert_near_expiry(now_ms - 28LL * DAY_MS, 30LL * DAY_MS, now_ms), 0);
    assert_int_equal(alert_near_expiry(now_ms - 48 * MINUTE_MS, HOUR_MS, now_ms),
                     now_ms + 12 * MINUTE_MS);
    assert_int_equal(alert_near_expiry(now_ms - 47 * MINUTE_MS, HOUR_MS, now_ms), 0);
}

static bool has(const struct buf *buf, const char *part)
{
    return memmem(buf->ptr, buf->len, part, strlen(part)) != NULL;
}

static const struct alert_facts facts = {
    .since_ms = 1795886400000,
    .lasted_ms = 90 * MINUTE_MS,
    .held = 12,
    .times = 3,
    .primary = { "mail.example.org", 16 },
    .reason = { "connection refused\r\nBcc: <evil@example.com>", 42 },
};

static struct alert_mail mail_about(enum alert alert, enum language language)
{
    return (struct alert_mail){ .alert = alert,
                                .facts = &facts,
                                .domain = STR("example.org"),
                                .node = STR("mx2.example.net"),
                                .from = STR("postmaster@mx2.example.net"),
                                .to = STR("anna@elsewhere.example"),
                                .message_id = STR("<01K@mx2.example.net>"),
                                .now_ms = 1795886460000,
                                .language = language };
}

static void mail_says_what_is_known(void **state)
{
    struct alert_mail mail = mail_about(ALERT_DOWN, LANGUAGE_EN);
    struct buf out = { 0 };
    (void)state;
    assert_true(alert_mail_add(&out, &mail));
    assert_true(has(&out, "From: holdfast <postmaster@mx2.example.net>\r\n"
                          "To: <anna@elsewhere.example>\r\n"
                          "Subject: example.org: your mail server cannot be reached\r\n"
                          "Date: Sat, 28 Nov 2026 17:21:00 +0000\r\n"
                          "Message-ID: <01K@mx2.example.net>\r\n"
                          "Auto-Submitted: auto-generated\r\n"));
    assert_true(has(&out, "mail.example.org"));
    assert_true(has(&out, "17:20 (UTC) (3 times since our last word)"));
    assert_true(has(&out, "Messages held: 12"));
    assert_false(has(&out, "\r\nBcc: ")); /* a server's words stay in the text */
    assert_false(has(&out, "Reply-To"));
    buf_fini(&out);
}

static void all_of_them_are_mail_in_both_languages(void **state)
{
    (void)state;
    for (int alert = 0; alert < ALERT_COUNT; alert++)
        for (int language = 0; language < LANGUAGE_COUNT; language++) {
            struct alert_mail mail = mail_about((enum alert)alert, (enum language)language);
            struct buf out = { 0 };
            mail.reply_to = STR("admin@example.net");
            assert_true(alert_mail_add(&out, &mail));
            for (size_t i = 0; i < out.len; i++) {
                assert_true((uint8_t)out.ptr[i] < 0x80);
                assert_true(out.ptr[i] != '\n' || (i > 0 && out.ptr[i - 1] == '\r'));
            }
            assert_false(has(&out, "{")); /* every name in braces got a value */
            assert_true(has(&out, "Reply-To: <admin@example.net>\r\n"));
            buf_fini(&out);
        }
}

static void a_bad_template_gives_way_to_ours(void **state)
{
    struct alert_mail mail = mail_about(ALERT_BACK, LANGUAGE_EN);
    struct buf out = { 0 };
    (void)state;
    mail.own = STR("Subject: Hurra\n\n{domain} ist wieder da, nach {lasted}.\n");
    assert_true(alert_mail_add(&out, &mail));
    assert_true(has(&out, "Subject: Hurra\r\n"));
    assert_true(has(&out, "example.org ist wieder da, nach 1 hour 30 minutes."));
    buf_reset(&out);
    mail.own = STR("Subject: Hurra\n\n{domian} ist wieder da.\n");
    assert_false(alert_mail_add(&out, &mail));
    assert_true(has(&out, "Subject: example.org: your mail server is back\r\n"));
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_says_who_is_told),
        cmocka_unit_test(every_event_has_its_own_row),
        cmocka_unit_test(the_end_of_the_time_comes_near),
        cmocka_unit_test(mail_says_what_is_known),
        cmocka_unit_test(all_of_them_are_mail_in_both_languages),
        cmocka_unit_test(a_bad_template_gives_way_to_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
