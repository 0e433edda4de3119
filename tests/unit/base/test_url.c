/* SPDX-License-Identifier: ISC */
/* test_url.c: what is a URL, and where it leads. */
#include "testing.h"

#include "base/url.h"

static void reads_where_it_leads(void **state)
{
    static const struct {
        const char *text;
        bool is_tls;
        const char *host;
        bool is_address;
        unsigned port;
        const char *target;
    } cases[] = {
        { "https://example.com", true, "example.com", false, 443, "" },
        { "HTTPS://a.b-c.example:8443/x?y=%2F&z", true, "a.b-c.example", false, 8443,
          "/x?y=%2F&z" },
        { "http://127.0.0.1:8080/", false, "127.0.0.1", true, 8080, "/" },
        { "http://[::1]/hook", false, "::1", true, 80, "/hook" },
        { "https://[2001:db8::1]:1?q", true, "2001:db8::1", true, 1, "?q" },
        { "https://localhost/", true, "localhost", false, 443, "/" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url url;
        assert_true(url_parse(str_from(cases[i].text), &url));
        assert_int_equal(url.is_tls, cases[i].is_tls);
        assert_str(url.host, str_from(cases[i].host));
        assert_int_equal(url.is_address, cases[i].is_address);
        assert_int_equal(url.port, cases[i].port);
        assert_str(url.target, str_from(cases[i].target));
        if (url.is_address)
            assert_int_equal(url.endpoint.port, url.port);
    }
}

static void refuses_what_may_be_read_in_two_ways(void **state)
{
    static const char *const cases[] = {
        "",
        "example.com",
        "ftp://example.com/",
        "https://",
        "https:///x",
        "https://user@example.com/",
        "https://example.com@evil.example/",
        "https://example.com:0/",
        "https://example.com:65536/",
        "https://example.com:/",
        "https://example.com:80:80/",
        "https://example.com/#part",
        "https://example.com/a b",
        "https://example.com/%2",
        "https://example.com/\\x",
        "https://example.com\\x",
        "https://ex_ample.com/",
        "https://-a.example/",
        "https://a..example/",
        "https://example.com./",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.0.0.0x1/",
        "https://[::1/",
        "https://[127.0.0.1]/",
        "https://[example.com]/",
        "https://::1/",
        "https://\xc3\xbc.example/",
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct url url;
        if (url_parse(str_from(cases[i]), &url))
            print_error("%s is taken\n", cases[i]);
        assert_false(url_parse(str_from(cases[i]), &url));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_where_it_leads),
        cmocka_unit_test(refuses_what_may_be_read_in_two_ways),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
