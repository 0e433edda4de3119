/* SPDX-License-Identifier: ISC */
/* address.h: mailboxes of the envelope (RFC 5321 4.1.2).
 *
 * Parsing borrows: the parts point into the text. Quoted local parts stay quoted,
 * as they came: we hand over what we were given. Source routes (@a,@b:c@d) are
 * accepted and dropped (RFC 5321 F.2). UTF-8 local parts are accepted only where
 * the caller says so (RFC 6531).
 */
#pragma once

#include "base/str.h"

enum {
    ADDRESS_LOCAL_MAX = 64, /* RFC 5321 4.5.3.1.1; longer ones are let pass, VERP makes them */
    ADDRESS_SIZE_MAX = 254, /* RFC 5321 4.5.3.1.3 less the angle brackets */
};

struct address {
    struct str whole;  /* local@domain, without brackets and route; empty for <> */
    struct str local;  /* as sent */
    struct str domain; /* as sent; empty for <> and for <postmaster> */
};

enum address_flags {
    ADDRESS_MAY_BE_NULL = 1,     /* <> (MAIL FROM) */
    ADDRESS_MAY_LACK_DOMAIN = 2, /* <postmaster>, any case (RCPT TO, RFC 5321 4.1.1.3) */
    ADDRESS_MAY_BE_UTF8 = 4,     /* SMTPUTF8 was asked for */
};

/* A path in angle brackets at the front of *text; *text is left behind the closing bracket. A
 * mailbox without brackets is accepted if it ends at a space or the end: many clients send so.
 * On failure *text and *out_address are untouched. */
bool address_cut_path(struct str *text, unsigned flags, struct address *out_address);
/* A bare mailbox, nothing around it. */
bool address_parse(struct str text, unsigned flags, struct address *out_address);
