/* SPDX-License-Identifier: ISC */
/* test_log_contract.c: the segment log keeps the contract, on a disk in memory and on a real one
 * with a real worker; and so it does with sealed content. */
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/memory.h"
#include "store/contract.h"
#include "store/fake_disk.h"
#include "store/log/log_store.h"
#include "store/sealed/sealed_store.h"

enum { LARGE = 150000 };

struct log_rig {
    struct rig rig;
    struct fake_disk *fake;
    struct disk *posix;
    int directory;
    bool is_sealed;
    char path[64];
};

static bool always(void *context, const struct envelope *envelope)
{
    (void)context;
    (void)envelope;
    return true;
}

/* Every second message goes in as it is, out of an upload that was sealed. */
static bool sometimes(void *context, const struct envelope *envelope)
{
    (void)context;
    return (envelope->id.bytes[MESSAGE_ID_SIZE - 1] & 1) != 0;
}

static void seal(const struct log_rig *log, struct store **store)
{
    static const struct sealed_host all = { always, NULL };
    static const struct sealed_host some = { sometimes, NULL };
    struct seal_keys keys;
    const char *why = NULL;

    assert_true(seal_keys_parse(
        STR("00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\n"), &keys, &why));
    *store = sealed_store_new(*store, log->fake != NULL ? &all : &some);
    sealed_store_use(*store, &keys, false);
}

static int open_log(struct rig *rig, struct store **out_store)
{
    struct log_rig *log = rig->driver.context;
    struct log_store_settings settings = {
        .segment_size = 1 << 19,
        .large_body_size = LARGE,
        .upkeep = rig->upkeep,
    };
    struct disk *disk = log->fake != NULL ? fake_disk_use(log->fake) : log->posix;
    int error = log_store_open(&settings, disk, rig->worker, rig->now, out_store);
    if (error == 0 && log->is_sealed)
        seal(log, out_store);
    return error;
}

static struct log_rig *begin(struct worker *worker)
{
    struct log_rig *log = memory_new(sizeof *log);

    log->rig.worker = worker;
    log->rig.driver = (struct rig_driver){ open_log, log };
    log->rig.now = (struct now){ .mono_ms = 1000, .wall_ms = 1700000000000 };
    random_from_seed(&log->rig.random, 1);
    return log;
}

/* `context` says how many of a hundred cached reads must go to the worker. */
static struct rig *begin_fake(void *context)
{
    struct log_rig *log = begin(worker_new_inline());
    log->fake = fake_disk_new(1);
    fake_disk_be_cold(log->fake, *(const unsigned *)context);
    rig_open(&log->rig);
    return &log->rig;
}

/* `context`: not NULL if upkeep has a thread of its own. */
static struct rig *begin_real(void *context)
{
    struct log_rig *log = begin(worker_new());
    const char *parent = getenv("TMPDIR");

    if (context != NULL)
        log->rig.upkeep = worker_new();
    (void)snprintf(log->path, sizeof log->path, "%s/holdfast-XXXXXX",
                   parent != NULL ? parent : "/tmp");
    assert_non_null(mkdtemp(log->path));
    log->directory = open(log->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(log->directory >= 0);
    log->posix = disk_posix_open(dup(log->directory));
    rig_open(&log->rig);
    return &log->rig;
}

static struct rig *begin_sealed(struct rig *rig)
{
    struct log_rig *log = rig->driver.context;

    rig_close(rig);
    log->is_sealed = true;
    rig->added[0] = 2 * SEAL_TAG;
    rig->added[1] = log->fake != NULL ? 2 * SEAL_TAG : 0;
    rig_open(rig);
    return rig;
}

static struct rig *begin_fake_sealed(void *context)
{
    return begin_sealed(begin_fake(context));
}

static struct rig *begin_real_sealed(void *context)
{
    return begin_sealed(begin_real(context));
}

static void remove_all(const struct log_rig *log)
{
    DIR *directory = fdopendir(log->directory);
    struct dirent *entry;

    while ((entry = readdir(directory)) != NULL)
        (void)unlinkat(dirfd(directory), entry->d_name, 0);
    (void)closedir(directory);
    (void)rmdir(log->path);
}

static void end(struct rig *rig)
{
    struct log_rig *log = rig->driver.context;

    rig_close(rig);
    worker_free(rig->worker);
    worker_free(rig->upkeep);
    if (log->fake != NULL)
        fake_disk_free(log->fake);
    disk_posix_close(log->posix);
    if (log->posix != NULL)
        remove_all(log);
    memory_free(log);
}

int main(void)
{
    unsigned warm = 0;
    unsigned cold = 100;
    struct contract_factory fake = { begin_fake, end, &warm, LARGE };
    struct contract_factory cold_fake = { begin_fake, end, &cold, LARGE };
    struct contract_factory real = { begin_real, end, NULL, LARGE };
    struct contract_factory two = { begin_real, end, &warm, LARGE };

    int failures = contract_run("memory", &fake);
    failures += contract_run("memory, nothing cached", &cold_fake);
    failures += contract_run("directory and thread", &real);
    failures += contract_run("directory and two threads", &two);
    struct contract_factory sealed = { begin_fake_sealed, end, &warm, LARGE };
    struct contract_factory cold_sealed = { begin_fake_sealed, end, &cold, LARGE };
    struct contract_factory some_sealed = { begin_real_sealed, end, &warm, LARGE };
    failures += contract_run("sealed", &sealed);
    failures += contract_run("sealed, nothing cached", &cold_sealed);
    failures += contract_run("some sealed, directory and two threads", &some_sealed);
    return failures;
}
