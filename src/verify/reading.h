/* SPDX-License-Identifier: ISC */
/* reading.h: what an answer of the primary says about a recipient (FACTS 4.3, SPEC V6).
 *
 * "No such user" and "you are not welcome" are both 550. What is said before RCPT is about us,
 * never about an address. What at RCPT may be about either (a 550 without an enhanced code, a
 * matter of policy) needs a control: the primary is asked about an address that it is known to
 * have, and only if it takes that one was the answer about the recipient.
 */
#pragma once

#include "mail/verdict.h"

enum probe_stage {
    PROBE_CONNECT,  /* no connection, or it broke off without an answer */
    PROBE_GREETING, /* the banner, or EHLO */
    PROBE_MAIL,
    PROBE_RCPT,
};

enum reading {
    READING_VALID,
    READING_FULL,     /* it exists, and has no room */
    READING_INVALID,  /* there is none */
    READING_ANYTHING, /* it does not say: 252 */
    READING_UNSURE,   /* a control decides: it, or us, or neither */
    READING_REFUSED,  /* policy: says nothing about the address; a control tells whether it is us */
    READING_LATER,    /* greylisted, or too often asked: alive, and to be asked again */
    READING_NOT_TRIED, /* too many recipients in one transaction: ask in another one */
    READING_UNWELCOME, /* we are not let in */
    READING_SILENT,    /* down, or overloaded */
};

enum reading reading_of(enum probe_stage stage, const struct verdict *verdict);
/* What an answer that needs a control comes to, if the control was answered so. UNSURE stays UNSURE
 * where the control says nothing either. */
enum reading reading_with_control(enum reading reading, enum reading control);
const char *reading_name(enum reading reading); /* valid full invalid … */
