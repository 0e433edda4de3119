/* SPDX-License-Identifier: ISC */
/* bench_log.c: what a message costs the segment log. Not a test: DIRECTORY MESSAGES SIZE BATCH.
 *
 * Accepts, lists and drains in a real directory with a real worker, BATCH messages
 * asked for at a time; then opens again. CPU is that of the whole process.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/check.h"
#include "base/memory.h"
#include "store/log/log_store.h"

struct bench {
    struct store *store;
    struct worker *worker;
    struct disk *disk;
    char *content;
    size_t size;
    unsigned open;
    unsigned failed;
};

static double cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e6 +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void done(void *context, int error)
{
    struct bench *bench = context;
    bench->open--;
    bench->failed += error != 0 ? 1 : 0;
}

static struct message_id id_of(uint64_t i)
{
    struct random random;
    random_from_seed(&random, i);
    return message_id_new(1700000000000, &random);
}

/* One turn of a loop, asleep while the worker works. */
static void turn(struct bench *bench)
{
    struct now now = clock_now();
    store_turn(bench->store, now);
    struct pollfd poll_for = { .fd = worker_descriptor(bench->worker), .events = POLLIN };
    int wait = store_deadline(bench->store) <= now.mono_ms ? 0 : 1000;
    if (!worker_is_idle(bench->worker))
        (void)poll(&poll_for, 1, wait);
    (void)worker_collect(bench->worker);
}

static void append(struct bench *bench, uint64_t i)
{
    struct recipient recipient[4] = { { .address = STR("somebody@one.example") },
                                      { .address = STR("somebody.else@one.example") },
                                      { .address = STR("another@one.example") },
                                      { .address = STR("the.last@one.example") } };
    struct envelope envelope = { .id = id_of(i),
                                 .received_ms = clock_now().wall_ms,
                                 .helo = STR("client.example"),
                                 .protocol = STR("ESMTPS"),
                                 .sender = STR("sender@elsewhere.example"),
                                 .recipient = recipient,
                                 .recipient_count = i % 4 == 0 ? 4 : 1 };
    struct store_upload *upload = store_upload_open(bench->store, envelope.id);

    store_upload_write(upload, str_of(bench->content, bench->size));
    store_append(bench->store, upload, &envelope, STR_NONE, done, bench);
    bench->open++;
}

static void settle(struct bench *bench, uint64_t i)
{
    struct settlement settlement = { .id = id_of(i),
                                     .domain = STR("one.example"),
                                     .outcome = OUTCOME_DELIVERED,
                                     .at_ms = clock_now().wall_ms };
    store_settle(bench->store, &settlement, done, bench);
    bench->open++;
}

static void run(struct bench *bench, const char *what, uint64_t messages, unsigned batch,
                void (*ask)(struct bench *, uint64_t))
{
    int64_t start = clock_now().mono_ms;
    double cpu = cpu_us();

    for (uint64_t i = 1; i <= messages; i++) {
        ask(bench, i);
        while (bench->open >= batch)
            turn(bench);
    }
    while (bench->open > 0)
        turn(bench);
    double ms = (double)(clock_now().mono_ms - start);
    double count = (double)messages;
    (void)printf("%-7s %8.0f/s  %6.2f us wall  %6.2f us CPU  failed %u\n", what, count / ms * 1e3,
                 ms * 1e3 / count, (cpu_us() - cpu) / count, bench->failed);
}

static void open_store(struct bench *bench)
{
    struct log_store_settings settings = { .segment_size = 64 << 20, .large_body_size = 8 << 20 };
    int64_t start = clock_now().mono_ms;
    check(log_store_open(&settings, bench->disk, bench->worker, clock_now(), &bench->store) == 0);
    (void)printf("open    %8lld ms\n", (long long)(clock_now().mono_ms - start));
}

int main(int argc, char **argv)
{
    struct bench bench = { 0 };

    if (argc != 5) {
        (void)fprintf(stderr, "usage: %s DIRECTORY MESSAGES SIZE BATCH\n", argv[0]);
        return 2;
    }
    uint64_t messages = strtoull(argv[2], NULL, 10);
    bench.size = strtoul(argv[3], NULL, 10);
    unsigned batch = (unsigned)strtoul(argv[4], NULL, 10);
    bench.content = memory_new(bench.size + 1);
    memset(bench.content, 'x', bench.size);
    bench.worker = worker_new();
    bench.disk = disk_posix_open(open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    open_store(&bench);
    for (int i = 0; i < 1000; i++) /* spares */
        turn(&bench);
    run(&bench, "accept", messages, batch, append);
    store_close(bench.store);
    open_store(&bench);
    run(&bench, "settle", messages, batch, settle);
    store_close(bench.store);
    open_store(&bench);
    store_close(bench.store);
    worker_free(bench.worker);
    disk_posix_close(bench.disk);
    memory_free(bench.content);
    return bench.failed > 0 ? 1 : 0;
}
