/* SPDX-License-Identifier: ISC */
/* test_settings.c: units, bounds and inheritance of the settings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base/clock.h"
#include "config/unit.h"

static void assert_text(struct buf *buf, const char *expected)
{
    buf_add_byte(buf, '\0');
    assert_string_equal(buf->ptr, expected);
    buf_fini(buf);
}

static void reads_and_writes_units(void **state)
{
    static const struct {
        enum setting_unit unit;
        const char *text;
        int64_t value; /* -1: refused */
        const char *written;
    } cases[] = {
        { UNIT_DURATION, "90s", 90 * SECOND_MS, "1m30s" },
        { UNIT_DURATION, "1h30m", 90 * MINUTE_MS, "1h30m" },
        { UNIT_DURATION, "5D", 5LL * DAY_MS, "5d" },
        { UNIT_DURATION, "1w1s", 7LL * DAY_MS + SECOND_MS, "7d1s" },
        { UNIT_DURATION, "0s", 0, "0s" },
        { UNIT_DURATION, "", -1, NULL },
        { UNIT_DURATION, "5", -1, NULL },
        { UNIT_DURATION, "d", -1, NULL },
        { UNIT_DURATION, "30m1h", -1, NULL },
        { UNIT_DURATION, "1h1h", -1, NULL },
        { UNIT_DURATION, "1h 30m", -1, NULL },
        { UNIT_DURATION, "-1h", -1, NULL },
        { UNIT_DURATION, "5y", -1, NULL },
        { UNIT_DURATION, "99999999999999999999s", -1, NULL },
        { UNIT_DURATION, "9223372036854775807w", -1, NULL },
        { UNIT_BYTES, "0", 0, "0" },
        { UNIT_BYTES, "1234", 1234, "1234" },
        { UNIT_BYTES, "50MB", 50000000, "50MB" },
        { UNIT_BYTES, "50 mb", 50000000, "50MB" },
        { UNIT_BYTES, "10M", 10000000, "10MB" },
        { UNIT_BYTES, "64KiB", 65536, "64KiB" },
        { UNIT_BYTES, "2gib", 2LL << 30, "2GiB" },
        { UNIT_BYTES, "1500kB", 1500000, "1500kB" },
        { UNIT_BYTES, "MB", -1, NULL },
        { UNIT_BYTES, "1.5MB", -1, NULL },
        { UNIT_BYTES, "9999999999TB", -1, NULL },
        { UNIT_NUMBER, "20", 20, "20" },
        { UNIT_NUMBER, "20x", -1, NULL },
        { UNIT_NUMBER, "", -1, NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf written = { 0 };
        int64_t value = -1;
        bool ok = unit_parse(cases[i].unit, str_from(cases[i].text), &value);
        assert_int_equal(ok, cases[i].value >= 0);
        assert_int_equal(value, cases[i].value);
        if (!ok)
            continue;
        unit_add_text(&written, cases[i].unit, value);
        assert_text(&written, cases[i].written);
    }
}

#define TIMES "notify-delay must be none, TIME,TIME,... (4, growing, 1m … 30d)"
#define LINE  "contact must be none, or a line of 200 octets without \" \\ $"
#define NOT_A_HOOK                                                                                 \
    "webhook must be none, an https URL, or an http URL of this machine such as "                  \
    "http://127.0.0.1:8080/"

static void says_what_is_allowed(void **state)
{
    static const struct {
        const char *name, *text, *why; /* why NULL: accepted */
    } cases[] = {
        { "hold", "1h", NULL },
        { "hold", "90d", NULL },
        { "hold", "59m", "hold must be between 1h and 90d" },
        { "hold", "91d", "hold must be between 1h and 90d" },
        { "hold", "soon", "hold must be a duration such as 90s, 1h30m or 5d" },
        { "sessions", "0", "sessions must be between 1 and 100" },
        { "sessions", "many", "sessions must be a whole number such as 20" },
        { "bytes-per-second", "11GB", "bytes-per-second must be between 0 and 10GB" },
        { "connect-timeout", "1m", NULL },
        { "connect-timeout", "61s", "connect-timeout must be between 1s and 1m" },
        { "filter-gone", "defer", NULL },
        { "filter-gone", "refuse", "filter-gone must be one of tag, hold, defer" },
        { "filters", "none", NULL },
        { "filters", "rspamd, clamav-2", NULL },
        { "filters", "a,b,c,d,e,f,g,h", NULL },
        { "filters", "a,b,c,d,e,f,g,h,i", "filters must be none, NAME,NAME,... (8)" },
        { "filters", "a,,b", "filters must be none, NAME,NAME,... (8)" },
        { "filters", "a,a", "filters must be none, NAME,NAME,... (8)" },
        { "filters", "a,none", "filters must be none, NAME,NAME,... (8)" },
        { "tell-down", "none", NULL },
        { "tell-down", "owner", NULL },
        { "tell-down", "webhook, Owner,postmaster", NULL },
        { "tell-down", "", "tell-down must be none, or some of postmaster,owner,webhook" },
        { "tell-down", "owner,none",
          "tell-down must be none, or some of postmaster,owner,webhook" },
        { "tell-down", "sender", "tell-down must be none, or some of postmaster,owner,webhook" },
        { "owner", "none", NULL },
        { "owner", "Anna@Example.COM", NULL },
        { "owner", "anna", "owner must be none, or an address such as admin@example.com" },
        { "owner", "anna@localhost",
          "owner must be none, or an address such as admin@example.com" },
        { "owner", "\"a b\"@example.com",
          "owner must be none, or an address such as admin@example.com" },
        { "webhook", "none", NULL },
        { "webhook", "https://hooks.example.com/services/T1?x=%20", NULL },
        { "webhook", "http://127.0.0.1:8080/hook", NULL },
        { "webhook", "http://[::1]/hook", NULL },
        { "webhook", "http://localhost/", NOT_A_HOOK },
        { "webhook", "http://192.168.1.2/", NOT_A_HOOK },
        { "webhook", "https://user:secret@example.com/", NOT_A_HOOK },
        { "webhook", "ftp://example.com/", NOT_A_HOOK },
        { "filters", "a b", "filters must be none, NAME,NAME,... (8)" },
        { "notify-delay", "none", NULL },
        { "notify-delay", "1m", NULL },
        { "notify-delay", "4h, 2d,30d", NULL },
        { "notify-delay", "1m,2m,3m,4m", NULL },
        { "notify-delay", "1m,2m,3m,4m,5m", TIMES },
        { "notify-delay", "59s", TIMES },
        { "notify-delay", "30d1s", TIMES },
        { "notify-delay", "2d,48h", TIMES },
        { "notify-delay", "4h,,2d", TIMES },
        { "notify-delay", "4h,none", TIMES },
        { "notify-delay", "soon", TIMES },
        { "contact", "none", NULL },
        { "contact", "B\xc3\xbcro, +49 30 12345, https://example.org/?a=b", NULL },
        { "contact", "say \"please\"", LINE },
        { "contact", "a\\b", LINE },
        { "contact", "$HOME", LINE },
        { "contact", "two\nlines", LINE },
        { "contact", "\xff", LINE },
        { "contact", "\xe2\x80\xae backwards", LINE },
        { "language", "fr", "language must be one of en, de" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf why = { 0 };
        enum setting setting;
        struct domain_settings settings = { 0 };
        assert_true(setting_from_name(str_from(cases[i].name), &setting));
        bool ok = setting_parse(&settings, setting, str_from(cases[i].text), &why);
        assert_int_equal(ok, cases[i].why == NULL);
        assert_int_equal(settings.is_set[setting], ok);
        assert_text(&why, ok ? "" : cases[i].why);
    }
}

static void every_default_is_within_its_bounds_and_reads_back(void **state)
{
    (void)state;
    for (int i = 0; i < SETTING_COUNT; i++) {
        const struct setting_rule *rule = setting_rule((enum setting)i);
        struct buf text = { 0 };
        struct buf why = { 0 };
        struct domain_settings settings = { 0 };
        enum setting found = SETTING_COUNT;

        assert_true(setting_from_name(str_from(rule->name), &found));
        assert_int_equal(found, i);
        setting_add_text(&text, found, NULL, NULL);
        assert_true(setting_parse(&settings, found, buf_str(&text), &why));
        assert_int_equal(setting_value(&settings, NULL, found), rule->fallback);
        assert_non_null(rule->help);
        buf_fini(&text);
    }
}

static void domain_goes_before_node_before_table(void **state)
{
    struct domain_settings domain = { 0 };
    struct domain_settings node = { 0 };
    (void)state;
    assert_int_equal(setting_value(NULL, NULL, SETTING_HOLD), 5LL * DAY_MS);
    assert_int_equal(setting_value(&domain, &node, SETTING_HOLD), 5LL * DAY_MS);
    node.is_set[SETTING_HOLD] = true;
    node.value[SETTING_HOLD] = 2LL * DAY_MS;
    assert_int_equal(setting_value(&domain, &node, SETTING_HOLD), 2LL * DAY_MS);
    domain.is_set[SETTING_HOLD] = true;
    domain.value[SETTING_HOLD] = DAY_MS;
    assert_int_equal(setting_value(&domain, &node, SETTING_HOLD), DAY_MS);
}

static void a_text_goes_the_same_way(void **state)
{
    struct domain_settings domain = { 0 };
    struct domain_settings node = { 0 };
    struct buf why = { 0 };
    struct buf text = { 0 };
    (void)state;
    assert_int_equal(setting_text(&domain, &node, SETTING_FILTERS).len, 0);
    assert_true(setting_parse(&node, SETTING_FILTERS, STR("rspamd , opendkim"), &why));
    assert_true(str_equals(setting_text(&domain, &node, SETTING_FILTERS), STR("rspamd,opendkim")));
    setting_add_text(&text, SETTING_FILTERS, &domain, &node);
    assert_text(&text, "rspamd,opendkim");
    assert_true(setting_parse(&domain, SETTING_FILTERS, STR("none"), &why));
    assert_int_equal(setting_text(&domain, &node, SETTING_FILTERS).len, 0);
    buf_fini(&text);
}

static void a_text_may_have_a_default(void **state)
{
    struct domain_settings domain = { 0 };
    struct buf why = { 0 };
    int64_t ms[SETTING_DURATIONS_MAX];
    (void)state;
    assert_int_equal(setting_durations(setting_text(&domain, NULL, SETTING_NOTIFY_DELAY), ms), 2);
    assert_int_equal(ms[0], 4LL * HOUR_MS);
    assert_int_equal(ms[1], 48LL * HOUR_MS);
    assert_true(setting_parse(&domain, SETTING_NOTIFY_DELAY, STR("90m, 3d"), &why));
    assert_true(str_equals(setting_text(&domain, NULL, SETTING_NOTIFY_DELAY), STR("1h30m,3d")));
    assert_true(setting_parse(&domain, SETTING_NOTIFY_DELAY, STR("None"), &why));
    assert_int_equal(setting_durations(setting_text(&domain, NULL, SETTING_NOTIFY_DELAY), ms), 0);
}

static void a_line_has_its_limit(void **state)
{
    struct domain_settings domain = { 0 };
    char text[SETTING_TEXT_MAX + 1];
    (void)state;
    memset(text, 'x', sizeof text);
    assert_true(setting_put_text(&domain, SETTING_CONTACT, str_of(text, SETTING_TEXT_MAX)));
    assert_false(setting_put_text(&domain, SETTING_CONTACT, str_of(text, SETTING_TEXT_MAX + 1)));
}

static void some_of_several_words_are_one_value(void **state)
{
    struct domain_settings settings = { 0 };
    struct buf why = { 0 };
    struct buf text = { 0 };
    (void)state;
    assert_int_equal(setting_value(NULL, NULL, SETTING_TELL_DOWN), TELL_OWNER | TELL_WEBHOOK);
    assert_true(setting_parse(&settings, SETTING_TELL_DOWN, STR("webhook,postmaster"), &why));
    assert_int_equal(setting_value(&settings, NULL, SETTING_TELL_DOWN),
                     TELL_POSTMASTER | TELL_WEBHOOK);
    setting_add_text(&text, SETTING_TELL_DOWN, &settings, NULL);
    assert_text(&text, "postmaster,webhook");
    assert_true(setting_parse(&settings, SETTING_TELL_DOWN, STR("none"), &why));
    setting_add_text(&text, SETTING_TELL_DOWN, &settings, NULL);
    assert_text(&text, "none");
    assert_true(setting_parse(&settings, SETTING_OWNER, STR("Anna@Example.COM"), &why));
    assert_true(str_equals(setting_text(&settings, NULL, SETTING_OWNER), STR("Anna@example.com")));
}

static void knows_no_other_name(void **state)
{
    enum setting setting;
    (void)state;
    assert_false(setting_from_name(STR("holds"), &setting));
    assert_false(setting_from_name(STR(""), &setting));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_units),
        cmocka_unit_test(says_what_is_allowed),
        cmocka_unit_test(every_default_is_within_its_bounds_and_reads_back),
        cmocka_unit_test(domain_goes_before_node_before_table),
        cmocka_unit_test(a_text_goes_the_same_way),
        cmocka_unit_test(a_text_may_have_a_default),
        cmocka_unit_test(a_line_has_its_limit),
        cmocka_unit_test(some_of_several_words_are_one_value),
        cmocka_unit_test(knows_no_other_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
