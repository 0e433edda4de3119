/* SPDX-License-Identifier: ISC */
/* The agent's end, as far as real peers could not time it: the worker is ours. */
#include "testing.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/worker.h"
#include "net/socket.h"
#include "roles/agent/agent.h"

/* ---- a worker that is slow: its one job is done when the worker is ended ---- */

struct worker {
    int event;
    struct worker_job *job;
};

struct worker *worker_new(void)
{
    struct worker *worker = memory_new(sizeof *worker);

    worker->event = eventfd(0, EFD_CLOEXEC);
    return worker;
}

int worker_descriptor(const struct worker *worker)
{
    return worker->event;
}

/* Meanwhile the agent is told to stop, twice. */
void worker_submit(struct worker *worker, struct worker_job *job)
{
    worker->job = job;
    assert_int_equal(raise(SIGTERM), 0);
    assert_int_equal(raise(SIGINT), 0);
}

unsigned worker_collect(struct worker *worker)
{
    (void)worker;
    return 0;
}

void worker_free(struct worker *worker)
{
    if (worker == NULL)
        return;
    assert_non_null(worker->job);
    worker->job->run(worker->job);
    worker->job->done(worker->job);
    (void)close(worker->event);
    memory_free(worker);
}

/* ---- */

static int listen_somewhere(struct endpoint *out_at)
{
    struct endpoint at = { 0 };
    int listener;

    assert_true(endpoint_from_ip(STR("127.0.0.1"), 0, &at));
    listener = socket_listen(at, false);
    assert_true(listener >= 0);
    *out_at = socket_own_address(listener);
    return listener;
}

static void who_ends_does_not_call_any_more(void **state)
{
    struct endpoint at = { 0 };
    struct endpoint peer = { 0 };
    struct agent_settings settings = { .hostname = STR("agent.example"),
                                       .backup = STR("127.0.0.1"),
                                       .user = STR("example.org"),
                                       .secret = STR("secret"),
                                       .lines = 2 };
    int server = listen_somewhere(&settings.server);
    int backup = listen_somewhere(&at);

    (void)state;
    settings.backup_port = at.port;
    assert_int_equal(agent_run(&settings), 0);
    assert_int_equal(socket_accept(backup, &peer), -EAGAIN);
    (void)close(server);
    (void)close(backup);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(who_ends_does_not_call_any_more) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
