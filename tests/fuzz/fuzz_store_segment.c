/* SPDX-License-Identifier: ISC */
/* fuzz_store_segment.c: recovery of a hostile segment, index file and checkpoint.
 *
 * First byte: which file the input is (0 segment, 1 index file, 2 checkpoint, modulo 3), and
 * whether fsck comes first (4). In a
 * segment the input stands behind a good header, and each record that looks like one gets a
 * right checksum, so that the fuzzer comes past it; the same for the two other files. Whatever they
 * say, fsck examines and repairs it, the store opens, lists, takes a message and closes.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/fsck.h"
#include "store/log/log_private.h"

#include "../unit/store/fake_disk.h"

enum { SEGMENT = 65536 };
static const uint64_t generation = 0x0123456789abcdef;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void quiet(void *context, struct str line)
{
    (void)context;
    (void)line;
}

static void add_header(struct buf *file)
{
    struct segment_header header = { 1, generation };
    segment_header_encode(file, &header);
}

/* Gives the generation and checksums to what has the shape of a record. */
static void mend_records(struct buf *file)
{
    size_t at = SEGMENT_HEADER_SIZE;

    while (at + RECORD_HEADER_SIZE <= file->len) {
        struct record_header header;
        for (int i = 0; i < 8; i++)
            file->ptr[at + 8 + (size_t)i] = (char)(generation >> (8 * i));
        struct str rest = str_skip(buf_str(file), at);
        if (!record_header_peek(rest, generation, &header))
            return;
        header.meta_size %= 4096;
        header.content_size %= 4096;
        if (record_size(&header) > rest.len)
            return;
        struct str content =
            str_first(str_skip(rest, RECORD_HEADER_SIZE + header.meta_size), header.content_size);
        if (header.flags % 4 < 2)
            header.content_check = crc32c(0, content);
        record_header_encode(file->ptr + at, &header);
        at += record_size(&header);
    }
}

static void add_sum(struct buf *file)
{
    buf_add_u32(file, crc32c(0, buf_str(file)));
}

/* A checkpoint that makes recovery read the index file of segment 1. */
static void put_checkpoint(struct fake_disk *fake)
{
    struct buf file = { 0 };

    buf_add(&file, STR("HFCHKPNT"));
    buf_add_u32(&file, 1);
    buf_add_u32(&file, 2); /* read on in segment 2 */
    buf_add_u64(&file, SEGMENT_HEADER_SIZE);
    buf_add_u64(&file, UINT64_C(5) << 32 | 7);
    buf_add_u64(&file, 100);
    buf_add_u32(&file, 1);
    buf_add_u32(&file, 1);
    buf_add_u64(&file, generation);
    buf_add_u64(&file, SEGMENT_HEADER_SIZE * 2);
    buf_add_u32(&file, 1);
    buf_add_u32(&file, 0);
    buf_add_u32(&file, 0);
    buf_add_u32(&file, 0);
    add_sum(&file);
    fake_disk_put(fake, "checkpoint", buf_str(&file));
    buf_fini(&file);
}

/* Magic, version, number, generation and a place later than any checkpoint stand before the input.
 */
static void put_index(struct fake_disk *fake, struct str input)
{
    struct buf file = { 0 };

    buf_add(&file, STR("HFSEGIDX"));
    buf_add_u32(&file, 1);
    buf_add_u32(&file, 1);
    buf_add_u64(&file, generation);
    buf_add_u32(&file, 3);
    buf_add_u64(&file, SEGMENT_HEADER_SIZE);
    buf_add(&file, input);
    add_sum(&file);
    fake_disk_put(fake, "00000001.idx", buf_str(&file));
    buf_fini(&file);
    put_checkpoint(fake);
}

static void put_input(struct fake_disk *fake, unsigned kind, struct str input)
{
    struct buf file = { 0 };

    add_header(&file);
    if (kind == 0)
        buf_add(&file, input);
    mend_records(&file);
    fake_disk_put(fake, "00000001.seg", buf_str(&file));
    buf_reset(&file);
    if (kind == 1)
        put_index(fake, input);
    if (kind == 2) {
        buf_add(&file, STR("HFCHKPNT"));
        buf_add(&file, input);
        add_sum(&file);
        fake_disk_put(fake, "checkpoint", buf_str(&file));
    }
    buf_fini(&file);
}

static void settled(void *context, int error)
{
    (void)error;
    ++*(unsigned *)context;
}

static void listed(void *context, int error, const struct store_listing *listing)
{
    struct store *store = context;
    static unsigned ignored;

    check(error == 0);
    for (uint32_t i = 0; i < listing->count; i++) {
        struct settlement settlement = { .id = listing->entry[i].id,
                                         .domain = listing->entry[i].domain,
                                         .outcome = (enum outcome)(1 + i % 4),
                                         .at_ms = 5,
                                         .reason = verdict_make(550, 0, 0, STR("no")) };
        store_settle(store, &settlement, settled, &ignored);
    }
}

static void opened(void *context, int error, struct store_reader *reader,
                   const struct stored_message *message)
{
    (void)message;
    (void)context;
    if (error == 0)
        store_reader_close(reader);
}

static void use(struct store *store, struct worker *worker, struct now now)
{
    struct store_query query = { .limit = STORE_LIST_MAX };
    size_t cursor = 0;
    struct message_id id = { { 0 } };
    struct str domain;

    store_list(store, &query, listed, store);
    store_open(store, id, STR_NONE, opened, NULL);
    while (store_next_domain(store, &cursor, &domain))
        ;
    for (int i = 0; i < 8; i++) {
        store_turn(store, now);
        (void)worker_collect(worker);
    }
}

static void found(void *context, const struct fsck_finding *finding)
{
    (void)context;
    check(finding->file != NULL && finding->kind < FSCK_KIND_COUNT);
}

/* Whatever it is, it can be examined; and what a repair leaves open is not more than there was. */
static void fsck(const struct log_store_settings *store, struct disk *disk, struct now now)
{
    static const struct fsck_host host = { .finding = found };
    struct fake_disk *aside = fake_disk_new(2);
    struct fsck_settings settings = { .store = *store, .now = now, .aside = fake_disk_use(aside) };
    struct fsck_result result;

    check(fsck_run(&settings, disk, &host, NULL, &result) == 0);
    check(result.open == result.damages);
    settings.repair = true;
    check(fsck_run(&settings, disk, &host, NULL, &result) == 0);
    settings.discard = true;
    check(fsck_run(&settings, disk, &host, NULL, &result) == 0);
    fake_disk_free(aside);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct log_store_settings settings = { .segment_size = SEGMENT, .large_body_size = 16384 };
    struct now now = { .mono_ms = 1, .wall_ms = 1 };
    struct store *store;

    if (size == 0 || size > SEGMENT / 2)
        return 0;
    log_set_sink(quiet, NULL);
    struct fake_disk *fake = fake_disk_new(1);
    struct worker *worker = worker_new_inline();
    put_input(fake, data[0] % 3, str_of(data + 1, size - 1));
    if (data[0] & 4)
        fsck(&settings, fake_disk_use(fake), now);
    for (int i = 0; i < 2; i++) {
        check(log_store_open(&settings, fake_disk_use(fake), worker, now, &store) == 0);
        use(store, worker, now);
        store_close(store);
    }
    worker_free(worker);
    fake_disk_free(fake);
    return 0;
}
