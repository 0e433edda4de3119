/* SPDX-License-Identifier: ISC */
/* test_stream.c: one end of a socket pair is a stream, the test holds the other.
 *
 * turn() is one turn of a role: the loop handles what is there, then flushes. It does not wait: all
 * that is expected has been written to the pair before.
 */
#include "testing.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/stream.h"

enum { LARGE = 4 * 1024 * 1024 }; /* more than a socket buffer holds */

struct fixture {
    struct loop *loop;
    struct stream_set set;
    struct stream *stream;
    int peer; /* -1: closed */
    struct buf input;
    unsigned inputs;
    unsigned ends;
    int end_error;
    unsigned drains;
    unsigned closes;
    bool has_more_to_do; /* what drained() says */
    unsigned more;       /* drained() puts out so many more bytes, one at a time */
};

static void on_input(void *context, struct str bytes)
{
    struct fixture *fixture = context;
    assert_int_equal(fixture->ends, 0);
    fixture->inputs++;
    buf_add(&fixture->input, bytes);
}

static void on_end(void *context, int error)
{
    struct fixture *fixture = context;
    fixture->ends++;
    fixture->end_error = error;
}

static bool on_drained(void *context)
{
    struct fixture *fixture = context;
    fixture->drains++;
    assert_int_equal(stream_pending(fixture->stream), 0);
    if (fixture->more > 0) {
        fixture->more--;
        stream_output(fixture->stream, STR("+"));
    }
    return fixture->has_more_to_do;
}

static void on_closed(void *context)
{
    struct fixture *fixture = context;
    fixture->closes++;
    fixture->stream = NULL;
}

static const struct stream_host host = {
    .input = on_input, .end = on_end, .drained = on_drained, .closed = on_closed
};

static int set_up(void **state)
{
    static struct fixture fixture;
    int fd[2];

    fixture = (struct fixture){ 0 };
    assert_int_equal(socket_pair(SOCK_STREAM, fd), 0);
    fixture.loop = loop_new();
    stream_set_init(&fixture.set);
    fixture.stream = stream_new(fixture.loop, &fixture.set, fd[0], &host, &fixture);
    fixture.peer = fd[1];
    *state = &fixture;
    return 0;
}

static void peer_closes(struct fixture *fixture)
{
    if (fixture->peer >= 0)
        (void)close(fixture->peer);
    fixture->peer = -1;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    stream_free(fixture->stream);
    assert_true(list_is_empty(&fixture->set.dirty));
    peer_closes(fixture);
    loop_free(fixture->loop);
    buf_fini(&fixture->input);
    return 0;
}

static bool turn(struct fixture *fixture)
{
    (void)event_base_loop(loop_base(fixture->loop), EVLOOP_ONCE | EVLOOP_NONBLOCK);
    return stream_set_flush(&fixture->set);
}

static void peer_says(struct fixture *fixture, struct str bytes)
{
    assert_int_equal(send(fixture->peer, bytes.ptr, bytes.len, MSG_NOSIGNAL), bytes.len);
}

/* All that has arrived at the peer; the number of bytes. */
static size_t peer_hears(struct fixture *fixture, struct buf *out)
{
    char piece[65536];
    size_t heard = 0;
    ssize_t got;

    while ((got = recv(fixture->peer, piece, sizeof piece, MSG_DONTWAIT)) > 0) {
        if (out != NULL)
            buf_add_bytes(out, piece, (size_t)got);
        heard += (size_t)got;
    }
    return heard;
}

static void put_large(struct fixture *fixture)
{
    char *bytes = malloc(LARGE);
    assert_non_null(bytes);
    memset(bytes, 'x', LARGE);
    stream_output(fixture->stream, str_of(bytes, LARGE));
    free(bytes);
}

static void hands_over_input(void **state)
{
    struct fixture *fixture = *state;

    assert_false(turn(fixture));
    assert_int_equal(fixture->inputs, 0);
    peer_says(fixture, STR("EHLO x\r\n"));
    (void)turn(fixture);
    peer_says(fixture, STR("QUIT\r\n"));
    (void)turn(fixture);
    assert_str(buf_str(&fixture->input), STR("EHLO x\r\nQUIT\r\n"));
    assert_int_equal(fixture->ends, 0);
}

static void gathers_output_until_the_flush(void **state)
{
    struct fixture *fixture = *state;
    struct buf heard = { 0 };

    stream_output(fixture->stream, STR("250-one\r\n"));
    stream_output(fixture->stream, STR("250 two\r\n"));
    stream_output(fixture->stream, STR_NONE);
    assert_int_equal(stream_pending(fixture->stream), 18);
    assert_int_equal(peer_hears(fixture, NULL), 0);
    assert_false(stream_set_flush(&fixture->set));
    assert_int_equal(stream_pending(fixture->stream), 0);
    assert_int_equal(fixture->drains, 1);
    assert_int_equal(peer_hears(fixture, &heard), 18);
    assert_str(buf_str(&heard), STR("250-one\r\n250 two\r\n"));
    assert_false(stream_set_flush(&fixture->set)); /* nothing new: nobody is told again */
    assert_int_equal(fixture->drains, 1);
    buf_fini(&heard);
}

static void the_role_hears_that_a_host_has_more_to_do(void **state)
{
    struct fixture *fixture = *state;

    fixture->has_more_to_do = true;
    stream_output(fixture->stream, STR("+"));
    assert_true(stream_set_flush(&fixture->set));
    assert_false(stream_set_flush(&fixture->set));
}

static void drained_may_put_out_more(void **state)
{
    struct fixture *fixture = *state;

    fixture->more = 5;
    stream_output(fixture->stream, STR("+"));
    (void)stream_set_flush(&fixture->set);
    assert_int_equal(fixture->drains, 6);
    assert_int_equal(peer_hears(fixture, NULL), 6);
}

/* One stream that always has more must not keep a turn from ending. */
static void drained_does_not_go_round_for_ever(void **state)
{
    struct fixture *fixture = *state;

    fixture->more = 1000;
    stream_output(fixture->stream, STR("+"));
    assert_true(stream_set_flush(&fixture->set)); /* the role is told that there is more */
    assert_true(fixture->more > 0);
    size_t heard = peer_hears(fixture, NULL);
    for (int i = 0; i < 1000 && heard < 1001; i++) {
        (void)stream_set_flush(&fixture->set);
        heard += peer_hears(fixture, NULL);
    }
    assert_int_equal(heard, 1001);
}

static void waits_for_a_peer_that_reads_slowly(void **state)
{
    struct fixture *fixture = *state;
    size_t heard = 0;

    put_large(fixture);
    (void)turn(fixture);
    assert_true(stream_pending(fixture->stream) > 0);
    assert_int_equal(fixture->drains, 0);
    for (int i = 0; i < 10000 && heard < LARGE; i++) {
        heard += peer_hears(fixture, NULL);
        (void)turn(fixture);
    }
    assert_int_equal(heard, LARGE);
    assert_int_equal(stream_pending(fixture->stream), 0);
    assert_int_equal(fixture->drains, 1);
}

static void takes_input_while_output_waits(void **state)
{
    struct fixture *fixture = *state;

    put_large(fixture);
    (void)turn(fixture);
    peer_says(fixture, STR("hello"));
    (void)turn(fixture);
    assert_str(buf_str(&fixture->input), STR("hello"));
    assert_true(stream_pending(fixture->stream) > 0);
}

static void leaves_unwanted_input_with_the_kernel(void **state)
{
    struct fixture *fixture = *state;

    stream_want_input(fixture->stream, false);
    peer_says(fixture, STR("later"));
    (void)turn(fixture);
    assert_int_equal(fixture->inputs, 0);
    stream_want_input(fixture->stream, true);
    (void)turn(fixture);
    assert_str(buf_str(&fixture->input), STR("later"));
}

static void tells_once_that_the_peer_has_closed(void **state)
{
    struct fixture *fixture = *state;

    peer_says(fixture, STR("last words"));
    peer_closes(fixture);
    for (int i = 0; i < 3; i++)
        (void)turn(fixture);
    assert_str(buf_str(&fixture->input), STR("last words"));
    assert_int_equal(fixture->ends, 1);
    assert_int_equal(fixture->end_error, 0);
}

/* QUIT, then shutdown: the answer still goes out. */
static void answers_a_peer_that_only_stopped_talking(void **state)
{
    struct fixture *fixture = *state;
    struct buf heard = { 0 };

    peer_says(fixture, STR("QUIT\r\n"));
    assert_int_equal(shutdown(fixture->peer, SHUT_WR), 0);
    (void)turn(fixture);
    (void)turn(fixture);
    assert_int_equal(fixture->ends, 1);
    stream_output(fixture->stream, STR("221 bye\r\n"));
    stream_close_after_flush(fixture->stream);
    (void)turn(fixture);
    assert_int_equal(fixture->closes, 1);
    (void)peer_hears(fixture, &heard);
    assert_str(buf_str(&heard), STR("221 bye\r\n"));
    buf_fini(&heard);
}

static void tells_that_writing_failed(void **state)
{
    struct fixture *fixture = *state;

    stream_want_input(fixture->stream, false); /* so that only writing can notice */
    peer_closes(fixture);
    stream_output(fixture->stream, STR("anybody there?"));
    assert_true(stream_set_flush(&fixture->set));
    assert_int_equal(fixture->ends, 1);
    assert_int_equal(fixture->end_error, -EPIPE);
    assert_int_equal(stream_pending(fixture->stream), 0);
    assert_int_equal(fixture->drains, 0);
    stream_output(fixture->stream, STR("still nobody?"));
    (void)stream_set_flush(&fixture->set);
    assert_int_equal(fixture->ends, 1);
}

static void closes_after_the_last_byte(void **state)
{
    struct fixture *fixture = *state;
    size_t heard = 0;

    put_large(fixture);
    stream_close_after_flush(fixture->stream);
    (void)turn(fixture);
    assert_int_equal(fixture->closes, 0);
    peer_says(fixture, STR("ignored"));
    for (int i = 0; i < 10000 && fixture->closes == 0; i++) {
        heard += peer_hears(fixture, NULL);
        (void)turn(fixture);
    }
    heard += peer_hears(fixture, NULL);
    assert_int_equal(heard, LARGE);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->inputs, 0);
    assert_int_equal(fixture->ends, 0);
}

static void closes_at_once_if_nothing_is_pending(void **state)
{
    struct fixture *fixture = *state;
    char byte;

    stream_close_after_flush(fixture->stream);
    assert_int_equal(fixture->closes, 0); /* not inside the call */
    assert_true(turn(fixture));
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(recv(fixture->peer, &byte, 1, MSG_DONTWAIT), 0);
}

static void closes_though_the_peer_is_gone(void **state)
{
    struct fixture *fixture = *state;

    put_large(fixture);
    (void)turn(fixture);
    stream_close_after_flush(fixture->stream);
    peer_closes(fixture);
    for (int i = 0; i < 3; i++)
        (void)turn(fixture);
    assert_int_equal(fixture->closes, 1);
    assert_int_equal(fixture->ends, 0);
}

/* The host's answer to a peer that never reads: it frees the stream, at any time. */
static void can_be_freed_while_the_peer_never_reads(void **state)
{
    struct fixture *fixture = *state;

    put_large(fixture);
    (void)turn(fixture);
    stream_close_after_flush(fixture->stream);
    for (int i = 0; i < 10; i++)
        (void)turn(fixture);
    assert_int_equal(fixture->closes, 0);
    stream_free(fixture->stream); /* with output pending and listed as dirty */
    fixture->stream = NULL;
    (void)turn(fixture);
    assert_int_equal(fixture->closes, 0);
}

static void two_streams_share_a_set(void **state)
{
    struct fixture *fixture = *state;
    struct fixture other = { 0 };
    int fd[2];

    assert_int_equal(socket_pair(SOCK_STREAM, fd), 0);
    other.peer = fd[1];
    other.stream = stream_new(fixture->loop, &fixture->set, fd[0], &host, &other);
    stream_output(other.stream, STR("b"));
    stream_output(fixture->stream, STR("a"));
    stream_output(other.stream, STR("b"));
    stream_close_after_flush(other.stream);
    assert_true(stream_set_flush(&fixture->set));
    assert_int_equal(peer_hears(fixture, NULL), 1);
    assert_int_equal(peer_hears(&other, NULL), 2);
    assert_int_equal(fixture->closes, 0);
    assert_int_equal(other.closes, 1);
    peer_closes(&other);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(hands_over_input),
        TEST(gathers_output_until_the_flush),
        TEST(the_role_hears_that_a_host_has_more_to_do),
        TEST(drained_may_put_out_more),
        TEST(drained_does_not_go_round_for_ever),
        TEST(waits_for_a_peer_that_reads_slowly),
        TEST(takes_input_while_output_waits),
        TEST(leaves_unwanted_input_with_the_kernel),
        TEST(tells_once_that_the_peer_has_closed),
        TEST(answers_a_peer_that_only_stopped_talking),
        TEST(tells_that_writing_failed),
        TEST(closes_after_the_last_byte),
        TEST(closes_at_once_if_nothing_is_pending),
        TEST(closes_though_the_peer_is_gone),
        TEST(can_be_freed_while_the_peer_never_reads),
        TEST(two_streams_share_a_set),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* as every role does */
    return cmocka_run_group_tests(tests, NULL, NULL);
}
