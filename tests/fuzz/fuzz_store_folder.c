/* SPDX-License-Identifier: ISC */
/* fuzz_store_folder.c: a whole spool that has been damaged by somebody who knows the format.
 *
 * A real store writes a folder (once): several segments, index files, a checkpoint, large bodies,
 * messages delivered, rescued and released; closed in order, or cut off in the middle. The input
 * changes it: octets of any file are overwritten, copied from another, cut off; files vanish or
 * take another's name. Checksums are made good again afterwards unless the change says not to, so
 * that what reads behind them is reached. Then 1  the store opens, lists, reads and settles
 * whatever is there, and closes 2  a message that is taken then is there when the store opens
 * again, with its content 3  opened again untouched, it lists the same entries
 *
 * The first octet chooses the folder; then each change is an octet (low half: what; bit 7: leave
 * the checksums alone), an octet for the file, and what it needs.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/cursor.h"
#include "base/log.h"
#include "base/memory.h"
#include "store/log/log_private.h"

#include "store/fake_disk.h"

enum {
    SEGMENT = 16 * 1024,
    LARGE = 3 * 1024,
    MESSAGES = 26,
    FILES_MAX = 64,
    CHANGES_MAX = 64,
    TURNS = 8,
    ENTRIES_MAX = 4 * MESSAGES,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct now now = { .mono_ms = 5000, .wall_ms = 1763760000000 };
static const struct log_store_settings settings = { .segment_size = SEGMENT,
                                                    .large_body_size = LARGE };

static void quiet(void *context, struct str line)
{
    (void)context;
    (void)line;
}

/* ---- the folder as it was ---- */

struct file {
    char name[FILE_NAME_SIZE];
    struct buf bytes;
};

struct folder {
    struct file file[FILES_MAX];
    unsigned count;
};

static void turns(struct store *store, struct worker *worker)
{
    for (int i = 0; i < TURNS; i++) {
        store_turn(store, now);
        (void)worker_collect(worker);
    }
}

static struct message_id id_of(uint32_t number)
{
    struct message_id id = { { 1, 2, 3 } };
    id.bytes[MESSAGE_ID_SIZE - 2] = (uint8_t)(number >> 8);
    id.bytes[MESSAGE_ID_SIZE - 1] = (uint8_t)number;
    return id;
}

static void done(void *context, int error)
{
    if (context != NULL)
        *(int *)context = error;
}

static char octet_of(uint32_t number, uint64_t at)
{
    return (char)('a' + (number + at) % 26);
}

static void add_message(struct store *store, uint32_t number, size_t size, int *out_error)
{
    struct recipient recipient[] = { { .address = STR("a@one.example") },
                                     { .address = STR("b@two.example") },
                                     { .address = STR("c@one.example") } };
    struct envelope envelope = { .id = id_of(number),
                                 .received_ms = now.wall_ms - 1000 + number,
                                 .sender = STR("s@sender.example"),
                                 .recipient = recipient,
                                 .recipient_count = 1 + number % 3 };
    struct store_upload *upload = store_upload_open(store, envelope.id);
    struct buf content = { 0 };

    for (size_t i = 0; i < size; i++)
        buf_add_byte(&content, octet_of(number, i));
    size_t front = number % 2 == 0 ? 200 : 0;
    store_upload_write(upload, str_skip(buf_str(&content), front));
    store_append(store, upload, &envelope, str_first(buf_str(&content), front), done, out_error);
    buf_fini(&content);
}

static void settle(struct store *store, uint32_t number, enum outcome outcome, uint32_t recipient)
{
    struct settlement settlement = { .id = id_of(number),
                                     .domain = STR("one.example"),
                                     .outcome = outcome,
                                     .at_ms = now.wall_ms,
                                     .recipient = &recipient,
                                     .count = number % 2,
                                     .reason = verdict_make(550, 1, 1, STR("no such user")) };
    store_settle(store, &settlement, done, NULL);
}

static void fill(struct store *store, struct worker *worker)
{
    for (uint32_t i = 0; i < MESSAGES; i++) {
        add_message(store, i, i % 13 == 12 ? LARGE + 300 : 400 + 50 * i, NULL);
        turns(store, worker);
        if (i % 3 == 0)
            settle(store, i / 2, i % 2 ? OUTCOME_DELIVERED : OUTCOME_RESCUED, 0);
        if (i % 10 == 9)
            settle(store, i / 2, OUTCOME_RELEASED, 0);
        turns(store, worker);
    }
}

static void keep_name(void *context, const char *name)
{
    struct folder *folder = context;

    check(folder->count < FILES_MAX && strlen(name) < FILE_NAME_SIZE);
    memcpy(folder->file[folder->count++].name, name, strlen(name) + 1);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct file *)a)->name, ((const struct file *)b)->name);
}

static struct folder *make_folder(bool is_closed)
{
    struct folder *folder = memory_new(sizeof *folder);
    struct fake_disk *fake = fake_disk_new(1);
    struct worker *worker = worker_new_inline();
    struct disk *disk = fake_disk_use(fake);
    struct store *store;

    check(log_store_open(&settings, disk, worker, now, &store) == 0);
    fill(store, worker);
    if (!is_closed)
        fake_disk_die_at(fake, 1);
    store_close(store);
    worker_free(worker);
    fake_disk_cut_power(fake);
    check(disk->driver->list(disk, keep_name, folder) == 0);
    qsort(folder->file, folder->count, sizeof folder->file[0], by_name);
    for (unsigned i = 0; i < folder->count; i++)
        buf_add(&folder->file[i].bytes, buf_str(fake_disk_file(fake, folder->file[i].name)));
    fake_disk_free(fake);
    check(folder->count > 6);
    return folder;
}

/* ---- what the input makes of it ---- */

static void mend_sum(struct buf *bytes)
{
    if (bytes->len < 4)
        return;
    uint32_t sum = crc32c(0, str_first(buf_str(bytes), bytes->len - 4));
    for (int i = 0; i < 4; i++)
        bytes->ptr[bytes->len - 4 + (size_t)i] = (char)(sum >> (8 * i));
}

static void mend_segment(struct buf *bytes, uint32_t number)
{
    struct segment_header header = { .number = number };
    struct record_header record;
    struct buf head = { 0 };
    size_t at = SEGMENT_HEADER_SIZE;

    if (bytes->len < SEGMENT_HEADER_SIZE)
        return;
    struct cursor cursor = cursor_over(str_skip(buf_str(bytes), 16));
    header.generation = cursor_u64(&cursor);
    segment_header_encode(&head, &header);
    memcpy(bytes->ptr, head.ptr, head.len);
    buf_fini(&head);
    while (record_header_peek(str_skip(buf_str(bytes), at), header.generation, &record) &&
           record_size(&record) <= bytes->len - at) {
        struct str content =
            str_first(str_skip(buf_str(bytes), at + RECORD_HEADER_SIZE + record.meta_size),
                      record.content_size);
        if ((record.flags & RECORD_BODY_FILE) == 0)
            record.content_check = crc32c(0, content);
        record_header_encode(bytes->ptr + at, &record);
        at += (size_t)record_size(&record);
    }
}

static void mend(struct file *file)
{
    struct str name = str_from(file->name);
    uint32_t number = segment_number_from(name, STR("seg"));

    if (number != 0)
        mend_segment(&file->bytes, number);
    else if (segment_number_from(name, STR("idx")) != 0 || str_equals(name, STR("checkpoint")))
        mend_sum(&file->bytes);
}

static size_t place(struct cursor *input, size_t len)
{
    size_t at = cursor_u16(input);
    return len == 0 ? 0 : at % len;
}

/* In a segment most changes belong to what stands at its beginning. */
static void overwrite(struct file *file, struct cursor *input)
{
    size_t at = place(input, file->bytes.len);
    struct str bytes = cursor_bytes(input, cursor_u8(input) % 64);

    bytes = str_first(bytes, file->bytes.len - at);
    if (bytes.len > 0)
        memcpy(file->bytes.ptr + at, bytes.ptr, bytes.len);
}

static void add_number(struct file *file, struct cursor *input)
{
    size_t at = place(input, file->bytes.len);
    uint8_t more = cursor_u8(input);

    if (at < file->bytes.len)
        file->bytes.ptr[at] = (char)((uint8_t)file->bytes.ptr[at] + more);
}

static void copy_range(struct folder *folder, struct file *file, struct cursor *input)
{
    const struct file *from = &folder->file[cursor_u8(input) % folder->count];
    size_t source = place(input, from->bytes.len) & ~(size_t)7;
    size_t at = place(input, file->bytes.len) & ~(size_t)7;
    size_t size = cursor_u16(input) % 4096;

    struct str bytes = str_first(str_skip(buf_str(&from->bytes), source), size);
    bytes = str_first(bytes, file->bytes.len - at);
    if (bytes.len > 0)
        memmove(file->bytes.ptr + at, bytes.ptr, bytes.len);
}

static void change(struct folder *folder, struct cursor *input)
{
    uint8_t what = cursor_u8(input);
    check(folder->count > 0);
    struct file *file = &folder->file[cursor_u8(input) % folder->count];
    struct file *other;

    switch (what & 15) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
        overwrite(file, input);
        break;
    case 5:
    case 6:
    case 7:
        add_number(file, input);
        break;
    case 8:
    case 9:
        copy_range(folder, file, input);
        break;
    case 10: /* cut off */
        file->bytes.len = place(input, file->bytes.len + 1);
        break;
    case 11: /* longer */
        for (int i = cursor_u8(input); i > 0; i--)
            buf_add_byte(&file->bytes, (char)i);
        break;
    case 12: /* another's content */
        other = &folder->file[cursor_u8(input) % folder->count];
        if (other != file) {
            buf_reset(&file->bytes);
            buf_add(&file->bytes, buf_str(&other->bytes));
        }
        break;
    case 13:
        buf_fini(&file->bytes); /* gone */
        file->name[0] = '\0';
        return;
    case 14: /* another number */
        if (segment_number_from(str_from(file->name), STR("seg")) != 0)
            file->name[7] = (char)('0' + cursor_u8(input) % 10);
        break;
    default: /* zeros */
        if (file->bytes.len > 0) {
            size_t at = place(input, file->bytes.len);
            size_t size = cursor_u16(input);
            memset(file->bytes.ptr + at, 0,
                   size < file->bytes.len - at ? size : file->bytes.len - at);
        }
        break;
    }
    if ((what & 0x80) == 0)
        mend(file);
}

static void put_folder(struct fake_disk *fake, const struct folder *before, struct cursor *input)
{
    struct folder *folder = memory_new(sizeof *folder);

    folder->count = before->count;
    for (unsigned i = 0; i < before->count; i++) {
        memcpy(folder->file[i].name, before->file[i].name, FILE_NAME_SIZE);
        buf_add(&folder->file[i].bytes, buf_str(&before->file[i].bytes));
    }
    for (int i = 0; i < CHANGES_MAX && input->left.len > 0; i++)
        change(folder, input);
    for (unsigned i = 0; i < folder->count; i++) {
        if (folder->file[i].name[0] != '\0')
            fake_disk_put(fake, folder->file[i].name, buf_str(&folder->file[i].bytes));
        buf_fini(&folder->file[i].bytes);
    }
    memory_free(folder);
}

/* ---- what the store makes of that ---- */

struct seen {
    struct store *store;
    struct message_id id[ENTRIES_MAX];
    struct buf domain[ENTRIES_MAX];
    uint32_t pending[ENTRIES_MAX];
    uint32_t rescued[ENTRIES_MAX];
    uint32_t count;
};

static void on_listed(void *context, int error, const struct store_listing *listing)
{
    struct seen *seen = context;

    check(error == 0 && listing->count <= STORE_LIST_MAX);
    for (uint32_t i = 0; i < listing->count && seen->count < ENTRIES_MAX; i++) {
        const struct entry *entry = &listing->entry[i];
        check(entry->pending + entry->rescued > 0);
        check((entry->state == ENTRY_HELD) == (entry->pending > 0));
        seen->id[seen->count] = entry->id;
        buf_add(&seen->domain[seen->count], entry->domain);
        seen->pending[seen->count] = entry->pending;
        seen->rescued[seen->count++] = entry->rescued;
    }
}

static void list_all(struct store *store, struct worker *worker, struct seen *out_seen)
{
    struct store_query query = { .limit = STORE_LIST_MAX };

    memset(out_seen, 0, sizeof *out_seen);
    out_seen->store = store;
    store_list(store, &query, on_listed, out_seen);
    turns(store, worker);
}

static void forget(struct seen *seen)
{
    for (uint32_t i = 0; i < seen->count; i++)
        buf_fini(&seen->domain[i]);
}

/* The order of equals may differ: an entry must be in the other list, whatever its place. */
static void check_same(const struct seen *one, const struct seen *two)
{
    check(one->count == two->count);
    for (uint32_t i = 0; i < one->count; i++) {
        bool is_there = false;
        for (uint32_t k = 0; k < two->count && !is_there; k++)
            is_there = message_id_equals(one->id[i], two->id[k]) &&
                       str_equals(buf_str(&one->domain[i]), buf_str(&two->domain[k])) &&
                       one->pending[i] == two->pending[k] && one->rescued[i] == two->rescued[k];
        check(is_there);
    }
}

struct reading {
    struct store *store;
    struct store_reader *reader;
    uint32_t number; /* of ours; the content must be the one we wrote */
    bool must_be_good;
    bool is_done;
};

static void on_read(void *context, int error, struct str bytes)
{
    struct reading *reading = context;

    reading->is_done = true;
    check(error == 0 || !reading->must_be_good);
    for (size_t i = 0; reading->must_be_good && i < bytes.len; i++)
        check(bytes.ptr[i] == octet_of(reading->number, i));
}

static void on_opened(void *context, int error, struct store_reader *reader,
                      const struct stored_message *message)
{
    struct reading *reading = context;

    check(error == 0 || !reading->must_be_good);
    if (error != 0)
        return;
    reading->reader = reader;
    check(message->envelope.recipient_count <= ENVELOPE_RECIPIENTS_MAX);
    for (uint32_t i = 0; i < message->envelope.recipient_count; i++)
        check(message->recipient_state[i] <= RECIPIENT_RESCUED);
    store_read(reader, 0, 64 * 1024, on_read, reading);
}

static void read_one(struct store *store, struct worker *worker, struct message_id id,
                     struct str domain, struct reading *reading)
{
    reading->store = store;
    store_open(store, id, domain, on_opened, reading);
    turns(store, worker);
    if (reading->reader != NULL)
        store_reader_close(reading->reader);
}

static void use(struct store *store, struct worker *worker, const struct seen *seen)
{
    for (uint32_t i = 0; i < seen->count; i += 1 + seen->count / 8) {
        struct reading reading = { 0 };
        struct settlement settlement = { .id = seen->id[i],
                                         .domain = buf_str(&seen->domain[i]),
                                         .outcome = (enum outcome)(1 + i % 4),
                                         .at_ms = now.wall_ms,
                                         .reason = verdict_make(550, 0, 0, STR("no")) };
        read_one(store, worker, seen->id[i], settlement.domain, &reading);
        store_settle(store, &settlement, done, NULL);
        turns(store, worker);
    }
}

static bool is_known(const struct seen *seen, struct message_id id)
{
    for (uint32_t i = 0; i < seen->count; i++)
        if (message_id_equals(seen->id[i], id))
            return true;
    return false;
}

static struct store *open_store(struct fake_disk *fake, struct worker *worker)
{
    struct store *store;
    check(log_store_open(&settings, fake_disk_use(fake), worker, now, &store) == 0);
    return store;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct folder *folders[2];
    static struct seen before, after;
    struct cursor input = cursor_over(str_of(data, size));
    const uint32_t number = 1000; /* of the new message */
    int error = 1;

    log_set_sink(quiet, NULL);
    for (int i = 0; i < 2 && folders[i] == NULL; i++)
        folders[i] = make_folder(i == 0);
    struct fake_disk *fake = fake_disk_new(1);
    put_folder(fake, folders[cursor_u8(&input) % 2], &input);

    struct worker *worker = worker_new_inline();
    struct store *store = open_store(fake, worker);
    list_all(store, worker, &before);
    bool is_new = !is_known(&before, id_of(number));
    use(store, worker, &before);
    add_message(store, number, 700, &error);
    turns(store, worker);
    turns(store, worker);
    forget(&before);
    list_all(store, worker, &before);
    store_close(store);

    store = open_store(fake, worker);
    list_all(store, worker, &after);
    check_same(&before, &after);
    if (error == 0 && is_new) {
        struct reading reading = { .number = number, .must_be_good = true };
        read_one(store, worker, id_of(number), STR("one.example"), &reading);
        check(reading.is_done);
    }
    forget(&before);
    forget(&after);
    store_close(store);
    worker_free(worker);
    fake_disk_free(fake);
    return 0;
}
