/* SPDX-License-Identifier: ISC */
#include "testing.h"

#include "net/web_reach.h"

static void it_depends_on_whose_word_it_is(void **state)
{
    static const struct {
        const char *address;
        bool is_public, is_near, is_here; /* may be gone to */
    } cases[] = {
        { "192.0.2.1", true, true, true },
        { "10.1.2.3", false, true, true },
        { "192.168.1.1", false, true, true },
        { "172.16.0.1", false, true, true },
        { "172.32.0.1", true, true, true },
        { "100.64.0.1", false, true, true },
        { "100.128.0.1", true, true, true },
        { "64:ff9b::a01:203", false, true, true },
        { "64:ff9b:1::1", false, true, true },
        { "fd00::1", false, true, true },
        { "2001:db8::1", true, true, true },
        { "127.0.0.1", false, false, true },
        { "127.8.8.8", false, false, true },
        { "::1", false, false, true },
        { "169.254.169.254", false, false, false },
        { "fe80::1", false, false, false },
        { "fec0::1", false, false, false },
        { "0.0.0.0", false, false, false },
        { "::", false, false, false },
        { "224.0.0.1", false, false, false },
        { "255.255.255.255", false, false, false },
        { "ff02::1", false, false, false },
        { "::ffff:169.254.169.254", false, false, false },
        { "64:ff9b::a9fe:a9fe", false, false, false },
        { "64:ff9b::7f00:1", false, false, true },
        { "2002:a9fe:a9fe::1", false, false, false },
        { "2002:7f00:1::", false, false, true },
        { "64:ff9b::c000:201", true, true, true },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct endpoint endpoint;
        assert_true(endpoint_from_ip(str_from(cases[i].address), 443, &endpoint));
        if (web_may_go_to(endpoint, WEB_REACH_PUBLIC) != cases[i].is_public ||
            web_may_go_to(endpoint, WEB_REACH_NEAR) != cases[i].is_near ||
            web_may_go_to(endpoint, WEB_REACH_HERE) != cases[i].is_here)
            fail_msg("%s", cases[i].address);
    }
}

static void nowhere_is_not_gone_to(void **state)
{
    const struct endpoint nowhere = { .family = ENDPOINT_NONE };

    (void)state;
    assert_false(web_may_go_to(nowhere, WEB_REACH_HERE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_depends_on_whose_word_it_is),
        cmocka_unit_test(nowhere_is_not_gone_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
