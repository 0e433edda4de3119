/* SPDX-License-Identifier: ISC */
/* tally.c: see tally.h.
 *
 *     tally   = version:1 begin:8 left-out:8 count:4 *subject
 *     subject = name (counted) note (counted) left-out:8 count:4 *line
 *     line    = octets (counted) count:8
 */
#include "base/tally.h"

#include "base/check.h"
#include "base/cursor.h"
#include "base/memory.h"

enum {
    VERSION = 2,    /* 1 had no notes */
    SLOT_SIZE = 96, /* about what a map needs beside the name */
};
static const uint64_t BEGIN_MAX = 253402300799; /* the year 9999 ends */

static void add_up(uint64_t *sum, uint64_t more)
{
    *sum = more > UINT64_MAX - *sum ? UINT64_MAX : *sum + more;
}

/* ---- its parts ---- */

static size_t line_size(size_t key_len) /* twice, for the map has a copy */
{
    return sizeof(struct tally_line) + 2 * key_len + SLOT_SIZE;
}

static size_t subject_size(size_t name_len, size_t note_len)
{
    return sizeof(struct tally_subject) + 2 * name_len + note_len + SLOT_SIZE;
}

static void free_line(struct tally *tally, struct tally_line *line)
{
    tally->size -= line_size(line->key.len);
    (void)map_remove(&tally->by_key, buf_str(&line->key));
    list_remove(&line->link);
    buf_fini(&line->key);
    memory_free(line);
}

void tally_drop(struct tally *tally, struct tally_subject *subject)
{
    list_each_safe (at, &subject->lines)
        free_line(tally, container_of(at, struct tally_line, link));
    tally->size -= subject_size(subject->name.len, subject->note.len);
    tally->subject_count--;
    (void)map_remove(&tally->by_name, buf_str(&subject->name));
    list_remove(&subject->link);
    buf_fini(&subject->name);
    buf_fini(&subject->note);
    memory_free(subject);
}

static struct tally_subject *add_subject(struct tally *tally, struct str name, struct str note)
{
    struct tally_subject *subject = memory_new(sizeof *subject);

    list_init(&subject->lines);
    buf_add(&subject->name, name);
    buf_add(&subject->note, note);
    tally->size += subject_size(name.len, note.len);
    tally->subject_count++;
    list_append(&tally->subjects, &subject->link);
    check(map_put(&tally->by_name, name, subject) == NULL);
    return subject;
}

/* Takes over the key. */
static struct tally_line *add_line(struct tally *tally, struct tally_subject *subject,
                                   struct buf *key, size_t bytes_len)
{
    struct tally_line *line = memory_new(sizeof *line);

    line->key = *key;
    *key = (struct buf){ 0 };
    line->bytes = str_skip(buf_str(&line->key), line->key.len - bytes_len);
    tally->size += line_size(line->key.len);
    subject->line_count++;
    list_append(&subject->lines, &line->link);
    check(map_put(&tally->by_key, buf_str(&line->key), line) == NULL);
    return line;
}

/* ---- counting ---- */

static size_t size_left(const struct tally *tally) /* it never grows beyond */
{
    return tally->limits.size_max - tally->size;
}

static bool has_room_for_line(const struct tally *tally, const struct tally_subject *subject,
                              size_t key_len)
{
    return line_size(key_len) <= size_left(tally) && subject->line_count < tally->limits.lines_max;
}

/* With a first line. */
static bool has_room_for_subject(const struct tally *tally, struct str name, struct str note,
                                 size_t key_len)
{
    return line_size(key_len) + subject_size(name.len, note.len) <= size_left(tally) &&
           tally->subject_count < tally->limits.subjects_max && tally->limits.lines_max > 0;
}

static void leave_out(struct tally *tally, struct str name, uint64_t count)
{
    struct tally_subject *subject = tally_find(tally, name);

    add_up(subject != NULL ? &subject->left_out : &tally->left_out, count);
}

static void keep_note(struct tally *tally, struct tally_subject *subject, struct str note)
{
    if (note.len > subject->note.len && note.len - subject->note.len > size_left(tally))
        return;
    tally->size = tally->size - subject->note.len + note.len;
    buf_reset(&subject->note);
    buf_add(&subject->note, note);
}

/* NULL: no room. */
static struct tally_line *find_line(struct tally *tally, struct str name, struct str note,
                                    struct str bytes)
{
    struct tally_subject *subject = tally_find(tally, name);
    struct buf key = { 0 };

    buf_add_counted(&key, name);
    buf_add(&key, bytes);
    struct tally_line *line = map_find(&tally->by_key, buf_str(&key));
    if (subject == NULL && has_room_for_subject(tally, name, note, key.len))
        subject = add_subject(tally, name, note);
    if (line == NULL && subject != NULL && has_room_for_line(tally, subject, key.len))
        line = add_line(tally, subject, &key, bytes.len);
    if (subject != NULL && !str_equals(buf_str(&subject->note), note))
        keep_note(tally, subject, note);
    buf_fini(&key);
    return line;
}

void tally_add(struct tally *tally, struct str name, struct str note, struct str bytes,
               uint64_t count)
{
    struct tally_line *line = find_line(tally, name, note, bytes);

    if (line != NULL)
        add_up(&line->count, count);
    else
        leave_out(tally, name, count);
}

void tally_init(struct tally *tally, struct tally_limits limits, int64_t begin_s)
{
    *tally = (struct tally){ .limits = limits, .begin_s = begin_s };
    list_init(&tally->subjects);
    map_init(&tally->by_name);
    map_init(&tally->by_key);
}

void tally_fini(struct tally *tally)
{
    list_each_safe (at, &tally->subjects)
        tally_drop(tally, container_of(at, struct tally_subject, link));
    map_fini(&tally->by_name);
    map_fini(&tally->by_key);
}

/* ---- looking ---- */

static struct tally_subject *subject_at(const struct tally *tally, struct link *at)
{
    return at == &tally->subjects ? NULL : container_of(at, struct tally_subject, link);
}

struct tally_subject *tally_first(const struct tally *tally)
{
    return subject_at(tally, tally->subjects.next);
}

struct tally_subject *tally_next(const struct tally *tally, const struct tally_subject *subject)
{
    return subject_at(tally, subject->link.next);
}

struct tally_subject *tally_find(const struct tally *tally, struct str name)
{
    return map_find(&tally->by_name, name);
}

/* ---- octets ---- */

static void encode_subject(struct buf *out, const struct tally_subject *subject)
{
    buf_add_counted(out, buf_str(&subject->name));
    buf_add_counted(out, buf_str(&subject->note));
    buf_add_u64(out, subject->left_out);
    buf_add_u32(out, subject->line_count);
    list_each (at, &subject->lines) {
        const struct tally_line *line = container_of(at, struct tally_line, link);
        buf_add_counted(out, line->bytes);
        buf_add_u64(out, line->count);
    }
}

void tally_encode(struct buf *out, const struct tally *tally)
{
    buf_add_u8(out, VERSION);
    buf_add_u64(out, (uint64_t)tally->begin_s);
    buf_add_u64(out, tally->left_out);
    buf_add_u32(out, tally->subject_count);
    for (const struct tally_subject *at = tally_first(tally); at != NULL;
         at = tally_next(tally, at))
        encode_subject(out, at);
}

static bool decode_subject(struct cursor *cursor, tally_check *is_line, struct tally *tally)
{
    struct str name = cursor_counted(cursor);
    struct str note = cursor_counted(cursor);
    uint64_t left_out = cursor_u64(cursor);
    uint32_t count = cursor_u32(cursor);

    for (uint32_t i = 0; i < count; i++) {
        struct str bytes = cursor_counted(cursor);
        uint64_t times = cursor_u64(cursor);
        if (!cursor_ok(cursor) || times == 0 || !is_line(name, note, bytes))
            return false;
        tally_add(tally, name, note, bytes, times);
    }
    if (left_out > 0)
        leave_out(tally, name, left_out);
    return cursor_ok(cursor);
}

bool tally_decode(struct str bytes, struct tally_limits limits, tally_check *is_line,
                  struct tally *out_tally)
{
    struct cursor cursor = cursor_over(bytes);

    if (cursor_u8(&cursor) != VERSION)
        return false;
    uint64_t begin_s = cursor_u64(&cursor);
    uint64_t left_out = cursor_u64(&cursor);
    uint32_t count = cursor_u32(&cursor);
    if (!cursor_ok(&cursor) || begin_s > BEGIN_MAX)
        return false;
    tally_init(out_tally, limits, (int64_t)begin_s);
    out_tally->left_out = left_out;
    for (uint32_t i = 0; i < count; i++)
        if (!decode_subject(&cursor, is_line, out_tally))
            goto fail;
    if (cursor_done(&cursor))
        return true;
fail:
    tally_fini(out_tally);
    return false;
}
