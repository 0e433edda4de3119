/* SPDX-License-Identifier: ISC */
/* smtp_greeting.h: what a server says of itself in its reply to EHLO (RFC 5321 4.1.1.1).
 *
 * Unknown keywords are skipped, and so are known ones with parameters that make
 * no sense: an extension is used only when its announcement is clear.
 */
#pragma once

#include "wire/smtp_reply.h"

enum smtp_extension {
    EXTENSION_PIPELINING = 1 << 0,          /* RFC 2920 */
    EXTENSION_CHUNKING = 1 << 1,            /* RFC 3030 */
    EXTENSION_8BITMIME = 1 << 2,            /* RFC 6152 */
    EXTENSION_SIZE = 1 << 3,                /* RFC 1870 */
    EXTENSION_STARTTLS = 1 << 4,            /* RFC 3207 */
    EXTENSION_SMTPUTF8 = 1 << 5,            /* RFC 6531 */
    EXTENSION_DSN = 1 << 6,                 /* RFC 3461 */
    EXTENSION_ENHANCEDSTATUSCODES = 1 << 7, /* RFC 2034 */
    EXTENSION_REQUIRETLS = 1 << 8,          /* RFC 8689 */
    EXTENSION_XCLIENT = 1 << 9,             /* Postfix XCLIENT_README */
    EXTENSION_BINARYMIME = 1 << 10,         /* RFC 3030 */
    EXTENSION_LIMITS = 1 << 11,             /* RFC 9422 */
};

struct smtp_greeting {
    unsigned extensions;     /* enum smtp_extension */
    uint64_t size_max;       /* 0: unsaid or unlimited */
    uint32_t recipients_max; /* RCPTMAX, RCPT commands per transaction; 0: unsaid */
    uint32_t messages_max;   /* MAILMAX, MAIL commands per connection; 0: unsaid */
    unsigned xclient;        /* enum xclient_attribute, that XCLIENT takes */
    struct str name;         /* borrowed from the reply */
};

struct smtp_greeting smtp_greeting_parse(const struct smtp_reply *reply);
