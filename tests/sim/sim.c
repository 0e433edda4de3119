/* SPDX-License-Identifier: ISC */
/* sim.c: runs seeds.
 *
 *     sim                         seeds 1 to 150 (HOLDFAST_SIM_SEEDS: how many)
 *     sim --seeds 5..90 --jobs 2
 *     sim --seed 77 --trace       one, with all that happens
 *     sim --twice …               each twice, which must be the same run to the last line
 *     sim --story …               the story of story.c instead
 *     sim --keep-going …          does not stop after ten that failed
 *
 * Each seed runs in a process of its own, so that it begins with nothing, and what
 * a killed role leaves behind goes with it. Prints what failed, and how to repeat
 * it; the exit status is 0 only if nothing did.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "sim/keys.h"
#include "sim/ledger.h"
#include "sim/scenario.h"
#include "sim/story.h"
#include "sim/world.h"

enum { SEEDS_DEFAULT = 150, JOBS_MAX = 64, FAILURES_MAX = 10 };

struct outcome {
    uint64_t trace_hash;
    uint64_t steps;
    bool has_keys;
    struct ledger_counts counts;
};

struct job {
    uint64_t seed;
    bool is_second; /* --twice */
    pid_t pid;      /* 0: free */
    int result;
};

static struct {
    const char *program;
    uint64_t first, last;
    unsigned jobs;
    bool is_traced;
    bool twice;
    bool is_story;
    bool keep_going; /* after FAILURES_MAX */
    uint64_t *hash;  /* per seed, with --twice */
    uint64_t passed, failed;
    uint64_t with_keys;
    uint64_t steps;
    struct ledger_counts sum;
} sim = { .first = 1, .last = SEEDS_DEFAULT, .jobs = 1 };

/* ---- one seed ---- */

/* The keeper goes to its data folder and opens "spool" there; the folder stays empty. */
static void make_folder(void)
{
    char folder[] = "/tmp/holdfast-sim-XXXXXX";

    check(mkdtemp(folder) != NULL && chdir(folder) == 0 && mkdir("spool", 0700) == 0);
}

static void remove_folder(void)
{
    char folder[PATH_MAX];

    (void)unlink("under-way");
    if (getcwd(folder, sizeof folder) != NULL && rmdir("spool") == 0)
        (void)rmdir(folder);
}

static void play(uint64_t seed, int result)
{
    struct outcome outcome;

    world_init(seed, sim.is_traced);
    if (sim.is_story)
        story_play();
    else
        scenario_play();
    outcome = (struct outcome){ .trace_hash = world.trace_hash,
                                .steps = world.steps,
                                .has_keys = keys_are_wanted(),
                                .counts = ledger_counts() };
    (void)fflush(stdout);
    _exit(write(result, &outcome, sizeof outcome) == (ssize_t)sizeof outcome ? 0 : 1);
}

static void start(struct job *job, uint64_t seed, bool is_second)
{
    int fd[2];

    check(pipe2(fd, O_CLOEXEC) == 0);
    (void)fflush(stdout);
    *job = (struct job){ .seed = seed, .is_second = is_second, .pid = fork(), .result = fd[0] };
    check(job->pid >= 0);
    if (job->pid == 0)
        play(seed, fd[1]);
    (void)close(fd[1]);
}

/* ---- all of them ---- */

static void add_counts(const struct ledger_counts *counts)
{
    sim.sum.promised += counts->promised;
    sim.sum.taken += counts->taken;
    sim.sum.twice += counts->twice;
    sim.sum.expired += counts->expired;
    sim.sum.refused += counts->refused;
    sim.sum.discarded += counts->discarded;
    sim.sum.checks += counts->checks;
}

static void report_failure(uint64_t seed, const char *what)
{
    sim.failed++;
    (void)printf("seed %llu: %s; repeat it with\n    %s --seed %llu --trace\n",
                 (unsigned long long)seed, what, sim.program, (unsigned long long)seed);
    (void)fflush(stdout);
}

static bool is_same(const struct job *job, const struct outcome *outcome)
{
    uint64_t *hash = sim.twice ? &sim.hash[job->seed - sim.first] : NULL;

    if (hash == NULL)
        return true;
    if (!job->is_second)
        *hash = outcome->trace_hash;
    return *hash == outcome->trace_hash;
}

static void finish(struct job *job, int status)
{
    struct outcome outcome;
    ssize_t got = read(job->result, &outcome, sizeof outcome);

    (void)close(job->result);
    job->pid = 0;
    if (WIFSIGNALED(status)) {
        report_failure(job->seed, "a role crashed");
    } else if (WEXITSTATUS(status) != 0 || got != (ssize_t)sizeof outcome) {
        report_failure(job->seed, "failed");
    } else if (!is_same(job, &outcome)) {
        report_failure(job->seed, "is another run the second time");
    } else {
        sim.passed++;
        sim.with_keys += outcome.has_keys;
        sim.steps += outcome.steps;
        add_counts(&outcome.counts);
        if (sim.first == sim.last)
            (void)printf("seed %llu: %llu steps, trace %016llx\n", (unsigned long long)job->seed,
                         (unsigned long long)outcome.steps, (unsigned long long)outcome.trace_hash);
    }
}

static void wait_for_one(struct job *jobs)
{
    int status;
    pid_t pid = wait(&status);

    for (unsigned i = 0; i < sim.jobs; i++)
        if (pid > 0 && jobs[i].pid == pid)
            finish(&jobs[i], status);
}

static struct job *free_job(struct job *jobs)
{
    for (;;) {
        for (unsigned i = 0; i < sim.jobs; i++)
            if (jobs[i].pid == 0)
                return &jobs[i];
        wait_for_one(jobs);
    }
}

static bool is_busy(const struct job *jobs)
{
    for (unsigned i = 0; i < sim.jobs; i++)
        if (jobs[i].pid != 0)
            return true;
    return false;
}

static bool may_go_on(void)
{
    return sim.keep_going || sim.failed < FAILURES_MAX;
}

static void run_all(void)
{
    struct job jobs[JOBS_MAX] = { 0 };

    for (int round = 0; round < (sim.twice ? 2 : 1); round++) {
        for (uint64_t seed = sim.first; seed <= sim.last && may_go_on(); seed++)
            start(free_job(jobs), seed, round > 0);
        while (is_busy(jobs))
            wait_for_one(jobs);
    }
}

/* ---- */

__attribute__((noreturn)) static void misunderstood(const char *text)
{
    (void)fprintf(stderr, "sim: what is %s? The head of tests/sim/sim.c says what may be asked\n",
                  text);
    exit(2);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);

    if (*text == '\0' || *end != '\0')
        misunderstood(text);
    return value;
}

static void take_range(char *text)
{
    char *dots = strstr(text, "..");

    if (dots == NULL) {
        sim.last = number(text);
        return;
    }
    *dots = '\0';
    sim.first = number(text);
    sim.last = number(dots + 2);
}

static void take_arguments(int count, char **argument)
{
    const char *seeds = getenv("HOLDFAST_SIM_SEEDS");

    sim.program = argument[0];
    if (seeds != NULL)
        sim.last = number(seeds);
    for (int i = 1; i < count; i++) {
        if (strcmp(argument[i], "--trace") == 0)
            sim.is_traced = true;
        else if (strcmp(argument[i], "--twice") == 0)
            sim.twice = true;
        else if (strcmp(argument[i], "--story") == 0)
            sim.is_story = true;
        else if (strcmp(argument[i], "--keep-going") == 0)
            sim.keep_going = true;
        else if (strcmp(argument[i], "--seed") == 0 && i + 1 < count)
            sim.first = sim.last = number(argument[++i]);
        else if (strcmp(argument[i], "--seeds") == 0 && i + 1 < count)
            take_range(argument[++i]);
        else if (strcmp(argument[i], "--jobs") == 0 && i + 1 < count)
            sim.jobs = (unsigned)number(argument[++i]);
        else
            misunderstood(argument[i]);
    }
    if (sim.jobs < 1 || sim.jobs > JOBS_MAX)
        sim.jobs = 1;
}

int main(int count, char **argument)
{
    take_arguments(count, argument);
    if (sim.twice)
        sim.hash = memory_new((size_t)(sim.last - sim.first + 1) * sizeof *sim.hash);
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR); /* as the roles do */
    make_folder();
    run_all();
    remove_folder();
    memory_free(sim.hash);
    (void)printf("%llu seeds passed (%llu with keys), %llu failed; %llu steps; %u messages "
                 "promised, %u taken "
                 "(%u again), %u expired, %u refused, %u discarded; %u accounts\n",
                 (unsigned long long)sim.passed, (unsigned long long)sim.with_keys,
                 (unsigned long long)sim.failed, (unsigned long long)sim.steps, sim.sum.promised,
                 sim.sum.taken, sim.sum.twice, sim.sum.expired, sim.sum.refused, sim.sum.discarded,
                 sim.sum.checks);
    return sim.failed == 0 ? 0 : 1;
}
