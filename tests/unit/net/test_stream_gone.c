/* SPDX-License-Identifier: ISC */
/* A peer may close its side first and be gone altogether later: both are told. */
#include "testing.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/socket.h"
#include "net/stream.h"

struct scene {
    struct loop *loop;
    struct stream_set set;
    struct stream *stream;
    int peer;
    unsigned closed_sides;
    unsigned broken;
};

static void on_input(void *context, struct str bytes)
{
    (void)context;
    (void)bytes;
}

static void on_end(void *context, int error)
{
    struct scene *scene = context;
    if (error != 0) {
        scene->broken++;
        loop_stop(scene->loop);
        return;
    }
    assert_int_equal(scene->broken, 0);
    scene->closed_sides++;
    (void)close(scene->peer);
    stream_output(scene->stream, STR("too late"));
}

static const struct stream_host host = { .input = on_input, .end = on_end };

static int64_t turn(void *context, struct now now)
{
    struct scene *scene = context;
    (void)now;
    (void)stream_set_flush(&scene->set);
    return NEVER_MS;
}

static void tells_of_a_peer_that_goes_after_it_has_closed_its_side(void **state)
{
    struct scene scene = { 0 };
    int pair[2];

    (void)state;
    assert_int_equal(socket_pair(SOCK_STREAM, pair), 0);
    scene.loop = loop_new();
    stream_set_init(&scene.set);
    scene.peer = pair[1];
    scene.stream = stream_new(scene.loop, &scene.set, pair[0], &host, &scene);
    assert_int_equal(shutdown(scene.peer, SHUT_WR), 0);
    loop_run(scene.loop, turn, &scene);
    assert_int_equal(scene.closed_sides, 1);
    assert_int_equal(scene.broken, 1);
    stream_free(scene.stream);
    loop_free(scene.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_of_a_peer_that_goes_after_it_has_closed_its_side),
    };
    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
