/* SPDX-License-Identifier: ISC */
/* dsn_returned.h: what of a message goes back to its sender, and as what (RFC 6522, 6533).
 *
 * message/rfc822 may not be encoded (RFC 2046 5.2.1). So a message goes back whole only if it
 * would travel as it is; else its header does, which may be quoted. A header is more than ASCII
 * only in SMTPUTF8 (message/global, message/global-headers); one that just is so is quoted.
 */
#pragma once

#include "wire/mime.h"

struct dsn_returned {
    struct str octets; /* of the message, as many as go back; empty: none */
    const char *type;  /* value of Content-Type */
    enum mime_encoding encoding;
    bool is_whole;
    bool needs_utf8;
};

struct dsn_returned dsn_returned(struct str content, bool whole, size_t size_max, bool may_be_utf8);
