/* SPDX-License-Identifier: ISC */
/* test_dns.c: answers as values, and on the channel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/dns.h"

static struct endpoint ip(const char *text)
{
    struct endpoint endpoint;
    assert_true(endpoint_from_ip(str_from(text), 0, &endpoint));
    return endpoint;
}

static struct dns_answer sample(struct dns_record record[3])
{
    record[0] = (struct dns_record){ .preference = 10, .name = STR("mx1.example.org") };
    record[1] = (struct dns_record){ .address = ip("2001:db8::25") };
    record[2] = (struct dns_record){ .data = STR("v=spf1 -all") };
    return (struct dns_answer){ .status = DNS_FOUND,
                                .secure = true,
                                .canonical = STR("mail.example.org"),
                                .ttl_s = 300,
                                .record = record,
                                .record_count = 3 };
}

static void assert_is_sample(const struct dns_answer *answer)
{
    assert_int_equal(answer->status, DNS_FOUND);
    assert_true(answer->secure);
    assert_false(answer->bogus);
    assert_true(str_equals(answer->canonical, STR("mail.example.org")));
    assert_int_equal(answer->ttl_s, 300);
    assert_int_equal(answer->record_count, 3);
    assert_int_equal(answer->record[0].preference, 10);
    assert_true(str_equals(answer->record[0].name, STR("mx1.example.org")));
    assert_true(endpoint_equals(answer->record[1].address, ip("2001:db8::25")));
    assert_true(str_equals(answer->record[2].data, STR("v=spf1 -all")));
}

static void survives_the_channel(void **state)
{
    struct dns_record record[3];
    struct dns_answer answer = sample(record);
    struct dns_answer back;
    struct arena arena = { 0 };
    struct buf bytes = { 0 };

    (void)state;
    dns_answer_encode(&bytes, &answer);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(dns_answer_decode(&cursor, &arena, &back));
    assert_true(cursor_done(&cursor));
    assert_is_sample(&back);
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void refuses_every_cut(void **state)
{
    struct dns_record record[3];
    struct dns_answer answer = sample(record);
    struct buf bytes = { 0 };

    (void)state;
    dns_answer_encode(&bytes, &answer);
    for (size_t len = 0; len < bytes.len; len++) {
        struct arena arena = { 0 };
        struct cursor cursor = cursor_over(str_first(buf_str(&bytes), len));
        assert_false(dns_answer_decode(&cursor, &arena, &answer));
        assert_false(cursor_ok(&cursor));
        arena_fini(&arena);
    }
    buf_fini(&bytes);
}

static void refuses_what_could_not_have_been_sent(void **state)
{
    static const struct {
        size_t at;
        char byte;
    } wrong[] = { { 0, 4 }, { 1, 8 }, { 6, DNS_RECORDS_MAX + 1 } };

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct dns_record record[3];
        struct dns_answer answer = sample(record);
        struct arena arena = { 0 };
        struct buf bytes = { 0 };
        dns_answer_encode(&bytes, &answer);
        bytes.ptr[wrong[i].at] = wrong[i].byte;
        struct cursor cursor = cursor_over(buf_str(&bytes));
        assert_false(dns_answer_decode(&cursor, &arena, &answer));
        arena_fini(&arena);
        buf_fini(&bytes);
    }
}

static void sends_no_more_records_than_allowed(void **state)
{
    static struct dns_record many[DNS_RECORDS_MAX + 20];
    struct dns_answer answer = { .record = many, .record_count = DNS_RECORDS_MAX + 20 };
    struct arena arena = { 0 };
    struct buf bytes = { 0 };

    (void)state;
    dns_answer_encode(&bytes, &answer);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(dns_answer_decode(&cursor, &arena, &answer));
    assert_int_equal(answer.record_count, DNS_RECORDS_MAX);
    arena_fini(&arena);
    buf_fini(&bytes);
}

static void finds_what_was_added(void **state)
{
    struct dns_record record[3];
    struct dns_answer answer = sample(record);
    struct dns_answers known = { 0 };
    struct dns_question mx = { .name = STR("example.org"), .type = DNS_MX };
    struct dns_question a = { .name = STR("example.org"), .type = DNS_A };

    (void)state;
    assert_null(dns_answers_find(&known, mx));
    dns_answers_add(&known, mx, &answer);
    assert_null(dns_answers_find(&known, a));
    assert_is_sample(dns_answers_find(&known, mx));

    struct dns_answer later = { .status = DNS_FAILED };
    dns_answers_add(&known, mx, &later);
    assert_int_equal(dns_answers_find(&known, mx)->status, DNS_FAILED);
    dns_answers_fini(&known);
}

static void writes_reverse_names(void **state)
{
    static const struct {
        const char *ip;
        const char *name;
    } cases[] = {
        { "192.0.2.7", "7.2.0.192.in-addr.arpa" },
        { "4321:0:1:2:3:4:567:89ab", /* RFC 3596 2.5 */
          "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out = { 0 };
        dns_add_reverse_name(&out, ip(cases[i].ip));
        assert_true(str_equals(buf_str(&out), str_from(cases[i].name)));
        buf_fini(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(survives_the_channel),
        cmocka_unit_test(refuses_every_cut),
        cmocka_unit_test(refuses_what_could_not_have_been_sent),
        cmocka_unit_test(sends_no_more_records_than_allowed),
        cmocka_unit_test(finds_what_was_added),
        cmocka_unit_test(writes_reverse_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
