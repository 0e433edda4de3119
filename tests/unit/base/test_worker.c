/* SPDX-License-Identifier: ISC */
/* test_worker.c: the same order of events with a thread and without one. */
#include "testing.h"

#include <poll.h>

#include "base/worker.h"

enum { JOBS = 200 };

struct diary {
    struct worker *worker;
    unsigned run[JOBS * 2]; /* numbers of jobs, in the order they ran */
    unsigned run_count;
    unsigned done[JOBS * 2];
    unsigned done_count;
};

struct numbered {
    struct worker_job job;
    unsigned number;
    struct diary *diary;
    struct numbered *next; /* submitted by done(), if any */
};

static void run(struct worker_job *job)
{
    struct numbered *self = container_of(job, struct numbered, job);
    self->diary->run[self->diary->run_count++] = self->number;
}

static void done(struct worker_job *job)
{
    struct numbered *self = container_of(job, struct numbered, job);
    self->diary->done[self->diary->done_count++] = self->number;
    if (self->next != NULL)
        worker_submit(self->diary->worker, &self->next->job);
}

static void prepare(struct numbered *job, struct diary *diary, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        job[i] =
            (struct numbered){ .job = { .run = run, .done = done }, .number = i, .diary = diary };
}

static void assert_in_order(const unsigned *number, unsigned count, unsigned want)
{
    assert_int_equal(count, want);
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(number[i], i);
}

/* Waits for the descriptor as a loop would. */
static void collect_all(struct worker *worker)
{
    while (!worker_is_idle(worker)) {
        struct pollfd wait = { .fd = worker_descriptor(worker), .events = POLLIN };
        if (wait.fd >= 0)
            assert_int_equal(poll(&wait, 1, 10000), 1);
        (void)worker_collect(worker);
    }
}

static void keeps_order(struct worker *worker)
{
    static struct numbered job[JOBS];
    struct diary diary = { .worker = worker };
    prepare(job, &diary, JOBS);
    assert_true(worker_is_idle(worker));
    assert_int_equal(worker_collect(worker), 0);
    for (unsigned i = 0; i < JOBS; i++) {
        worker_submit(worker, &job[i].job);
        if (i % 17 == 0)
            (void)worker_collect(worker);
    }
    assert_false(worker_is_idle(worker));
    collect_all(worker);
    assert_in_order(diary.run, diary.run_count, JOBS);
    assert_in_order(diary.done, diary.done_count, JOBS);
    worker_free(worker);
}

/* done() may ask for more, and freeing the worker finishes that too. */
static void finishes_what_is_queued(struct worker *worker)
{
    struct numbered job[6];
    struct diary diary = { .worker = worker };
    prepare(job, &diary, 6);
    job[2].next = &job[3];
    job[3].next = &job[4];
    job[4].next = &job[5];
    for (unsigned i = 0; i < 3; i++)
        worker_submit(worker, &job[i].job);
    worker_free(worker);
    assert_in_order(diary.run, diary.run_count, 6);
    assert_in_order(diary.done, diary.done_count, 6);
}

static void keeps_order_with_a_thread(void **state)
{
    (void)state;
    keeps_order(worker_new());
}

static void keeps_order_inline(void **state)
{
    (void)state;
    struct worker *worker = worker_new_inline();
    assert_int_equal(worker_descriptor(worker), -1);
    keeps_order(worker);
}

static void finishes_with_a_thread(void **state)
{
    (void)state;
    finishes_what_is_queued(worker_new());
}

static void finishes_inline(void **state)
{
    (void)state;
    finishes_what_is_queued(worker_new_inline());
}

static void runs_nothing_before_collect_inline(void **state)
{
    struct worker *worker = worker_new_inline();
    struct diary diary = { .worker = worker };
    struct numbered job[1];
    (void)state;
    prepare(job, &diary, 1);
    worker_submit(worker, &job[0].job);
    assert_int_equal(diary.run_count, 0);
    assert_int_equal(worker_collect(worker), 1);
    assert_int_equal(diary.done_count, 1);
    worker_free(worker);
}

static void frees_what_is_not_there(void **state)
{
    (void)state;
    worker_free(NULL);
    worker_free(worker_new());
    worker_free(worker_new_inline());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_order_with_a_thread),
        cmocka_unit_test(keeps_order_inline),
        cmocka_unit_test(finishes_with_a_thread),
        cmocka_unit_test(finishes_inline),
        cmocka_unit_test(runs_nothing_before_collect_inline),
        cmocka_unit_test(frees_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
