/* SPDX-License-Identifier: ISC */
/* dsn.h: writes a delivery status notification (RFC 3461, 3464, 6522; RFC 6533 for SMTPUTF8).
 *
 * A whole message with CRLF, in three parts: words for people, what happened in fields for
 * programs, and what came back of the message. Pure: the same input makes the same octets.
 *
 * Most of it was written by strangers. Whatever they wrote:
 *   1. each field is ours by name and number; nobody else begins one, or a line;
 *   2. no line is above MIME_LINE_MAX, and each ends with CRLF;
 *   3. the boundary stands nowhere but between the parts;
 *   4. octets above 127 are only where an encoding, or SMTPUTF8, provides for them, and what is
 *      UTF-8 there is well-formed.
 */
#pragma once

#include "mail/envelope.h"

enum dsn_action { DSN_FAILED, DSN_DELAYED, DSN_DELIVERED, DSN_RELAYED };

struct dsn_recipient {
    struct str address;  /* as it was to be delivered */
    struct str original; /* ORCPT in xtext as it came, or empty */
    enum dsn_action action;
    const struct verdict *verdict; /* the last true answer; NULL: there was none */
    bool is_reply;                 /* it is the remote host's; else our own finding */
    bool is_expired;               /* failed because time was up: 4.4.7, whatever was answered */
    struct str remote;             /* name of the host that was spoken to; empty: none was */
    int64_t last_attempt_ms;       /* Unix times; 0: not known, and left out */
    int64_t will_retry_until_ms;   /* only with DSN_DELAYED */
};

struct dsn {
    struct str from;       /* an address of ours */
    struct str from_name;  /* UTF-8, in front of it; may be empty */
    struct str to;         /* the sender of the message this is about */
    struct str subject;    /* UTF-8 */
    struct str message_id; /* ours, with brackets; nobody can know it before, as the boundary is
                              made of it */
    int64_t date_ms;
    struct str language; /* tag of the words, "de"; empty: unsaid */
    struct str words;    /* UTF-8, lines of any kind; written as mime_add_clean_lines() does */

    bool may_be_utf8;         /* the message came with SMTPUTF8, so may this one */
    struct str reporting_mta; /* our name */
    struct str envelope_id;   /* ENVID in xtext as it came, or empty */
    int64_t arrival_ms;       /* 0: not known */
    struct str helo;          /* of the client that gave us the message; empty: unsaid */
    struct endpoint client;   /* ENDPOINT_NONE: unsaid */
    struct str log_id;        /* our name for the message */

    const struct dsn_recipient *recipient; /* of which there is one at least */
    uint32_t recipient_count;

    struct str content;  /* the message: its header, and behind an empty line its body */
    bool returns_whole;  /* RET=FULL: the body too, if it fits and can stand in a message */
    size_t returned_max; /* octets of what is returned: above it the header, and of that as many
                            whole fields as fit; 0: nothing is returned */
};

/* How it has to travel, for the envelope. */
struct dsn_form {
    enum body_type body_type; /* BODY_7BIT or BODY_8BITMIME */
    bool needs_utf8;          /* SMTPUTF8 */
    bool is_whole;            /* the message came back with its body */
};

/* False, and nothing is added, if `from` or `to` is no address (of the kind that may_be_utf8
 * allows), or message_id or reporting_mta has no place in a header. */
bool dsn_add(struct buf *out, const struct dsn *dsn, struct dsn_form *out_form);

const char *dsn_action_name(enum dsn_action action); /* failed delayed delivered relayed */
/* What stands in Status (RFC 3463): "5.1.1". The class is the one that the action allows. */
void dsn_add_status(struct buf *out, const struct dsn_recipient *recipient);
