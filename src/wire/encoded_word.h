/* SPDX-License-Identifier: ISC */
/* encoded_word.h: what a field says to people (RFC 2047).
 *
 * Words in UTF-8, ASCII and the western charsets become UTF-8; those in others, and what only looks
 * like a word, stay as they are. The result is as trustworthy as its author: mime_add_clean_line()
 * it before it is shown.
 */
#pragma once

#include "base/buf.h"

/* The value of an unstructured field, unfolded and decoded. */
void encoded_word_decode(struct buf *out, struct str value);
