/* SPDX-License-Identifier: ISC */
/* test_endpoint.c: addresses as people and wires write them. */
#include "testing.h"

#include "base/cursor.h"
#include "base/endpoint.h"

static void assert_text(struct endpoint endpoint, struct str want)
{
    struct buf out = { 0 };
    endpoint_add_text(&out, endpoint);
    assert_str(buf_str(&out), want);
    assert_true(out.len < ENDPOINT_TEXT_MAX);
    buf_fini(&out);
}

static void reads_and_writes_text(void **state)
{
    const struct {
        struct str text;
        struct str want; /* as written back; empty: refused */
    } cases[] = {
        { STR("192.0.2.1"), STR("192.0.2.1:25") },
        { STR("192.0.2.1:2525"), STR("192.0.2.1:2525") },
        { STR("192.0.2.1:65535"), STR("192.0.2.1:65535") },
        { STR("2001:DB8::1"), STR("[2001:db8::1]:25") },
        { STR("[2001:db8::1]"), STR("[2001:db8::1]:25") },
        { STR("[2001:db8::1]:26"), STR("[2001:db8::1]:26") },
        { STR("::"), STR("[::]:25") },
        { STR("::ffff:192.0.2.1"), STR("192.0.2.1:25") }, /* one host has one spelling */
        { STR("[::FFFF:c000:201]:26"), STR("192.0.2.1:26") },
        { STR("2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff"),
          STR("[2001:db8:aaaa:bbbb:cccc:dddd:eeee:ffff]:25") },
        { STR(""), STR("") },
        { STR(":25"), STR("") },
        { STR("192.0.2.1:"), STR("") },
        { STR("192.0.2.1:0"), STR("") },
        { STR("192.0.2.1:65536"), STR("") },
        { STR("192.0.2.1:-1"), STR("") },
        { STR("192.0.2.1:25 "), STR("") },
        { STR("192.0.2"), STR("") },
        { STR("192.0.2.256"), STR("") },
        { STR("192.0.2.1.5"), STR("") },
        { STR("mx.example.org:25"), STR("") },
        { STR("[]"), STR("") },
        { STR("[2001:db8::1"), STR("") },
        { STR("[2001:db8::1]25"), STR("") },
        { STR("[2001:db8::1]:"), STR("") },
        { STR("[2001:db8::1]:0"), STR("") },
        { STR("2001:db8::g"), STR("") },
        { STR("fe80::1%eth0"), STR("") },
        { STR("192.0.2.1\0:25"), STR("") },
        { STR("00000000000000000000000000000000000000000000000000000000001"), STR("") },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint = { .port = 4711 };
        bool ok = endpoint_from_text(cases[i].text, 25, &endpoint);
        assert_int_equal(ok, cases[i].want.len > 0);
        if (ok)
            assert_text(endpoint, cases[i].want);
        else
            assert_int_equal(endpoint.port, 4711); /* left alone */
    }
}

static struct endpoint of(const char *text)
{
    struct endpoint endpoint;
    assert_true(endpoint_from_text(str_from(text), 25, &endpoint));
    return endpoint;
}

static void compares_address_and_port(void **state)
{
    (void)state;
    assert_true(endpoint_equals(of("192.0.2.1:25"), of("::ffff:192.0.2.1")));
    assert_false(endpoint_equals(of("192.0.2.1:25"), of("192.0.2.1:26")));
    assert_true(endpoint_same_address(of("192.0.2.1:25"), of("192.0.2.1:26")));
    assert_false(endpoint_same_address(of("192.0.2.1"), of("192.0.2.2")));
    assert_false(endpoint_same_address(of("0.0.0.0"), of("::"))); /* same bytes, other family */
}

static void knows_loopback(void **state)
{
    (void)state;
    assert_true(endpoint_is_loopback(of("127.0.0.1")));
    assert_true(endpoint_is_loopback(of("127.255.0.9")));
    assert_true(endpoint_is_loopback(of("::1")));
    assert_true(endpoint_is_loopback(of("::ffff:127.0.0.1")));
    assert_false(endpoint_is_loopback(of("128.0.0.1")));
    assert_false(endpoint_is_loopback(of("::")));
    assert_false(endpoint_is_loopback((struct endpoint){ 0 }));
}

static void finds_the_clients_network(void **state)
{
    (void)state;
    assert_text(endpoint_network(of("192.0.2.77:25")), STR("192.0.2.0:0"));
    assert_text(endpoint_network(of("2001:db8:1:2:3:4:5:6")), STR("[2001:db8:1:2::]:0"));
    assert_true(endpoint_equals(endpoint_network(of("192.0.2.1:1")),
                                endpoint_network(of("192.0.2.254:2"))));
}

static void travels_in_nineteen_bytes(void **state)
{
    static const char *const texts[] = { "192.0.2.1:25", "[2001:db8::1]:65535" };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct buf out = { 0 };
        endpoint_encode(&out, of(texts[i]));
        assert_int_equal(out.len, 19);
        struct cursor cursor = cursor_over(buf_str(&out));
        assert_true(endpoint_equals(endpoint_decode(&cursor), of(texts[i])));
        assert_true(cursor_done(&cursor));
        for (size_t len = 0; len < out.len; len++) {
            cursor = cursor_over(str_of(out.ptr, len));
            assert_int_equal(endpoint_decode(&cursor).family, ENDPOINT_NONE);
            assert_false(cursor_ok(&cursor));
        }
        out.ptr[0] = 5;
        cursor = cursor_over(buf_str(&out));
        (void)endpoint_decode(&cursor);
        assert_false(cursor_ok(&cursor));
        buf_fini(&out);
    }
}

static void knows_how_far_away_an_address_is(void **state)
{
    static const struct {
        const char *address;
        enum endpoint_reach reach;
    } cases[] = {
        { "0.0.0.0", REACH_NOBODY },
        { "0.1.2.3", REACH_NOBODY },
        { "169.254.169.254", REACH_NOBODY },
        { "224.0.0.1", REACH_NOBODY },
        { "240.0.0.1", REACH_NOBODY },
        { "255.255.255.255", REACH_NOBODY },
        { "::", REACH_NOBODY },
        { "fe80::1", REACH_NOBODY },
        { "fec0::1", REACH_NOBODY },
        { "ff02::1", REACH_NOBODY },
        { "2002:a9fe:a9fe::1", REACH_NOBODY },
        { "64:ff9b::e000:1", REACH_NOBODY },
        { "127.0.0.1", REACH_LOOPBACK },
        { "127.255.0.9", REACH_LOOPBACK },
        { "::1", REACH_LOOPBACK },
        { "::ffff:127.0.0.1", REACH_LOOPBACK },
        { "64:ff9b::7f00:1", REACH_LOOPBACK },
        { "10.0.0.1", REACH_PRIVATE },
        { "172.16.0.1", REACH_PRIVATE },
        { "172.31.255.1", REACH_PRIVATE },
        { "192.168.1.1", REACH_PRIVATE },
        { "100.64.0.1", REACH_PRIVATE },
        { "192.0.0.1", REACH_PRIVATE },
        { "192.0.1.1", REACH_WORLD },
        { "198.18.0.1", REACH_PRIVATE },
        { "198.19.255.255", REACH_PRIVATE },
        { "198.20.0.1", REACH_WORLD },
        { "::7f00:1", REACH_NOBODY },
        { "fd00::1", REACH_PRIVATE },
        { "fc00::1", REACH_PRIVATE },
        { "2002:c0a8:0101::1", REACH_PRIVATE },
        { "172.15.0.1", REACH_WORLD },
        { "172.32.0.1", REACH_WORLD },
        { "100.63.0.1", REACH_WORLD },
        { "100.128.0.1", REACH_WORLD },
        { "223.255.255.255", REACH_WORLD },
        { "2001:db8::1", REACH_WORLD },
        { "::2", REACH_NOBODY },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct endpoint endpoint;
        assert_true(endpoint_from_ip(str_from(cases[i].address), 25, &endpoint));
        if (endpoint_reach(endpoint) != cases[i].reach)
            fail_msg("%s", cases[i].address);
    }
    assert_int_equal(endpoint_reach((struct endpoint){ 0 }), REACH_NOBODY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_text),
        cmocka_unit_test(compares_address_and_port),
        cmocka_unit_test(knows_loopback),
        cmocka_unit_test(finds_the_clients_network),
        cmocka_unit_test(knows_how_far_away_an_address_is),
        cmocka_unit_test(travels_in_nineteen_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
