/* SPDX-License-Identifier: ISC */
/* verdict.h: the fate of a mail, and the words that go with it.
 *
 * One value travels from a check or a remote reply to our reply, the log line,
 * the DSN and the portal. Passed by value. When in doubt between defer and
 * reject: defer, a backup MX can wait.
 */
#pragma once

#include "base/buf.h"
#include "base/str.h"

enum fate {
    FATE_ACCEPT, /* 2yz */
    FATE_DEFER,  /* 4yz, and whatever is no last word (354): may be tried again */
    FATE_REJECT, /* 5yz: for good */
};

enum { VERDICT_TEXT_MAX = 240 };

/* What of a transaction the peer was answering. */
enum stage {
    STAGE_NONE, /* it did not say it, or nobody noted where */
    STAGE_SENDER,
    STAGE_RECIPIENT,
    STAGE_CONTENT, /* DATA, a chunk, the end of the content */
    STAGE_OURS,    /* it was not asked: what it offers rules this message out, or of a message that
                    * was not tried: the session takes no more */
    STAGES
};

struct verdict {
    enum fate fate;
    uint16_t code;       /* RFC 5321 reply code, 200 … 599 */
    uint8_t enhanced[3]; /* RFC 3463 class, subject, detail; class 0: there is none */
    uint8_t stage;       /* enum stage; is not encoded */
    uint16_t text_len;
    char text[VERDICT_TEXT_MAX]; /* one line, printable, no CR or LF; cut if too long */
};

/* Builds one. The fate follows from the code's first digit, the enhanced class too. */
struct verdict verdict_make(uint16_t code, uint8_t subject, uint8_t detail, struct str text);
/* As above with printf. */
struct verdict verdict_format(uint16_t code, uint8_t subject, uint8_t detail, const char *format,
                              ...) __attribute__((format(printf, 4, 5)));
struct verdict verdict_accept(void); /* 250 2.0.0 OK */
/* From a remote reply; subject and detail may come from its text ("5.1.1 no such user"). Takes any
 * code: one that SMTP does not have becomes 451. */
struct verdict verdict_from_reply(uint16_t code, struct str text);
/* One that has code and enhanced code as given, also with class 0. For channels and disk. */
void verdict_encode(struct buf *out, const struct verdict *verdict);
struct cursor;
struct verdict verdict_decode(struct cursor *cursor);

struct str verdict_text(const struct verdict *verdict); /* borrowed */
/* "550 5.1.1 No such user" without line end, as it stands in replies and logs. */
void verdict_add_line(struct buf *out, const struct verdict *verdict);
/* Parses "5.1.1" at the front of *text and drops it with the space behind it; false if it is not
 * there (RFC 2034). */
bool verdict_cut_enhanced(struct str *text, uint8_t out_enhanced[3]);
/* 452 4.5.3: not tried, for there were too many at once (RFC 5321 4.5.3.1.10). Says nothing about
 * the recipient; also what our own client says of those it did not come to. */
bool verdict_is_not_tried(const struct verdict *verdict);
/* 421, theirs or ours: the session broke off before the answer. Says nothing about the recipient.
 * (Not x.4.2: a server may say that of a single recipient and go on.) */
bool verdict_is_broken_off(const struct verdict *verdict);
/* x.1.7, x.1.8 (RFC 3463), x.7.27 (RFC 7505): it is the sender's address that is not taken, whoever
 * brings it and whomever it is for. */
bool verdict_is_about_sender(const struct verdict *verdict);
const char *fate_name(enum fate fate); /* accept defer reject */
