/* SPDX-License-Identifier: ISC */
/* changes.h: a header as filters see and change it.
 *
 * Filters do not see what we add ourselves (verdicts and the Received field). To them it is one
 * field, the first of the header as it came: what a filter puts in front of all stands above ours,
 * anything else below. So a signature or a result that a filter puts at index 1 lies where it would
 * with Sendmail, whose own Received field counts too.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "wire/header.h"

/* Of what one filter may want for one message. */
enum { CHANGES_MAX = 250, CHANGES_OCTETS_MAX = 256 * 1024 };

enum change_kind {
    CHANGE_ADD,    /* behind the last field */
    CHANGE_INSERT, /* in front of the one with this index */
    CHANGE_SET,    /* the so many'th of this name, from 1; an empty value takes it away */
};

struct change {
    enum change_kind kind;
    uint32_t index;
    struct str name;
    struct str value; /* behind the colon, as it stands there, without the last CRLF */
};

struct changes {
    struct change *item; /* CHANGES_MAX of them in an arena; NULL: none yet */
    uint32_t count;
    size_t octets;
};

/* Copies into the arena. The value's line ends become CRLF with white space behind them. False: too
 * many, or the name is none. */
bool changes_add(struct changes *changes, struct arena *arena, const struct change *change);

struct filtered_header {
    struct header header;
    uint32_t above; /* so many of the fields stand above ours */
};

/* Makes the changes, in order. New fields live in the arena. */
void changes_apply(const struct changes *changes, struct arena *arena,
                   struct filtered_header *filtered);
