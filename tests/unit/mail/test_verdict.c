/* SPDX-License-Identifier: ISC */
/* test_verdict.c: replies in, replies out; in doubt a mail waits. */
#include "testing.h"

#include <string.h>

#include "base/cursor.h"
#include "mail/verdict.h"

static void assert_line(struct verdict verdict, struct str want)
{
    struct buf out = { 0 };
    verdict_add_line(&out, &verdict);
    assert_str(buf_str(&out), want);
    buf_fini(&out);
}

static void reads_remote_replies(void **state)
{
    const struct {
        uint16_t code;
        struct str text;
        enum fate fate;
        struct str line;
    } cases[] = {
        { 250, STR("2.0.0 Ok: queued"), FATE_ACCEPT, STR("250 2.0.0 Ok: queued") },
        { 250, STR("ok"), FATE_ACCEPT, STR("250 ok") },
        { 550, STR("5.1.1 <x@y>: no such user"), FATE_REJECT,
          STR("550 5.1.1 <x@y>: no such user") },
        { 450, STR("4.7.1"), FATE_DEFER, STR("450 4.7.1 ") },
        { 421, STR(""), FATE_DEFER, STR("421 ") },
        /* A class that contradicts the code is not believed. */
        { 250, STR("5.1.1 odd"), FATE_ACCEPT, STR("250 odd") },
        { 550, STR("4.2.2 odd"), FATE_REJECT, STR("550 odd") },
        /* What looks like one, but is none, stays text. */
        { 550, STR("5.1.1no space"), FATE_REJECT, STR("550 5.1.1no space") },
        { 550, STR("5.1 x"), FATE_REJECT, STR("550 5.1 x") },
        { 550, STR("5.1.999 x"), FATE_REJECT, STR("550 5.1.999 x") },
        { 550, STR("5.1.0001 x"), FATE_REJECT, STR("550 5.1.0001 x") },
        { 550, STR("192.0.2.1 is listed"), FATE_REJECT, STR("550 192.0.2.1 is listed") },
        { 550, STR("5..1 x"), FATE_REJECT, STR("550 5..1 x") },
        /* Text that would forge lines or reach a terminal. */
        { 550, STR("a\r\n250 b\tc\x1b[2J\xc3\xbc\0d"), FATE_REJECT, STR("550 a  250 b c?[2J???d") },
        /* 354 is no last word about a mail, 700 no reply of SMTP: neither settles one. */
        { 354, STR("go ahead"), FATE_DEFER, STR("354 go ahead") },
        { 600, STR("6.0.0 what"), FATE_DEFER, STR("451 6.0.0 what") },
        { 199, STR("x"), FATE_DEFER, STR("451 x") },
        { 0, STR("x"), FATE_DEFER, STR("451 x") },
        { UINT16_MAX, STR("x"), FATE_DEFER, STR("451 x") },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, cases[i].text);
        assert_int_equal(verdict.fate, cases[i].fate);
        assert_line(verdict, cases[i].line);
        struct buf bytes = { 0 };
        verdict_encode(&bytes, &verdict); /* any reply survives the way to the keeper */
        struct cursor cursor = cursor_over(buf_str(&bytes));
        struct verdict back = verdict_decode(&cursor);
        assert_true(cursor_done(&cursor));
        assert_int_equal(back.fate, cases[i].fate);
        assert_line(back, cases[i].line);
        buf_fini(&bytes);
    }
}

static void makes_replies(void **state)
{
    (void)state;
    assert_line(verdict_accept(), STR("250 2.0.0 OK"));
    struct verdict verdict = verdict_make(452, 3, 1, STR("Disk is full"));
    assert_int_equal(verdict.fate, FATE_DEFER);
    assert_line(verdict, STR("452 4.3.1 Disk is full"));
    verdict = verdict_format(550, 7, 1, "%s is not served here", "example.com");
    assert_int_equal(verdict.fate, FATE_REJECT);
    assert_line(verdict, STR("550 5.7.1 example.com is not served here"));
    assert_string_equal(fate_name(FATE_ACCEPT), "accept");
    assert_string_equal(fate_name(FATE_DEFER), "defer");
    assert_string_equal(fate_name(FATE_REJECT), "reject");
}

static void cuts_long_text(void **state)
{
    char text[VERDICT_TEXT_MAX + 50];
    (void)state;
    memset(text, 'x', sizeof text);
    for (size_t len = VERDICT_TEXT_MAX - 1; len <= VERDICT_TEXT_MAX + 1; len++) {
        struct verdict verdict = verdict_from_reply(550, str_of(text, len));
        assert_int_equal(verdict_text(&verdict).len,
                         len < VERDICT_TEXT_MAX ? len : VERDICT_TEXT_MAX);
    }
}

static void refuses_bent_bytes(void **state)
{
    struct verdict verdict = verdict_make(550, 1, 1, STR("no such user"));
    struct buf bytes = { 0 };
    (void)state;
    verdict_encode(&bytes, &verdict);
    for (size_t len = 0; len < bytes.len; len++) {
        struct cursor cursor = cursor_over(str_of(bytes.ptr, len));
        assert_int_equal(verdict_decode(&cursor).fate, FATE_DEFER);
        assert_false(cursor_ok(&cursor));
    }
    bytes.ptr[0] = 0; /* the code */
    bytes.ptr[1] = 0;
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_int_equal(verdict_decode(&cursor).fate, FATE_DEFER);
    assert_false(cursor_ok(&cursor));
    buf_fini(&bytes);
}

static void cuts_enhanced_codes_only_whole(void **state)
{
    struct str text = STR("5.7.26 text");
    uint8_t enhanced[3] = { 0 };
    (void)state;
    assert_true(verdict_cut_enhanced(&text, enhanced));
    assert_str(text, STR("text"));
    assert_int_equal(enhanced[2], 26);
    text = STR("2.0.0");
    assert_true(verdict_cut_enhanced(&text, enhanced));
    assert_str(text, STR(""));
    text = STR("3.0.0 x");
    enhanced[0] = 77;
    assert_false(verdict_cut_enhanced(&text, enhanced));
    assert_str(text, STR("3.0.0 x"));
    assert_int_equal(enhanced[0], 77);
    text = STR_NONE;
    assert_false(verdict_cut_enhanced(&text, enhanced));
}

static void only_421_breaks_off(void **state)
{
    static const struct {
        uint16_t code;
        const char *text;
        bool broken_off;
    } cases[] = { { 421, "4.3.2 going down", true }, { 421, "bye", true },
                  { 451, "4.4.2 not now", false },   { 450, "4.4.2 come back later", false },
                  { 250, "2.0.0 ok", false },        { 550, "5.4.2 no", false } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct verdict verdict = verdict_from_reply(cases[i].code, str_from(cases[i].text));
        assert_int_equal(verdict_is_broken_off(&verdict), cases[i].broken_off);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_remote_replies),
        cmocka_unit_test(makes_replies),
        cmocka_unit_test(cuts_long_text),
        cmocka_unit_test(refuses_bent_bytes),
        cmocka_unit_test(cuts_enhanced_codes_only_whole),
        cmocka_unit_test(only_421_breaks_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
