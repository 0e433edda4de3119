/* SPDX-License-Identifier: ISC */
/* test_portal.c: what is asked for by the web, and what it is told. */
#include "testing.h"

#include <string.h>

#include "base/base64.h"
#include "portal/portal.h"

struct asked { /* a request, and what came of it */
    struct buf text;
    struct portal_wish wish;
    struct portal_answer answer;
    bool is_wish;
};

static struct endpoint at(const char *text)
{
    struct endpoint endpoint;
    assert_true(endpoint_from_ip(str_from(text), 0, &endpoint));
    return endpoint;
}

/* As example.org with the secret "s3cret", unless `login` is NULL. */
static void ask(struct asked *asked, const char *method, const char *target, const char *login,
                const char *body)
{
    struct http_request request;

    *asked = (struct asked){ .is_wish = false };
    buf_add_format(&asked->text, "%s %s HTTP/1.1\r\nHost: mx2.example.net\r\n", method, target);
    if (login != NULL) {
        buf_add(&asked->text, STR("Authorization: Basic "));
        base64_add(&asked->text, str_from(login));
        buf_add(&asked->text, STR("\r\n"));
    }
    if (body != NULL)
        buf_add_format(&asked->text,
                       "Content-Type: application/json; charset=utf-8\r\nContent-Length: %zu\r\n",
                       str_from(body).len);
    buf_add_format(&asked->text, "\r\n%s", body != NULL ? body : "");
    assert_int_equal(http_request_read(buf_str(&asked->text), &request), 200);
    asked->is_wish = portal_read(&request, at("192.0.2.99"), &asked->wish, &asked->answer);
}

static void forget(struct asked *asked)
{
    if (asked->is_wish)
        portal_wish_fini(&asked->wish);
    portal_answer_fini(&asked->answer);
    buf_fini(&asked->text);
}

#define LOGIN "example.org:s3cret"

static void reads_dyndns(void **state)
{
    static const struct {
        const char *query;
        const char *domains, *addresses; /* NULL: refused, with … */
        const char *word;
    } cases[] = {
        { "hostname=example.org&myip=192.0.2.7", "example.org", "192.0.2.7", NULL },
        { "myip=192.0.2.7&hostname=Example.ORG.", "example.org", "192.0.2.7", NULL },
        { "hostname=Example.ORG&system=dyndns&wildcard=ON", "example.org", "192.0.2.99", NULL },
        { "hostname=example.org&myip=", "example.org", "192.0.2.99", NULL },
        { "hostname=a.example,b.example&myip=192.0.2.7,2001:db8::7", "a.example b.example",
          "192.0.2.7 2001:db8::7", NULL },
        { "hostname=example.org&myip=192.0.2.7&myipv6=2001%3Adb8%3A%3A7", "example.org",
          "192.0.2.7 2001:db8::7", NULL },
        { "hostname=example.org&myip=nowhere", NULL, NULL, "dnserr" },
        { "hostname=example.org&myip=::1,::2,::3,::4,::5", NULL, NULL, "dnserr" },
        { "myip=192.0.2.7", NULL, NULL, "notfqdn" },
        { "", NULL, NULL, "notfqdn" },
        { "hostname=localhost", NULL, NULL, "notfqdn" },
        { "hostname=example.org&myip=%zz", NULL, NULL, "notfqdn" },
        { "hostname=a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a.b,a."
          "b,"
          "a.b",
          NULL, NULL, "numhost" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asked asked;
        struct buf target = { 0 };
        struct buf seen = { 0 };
        buf_add_format(&target, "/nic/update?%s%c", cases[i].query, '\0');
        ask(&asked, "GET", target.ptr, LOGIN, NULL);
        if (asked.is_wish != (cases[i].word == NULL))
            fail_msg("%s", cases[i].query);
        if (asked.is_wish) {
            assert_true(asked.wish.is_dyndns && asked.wish.deed == PORTAL_TELL);
            assert_str(asked.wish.user, STR("example.org"));
            assert_str(asked.wish.secret, STR("s3cret"));
            for (uint32_t k = 0; k < asked.wish.domain_count; k++)
                buf_add_format(&seen, "%s%.*s", k > 0 ? " " : "", STR_FMT(asked.wish.domain[k]));
            assert_buf(&seen, cases[i].domains);
            buf_reset(&seen);
            for (uint32_t k = 0; k < asked.wish.endpoint_count; k++) {
                buf_add(&seen, k > 0 ? STR(" ") : STR(""));
                endpoint_add_ip(&seen, asked.wish.endpoint[k]);
                assert_int_equal(asked.wish.endpoint[k].port, 0);
            }
            assert_buf(&seen, cases[i].addresses);
        } else {
            buf_add_format(&seen, "%s\n", cases[i].word);
            assert_str(buf_str(&asked.answer.body), buf_str(&seen));
            assert_int_equal(asked.answer.status, 200);
        }
        buf_fini(&seen);
        buf_fini(&target);
        forget(&asked);
    }
}

static void dyndns_wants_a_login_and_get(void **state)
{
    struct asked asked;
    (void)state;

    ask(&asked, "GET", "/nic/update?hostname=example.org", NULL, NULL);
    assert_int_equal(asked.answer.status, 401);
    assert_true(asked.answer.wants_login);
    assert_buf(&asked.answer.body, "badauth\n");
    forget(&asked);
    ask(&asked, "POST", "/nic/update?hostname=example.org", LOGIN, NULL);
    assert_int_equal(asked.answer.status, 405);
    assert_buf(&asked.answer.body, "badagent\n");
    forget(&asked);
}

static void dyndns_has_a_line_for_each_name(void **state)
{
    struct asked asked;
    (void)state;

    ask(&asked, "GET", "/nic/update?hostname=a.example,b.example,c.example&myip=192.0.2.7,::7",
        LOGIN, NULL);
    assert_true(asked.is_wish);
    const enum address_fate fates[] = { ADDRESS_TAKEN, ADDRESS_NOT_YOURS, ADDRESS_SAME };
    for (size_t i = 0; i < 3; i++) {
        const struct portal_outcome outcome = { .fate = fates[i] };
        assert_true(portal_told(&asked.wish, asked.wish.domain[i], &outcome, &asked.answer));
    }
    assert_int_equal(asked.answer.status, 200);
    assert_buf(&asked.answer.body, "good 192.0.2.7,::7\nnohost\nnochg 192.0.2.7,::7\n");
    const struct portal_outcome wrong = { .fate = ADDRESS_BAD_LOGIN };
    assert_false(portal_told(&asked.wish, asked.wish.domain[0], &wrong, &asked.answer));
    assert_int_equal(asked.answer.status, 401);
    assert_buf(&asked.answer.body, "badauth\n");
    forget(&asked);
}

static void reads_rest(void **state)
{
    static const struct {
        unsigned status; /* 0: a wish */
        const char *method, *target, *login, *body;
        const char *code; /* a part of the body */
    } cases[] = {
        { 0, "GET", "/api/v1/domains/example.org/address", LOGIN, NULL, NULL },
        { 0, "DELETE", "/api/v1/domains/Example.ORG/address", LOGIN, NULL, NULL },
        { 0, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"192.0.2.7\",\"2001:db8::7\"],\"port\":2525}", NULL },
        { 401, "GET", "/api/v1/domains/example.org/address", NULL, NULL, "bad-login" },
        { 405, "POST", "/api/v1/domains/example.org/address", LOGIN, "{}", "bad-method" },
        { 404, "GET", "/api/v1/domains/localhost/address", LOGIN, NULL, "no-such-domain" },
        { 404, "GET", "/api/v1/domains/a%2fb.c/address", LOGIN, NULL, "no-such-domain" },
        { 404, "GET", "/api/v1/domains//address", LOGIN, NULL, "no-such-page" },
        { 404, "GET", "/api/v1/domains/example.org", LOGIN, NULL, "no-such-page" },
        { 404, "GET", "/", LOGIN, NULL, "no-such-page" },
        { 415, "PUT", "/api/v1/domains/example.org/address", LOGIN, NULL, "bad-type" },
        { 400, "PUT", "/api/v1/domains/example.org/address", LOGIN, "", "bad-request" },
        { 400, "PUT", "/api/v1/domains/example.org/address", LOGIN, "[]", "bad-request" },
        { 400, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":", "bad-request" },
        { 400, "PUT", "/api/v1/domains/example.org/address", LOGIN, "{\"port\":1,\"port\":2}",
          "bad-request" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN, "{}", "bad-address" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN, "{\"addresses\":[]}",
          "bad-address" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN, "{\"addresses\":[7]}",
          "bad-address" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"192.0.2.7:25\"]}", "bad-address" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"::1\",\"::2\",\"::3\",\"::4\",\"::5\"]}", "bad-address" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"::1\"],\"port\":0}", "bad-port" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"::1\"],\"port\":\"25\"}", "bad-port" },
        { 422, "PUT", "/api/v1/domains/example.org/address", LOGIN,
          "{\"addresses\":[\"::1\"],\"ports\":25}", "unknown-member" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct asked asked;
        ask(&asked, cases[i].method, cases[i].target, cases[i].login, cases[i].body);
        if (asked.is_wish != (cases[i].status == 0) || asked.answer.status != cases[i].status)
            fail_msg("%s %s %s: %u", cases[i].method, cases[i].target, cases[i].body,
                     asked.answer.status);
        const char *code = cases[i].code != NULL ? cases[i].code : "";
        if (asked.is_wish)
            assert_str(asked.wish.domain[0], STR("example.org"));
        else
            assert_non_null(
                memmem(asked.answer.body.ptr, asked.answer.body.len, code, strlen(code)));
        forget(&asked);
    }
}

static void a_port_is_for_all_addresses(void **state)
{
    struct asked asked;
    (void)state;

    ask(&asked, "PUT", "/api/v1/domains/example.org/address", LOGIN,
        "{\"addresses\":[\"192.0.2.7\",\"2001:db8::7\"],\"port\":2525}");
    assert_int_equal(asked.wish.deed, PORTAL_TELL);
    assert_int_equal(asked.wish.endpoint_count, 2);
    assert_int_equal(asked.wish.endpoint[1].port, 2525);
    forget(&asked);
}

static void rest_says_what_came_of_it(void **state)
{
    static const struct {
        enum address_fate fate;
        unsigned status;
        const char *body;
    } cases[] = {
        { ADDRESS_TAKEN, 202,
          "{\"domain\":\"example.org\",\"news\":true,\"address\":{\"used\":[]}}\n" },
        { ADDRESS_SAME, 200,
          "{\"domain\":\"example.org\",\"news\":false,\"address\":{\"used\":[]}}\n" },
        { ADDRESS_NO_DOMAIN, 404, "{\"error\":{\"code\":\"no-such-domain\",\"text\":\"why\"}}\n" },
        { ADDRESS_UNPROVABLE, 409, "{\"error\":{\"code\":\"unprovable\",\"text\":\"why\"}}\n" },
        { ADDRESS_BAD, 422, "{\"error\":{\"code\":\"bad-address\",\"text\":\"why\"}}\n" },
        { ADDRESS_TOO_OFTEN, 429, "{\"error\":{\"code\":\"too-often\",\"text\":\"why\"}}\n" },
        { ADDRESS_BAD_LOGIN, 401, "{\"error\":{\"code\":\"bad-login\",\"text\":\"why\"}}\n" },
        { ADDRESS_NOT_YOURS, 403, "{\"error\":{\"code\":\"not-yours\",\"text\":\"why\"}}\n" },
        { ADDRESS_FAILED, 503, "{\"error\":{\"code\":\"failed\",\"text\":\"why\"}}\n" },
    };
    (void)state;

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct portal_outcome outcome = { cases[i].fate, STR("why"), STR("{\"used\":[]}") };
        struct asked asked;
        ask(&asked, "PUT", "/api/v1/domains/example.org/address", LOGIN,
            "{\"addresses\":[\"192.0.2.7\"]}");
        assert_false(portal_told(&asked.wish, asked.wish.domain[0], &outcome, &asked.answer));
        assert_int_equal(asked.answer.status, cases[i].status);
        assert_buf(&asked.answer.body, cases[i].body);
        assert_int_equal(asked.answer.wants_login, cases[i].status == 401);
        assert_int_equal(asked.answer.retry_after_s > 0, cases[i].status == 429);
        forget(&asked);
    }
}

static void answers_are_whole(void **state)
{
    struct portal_answer answer = { .status = 200 };
    struct buf out = { 0 };
    (void)state;

    buf_add(&answer.body, STR("good\n"));
    portal_answer_add(&out, &answer, true, true);
    assert_buf(&out, "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\n"
                     "Content-Length: 5\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\n\r\ngood\n");
    buf_reset(&out);
    portal_refuse(&answer, 405, "bad-method", STR("\x01 \"no\""));
    answer.allow = "GET";
    answer.wants_login = true;
    answer.retry_after_s = 7;
    portal_answer_add(&out, &answer, false, false);
    assert_buf(&out, "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\n"
                     "Content-Length: 54\r\nCache-Control: no-store\r\n"
                     "X-Content-Type-Options: nosniff\r\n"
                     "WWW-Authenticate: Basic realm=\"holdfast\", charset=\"UTF-8\"\r\n"
                     "Allow: GET\r\nRetry-After: 7\r\nConnection: close\r\n\r\n");
    buf_fini(&out);
    portal_answer_fini(&answer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_dyndns),
        cmocka_unit_test(dyndns_wants_a_login_and_get),
        cmocka_unit_test(dyndns_has_a_line_for_each_name),
        cmocka_unit_test(reads_rest),
        cmocka_unit_test(a_port_is_for_all_addresses),
        cmocka_unit_test(rest_says_what_came_of_it),
        cmocka_unit_test(answers_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
