/* SPDX-License-Identifier: ISC */
/* under_way.h: which messages are on somebody's hands, for the next keeper's log.
 *
 * Between the primary's 250 and our record of it lies a gap that nobody can close: a message that
 * is under way when the node ends may arrive twice. It must at least be logged (SPEC H1), and when
 * all roles end at once nobody is left to do that. So the keeper keeps a list of message ids in the
 * file "under-way" in the data folder, written once a turn before anything leaves, and never
 * synced: it survives kill -9, which leaves the system's cache alone. A power cut may take its last
 * seconds; of that only the unclean end is known.
 *
 * File: 16 bytes head ("HFUNDRWY", u32 version 1, u32 1 while a keeper runs, 2 after a clean end),
 * then UNDER_WAY_SLOTS slots of a message id or zeros. A file that says anything else is begun
 * anew. Failures to write are logged once; they hold up nothing.
 */
#pragma once

#include "mail/message_id.h"

enum { UNDER_WAY_SLOTS = 16384 }; /* what is beyond is not listed */

struct under_way;

/* Never fails. What an earlier keeper left is to be asked for with under_way_left(). */
struct under_way *under_way_open(const char *path);
void under_way_close(struct under_way *list); /* a clean end; NULL is fine */

/* Did the last keeper end without a word? */
bool under_way_was_cut_off(const struct under_way *list);
/* The next id that it left; false: no more. */
bool under_way_left(struct under_way *list, struct message_id *out_id);

/* May be said several times (for each domain that it is out for), and must be taken back as often;
 * under_way_left() names it as often. */
void under_way_add(struct under_way *list, struct message_id id);
void under_way_remove(struct under_way *list, struct message_id id);
void under_way_write(struct under_way *list); /* what has changed; before it leaves */
