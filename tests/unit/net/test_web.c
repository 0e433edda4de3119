/* SPDX-License-Identifier: ISC */
/* test_web.c: posts to a web server of ours, a child process that answers one connection and says
 * what it got. */
#include "testing.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "net/web.h"

enum { TIME_MS = 20000 };

struct fixture {
    struct loop *loop;
    struct web *web;
    int listener;
    uint16_t port;
    int got[2]; /* what the server got */
    pid_t server;

    bool is_done;
    unsigned status;
    struct buf why;
    int64_t end_ms;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;

    fixture = (struct fixture){ 0 };
    fixture.loop = loop_new();
    fixture.web = web_new(fixture.loop, STR(""));
    fixture.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fixture.listener, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fixture.listener, 4), 0);
    assert_int_equal(getsockname(fixture.listener, (struct sockaddr *)&address, &size), 0);
    fixture.port = ntohs(address.sin_port);
    assert_int_equal(pipe(fixture.got), 0);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    if (fixture->server > 0)
        (void)waitpid(fixture->server, NULL, 0);
    web_free(fixture->web);
    loop_free(fixture->loop);
    buf_fini(&fixture->why);
    (void)close(fixture->listener);
    (void)close(fixture->got[0]);
    (void)close(fixture->got[1]);
    return 0;
}

/* Reads until the body is there, which ends with '}'; then answers, `much` octets more, and ends.
 */
static void serve(struct fixture *fixture, const char *answer, size_t much)
{
    char bytes[4096];
    ssize_t got = 0;
    ssize_t more;

    fixture->server = fork();
    if (fixture->server != 0)
        return;
    int fd = accept(fixture->listener, NULL, NULL);
    while (got < (ssize_t)sizeof bytes && (got == 0 || bytes[got - 1] != '}') &&
           (more = read(fd, bytes + got, sizeof bytes - (size_t)got)) > 0)
        got += more;
    (void)!write(fixture->got[1], bytes, (size_t)got);
    (void)!write(fd, answer, strlen(answer));
    memset(bytes, 'x', sizeof bytes);
    for (; much >= sizeof bytes; much -= sizeof bytes)
        if (send(fd, bytes, sizeof bytes, MSG_NOSIGNAL) < 0)
            break;
    (void)close(fd);
    _exit(0);
}

static void on_done(void *context, const struct web_answer *answer)
{
    struct fixture *fixture = context;

    assert_false(fixture->is_done);
    fixture->is_done = true;
    fixture->status = answer->status;
    buf_add(&fixture->why, answer->why);
}

static int64_t on_turn(void *context, struct now now)
{
    struct fixture *fixture = context;

    web_turn(fixture->web, now);
    if (fixture->end_ms == 0)
        fixture->end_ms = now.mono_ms + TIME_MS;
    if (fixture->is_done || now.mono_ms >= fixture->end_ms)
        loop_stop(fixture->loop);
    int64_t deadline_ms = web_deadline(fixture->web);
    return deadline_ms < fixture->end_ms ? deadline_ms : fixture->end_ms;
}

static struct web_post post_to(const struct fixture *fixture, struct buf *url, const char *host,
                               const char *address)
{
    struct web_post post = { .address_count = 1,
                             .field = { STR("X-One: 1"), STR("X-Two: 2") },
                             .field_count = 2,
                             .body = STR("{\"a\":1}") };

    buf_add_format(url, "http://%s:%u/path?query", host, fixture->port);
    check(endpoint_from_ip(str_from(address), fixture->port, &post.address[0]));
    post.url = buf_str(url);
    return post;
}

static void run(struct fixture *fixture, const char *host, const char *address)
{
    struct buf url = { 0 };
    struct web_post post = post_to(fixture, &url, host, address);

    assert_true(web_post(fixture->web, &post, on_done, fixture));
    buf_fini(&url);
    assert_false(fixture->is_done);
    loop_run(fixture->loop, on_turn, fixture);
    assert_true(fixture->is_done);
}

static void posts_what_it_is_given(void **state)
{
    struct fixture *fixture = *state;
    char got[4096] = { 0 };

    serve(fixture, "HTTP/1.1 204 No Content\r\n\r\n", 0);
    run(fixture, "web.example", "127.0.0.1");
    assert_int_equal(fixture->status, 204);
    assert_true(read(fixture->got[0], got, sizeof got - 1) > 0);
    assert_ptr_equal(strstr(got, "POST /path?query HTTP/1.1\r\nHost: web.example:"), got);
    assert_non_null(strstr(got, "\r\nX-One: 1\r\nX-Two: 2\r\n"));
    assert_non_null(strstr(got, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(got, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(got, "Expect:"));
}

static void says_what_it_posts(void **state)
{
    struct fixture *fixture = *state;
    struct buf url = { 0 };
    char got[4096] = { 0 };

    serve(fixture, "HTTP/1.1 204 No Content\r\n\r\n", 0);
    struct web_post post = post_to(fixture, &url, "web.example", "127.0.0.1");
    post.field[0] = STR("Content-Type: application/tlsrpt+gzip");
    assert_true(web_post(fixture->web, &post, on_done, fixture));
    buf_fini(&url);
    loop_run(fixture->loop, on_turn, fixture);
    assert_int_equal(fixture->status, 204);
    assert_true(read(fixture->got[0], got, sizeof got - 1) > 0);
    assert_non_null(strstr(got, "\r\nContent-Type: application/tlsrpt+gzip\r\n"));
    assert_null(strstr(got, "json"));
}

static void a_redirect_is_an_answer(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", 0);
    run(fixture, "127.0.0.1", "127.0.0.1");
    assert_int_equal(fixture->status, 302);
}

static void a_long_answer_is_cut_off(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "HTTP/1.1 200 OK\r\n\r\n", 16 << 20);
    run(fixture, "127.0.0.1", "127.0.0.1");
    assert_int_equal(fixture->status, 200);
}

static void no_answer_is_none(void **state)
{
    struct fixture *fixture = *state;

    serve(fixture, "", 0);
    run(fixture, "127.0.0.1", "127.0.0.1");
    assert_int_equal(fixture->status, 0);
    assert_true(fixture->why.len > 0);
}

static void goes_to_no_other_address(void **state)
{
    struct fixture *fixture = *state;

    run(fixture, "127.0.0.1", "127.0.0.2"); /* the URL says otherwise */
    assert_int_equal(fixture->status, 0);
}

/* Nothing is fetched in the clear, or from nowhere. What it brings over TLS, test_mta_sts.py shows.
 */
static void fetches_over_tls_alone(void **state)
{
    struct fixture *fixture = *state;
    struct web_fetch fetch = { .url = STR("http://web.example/x"), .address_count = 1 };

    check(endpoint_from_ip(STR("127.0.0.1"), fixture->port, &fetch.address[0]));
    assert_false(web_fetch(fixture->web, &fetch, on_done, fixture));
    fetch.url = STR("https://web.example:99999/x");
    assert_false(web_fetch(fixture->web, &fetch, on_done, fixture));
    fetch.url = STR("https://web.example/x");
    fetch.address_count = 0;
    assert_false(web_fetch(fixture->web, &fetch, on_done, fixture));
    assert_false(fixture->is_done);
}

static void refuses_what_is_not_well_formed(void **state)
{
    struct fixture *fixture = *state;
    struct buf url = { 0 };
    struct web_post post = post_to(fixture, &url, "127.0.0.1", "127.0.0.1");

    post.field[1] = STR("X-Two: 2\r\nX-Three: 3");
    assert_false(web_post(fixture->web, &post, on_done, fixture));
    post.field_count = 1;
    post.address_count = 0;
    assert_false(web_post(fixture->web, &post, on_done, fixture));
    post.address_count = 1;
    post.url = STR("http://user@127.0.0.1/");
    assert_false(web_post(fixture->web, &post, on_done, fixture));
    assert_int_equal(web_deadline(fixture->web), NEVER_MS);
    buf_fini(&url);
}

static void what_is_under_way_ends_with_it(void **state)
{
    struct fixture *fixture = *state;
    struct buf url = { 0 };
    struct web_post post = post_to(fixture, &url, "127.0.0.1", "127.0.0.1");

    for (int i = 0; i < WEB_AT_ONCE_MAX; i++)
        assert_true(web_post(fixture->web, &post, on_done, fixture));
    assert_false(web_post(fixture->web, &post, on_done, fixture));
    buf_fini(&url);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(posts_what_it_is_given),
        TEST(says_what_it_posts),
        TEST(a_redirect_is_an_answer),
        TEST(a_long_answer_is_cut_off),
        TEST(no_answer_is_none),
        TEST(goes_to_no_other_address),
        TEST(refuses_what_is_not_well_formed),
        TEST(what_is_under_way_ends_with_it),
        TEST(fetches_over_tls_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
