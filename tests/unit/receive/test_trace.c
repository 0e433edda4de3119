/* SPDX-License-Identifier: ISC */
/* test_trace.c: Received fields, counted and made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "receive/trace.h"

static void counts_hops_and_own_name_in_any_split(void **state)
{
    static const struct {
        const char *content;
        uint32_t hops, own;
    } cases[] = {
        { "", 0, 0 },
        { "Subject: x\r\n\r\n", 0, 0 },
        { "Received: from a by b; date\r\n", 1, 0 },
        { "Received: from a by mx.example; date\r\n", 1, 1 },
        { "received: from a BY MX.EXAMPLE with x\r\n", 1, 1 },
        { "RECEIVED:from a by mx.example;date\r\n", 1, 1 },
        { "Received : by mx.example\r\n", 1, 1 },
        { "Received:\r\n by\r\n\tmx.example\r\n", 1, 1 },
        { "Received: by mx.example(Postfix)\r\n", 1, 1 },
        { "Received: by (a \r\n b) mx.example\r\n", 1, 1 },
        { "Received: from mx.example by other.example\r\n", 1, 0 },
        { "Received: from (by mx.example) by other\r\n", 1, 0 },
        { "Received: by mx.example.org\r\n", 1, 0 },
        { "Received: by mx.exampl\r\n", 1, 0 },
        { "Received: by amx.example\r\n", 1, 0 },
        { "Received: bye mx.example\r\n", 1, 0 },
        { "Received: by x mx.example\r\n", 1, 0 },
        { "Received: by\r\nSubject: mx.example\r\n", 1, 0 },
        { "Subject: x\r\n Received: by mx.example\r\n", 0, 0 },
        { "X-Received: by mx.example\r\n", 0, 0 },
        { "Receive: by mx.example\r\nReceivedd: by mx.example\r\n", 0, 0 },
        { "Received by mx.example\r\nReceived: by mx.example\r\n", 1, 1 },
        { "\r\nReceived: by mx.example\r\n", 0, 0 },
        { "A: b\r\n\r\nReceived: by mx.example\r\n", 0, 0 },
        { "Rec\r\nReceived: a\r\nR\r\nReceived: by mx.example\r\n", 2, 1 },
        { "Received: by mx.example\r\nA: b\r\nReceived: by mx.example\r\n\r\n", 2, 2 },
        { "Received: ((((\r\nReceived: by mx.example\r\n", 2, 1 },
        { "Received: )))) by mx.example\r\n", 1, 1 },
        { "no header at all\r\nReceived: by mx.example", 1, 0 }, /* the word may go on */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct str content = str_from(cases[i].content);
        for (size_t cut = 0; cut <= content.len; cut++) {
            struct trace_scanner scanner = trace_scanner_for(STR("mx.example"));
            trace_scan(&scanner, str_first(content, cut));
            trace_scan(&scanner, str_skip(content, cut));
            if (scanner.hops != cases[i].hops || scanner.own != cases[i].own)
                fail_msg("%s cut at %zu: hops %u own %u", cases[i].content, cut, scanner.hops,
                         scanner.own);
        }
    }
}

static void finds_loops(void **state)
{
    static const struct {
        unsigned others, own;
        bool loop;
    } cases[] = { { 50, 0, false }, { 51, 0, true }, { 49, 1, false },
                  { 50, 1, true },  { 0, 1, false }, { 0, 2, true } };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct trace_scanner scanner = trace_scanner_for(STR("mx.example"));
        for (unsigned n = 0; n < cases[i].others; n++)
            trace_scan(&scanner, STR("Received: by other.example\r\n"));
        for (unsigned n = 0; n < cases[i].own; n++)
            trace_scan(&scanner, STR("Received: by mx.example\r\n"));
        assert_int_equal(trace_is_loop(&scanner), cases[i].loop);
    }
}

static struct trace_stamp stamp_of(const char *helo, const char *name, const char *ip,
                                   const char *recipient)
{
    struct trace_stamp stamp = {
        .helo = str_from(helo),
        .client_name = str_from(name),
        .node = STR("mx.example"),
        .protocol = STR("ESMTP"),
        .recipient = str_from(recipient),
        .wall_ms = 1795297249123,
    };
    assert_true(endpoint_from_ip(str_from(ip), 25, &stamp.client));
    return stamp;
}

#define ID "00000000000000000000000000"
#define BY "\r\n\tby mx.example with ESMTP id " ID
#define AT "Sat, 21 Nov 2026 21:40:49 +0000\r\n"

static void makes_our_field(void **state)
{
    static const struct {
        const char *helo, *name, *ip, *recipient, *want;
    } cases[] = {
        { "c.example", "r.example", "192.0.2.7", "a@b.example",
          "Received: from c.example (r.example [192.0.2.7])" BY "\r\n\tfor <a@b.example>; " AT },
        { "c.example", "", "192.0.2.7", "",
          "Received: from c.example (unknown [192.0.2.7])" BY ";\r\n\t" AT },
        { "[IPv6:2001:db8::1]", "", "2001:db8::1", "",
          "Received: from [IPv6:2001:db8::1] (unknown [IPv6:2001:db8::1])" BY ";\r\n\t" AT },
        { "a(b)c;\"<>\\\xc3\xbc", "x y\r\nz", "192.0.2.7", "",
          "Received: from a?b?c??????? (x?y??z [192.0.2.7])" BY ";\r\n\t" AT },
        { "", "", "192.0.2.7", "", "Received: from unknown (unknown [192.0.2.7])" BY ";\r\n\t" AT },
        { "c", "", "192.0.2.7", "\"a>; by x\"@b.example",
          "Received: from c (unknown [192.0.2.7])" BY ";\r\n\t" AT },
        { "c", "", "192.0.2.7", "postmaster",
          "Received: from c (unknown [192.0.2.7])" BY "\r\n\tfor <postmaster>; " AT },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = { 0 };
        struct trace_stamp stamp =
            stamp_of(cases[i].helo, cases[i].name, cases[i].ip, cases[i].recipient);
        trace_add_received(&out, &stamp);
        if (!str_equals(buf_str(&out), str_from(cases[i].want)))
            fail_msg("got:\n%.*swant:\n%s", STR_FMT(buf_str(&out)), cases[i].want);
        buf_fini(&out);
    }
}

/* However long what comes from outside: lines stay below 998 octets, and our own scanner finds one
 * hop by us. */
static void our_field_is_never_broken(void **state)
{
    char everything[4096];
    struct buf out = { 0 };
    (void)state;

    for (size_t i = 0; i < sizeof everything; i++)
        everything[i] = (char)(i % 256);
    struct trace_stamp stamp = stamp_of("", "", "192.0.2.7", "");
    stamp.helo = stamp.client_name = str_of(everything, sizeof everything);
    trace_add_received(&out, &stamp);
    struct str rest = buf_str(&out);
    struct str line;
    while (str_cut(&rest, '\n', &line))
        assert_true(line.len < 998);
    struct trace_scanner scanner = trace_scanner_for(STR("mx.example"));
    trace_scan(&scanner, buf_str(&out));
    assert_int_equal(scanner.hops, 1);
    assert_int_equal(scanner.own, 1);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_hops_and_own_name_in_any_split),
        cmocka_unit_test(finds_loops),
        cmocka_unit_test(makes_our_field),
        cmocka_unit_test(our_field_is_never_broken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
