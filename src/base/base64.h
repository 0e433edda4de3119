/* SPDX-License-Identifier: ISC */
/* base64.h: RFC 4648 section 4, with padding, without line ends. */
#pragma once

#include "base/buf.h"

void base64_add(struct buf *out, struct str bytes);
/* In lines of 76 characters with CRLF, as mail has it. */
void base64_add_lines(struct buf *out, struct str bytes);
/* Adds the decoded bytes; false (and nothing added) unless the whole text is well-formed. */
bool base64_decode(struct buf *out, struct str text);
