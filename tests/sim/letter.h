/* SPDX-License-Identifier: ISC */
/* letter.h: what senders send: a content that can be told from every other, and whom it is for.
 *
 * The first line of a letter is "X-Letter: NUMBER". How often it is sent is the
 * sender's matter; each time that it is stored it is another message.
 */
#pragma once

#include "base/buf.h"

enum { LETTERS_MAX = 512, LETTER_RECIPIENTS_MAX = 8 };

struct letter {
    unsigned number;
    struct buf content; /* CRLF line ends, the last one included */
    char sender[64];
    char recipient[LETTER_RECIPIENTS_MAX][64];
    unsigned recipient_count;
    unsigned sent_whole; /* times that the last octet of the content was sent */
};

/* A new one, by chance, for some of the domains d0.example … */
struct letter *letter_new(unsigned domains);
/* One to this recipient, from a sender who is not empty. */
struct letter *letter_to(const char *recipient);
/* As DATA wants it (RFC 5321 4.5.2), with the lonely dot. */
void letter_stuff(const struct letter *letter, struct buf *out);
struct letter *letter_find(unsigned number); /* NULL: there is none */
/* The letter that a content with our Received field before it holds, and the message id that the
 * field names. NULL: none, or it is not as it was sent. */
const struct letter *letter_read(struct str content, struct str *out_id);
