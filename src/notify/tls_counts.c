/* SPDX-License-Identifier: ISC */
/* tls_counts.c: see tls_counts.h.
 *
 *     u8 version (1)  counted gathering  counted closing, or nothing  u64 end_s  u64 start_ms
 */
#include "notify/tls_counts.h"

#include "base/memory.h"

enum { VERSION = 1 };
static const int64_t TIME_MAX_S = 253402300799; /* the year 9999 ends */

static const struct tally_limits limits = { .subjects_max = 5000,
                                            .lines_max = 200,
                                            .size_max = 16 << 20 };

static struct tally *begin(int64_t now_s, int64_t interval_s)
{
    struct tally *tally = memory_new(sizeof *tally);

    tally_init(tally, limits, now_s / interval_s * interval_s);
    return tally;
}

static void end(struct tally *tally)
{
    if (tally == NULL)
        return;
    tally_fini(tally);
    memory_free(tally);
}

void tls_counts_init(struct tls_counts *counts, int64_t now_s, int64_t interval_s)
{
    *counts = (struct tls_counts){ .gathering = begin(now_s, interval_s) };
}

void tls_counts_fini(struct tls_counts *counts)
{
    end(counts->gathering);
    end(counts->closing);
}

void tls_counts_add(struct tls_counts *counts, struct str domain, const struct tls_row *row)
{
    struct buf bytes = { 0 };

    tls_row_encode(&bytes, row);
    tally_add(counts->gathering, domain, STR_NONE, buf_str(&bytes), 1);
    buf_fini(&bytes);
}

/* Where nothing was counted, the period begins with the first that is; and a clock that was wrong,
 * and has been set back, must not keep it open until then. */
bool tls_counts_close(struct tls_counts *counts, int64_t now_s, int64_t interval_s)
{
    int64_t boundary_s = now_s / interval_s * interval_s;

    if (tally_first(counts->gathering) == NULL || counts->gathering->begin_s > now_s) {
        counts->gathering->begin_s = boundary_s;
        return false;
    }
    if (counts->closing != NULL || boundary_s <= counts->gathering->begin_s)
        return false;
    counts->closing = counts->gathering;
    counts->end_s = boundary_s;
    counts->gathering = begin(now_s, interval_s);
    return true;
}

int64_t tls_counts_end(const struct tls_counts *counts, int64_t interval_s)
{
    if (counts->closing != NULL || tally_first(counts->gathering) == NULL)
        return INT64_MAX;
    return (counts->gathering->begin_s / interval_s + 1) * interval_s;
}

void tls_counts_told(struct tls_counts *counts)
{
    end(counts->closing);
    counts->closing = NULL;
}

/* ---- octets ---- */

static void add_tally(struct buf *out, const struct tally *tally)
{
    struct buf bytes = { 0 };

    if (tally != NULL)
        tally_encode(&bytes, tally);
    buf_add_counted(out, buf_str(&bytes));
    buf_fini(&bytes);
}

void tls_counts_encode(struct buf *out, const struct tls_counts *counts)
{
    buf_add_u8(out, VERSION);
    add_tally(out, counts->gathering);
    add_tally(out, counts->closing);
    buf_add_u64(out, (uint64_t)counts->end_s);
    buf_add_u64(out, (uint64_t)counts->start_ms);
}

static bool is_row(struct str name, struct str note, struct str bytes)
{
    struct tls_row row;

    (void)name;
    (void)note;
    return tls_row_decode(bytes, &row);
}

/* NULL: it is none. */
static struct tally *take_tally(struct str bytes)
{
    struct tally *tally = memory_new(sizeof *tally);

    if (tally_decode(bytes, limits, is_row, tally))
        return tally;
    memory_free(tally);
    return NULL;
}

bool tls_counts_decode(struct str bytes, struct tls_counts *out_counts)
{
    struct cursor cursor = cursor_over(bytes);
    unsigned version = cursor_u8(&cursor);
    struct str gathering = cursor_counted(&cursor);
    struct str closing = cursor_counted(&cursor);
    struct tls_counts counts = { .end_s = (int64_t)cursor_u64(&cursor),
                                 .start_ms = (int64_t)cursor_u64(&cursor) };

    if (!cursor_done(&cursor) || version != VERSION || counts.end_s < 0 || counts.start_ms < 0 ||
        counts.end_s > TIME_MAX_S || counts.start_ms / SECOND_MS > TIME_MAX_S)
        return false;
    counts.gathering = take_tally(gathering);
    counts.closing = closing.len > 0 ? take_tally(closing) : NULL;
    if (counts.gathering == NULL || (closing.len > 0 && counts.closing == NULL)) {
        tls_counts_fini(&counts);
        return false;
    }
    *out_counts = counts;
    return true;
}
