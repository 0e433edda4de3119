/* SPDX-License-Identifier: ISC */
/* notice.h: tells a sender what became of his message (SPEC N1, N2, N4, N8).
 *
 * One message, one event, one domain's recipients: either the whole notice, ready for the spool
 * (from <>, to the envelope's sender, under RFC 3461 6), or why there is none. Pure: it asks
 * nobody, and the same input makes the same octets.
 *
 * Nothing of a message with REQUIRETLS comes back but its Message-ID: the notice goes as other
 * mail.
 */
#pragma once

#include "notify/may_notify.h"
#include "notify/template.h"
#include "wire/dsn.h"

struct notice_outcome {
    uint32_t recipient;            /* its place in the envelope */
    const struct verdict *verdict; /* the last true answer; NULL: there was none */
    bool is_reply;                 /* it is the remote host's; else what we found out */
    bool is_expired;               /* given up because its time was over */
    struct str remote;             /* the host that was spoken to, or empty */
    int64_t last_attempt_ms;       /* 0: never */
};

struct notice_texts { /* a domain owner's; empty: ours */
    struct str text[OCCASION_FIRST_FOR_OWNER][LANGUAGE_COUNT];
};

struct notice {
    enum notice_kind kind;
    const struct envelope *envelope;
    struct str content; /* of the message: the header at least, the body where RET=FULL wants it */
    const struct notice_outcome *outcome;
    uint32_t outcome_count;

    struct str domain;
    struct str contact;             /* for people: a telephone number, a page …; may be empty */
    const struct notice_texts *own; /* or NULL */
    enum language fallback;         /* if the mail does not say */

    struct str node;       /* our name */
    struct str from;       /* our address */
    struct str from_name;  /* UTF-8, may be empty */
    struct str message_id; /* for the notice, with brackets, from chance */
    int64_t now_ms;
    int64_t until_ms; /* NOTICE_DELAYED: delivery is tried until then; 0: there is no end yet */
    size_t returned_max;
};

struct notice_made {
    struct dsn_form form;
    enum occasion occasion;
    enum language language;
    uint32_t recipients; /* that it is about */
    bool own_is_bad;     /* the owner's text has a mistake, and ours was taken: say so to him */
};

/* *out_made only with MAY_NOTIFY; otherwise nothing is added. An outcome whose recipient has asked
 * for no such notice is left out of it. */
enum may_notify notice_add(struct buf *out, const struct notice *notice,
                           struct notice_made *out_made);

/* Which of the sender's texts fits. For failures: what all of them have in common. */
enum occasion notice_occasion(enum notice_kind kind, const struct notice_outcome *outcome,
                              uint32_t count);
