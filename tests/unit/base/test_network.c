/* SPDX-License-Identifier: ISC */
/* test_network.c: what is a network, and who is in it. */
#include "testing.h"

#include "base/cursor.h"
#include "base/network.h"

static void reads_and_writes_text(void **state)
{
    static const struct {
        const char *text, *want; /* NULL: refused */
    } cases[] = {
        { "192.0.2.0/24", "192.0.2.0/24" },
        { "192.0.2.7", "192.0.2.7" },
        { "192.0.2.7/32", "192.0.2.7" },
        { "0.0.0.0/0", "0.0.0.0/0" },
        { "192.0.2.128/25", "192.0.2.128/25" },
        { "2001:DB8::/32", "2001:db8::/32" },
        { "2001:db8::1/128", "2001:db8::1" },
        { "::/0", "::/0" },
        { "192.0.2.1/24", NULL }, /* bits behind the prefix */
        { "192.0.2.64/25", NULL },
        { "2001:db8::1/127", NULL },
        { "192.0.2.0/33", NULL },
        { "2001:db8::/129", NULL },
        { "192.0.2.0/", NULL },
        { "192.0.2.0/-1", NULL },
        { "192.0.2/24", NULL },
        { "/24", NULL },
        { "", NULL },
        { "example.org", NULL },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct network_range network;
        struct buf out = { 0 };
        assert_int_equal(network_parse(str_from(cases[i].text), &network), cases[i].want != NULL);
        if (cases[i].want == NULL)
            continue;
        network_add_text(&out, network);
        assert_str(buf_str(&out), str_from(cases[i].want));
        buf_fini(&out);
    }
}

static void knows_who_is_in_it(void **state)
{
    static const struct {
        const char *network, *address;
        bool is_in;
    } cases[] = {
        { "192.0.2.0/24", "192.0.2.255", true },
        { "192.0.2.0/24", "192.0.3.0", false },
        { "192.0.2.128/25", "192.0.2.128", true },
        { "192.0.2.128/25", "192.0.2.127", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "0.0.0.0/0", "203.0.113.9", true },
        { "0.0.0.0/0", "::1", false },
        { "2001:db8::/33", "2001:db8:7fff::", true },
        { "2001:db8::/33", "2001:db8:8000::", false },
        { "::/0", "192.0.2.7", false },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct network_range network;
        struct endpoint address;
        assert_true(network_parse(str_from(cases[i].network), &network));
        assert_true(endpoint_from_ip(str_from(cases[i].address), 4711, &address));
        assert_int_equal(network_has(network, address), cases[i].is_in);
    }
}

static void goes_through_a_channel(void **state)
{
    struct network_range network;
    struct endpoint address;
    struct buf bytes = { 0 };
    (void)state;
    assert_true(endpoint_from_ip(STR("2001:db8::1"), 4711, &address));
    network_encode(&bytes, network_of_address(address));
    assert_true(network_parse(STR("10.0.0.0/8"), &network));
    network_encode(&bytes, network);
    assert_int_equal(bytes.len, 2 * NETWORK_CODE_SIZE);
    struct cursor cursor = cursor_over(buf_str(&bytes));
    assert_true(network_has(network_decode(&cursor), address));
    assert_int_equal(network_decode(&cursor).prefix, 8);
    assert_true(cursor_done(&cursor));
    bytes.ptr[NETWORK_CODE_SIZE - 1] = (char)129;
    cursor = cursor_over(buf_str(&bytes));
    (void)network_decode(&cursor);
    assert_false(cursor_ok(&cursor));
    buf_fini(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes_text),
        cmocka_unit_test(knows_who_is_in_it),
        cmocka_unit_test(goes_through_a_channel),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
