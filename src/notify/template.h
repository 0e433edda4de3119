/* SPDX-License-Identifier: ISC */
/* template.h: texts for people, ours or the domain owner's (SPEC N2).
 *
 * A template is a subject, and a text behind it:
 *
 *     Subject: Your mail to {domain} is delayed
 *
 *     Hello, …
 *
 * A name in braces stands for a value; `{{` is a brace. There is nothing else: no condition, no
 * loop, nothing that could be wrong in one mail and right in the next. So a template that was
 * checked when it was written is good for ever; one that is not gives way to ours.
 */
#pragma once

#include "base/buf.h"
#include "notify/language.h"

/* What a text is about. The first ones are for the sender of a message, the others for the owner
 * of the domain. */
enum occasion {
    OCCASION_DELAYED,
    OCCASION_UNKNOWN_RECIPIENT, /* failed, for one of these reasons */
    OCCASION_MAILBOX_FULL,
    OCCASION_REFUSED,
    OCCASION_EXPIRED,
    OCCASION_FAILED, /* for another one, or for several */
    OCCASION_RELAYED,
    OCCASION_ARRIVED,
    OCCASION_FIRST_FOR_OWNER,
    OCCASION_DOWN = OCCASION_FIRST_FOR_OWNER, /* the primary does not answer */
    OCCASION_BACK,                            /* it does again */
    OCCASION_DRAINED,                         /* and has got what was held */
    OCCASION_BLOCKED,                         /* it refuses us */
    OCCASION_STRANGER,                        /* somebody else answers in its place */
    OCCASION_HALF_UP,                         /* it answers, and takes nothing */
    OCCASION_BREAKER,                         /* it refused too much of what was handed over */
    OCCASION_NEAR_EXPIRY,
    OCCASION_QUOTA,
    OCCASION_USERS_GONE,       /* it says "no such user" of those it had before */
    OCCASION_REFUSED_MAIL,     /* mail is in the rescue store, and its sender could not be told */
    OCCASION_STRANGER_ADDRESS, /* somebody else answers at the address it was said to have now */
    OCCASION_COUNT,
};
const char *occasion_name(enum occasion occasion); /* "delayed", "unknown-recipient" … */
bool occasion_from_name(struct str name, enum occasion *out_occasion);

enum placeholder {
    PLACEHOLDER_DOMAIN,
    PLACEHOLDER_NODE,
    PLACEHOLDER_CONTACT,
    PLACEHOLDER_SENDER,
    PLACEHOLDER_RECIPIENTS,
    PLACEHOLDER_SUBJECT,
    PLACEHOLDER_RECEIVED,
    PLACEHOLDER_UNTIL,
    PLACEHOLDER_REASON,
    PLACEHOLDER_PRIMARY,
    PLACEHOLDER_SINCE,
    PLACEHOLDER_LASTED,
    PLACEHOLDER_HELD,
    PLACEHOLDER_OLDEST,
    PLACEHOLDER_DELIVERED,
    PLACEHOLDER_FAILURES,
    PLACEHOLDER_USED,
    PLACEHOLDER_QUOTA,
    PLACEHOLDER_COUNT,
};
const char *placeholder_name(enum placeholder placeholder);
const char *placeholder_help(enum placeholder placeholder); /* one line, English */
/* Is there a value for it on this occasion? */
bool placeholder_is_for(enum placeholder placeholder, enum occasion occasion);

enum {
    TEMPLATE_SIZE_MAX = 8192,      /* octets of a template */
    TEMPLATE_VALUE_MAX = 4000,     /* octets of a value that are shown */
    TEMPLATE_TEXT_MAX = 64 * 1024, /* octets of a filled one above which nothing is added */
    TEMPLATE_PROBLEMS_MAX = 10,    /* that are told at once */
};

/* Ours. */
struct str template_builtin(enum occasion occasion, enum language language);

/* Under which an owner's template is kept (struct domain_fact): "down/de". */
#define TEMPLATE_FACT "template"
void template_add_name(struct buf *out, enum occasion occasion, enum language language);

/* How many mistakes there are, each a line in *out (may be NULL): "line 3, column 7: there is no
 * {recipent}; write {recipients} instead". Columns count characters. */
unsigned template_check(struct str template, enum occasion occasion, struct buf *out);

/* UTF-8 from whomever; where a value has several lines, with LF between them. */
struct template_values {
    struct str value[PLACEHOLDER_COUNT];
};

/* Fills the owner's template, or ours where it is empty. False: the owner's has a mistake, and
 * ours was filled. What comes out is clean: a subject in one line, a text whose lines end with CRLF
 * (mime.h). The lines of a value stand below each other. */
bool template_fill(struct str own, enum occasion occasion, enum language language,
                   const struct template_values *values, struct buf *out_subject,
                   struct buf *out_text);
