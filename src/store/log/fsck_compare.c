/* SPDX-License-Identifier: ISC */
/* fsck_compare.c: what the segments say against what the shortcuts say.
 *
 * Two starts of the same spool: one has read the segments alone, the other began with
 * checkpoint and index files. They must come to the same entries in the same states.
 *
 * If the segments are whole, the segments are right. If records of theirs are lost, the
 * shortcuts were written when they were there: an entry that only the shortcuts know has
 * lost its record, and one that only the segments know has lost its settlement.
 */
#include "store/log/fsck_private.h"

static bool is_same(const struct index *a, uint32_t in_a, const struct index *b, uint32_t in_b)
{
    const struct index_entry *one = index_entry(a, in_a);
    const struct index_entry *other = index_entry(b, in_b);
    uint32_t left = one->count;

    if (one->segment != other->segment || one->place != other->place || one->size != other->size ||
        one->count != other->count || one->pending != other->pending ||
        one->rescued != other->rescued || one->state != other->state)
        return false;
    for (uint32_t i = 0; left > 0 && i < ENVELOPE_RECIPIENTS_MAX; i++) {
        if (index_owns(a, in_a, i) != index_owns(b, in_b, i))
            return false;
        if (!index_owns(a, in_a, i))
            continue;
        left--;
        if (index_state(a, in_a, i) != index_state(b, in_b, i))
            return false;
    }
    return true;
}

static uint32_t counterpart(const struct index *of, uint32_t number, const struct index *in)
{
    const struct index_entry *entry = index_entry(of, number);
    return index_find_entry(in, entry->id, of->domain[entry->domain]->name);
}

/* ---- segments that are whole ---- */

static uint32_t count_differences(const struct index *segments, const struct index *shortcut)
{
    uint32_t differences = 0;
    uint32_t other;

    for (uint32_t number = 0; (number = index_next(segments, number)) != 0;) {
        other = counterpart(segments, number, shortcut);
        differences += other == 0 || !is_same(segments, number, shortcut, other) ? 1 : 0;
    }
    for (uint32_t number = 0; (number = index_next(shortcut, number)) != 0;)
        differences += counterpart(shortcut, number, segments) == 0 ? 1 : 0;
    return differences;
}

static void tell_wrong_shortcut(struct fsck *fsck, uint32_t differences)
{
    struct fsck_finding finding = {
        .kind = FSCK_SHORTCUT, .file = "checkpoint", .records = differences, .remedy = FSCK_REPAIR
    };
    const struct disk_driver *driver = fsck->disk->driver;

    if (fsck->settings.repair)
        finding.is_repaired =
            driver->remove(fsck->disk, "checkpoint") == 0 && driver->sync_names(fsck->disk) == 0;
    fsck_tell(fsck, &finding);
}

/* ---- segments that have lost records ---- */

static void tell_lost(struct fsck *fsck, const struct index *segments, const struct index *shortcut)
{
    for (uint32_t number = 0; (number = index_next(shortcut, number)) != 0;)
        if (counterpart(shortcut, number, segments) == 0)
            fsck_tell_of_entry(
                fsck, shortcut, number,
                (struct fsck_finding){ .kind = FSCK_RECORD, .remedy = FSCK_DISCARD });
    for (uint32_t number = 0; (number = index_next(segments, number)) != 0;) {
        uint32_t other = counterpart(segments, number, shortcut);
        if (other == 0 || !is_same(segments, number, shortcut, other))
            fsck_tell_of_entry(fsck, segments, number,
                               (struct fsck_finding){ .kind = FSCK_SETTLEMENT });
    }
}

/* The checkpoint is made of what is durable: the log cannot end before it. */
static bool is_short(const struct log_store *segments, struct log_place from)
{
    const struct segment *segment = segment_find(&segments->segments, from.segment);
    return segment != NULL && segment->end < from.offset;
}

/* What is missing up to there is filled, so that the next start does not take it for a torn tail.
 */
static void tell_short(struct fsck *fsck, const struct segment *segment,
                       const struct log_store *shortcut)
{
    char name[FILE_NAME_SIZE];
    struct log_damage damage = { .kind = LOG_DAMAGE_GAP,
                                 .segment = segment->number,
                                 .offset = segment->end,
                                 .size = shortcut->checkpoint.from.offset - segment->end,
                                 .batch = shortcut->batch };
    struct fsck_finding finding = { .kind = FSCK_END,
                                    .file = name,
                                    .offset = damage.offset,
                                    .size = damage.size,
                                    .remedy = FSCK_REPAIR };

    segment_file_name(name, segment->number, SEGMENT_FILE);
    if (fsck->settings.repair)
        finding.is_repaired = fsck_fill(fsck, &damage);
    fsck_tell(fsck, &finding);
    fsck->is_damaged = true;
}

void fsck_compare(struct fsck *fsck, const struct log_store *shortcut)
{
    const struct log_store *segments = log_of(fsck->store);
    const struct log_place from = shortcut->checkpoint.from;

    if (from.segment == 0) { /* none of it could be used */
        tell_wrong_shortcut(fsck, 0);
        return;
    }
    if (is_short(segments, from))
        tell_short(fsck, segment_find(&segments->segments, from.segment), shortcut);
    uint32_t differences = count_differences(&segments->index, &shortcut->index);
    if (differences > 0 && (fsck->is_damaged || fsck->is_torn))
        tell_lost(fsck, &segments->index, &shortcut->index);
    else if (differences > 0)
        tell_wrong_shortcut(fsck, differences);
}
