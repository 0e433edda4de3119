/* SPDX-License-Identifier: ISC */
/* dot_stuff.h: content as it leaves (RFC 5321 4.5.2, SPEC R7).
 *
 * Takes the octets of a message in any split and gives them back in runs that
 * may be sent. Whatever comes in, what goes out
 *   1  has CRLF as its only line end: a CR or LF that stands alone becomes CRLF
 *   2  ends in CRLF (unless it is empty and keeps its dots)
 *   3  for DATA: doubles every dot at the start of a line, so that the end of
 *      data that dot_stuff_end() writes is the only one
 * The receiver has stored only CRLF already, so in daily life a run is the whole
 * piece and nothing is copied. This is the second lock on the same door: a
 * stray line end that got past the first would be a stranger's way to smuggle a
 * message in our name.
 *
 * For BDAT the same is done without the dots. The size of a chunk must be said
 * before its octets leave, so the caller gathers the runs of a piece first and
 * announces what they come to; no octet is passed on unchecked because a size
 * had already been promised.
 */
#pragma once

#include "base/str.h"

struct dot_stuff {      /* {0} at the start of a message that leaves by DATA */
    bool keeps_dots;    /* BDAT: dots are left alone, there is no end of data */
    bool is_mid_line;   /* the last octet that left was not the end of a line */
    bool owes_line_end; /* a CRLF is due; if LF is the next octet, it is part of it */
};

/* The next run, taken from the front of *content; borrowed from there or constant. Empty only when
 * *content has been used up. A CR at the end of *content is held back until the next call. */
struct str dot_stuff_next(struct dot_stuff *stuff, struct str *content);
/* What is still missing after the last piece: a line end, and for DATA the end of data. */
struct str dot_stuff_end(struct dot_stuff *stuff);
