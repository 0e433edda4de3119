/* SPDX-License-Identifier: ISC */
/* may_notify.h: may this sender be told? (SPEC N1, N5; RFC 3461 4.1, RFC 3834 2)
 *
 * A sender is told nothing unless he was proved to be who he says he is: a notice to a forged one
 * is the spam of whoever forged him. Who wrote by a program or to many wants to hear of failures
 * (that is how lists get clean), and of nothing else. What was asked for with NOTIFY= is decided
 * for each recipient.
 */
#pragma once

#include "mail/envelope.h"
#include "wire/header.h"

enum notice_kind {
    NOTICE_DELAYED, /* it waits */
    NOTICE_FAILED,  /* it will not be delivered */
    NOTICE_RELAYED, /* it was handed to a host that does not report (RFC 3461 5.2.2) */
    NOTICE_ARRIVED, /* after a NOTICE_DELAYED: it was handed over (SPEC N8) */
};
const char *notice_kind_name(enum notice_kind kind); /* delayed failed relayed arrived */

enum may_notify {
    MAY_NOTIFY,
    MAY_NOT_OWN,        /* we have written it ourselves */
    MAY_NOT_NO_SENDER,  /* <>: it is a notice */
    MAY_NOT_UNPROVED,   /* nobody knows who sent it */
    MAY_NOT_AUTOMATIC,  /* Auto-Submitted, or a report by its type */
    MAY_NOT_BULK,       /* Precedence */
    MAY_NOT_LIST,       /* List-… */
    MAY_NOT_SUPPRESSED, /* X-Auto-Response-Suppress */
    MAY_NOT_UNASKED,    /* NOTIFY= does not have it */
    MAY_NOT_HELD_BACK,  /* the recipient waits for somebody's judgement; nobody learns of it (A8) */
    MAY_NOT_BE_WRITTEN, /* his address has no place in a header */
};
const char *may_notify_name(enum may_notify why); /* for logs: "yes", "unproved" … */

/* As far as the message goes. */
enum may_notify may_notify_sender(enum notice_kind kind, const struct envelope *envelope,
                                  const struct header *header);
/* As far as one of its recipients goes. Without NOTIFY= a failure is told, and a delay, and its
 * end; that mail was relayed is told only to who asked for SUCCESS. */
enum may_notify may_notify_of(enum notice_kind kind, const struct recipient *recipient);
