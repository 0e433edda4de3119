/* SPDX-License-Identifier: ISC */
/* smtp_command.h: one command line of SMTP, taken apart (RFC 5321 4.1.1).
 *
 * Pure functions over borrowed bytes; what they return points into the line.
 * What a parameter means, and which are offered, is the session's business.
 */
#pragma once

#include "mail/address.h"

enum smtp_verb {
    SMTP_UNKNOWN,
    SMTP_HELO,
    SMTP_EHLO,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_DATA,
    SMTP_BDAT,
    SMTP_RSET,
    SMTP_NOOP,
    SMTP_QUIT,
    SMTP_VRFY,
    SMTP_EXPN,
    SMTP_HELP,
    SMTP_AUTH,
    SMTP_STARTTLS,
    SMTP_ETRN,
    SMTP_ATRN,
    SMTP_TURN,
    SMTP_SEND,
    SMTP_SOML,
    SMTP_SAML,
};

struct smtp_command {
    enum smtp_verb verb;
    struct str name;     /* the verb as it was spelt */
    struct str argument; /* what follows, without blanks at both ends */
};

/* `line` without its CRLF. Any line is a command, if only an unknown one. */
struct smtp_command smtp_command_parse(struct str line);

enum { SMTP_PARAMETERS_MAX = 16 };

struct smtp_parameter { /* KEY or KEY=value */
    struct str key;
    struct str value; /* ptr NULL where there is no "=" */
};

struct smtp_path { /* the argument of MAIL and RCPT */
    struct address address;
    struct smtp_parameter parameter[SMTP_PARAMETERS_MAX];
    size_t parameter_count;
};

enum smtp_path_fault {
    SMTP_PATH_OK,
    SMTP_PATH_KEYWORD,   /* does not begin with FROM: or TO: */
    SMTP_PATH_ADDRESS,   /* what follows is no path */
    SMTP_PATH_PARAMETER, /* malformed, given twice or too many */
};

/* `keyword` is "FROM:" or "TO:", `flags` are enum address_flags. Blanks between keyword and path
 * are let pass: many clients send "MAIL FROM: <…>". */
enum smtp_path_fault smtp_path_parse(struct str argument, struct str keyword, unsigned flags,
                                     struct smtp_path *out_path);

/* The argument of BDAT: "size [LAST]" (RFC 3030 2). */
bool smtp_chunk_parse(struct str argument, uint64_t *out_size, bool *out_last);
