/* SPDX-License-Identifier: ISC */
/* test_smtp_reply.c: replies in one piece, in two, and octet by octet. */
#include "testing.h"

#include <stdlib.h>
#include <string.h>

#include "wire/smtp_reply.h"

/* Reads from an exact copy on the heap, so that ASan sees a look behind the end. */
static enum smtp_reply_step feed(struct smtp_reply_reader *reader, struct str bytes,
                                 struct buf *log)
{
    char *copy = malloc(bytes.len > 0 ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len > 0)
        memcpy(copy, bytes.ptr, bytes.len);
    struct str left = str_of(copy, bytes.len);
    enum smtp_reply_step step;
    struct smtp_reply reply;
    while ((step = smtp_reply_read(reader, &left, &reply)) == SMTP_REPLY_DONE) {
        buf_add_format(log, "[%u %u.%u.%u %u]", reply.code, reply.enhanced[0], reply.enhanced[1],
                       reply.enhanced[2], reply.lines);
        buf_add(log, reply.text);
    }
    free(copy);
    return step;
}

static void assert_reads_as(struct str bytes, struct str want, bool is_malformed)
{
    for (size_t split = 0; split <= bytes.len; split++) {
        struct smtp_reply_reader reader = { 0 };
        struct buf log = { 0 };
        (void)feed(&reader, str_first(bytes, split), &log);
        enum smtp_reply_step step = feed(&reader, str_skip(bytes, split), &log);
        assert_str(buf_str(&log), want);
        assert_int_equal(step, is_malformed ? SMTP_REPLY_MALFORMED : SMTP_REPLY_MORE);
        buf_fini(&log);
        smtp_reply_fini(&reader);
    }
}

static void reads_replies(void **state)
{
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        { "250 OK\r\n", "[250 0.0.0 1]OK" },
        { "250 2.1.0 Sender ok\r\n", "[250 2.1.0 1]Sender ok" },
        { "550 5.1.1 <a@b>: unknown\r\n250 x\r\n", "[550 5.1.1 1]<a@b>: unknown[250 0.0.0 1]x" },
        { "250-a\r\n250-b\r\n250 c\r\n", "[250 0.0.0 3]a\nb\nc" },
        { "550-5.7.1 one\r\n550 5.7.1 two\r\n", "[550 5.7.1 2]one\ntwo" },
        { "250 5.1.1 contradicts\r\n", "[250 0.0.0 1]5.1.1 contradicts" },
        { "250\r\n", "[250 0.0.0 1]" }, /* RFC 5321 4.2: the text is optional */
        { "250 \r\n", "[250 0.0.0 1]" },
        { "250-\r\n250 \r\n", "[250 0.0.0 2]\n" },
        { "250 OK\n354 go\n", "[250 0.0.0 1]OK[354 0.0.0 1]go" }, /* LF alone: odd servers */
        { "250-a\n250 b\r\n", "[250 0.0.0 2]a\nb" },
        { "299 x\r\n199 y\r\n599 z\r\n", "[299 0.0.0 1]x[199 0.0.0 1]y[599 0.0.0 1]z" },
        { "250 a\rb\r\n", "[250 0.0.0 1]a\rb" }, /* the verdict makes it printable */
        { "250 2.0.0\r\n", "[250 2.0.0 1]" },
        { "220 half", "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_reads_as(str_from(cases[i].bytes), str_from(cases[i].want), false);
}

static void refuses_what_is_no_reply(void **state)
{
    static const struct {
        const char *bytes, *want;
    } cases[] = {
        { "\r\n", "" },
        { "25\r\n", "" },
        { "hello\r\n", "" },
        { "250=x\r\n", "" },
        { "2500 x\r\n", "" },
        { "099 x\r\n", "" },
        { "600 x\r\n", "" },
        { "+50 x\r\n", "" },
        { "250-a\r\n251 b\r\n", "" },
        { "250-a\r\n550 b\r\n", "" },
        { "250 a\r\nSSH-2.0\r\n250 b\r\n", "[250 0.0.0 1]a" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_reads_as(str_from(cases[i].bytes), str_from(cases[i].want), true);
}

static void bounds_lines_and_their_number(void **state)
{
    struct buf bytes = { 0 }, log = { 0 };
    (void)state;
    for (size_t extra = 0; extra < 2; extra++) {
        struct smtp_reply_reader reader = { 0 };
        buf_reset(&bytes);
        buf_add(&bytes, STR("250 "));
        while (bytes.len < SMTP_REPLY_LINE_MAX - 1 + extra) /* the CR counts */
            buf_add_byte(&bytes, 'x');
        buf_add(&bytes, STR("\r\n"));
        assert_int_equal(feed(&reader, buf_str(&bytes), &log),
                         extra ? SMTP_REPLY_MALFORMED : SMTP_REPLY_MORE);
        smtp_reply_fini(&reader);
    }
    for (size_t extra = 0; extra < 2; extra++) {
        struct smtp_reply_reader reader = { 0 };
        buf_reset(&bytes);
        for (size_t i = 1; i < SMTP_REPLY_LINES_MAX + extra; i++)
            buf_add(&bytes, STR("250-x\r\n"));
        buf_add(&bytes, STR("250 x\r\n"));
        assert_int_equal(feed(&reader, buf_str(&bytes), &log),
                         extra ? SMTP_REPLY_MALFORMED : SMTP_REPLY_MORE);
        smtp_reply_fini(&reader);
    }
    buf_fini(&bytes);
    buf_fini(&log);
}

/* A line without end must be given up at the bound, not when its end comes. */
static void gives_up_an_endless_line(void **state)
{
    struct smtp_reply_reader reader = { 0 };
    struct buf log = { 0 };
    (void)state;
    for (size_t i = 0; i < SMTP_REPLY_LINE_MAX; i++)
        assert_int_equal(feed(&reader, STR("2"), &log), SMTP_REPLY_MORE);
    assert_int_equal(feed(&reader, STR("2"), &log), SMTP_REPLY_MALFORMED);
    assert_int_equal(feed(&reader, STR("\r\n250 OK\r\n"), &log), SMTP_REPLY_MALFORMED);
    assert_int_equal(log.len, 0);
    smtp_reply_fini(&reader);
}

static void becomes_a_verdict(void **state)
{
    struct smtp_reply_reader reader = { 0 };
    struct str bytes = STR("452-4.2.2 Mailbox full,\r\n452 4.2.2 try later\r\n");
    struct smtp_reply reply;
    struct buf line = { 0 };
    (void)state;
    assert_int_equal(smtp_reply_read(&reader, &bytes, &reply), SMTP_REPLY_DONE);
    struct verdict verdict = smtp_reply_verdict(&reply);
    assert_int_equal(verdict.fate, FATE_DEFER);
    verdict_add_line(&line, &verdict);
    assert_str(buf_str(&line), STR("452 4.2.2 Mailbox full, try later"));
    buf_fini(&line);
    smtp_reply_fini(&reader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_replies),
        cmocka_unit_test(refuses_what_is_no_reply),
        cmocka_unit_test(bounds_lines_and_their_number),
        cmocka_unit_test(gives_up_an_endless_line),
        cmocka_unit_test(becomes_a_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
