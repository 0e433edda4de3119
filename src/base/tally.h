/* SPDX-License-Identifier: ISC */
/* tally.h: how often something was said of each subject: lines of octets with counts, and a note
 * of the caller's with each subject.
 *
 * The same octets about the same subject are one line. Strangers make subjects and lines, so there
 * is an end to both and to memory; what comes after that is counted as left out. The whole can be
 * written down and read back, also under other limits.
 */
#pragma once

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"

struct tally_limits {
    uint32_t subjects_max;
    uint32_t lines_max; /* of a subject */
    size_t size_max;    /* of all that is kept, in memory */
};

struct tally_line {
    struct link link; /* in tally_subject.lines */
    struct buf key;   /* subject and octets */
    struct str bytes; /* of the key */
    uint64_t count;   /* it stops at its largest value, as all counts here */
};

struct tally_subject {
    struct link link; /* in tally.subjects */
    struct buf name;
    struct buf note;   /* the last one that was given, and for which there was room */
    struct link lines; /* struct tally_line, as they came; at least one */
    uint32_t line_count;
    uint64_t left_out; /* of it, for which there was no room */
};

struct tally {
    struct tally_limits limits;
    int64_t begin_s;      /* the caller's */
    struct link subjects; /* struct tally_subject, as they came */
    uint32_t subject_count;
    struct map by_name;
    struct map by_key; /* lines */
    size_t size;
    uint64_t left_out; /* of subjects for which there was no room at all */
};

void tally_init(struct tally *tally, struct tally_limits limits, int64_t begin_s);
void tally_fini(struct tally *tally);
/* About the subject of this name; its note, which may be empty, takes the place of the one before.
 */
void tally_add(struct tally *tally, struct str name, struct str note, struct str bytes,
               uint64_t count);
struct tally_subject *tally_first(const struct tally *tally); /* NULL: there is none */
struct tally_subject *tally_next(const struct tally *tally, const struct tally_subject *subject);
struct tally_subject *tally_find(const struct tally *tally, struct str name);
void tally_drop(struct tally *tally, struct tally_subject *subject);

void tally_encode(struct buf *out, const struct tally *tally);
typedef bool tally_check(struct str name, struct str note, struct str bytes);
/* Initialises *out_tally unless it returns false: these octets are none. Each line, with its
 * subject's name and note, must be one to `is_line`; what is above the limits is left out as if it
 * came now. */
bool tally_decode(struct str bytes, struct tally_limits limits, tally_check *is_line,
                  struct tally *out_tally);
