/* SPDX-License-Identifier: ISC */
/* smtp_reply.h: reads a server's replies, byte by byte if it must (RFC 5321 4.2).
 *
 *     250-first line CRLF
 *     250-second line CRLF
 *     250 last line CRLF
 *
 * Accepted beyond the RFC, because servers do it and it does no harm: lines that
 * end in LF alone, lines of up to SMTP_REPLY_LINE_MAX octets (the RFC says 512), a
 * code without text and without the space behind it, any second digit. Refused:
 * a code that changes within a reply, more lines than SMTP_REPLY_LINES_MAX, and
 * all that does not begin with three digits of 100 … 599.
 */
#pragma once

#include "base/buf.h"
#include "mail/verdict.h"

enum { SMTP_REPLY_LINE_MAX = 2048, SMTP_REPLY_LINES_MAX = 100 };

struct smtp_reply {
    uint16_t code;       /* 100 … 599 */
    uint8_t enhanced[3]; /* of the first line, if its class fits the code; else class 0 */
    uint32_t lines;      /* 1 for a single line */
    struct str text;     /* the lines without codes, '\n' between them; until the next read */
};

struct smtp_reply_reader { /* {0} is ready to read */
    struct buf line;       /* the part of a line that has come */
    struct buf text;
    struct smtp_reply reply; /* the part of a reply that has come */
    bool is_broken;
};

enum smtp_reply_step { SMTP_REPLY_MORE, SMTP_REPLY_DONE, SMTP_REPLY_MALFORMED };

void smtp_reply_fini(struct smtp_reply_reader *reader);
/* Takes octets from the front of *bytes up to the end of one reply. MORE: all were taken and the
 * reply is not complete. MALFORMED stays: there is no way to find the next reply. */
enum smtp_reply_step smtp_reply_read(struct smtp_reply_reader *reader, struct str *bytes,
                                     struct smtp_reply *out_reply);
/* The reply as the fate of a mail. Only for codes from 200 on. */
struct verdict smtp_reply_verdict(const struct smtp_reply *reply);
