/* SPDX-License-Identifier: ISC */
/* test_http.c: a request is read whole or refused, and means one thing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "testing.h"
#include "wire/http.h"

#define HOST "Host: mx2.example.net\r\n"

static void reads_a_request(void **state)
{
    static const char text[] = "PUT /api/v1/x?a=1&b=2 HTTP/1.1\r\n" HOST "Content-Length: 4\r\n"
                               "X-Empty:\r\n\r\nbodyGET";
    struct http_request request;
    (void)state;

    for (size_t len = 0; len < sizeof text - 1 - 3; len++)
        assert_int_equal(http_request_read(str_of(text, len), &request), 0);
    assert_int_equal(http_request_read(str_from(text), &request), 200);
    assert_str(request.method, STR("PUT"));
    assert_str(request.path, STR("/api/v1/x"));
    assert_str(request.query, STR("a=1&b=2"));
    assert_str(request.body, STR("body"));
    assert_int_equal(request.size, sizeof text - 1 - 3);
    assert_true(request.keeps_alive);
    assert_str(http_find(&request, STR("content-LENGTH")), STR("4"));
    assert_str(http_find(&request, STR("x-empty")), STR(""));
    assert_null(http_find(&request, STR("Cookie")).ptr);
}

static void says_by_which_status_it_is_refused(void **state)
{
    static const struct {
        unsigned status;
        const char *text;
    } cases[] = {
        { 200, "GET / HTTP/1.1\r\n" HOST "\r\n" },
        { 200, "\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
        { 200, "GET / HTTP/1.0\r\n\r\n" },
        { 200, "GET /?q HTTP/1.1\r\n" HOST "X: a\tb \xc3\xa4\r\n\r\n" },
        { 400, "\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET / HTTP/1.1\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n" },
        { 400, "GET http://mx2.example.net/ HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET * HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /#f HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET  / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /a b HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "GET /\r\n\r\n" },
        { 400, "GE(T / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "AVERYLONGMETHODNAME / HTTP/1.1\r\n" HOST "\r\n" },
        { 400, "EHLO client.example\r\n\r\n" },
        { 505, "GET / HTTP/2.0\r\n" HOST "\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "Folded: a\r\n b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "Name : a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "no colon\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "X: a\nY: b\r\n\r\n" },
        { 400, "GET / HTTP/1.1\r\n" HOST "X: a\rY: b\r\n\r\n" },
        { 501, "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" },
        { 501,
          "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n123" },
        { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n123" },
        { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\n123" },
        { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\n123" },
        { 400, "POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n" },
        { 413, "POST / HTTP/1.1\r\n" HOST "Content-Length: 16385\r\n\r\n" },
        { 0, "POST / HTTP/1.1\r\n" HOST "Content-Length: 16384\r\n\r\n" },
        { 417, "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        unsigned status = http_request_read(str_from(cases[i].text), &request);
        if (status != cases[i].status)
            fail_msg("%u instead of %u: %s", status, cases[i].status, cases[i].text);
        if (status > 200)
            assert_string_not_equal(http_reason(status), "Other");
    }
}

static void has_bounds(void **state)
{
    struct http_request request;
    struct buf text = { 0 };
    (void)state;

    buf_add(&text, STR("GET / HTTP/1.1\r\n" HOST));
    for (int i = 0; i < HTTP_FIELDS_MAX - 1; i++)
        buf_add(&text, STR("X: 1\r\n"));
    size_t full = text.len;
    buf_add(&text, STR("\r\n"));
    assert_int_equal(http_request_read(buf_str(&text), &request), 200);
    assert_null(http_find(&request, STR("X")).ptr); /* there are several */
    text.len = full;
    buf_add(&text, STR("X: 1\r\n\r\n"));
    assert_int_equal(http_request_read(buf_str(&text), &request), 431);
    buf_reset(&text);
    buf_add(&text, STR("GET / HTTP/1.1\r\n" HOST "X: "));
    while (text.len < HTTP_HEAD_MAX - 1)
        buf_add_byte(&text, 'x');
    assert_int_equal(http_request_read(buf_str(&text), &request), 0);
    buf_add_byte(&text, 'x');
    assert_int_equal(http_request_read(buf_str(&text), &request), 431);
    buf_add(&text, STR("\r\n\r\n"));
    assert_int_equal(http_request_read(buf_str(&text), &request), 431);
    buf_fini(&text);
}

static void knows_when_no_other_request_follows(void **state)
{
    static const struct {
        bool keeps_alive;
        const char *text;
    } cases[] = {
        { true, "GET / HTTP/1.1\r\n" HOST "\r\n" },
        { true, "GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\n\r\n" },
        { false, "GET / HTTP/1.1\r\n" HOST "Connection: Close\r\n\r\n" },
        { false, "GET / HTTP/1.1\r\n" HOST "Connection: TE, close\r\n\r\n" },
        { false, "GET / HTTP/1.0\r\n\r\n" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request;
        assert_int_equal(http_request_read(str_from(cases[i].text), &request), 200);
        assert_int_equal(request.keeps_alive, cases[i].keeps_alive);
    }
}

static void reads_queries(void **state)
{
    struct str query = STR("hostname=example.org%2Cb&&myip=1.2.3.4&flag&x=a+b%2b");
    static const char *const expected[] = { "hostname", "example.org,b", "myip",
                                            "1.2.3.4",  "flag",          "",
                                            "x",        "a b+" };
    struct buf name = { 0 };
    struct buf value = { 0 };
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        assert_true(http_next_pair(&query, &name, &value));
        assert_str(buf_str(&name), str_from(expected[2 * i]));
        assert_str(buf_str(&value), str_from(expected[2 * i + 1]));
    }
    assert_false(http_next_pair(&query, &name, &value));
    assert_int_equal(query.len, 0);
    static const char *const bad[] = { "a=%", "a=%4", "a=%4g", "%zz=1", "a=%00" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        query = str_from(bad[i]);
        assert_false(http_next_pair(&query, &name, &value));
        assert_true(query.len > 0);
    }
    buf_fini(&name);
    buf_fini(&value);
}

static void reads_basic_authorization(void **state)
{
    struct str user = STR_NONE;
    struct str password = STR_NONE;
    struct buf room = { 0 };
    (void)state;

    assert_true(http_basic(STR("basic ZXhhbXBsZS5vcmc6YTpi"), &room, &user, &password));
    assert_str(user, STR("example.org"));
    assert_str(password, STR("a:b"));
    assert_true(http_basic(STR("Basic Og=="), &room, &user, &password));
    assert_int_equal(user.len + password.len, 0);
    assert_false(http_basic(STR("Basic ZXhhbXBsZS5vcmc="), &room, &user, &password));
    assert_false(http_basic(STR("Basic !"), &room, &user, &password));
    assert_false(http_basic(STR("Bearer abc"), &room, &user, &password));
    assert_false(http_basic(STR_NONE, &room, &user, &password));
    buf_fini(&room);
}

static void believes_the_last_proxy(void **state)
{
    static const struct {
        const char *fields;
        const char *client; /* NULL: it is not known */
    } cases[] = {
        { "", NULL },
        { "X-Forwarded-For: 192.0.2.7\r\n", "192.0.2.7" },
        { "X-Forwarded-For: 10.0.0.1, 192.0.2.7\r\n", "192.0.2.7" },
        { "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-For: 2001:db8::7\r\n", "2001:db8::7" },
        { "X-Forwarded-For: 192.0.2.7:4711\r\n", "192.0.2.7" },
        { "X-Forwarded-For: unknown\r\n", NULL },
        { "X-Forwarded-For: 192.0.2.7,\r\n", NULL },
        { "Forwarded: for=192.0.2.7;proto=https\r\n", "192.0.2.7" },
        { "Forwarded: for=10.0.0.1, proto=https; For=\"[2001:db8::7]:4711\"\r\n", "2001:db8::7" },
        { "Forwarded: for=\"[2001:db8::7]\"\r\n", "2001:db8::7" },
        { "Forwarded: for=_hidden\r\n", NULL },
        { "Forwarded: proto=https\r\n", NULL },
    };
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf text = { 0 };
        struct buf shown = { 0 };
        struct http_request request;
        struct endpoint client;
        buf_add_format(&text, "GET / HTTP/1.1\r\n" HOST "%s\r\n", cases[i].fields);
        assert_int_equal(http_request_read(buf_str(&text), &request), 200);
        bool is_known = http_forwarded_for(&request, &client);
        if (is_known)
            endpoint_add_ip(&shown, client);
        if (is_known != (cases[i].client != NULL) ||
            !str_equals(buf_str(&shown), str_from(cases[i].client)))
            fail_msg("%s", cases[i].fields);
        buf_fini(&text);
        buf_fini(&shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_request),
        cmocka_unit_test(says_by_which_status_it_is_refused),
        cmocka_unit_test(has_bounds),
        cmocka_unit_test(knows_when_no_other_request_follows),
        cmocka_unit_test(reads_queries),
        cmocka_unit_test(reads_basic_authorization),
        cmocka_unit_test(believes_the_last_proxy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
