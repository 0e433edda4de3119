/* SPDX-License-Identifier: ISC */
/* part_encoder.h: the text of a part, encoded as it comes (RFC 2045 6.7, 6.8).
 *
 * Text comes in pieces of any size, its line ends apart. What leaves is the same however it was
 * cut, in lines of 76 characters at most, and ends without a line end where a boundary follows.
 */
#pragma once

#include "base/buf.h"

enum part_encoding { PART_AS_IT_IS, PART_QUOTED_PRINTABLE, PART_BASE64 };

enum { PART_BLOCK = 57 }; /* octets that make a line of base64 */

struct part_encoder { /* {0}: as it is */
    enum part_encoding encoding;
    size_t column;
    char blank; /* held back: at the end of a line it is quoted */
    bool has_line;
    char block[PART_BLOCK];
    size_t block_len;
};

void part_encoder_begin(struct part_encoder *encoder, enum part_encoding encoding);
void part_encoder_add(struct part_encoder *encoder, struct str octets, struct buf *out);
void part_encoder_add_line_end(struct part_encoder *encoder, struct buf *out);
/* The text is over, and something follows. Once is enough; more do no harm. */
void part_encoder_end(struct part_encoder *encoder, struct buf *out);
/* The text is over, and with it the message. */
void part_encoder_finish(struct part_encoder *encoder, struct buf *out);
