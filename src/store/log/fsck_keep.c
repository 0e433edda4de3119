/* SPDX-License-Identifier: ISC */
/* fsck_keep.c: what is damaged is kept in a folder of its own before it is changed.
 *
 * A file is written under the name NAME.tmp, synced and renamed: what has its name is
 * whole. What is there already is left as it is, for it was written when more could
 * perhaps be read.
 */
#include <errno.h>
#include <string.h>

#include "base/crc32c.h"
#include "base/printable.h"
#include "store/log/fsck_private.h"

enum { PIECE = 1 << 20 };

struct keeping { /* one file that is being written */
    struct disk *disk;
    const char *name;
    char aside[FILE_NAME_SIZE * 2];
    int handle;
    uint64_t size;
    int error;
};

int fsck_read(struct disk *disk, const char *name, uint64_t offset, uint64_t size, struct buf *out)
{
    int handle = disk->driver->open(disk, name, DISK_READ);
    ssize_t got = 1;

    if (handle < 0)
        return handle;
    buf_reset(out);
    while (got > 0 && out->len < size) {
        uint64_t left = size - out->len;
        buf_reserve(out, left < PIECE ? (size_t)left : PIECE);
        got = disk->driver->read(disk, handle, out->ptr + out->len,
                                 left < PIECE ? (size_t)left : PIECE, offset + out->len);
        if (got > 0)
            out->len += (size_t)got;
    }
    disk->driver->close(disk, handle);
    return got < 0 ? (int)got : 0;
}

int fsck_write(struct disk *disk, const char *name, uint64_t offset, struct str bytes)
{
    struct iovec part = { (void *)(uintptr_t)bytes.ptr, bytes.len };
    int handle = disk->driver->open(disk, name, DISK_WRITE);

    if (handle < 0)
        return handle;
    int rc = disk->driver->write(disk, handle, &part, 1, offset);
    if (rc == 0)
        rc = disk->driver->sync(disk, handle);
    disk->driver->close(disk, handle);
    return rc;
}

static bool begin(struct keeping *keeping, struct disk *disk, const char *name)
{
    struct buf aside = { 0 };

    *keeping = (struct keeping){ .disk = disk, .name = name, .handle = -1 };
    int there = disk->driver->open(disk, name, DISK_READ);
    if (there >= 0) {
        disk->driver->close(disk, there);
        return false;
    }
    buf_add_format(&aside, "%s.tmp", name);
    if (aside.len < sizeof keeping->aside)
        memcpy(keeping->aside, aside.ptr, aside.len);
    buf_fini(&aside);
    (void)disk->driver->remove(disk, keeping->aside);
    keeping->handle = disk->driver->open(disk, keeping->aside, DISK_WRITE | DISK_CREATE);
    keeping->error = keeping->handle < 0 ? keeping->handle : 0;
    return true;
}

static void add(struct keeping *keeping, struct str bytes)
{
    struct iovec part = { (void *)(uintptr_t)bytes.ptr, bytes.len };

    if (keeping->error == 0 && bytes.len > 0)
        keeping->error =
            keeping->disk->driver->write(keeping->disk, keeping->handle, &part, 1, keeping->size);
    keeping->size += bytes.len;
}

static bool end(struct keeping *keeping)
{
    const struct disk_driver *driver = keeping->disk->driver;

    if (keeping->error == 0)
        keeping->error = driver->sync(keeping->disk, keeping->handle);
    if (keeping->handle >= 0)
        driver->close(keeping->disk, keeping->handle);
    if (keeping->error == 0)
        keeping->error = driver->rename(keeping->disk, keeping->aside, keeping->name);
    if (keeping->error == 0)
        keeping->error = driver->sync_names(keeping->disk);
    return keeping->error == 0;
}

bool fsck_keep_bytes(struct fsck *fsck, const char *name, struct str bytes)
{
    struct keeping keeping;

    if (fsck->settings.aside == NULL)
        return false;
    if (!begin(&keeping, fsck->settings.aside, name))
        return true;
    add(&keeping, bytes);
    return end(&keeping);
}

/* From `offset` on, at most `size` bytes; stops where nothing more can be read. */
static void add_from(struct keeping *keeping, struct disk *disk, const char *file, uint64_t offset,
                     uint64_t size)
{
    struct buf piece = { 0 };
    bool more = true;

    while (more && size > 0 && keeping->error == 0) {
        uint64_t wanted = size < PIECE ? size : PIECE;
        more = fsck_read(disk, file, offset, wanted, &piece) == 0 && piece.len == wanted;
        add(keeping, buf_str(&piece));
        offset += piece.len;
        size -= wanted;
    }
    buf_fini(&piece);
}

bool fsck_keep_file(struct fsck *fsck, const char *name, const char *as)
{
    struct keeping keeping;

    if (fsck->settings.aside == NULL)
        return false;
    if (!begin(&keeping, fsck->settings.aside, as))
        return true;
    add_from(&keeping, fsck->disk, name, 0, UINT64_MAX);
    return end(&keeping);
}

/* ---- messages ---- */

/* Header and meta of the record, and the front of the content in them. */
static bool read_front(struct fsck *fsck, const struct segment *segment, uint64_t offset,
                       const char *file, struct buf *record, struct record_header *out_header,
                       struct str *out_front)
{
    struct message_parts parts;
    struct message_id id;
    uint32_t size;

    if (fsck_read(fsck->disk, file, offset, RECORD_HEADER_SIZE, record) != 0 ||
        !record_header_peek(buf_str(record), segment->generation, out_header) ||
        fsck_read(fsck->disk, file, offset, RECORD_HEADER_SIZE + (uint64_t)out_header->meta_size,
                  record) != 0 ||
        !record_header_decode(buf_str(record), segment->generation, out_header))
        return false;
    struct str meta = str_skip(buf_str(record), RECORD_HEADER_SIZE);
    if (!message_parts_decode(out_header, meta, &parts) ||
        !message_meta_peek(parts.message, &id, &size))
        return false;
    *out_front = str_skip(parts.message, parts.message.len - size);
    return true;
}

static bool keep_content(struct fsck *fsck, const struct log_store *store,
                         const struct index_entry *entry, const char *as)
{
    const struct segment *segment = segment_find(&store->segments, entry->segment);
    uint64_t offset = (uint64_t)entry->place * RECORD_ALIGN;
    char file[FILE_NAME_SIZE];
    char body[FILE_NAME_SIZE];
    struct record_header header;
    struct buf record = { 0 };
    struct str front;
    struct keeping keeping;

    if (segment == NULL)
        return false;
    segment_file_name(file, segment->number, SEGMENT_FILE);
    body_file_name(body, entry->id);
    bool ok = read_front(fsck, segment, offset, file, &record, &header, &front);
    if (ok && begin(&keeping, fsck->settings.aside, as)) {
        add(&keeping, front);
        if (entry->flags & INDEX_BODY_FILE)
            add_from(&keeping, fsck->disk, body, 0, UINT64_MAX);
        else
            add_from(&keeping, fsck->disk, file, offset + RECORD_HEADER_SIZE + header.meta_size,
                     header.content_size);
        ok = end(&keeping);
    }
    buf_fini(&record);
    return ok;
}

static void add_line(struct buf *note, const char *name, struct str text)
{
    buf_add_format(note, "%s: ", name);
    printable_add(note, text);
    buf_add_byte(note, '\n');
}

static bool keep_note(struct fsck *fsck, const struct stored_message *message, const char *as)
{
    static const char *const state[] = { "held", "gone", "rescued" };
    const struct envelope *envelope = &message->envelope;
    struct buf note = { 0 };

    buf_add(&note, STR("The content of this message is damaged. What could be read of it is in the "
                       "file of the same name that ends with .eml.\n\n"));
    add_line(&note, "sender", envelope->sender);
    add_line(&note, "client", envelope->client_name);
    add_line(&note, "greeted as", envelope->helo);
    buf_add(&note, STR("received: "));
    clock_add_iso(&note, envelope->received_ms);
    buf_add_format(&note, "\nsize: %llu\n", (unsigned long long)message->size);
    for (uint32_t i = 0; i < envelope->recipient_count; i++) {
        buf_add_format(&note, "recipient (%s): ", state[message->recipient_state[i]]);
        printable_add(&note, envelope->recipient[i].address);
        buf_add_byte(&note, '\n');
    }
    bool ok = fsck_keep_bytes(fsck, as, buf_str(&note));
    buf_fini(&note);
    return ok;
}

bool fsck_keep_message(struct fsck *fsck, const struct log_store *store, uint32_t number,
                       const struct stored_message *message)
{
    const struct index_entry *entry = index_entry(&store->index, number);
    struct buf name = { 0 };

    if (fsck->settings.aside == NULL)
        return false;
    buf_add_format(&name, "%s.eml%c", message_id_to_text(entry->id).text, '\0');
    bool ok = keep_content(fsck, store, entry, name.ptr);
    buf_reset(&name);
    buf_add_format(&name, "%s.txt%c", message_id_to_text(entry->id).text, '\0');
    ok = keep_note(fsck, message, name.ptr) && ok;
    buf_fini(&name);
    return ok;
}
