/* SPDX-License-Identifier: ISC */
/* test_stream_tls.c: one end of a socket pair is a stream with TLS, the other is OpenSSL itself,
 * for it does what no client of ours would do.
 */
#include "testing.h"

#include <event2/event.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/stream.h"

enum { TURNS_MAX = 20000, FLOOD = 60000, PENDING_MAX = 512 * 1024 };

struct fixture {
    struct loop *loop;
    struct stream_set set;
    struct stream *stream;
    struct tls_server *server;
    SSL_CTX *context;
    SSL *peer;
    int fd; /* of the peer */
    struct buf input;
    bool is_secure;
    unsigned ends;
};

static void on_input(void *context, struct str bytes)
{
    struct fixture *fixture = context;
    buf_add(&fixture->input, bytes);
}

static void on_end(void *context, int error)
{
    struct fixture *fixture = context;
    (void)error;
    fixture->ends++;
}

static void on_secured(void *context)
{
    struct fixture *fixture = context;
    fixture->is_secure = true;
}

static const struct stream_host host = { .input = on_input, .end = on_end, .secured = on_secured };

static struct tls_server *make_server(void)
{
    struct buf chain = { 0 };
    struct buf key = { 0 };
    struct buf why = { 0 };

    assert_true(tls_make_certificate(STR("mx.example.org"), &chain, &key));
    const struct tls_certificate certificate = { buf_str(&chain), buf_str(&key) };
    const struct tls_server_settings settings = { .certificate = &certificate,
                                                  .certificate_count = 1 };
    struct tls_server *server = tls_server_new(&settings, &why);
    assert_non_null(server);
    buf_fini(&chain);
    buf_fini(&key);
    buf_fini(&why);
    return server;
}

static void turn(struct fixture *fixture)
{
    (void)event_base_loop(loop_base(fixture->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    (void)stream_set_flush(&fixture->set);
}

static void shake_hands(struct fixture *fixture)
{
    bool is_done = false;

    for (int i = 0; i < TURNS_MAX && !(is_done && fixture->is_secure); i++) {
        is_done = is_done || SSL_do_handshake(fixture->peer) == 1;
        turn(fixture);
    }
    assert_true(is_done && fixture->is_secure);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    int fd[2];

    fixture = (struct fixture){ 0 };
    assert_int_equal(socket_pair(SOCK_STREAM, fd), 0);
    fixture.loop = loop_new();
    stream_set_init(&fixture.set);
    fixture.stream = stream_new(fixture.loop, &fixture.set, fd[0], &host, &fixture);
    fixture.server = make_server();
    stream_secure(fixture.stream, tls_accept(fixture.server, false));
    fixture.fd = fd[1];
    fixture.context = SSL_CTX_new(TLS_client_method());
    fixture.peer = SSL_new(fixture.context);
    assert_int_equal(SSL_set_fd(fixture.peer, fixture.fd), 1);
    SSL_set_connect_state(fixture.peer);
    shake_hands(&fixture);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    stream_free(fixture->stream);
    SSL_free(fixture->peer);
    SSL_CTX_free(fixture->context);
    (void)close(fixture->fd);
    tls_server_free(fixture->server);
    loop_free(fixture->loop);
    buf_fini(&fixture->input);
    return 0;
}

/* False: nobody reads what he says any more. */
static bool peer_wants_new_keys(struct fixture *fixture)
{
    assert_int_equal(SSL_key_update(fixture->peer, SSL_KEY_UPDATE_REQUESTED), 1);
    return SSL_do_handshake(fixture->peer) == 1;
}

/* Each is answered, so whoever sends nothing else and reads nothing would fill our memory. */
static void a_peer_who_asks_for_new_keys_has_to_read_the_answers(void **state)
{
    struct fixture *fixture = *state;
    int asked = 0;
    char heard[65536];

    assert_int_equal(SSL_version(fixture->peer), TLS1_3_VERSION);
    for (bool is_heard = true; is_heard && asked < FLOOD; asked++) {
        is_heard = peer_wants_new_keys(fixture);
        for (int i = 0; i < 4 && !is_heard; i++) {
            turn(fixture);
            is_heard = SSL_do_handshake(fixture->peer) == 1;
        }
        turn(fixture);
        assert_true(stream_pending(fixture->stream) < PENDING_MAX);
    }
    assert_true(asked < FLOOD); /* or the sockets' own buffers have hidden it */
    assert_int_equal(fixture->ends, 0);

    /* He reads (and understands none of it, for OpenSSL wants to write first): all goes on. */
    bool is_said = false;
    for (int i = 0; i < TURNS_MAX && fixture->input.len == 0; i++) {
        while (recv(fixture->fd, heard, sizeof heard, MSG_DONTWAIT) > 0)
            continue;
        turn(fixture);
        if (!is_said && SSL_do_handshake(fixture->peer) == 1)
            is_said = SSL_write(fixture->peer, "QUIT\r\n", 6) == 6;
    }
    assert_str(buf_str(&fixture->input), STR("QUIT\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_peer_who_asks_for_new_keys_has_to_read_the_answers,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
